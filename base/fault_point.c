/*
 * The list in BELFRY_FAULTS is read once; passings are counted per name.
 */
#include "base/fault_point.h"

#ifndef NDEBUG
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/str.h"

enum { MAX_FAULTS = 32 };

static struct {
	struct str name;
	int64_t only; /* the passing that fails; 0: every one */
	_Atomic int64_t passed;
} faults[MAX_FAULTS];
static size_t fault_n;
static pthread_once_t read_once = PTHREAD_ONCE_INIT;

static void read_faults(void)
{
	/* Read before anyone could change the environment: the process never does. */
	struct str rest = str_of(getenv("BELFRY_FAULTS")); // NOLINT(concurrency-mt-unsafe)
	while (rest.n > 0 && fault_n < MAX_FAULTS) {
		struct str entry;
		struct str number;
		(void)str_split(rest, ',', &entry, &rest);
		bool has_number = str_split(str_trim(entry), ':', &entry, &number);
		faults[fault_n].name = entry;
		faults[fault_n].only = 0;
		if (!has_number || str_to_int(number, 1, INT64_MAX, &faults[fault_n].only)) {
			fault_n++;
		}
	}
}

bool fault_point_hit(const char *name)
{
	(void)pthread_once(&read_once, read_faults);
	bool hit = false;
	for (size_t i = 0; i < fault_n; i++) {
		if (str_equals(faults[i].name, str_of(name))) {
			int64_t passing = atomic_fetch_add(&faults[i].passed, 1) + 1;
			hit = hit || faults[i].only == 0 || faults[i].only == passing;
		}
	}
	return hit;
}
#endif
