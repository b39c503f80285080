# Tests are found by where their file lies:
#   tests/unit/**/X_test.c     cmocka, linked with the folder's library and those below it
#   tests/vectors/X_test.c     cmocka over the published vectors
#   tests/storage/X_test.c     cmocka on a real PostgreSQL (tools/with-postgres gives one)
#   tests/sim/X_test.c         many servers in one process, on PostgreSQL
#   tests/fuzz/X_fuzz.c        libFuzzer; corpus in tests/fuzz/corpus/X/
#   tests/http/test_X.py       pytest against the binary
#   tests/interop/test_X.py    pytest with real clients and servers of others
#   tests/plans                which pages each statement reads, when the statistics know little
#   tests/soak                 one seeded run among Belfrys
#   tests/load, bench/year     seconds of each
#   bench/run                  whether it still works
#   tests/tools/test_X.py      the tools' own tests (kind lint)
#   tests/counts/              instructions of the pure hot paths, counted by callgrind
# Other *.c files beside the tests are helpers and linked into each of their kind; those of
# tests/support/ into all. BELFRY_TESTS says which kinds this build registers.

set(BELFRY_TEST_ENV
	BELFRY_SPEC_VECTORS=${CMAKE_SOURCE_DIR}/tests/vectors/data
	BELFRY_SOURCE_DIR=${CMAKE_SOURCE_DIR}
	ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1
	UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
	LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/support/lsan.supp:print_suppressions=0
	TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=${CMAKE_SOURCE_DIR}/tests/support/tsan.supp)
set(BELFRY_WITH_POSTGRES ${CMAKE_SOURCE_DIR}/tools/with-postgres)

# How much slower than a release build the server may be; the pytest suites stretch their limits by it.
set(BELFRY_SLOW 1)
if(BELFRY_SANITIZE MATCHES "thread")
	set(BELFRY_SLOW 20)
elseif(BELFRY_SANITIZE OR BELFRY_COVERAGE)
	set(BELFRY_SLOW 10)
endif()

# Run on a shadow-memory layout that every kernel's address randomisation allows.
set(BELFRY_RUN "")
if(BELFRY_SANITIZE MATCHES "thread")
	find_program(SETARCH setarch)
	if(SETARCH)
		set(BELFRY_RUN ${SETARCH} ${CMAKE_HOST_SYSTEM_PROCESSOR} -R)
	endif()
endif()

# The pytest suites start and kill servers; what a sanitizer finds in them must not be lost.
set(BELFRY_REPORTS "")
if(BELFRY_SANITIZE)
	set(BELFRY_REPORTS ${CMAKE_SOURCE_DIR}/tools/with-sanitizer-reports)
endif()

# belfry_register(<test> <kind> <timeout_s> COMMAND…): one ctest test.
function(belfry_register name kind timeout_s)
	add_test(NAME ${BELFRY_TEST_PREFIX}${name} COMMAND ${ARGN})
	set_tests_properties(${BELFRY_TEST_PREFIX}${name} PROPERTIES
		LABELS ${kind} TIMEOUT ${timeout_s} ENVIRONMENT "${BELFRY_TEST_ENV}")
endfunction()

