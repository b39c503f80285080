/*
 * Registration files: what is read, what is refused and how that is said, and that what is stored says the same.
 */
#include "appservices/registration.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#undef fail

/* As a bridge of the mautrix family writes it. */
static const char *const bridge = "id: telegram\n"
								  "as_token: as-token-of-telegram\n"
								  "hs_token: hs-token-of-telegram\n"
								  "namespaces:\n"
								  "    users:\n"
								  "        - regex: ^@telegrambot:hs$\n"
								  "          exclusive: true\n"
								  "        - regex: ^@telegram_.*:hs$\n"
								  "          exclusive: true\n"
								  "    aliases:\n"
								  "        - {exclusive: false, regex: '#telegram_.*:hs'}\n"
								  "url: http://localhost:29317/\n"
								  "sender_localpart: 4XkGzq\n"
								  "rate_limited: false\n"
								  "de.sorunome.msc2409.push_ephemeral: true\n"
								  "org.matrix.msc3202: true\n"
								  "io.element.msc4190: true\n"
								  "protocols: [telegram, tg]\n";

static void registration__of_a_bridge__is_read(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct registration found;
	ctx_init(&ctx, arena);
	assert_int_equal(registration_parse(&ctx, str_of(bridge), "t.yaml", &found), ERR_OK);
	assert_true(str_equals(found.id, STR("telegram")));
	assert_true(str_equals(found.as_token, STR("as-token-of-telegram")));
	assert_true(str_equals(found.hs_token, STR("hs-token-of-telegram")));
	assert_true(str_equals(found.url, STR("http://localhost:29317")));
	assert_true(str_equals(found.sender_localpart, STR("4XkGzq")));
	assert_true(found.receives_ephemeral && found.receives_devices && !found.is_rate_limited);
	assert_int_equal(found.users.count, 2);
	assert_int_equal(found.aliases.count, 1);
	assert_int_equal(found.rooms.count, 0);
	assert_int_equal(found.protocol_count, 2);
	assert_true(namespace_has_exclusively(&found.users, STR("@telegram_1:hs")));
	assert_false(namespace_has(&found.users, STR("@telegram_1:hs2")));
	assert_true(namespace_has(&found.aliases, STR("#telegram_x:hs")));
	assert_false(namespace_has_exclusively(&found.aliases, STR("#telegram_x:hs")));
}

static void registration__stored__says_the_same_without_tokens(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct registration found;
	struct registration again;
	ctx_init(&ctx, arena);
	assert_int_equal(registration_parse(&ctx, str_of(bridge), "t.yaml", &found), ERR_OK);
	struct str json = registration_to_json(arena, &found);
	assert_false(str_contains(json, STR("token-of")));
	assert_true(str_contains(json, STR("\"io.element.msc4190\":true"))); /* unknown keys are kept */
	assert_int_equal(registration_from_json(&ctx, json, &again), ERR_OK);
	assert_true(str_equals(registration_to_json(arena, &again), json));
	assert_true(again.as_token.p == NULL && again.hs_token.p == NULL);
	assert_true(str_equals(again.url, found.url));
	assert_true(again.receives_ephemeral && again.receives_devices && !again.is_rate_limited);
	assert_true(namespace_has_exclusively(&again.users, STR("@telegrambot:hs")));
	assert_int_equal(registration_from_json(&ctx, STR("{\"id\":"), &again), ERR_INPUT);
	assert_int_equal(registration_from_json(&ctx, STR("[]"), &again), ERR_INPUT);
}

static void registration__what_may_be_left_out__has_its_default(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct registration found;
	ctx_init(&ctx, arena);
	assert_int_equal(registration_parse(&ctx,
						 STR("id: a b\nurl: null\nas_token: x\nhs_token: y\n"
							 "sender_localpart: s\nnamespaces: {}\n"),
						 "t.yaml", &found),
		ERR_OK);
	assert_null(found.url.p);
	assert_true(found.is_rate_limited);
	assert_false(found.receives_ephemeral || found.receives_devices);
	assert_false(namespace_has(&found.users, STR("@s:hs")));
}

