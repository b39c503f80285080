/**
 * The certificate and key of TLS listeners, which may be replaced while the server runs. Inner to http/.
 */
#ifndef BELFRY_HTTP_TLS_H
#define BELFRY_HTTP_TLS_H

#include <gnutls/abstract.h>

#include "base/clock.h"
#include "base/ctx.h"

struct tls;

/**
 * Reads the files, in PEM; the certificate's with its chain. The paths are borrowed.
 * @param clock  its wall clock tells whether the certificate ends, the monotonic one when that was said last: whoever sets a clock is not told more often
 * Errors: INPUT if they are no certificate and key, or do not fit; what file_read() says
 */
MUST_CHECK enum err tls_create(struct ctx *ctx, const char *certificate_path, const char *key_path,
	const struct clock *clock, struct tls **out);
/** When no connection is open any more. NULL does nothing. */
void tls_destroy(struct tls *tls);

/**
 * Reads the files anew when one of them has changed; new connections get what is in them. What cannot be used is logged, and the
 * present ones stay. That the certificate ends soon, or has ended, is logged once a day. One thread.
 * Cost: two stat(2) when nothing has changed
 */
void tls_reload(struct tls *tls);

/** For GnuTLS, at each handshake: what there is to show. */
int tls_show(struct tls *tls, gnutls_pcert_st **out_certificates, unsigned *out_count,
	gnutls_privkey_t *out_key);

#endif
