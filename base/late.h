/**
 * Libraries that are loaded when something of them is called for the first time, so that a server does not carry what nobody asks of
 * it. A file that calls one includes "gen/late_NAME.h" (cmake/late.cmake) behind the library's own headers, and is written as ever.
 */
#ifndef BELFRY_BASE_LATE_H
#define BELFRY_BASE_LATE_H

#include <stddef.h>

/**
 * Loads a library and finds what it exports; all its symbols are resolved at once. It stays until the process ends. One that is not
 * there ends the process, since it was there when the program was built: it is a broken installation. A server says so when it starts
 * (app/libraries.h). While the process has no file descriptor to read it with, the caller waits.
 *
 * @param soname  such as "libolm.so.3"
 * @param names   of functions or variables
 * @param out     gets their addresses, `count` pointers
 */
void late_find(const char *soname, const char *const *names, size_t count, void *out);

#endif
