/*
 * Matching of templates.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

#include "http/router.h"

static enum err no_handler(struct call *call)
{
	(void)call;
	return ERR_OK;
}

#define ROW(id_, method_, path_) \
	{ \
		.id = (id_), .method = (method_), .path = (path_), .handler = no_handler \
	}

static const struct route rows[] = {
	ROW("send", "PUT", "/_matrix/client/(r0|v3)/rooms/{roomId}/send/{eventType}/{txnId}"),
	ROW("setState", "PUT", "/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}"),
	ROW("setStateNoKey", "PUT", "/_matrix/client/v3/rooms/{roomId}/state/{eventType}"),
	ROW("getState", "GET", "/_matrix/client/v3/rooms/{roomId}/state"),
	ROW("joined", "GET", "/_matrix/client/v3/rooms/{roomId}/joined_members"),
	ROW("createRoom", "POST", "/_matrix/client/v3/createRoom"),
	ROW("pushrules", "GET", "/_matrix/client/v3/pushrules/"),
	ROW("pushrule", "GET", "/_matrix/client/v3/pushrules/global/{kind}/{ruleId}"),
	ROW("delPushrule", "DELETE", "/_matrix/client/v3/pushrules/global/{kind}/{ruleId}"),
	ROW("literalFirst", "GET", "/x/keys/fixed"),
	ROW("paramAfter", "GET", "/x/{name}/other"),
	ROW("paramPut", "PUT", "/x/{name}/fixed"),
	ROW("root", "GET", "/"),
};

static struct router *router;

static int setup(void **state)
{
	(void)state;
	router = router_create();
	const struct route_table table = {.rows = rows, .count = COUNT_OF(rows)};
	router_add_table(router, &table);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	router_destroy(router);
	return 0;
}

static char scratch[512];

static enum router_result match(const char *method, const char *raw, struct router_match *out)
{
	struct uri_path path;
	assert_true(uri_parse_path(str_of(raw), scratch, &path));
	return router_match(router, str_of(method), &path, out);
}

static void assert_found(const char *method, const char *raw, const char *id)
{
	struct router_match found = {0};
	assert_int_equal(match(method, raw, &found), ROUTER_FOUND);
	assert_string_equal(found.entry->route->id, id);
}

static void assert_param(const struct router_match *found, size_t i, const char *name,
	const char *value)
{
	assert_true(i < found->entry->param_count);
	assert_true(str_equals(found->entry->param_names[i], str_of(name)));
	assert_true(str_equals(found->params[i], str_of(value)));
}

static void match__parameters__in_order_and_decoded(void **state)
{
	(void)state;
	struct router_match found = {0};
	assert_int_equal(
		match("PUT", "/_matrix/client/v3/rooms/%21r%2Fx:hs/send/m.room.message/t1", &found),
		ROUTER_FOUND);
	assert_string_equal(found.entry->route->id, "send");
	assert_int_equal(found.entry->param_count, 3);
	assert_param(&found, 0, "roomId", "!r/x:hs");
	assert_param(&found, 1, "eventType", "m.room.message");
	assert_param(&found, 2, "txnId", "t1");
}

static void match__alternatives__stand_for_each(void **state)
{
	(void)state;
	assert_found("PUT", "/_matrix/client/r0/rooms/!r:hs/send/a/b", "send");
	assert_found("PUT", "/_matrix/client/v3/rooms/!r:hs/send/a/b", "send");
	struct router_match found = {0};
	assert_int_equal(match("PUT", "/_matrix/client/v1/rooms/!r:hs/send/a/b", &found),
		ROUTER_NO_PATH);
	assert_int_equal(match("PUT", "/_matrix/client/(r0%7Cv3)/rooms/!r:hs/send/a/b", &found),
		ROUTER_NO_PATH);
}

static void match__empty_state_key__is_the_form_without(void **state)
{
	(void)state;
	assert_found("PUT", "/_matrix/client/v3/rooms/!r:hs/state/m.room.name/", "setStateNoKey");
	assert_found("PUT", "/_matrix/client/v3/rooms/!r:hs/state/m.room.name", "setStateNoKey");
	assert_found("PUT", "/_matrix/client/v3/rooms/!r:hs/state/m.room.member/@a:hs", "setState");
	struct router_match found = {0};
	assert_int_equal(match("GET", "/_matrix/client/v3/rooms/!r:hs/joined_members/", &found),
		ROUTER_NO_PATH);
	assert_int_equal(match("POST", "/_matrix/client/v3/createRoom/", &found), ROUTER_NO_PATH);
}

static void match__trailing_slash_in_template__wanted(void **state)
{
	(void)state;
	struct router_match found = {0};
	assert_found("GET", "/_matrix/client/v3/pushrules/", "pushrules");
	assert_int_equal(match("GET", "/_matrix/client/v3/pushrules", &found), ROUTER_NO_PATH);
	assert_found("GET", "/", "root");
}

static void match__literal_leads_nowhere__parameter_is_tried(void **state)
{
	(void)state;
	assert_found("GET", "/x/keys/fixed", "literalFirst");
	assert_found("GET", "/x/keys/other", "paramAfter");
	assert_found("PUT", "/x/keys/fixed", "paramPut");
	assert_found("GET", "/x/%6Beys/fixed", "literalFirst");
}

static void match__empty_segment__is_no_parameter(void **state)
{
	(void)state;
	struct router_match found = {0};
	assert_int_equal(match("GET", "/x//other", &found), ROUTER_NO_PATH);
}

static void match__other_method__names_those_allowed(void **state)
{
	(void)state;
	struct router_match found = {0};
	assert_int_equal(match("GET", "/_matrix/client/v3/createRoom", &found), ROUTER_NO_METHOD);
	assert_string_equal(found.allow, "POST, OPTIONS");
	assert_int_equal(match("PUT", "/_matrix/client/v3/pushrules/global/room/x", &found),
		ROUTER_NO_METHOD);
	assert_string_equal(found.allow, "GET, HEAD, DELETE, OPTIONS");
	assert_int_equal(match("BREW", "/", &found), ROUTER_NO_METHOD);
	assert_int_equal(match("BREW", "/nothing", &found), ROUTER_NO_PATH);
}

static void match__head__is_get(void **state)
{
	(void)state;
	struct router_match found = {0};
	assert_found("HEAD", "/_matrix/client/v3/pushrules/", "pushrules");
	assert_int_equal(match("HEAD", "/_matrix/client/v3/createRoom", &found), ROUTER_NO_METHOD);
}

static void match__prefix_of_a_path__not_found(void **state)
{
	(void)state;
	struct router_match found = {0};
	assert_int_equal(match("GET", "/_matrix", &found), ROUTER_NO_PATH);
	assert_int_equal(match("GET", "/_matrix/client/v3/rooms/!r:hs", &found), ROUTER_NO_PATH);
	assert_int_equal(match("GET", "/x/keys/fixed/more", &found), ROUTER_NO_PATH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(match__parameters__in_order_and_decoded),
		cmocka_unit_test(match__alternatives__stand_for_each),
		cmocka_unit_test(match__empty_state_key__is_the_form_without),
		cmocka_unit_test(match__trailing_slash_in_template__wanted),
		cmocka_unit_test(match__literal_leads_nowhere__parameter_is_tried),
		cmocka_unit_test(match__empty_segment__is_no_parameter),
		cmocka_unit_test(match__other_method__names_those_allowed),
		cmocka_unit_test(match__head__is_get),
		cmocka_unit_test(match__prefix_of_a_path__not_found),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
