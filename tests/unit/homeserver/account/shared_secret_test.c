/*
 * Nonces and the MAC of the shared-secret registration.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

#include "homeserver/account/nonce.h"
#include "homeserver/account/shared_secret.h"

static void mac__fields__as_synapse_makes_it(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct shared_secret_ask ask = {.nonce = STR("thisisanonce"),
		.username = STR("pepper_roni"),
		.password = STR("pizza"),
		.is_admin = true};
	/* printf 'thisisanonce\0pepper_roni\0pizza\0admin' | openssl dgst -sha1 -hmac shared_secret */
	assert_true(str_equals(shared_secret_mac(arena, STR("shared_secret"), &ask),
		STR("48715842ad67d5dc9a9ee938a3bda4fcfae8d7c7")));
	ask.is_admin = false;
	assert_true(str_equals(shared_secret_mac(arena, STR("shared_secret"), &ask),
		STR("cf2391885316861a8e3871bfdcd223ab3913221d")));
	ask.user_type = STR("bot");
	assert_true(str_equals(shared_secret_mac(arena, STR("shared_secret"), &ask),
		STR("b269635cb53e1adc15073ae7ffbd000b836b3105")));
}

static void nonce__used__not_good_again(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct rng rng = rng_os();
	struct nonces *nonces = nonces_create(&rng, STR("secret"));
	struct str first = nonce_new(nonces, arena, 1000);
	struct str second = nonce_new(nonces, arena, 1000);
	assert_false(str_equals(first, second));
	assert_true(nonce_is_good(nonces, first, 1001));
	assert_true(nonce_use(nonces, first, 1001));
	assert_false(nonce_is_good(nonces, first, 1002));
	assert_false(nonce_use(nonces, first, 1002));
	assert_true(nonce_use(nonces, second, 1002));
	nonces_destroy(nonces);
}

static void nonce__too_old__not_good_also_when_used(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct rng rng = rng_os();
	struct nonces *nonces = nonces_create(&rng, STR("secret"));
	struct str first = nonce_new(nonces, arena, 1000);
	struct str used = nonce_new(nonces, arena, 1000);
	assert_true(nonce_use(nonces, used, 1000));
	assert_true(nonce_is_good(nonces, first, 1000 + NONCE_LIFETIME_MS));
	assert_false(nonce_use(nonces, used, 1000 + NONCE_LIFETIME_MS));
	assert_false(nonce_use(nonces, first, 1001 + NONCE_LIFETIME_MS));
	assert_false(nonce_use(nonces, used, 1001 + NONCE_LIFETIME_MS));
	nonces_destroy(nonces);
}

static void nonce__of_another_process_of_the_server__good_once(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct rng rng = rng_os();
	struct nonces *nonces = nonces_create(&rng, STR("secret"));
	struct nonces *other = nonces_create(&rng, STR("secret"));
	struct str nonce = nonce_new(nonces, arena, 1000);
	assert_true(nonce_use(other, nonce, 1000));
	nonce_note_used(nonces, STR("none"), 1000);
	assert_true(nonce_is_good(nonces, nonce, 1000));
	nonce_note_used(nonces, nonce, 1000);
	nonce_note_used(nonces, nonce, 1000);
	assert_false(nonce_use(nonces, nonce, 1000));
	nonces_destroy(nonces);
	nonces_destroy(other);
}

static void nonce__made_up_or_of_another_server__not_good(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct rng rng = rng_os();
	struct nonces *nonces = nonces_create(&rng, STR("secret"));
	struct nonces *other = nonces_create(&rng, STR("another"));
	struct str nonce = nonce_new(nonces, arena, 1000);
	assert_false(nonce_is_good(other, nonce, 1000));
	assert_false(nonce_is_good(nonces, STR(""), 1000));
	assert_false(nonce_is_good(nonces, str_slice(nonce, 0, nonce.n - 1), 1000));
	char *changed = str_cstr(arena, nonce);
	for (size_t i = 0; i < nonce.n; i++) {
		char before = changed[i];
		changed[i] = before == '0' ? '1' : '0';
		assert_false(nonce_is_good(nonces, str_from(changed, nonce.n), 1000));
		changed[i] = 'g';
		assert_false(nonce_is_good(nonces, str_from(changed, nonce.n), 1000));
		changed[i] = before;
	}
	assert_true(nonce_is_good(nonces, str_from(changed, nonce.n), 1000));
	nonces_destroy(nonces);
	nonces_destroy(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mac__fields__as_synapse_makes_it),
		cmocka_unit_test(nonce__used__not_good_again),
		cmocka_unit_test(nonce__too_old__not_good_also_when_used),
		cmocka_unit_test(nonce__of_another_process_of_the_server__good_once),
		cmocka_unit_test(nonce__made_up_or_of_another_server__not_good),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
