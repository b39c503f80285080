/*
 * A pair of certificate and key never changes; a newer one takes its place. Handshakes borrow what was current when they
 * began, for a time that nobody tells, so pairs are kept until the end: there are as many as renewals.
 */
#include "http/tls.h"

#include <stdatomic.h>
#include <sys/stat.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "base/crypto.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

enum { PEM_CEILING = 1024 * 1024, MAX_CHAIN = 16, DAY_MS = 24 * 60 * 60 * 1000, WARN_DAYS = 14 };

struct pair {
	struct pair *older;
	gnutls_pcert_st certificates[MAX_CHAIN];
	unsigned count;
	gnutls_privkey_t key;
	int64_t ends_at_ms; /* wall clock; when the first of the chain is no longer good */
};

/* By which a file is seen to be another: it may be written in place, or renamed over. */
struct stamp {
	ino_t inode;
	off_t size_bytes;
	struct timespec changed;
};

struct tls {
	const char *certificate_path;
	const char *key_path;
	_Atomic(struct pair *) current;
	struct stamp certificate_stamp;
	struct stamp key_stamp;
	struct clock clock;
	int64_t
		said_at_ms; /* monotonic; when it was said last that the present certificate ends; -DAY_MS: not yet */
};

static struct stamp stamp_of(const char *path)
{
	struct stat status;
	if (stat(path, &status) != 0) {
		return (struct stamp){0};
	}
	return (struct stamp){status.st_ino, status.st_size, status.st_mtim};
}