# belfry_helpers(<library> <folder>): the *.c files of a folder that are no tests.
function(belfry_helpers library folder)
	file(GLOB sources CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/${folder}/*.c)
	list(FILTER sources EXCLUDE REGEX "_(test|fuzz)\\.c$")
	add_library(${library} INTERFACE)
	if(sources)
		add_library(${library}_objects STATIC EXCLUDE_FROM_ALL ${sources})
		belfry_flags(${library}_objects)
		target_compile_options(${library}_objects PRIVATE ${BELFRY_TEST_FLAGS})
		# Helpers may use any layer's headers, so they wait for the generated ones.
		add_dependencies(${library}_objects storage)
		belfry_test_libraries(${library}_objects)
		# So that matrix/ and base/ come behind them on the linker's line, whatever the layer under test.
		target_link_libraries(${library}_objects PUBLIC matrix)
		target_link_libraries(${library} INTERFACE ${library}_objects)
	endif()
endfunction()

# cmocka's macros cast pointers to integers and drop const; long expected texts are literals.
set(BELFRY_TEST_FLAGS -Wno-cast-qual -Wno-pedantic -Wno-overlength-strings -Wno-null-dereference)

# Oracles and libraries that only tests meet.
function(belfry_test_libraries target)
	belfry_package(cmocka cmocka)
	belfry_package(libcjson cjson)
	belfry_package(libpq pq)
	target_link_libraries(${target} PRIVATE ${cmocka} ${cjson} ${pq} m)
endfunction()

# belfry_cmocka(<kind> <file> <layer> <timeout_s>): one executable and its test.
function(belfry_cmocka kind file layer timeout_s)
	string(REGEX REPLACE "^tests/(.*)_test\\.c$" "\\1" name ${file})
	string(REPLACE "/" "_" name ${name})
	set(all "")
	if(NOT kind IN_LIST BELFRY_TESTS)
		set(all EXCLUDE_FROM_ALL) # still there to be built by name
	endif()
	add_executable(${name} ${all} ${file})
	belfry_flags(${name})
	target_compile_options(${name} PRIVATE ${BELFRY_TEST_FLAGS})
	set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
	target_link_libraries(${name} PRIVATE ${kind}_helpers support_helpers ${layer})
	belfry_test_libraries(${name})
	set(command ${BELFRY_RUN} $<TARGET_FILE:${name}>)
	if(kind STREQUAL "storage" OR kind STREQUAL "sim")
		set(command ${BELFRY_WITH_POSTGRES} ${command})
	endif()
	if(kind IN_LIST BELFRY_TESTS)
		belfry_register(${name} ${kind} ${timeout_s} ${command})
	endif()
endfunction()

# belfry_cmocka_kind(<kind> <layer> <timeout_s>): all *_test.c right in tests/<kind>.
function(belfry_cmocka_kind kind layer timeout_s)
	belfry_helpers(${kind}_helpers tests/${kind})
	if(TARGET ${kind}_helpers_objects)
		target_link_libraries(${kind}_helpers_objects PUBLIC ${layer})
	endif()
	file(GLOB files CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}
		${CMAKE_SOURCE_DIR}/tests/${kind}/*_test.c)
	foreach(file IN LISTS files)
		belfry_cmocka(${kind} ${file} ${layer} ${timeout_s})
	endforeach()
endfunction()

function(belfry_unit_tests)
	belfry_helpers(unit_helpers tests/unit)
	file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}
		${CMAKE_SOURCE_DIR}/tests/unit/*_test.c)
	foreach(file IN LISTS files)
		string(REGEX REPLACE "^tests/unit/([^/]+)/.*$" "\\1" layer ${file})
		if(NOT TARGET ${layer})
			message(FATAL_ERROR "${file}: there is no layer '${layer}'")
		endif()
		# matrix/ is pure: there is nothing that threads could share.
		if(layer STREQUAL "matrix" AND BELFRY_SANITIZE MATCHES "thread")
			continue()
		endif()
		belfry_cmocka(unit ${file} ${layer} 60)
	endforeach()
endfunction()

# belfry_program_test(<test> <kind> <timeout_s> <folder> COMMAND…): a test in Python of the server, run in a folder.
function(belfry_program_test name kind timeout_s folder)
	belfry_register(${name} ${kind} ${timeout_s} ${ARGN})
	set_property(TEST ${BELFRY_TEST_PREFIX}${name} APPEND PROPERTY ENVIRONMENT BELFRY_BIN=$<TARGET_FILE:belfry>
		BELFRY_TEST_SLOW=${BELFRY_SLOW} PYTHON=${PYTHON} PYTHONDONTWRITEBYTECODE=1)
	set_property(TEST ${BELFRY_TEST_PREFIX}${name} PROPERTY WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/${folder})
endfunction()

# belfry_pytest(<kind> <timeout_s>): one ctest test for each test_*.py of tests/<kind>.
function(belfry_pytest kind timeout_s)
	if(NOT kind IN_LIST BELFRY_TESTS OR NOT TARGET belfry)
		return()
	endif()
	file(GLOB files CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}
		${CMAKE_SOURCE_DIR}/tests/${kind}/test_*.py)
	foreach(file IN LISTS files)
		set(select "")
		if(BELFRY_PYTEST_MARK)
			set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
			file(STRINGS ${file} marked REGEX "mark\\.${BELFRY_PYTEST_MARK}")
			if(NOT marked)
				continue()
			endif()
			set(select -m ${BELFRY_PYTEST_MARK})
		endif()
		string(REGEX REPLACE "^.*/test_(.*)\\.py$" "${kind}_\\1" name ${file})
		belfry_program_test(${name} ${kind} ${timeout_s} tests/${kind} ${BELFRY_REPORTS} ${BELFRY_RUN} ${PYTHON} -m pytest -q
			-p no:cacheprovider ${select} ${CMAKE_SOURCE_DIR}/${file})
	endforeach()
endfunction()

# Plans are the database's, whatever the server was built with.
function(belfry_plans)
	if(lint IN_LIST BELFRY_TESTS)
		belfry_register(plans storage 300 ${BELFRY_WITH_POSTGRES} ${PYTHON} -B -m plans)
		set_property(TEST ${BELFRY_TEST_PREFIX}plans PROPERTY WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/tests)
	endif()
endfunction()

# A minute of trouble, most of which it waits: Belfrys alone, since a Synapse costs more and has excuses of its own (tests/soak/README.md).
function(belfry_soak)
	if(soak IN_LIST BELFRY_TESTS AND TARGET belfry)
		belfry_program_test(soak soak 600 tests ${BELFRY_REPORTS} ${BELFRY_RUN} ${PYTHON} -m soak --seed 11 --seconds 45
			--belfrys 3 --no-synapse --no-clocks --heal 180)
	endif()
endfunction()

# Two processes behind HAProxy: what meets most of what they share. tools/test-pair without a file runs everything.
function(belfry_pair)
	if(interop IN_LIST BELFRY_TESTS AND TARGET belfry)
		belfry_program_test(pair interop 300 "" ${CMAKE_SOURCE_DIR}/tools/test-pair
			tests/http/test_send.py tests/http/test_to_device.py tests/http/test_fed_inbox.py)
	endif()
endfunction()

# Seconds of what `tools/soak-load` does for hours: descriptors and threads that are not given back, answers that are wrong.
function(belfry_soak_load)
	if(TARGET belfry AND (soak IN_LIST BELFRY_TESTS OR BELFRY_SANITIZE MATCHES "thread"))
		belfry_program_test(soak_load soak 300 tests ${BELFRY_REPORTS} ${BELFRY_RUN} ${PYTHON} -m load --seconds 6)
	endif()
endfunction()

# Two days of a small school, all that bench/year does and measures.
function(belfry_year)
	if(soak IN_LIST BELFRY_TESTS AND TARGET belfry)
		belfry_register(year soak 300 ${PYTHON} ${CMAKE_SOURCE_DIR}/bench/year --belfry $<TARGET_FILE:belfry> --users 24 --days 2)
	endif()
endfunction()

# That the benchmark still works; its figures are judged by people.
function(belfry_bench)
	if(NOT bench IN_LIST BELFRY_TESTS OR NOT TARGET belfry)
		return()
	endif()
	belfry_register(bench bench 300 ${PYTHON} -B ${CMAKE_SOURCE_DIR}/bench/run --belfry $<TARGET_FILE:belfry> --self-test)
endfunction()

function(belfry_fuzz_targets)
	belfry_helpers(fuzz_helpers tests/fuzz)
	file(GLOB files CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}
		${CMAKE_SOURCE_DIR}/tests/fuzz/*_fuzz.c)
	foreach(file IN LISTS files)
		get_filename_component(name ${file} NAME_WE)
		string(REGEX REPLACE "_fuzz$" "" subject ${name})
		add_executable(fuzz_${subject} ${file})
		belfry_flags(fuzz_${subject})
		target_compile_options(fuzz_${subject} PRIVATE -Wno-missing-prototypes)
		target_link_options(fuzz_${subject} PRIVATE -fsanitize=fuzzer)
		target_link_libraries(fuzz_${subject} PRIVATE fuzz_helpers support_helpers notices federation)
		set_target_properties(fuzz_${subject} PROPERTIES
			RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
		if(fuzz IN_LIST BELFRY_TESTS)
			# New finds go to the first folder, in the build; the second is ours and read only.
			set(found ${CMAKE_BINARY_DIR}/corpus/${subject})
			file(MAKE_DIRECTORY ${found})
			set(corpus ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${subject})
			if(NOT EXISTS ${corpus})
				set(corpus "")
			endif()
			belfry_register(fuzz_${subject} fuzz 120 $<TARGET_FILE:fuzz_${subject}>
				-runs=20000 -max_total_time=15 -timeout=10 -rss_limit_mb=1024 -seed=1
				-print_final_stats=1 -artifact_prefix=${CMAKE_BINARY_DIR}/found-${subject}-
				${found} ${corpus})
		endif()
	endforeach()
endfunction()

# belfry_lint(<name> <timeout_s> COMMAND…): a check of the sources.
function(belfry_lint name timeout_s)
	belfry_register(lint/${name} lint ${timeout_s} ${ARGN})
	set_tests_properties(${BELFRY_TEST_PREFIX}lint/${name} PROPERTIES
		WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endfunction()

function(belfry_lint_tests)
	set(tools ${CMAKE_SOURCE_DIR}/tools)
	belfry_lint(layers 60 ${tools}/check-layers)
	belfry_lint(sizes 60 ${tools}/check-sizes)
	belfry_lint(names 60 ${tools}/check-names --complete)
	belfry_lint(metrics 60 ${tools}/check-metrics)
	belfry_lint(sql 120 ${tools}/check-sql)
	belfry_lint(format 120 ${tools}/check-format)
	belfry_lint(tidy 1200 ${tools}/check-tidy ${CMAKE_BINARY_DIR})
	belfry_lint(cppcheck 900 ${tools}/check-cppcheck ${CMAKE_BINARY_DIR})
	if(TARGET belfry)
		belfry_lint(generated 60 ${tools}/check-generated $<TARGET_FILE:belfry>)
	endif()
	# These two keep all processors busy by themselves.
	set_tests_properties(${BELFRY_TEST_PREFIX}lint/tidy ${BELFRY_TEST_PREFIX}lint/cppcheck PROPERTIES
		RUN_SERIAL ON)
	file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/tools/test_*.py)
	foreach(file IN LISTS files)
		string(REGEX REPLACE "^.*/test_(.*)\\.py$" "\\1" name ${file})
		belfry_lint(tools_${name} 120 ${Python3_EXECUTABLE} -B ${file})
	endforeach()
endfunction()

# The program runs wherever it is built; what its paths cost is told for the release build only.
function(belfry_counts)
	if(NOT counts IN_LIST BELFRY_TESTS)
		return()
	endif()
	belfry_helpers(counts_helpers tests/counts)
	target_link_libraries(counts_helpers_objects PUBLIC homeserver)
	add_executable(hot_paths $<TARGET_OBJECTS:counts_helpers_objects>)
	belfry_flags(hot_paths)
	set_target_properties(hot_paths PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
	target_link_libraries(hot_paths PRIVATE support_helpers homeserver)
	belfry_test_libraries(hot_paths)
	belfry_register(counts counts 300 ${CMAKE_SOURCE_DIR}/tools/check-counts $<TARGET_FILE:hot_paths>)
endfunction()

belfry_helpers(support_helpers tests/support)
if(BELFRY_FUZZ)
	belfry_fuzz_targets()
else()
	belfry_unit_tests()
	belfry_cmocka_kind(vectors federation 120)
	belfry_cmocka_kind(storage storage 300)
	belfry_cmocka_kind(sim app 600)
	belfry_counts()
	belfry_pytest(http 900)
	belfry_pytest(interop 900)
	belfry_pair()
	belfry_soak()
	belfry_plans()
	belfry_soak_load()
	belfry_year()
	belfry_bench()
	if(lint IN_LIST BELFRY_TESTS)
		belfry_lint_tests()
	endif()
endif()
