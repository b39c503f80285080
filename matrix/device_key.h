/**
 * Keys of devices as clients upload them: identity keys, one-time and fallback keys. What comes out of here is
 * well-formed, of the device that it says, and signed by it; of one-time keys the first is checked, the others by who claims them.
 * Spec: client-server API, "Key algorithms", "Device keys", "One-time and fallback keys"; appendices, "Signing JSON"
 */
#ifndef BELFRY_MATRIX_DEVICE_KEY_H
#define BELFRY_MATRIX_DEVICE_KEY_H

#include "base/json.h"
#include "matrix/field_error.h"
#include "matrix/key_entry.h"

enum {
	KEY_OBJECT_MAX_BYTES = 16384, /**< of one key object, as canonical JSON */
	KEY_OBJECT_MAX_DEPTH = 8,
	KEY_NAME_MAX_BYTES = 255,       /**< of an algorithm, of a key id */
	DEVICE_KEY_MAX_KEYS = 16,       /**< public keys of one device */
	DEVICE_KEY_MAX_ALGORITHMS = 32, /**< that one device can speak */
	ONE_TIME_KEYS_MAX = 500,        /**< in one upload */
	FALLBACK_KEYS_MAX = 16          /**< of one device */
};

/** Canonical JSON of a key object without `signatures` and `unsigned`: what is signed, and what two uploads of one key share. */
struct str key_body(struct arena *arena, const struct json *object);

/**
 * Whether the object may be stored and signed at all: an object whose numbers are canonical, not too deep, not too large.
 */
MUST_CHECK bool key_object_check(struct arena *arena, const struct json *object, struct str field,
	struct field_error *out_error);

/** "ed25519:" and the id of a device, or a public key. In the arena. */
struct str key_id_of(struct arena *arena, struct str device_id_or_key);

/** An Ed25519 or Curve25519 public key: the 32 bytes. @return false when it is none in unpadded Base64 */
MUST_CHECK bool public_key_decode(struct arena *arena, struct str text, struct str *out_bytes);

/** Whose keys they have to be. */
struct key_owner {
	struct str user_id;
	struct str device_id;
	struct str ed25519; /**< the device's signing key, unpadded Base64; p == NULL: not known */
};

struct device_key {
	struct str ed25519;   /**< unpadded Base64 */
	struct str body;      /**< see key_body() */
	struct str signature; /**< by itself, unpadded Base64; p == NULL: not signed */
};

/**
 * Identity keys of a device. Signatures by others than the device itself are left out (a cross-signing key's: e2ee/device_keys.c).
 *
 * @param owner  user and device that upload; `ed25519` is not looked at
 * @param out_error  M_INVALID_PARAM; M_INVALID_SIGNATURE when it is not signed by its own key
 */
MUST_CHECK bool device_key_read(struct arena *arena, const struct json *object,
	const struct key_owner *owner, struct device_key *out, struct field_error *out_error);

struct one_time_key {
	struct str algorithm;
	struct key_entry
		entry; /**< of canonical JSON: an object, or a string where the algorithm is unsigned */
};

/**
 * A map of "<algorithm>:<key id>" to keys. Those of algorithms called signed_… have to be signed by the device: each fallback key is verified,
 * of one-time keys only the form is looked at, for which the device's signing key need not be known.
 *
 * @param is_fallback  at most one of each algorithm
 * @param out_error    M_INVALID_PARAM; M_INVALID_SIGNATURE
 */
MUST_CHECK bool one_time_keys_read(struct arena *arena, const struct json *map,
	const struct key_owner *owner, bool is_fallback, struct one_time_key **out, size_t *out_count,
	struct field_error *out_error);

/**
 * Verifies the first one of a map of one-time keys that has to be signed: a client that signs wrongly is told by that.
 * It costs more than reading them all.
 * @param out_error  M_INVALID_SIGNATURE; M_INVALID_PARAM when the device's signing key is not known
 */
MUST_CHECK bool one_time_keys_verify(struct arena *arena, const struct json *map,
	const struct key_owner *owner, struct field_error *out_error);

#endif
