/**
 * Sign-in on a new device by a QR code: the sessions by which the device that shows the code and the one that reads it exchange messages, each
 * in the place of the one before. What the messages say is encrypted between the two; that the person lets the new device in is a log-in
 * of a device without a browser (oauth_link.h).
 *
 * Spec: MSC4108 as of 2024, "Insecure rendezvous session", the form that released clients speak; its successor, MSC4388, none does yet
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_RENDEZVOUS_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_RENDEZVOUS_H

#include "homeserver/homeserver.h"
#include "storage/rendezvous.h"

enum {
	RENDEZVOUS_PAYLOAD_MAX_BYTES = 4096,
	/**
	 * The proposal thinks of a minute. Here somebody who has signed in by password has to do so again on the page, by a provider that may ask for more;
	 * and a client holds the end against its own clock, which may be wrong.
	 */
	RENDEZVOUS_LIFETIME_MS = 5 * 60 * 1000,
};

#define RENDEZVOUS_PATH "/_matrix/client/unstable/org.matrix.msc4108/rendezvous"
#define M_CONCURRENT_WRITE_EXTRA "\"org.matrix.msc4108.errcode\":\"M_CONCURRENT_WRITE\""

/** Whether people can: `oauth.qr_login`, and OAuth is on. */
bool rendezvous_is_on(const struct homeserver *hs);
/** Errors: MISSING M_UNRECOGNIZED */
MUST_CHECK enum err rendezvous_require_on(struct ctx *ctx, const struct homeserver *hs);

/**
 * Begins a session. How many there may be is bounded by the table, where a new one takes the place of the oldest; how fast they come by the route.
 * @param out_url  where it is, for everybody who knows the address; in the arena
 * @param out      what stands there
 * Errors: STORE     Cost: one round trip.
 */
MUST_CHECK enum err rendezvous_begin(struct ctx *ctx, struct homeserver *hs, struct str payload,
	struct str *out_url, struct rendezvous_row *out);

/** What stands there. Errors: MISSING M_NOT_FOUND; STORE     Cost: one round trip. */
MUST_CHECK enum err rendezvous_read(struct ctx *ctx, struct homeserver *hs, struct str id,
	struct rendezvous_row *out);

/**
 * Puts a message in the place of the one that the sender has seen.
 * @param etag  of that one, without quotes
 * @param out   what stands there then, without the payload; set with CONFLICT too
 * Errors: CONFLICT 412 M_UNKNOWN, with M_CONCURRENT_WRITE beside it: another one stands there; MISSING M_NOT_FOUND; STORE     Cost: one round trip.
 */
MUST_CHECK enum err rendezvous_replace(struct ctx *ctx, struct homeserver *hs, struct str id,
	struct str etag, struct str payload, struct rendezvous_row *out);

/** Ends it. Errors: MISSING M_NOT_FOUND; STORE     Cost: one round trip. */
MUST_CHECK enum err rendezvous_end(struct ctx *ctx, struct homeserver *hs, struct str id);

#endif
