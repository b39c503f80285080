/**
 * libolm behind one face: an account (the keys of a device), Olm sessions between two devices, and both ends of Megolm sessions.
 *
 * What comes back from these is in the arena given. Keys, ids, messages and pickles are unpadded Base64, as in events. A pickle is
 * the whole of an object, its secrets too, as text that everybody can read: whoever stores one seals it (vault.h). Objects are used by
 * one thread at a time; their memory is wiped at the end.
 *
 * Spec: olm-megolm, "Olm: A Cryptographic Ratchet", "Megolm group ratchet"
 */
#ifndef BELFRY_E2EE_OLM_H
#define BELFRY_E2EE_OLM_H

#include "base/arena.h"
#include "base/rand.h"
#include "base/str.h"

enum {
	RATCHET_MESSAGE_MAX_BYTES =
		128 * 1024, /**< of a message and of its plaintext, either direction */
};

/** What libolm can have against what it was given. */
enum ratchet_error {
	RATCHET_OK,
	RATCHET_BAD_VERSION, /**< of the message: not one that is spoken here */
	RATCHET_BAD_FORMAT,  /**< the message cannot be read, or is too large */
	RATCHET_BAD_MAC,     /**< the message is of another session, was used before, or was changed */
	RATCHET_BAD_KEY_ID,  /**< the message was made for a one-time key that is not here (any more) */
	RATCHET_BAD_BASE64,
	RATCHET_BAD_KEY, /**< a public key, or a session key, that is none */
	RATCHET_BAD_SIGNATURE,
	RATCHET_INDEX_UNKNOWN, /**< the message is older than what the session's key can read */
	RATCHET_BAD_PICKLE,    /**< not what a pickle function wrote */
	RATCHET_BROKEN,        /**< libolm was called wrongly */
};

/** For logs; static. */
const char *ratchet_error_text(enum ratchet_error error);

/* --- the keys of a device ---------------------------------------------------------------------------------- */

/** Identity keys, and the secret halves of one-time and fallback keys. */
struct ratchet_account;

struct ratchet_identity {
	struct str curve25519;
	struct str ed25519;
};
/** A key that others may claim. */
struct ratchet_key {
	struct str key_id;
	struct str curve25519;
};

struct ratchet_account *ratchet_account_create(const struct rng *rng);
/** Reads a pickle. Errors: BAD_PICKLE */
MUST_CHECK enum ratchet_error ratchet_account_open(struct str pickle, struct ratchet_account **out);
/** NULL does nothing. */
void ratchet_account_destroy(struct ratchet_account *account);
struct str ratchet_account_pickle(struct arena *arena, struct ratchet_account *account);

/** Its two public keys, Curve25519 and Ed25519, in unpadded Base64, in the arena. */
struct ratchet_identity ratchet_account_identity(struct arena *arena,
	struct ratchet_account *account);
/** By the Ed25519 identity key. */
struct str ratchet_account_sign(struct arena *arena, struct ratchet_account *account,
	struct str message);

/** Makes one-time keys, which are new until ratchet_account_published(). */
void ratchet_account_make_keys(struct ratchet_account *account, const struct rng *rng,
	size_t count);
/** Makes a fallback key; the one before it is still understood, the one before that is not. */
void ratchet_account_make_fallback(struct ratchet_account *account, const struct rng *rng);
/** One-time keys that are new, sorted by id. @return count */
size_t ratchet_account_new_keys(struct arena *arena, struct ratchet_account *account,
	struct ratchet_key **out);
/** The fallback key, if it is new. */
bool ratchet_account_new_fallback(struct arena *arena, struct ratchet_account *account,
	struct ratchet_key *out);
/** Nothing is new any more. */
void ratchet_account_published(struct ratchet_account *account);

/* --- Olm: two devices ---------------------------------------------------------------------------------------- */

/** One end of an Olm session. */
struct ratchet_session;

enum ratchet_message_type { RATCHET_PRE_KEY = 0, RATCHET_NORMAL = 1 };
struct ratchet_message {
	enum ratchet_message_type type;
	struct str body;
};

/**
 * Begins a session with a device by one of its one-time keys.
 * Errors: BAD_BASE64 when one of the keys is none
 */
MUST_CHECK enum ratchet_error ratchet_session_create(struct ratchet_account *account,
	const struct rng *rng, struct str peer_curve25519, struct str one_time_key,
	struct ratchet_session **out);
