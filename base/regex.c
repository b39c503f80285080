/*
 * Not compiled to machine code: hardened systems forbid memory that is writable and executable, and identifiers are short.
 */
#include "base/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
	PROBLEM_BYTES = 256,
	MATCH_STEPS =
		20000, /* tens of microseconds for what is usual; a millisecond or so at the worst */
	MATCH_HEAP_KIB = 1024,
	MAX_NESTING = 50,
};

struct regex {
	pcre2_code *code;
	pcre2_match_context *limits;
};

static void regex_fini(void *data)
{
	struct regex *regex = data;
	pcre2_code_free(regex->code);
	pcre2_match_context_free(regex->limits);
}

static pcre2_code *compile(struct str pattern, int *out_error, size_t *out_at)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	invariant(context != NULL);
	(void)pcre2_set_max_pattern_length(context, REGEX_MAX_BYTES);
	(void)pcre2_set_parens_nest_limit(context, MAX_NESTING);
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)(pattern.p != NULL ? pattern.p : ""), pattern.n,
		PCRE2_UTF | PCRE2_ANCHORED | PCRE2_NEVER_BACKSLASH_C, out_error, out_at, context);
	pcre2_compile_context_free(context);
	return code;
}

struct regex *regex_create(struct arena *arena, struct str pattern, const char **out_problem)
{
	int error = 0;
	size_t at = 0;
	pcre2_code *code = compile(pattern, &error, &at);
	if (code == NULL) {
		unsigned char text[PROBLEM_BYTES] = "";
		(void)pcre2_get_error_message(error, text, sizeof(text));
		*out_problem = arena_printf(arena, "%s at %zu", (const char *)text, at);
		return NULL;
	}
	struct regex *regex = ARENA_NEW(arena, struct regex);
	regex->code = code;
	regex->limits = pcre2_match_context_create(NULL);
	invariant(regex->limits != NULL);
	(void)pcre2_set_match_limit(regex->limits, MATCH_STEPS);
	(void)pcre2_set_heap_limit(regex->limits, MATCH_HEAP_KIB);
	arena_on_reset(arena, regex_fini, regex);
	return regex;
}

bool regex_matches_start(const struct regex *regex, struct str text)
{
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	invariant(data != NULL);
	int found = pcre2_match(regex->code, (PCRE2_SPTR)(text.p != NULL ? text.p : ""), text.n, 0, 0,
		data, regex->limits);
	pcre2_match_data_free(data);
	return found >= 0;
}
