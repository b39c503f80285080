/**
 * Attributes and small macros that every file uses.
 */
#ifndef BELFRY_BASE_DEFS_H
#define BELFRY_BASE_DEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The caller has to look at the result. */
#define MUST_CHECK __attribute__((warn_unused_result))
/** Lets the compiler check a printf-like argument list. */
#define PRINTF_LIKE(format_index, first_arg) \
	__attribute__((format(printf, format_index, first_arg)))
/** Runs `function(&variable)` when the variable goes out of scope. */
#define CLEANUP(function) __attribute__((cleanup(function)))
#define NORETURN __attribute__((noreturn))
#define MAYBE_UNUSED __attribute__((unused))

/** Number of elements of an array (not of a pointer). */
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/** The struct that contains `member` at `pointer`. */
#define CONTAINER_OF(pointer, type, member) \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

/** Ends the process after a log line; called by invariant(). */
NORETURN void invariant_failed(const char *condition, const char *file, int line);

/**
 * States what the code itself guarantees; never used on outside input.
 * Stays on in release builds; a failure ends the process.
 */
#define invariant(condition) \
	((condition) ? (void)0 : invariant_failed(#condition, __FILE__, __LINE__))

#endif
