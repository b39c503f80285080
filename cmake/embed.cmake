# SQL becomes C at build time, by tools/embed.

# belfry_embed_migrations(<layer>): migrations/*.sql → gen/embedded_migrations.{h,c}
function(belfry_embed_migrations layer)
	file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/migrations/*.sql)
	belfry_embed(${layer} migrations embedded_migrations "${files}")
endfunction()

# belfry_embed_statements(<layer>): storage/sql/*.sql → gen/stmt_ids.h, gen/stmt_ids.c
function(belfry_embed_statements layer)
	file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/storage/sql/*.sql)
	belfry_embed(${layer} sql stmt_ids "${files}")
endfunction()

# belfry_embed_han(<layer>): ICU's table of traditional and simplified characters → gen/han_table.h
function(belfry_embed_han layer)
	belfry_package(icu-i18n icu)
	add_executable(han_table ${CMAKE_SOURCE_DIR}/tools/han_table.c)
	target_link_libraries(han_table PRIVATE ${icu})
	set(header ${CMAKE_BINARY_DIR}/gen/han_table.h)
	add_custom_command(OUTPUT ${header} COMMAND han_table > ${header} DEPENDS han_table
		COMMENT "Embedding the table of Han characters" VERBATIM)
	target_sources(${layer} PRIVATE ${header})
endfunction()

function(belfry_embed layer kind name files)
	set(header ${CMAKE_BINARY_DIR}/gen/${name}.h)
	set(source ${CMAKE_BINARY_DIR}/gen/${name}.c)
	# The list of files is written out, so that removing one rebuilds too.
	file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/gen/${name}.list CONTENT "${files}\n" @ONLY)
	add_custom_command(
		OUTPUT ${header} ${source}
		COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/embed ${kind} ${header} ${source}
			${files}
		DEPENDS ${CMAKE_SOURCE_DIR}/tools/embed ${CMAKE_BINARY_DIR}/gen/${name}.list ${files}
		COMMENT "Embedding ${kind}"
		VERBATIM)
	target_sources(${layer} PRIVATE ${header} ${source})
	# ISO C promises 4,095 bytes a literal; both compilers take far more.
	set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS -Wno-overlength-strings)
endfunction()
