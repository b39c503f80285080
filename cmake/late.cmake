# Libraries that are loaded when they are called (base/late.h), by tools/late.

# belfry_late(<layer> <name> <pkg-config name or library's file> HEADERS h… PREFIXES p… SOURCES file… [FIRST function])
# → gen/late_<name>.h for those sources, and the code behind it in the layer. The library is not linked.
function(belfry_late layer name library)
	cmake_parse_arguments(PARSE_ARGV 3 arg "" "FIRST" "HEADERS;PREFIXES;SOURCES")
	if(NOT IS_ABSOLUTE ${library})
		belfry_package(${library} package)
		target_include_directories(${layer} SYSTEM PUBLIC
			$<BUILD_INTERFACE:$<TARGET_PROPERTY:${package},INTERFACE_INCLUDE_DIRECTORIES>>)
		get_target_property(libraries ${package} INTERFACE_LINK_LIBRARIES)
		list(GET libraries 0 library)
	endif()
	list(TRANSFORM arg_SOURCES PREPEND ${CMAKE_SOURCE_DIR}/)
	if(arg_FIRST)
		set(arg_FIRST --first ${arg_FIRST})
	endif()
	set(header ${CMAKE_BINARY_DIR}/gen/late_${name}.h)
	set(source ${CMAKE_BINARY_DIR}/gen/late_${name}.c)
	add_custom_command(
		OUTPUT ${header} ${source}
		COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/late ${header} ${source} ${name} ${library}
			--headers ${arg_HEADERS} --prefixes ${arg_PREFIXES} --sources ${arg_SOURCES} ${arg_FIRST}
		DEPENDS ${CMAKE_SOURCE_DIR}/tools/late ${arg_SOURCES} ${library}
		COMMENT "Finding what is called of ${name}"
		VERBATIM)
	target_sources(${layer} PRIVATE ${header} ${source})
endfunction()
