/*
 * The only file that knows libolm. Its objects live in memory of ours, wiped before it is freed; so are copies of
 * messages, which it decodes in place. Random bytes come from outside. A failure that only a wrong call can bring ends the process.
 */
#include "e2ee/olm.h"

#include <stdlib.h>
#include <string.h>

#include <olm/olm.h>

#include "base/crypto.h"
#include "base/json.h"
#include "base/mem.h"
#include "gen/late_olm.h"

/* What is stored is sealed by the vault; libolm wants a key all the same. */
static const char pickle_key[] = "sealed outside";

static const char *const texts[] = {
	[RATCHET_OK] = "ok",
	[RATCHET_BAD_VERSION] = "bad_version",
	[RATCHET_BAD_FORMAT] = "bad_format",
	[RATCHET_BAD_MAC] = "bad_mac",
	[RATCHET_BAD_KEY_ID] = "bad_key_id",
	[RATCHET_BAD_BASE64] = "bad_base64",
	[RATCHET_BAD_KEY] = "bad_key",
	[RATCHET_BAD_SIGNATURE] = "bad_signature",
	[RATCHET_INDEX_UNKNOWN] = "index_unknown",
	[RATCHET_BAD_PICKLE] = "bad_pickle",
	[RATCHET_BROKEN] = "broken",
};

const char *ratchet_error_text(enum ratchet_error error)
{
	return texts[error];
}

static enum ratchet_error name_error(enum OlmErrorCode code)
{
	switch (code) {
	case OLM_SUCCESS:
		return RATCHET_OK;
	case OLM_BAD_MESSAGE_VERSION:
		return RATCHET_BAD_VERSION;
	case OLM_BAD_MESSAGE_FORMAT:
		return RATCHET_BAD_FORMAT;
	case OLM_BAD_MESSAGE_MAC:
		return RATCHET_BAD_MAC;
	case OLM_BAD_MESSAGE_KEY_ID:
		return RATCHET_BAD_KEY_ID;
	case OLM_INVALID_BASE64:
		return RATCHET_BAD_BASE64;
	case OLM_BAD_SESSION_KEY:
	case OLM_INPUT_BUFFER_TOO_SMALL:
		return RATCHET_BAD_KEY;
	case OLM_BAD_SIGNATURE:
		return RATCHET_BAD_SIGNATURE;
	case OLM_UNKNOWN_MESSAGE_INDEX:
		return RATCHET_INDEX_UNKNOWN;
	case OLM_BAD_ACCOUNT_KEY:
	case OLM_UNKNOWN_PICKLE_VERSION:
	case OLM_CORRUPTED_PICKLE:
	case OLM_BAD_LEGACY_ACCOUNT_PICKLE:
	case OLM_PICKLE_EXTRA_DATA:
		return RATCHET_BAD_PICKLE;
	case OLM_NOT_ENOUGH_RANDOM:
	case OLM_OUTPUT_BUFFER_TOO_SMALL:
	case OLM_SAS_THEIR_KEY_NOT_SET:
		return RATCHET_BROKEN;
	}
	return RATCHET_BROKEN;
}

/* Bytes for libolm to consume. */
struct scratch {
	unsigned char *p;
	size_t n;
};

static struct scratch random_bytes(const struct rng *rng, size_t count)
{
	struct scratch scratch = {mem_alloc(count + 1), count};
	rng_fill(rng, scratch.p, count);
	return scratch;
}

static struct scratch copy_of(struct str text)
{
	return (struct scratch){mem_dup(text.n > 0 ? text.p : "", text.n), text.n};
}

static void scratch_fini(struct scratch *scratch)
{
	if (scratch->p != NULL) {
		crypto_wipe(scratch->p, scratch->n);
		mem_free(scratch->p);
	}
}

static bool is_error(size_t result)
{
	return result == olm_error();
}

static void wipe_and_free(void *memory, size_t size_bytes)
{
	crypto_wipe(memory, size_bytes);
	mem_free(memory);
}

/* What a function of libolm has written to a buffer of `size`. */
static struct str written(const char *buffer, size_t result)
{
	invariant(!is_error(result));
	return str_from(buffer, result);
}

/* --- the keys of a device ---------------------------------------------------------------------------------- */

struct ratchet_account {
	OlmAccount *olm;
};

static struct ratchet_account *new_account(void)
{
	struct ratchet_account *account = mem_alloc(sizeof(*account));
	account->olm = olm_account(mem_alloc(olm_account_size()));
	return account;
}

