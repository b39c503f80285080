/*
 * Whom log-ins name, and which names new users may have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

#include "homeserver/account/identifier.h"
#include "matrix/errcode.h"

static struct server_name server = {STR_INIT("hs1")};

static enum err read_text(struct arena *arena, const char *text, struct identifier *out,
	const char **out_errcode)
{
	struct ctx ctx;
	struct json body;
	ctx_init(&ctx, arena);
	assert_int_equal(json_parse(arena, str_of(text), NULL, &body, NULL), JSON_OK);
	enum err err = identifier_read(&ctx, &body, server, out);
	*out_errcode = ctx.fault.errcode;
	return err;
}

static void identifier__every_form_of_a_user__read(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"{\"identifier\":{\"type\":\"m.id.user\",\"user\":\"ann\"}}",
		"{\"identifier\":{\"type\":\"m.id.user\",\"user\":\"@ann:hs1\"}}",
		"{\"identifier\":{\"type\":\"m.id.user\",\"user\":\"ANN\"}}",
		"{\"user\":\"ann\"}",
		"{\"user\":\"@Ann:hs1\"}",
		"{\"identifier\":null,\"user\":\"ann\"}",
	};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct identifier identifier;
		const char *errcode;
		assert_int_equal(read_text(arena, texts[i], &identifier, &errcode), ERR_OK);
		assert_true(str_equals(identifier.user_id, STR("@ann:hs1")));
	}
}

static void identifier__nobody_of_here__no_user_and_no_error(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"{\"user\":\"@ann:elsewhere\"}",
		"{\"user\":\"\"}",
		"{\"user\":\"a\\u0000b\"}",
		"{\"user\":\"a:b\"}",
		"{\"medium\":\"email\",\"address\":\"a@b.example\"}",
		"{\"identifier\":{\"type\":\"m.id.thirdparty\",\"medium\":\"email\",\"address\":\"a@b.example\"}}",
		"{\"identifier\":{\"medium\":\"email\",\"address\":\"a@b.example\"}}",
		"{\"identifier\":{\"type\":\"m.id.phone\",\"country\":\"DE\",\"phone\":\"1\"}}",
		"{\"identifier\":{\"type\":\"m.id.phone\",\"country\":\"DE\",\"number\":\"1\"}}",
	};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct identifier identifier;
		const char *errcode;
		assert_int_equal(read_text(arena, texts[i], &identifier, &errcode), ERR_OK);
		assert_null(identifier.user_id.p);
	}
}

static void identifier__malformed__named(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *errcode;
	} cases[] = {
		{"{}", M_MISSING_PARAM},
		{"{\"identifier\":5}", M_BAD_JSON},
		{"{\"identifier\":\"me\"}", M_BAD_JSON},
		{"{\"identifier\":{}}", M_MISSING_PARAM},
		{"{\"identifier\":{\"type\":\"m.id.user\"}}", M_MISSING_PARAM},
		{"{\"identifier\":{\"type\":\"m.id.user\",\"user\":5}}", M_BAD_JSON},
		{"{\"identifier\":{\"type\":\"m.id.nothing\",\"user\":\"x\"}}", M_UNKNOWN},
		{"{\"identifier\":{\"type\":\"m.id.phone\"}}", M_MISSING_PARAM},
		{"{\"medium\":\"email\"}", M_MISSING_PARAM},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct identifier identifier;
		const char *errcode;
		assert_int_equal(read_text(arena, cases[i].text, &identifier, &errcode), ERR_INPUT);
		assert_string_equal(errcode, cases[i].errcode);
	}
}

static void new_user_id__names__by_the_strict_grammar(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct str user_id;
	ctx_init(&ctx, arena);
	assert_int_equal(new_user_id(&ctx, STR("Ann.b_c-d/e=f+1"), server, &user_id), ERR_OK);
	assert_true(str_equals(user_id, STR("@ann.b_c-d/e=f+1:hs1")));
	static const char *const bad[] = {"", "with space", "k\xC3\xA4se", "a:b", "a@b", "a%b"};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(new_user_id(&ctx, str_of(bad[i]), server, &user_id), ERR_INPUT);
		assert_string_equal(ctx.fault.errcode, M_INVALID_USERNAME);
	}
	char name[300];
	memset(name, 'a', sizeof(name));
	size_t fits = ID_MAX_BYTES - strlen("@:hs1");
	assert_int_equal(new_user_id(&ctx, str_from(name, fits), server, &user_id), ERR_OK);
	assert_int_equal(user_id.n, ID_MAX_BYTES);
	assert_int_equal(new_user_id(&ctx, str_from(name, fits + 1), server, &user_id), ERR_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identifier__every_form_of_a_user__read),
		cmocka_unit_test(identifier__nobody_of_here__no_user_and_no_error),
		cmocka_unit_test(identifier__malformed__named),
		cmocka_unit_test(new_user_id__names__by_the_strict_grammar),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
