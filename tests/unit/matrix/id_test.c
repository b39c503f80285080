/*
 * Identifiers beyond the published cases: lengths, ports, addresses, parts.
 */
#include "tests/unit/base/check.h"

#include "matrix/id.h"

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

/* `head`, as many 'a' as make it `n` bytes, `tail`. */
static struct str padded(const char *head, const char *tail, size_t n)
{
	size_t rest = n - strlen(head) - strlen(tail);
	char *fill = arena_alloc(arena, rest + 1);
	memset(fill, 'a', rest);
	return str_printf(arena, "%s%s%s", head, fill, tail);
}

static void server_name__valid__host_and_port(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *host;
		int port;
	} cases[] = {
		{"a", "a", -1},
		{"A.Example", "A.Example", -1},
		{"a.example:8448", "a.example", 8448},
		{"a.example:0", "a.example", 0},
		{"a.example:00080", "a.example", 80},
		{"1.2.3.4:1", "1.2.3.4", 1},
		{"[::1]", "[::1]", -1},
		{"[::]", "[::]", -1},
		{"[0000:0000:0000:0000:0000:ffff:255.255.255.255]",
			"[0000:0000:0000:0000:0000:ffff:255.255.255.255]", -1},
		{"[::ffff:1.2.3.4]:99999", "[::ffff:1.2.3.4]", 99999},
		{"-a-.-", "-a-.-", -1},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct server_name name;
		assert_true(server_name_parse(str_of(cases[i].text), &name));
		assert_true(str_equals(server_name_host(name), str_of(cases[i].host)));
		assert_int_equal(server_name_port(name), cases[i].port);
	}
}

static void server_name__malformed__refused(void **state)
{
	(void)state;
	static const char *const cases[] = {"", ":", ":80", "a:", "a:b", "a:-1", "a:+1", "a:1:2",
		"a:100000", "[", "[]", "[:", "[:]", "[::1", "[::1]x", "[::1]:", "[::1]80", "::1", "[g::1]",
		"[1:2]", "[::1%eth0]", "[:::::]", "a b", "a/b", "a@b", "a_b", "é.example", "a\n", "a\t",
		"[12345::1]", "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0]"};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct server_name name;
		if (server_name_parse(str_of(cases[i]), &name)) {
			fail_msg("accepted: %s", cases[i]);
		}
	}
	struct server_name name;
	assert_false(server_name_parse(STR("a\0b"), &name));
	assert_false(server_name_parse(str_from(NULL, 0), &name));
}

static void server_name__host_of_255_bytes__longest(void **state)
{
	(void)state;
	struct server_name name;
	assert_true(server_name_parse(padded("", "", 255), &name));
	assert_true(server_name_parse(padded("", ":8448", 260), &name));
	assert_false(server_name_parse(padded("", "", 256), &name));
}

static void server_name_equals__case__differs(void **state)
{
	(void)state;
	struct server_name a = {STR("a.example")};
	struct server_name upper = {STR("A.example")};
	assert_true(server_name_equals(a, a));
	assert_false(server_name_equals(a, upper));
}

static bool is_user(struct str text)
{
	struct user_id id;
	return user_id_parse(text, &id);
}

static bool is_room(struct str text)
{
	struct room_id id;
	return room_id_parse(text, &id);
}

static bool is_event(struct str text)
{
	struct event_id id;
	return event_id_parse(text, &id);
}

static bool is_alias(struct str text)
{
	struct room_alias alias;
	return room_alias_parse(text, &alias);
}

static void ids__255_bytes__longest(void **state)
{
	(void)state;
	assert_true(is_user(padded("@", ":a.example", 255)));
	assert_false(is_user(padded("@", ":a.example", 256)));
	assert_true(is_room(padded("!", ":a.example", 255)));
	assert_false(is_room(padded("!", ":a.example", 256)));
	assert_true(is_room(padded("!", "", 255)));
	assert_false(is_room(padded("!", "", 256)));
	assert_true(is_event(padded("$", "", 255)));
	assert_false(is_event(padded("$", "", 256)));
	assert_true(is_event(padded("$", ":a.example", 255)));
	assert_false(is_event(padded("$", ":a.example", 256)));
	assert_true(is_alias(padded("#", ":a.example", 255)));
	assert_false(is_alias(padded("#", ":a.example", 256)));
}

static void ids__malformed__refused(void **state)
{
	(void)state;
	assert_false(is_user(str_from(NULL, 0)));
	assert_false(is_user(STR("@")));
	assert_false(is_user(STR("@a:")));
	assert_false(is_user(STR("@a:b:c")));
	assert_false(is_user(STR("@\xff:a.example")));
	assert_false(is_user(STR("@\xed\xa0\x80:a.example")));
	assert_false(is_user(STR("@a:a_b")));
	assert_false(is_room(STR("!")));
	assert_false(is_room(STR("!a:")));
	assert_false(is_room(STR("!a:b c")));
	assert_false(is_room(STR("!a\0b")));
	assert_false(is_room(STR("#a:b")));
	assert_false(is_event(STR("$")));
	assert_false(is_event(STR("")));
	assert_false(is_event(STR("$a\0b")));
	assert_false(is_event(STR("$\xc0\x80")));
	assert_false(is_alias(STR("#")));
	assert_false(is_alias(STR("#a")));
	assert_false(is_alias(STR("#a:")));
}