struct ratchet_account *ratchet_account_create(const struct rng *rng)
{
	struct ratchet_account *account = new_account();
	struct scratch random CLEANUP(scratch_fini) =
		random_bytes(rng, olm_create_account_random_length(account->olm));
	size_t done = olm_create_account(account->olm, random.p, random.n);
	invariant(!is_error(done));
	return account;
}

enum ratchet_error ratchet_account_open(struct str pickle, struct ratchet_account **out)
{
	struct ratchet_account *account = new_account();
	struct scratch copy CLEANUP(scratch_fini) = copy_of(pickle);
	if (is_error(
			olm_unpickle_account(account->olm, pickle_key, sizeof(pickle_key), copy.p, copy.n))) {
		ratchet_account_destroy(account);
		return RATCHET_BAD_PICKLE;
	}
	*out = account;
	return RATCHET_OK;
}

void ratchet_account_destroy(struct ratchet_account *account)
{
	if (account != NULL) {
		(void)olm_clear_account(account->olm);
		wipe_and_free(account->olm, olm_account_size());
		mem_free(account);
	}
}

struct str ratchet_account_pickle(struct arena *arena, struct ratchet_account *account)
{
	size_t size = olm_pickle_account_length(account->olm);
	char *buffer = arena_alloc(arena, size + 1);
	return written(buffer,
		olm_pickle_account(account->olm, pickle_key, sizeof(pickle_key), buffer, size));
}

struct ratchet_identity ratchet_account_identity(struct arena *arena,
	struct ratchet_account *account)
{
	size_t size = olm_account_identity_keys_length(account->olm);
	char *buffer = arena_alloc(arena, size + 1);
	struct json keys;
	struct str text = written(buffer, olm_account_identity_keys(account->olm, buffer, size));
	enum json_error error = json_parse(arena, text, NULL, &keys, NULL);
	invariant(error == JSON_OK);
	return (struct ratchet_identity){
		.curve25519 = json_get_str(&keys, STR("curve25519")),
		.ed25519 = json_get_str(&keys, STR("ed25519")),
	};
}

struct str ratchet_account_sign(struct arena *arena, struct ratchet_account *account,
	struct str message)
{
	size_t size = olm_account_signature_length(account->olm);
	char *buffer = arena_alloc(arena, size + 1);
	return written(buffer, olm_account_sign(account->olm, message.p, message.n, buffer, size));
}

void ratchet_account_make_keys(struct ratchet_account *account, const struct rng *rng, size_t count)
{
	struct scratch random CLEANUP(scratch_fini) =
		random_bytes(rng, olm_account_generate_one_time_keys_random_length(account->olm, count));
	size_t done = olm_account_generate_one_time_keys(account->olm, count, random.p, random.n);
	invariant(!is_error(done));
}

void ratchet_account_make_fallback(struct ratchet_account *account, const struct rng *rng)
{
	struct scratch random CLEANUP(scratch_fini) =
		random_bytes(rng, olm_account_generate_fallback_key_random_length(account->olm));
	size_t done = olm_account_generate_fallback_key(account->olm, random.p, random.n);
	invariant(!is_error(done));
}

static int compare_keys(const void *a, const void *b)
{
	return str_compare(((const struct ratchet_key *)a)->key_id,
		((const struct ratchet_key *)b)->key_id);
}

/* From {"curve25519": {id: key, …}}. */
static size_t read_keys(struct arena *arena, struct str text, struct ratchet_key **out)
{
	struct json object;
	enum json_error error = json_parse(arena, text, NULL, &object, NULL);
	invariant(error == JSON_OK);
	const struct json *keys = json_at(&object, "curve25519");
	size_t count = json_is(keys, JSON_OBJECT) ? keys->count : 0;
	*out = ARENA_NEW_ARRAY(arena, struct ratchet_key, count + 1);
	for (size_t i = 0; i < count; i++) {
		(*out)[i] = (struct ratchet_key){keys->members[i].key, json_text(&keys->members[i].value)};
	}
	qsort(*out, count, sizeof(**out), compare_keys);
	return count;
}

size_t ratchet_account_new_keys(struct arena *arena, struct ratchet_account *account,
	struct ratchet_key **out)
{
	size_t size = olm_account_one_time_keys_length(account->olm);
	char *buffer = arena_alloc(arena, size + 1);
	return read_keys(arena, written(buffer, olm_account_one_time_keys(account->olm, buffer, size)),
		out);
}