static bool stamp_equals(const struct stamp *a, const struct stamp *b)
{
	return a->inode == b->inode && a->size_bytes == b->size_bytes &&
		a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static void pair_destroy(struct pair *pair)
{
	for (unsigned i = 0; i < pair->count; i++) {
		gnutls_pcert_deinit(&pair->certificates[i]);
	}
	if (pair->key != NULL) {
		gnutls_privkey_deinit(pair->key);
	}
	mem_free(pair);
}

static gnutls_datum_t datum(struct str text)
{
	return (gnutls_datum_t){.data = (unsigned char *)(uintptr_t)text.p, .size = (unsigned)text.n};
}

/* @return GnuTLS's code */
static int check_fit(const gnutls_datum_t *certificate, const gnutls_datum_t *key)
{
	gnutls_certificate_credentials_t credentials;
	int code = gnutls_certificate_allocate_credentials(&credentials);
	if (code == GNUTLS_E_SUCCESS) {
		code =
			gnutls_certificate_set_x509_key_mem(credentials, certificate, key, GNUTLS_X509_FMT_PEM);
		gnutls_certificate_free_credentials(credentials);
	}
	return code < 0 ? code : GNUTLS_E_SUCCESS;
}

static int read_end(struct pair *pair)
{
	pair->ends_at_ms = INT64_MAX;
	for (unsigned i = 0; i < pair->count; i++) {
		gnutls_x509_crt_t certificate;
		int code = gnutls_pcert_export_x509(&pair->certificates[i], &certificate);
		if (code < 0) {
			return code;
		}
		int64_t ends_at_s = (int64_t)gnutls_x509_crt_get_expiration_time(certificate);
		gnutls_x509_crt_deinit(certificate);
		pair->ends_at_ms = MIN_OF(pair->ends_at_ms, ends_at_s * 1000);
	}
	return GNUTLS_E_SUCCESS;
}

static int fill(struct pair *pair, struct str certificate_text, struct str key_text)
{
	gnutls_datum_t certificate = datum(certificate_text);
	gnutls_datum_t key = datum(key_text);
	int code = check_fit(&certificate, &key);
	unsigned count = MAX_CHAIN;
	if (code == GNUTLS_E_SUCCESS) {
		code = gnutls_pcert_list_import_x509_raw(pair->certificates, &count, &certificate,
			GNUTLS_X509_FMT_PEM, 0);
	}
	if (code < 0) {
		return code;
	}
	pair->count = count;
	code = read_end(pair);
	if (code < 0) {
		return code;
	}
	code = gnutls_privkey_init(&pair->key);
	return code < 0 ? code
					: gnutls_privkey_import_x509_raw(pair->key, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
}

/* Those who start a server know its options, and not which file one of them names. */
static enum err read_file(struct ctx *ctx, const char *option, const char *path, struct str *out)
{
	enum err err = file_read(ctx, path, PEM_CEILING, out);
	if (err == ERR_OK) {
		return err;
	}
	struct str cause = ctx->fault.cause;
	return err == ERR_MISSING
		? fail(ctx, err, NULL, "%s: there is no file %s", option, path)
		: fail(ctx, err, NULL, "%s: cannot read it: %.*s", option, STR_ARG(cause));
}

static enum err read_pair(struct ctx *ctx, const struct tls *tls, struct pair **out)
{
	struct str certificate;
	struct str key;
	TRY(read_file(ctx, "tls.certificate", tls->certificate_path, &certificate));
	TRY(read_file(ctx, "tls.key", tls->key_path, &key));
	struct pair *pair = mem_alloc(sizeof(*pair));
	int code = fill(pair, certificate, key);
	crypto_wipe((char *)(uintptr_t)key.p, key.n);
	if (code < 0) {
		pair_destroy(pair);
		return fail(ctx, ERR_INPUT, NULL, "certificate %s and key %s cannot be used: %s",
			tls->certificate_path, tls->key_path, gnutls_strerror(code));
	}
	*out = pair;
	return ERR_OK;
}

/* The stamps are taken first: what changes while it is read is read again. */
static enum err read_files(struct ctx *ctx, struct tls *tls)
{
	struct pair *pair = NULL;
	tls->certificate_stamp = stamp_of(tls->certificate_path);
	tls->key_stamp = stamp_of(tls->key_path);
	TRY(read_pair(ctx, tls, &pair));
	pair->older = atomic_load(&tls->current);
	atomic_store(&tls->current, pair);
	tls->said_at_ms = -DAY_MS;
	return ERR_OK;
}

/* Once a day, from two weeks before: who renews it by a program is not told, for that does it earlier. */
static void warn_of_end(struct tls *tls)
{
	int64_t now_ms = clock_mono_ms(&tls->clock);
	int64_t left_ms = atomic_load(&tls->current)->ends_at_ms - clock_wall_ms(&tls->clock);
	if (left_ms > (int64_t)WARN_DAYS * DAY_MS || now_ms - tls->said_at_ms < DAY_MS) {
		return;
	}
	tls->said_at_ms = now_ms;
	if (left_ms > 0) {
		log_warn(0, "http.tls.expires",
			"certificate=%s days_left=%lld hint=\"renew it; the new one is read without a restart\"",
			tls->certificate_path, (long long)(left_ms / DAY_MS));
	} else {
		log_error(0, "http.tls.expired",
			"certificate=%s days_ago=%lld hint=\"other servers refuse this one: renew it; the new one is "
			"read without a restart\"",
			tls->certificate_path, (long long)(-left_ms / DAY_MS));
	}
}

enum err tls_create(struct ctx *ctx, const char *certificate_path, const char *key_path,
	const struct clock *clock, struct tls **out)
{
	struct tls *tls = mem_alloc(sizeof(*tls));
	tls->certificate_path = certificate_path;
	tls->key_path = key_path;
	tls->clock = *clock;
	enum err err = read_files(ctx, tls);
	if (err != ERR_OK) {
		tls_destroy(tls);
		return err;
	}
	warn_of_end(tls);
	*out = tls;
	return ERR_OK;
}

void tls_destroy(struct tls *tls)
{
	struct pair *pair = tls != NULL ? atomic_load(&tls->current) : NULL;
	while (pair != NULL) {
		struct pair *older = pair->older;
		pair_destroy(pair);
		pair = older;
	}
	mem_free(tls);
}

static void read_changed(struct tls *tls)
{
	struct stamp certificate_stamp = stamp_of(tls->certificate_path);
	struct stamp key_stamp = stamp_of(tls->key_path);
	if (stamp_equals(&certificate_stamp, &tls->certificate_stamp) &&
		stamp_equals(&key_stamp, &tls->key_stamp)) {
		return;
	}
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	if (read_files(&ctx, tls) == ERR_OK) {
		log_info(0, "http.tls.reloaded", "certificate=%s", tls->certificate_path);
	} else {
		log_warn(0, "http.tls.not_reloaded", "text=\"%.*s\" cause=\"%.*s\"",
			STR_ARG(ctx.fault.text), STR_ARG(ctx.fault.cause));
	}
}

void tls_reload(struct tls *tls)
{
	read_changed(tls);
	warn_of_end(tls);
}

int tls_show(struct tls *tls, gnutls_pcert_st **out_certificates, unsigned *out_count,
	gnutls_privkey_t *out_key)
{
	struct pair *pair = atomic_load(&tls->current);
	*out_certificates = pair->certificates;
	*out_count = pair->count;
	*out_key = pair->key;
	return GNUTLS_E_SUCCESS;
}
