/*
 * What is said of a certificate that ends, on clocks of the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

#include <gnutls/x509.h>

#include "http/tls.h"

enum { HOUR_MS = 60 * 60 * 1000, DAY_MS = 24 * HOUR_MS, PEM_BYTES = 4096 };
static const int64_t ends_at_ms = INT64_C(1900000000) * 1000;

static int64_t wall_ms;
static int64_t mono_ms;
static char folder[] = "/tmp/belfry-tls-test-XXXXXX";
static char certificate_path[64];
static char key_path[64];

static int64_t say_wall(void *self)
{
	(void)self;
	return wall_ms;
}

static int64_t say_mono(void *self)
{
	(void)self;
	return mono_ms;
}

static const struct clock clocks = {.wall_ms = say_wall, .mono_ms = say_mono, .about_ms = say_mono};

static void write_file(const char *path, const void *bytes, size_t n)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, n, file), n);
	assert_int_equal(fclose(file), 0);
}

/* A certificate by itself that ends at `ends_at_ms`, and its key. */
static int make_pair(void **state)
{
	(void)state;
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t certificate;
	char pem[PEM_BYTES];
	size_t size = sizeof(pem);
	assert_non_null(mkdtemp(folder));
	(void)snprintf(certificate_path, sizeof(certificate_path), "%s/certificate.pem", folder);
	(void)snprintf(key_path, sizeof(key_path), "%s/key.pem", folder);
	assert_int_equal(gnutls_x509_privkey_init(&key) + gnutls_x509_crt_init(&certificate), 0);
	assert_int_equal(gnutls_x509_privkey_generate(key, GNUTLS_PK_EDDSA_ED25519, 0, 0), 0);
	assert_int_equal(gnutls_x509_crt_set_version(certificate, 3), 0);
	assert_int_equal(gnutls_x509_crt_set_serial(certificate, "\x01", 1), 0);
	assert_int_equal(gnutls_x509_crt_set_dn(certificate, "CN=school.example", NULL), 0);
	assert_int_equal(gnutls_x509_crt_set_activation_time(certificate, 1), 0);
	assert_int_equal(gnutls_x509_crt_set_expiration_time(certificate, (time_t)(ends_at_ms / 1000)),
		0);
	assert_int_equal(gnutls_x509_crt_set_key(certificate, key), 0);
	assert_int_equal(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA512, 0), 0);
	assert_int_equal(gnutls_x509_crt_export(certificate, GNUTLS_X509_FMT_PEM, pem, &size), 0);
	write_file(certificate_path, pem, size);
	size = sizeof(pem);
	assert_int_equal(gnutls_x509_privkey_export_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL,
						 GNUTLS_PKCS_PLAIN, pem, &size),
		0);
	write_file(key_path, pem, size);
	gnutls_x509_crt_deinit(certificate);
	gnutls_x509_privkey_deinit(key);
	return 0;
}

static int remove_pair(void **state)
{
	(void)state;
	return unlink(certificate_path) + unlink(key_path) + rmdir(folder);
}

/* How often `what` stands in what is said now: by the first look, or by a later one. */
static int said(struct tls **tls, const char *what)
{
	char text[4096];
	int ends[2];
	int count = 0;
	assert_int_equal(pipe(ends), 0);
	int saved = dup(STDERR_FILENO);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	if (*tls != NULL) {
		tls_reload(*tls);
	} else {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		ctx_init(&ctx, arena);
		enum err err = tls_create(&ctx, certificate_path, key_path, &clocks, tls);
		invariant(err == ERR_OK);
	}
	(void)dup2(saved, STDERR_FILENO);
	assert_int_equal(close(saved) + close(ends[1]), 0);
	ssize_t n = read(ends[0], text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	assert_int_equal(close(ends[0]), 0);
	for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what)) {
		count++;
	}
	return count;
}

static void certificate__ends__said_once_a_day_by_the_clock_that_nobody_sets(void **state)
{
	(void)state;
	struct tls *tls = NULL;
	wall_ms = ends_at_ms - INT64_C(15) * DAY_MS;
	mono_ms = 5000; /* of a machine that has just started */
	assert_int_equal(said(&tls, "http.tls."), 0);
	wall_ms += DAY_MS + HOUR_MS;
	assert_int_equal(said(&tls, "http.tls.expires "), 1);
	for (int i = 0; i < 20; i++) { /* somebody sets the wall clock, forwards and back */
		wall_ms += i % 2 == 0 ? INT64_C(20) * DAY_MS : -INT64_C(19) * DAY_MS;
		mono_ms += HOUR_MS;
		assert_int_equal(said(&tls, "http.tls."), 0);
	}
	wall_ms = ends_at_ms - DAY_MS;
	mono_ms += INT64_C(4) * HOUR_MS;
	assert_int_equal(said(&tls, "http.tls.expires "), 1);
	wall_ms = ends_at_ms + DAY_MS;
	assert_int_equal(said(&tls, "http.tls."), 0);
	mono_ms += DAY_MS;
	assert_int_equal(said(&tls, "http.tls.expired "), 1);
	tls_destroy(tls);
}

static void certificate__just_started_machine__said_at_once(void **state)
{
	(void)state;
	struct tls *tls = NULL;
	wall_ms = ends_at_ms + DAY_MS;
	mono_ms = 0;
	assert_int_equal(said(&tls, "http.tls.expired "), 1);
	assert_int_equal(said(&tls, "http.tls."), 0);
	tls_destroy(tls);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificate__ends__said_once_a_day_by_the_clock_that_nobody_sets),
		cmocka_unit_test(certificate__just_started_machine__said_at_once),
	};
	return cmocka_run_group_tests(tests, make_pair, remove_pair);
}