bool ratchet_account_new_fallback(struct arena *arena, struct ratchet_account *account,
	struct ratchet_key *out)
{
	size_t size = olm_account_unpublished_fallback_key_length(account->olm);
	char *buffer = arena_alloc(arena, size + 1);
	struct ratchet_key *keys;
	struct str text =
		written(buffer, olm_account_unpublished_fallback_key(account->olm, buffer, size));
	if (read_keys(arena, text, &keys) == 0) {
		return false;
	}
	*out = keys[0];
	return true;
}

void ratchet_account_published(struct ratchet_account *account)
{
	(void)olm_account_mark_keys_as_published(account->olm);
}

/* --- Olm: two devices ---------------------------------------------------------------------------------------- */

struct ratchet_session {
	OlmSession *olm;
};

static struct ratchet_session *new_session(void)
{
	struct ratchet_session *session = mem_alloc(sizeof(*session));
	session->olm = olm_session(mem_alloc(olm_session_size()));
	return session;
}

void ratchet_session_destroy(struct ratchet_session *session)
{
	if (session != NULL) {
		(void)olm_clear_session(session->olm);
		wipe_and_free(session->olm, olm_session_size());
		mem_free(session);
	}
}

/* A session that could not be made. */
static enum ratchet_error give_up(struct ratchet_session *session)
{
	enum ratchet_error error = name_error(olm_session_last_error_code(session->olm));
	ratchet_session_destroy(session);
	return error;
}

enum ratchet_error ratchet_session_create(struct ratchet_account *account, const struct rng *rng,
	struct str peer_curve25519, struct str one_time_key, struct ratchet_session **out)
{
	struct ratchet_session *session = new_session();
	struct scratch random CLEANUP(scratch_fini) =
		random_bytes(rng, olm_create_outbound_session_random_length(session->olm));
	if (is_error(olm_create_outbound_session(session->olm, account->olm, peer_curve25519.p,
			peer_curve25519.n, one_time_key.p, one_time_key.n, random.p, random.n))) {
		return give_up(session);
	}
	*out = session;
	return RATCHET_OK;
}

static bool is_size_good(struct str body)
{
	return body.n > 0 && body.n <= RATCHET_MESSAGE_MAX_BYTES;
}

enum ratchet_error ratchet_session_accept(struct arena *arena, struct ratchet_account *account,
	struct str peer_curve25519, struct str body, struct ratchet_session **out)
{
	if (!is_size_good(body)) {
		return RATCHET_BAD_FORMAT;
	}
	struct ratchet_session *session = new_session();
	char *copy = arena_dup(arena, body.p, body.n);
	if (is_error(olm_create_inbound_session_from(session->olm, account->olm, peer_curve25519.p,
			peer_curve25519.n, copy, body.n))) {
		return give_up(session);
	}
	*out = session;
	return RATCHET_OK;
}

void ratchet_session_use_up(struct ratchet_account *account, struct ratchet_session *session)
{
	(void)olm_remove_one_time_keys(account->olm,
		session->olm); /* of a fallback key there is none */
}

enum ratchet_error ratchet_session_open(struct str pickle, struct ratchet_session **out)
{
	struct ratchet_session *session = new_session();
	struct scratch copy CLEANUP(scratch_fini) = copy_of(pickle);
	if (is_error(
			olm_unpickle_session(session->olm, pickle_key, sizeof(pickle_key), copy.p, copy.n))) {
		ratchet_session_destroy(session);
		return RATCHET_BAD_PICKLE;
	}
	*out = session;
	return RATCHET_OK;
}

struct str ratchet_session_pickle(struct arena *arena, struct ratchet_session *session)
{
	size_t size = olm_pickle_session_length(session->olm);
	char *buffer = arena_alloc(arena, size + 1);
	return written(buffer,
		olm_pickle_session(session->olm, pickle_key, sizeof(pickle_key), buffer, size));
}

struct str ratchet_session_id(struct arena *arena, struct ratchet_session *session)
{
	size_t size = olm_session_id_length(session->olm);
	char *buffer = arena_alloc(arena, size + 1);
	return written(buffer, olm_session_id(session->olm, buffer, size));
}