/**
 * Takes up a session that a device began with a pre-key message. The message is not decrypted by this, and the one-time key that
 * it used stays (ratchet_session_use_up()).
 * Errors: BAD_VERSION; BAD_FORMAT; BAD_BASE64; BAD_KEY_ID; BAD_MAC (it is from another device)
 */
MUST_CHECK enum ratchet_error ratchet_session_accept(struct arena *arena,
	struct ratchet_account *account, struct str peer_curve25519, struct str body,
	struct ratchet_session **out);
/** The one-time key with which the session began is forgotten; a fallback key stays. */
void ratchet_session_use_up(struct ratchet_account *account, struct ratchet_session *session);
/** Errors: BAD_PICKLE */
MUST_CHECK enum ratchet_error ratchet_session_open(struct str pickle, struct ratchet_session **out);
/** NULL does nothing. */
void ratchet_session_destroy(struct ratchet_session *session);
struct str ratchet_session_pickle(struct arena *arena, struct ratchet_session *session);
/** The same at both ends. */
struct str ratchet_session_id(struct arena *arena, struct ratchet_session *session);
/** Whether a pre-key message of this device belongs to the session. */
bool ratchet_session_is_of(struct arena *arena, struct ratchet_session *session,
	struct str peer_curve25519, struct str body);

/** Moves the ratchet on: the session has to be stored before the message leaves. Errors: BAD_FORMAT (too large) */
MUST_CHECK enum ratchet_error ratchet_session_encrypt(struct arena *arena,
	struct ratchet_session *session, const struct rng *rng, struct str plaintext,
	struct ratchet_message *out);
/**
 * Moves the ratchet on when it succeeds. Messages may come out of order: libolm remembers 40 keys that were passed over, and passes
 * over 2,000 at the most.
 * Errors: BAD_VERSION; BAD_FORMAT; BAD_BASE64; BAD_MAC. The session is as before then.
 */
MUST_CHECK enum ratchet_error ratchet_session_decrypt(struct arena *arena,
	struct ratchet_session *session, enum ratchet_message_type type, struct str body,
	struct str *out);

/* --- Megolm: one sender, many receivers -------------------------------------------------------------------------- */

/** The sending end. It has no pickle: a ratchet that is never stored is never used twice. */
struct megolm_out;

struct megolm_out *megolm_out_create(const struct rng *rng);
/** NULL does nothing. */
void megolm_out_destroy(struct megolm_out *session);
struct str megolm_out_id(struct arena *arena, struct megolm_out *session);
/** Index of the next message. */
uint32_t megolm_out_index(struct megolm_out *session);
/** What opens the next message and all later ones; for m.room_key. */
struct str megolm_out_key(struct arena *arena, struct megolm_out *session);
/** Errors: BAD_FORMAT (too large) */
MUST_CHECK enum ratchet_error megolm_out_encrypt(struct arena *arena, struct megolm_out *session,
	struct str plaintext, struct str *out);

/** A receiving end. */
struct megolm_in;

/** From the key of an m.room_key. Errors: BAD_KEY; BAD_BASE64; BAD_SIGNATURE; BAD_VERSION */
MUST_CHECK enum ratchet_error megolm_in_create(struct str session_key, struct megolm_in **out);
/** Errors: BAD_PICKLE */
MUST_CHECK enum ratchet_error megolm_in_open(struct str pickle, struct megolm_in **out);
/** NULL does nothing. */
void megolm_in_destroy(struct megolm_in *session);
struct str megolm_in_pickle(struct arena *arena, struct megolm_in *session);
struct str megolm_in_id(struct arena *arena, struct megolm_in *session);
uint32_t megolm_in_first_index(struct megolm_in *session);
/** Whether both are of one ratchet: equal where both can read. Ids alone say so only of who holds the sender's signing key. */
bool megolm_in_agrees(struct arena *arena, struct megolm_in *a, struct megolm_in *b);
/** Errors: BAD_VERSION; BAD_FORMAT; BAD_BASE64; BAD_MAC; BAD_SIGNATURE; INDEX_UNKNOWN */
MUST_CHECK enum ratchet_error megolm_in_decrypt(struct arena *arena, struct megolm_in *session,
	struct str body, struct str *out, uint32_t *out_index);

#endif
