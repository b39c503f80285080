/*
 * The loader's functions and nothing else: who calls what is written by tools/late at build time.
 */
#include "base/late.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { TRY_AGAIN_MS = 100, TEXT_BYTES = 128 };

/* The loader's words are all that tells: it ends with those of the error's number. */
static bool is_for_want_of_files(const char *cause)
{
	char own[TEXT_BYTES];
	char system[TEXT_BYTES];
	return strstr(cause, strerror_r(EMFILE, own, sizeof(own))) != NULL ||
		strstr(cause, strerror_r(ENFILE, system, sizeof(system))) != NULL;
}

/* The loader must not find out by itself: where it cannot open the system's list of libraries, it does without that list for good. */
static bool has_file(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)close(fd);
	}
	return fd >= 0 || (errno != EMFILE && errno != ENFILE);
}

/* Waits while the process has no file descriptor left, as those do who want to be accepted. @return NULL: see out_cause */
static void *open_library(const char *soname, const char **out_cause)
{
	bool is_told = false;
	for (;;) {
		bool may_try = has_file();
		void *library = may_try ? dlopen(soname, RTLD_NOW | RTLD_LOCAL) : NULL;
		*out_cause = library != NULL ? NULL : may_try ? dlerror() : "no file descriptor left";
		if (library != NULL || (may_try && !is_for_want_of_files(*out_cause))) {
			return library;
		}
		if (!is_told) {
			log_warn(0, "library.waits", "name=%s cause=%s", soname, *out_cause);
		}
		is_told = true;
		clock_os_pause(TRY_AGAIN_MS);
	}
}

void late_find(const char *soname, const char *const *names, size_t count, void *out)
{
	const char *cause = NULL;
	void *library = open_library(soname, &cause);
	for (size_t i = 0; i < count && cause == NULL; i++) {
		void *address = dlsym(library, names[i]);
		cause = address == NULL ? dlerror() : NULL;
		memcpy((char *)out + i * sizeof(address), &address, sizeof(address));
	}
	if (cause != NULL) {
		log_error(0, "library.missing",
			"name=%s hint=\"install the package that it comes from\" cause=%s", soname, cause);
		invariant_failed("a library that the program was built with is there", __FILE__, __LINE__);
	}
}