bool ratchet_session_is_of(struct arena *arena, struct ratchet_session *session,
	struct str peer_curve25519, struct str body)
{
	return is_size_good(body) &&
		olm_matches_inbound_session_from(session->olm, peer_curve25519.p, peer_curve25519.n,
			arena_dup(arena, body.p, body.n), body.n) == 1;
}

enum ratchet_error ratchet_session_encrypt(struct arena *arena, struct ratchet_session *session,
	const struct rng *rng, struct str plaintext, struct ratchet_message *out)
{
	if (!is_size_good(plaintext)) {
		return RATCHET_BAD_FORMAT;
	}
	size_t type = olm_encrypt_message_type(session->olm);
	size_t size = olm_encrypt_message_length(session->olm, plaintext.n);
	struct scratch random CLEANUP(scratch_fini) =
		random_bytes(rng, olm_encrypt_random_length(session->olm));
	char *buffer = arena_alloc(arena, size + 1);
	out->body = written(buffer,
		olm_encrypt(session->olm, plaintext.p, plaintext.n, random.p, random.n, buffer, size));
	out->type = type == OLM_MESSAGE_TYPE_PRE_KEY ? RATCHET_PRE_KEY : RATCHET_NORMAL;
	return RATCHET_OK;
}

enum ratchet_error ratchet_session_decrypt(struct arena *arena, struct ratchet_session *session,
	enum ratchet_message_type type, struct str body, struct str *out)
{
	if (!is_size_good(body)) {
		return RATCHET_BAD_FORMAT;
	}
	char *copy = arena_dup(arena, body.p, body.n);
	size_t size = olm_decrypt_max_plaintext_length(session->olm, (size_t)type, copy, body.n);
	if (is_error(size)) {
		return name_error(olm_session_last_error_code(session->olm));
	}
	char *buffer = arena_alloc(arena, size + 1);
	copy = arena_dup(arena, body.p, body.n);
	size_t n = olm_decrypt(session->olm, (size_t)type, copy, body.n, buffer, size);
	if (is_error(n)) {
		return name_error(olm_session_last_error_code(session->olm));
	}
	*out = str_from(buffer, n);
	return RATCHET_OK;
}

/* --- Megolm: the sender ------------------------------------------------------------------------------------------- */

struct megolm_out {
	OlmOutboundGroupSession *olm;
};

struct megolm_out *megolm_out_create(const struct rng *rng)
{
	struct megolm_out *session = mem_alloc(sizeof(*session));
	session->olm = olm_outbound_group_session(mem_alloc(olm_outbound_group_session_size()));
	struct scratch random CLEANUP(scratch_fini) =
		random_bytes(rng, olm_init_outbound_group_session_random_length(session->olm));
	size_t done = olm_init_outbound_group_session(session->olm, random.p, random.n);
	invariant(!is_error(done));
	return session;
}

void megolm_out_destroy(struct megolm_out *session)
{
	if (session != NULL) {
		(void)olm_clear_outbound_group_session(session->olm);
		wipe_and_free(session->olm, olm_outbound_group_session_size());
		mem_free(session);
	}
}

struct str megolm_out_id(struct arena *arena, struct megolm_out *session)
{
	size_t size = olm_outbound_group_session_id_length(session->olm);
	char *buffer = arena_alloc(arena, size + 1);
	return written(buffer, olm_outbound_group_session_id(session->olm, (uint8_t *)buffer, size));
}

uint32_t megolm_out_index(struct megolm_out *session)
{
	return olm_outbound_group_session_message_index(session->olm);
}

struct str megolm_out_key(struct arena *arena, struct megolm_out *session)
{
	size_t size = olm_outbound_group_session_key_length(session->olm);
	char *buffer = arena_alloc(arena, size + 1);
	return written(buffer, olm_outbound_group_session_key(session->olm, (uint8_t *)buffer, size));
}

enum ratchet_error megolm_out_encrypt(struct arena *arena, struct megolm_out *session,
	struct str plaintext, struct str *out)
{
	if (!is_size_good(plaintext)) {
		return RATCHET_BAD_FORMAT;
	}
	size_t size = olm_group_encrypt_message_length(session->olm, plaintext.n);
	char *buffer = arena_alloc(arena, size + 1);
	*out = written(buffer,
		olm_group_encrypt(session->olm, (const uint8_t *)plaintext.p, plaintext.n,
			(uint8_t *)buffer, size));
	return RATCHET_OK;
}

/* --- Megolm: a receiver --------------------------------------------------------------------------------------------- */