static const struct {
	const char *text, *says;
} wrong[] = {
	{"", "t.yaml:1: a registration consists of"},
	{"- id\n", "t.yaml:1: a registration consists of"},
	{"url: http://x\n", "t.yaml:1: id is missing"},
	{"id: 5\n", "t.yaml:1: id must be a text; write it in quotes"},
	{"id: ''\n", "t.yaml:1: id is empty"},
	{"id: \"a\\x00b\"\n", "t.yaml:1: id has a control character in it"},
	{"id: x\n", "t.yaml:1: url is missing"},
	{"id: x\nurl: localhost:5\n", "t.yaml:2: url must be an address like"},
	{"id: x\nurl: http://u@h:5\n", "t.yaml:2: url must be an address like"},
	{"id: x\nurl: ftp://h\n", "t.yaml:2: url must be an address like"},
	{"id: x\nurl: http:///\n", "t.yaml:2: url must be an address like"},
	{"id: x\nurl: ~\n", "sender_localpart is missing"},
	{"id: x\nurl: ~\nsender_localpart: '@s:hs'\n", "t.yaml:3: sender_localpart is the part"},
	{"id: x\nurl: ~\nsender_localpart: s\n", "namespaces is missing"},
	{"id: x\nurl: ~\nsender_localpart: s\nnamespaces: []\n", "t.yaml:4: namespaces is missing"},
	{"id: x\nurl: ~\nsender_localpart: s\nnamespaces:\n  users: 5\n",
		"t.yaml:5: users must be a list of at most 500 entries"},
	{"id: x\nurl: ~\nsender_localpart: s\nnamespaces:\n  users:\n  - '@x.*'\n",
		"t.yaml:6: a namespace is written as"},
	{"id: x\nurl: ~\nsender_localpart: s\nnamespaces:\n  users:\n  - exclusive: true\n",
		"t.yaml:6: regex is missing"},
	{"id: x\nurl: ~\nsender_localpart: s\nnamespaces:\n  users:\n  - regex: x\n",
		"t.yaml:6: exclusive is missing"},
	{"id: x\nurl: ~\nsender_localpart: s\nnamespaces:\n  users:\n  - regex: x\n    exclusive: 1\n",
		"t.yaml:7: exclusive must be true or false"},
	{"id: x\nurl: ~\nsender_localpart: s\nnamespaces:\n  rooms:\n  - exclusive: false\n"
	 "    regex: '!(a'\n",
		"t.yaml:7: '!(a' is no regular expression"},
	{"id: x\nurl: ~\nsender_localpart: s\nnamespaces: {}\nprotocols: irc\n",
		"t.yaml:5: protocols must be a list"},
	{"id: x\nurl: ~\nsender_localpart: s\nnamespaces: {}\nprotocols: [1]\n",
		"t.yaml:5: a protocol must be a text"},
	{"id: x\nurl: ~\nsender_localpart: s\nnamespaces: {}\nrate_limited: maybe\n",
		"t.yaml:5: rate_limited must be true or false"},
	{"id: x\nurl: ~\nsender_localpart: s\nnamespaces: {}\n", "as_token is missing"},
	{"id: x\nurl: ~\nsender_localpart: s\nnamespaces: {}\nas_token: a b\nhs_token: y\n",
		"t.yaml:5: as_token must consist of ASCII"},
	{"id: x\nurl: ~\nsender_localpart: s\nnamespaces: {}\nas_token: a\n", "hs_token is missing"},
	{"id: x\nurl: ~\nsender_localpart: s\nnamespaces: {}\nas_token: a\nhs_token: a\n",
		"t.yaml:6: hs_token must be another than as_token"},
};

static void registration__wrong__says_line_and_what_to_write(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		struct registration found;
		ctx_init(&ctx, arena);
		assert_int_equal(registration_parse(&ctx, str_of(wrong[i].text), "t.yaml", &found),
			ERR_INPUT);
		if (!str_contains(ctx.fault.text, str_of(wrong[i].says))) {
			print_error("case %zu: wanted '%s', got '%.*s'\n", i, wrong[i].says,
				STR_ARG(ctx.fault.text));
			assert_true(false);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registration__of_a_bridge__is_read),
		cmocka_unit_test(registration__stored__says_the_same_without_tokens),
		cmocka_unit_test(registration__what_may_be_left_out__has_its_default),
		cmocka_unit_test(registration__wrong__says_line_and_what_to_write),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
