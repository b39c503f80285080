/*
 * Whose a user, an alias, a room or a token is.
 */
#include "appservices/registry.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#undef fail

#include "storage/appservice.h"

#define SERVICE(name, namespaces) \
	"{\"id\":\"" name "\",\"url\":null,\"sender_localpart\":\"" name \
	"bot\",\"namespaces\":{" namespaces "}}"

static const struct appservice_row rows[] = {
	{.id = STR_INIT("irc"),
		.as_token_hash = STR_INIT("hash-irc"),
		.hs_token = STR_INIT("hs-irc"),
		.registration = STR_INIT(SERVICE("irc",
			"\"users\":[{\"regex\":\"@_irc_.*\",\"exclusive\":true}],"
			"\"aliases\":[{\"regex\":\"#_irc_.*\",\"exclusive\":true}]"))},
	{.id = STR_INIT("log"),
		.as_token_hash = STR_INIT("hash-log"),
		.hs_token = STR_INIT("hs-log"),
		.registration = STR_INIT(SERVICE("log",
			"\"users\":[{\"regex\":\"@.*\",\"exclusive\":false}],"
			"\"rooms\":[{\"regex\":\"!a\",\"exclusive\":false}]"))},
};

static struct user_id user(const char *text)
{
	struct user_id id;
	assert_true(user_id_parse(str_of(text), &id));
	return id;
}

static struct room_alias alias(const char *text)
{
	struct room_alias id;
	assert_true(room_alias_parse(str_of(text), &id));
	return id;
}

static struct appservice_set *set_of(const struct appservice_row *from, size_t count)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct server_name server;
	struct appservice_set *set = NULL;
	ctx_init(&ctx, arena);
	assert_true(server_name_parse(STR("hs"), &server));
	assert_int_equal(appservice_set_create(&ctx, server, from, count, 7, &set), ERR_OK);
	return set;
}

static void set__services__found_by_id_and_token(void **state)
{
	(void)state;
	struct appservice_set *set CLEANUP(appservice_set_cleanup) = set_of(rows, COUNT_OF(rows));
	const struct appservice *irc = appservice_by_id(set, STR("irc"));
	assert_ptr_equal(appservice_of_token(set, STR("hash-irc")), irc);
	assert_true(str_equals(irc->reg.hs_token, STR("hs-irc")));
	assert_null(appservice_by_id(set, STR("ir")));
	assert_null(appservice_of_token(set, STR("hash")));
}

static void service__users__sender_and_local_ones_of_its_namespace(void **state)
{
	(void)state;
	struct appservice_set *set CLEANUP(appservice_set_cleanup) = set_of(rows, COUNT_OF(rows));
	const struct appservice *irc = appservice_by_id(set, STR("irc"));
	const struct appservice *log = appservice_by_id(set, STR("log"));
	assert_true(appservice_has_user(irc, user("@ircbot:hs")));
	assert_true(appservice_has_user(irc, user("@_irc_lin:hs")));
	assert_false(appservice_has_user(irc, user("@_irc_lin:elsewhere")));
	assert_false(appservice_has_user(irc, user("@lin:hs")));
	assert_true(appservice_has_user(log, user("@lin:hs")));
	assert_false(appservice_has_user(log, user("@lin:elsewhere")));
	assert_true(appservice_has_alias(irc, alias("#_irc_x:hs")));
	assert_false(appservice_has_alias(log, alias("#_irc_x:hs")));
	assert_true(appservice_has_room(log, STR("!a:hs")));
	assert_false(appservice_has_room(log, STR("!b:hs")));
}

static void set__claims__only_senders_and_what_is_exclusive(void **state)
{
	(void)state;
	struct appservice_set *set CLEANUP(appservice_set_cleanup) = set_of(rows, COUNT_OF(rows));
	const struct appservice *irc = appservice_by_id(set, STR("irc"));
	assert_ptr_equal(appservice_claiming_user(set, user("@_irc_lin:hs")), irc);
	assert_ptr_equal(appservice_claiming_user(set, user("@ircbot:hs")), irc);
	assert_ptr_equal(appservice_claiming_user(set, user("@logbot:hs")),
		appservice_by_id(set, STR("log")));
	assert_null(appservice_claiming_user(set, user("@lin:hs")));
	assert_true(appservice_claims_alias(irc, alias("#_irc_x:hs")));
	assert_false(appservice_claims_alias(irc, alias("#class:hs")));
}

static void set__a_service_that_cannot_be_read__refused(void **state)
{
	static const struct appservice_row broken[] = {{.id = STR_INIT("x"),
		.as_token_hash = STR_INIT("h"),
		.hs_token = STR_INIT("y"),
		.registration = STR_INIT("{}")}};
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct server_name server;
	struct appservice_set *set = NULL;
	ctx_init(&ctx, arena);
	assert_true(server_name_parse(STR("hs"), &server));
	assert_int_equal(appservice_set_create(&ctx, server, broken, 1, 7, &set), ERR_STORE);
	assert_null(set);
	assert_true(str_contains(ctx.fault.cause, STR("'x': id is missing")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set__services__found_by_id_and_token),
		cmocka_unit_test(service__users__sender_and_local_ones_of_its_namespace),
		cmocka_unit_test(set__claims__only_senders_and_what_is_exclusive),
		cmocka_unit_test(set__a_service_that_cannot_be_read__refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