struct megolm_in {
	OlmInboundGroupSession *olm;
};

static struct megolm_in *new_receiver(void)
{
	struct megolm_in *session = mem_alloc(sizeof(*session));
	session->olm = olm_inbound_group_session(mem_alloc(olm_inbound_group_session_size()));
	return session;
}

void megolm_in_destroy(struct megolm_in *session)
{
	if (session != NULL) {
		(void)olm_clear_inbound_group_session(session->olm);
		wipe_and_free(session->olm, olm_inbound_group_session_size());
		mem_free(session);
	}
}

enum ratchet_error megolm_in_create(struct str session_key, struct megolm_in **out)
{
	struct megolm_in *session = new_receiver();
	struct scratch copy CLEANUP(scratch_fini) = copy_of(session_key);
	if (is_error(olm_init_inbound_group_session(session->olm, copy.p, copy.n))) {
		enum ratchet_error error =
			name_error(olm_inbound_group_session_last_error_code(session->olm));
		megolm_in_destroy(session);
		return error;
	}
	*out = session;
	return RATCHET_OK;
}

enum ratchet_error megolm_in_open(struct str pickle, struct megolm_in **out)
{
	struct megolm_in *session = new_receiver();
	struct scratch copy CLEANUP(scratch_fini) = copy_of(pickle);
	if (is_error(olm_unpickle_inbound_group_session(session->olm, pickle_key, sizeof(pickle_key),
			copy.p, copy.n))) {
		megolm_in_destroy(session);
		return RATCHET_BAD_PICKLE;
	}
	*out = session;
	return RATCHET_OK;
}

struct str megolm_in_pickle(struct arena *arena, struct megolm_in *session)
{
	size_t size = olm_pickle_inbound_group_session_length(session->olm);
	char *buffer = arena_alloc(arena, size + 1);
	return written(buffer,
		olm_pickle_inbound_group_session(session->olm, pickle_key, sizeof(pickle_key), buffer,
			size));
}

struct str megolm_in_id(struct arena *arena, struct megolm_in *session)
{
	size_t size = olm_inbound_group_session_id_length(session->olm);
	char *buffer = arena_alloc(arena, size + 1);
	return written(buffer, olm_inbound_group_session_id(session->olm, (uint8_t *)buffer, size));
}

uint32_t megolm_in_first_index(struct megolm_in *session)
{
	return olm_inbound_group_session_first_known_index(session->olm);
}

static bool export_at(struct megolm_in *session, uint32_t index, struct scratch *out)
{
	size_t size = olm_export_inbound_group_session_length(session->olm);
	*out = (struct scratch){mem_alloc(size + 1), size};
	return !is_error(olm_export_inbound_group_session(session->olm, out->p, out->n, index));
}

bool megolm_in_agrees(struct arena *arena, struct megolm_in *a, struct megolm_in *b)
{
	uint32_t index = MAX_OF(megolm_in_first_index(a), megolm_in_first_index(b));
	struct scratch of_a CLEANUP(scratch_fini) = {0};
	struct scratch of_b CLEANUP(scratch_fini) = {0};
	return str_equals(megolm_in_id(arena, a), megolm_in_id(arena, b)) &&
		export_at(a, index, &of_a) && export_at(b, index, &of_b) &&
		crypto_equals(str_from((const char *)of_a.p, of_a.n),
			str_from((const char *)of_b.p, of_b.n));
}

enum ratchet_error megolm_in_decrypt(struct arena *arena, struct megolm_in *session,
	struct str body, struct str *out, uint32_t *out_index)
{
	if (!is_size_good(body)) {
		return RATCHET_BAD_FORMAT;
	}
	uint8_t *copy = (uint8_t *)arena_dup(arena, body.p, body.n);
	size_t size = olm_group_decrypt_max_plaintext_length(session->olm, copy, body.n);
	if (is_error(size)) {
		return name_error(olm_inbound_group_session_last_error_code(session->olm));
	}
	char *buffer = arena_alloc(arena, size + 1);
	copy = (uint8_t *)arena_dup(arena, body.p, body.n);
	size_t n = olm_group_decrypt(session->olm, copy, body.n, (uint8_t *)buffer, size, out_index);
	if (is_error(n)) {
		return name_error(olm_inbound_group_session_last_error_code(session->olm));
	}
	*out = str_from(buffer, n);
	return RATCHET_OK;
}
