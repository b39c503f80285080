/*
 * The loader's functions and nothing else: who calls what is written by tools/late at build time.
 */
#include "base/late.h"

#include <dlfcn.h>
#include <string.h>

#include "base/defs.h"
#include "base/log.h"

void late_find(const char *soname, const char *const *names, size_t count, void *out)
{
	void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
	const char *cause = library == NULL ? dlerror() : NULL;
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
