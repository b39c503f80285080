/*
 * Olm messages of an own device to other devices. The sessions' new state is committed, all of a chunk at once, and only then are the
 * messages handed on.
 */
#include "e2ee/own_device_inner.h"

#include "e2ee/key_claims.h"
#include "e2ee/to_device.h"
#include "e2ee/vault.h"
#include "matrix/cross_key.h"

enum {
	CHUNK = 200,
	TXN_CHARS = 24,
	PLAINTEXT_MAX_BYTES = 64 * 1024,
	CLAIMS_MAX_BYTES = 16 * 1024 * 1024,
};

const struct own_session_limits own_session_limits = {.of_device = 8, .of_user = 200};

/* --- stored sessions ------------------------------------------------------------------------------------------ */

static struct str session_context(struct arena *arena, struct str user_id, struct str peer_key)
{
	return str_printf(arena, "own device's session %.*s %.*s", STR_ARG(user_id), STR_ARG(peer_key));
}

struct str own_session_seal(struct arena *arena, const struct homeserver *hs, struct str user_id,
	struct str peer_key, struct ratchet_session *session)
{
	return vault_seal_and_wipe(arena, hs, session_context(arena, user_id, peer_key),
		ratchet_session_pickle(arena, session));
}

enum err own_session_open(struct ctx *ctx, const struct homeserver *hs, struct str user_id,
	const struct own_session_row *row, struct ratchet_session **out)
{
	struct str pickle;
	TRY(vault_open(ctx, hs, session_context(ctx->arena, user_id, row->peer_key), row->state,
		&pickle));
	enum ratchet_error error = ratchet_session_open(pickle, out);
	crypto_wipe((char *)(uintptr_t)pickle.p, pickle.n);
	return error == RATCHET_OK
		? ERR_OK
		: fail_cause(ctx, ERR_INTERNAL, "an own device's session: %s", ratchet_error_text(error));
}

static void session_cleanup(struct ratchet_session **session)
{
	ratchet_session_destroy(*session);
}

/* Sessions of some devices, sorted by their keys. */
struct sessions_found {
	struct own_session_row *rows;
	size_t n;
};

