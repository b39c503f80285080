/**
 * What the tests of client-facing rules share: JSON with ' for ", and events made of it by hand.
 */
#ifndef BELFRY_TESTS_UNIT_MATRIX_SAMPLE_H
#define BELFRY_TESTS_UNIT_MATRIX_SAMPLE_H

#include "tests/unit/base/check.h"

#include "base/buf.h"
#include "base/json_out.h"
#include "matrix/event.h"
#include "matrix/state_map.h"

/** The text with " for every '. */
static inline struct str sample_text(struct arena *arena, const char *text)
{
	struct str copy = str_dup(arena, str_of(text));
	char *bytes = arena_dup(arena, copy.p, copy.n);
	for (size_t i = 0; i < copy.n; i++) {
		bytes[i] = bytes[i] == '\'' ? '"' : bytes[i];
	}
	return str_from(bytes, copy.n);
}

/** The same, parsed. */
static inline struct json *sample_json(struct arena *arena, const char *text)
{
	struct json *json = ARENA_NEW(arena, struct json);
	if (json_parse(arena, sample_text(arena, text), NULL, json, NULL) != JSON_OK) {
		fail_msg("the test's JSON is wrong: %s", text);
	}
	return json;
}

/** A value as text, members in the tree's order; in the arena. */
static inline struct str sample_write(struct arena *arena, const struct json *value)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 1 << 20);
	struct json_out out;
	json_out_init(&out, &buf);
	json_out_value(&out, value);
	assert_true(buf_ok(&buf));
	return str_dup(arena, buf_str(&buf));
}

/** Equal values, or the test fails and shows both. */
static inline void sample_assert_equal(struct arena *arena, const struct json *value,
	const char *expected)
{
	struct json *wanted = sample_json(arena, expected);
	/* Written and read again, so that values made by hand compare with parsed ones. */
	struct json again;
	assert_int_equal(json_parse(arena, sample_write(arena, value), NULL, &again, NULL), JSON_OK);
	if (!json_equals(&again, wanted)) {
		struct str text = sample_write(arena, &again);
		fail_msg("got %.*s, expected %s", STR_ARG(text), expected);
	}
}

/** Text of JSON against an expected value. */
static inline void sample_assert_text(struct arena *arena, struct str text, const char *expected)
{
	struct json value;
	if (json_parse(arena, text, NULL, &value, NULL) != JSON_OK) {
		fail_msg("no JSON: %.*s", STR_ARG(text));
	}
	sample_assert_equal(arena, &value, expected);
}

/** An event as the server would have it, from its client form. No checks, no hashes. */
static inline struct event *sample_event(struct arena *arena, const char *version,
	const struct json *json)
{
	struct event *event = ARENA_NEW(arena, struct event);
	event->version = room_version_find(str_of(version));
	event->event_id.s = json_get_str(json, STR("event_id"));
	event->room_id.s = json_get_str(json, STR("room_id"));
	event->sender.s = json_get_str(json, STR("sender"));
	event->type = json_get_str(json, STR("type"));
	event->state_key = json_get_str(json, STR("state_key"));
	event->is_state = event->state_key.p != NULL;
	event->redacts = json_get_str(json, STR("redacts"));
	event->content = json_at(json, "content");
	event->tree = json;
	if (!json_get_int(json, STR("origin_server_ts"), 0, INT64_MAX, &event->origin_server_ts)) {
		event->origin_server_ts = 1;
	}
	return event;
}

/** A user id from a literal. */
static inline struct user_id sample_user(const char *text)
{
	return (struct user_id){.s = str_of(text)};
}

#endif
