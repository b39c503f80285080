/**
 * Cross-signing keys as clients upload them, and which key may sign which.
 * Spec: client-server API, "Cross-signing", "Key and signature security"
 */
#ifndef BELFRY_MATRIX_CROSS_KEY_H
#define BELFRY_MATRIX_CROSS_KEY_H

#include "base/json.h"
#include "matrix/field_error.h"

enum cross_usage { CROSS_MASTER, CROSS_SELF_SIGNING, CROSS_USER_SIGNING, CROSS_USAGE_COUNT };

/** "master", "self_signing", "user_signing"; static. */
struct str cross_usage_name(enum cross_usage usage);
/** @return false for other words */
MUST_CHECK bool cross_usage_parse(struct str name, enum cross_usage *out);

struct cross_key {
	struct str public_key; /**< Ed25519, unpadded Base64 */
	struct str body;       /**< see key_body() */
};

/**
 * A user's cross-signing key: of this user, for this usage, with one Ed25519 key that is called like itself. Signatures are not
 * looked at.
 *
 * @param field      what an error calls it; static
 * @param out_error  M_INVALID_PARAM
 */
MUST_CHECK bool cross_key_read(struct arena *arena, const struct json *object, struct str user_id,
	enum cross_usage usage, struct str field, struct cross_key *out, struct field_error *out_error);

/** A key that may have signed another: its name in "ed25519:<name>", and the public key. */
struct key_signer {
	struct str user_id;
	struct str name;       /**< device id, or the public key itself */
	struct str public_key; /**< unpadded Base64 */
};

/** Whether the object holds the signer's signature, and it is right. */
MUST_CHECK bool key_is_signed_by(struct arena *arena, const struct json *object,
	const struct key_signer *signer);
/** The signer's signature as it stands there; p == NULL when there is none. */
struct str key_signature_by(struct arena *arena, const struct json *object,
	const struct key_signer *signer);

/** What a key is, for the question who may sign it. */
enum key_role { KEY_DEVICE, KEY_MASTER, KEY_SELF_SIGNING, KEY_USER_SIGNING };

/**
 * Whether a user's key of one role may sign a key of another role: a self-signing key the user's devices; a device the user's
 * master key, and itself; a master key the user's other two; a user-signing key the master keys of others.
 *
 * @param is_own   both keys are of one user
 * @param is_self  both are one key
 */
bool key_may_sign(enum key_role signer, enum key_role target, bool is_own, bool is_self);

#endif
