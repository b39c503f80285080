# One static library for each top folder. A folder without sources yet still gives a library, so that
# what stands above it links.

# belfry_package(<pkg-config name> <out>): the library's imported target; found once.
function(belfry_package package out)
	string(MAKE_C_IDENTIFIER "PKG_${package}" var)
	if(NOT TARGET PkgConfig::${var})
		pkg_check_modules(${var} REQUIRED IMPORTED_TARGET GLOBAL ${package})
	endif()
	set(${out} PkgConfig::${var} PARENT_SCOPE)
endfunction()

# belfry_sources(<folder> <out>): all *.c under a folder; new files are seen by the next build.
function(belfry_sources folder out)
	file(GLOB_RECURSE found CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}
		${CMAKE_SOURCE_DIR}/${folder}/*.c)
	set(${out} ${found} PARENT_SCOPE)
endfunction()

# belfry_layer(<folder> [LAYERS lower…] [PKGS pkg…] [LIBS name…] [WITHOUT file…])
function(belfry_layer folder)
	cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LAYERS;PKGS;LIBS;WITHOUT")
	belfry_sources(${folder} sources)
	if(arg_WITHOUT)
		list(REMOVE_ITEM sources ${arg_WITHOUT})
	endif()
	if(NOT sources)
		set(sources ${CMAKE_BINARY_DIR}/gen/${folder}_empty.c)
		file(CONFIGURE OUTPUT ${sources} CONTENT "typedef int @folder@_is_empty;\n" @ONLY)
	endif()
	add_library(${folder} STATIC ${sources})
	belfry_flags(${folder})
	target_link_libraries(${folder} PUBLIC ${arg_LAYERS} Threads::Threads)
	foreach(package IN LISTS arg_PKGS)
		belfry_package(${package} library)
		target_link_libraries(${folder} PRIVATE ${library})
	endforeach()
	foreach(name IN LISTS arg_LIBS)
		find_library(LIB_${name} ${name} REQUIRED)
		target_link_libraries(${folder} PRIVATE ${LIB_${name}})
	endforeach()
endfunction()
