/*
 * Sealed secrets: read by the same key and context only.
 */
#include "tests/unit/base/check.h"

#include "e2ee/vault.h"

static void vault__same_key_and_context__opens(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct homeserver hs = {.rng = rng_os(), .secrets_key = {1, 2, 3}};
	struct str out;
	struct str sealed = vault_seal(arena, &hs, STR("account @a:hs"), STR("a secret"));
	assert_int_equal(vault_open(&ctx, &hs, STR("account @a:hs"), sealed, &out), ERR_OK);
	assert_text(out, "a secret");
	/* The same text twice looks different each time. */
	struct str again = vault_seal(arena, &hs, STR("account @a:hs"), STR("a secret"));
	assert_false(str_equals(sealed, again));
	char *text = arena_dup(arena, "wiped", 5);
	again = vault_seal_and_wipe(arena, &hs, STR("x"), str_from(text, 5));
	assert_memory_equal(text, "\0\0\0\0\0", 5);
	assert_int_equal(vault_open(&ctx, &hs, STR("x"), again, &out), ERR_OK);
	assert_text(out, "wiped");
}

static void vault__other_key_context_or_bytes__stays_shut(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct homeserver hs = {.rng = rng_os(), .secrets_key = {1, 2, 3}};
	struct homeserver other = {.rng = rng_os(), .secrets_key = {1, 2, 4}};
	struct str out;
	struct str sealed = vault_seal(arena, &hs, STR("account @a:hs"), STR("a secret"));
	assert_int_equal(vault_open(&ctx, &hs, STR("account @b:hs"), sealed, &out), ERR_INTERNAL);
	assert_int_equal(vault_open(&ctx, &other, STR("account @a:hs"), sealed, &out), ERR_INTERNAL);
	for (size_t i = 0; i < sealed.n; i++) {
		char *changed = arena_dup(arena, sealed.p, sealed.n);
		changed[i] = changed[i] == 'A' ? 'Q' : 'A';
		assert_int_equal(
			vault_open(&ctx, &hs, STR("account @a:hs"), str_from(changed, sealed.n), &out),
			ERR_INTERNAL);
		assert_int_equal(vault_open(&ctx, &hs, STR("account @a:hs"), str_slice(sealed, 0, i), &out),
			ERR_INTERNAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vault__same_key_and_context__opens),
		cmocka_unit_test(vault__other_key_context_or_bytes__stays_shut),
	};
	return RUN_ALL(tests);
}
