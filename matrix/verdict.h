/**
 * What a pure rule decides.
 */
#ifndef BELFRY_MATRIX_VERDICT_H
#define BELFRY_MATRIX_VERDICT_H

#include "base/defs.h"

struct verdict {
	bool allowed;
	/** Id of the first rule that refused, e.g. "auth.5.3.1"; static; NULL when allowed. */
	const char *rule;
	const char *text; /**< one sentence for people; static; NULL when allowed */
};

static inline struct verdict verdict_allow(void)
{
	return (struct verdict){.allowed = true};
}

static inline struct verdict verdict_deny(const char *rule, const char *text)
{
	return (struct verdict){.allowed = false, .rule = rule, .text = text};
}

#endif