static void ids__parts__split_at_the_first_colon(void **state)
{
	(void)state;
	struct user_id user;
	struct room_alias alias;
	struct room_id room;
	struct event_id event;
	struct server_name server;
	assert_true(user_id_parse(STR("@a/b:[::1]:80"), &user));
	assert_text(user_id_localpart(user), "a/b");
	assert_text(user_id_server(user).s, "[::1]:80");
	assert_true(user_id_parse(STR("@:a"), &user));
	assert_text(user_id_localpart(user), "");
	assert_true(room_alias_parse(STR("#Räume:a.example:1"), &alias));
	assert_text(room_alias_localpart(alias), "Räume");
	assert_text(room_alias_server(alias).s, "a.example:1");
	assert_true(room_id_parse(STR("!x:a.example"), &room));
	assert_true(room_id_server(room, &server));
	assert_text(server.s, "a.example");
	assert_true(room_id_parse(STR("!x"), &room));
	assert_false(room_id_server(room, &server));
	assert_true(event_id_parse(STR("$a/+=:b:1"), &event));
	assert_true(event_id_server(event, &server));
	assert_text(server.s, "b:1");
	assert_true(event_id_parse(STR("$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk"), &event));
	assert_false(event_id_server(event, &server));
}

static void localpart__each_byte__grammar_of_new_users(void **state)
{
	(void)state;
	assert_false(localpart_is_valid_for_new_user(STR("")));
	for (int c = 0; c < 256; c++) {
		char byte = (char)c;
		bool expected = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			(c != 0 && strchr("._=-/+", c) != NULL);
		assert_int_equal(localpart_is_valid_for_new_user(str_from(&byte, 1)), expected);
	}
}

static void user_id__each_byte__compliant_in_the_historical_range(void **state)
{
	(void)state;
	struct user_id user;
	assert_true(user_id_parse(STR("@:a"), &user));
	assert_false(user_id_is_compliant(user));
	for (int c = 0; c < 0x80; c++) {
		char text[] = "@x_x:a";
		text[2] = (char)c;
		if (c != ':' && user_id_parse(str_from(text, sizeof(text) - 1), &user)) {
			assert_int_equal(user_id_is_compliant(user), c > ' ' && c < 0x7F);
		}
	}
	assert_true(user_id_parse(STR("@ä:a"), &user));
	assert_false(user_id_is_compliant(user));
}

static void key_id__forms__algorithm_and_version(void **state)
{
	(void)state;
	struct str algorithm;
	struct str version;
	assert_true(key_id_parse(STR("ed25519:a_Bc9"), &algorithm, &version));
	assert_text(algorithm, "ed25519");
	assert_text(version, "a_Bc9");
	static const char *const wrong[] = {"", ":", "ed25519", "ed25519:", ":1", "ed25519:a-b",
		"ed25519:a:b", "ed 1:a", "ed25519:é"};
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		assert_false(key_id_parse(str_of(wrong[i]), &algorithm, &version));
	}
	assert_true(key_id_parse(padded("ed25519:", "", 255), &algorithm, &version));
	assert_false(key_id_parse(padded("ed25519:", "", 256), &algorithm, &version));
}

static void mxc__forms__server_and_media_id(void **state)
{
	(void)state;
	struct server_name server;
	struct str media_id;
	assert_true(mxc_parse(STR("mxc://[::1]:8448/aZ09_-"), &server, &media_id));
	assert_text(server.s, "[::1]:8448");
	assert_text(media_id, "aZ09_-");
	static const char *const wrong[] = {"", "mxc://", "mxc://a", "mxc://a/", "mxc:///a", "mxc:/a/b",
		"MXC://a/b", "http://a/b", "mxc://a/b/c", "mxc://a/../b", "mxc://a/b.c", "mxc://a/b%2f",
		"mxc://a b/c", "mxc://a/b?c", " mxc://a/b"};
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		if (mxc_parse(str_of(wrong[i]), &server, &media_id)) {
			fail_msg("accepted: %s", wrong[i]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_name__valid__host_and_port),
		cmocka_unit_test(server_name__malformed__refused),
		cmocka_unit_test(server_name__host_of_255_bytes__longest),
		cmocka_unit_test(server_name_equals__case__differs),
		cmocka_unit_test(ids__255_bytes__longest),
		cmocka_unit_test(ids__malformed__refused),
		cmocka_unit_test(ids__parts__split_at_the_first_colon),
		cmocka_unit_test(localpart__each_byte__grammar_of_new_users),
		cmocka_unit_test(user_id__each_byte__compliant_in_the_historical_range),
		cmocka_unit_test(key_id__forms__algorithm_and_version),
		cmocka_unit_test(mxc__forms__server_and_media_id),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
