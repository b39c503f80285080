/**
 * What the tests of JSON share: an arena for each test, and texts that must be good.
 */
#ifndef BELFRY_TESTS_UNIT_BASE_JSON_CHECK_H
#define BELFRY_TESTS_UNIT_BASE_JSON_CHECK_H

#include "check.h"

#include "base/json.h"

static struct arena *arena;

static int set_up(void **state)
{
	(void)state;
	arena = arena_create();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_destroy(arena);
	return 0;
}

static enum json_error parse(struct str text, struct json *out)
{
	return json_parse(arena, text, NULL, out, NULL);
}

/** The tree of a text that must be good. */
static struct json good(struct str text)
{
	struct json value = {0};
	if (parse(text, &value) != JSON_OK) {
		fail_msg("refused: %.*s", STR_ARG(text));
	}
	return value;
}

#endif
