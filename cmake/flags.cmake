# Flags of every target, set by one function. Each flag is tried on the compiler first, so that GCC's
# own warnings and Clang's own each reach the compiler that has them.

include(CheckCCompilerFlag)
include(CheckLinkerFlag)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

set(BELFRY_WARNINGS
	-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wformat=2
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wundef -Wvla -Walloca
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wimplicit-fallthrough -Wdouble-promotion
	-Wnull-dereference
	# GCC only
	-Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wformat-signedness -Wjump-misses-init
	# Clang only
	-Wmissing-variable-declarations)
set(BELFRY_HARDENING
	-fstack-protector-strong -fstack-clash-protection -fcf-protection
	-fno-delete-null-pointer-checks -ftrivial-auto-var-init=zero)
set(BELFRY_LINK_HARDENING -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)

set(CMAKE_C_FLAGS_RELEASE "-O2 -g -DNDEBUG")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g3")
if(BELFRY_SANITIZE OR BELFRY_FUZZ)
	set(CMAKE_C_FLAGS_DEBUG "-O1 -g")
endif()

# belfry_flag_works(<flag> <out>): does the compiler take the flag? Remembered in the cache.
function(belfry_flag_works flag out)
	string(MAKE_C_IDENTIFIER "HAVE_FLAG${flag}" var)
	set(CMAKE_REQUIRED_QUIET ON)
	check_c_compiler_flag(${flag} ${var})
	set(${out} ${${var}} PARENT_SCOPE)
endfunction()

# The lists are tried once here, not once for each target.
set(BELFRY_COMPILE_FLAGS -Werror -fno-common)
foreach(flag IN LISTS BELFRY_WARNINGS)
	belfry_flag_works(${flag} works)
	if(works)
		list(APPEND BELFRY_COMPILE_FLAGS ${flag})
	endif()
endforeach()
# __FILE__ is "storage/tx.c" wherever the clone lies, and a release names no builder's folder at all.
list(APPEND BELFRY_COMPILE_FLAGS -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
	list(APPEND BELFRY_COMPILE_FLAGS -fdebug-prefix-map=${CMAKE_SOURCE_DIR}=/usr/src/belfry)
endif()

set(BELFRY_LINK_FLAGS "")
if(BELFRY_SANITIZE)
	list(APPEND BELFRY_COMPILE_FLAGS -fsanitize=${BELFRY_SANITIZE} -fno-sanitize-recover=all
		-fno-omit-frame-pointer)
	list(APPEND BELFRY_LINK_FLAGS -fsanitize=${BELFRY_SANITIZE})
endif()
if(BELFRY_FUZZ)
	list(APPEND BELFRY_COMPILE_FLAGS -fsanitize=fuzzer-no-link)
endif()
if(BELFRY_COVERAGE)
	list(APPEND BELFRY_COMPILE_FLAGS --coverage)
	list(APPEND BELFRY_LINK_FLAGS --coverage)
endif()

# A sanitizer's own checks take the place of hardening; the two in one binary hide each other's finds.
if(NOT BELFRY_SANITIZE AND NOT BELFRY_FUZZ)
	foreach(flag IN LISTS BELFRY_HARDENING)
		belfry_flag_works(${flag} works)
		if(works)
			list(APPEND BELFRY_COMPILE_FLAGS ${flag})
		endif()
	endforeach()
	foreach(flag IN LISTS BELFRY_LINK_HARDENING)
		string(MAKE_C_IDENTIFIER "HAVE_LINK${flag}" var)
		check_linker_flag(C ${flag} ${var})
		if(${var})
			list(APPEND BELFRY_LINK_FLAGS ${flag})
		endif()
	endforeach()
	if(CMAKE_BUILD_TYPE STREQUAL "Release")
		list(APPEND BELFRY_COMPILE_FLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
	endif()
endif()

# The released program is optimised as a whole. The layers' objects hold ordinary code too, so that tests link as fast
# as ever.
set(BELFRY_WHOLE_PROGRAM "")
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
	set(BELFRY_WHOLE_PROGRAM -flto=auto)
endif()

# belfry_flags(<target>): everything that one of our targets is compiled and linked with.
function(belfry_flags target)
	target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
	target_compile_options(${target} PRIVATE ${BELFRY_COMPILE_FLAGS})
	target_link_options(${target} PRIVATE ${BELFRY_LINK_FLAGS})
	get_target_property(type ${target} TYPE)
	if(BELFRY_WHOLE_PROGRAM AND type STREQUAL "EXECUTABLE" AND NOT target STREQUAL "belfry")
		target_link_options(${target} PRIVATE -fno-lto)
	endif()
	target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
endfunction()
