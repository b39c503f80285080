/*
 * Children of spaces: what is one, and their order; and what a summary takes from the state.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

#include "base/arena.h"
#include "matrix/room_summary.h"
#include "matrix/space_child.h"

static const struct json *content_of(struct arena *arena, const char *text)
{
	struct json *content = ARENA_NEW(arena, struct json);
	assert_int_equal(json_parse(arena, str_of(text), NULL, content, NULL), JSON_OK);
	return content;
}

static bool is_child(const char *state_key, const char *content)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct space_child child;
	return space_child_read(str_of(state_key), STR("@a:hs"), 1, content_of(arena, content), &child);
}

static void read__only_with_servers_and_a_room_id(void **state)
{
	(void)state;
	assert_true(is_child("!a:hs", "{\"via\":[\"hs\"]}"));
	assert_false(is_child("!a:hs", "{}"));
	assert_false(is_child("!a:hs", "{\"via\":[]}"));
	assert_false(is_child("!a:hs", "{\"via\":\"hs\"}"));
	assert_false(is_child("!a:hs", "{\"via\":[1]}"));
	assert_false(is_child("a:hs", "{\"via\":[\"hs\"]}"));
	assert_false(is_child("", "{\"via\":[\"hs\"]}"));
}

/* The example of the specification, and what it leaves open. */
static void sort__order_then_time_then_id(void **state)
{
	(void)state;
	static const struct {
		const char *id;
		int64_t ts;
		const char *content;
	} given[] = {
		{"!e:example.org", 1640641000000, "{\"via\":[\"x\"]}"},
		{"!a:example.org", 1640141000000, "{\"via\":[\"x\"],\"order\":\"aaaa\"}"},
		{"!d:example.org", 1640741000000, "{\"via\":[\"x\"],\"order\":7}"},
		{"!c:example.org", 1640841000000, "{\"via\":[\"x\"],\"order\":\"first\"}"},
		{"!b:example.org", 1640341000000, "{\"via\":[\"x\"],\"order\":\" \"}"},
		{"!g:example.org", 1640941000000, "{\"via\":[\"x\"],\"order\":\"\\u007f\"}"},
		{"!f:example.org", 1640941000000, "{\"via\":[\"x\"],\"order\":\"first\\u0000\"}"},
		{"!j:example.org", 1640941000001, "{\"via\":[\"x\"],\"order\":\"\"}"},
		{"!i:example.org", 5, "{\"via\":[\"x\"],\"order\":\"~\"}"},
		{"!h:example.org", 5, "{\"via\":[\"x\"],\"order\":\"~\"}"},
	};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct space_child children[COUNT_OF(given)];
	for (size_t i = 0; i < COUNT_OF(given); i++) {
		assert_true(space_child_read(str_of(given[i].id), STR("@a:hs"), given[i].ts,
			content_of(arena, given[i].content), &children[i]));
	}
	space_child_sort(children, COUNT_OF(given));
	const char *expected = "bachiedfgj";
	for (size_t i = 0; i < COUNT_OF(given); i++) {
		assert_int_equal(children[i].room_id.p[1], expected[i]);
	}
	space_child_sort(children, 0);
}

static void summary__malformed_values__not_set(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct room_summary summary;
	room_summary_init(&summary);
	assert_true(str_equals(summary.join_rule, STR("invite")));
	static const char *const given[][2] = {{"m.room.name", "{\"name\":\"\"}"},
		{"m.room.topic", "{\"topic\":7}"}, {"m.room.canonical_alias", "{\"alias\":\"none\"}"},
		{"m.room.avatar", "{\"url\":\"https://x/y\"}"}, {"m.room.create", "{\"type\":null}"},
		{"m.room.guest_access", "{\"guest_access\":\"maybe\"}"},
		{"m.room.join_rules",
			"{\"join_rule\":\"restricted\",\"allow\":[{\"type\":\"m.room_membership\",\"room_id\":\"x\"},"
			"{\"type\":\"m.room_membership\",\"room_id\":\"!y:hs\"},{\"room_id\":\"!z:hs\"},5]}"}};
	for (size_t i = 0; i < COUNT_OF(given); i++) {
		room_summary_take(arena, &summary, str_of(given[i][0]), content_of(arena, given[i][1]));
	}
	assert_true(summary.name.p == NULL && summary.topic.p == NULL);
	assert_true(summary.canonical_alias.p == NULL && summary.avatar_url.p == NULL);
	assert_true(summary.room_type.p == NULL && !summary.guest_can_join);
	assert_int_equal(summary.allowed_count, 1);
	assert_true(str_equals(summary.allowed_room_ids[0], STR("!y:hs")));
}

static void topic__plain_text_of_the_extensible_form_first(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	assert_true(str_equals(room_topic_plain(content_of(arena, "{\"topic\":\"a\"}")), STR("a")));
	assert_true(
		str_equals(room_topic_plain(content_of(arena,
					   "{\"topic\":\"a\",\"m.topic\":{\"m.text\":[{\"mimetype\":\"text/html\","
					   "\"body\":\"b\"},{\"body\":\"c\"}]}}")),
			STR("c")));
	assert_true(room_topic_plain(content_of(arena, "{}")).p == NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read__only_with_servers_and_a_room_id),
		cmocka_unit_test(sort__order_then_time_then_id),
		cmocka_unit_test(summary__malformed_values__not_set),
		cmocka_unit_test(topic__plain_text_of_the_extensible_form_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
