/**
 * Cross-signing keys and signatures: /keys/device_signing/upload, /keys/signatures/upload.
 * Spec: client-server API, "Cross-signing"
 */
#ifndef BELFRY_E2EE_CROSS_SIGNING_H
#define BELFRY_E2EE_CROSS_SIGNING_H

#include "e2ee/e2ee.h"
#include "matrix/cross_key.h"

/** Keys to be uploaded, checked. Lives in the arena. */
struct cross_upload {
	struct str user_id;
	const struct json *objects[CROSS_USAGE_COUNT]; /**< as given; NULL: not given */
	struct cross_key keys[CROSS_USAGE_COUNT];
	bool is_new[CROSS_USAGE_COUNT]; /**< differs from what is stored */
	bool needs_proof;  /**< replaces something: more than the access token is asked for */
	struct str master; /**< the public master key that holds afterwards */
	struct key_signature_row *signatures; /**< checked */
	size_t signature_n;
};
/**
 * Checks keys against what is stored; changes nothing.
 * @param objects  by usage; NULL where not given
 * Errors: INPUT M_INVALID_PARAM, M_INVALID_SIGNATURE, M_MISSING_PARAM (no master key); DENIED M_FORBIDDEN (a device is called
 * like one of the keys); STORE
 * Cost: two round trips.
 */
MUST_CHECK enum err cross_signing_check(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, const struct json *const *objects, struct cross_upload *out);
/** Stores what is new of checked keys, and tells those who share a room. Errors: STORE. One commit. */
MUST_CHECK enum err cross_signing_store(struct ctx *ctx, struct homeserver *hs,
	const struct cross_upload *upload);

/** A signed key that was not taken. */
struct sign_failure {
	struct str user_id;
	struct str key_id;
	const char *errcode; /**< static */
	const char *text;    /**< static */
};
/**
 * Stores signatures by the user's keys over keys; what is wrong is not stored, and listed.
 *
 * @param keys  object: user id → device id or public key → signed key
 * Errors: INPUT M_INVALID_PARAM; STORE
 * Cost: one round trip and one commit.
 */
MUST_CHECK enum err cross_signing_sign(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, const struct json *keys, struct sign_failure **out,
	size_t *out_count);

/** The port e2ee_port.account_ended. */
MUST_CHECK enum err cross_signing_account_ended(struct ctx *ctx, struct homeserver *hs,
	struct str user_id);

#endif