/* The one to send with: the last used of this run. NULL: there is none. */
static const struct own_session_row *find_sendable(const struct sessions_found *found,
	struct str peer_key, struct str run)
{
	size_t low = 0;
	size_t high = found->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (str_compare(found->rows[middle].peer_key, peer_key) < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	for (; low < found->n && str_equals(found->rows[low].peer_key, peer_key); low++) {
		if (str_equals(found->rows[low].run, run)) {
			return &found->rows[low];
		}
	}
	return NULL;
}

/* --- a chunk ---------------------------------------------------------------------------------------------------- */

/* Letters that are sent together. */
struct chunk {
	const struct own_device *device;
	struct str type;
	const struct json *content;
	struct own_letter *letters;
	size_t n;
	struct json own_keys; /* of the device, signed: they go along */
	struct str *peer_keys;
	struct str *one_time_keys; /* claimed; p == NULL: none */
	struct json *messages;     /* contents of m.room.encrypted, of those that are sent */
	struct own_session_row *changed;
	size_t changed_n;
	struct own_session_row *begun;
	size_t begun_n;
};

/* The claimed key of a device, if it is signed by it. */
static struct str read_claimed(struct arena *arena, const struct json *answer,
	const struct peer_device *peer)
{
	const struct json *users = json_at(answer, "one_time_keys");
	const struct json *keys = json_get(json_get(users, peer->user_id), peer->device_id);
	const struct key_signer signer = {peer->user_id, peer->device_id, peer->ed25519};
	if (!json_is(keys, JSON_OBJECT) || keys->count != 1) {
		return str_from(NULL, 0);
	}
	const struct json *key = &keys->members[0].value;
	return json_is(key, JSON_OBJECT) && key_is_signed_by(arena, key, &signer)
		? json_get_str(key, STR("key"))
		: str_from(NULL, 0);
}

/* An object: user id → device id → value; devices of one user follow each other. */
static struct json by_user(struct arena *arena, const struct peer_device *const *to,
	const struct json *values, size_t count)
{
	struct json users = json_object(arena, count);
	for (size_t i = 0; i < count;) {
		size_t end = i;
		while (end < count && str_equals(to[end]->user_id, to[i]->user_id)) {
			end++;
		}
		struct json of_user = json_object(arena, end - i);
		json_put(&users, to[i]->user_id, of_user);
		struct json *devices = &users.members[users.count - 1].value;
		for (; i < end; i++) {
			json_put(devices, to[i]->device_id, values[i]);
		}
	}
	return users;
}

static struct json claim_request(struct arena *arena, const struct chunk *chunk,
	const bool *is_wanted)
{
	const struct peer_device **to = ARENA_NEW_ARRAY(arena, const struct peer_device *, chunk->n);
	struct json *algorithms = ARENA_NEW_ARRAY(arena, struct json, chunk->n);
	size_t n = 0;
	for (size_t i = 0; i < chunk->n; i++) {
		if (is_wanted[i]) {
			algorithms[n] = json_string(STR("signed_curve25519"));
			to[n++] = chunk->letters[i].to;
		}
	}
	return by_user(arena, to, algorithms, n);
}

static enum err claim(struct ctx *ctx, struct homeserver *hs, struct chunk *chunk,
	const bool *is_wanted)
{
	struct keys_claimed claimed;
	struct json answer;
	struct json wanted = claim_request(ctx->arena, chunk, is_wanted);
	if (wanted.count == 0) {
		return ERR_OK;
	}
	TRY(key_claims_take(ctx, hs, &wanted, OWN_ASK_OTHERS_MS, &claimed));
	struct buf text CLEANUP(buf_fini);
	struct json_out out;
	buf_init(&text, CLAIMS_MAX_BYTES);
	json_out_init(&out, &text);
	key_claims_write(&claimed, &out);
	if (!buf_ok(&text) ||
		json_parse(ctx->arena, str_dup(ctx->arena, buf_str(&text)), NULL, &answer, NULL) !=
			JSON_OK) {
		return fail_cause(ctx, ERR_INTERNAL, "claimed keys cannot be read");
	}
	for (size_t i = 0; i < chunk->n; i++) {
		if (is_wanted[i]) {
			chunk->one_time_keys[i] = read_claimed(ctx->arena, &answer, chunk->letters[i].to);
		}
	}
	return ERR_OK;
}

/* For those with whom no session of this run was begun. */
static enum err claim_missing(struct ctx *ctx, struct homeserver *hs, struct chunk *chunk)
{
	struct sessions_found found;
	bool *is_wanted = ARENA_NEW_ARRAY(ctx->arena, bool, chunk->n);
	TRY(store_own_session_list(ctx, hs->db, chunk->device->user.s, chunk->peer_keys, chunk->n,
		&found.rows, &found.n));
	for (size_t i = 0; i < chunk->n; i++) {
		is_wanted[i] = find_sendable(&found, chunk->peer_keys[i], hs->e2ee->own->run) == NULL;
	}
	return claim(ctx, hs, chunk, is_wanted);
}

/* Spec: client-server API, "m.olm.v1.curve25519-aes-sha2", the plaintext */
static struct str plaintext_of(struct arena *arena, const struct chunk *chunk,
	const struct peer_device *to)
{
	struct buf text CLEANUP(buf_fini);
	struct json_out out;
	buf_init(&text, PLAINTEXT_MAX_BYTES);
	json_out_init(&out, &text);
	json_out_object(&out);
	json_out_key_str(&out, "type", chunk->type);
	json_out_key_value(&out, "content", chunk->content);
	json_out_key_str(&out, "sender", chunk->device->user.s);
	json_out_key_str(&out, "recipient", to->user_id);
	json_out_key_object(&out, "recipient_keys");
	json_out_key_str(&out, "ed25519", to->ed25519);
	json_out_end(&out);
	json_out_key_object(&out, "keys");
	json_out_key_str(&out, "ed25519", chunk->device->identity.ed25519);
	json_out_end(&out);
	json_out_key_value(&out, "sender_device_keys", &chunk->own_keys);
	json_out_end(&out);
	return buf_ok(&text) ? str_dup(arena, buf_str(&text)) : str_from(NULL, 0);
}

static struct json encrypted_content(struct arena *arena, const struct own_device *device,
	struct str peer_key, const struct ratchet_message *message)
{
	struct json body = json_object(arena, 2);
	json_put(&body, STR("type"), json_integer(message->type));
	json_put(&body, STR("body"), json_string(message->body));
	struct json content = json_object(arena, 3);
	json_put(&content, STR("algorithm"), json_string(OLM_ALGORITHM));
	json_put(&content, STR("ciphertext"), json_object_of(arena, peer_key, body));
	json_put(&content, STR("sender_key"), json_string(device->identity.curve25519));
	return content;
}

/* The session for a letter: one of this run, or a new one by the claimed key; *out is NULL when there is neither. */
static enum err session_for(struct ctx *ctx, struct homeserver *hs, const struct chunk *chunk,
	size_t i, struct ratchet_account *account, const struct own_session_row *row,
	struct ratchet_session **out)
{
	*out = NULL;
	if (row != NULL) {
		return own_session_open(ctx, hs, chunk->device->user.s, row, out);
	}
	if (chunk->one_time_keys[i].p != NULL &&
		ratchet_session_create(account, &hs->rng, chunk->peer_keys[i], chunk->one_time_keys[i],
			out) != RATCHET_OK) {
		*out = NULL;
	}
	return ERR_OK;
}

static enum err encrypt_letter(struct ctx *ctx, struct homeserver *hs, struct chunk *chunk,
	size_t i, struct ratchet_account *account, const struct sessions_found *found)
{
	struct ratchet_session *session CLEANUP(session_cleanup) = NULL;
	struct str user_id = chunk->device->user.s;
	struct str peer_key = chunk->peer_keys[i];
	const struct own_session_row *row = find_sendable(found, peer_key, hs->e2ee->own->run);
	struct str plaintext = plaintext_of(ctx->arena, chunk, chunk->letters[i].to);
	struct ratchet_message message;
	TRY(session_for(ctx, hs, chunk, i, account, row, &session));
	if (session == NULL ||
		ratchet_session_encrypt(ctx->arena, session, &hs->rng, plaintext, &message) != RATCHET_OK) {
		return ERR_OK;
	}
	struct own_session_row *changed = &chunk->changed[chunk->changed_n++];
	*changed = (struct own_session_row){
		.peer_key = peer_key,
		.session_id = row != NULL ? row->session_id : ratchet_session_id(ctx->arena, session),
		.peer_user = chunk->letters[i].to->user_id,
		.run = hs->e2ee->own->run,
		.used_at_ms = row != NULL ? 0 : clock_wall_ms(&hs->clock),
		.state = own_session_seal(ctx->arena, hs, user_id, peer_key, session),
	};
	if (row == NULL) {
		chunk->begun[chunk->begun_n++] = *changed;
	}
	chunk->messages[i] = encrypted_content(ctx->arena, chunk->device, peer_key, &message);
	chunk->letters[i].is_sent = true;
	return ERR_OK;
}

static enum err encrypt_chunk(struct ctx *ctx, struct homeserver *hs, struct chunk *chunk)
{
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	struct ratchet_account *account CLEANUP(own_account_cleanup) = NULL;
	struct sessions_found found;
	struct str user_id = chunk->device->user.s;
	TRY(own_device_begin(ctx, hs, chunk->device, &tx, &account));
	TRY(store_own_session_list_in(ctx, tx, user_id, chunk->peer_keys, chunk->n, &found.rows,
		&found.n));
	chunk->own_keys = own_device_keys(ctx->arena, chunk->device, account);
	for (size_t i = 0; i < chunk->n; i++) {
		TRY(encrypt_letter(ctx, hs, chunk, i, account, &found));
	}
	if (chunk->changed_n > 0) {
		TRY(store_own_session_set(ctx, tx, user_id, chunk->changed, chunk->changed_n));
	}
	if (chunk->begun_n > 0) {
		TRY(store_own_session_trim(ctx, tx, user_id, chunk->begun, chunk->begun_n,
			&own_session_limits));
	}
	return tx_commit(ctx, &tx);
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static enum err send_messages(struct ctx *ctx, struct homeserver *hs,
	const struct own_device *device, struct str type, const struct peer_device *const *to,
	const struct json *contents, size_t count)
{
	struct json messages = by_user(ctx->arena, to, contents, count);
	const struct to_device_request request = {
		.sender = device->user.s,
		.device_id = device->device_id,
		.type = type,
		.txn_id = rng_text(&hs->rng, ctx->arena, TXN_CHARS),
		.messages = &messages,
	};
	return count > 0 ? to_device_send(ctx, hs, &request) : ERR_OK;
}

static enum err send_chunk(struct ctx *ctx, struct homeserver *hs, struct chunk *chunk)
{
	struct arena *arena = ctx->arena;
	chunk->peer_keys = ARENA_NEW_ARRAY(arena, struct str, chunk->n);
	chunk->one_time_keys = ARENA_NEW_ARRAY(arena, struct str, chunk->n);
	chunk->messages = ARENA_NEW_ARRAY(arena, struct json, chunk->n);
	chunk->changed = ARENA_NEW_ARRAY(arena, struct own_session_row, chunk->n);
	chunk->begun = ARENA_NEW_ARRAY(arena, struct own_session_row, chunk->n);
	for (size_t i = 0; i < chunk->n; i++) {
		chunk->letters[i].is_sent = false;
		chunk->peer_keys[i] = chunk->letters[i].to->curve25519;
	}
	TRY(claim_missing(ctx, hs, chunk));
	TRY(encrypt_chunk(ctx, hs, chunk));
	const struct peer_device **to = ARENA_NEW_ARRAY(arena, const struct peer_device *, chunk->n);
	size_t n = 0;
	for (size_t i = 0; i < chunk->n; i++) {
		if (chunk->letters[i].is_sent) {
			to[n] = chunk->letters[i].to;
			chunk->messages[n++] = chunk->messages[i];
		}
	}
	return send_messages(ctx, hs, chunk->device, STR("m.room.encrypted"), to, chunk->messages, n);
}

enum err own_letters_send(struct ctx *ctx, struct homeserver *hs, const struct own_device *device,
	struct str type, const struct json *content, struct own_letter *letters, size_t count)
{
	for (size_t i = 0; i < count; i += CHUNK) {
		struct chunk chunk = {
			.device = device,
			.type = type,
			.content = content,
			.letters = letters + i,
			.n = MIN_OF(count - i, (size_t)CHUNK),
		};
		TRY(send_chunk(ctx, hs, &chunk));
	}
	return ERR_OK;
}

enum err own_plain_send(struct ctx *ctx, struct homeserver *hs, const struct own_device *device,
	struct str type, const struct peer_device *const *to, const struct json *contents, size_t count)
{
	for (size_t i = 0; i < count; i += CHUNK) {
		size_t n = MIN_OF(count - i, (size_t)CHUNK);
		TRY(send_messages(ctx, hs, device, type, to + i, contents + i, n));
	}
	return ERR_OK;
}
