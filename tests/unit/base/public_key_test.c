/*
 * Signatures by public keys. ES256: RFC 7515, A.3; RS256: made by another program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

#include "base/b64.h"
#include "base/public_key.h"

static const char es_x[] = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
static const char es_y[] = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
static const char es_message[] =
	"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl"
	"LmNvbS9pc19yb290Ijp0cnVlfQ";
static const char es_signature[] =
	"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

static const char rs_modulus[] =
	"oGiSZ4uecIVyqiozXIQTRPFjLzldPNJJOKsHtgFupyidZaaeq28v-nz_Ucj5jL9reiQJNprloOFjAtXiOCB0EGNENd"
	"XzAVWMr01m6dz6DD1kGvBssgZ53MeMPNh8AV0D2iJu_od8MYZadu7tVxQjVI2afgANroN6wkCXg2_6Kuhxw8FTfIq_"
	"IUcOXsVEIMqTld0t4yBvfe0MXej2s7RKbzQ1W8D9TxistEiYibF2CvazMK07tICHx9pfozna7kLCf1Wr5NEO572vop"
	"4hUNnpwt7H6RTJ7HLL-u0lriqAP_ZU0QcCG6_PCyxqxPfYe-3CzWHmUiFHRjySZ4nfUvvOlQ";
static const char rs_message[] = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJsaW4ifQ";
static const char rs_signature[] =
	"fqrVjypa-HQ8sX-1OLA-Fx2YtF1Qc1_61oadA9idYXc-1qyQowK6koVWZufOHF2wgJ99YnBElRcox2eQxOOma0ugPq"
	"J5pG6PNQi1LVBJZQ5-ZtSlcO5vVpaceHYe1xlq_hFf-JPsJzOqQGxUhxvrhfYlw1oY1XLnDUnj4SLpjQf3wBpVZgBV"
	"cRUYS4nUJUAHpDKdKmH880PXYi3VD8QC-vmSccEpatSSsAW2mzMd15oNmvUEDCdocQj-f6-urB0R0pRHeipJzRxIjF"
	"CT_9UzQt-HhJYWHW4VfdBb-fVnPhBwU1Xj3ENH-v8vqOTsrQdPdGhlhqHWlRUoJN3a2uo53A";
static const char weak_modulus[] =
	"zHHxlfBHpUBhMfmpShasGsN8FWrFtsvBFBpNtzoYvv3FocK7m8g1bs21wVfrgPUimOhc4x_2ldWC4H_2GncPvbM-Aj"
	"6tCCG--Pk3LWDZ_TsYP02RXosk_wzUiRZ7VRVliMt7KJZ8j2KjNxBAr7QNC3hEgXesmh5OkV0TfdYG0Es";
static const char weak_signature[] =
	"oMHrUdzSOrofNEGkTUSBe2x5OmAYwknvU5iqLg0W1mK4OkSAsxoOcBEBggupwCthBb2soFpczjqFbrs19J1I2CHZuz"
	"-vlOn4k_eqaZgwz_P9QMJyYfRCqULRqTMM9psJ74dfLZi9ZIZiD05HhbwNEWn-Az80CgEqeO6yhVsM6MM";

static struct str decoded(struct arena *arena, const char *text)
{
	struct str bytes;
	assert_true(b64_decode(arena, str_of(text), &bytes));
	return bytes;
}

/* The same bytes but for one bit. */
static struct str bent(struct arena *arena, struct str bytes, size_t at)
{
	char *copy = str_cstr(arena, bytes);
	copy[at] = (char)(copy[at] ^ 1);
	return str_from(copy, bytes.n);
}

static void es256__signature__true_for_its_message_and_key_only(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str x = decoded(arena, es_x);
	struct str y = decoded(arena, es_y);
	struct str signature = decoded(arena, es_signature);
	struct str message = str_of(es_message);
	assert_true(es256_verify(x, y, message, signature));
	assert_false(es256_verify(x, y, bent(arena, message, 3), signature));
	assert_false(es256_verify(x, y, message, bent(arena, signature, 40)));
	assert_false(es256_verify(bent(arena, x, 0), y, message, signature)); /* not on the curve */
	assert_false(es256_verify(y, x, message, signature));
	assert_false(es256_verify(str_slice(x, 0, 31), y, message, signature));
	assert_false(es256_verify(x, y, message, str_slice(signature, 0, 63)));
	assert_false(es256_verify((struct str){0}, y, message, signature));
	assert_false(es256_verify(x, y, message, (struct str){0}));
}

static void rs256__signature__true_for_its_message_and_key_only(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str modulus = decoded(arena, rs_modulus);
	struct str exponent = decoded(arena, "AQAB");
	struct str signature = decoded(arena, rs_signature);
	struct str message = str_of(rs_message);
	assert_true(rs256_verify(modulus, exponent, message, signature));
	assert_false(rs256_verify(modulus, exponent, bent(arena, message, 3), signature));
	assert_false(rs256_verify(modulus, exponent, message, bent(arena, signature, 40)));
	assert_false(rs256_verify(bent(arena, modulus, 9), exponent, message, signature));
	assert_false(rs256_verify(modulus, decoded(arena, "AQ"), message, signature));
	assert_false(rs256_verify(modulus, exponent, message, (struct str){0}));
	assert_false(rs256_verify(modulus, (struct str){0}, message, signature));
}

static void rs256__weak_key__refused(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	assert_false(rs256_verify(decoded(arena, weak_modulus), decoded(arena, "AQAB"),
		str_of(rs_message), decoded(arena, weak_signature)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(es256__signature__true_for_its_message_and_key_only),
		cmocka_unit_test(rs256__signature__true_for_its_message_and_key_only),
		cmocka_unit_test(rs256__weak_key__refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
