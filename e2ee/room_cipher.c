/*
 * The sending side. A cipher is one own device's Megolm session in one room, in memory only, with who has got its key. One message at a
 * time: it belongs to whoever has its turn, which may be kept while others are asked.
 */
#include "e2ee/room_cipher.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "e2ee/device_lists.h"
#include "e2ee/own_device_inner.h"
#include "e2ee/room_cipher_inner.h"
#include "matrix/canonical.h"

enum {
	PERIOD_MS = 7 * 24 * 60 * 60 * 1000, /* unless the room says otherwise */
	PERIOD_MESSAGES = 100,
	TURN_MS = 60 * 1000, /* longest wait for another message of the same room */
};

/* What the room says. */
struct cipher_rules {
	int64_t period_ms;
	int64_t period_messages;
	bool is_history_shared; /* new members may be told of what was before them */
	bool are_invited_told;
};

/* One message's work. */
struct cipher_run {
	struct ctx *ctx;
	struct homeserver *hs;
	const struct own_device *device;
	struct room *room;
	struct room_cipher *cipher;
	const struct cipher_message *message;
	struct cipher_rules rules;
	struct peer_devices peers;
	struct str *members; /* user ids, sorted */
	size_t member_n;
};

/* --- the turn -------------------------------------------------------------------------------------------------- */

static enum err take_turn(struct cipher_run *run)
{
	int64_t until_ms = clock_mono_ms(&run->hs->clock) + TURN_MS;
	if (run->ctx->deadline_ms > 0) {
		until_ms = MIN_OF(until_ms, run->ctx->deadline_ms);
	}
	run->cipher = room_cipher_take(run->ctx->arena, run->hs->e2ee->own, run->device,
		room_id_of(run->room).s, true, until_ms);
	return run->cipher != NULL
		? ERR_OK
		: fail(run->ctx, ERR_TIMEOUT, NULL, "Other messages to this room take too long");
}

static void end_session(struct room_cipher *cipher)
{
	megolm_out_destroy(cipher->out);
	cipher->out = NULL;
	room_cipher_forget_given(cipher);
	map_clear(&cipher->refused);
}

/* --- what the room says ------------------------------------------------------------------------------------- */

static enum err state_content(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str type, const struct json **out)
{
	struct stored_event *event;
	TRY(room_state_event(ctx, hs, room, type, STR(""), POSITION_NOW, &event));
	*out = event != NULL ? event->event->content : NULL;
	return ERR_OK;
}

static int64_t period_of(const struct json *encryption, struct str key, int64_t otherwise)
{
	int64_t value;
	return json_get_int(encryption, key, 1, CANONICAL_INT_MAX, &value) ? value : otherwise;
}

static enum err read_rules(struct cipher_run *run)
{
	const struct json *encryption;
	const struct json *visibility;
	TRY(state_content(run->ctx, run->hs, run->room, STR("m.room.encryption"), &encryption));
	if (!str_equals(json_get_str(encryption, STR("algorithm")), MEGOLM_ALGORITHM)) {
		return fail(run->ctx, ERR_INPUT, M_BAD_STATE,
			"This room is not encrypted, or by an algorithm that this server does not speak");
	}
	TRY(state_content(run->ctx, run->hs, run->room, STR("m.room.history_visibility"), &visibility));
	struct str history = json_get_str(visibility, STR("history_visibility"));
	run->rules = (struct cipher_rules){
		.period_ms = period_of(encryption, STR("rotation_period_ms"), PERIOD_MS),
		.period_messages = period_of(encryption, STR("rotation_period_msgs"), PERIOD_MESSAGES),
		.is_history_shared = history.n == 0 || str_equals(history, STR("shared")) ||
			str_equals(history, STR("world_readable")),
		.are_invited_told = !str_equals(history, STR("joined")),
	};
	return ERR_OK;
}

static void hash_policy(const struct cipher_message *message, unsigned char out[SHA256_BYTES])
{
	struct buf text CLEANUP(buf_fini);
	buf_init(&text, SIZE_MAX / 2);
	buf_add_int(&text, (int64_t)message->policy);
	for (size_t i = 0; i < message->listed_n; i++) {
		buf_add_byte(&text, ' ');
		buf_add(&text, message->listed[i]);
	}
	crypto_sha256(buf_str(&text), out);
}

static bool is_worn_out(const struct cipher_run *run)
{
	const struct room_cipher *cipher = run->cipher;
	return cipher->messages >= run->rules.period_messages ||
		clock_mono_ms(&run->hs->clock) - cipher->made_ms >= run->rules.period_ms ||
		cipher->is_history_shared != run->rules.is_history_shared;
}

/* Whether nothing happened since the last message that could change who gets the key. */
static enum err is_same_as_before(struct cipher_run *run, const unsigned char *policy, bool *out)
{
	const struct room_cipher *cipher = run->cipher;
	struct state_item *items;
	size_t count = 0;
	*out = cipher->out != NULL && cipher->is_settled && !is_worn_out(run) &&
		memcmp(cipher->policy, policy, SHA256_BYTES) == 0 &&
		!device_lists_has_more(run->hs->e2ee->lists, cipher->lists_position) &&
		!room_state_forked_since(run->room, cipher->room_position);
	if (*out) {
		TRY(room_state_changes(run->ctx, run->hs, run->room, cipher->room_position,
			room_last_position(run->room), &items, &count));
	}
	*out = *out && count == 0;
	return ERR_OK;
}

/* --- who may have the key --------------------------------------------------------------------------------------- */

static int compare_texts(const void *a, const void *b)
{
	return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static enum err find_members(struct cipher_run *run)
{
	const struct state_query query = {.only_members = true, .without_events = true};
	struct state_item *items;
	size_t count;
	TRY(room_state_list(run->ctx, run->hs, run->room, POSITION_NOW, &query, &items, &count));
	run->members = ARENA_NEW_ARRAY(run->ctx->arena, struct str, count + 1);
	for (size_t i = 0; i < count; i++) {
		bool is_in = str_equals(items[i].membership, STR("join")) ||
			(run->rules.are_invited_told && str_equals(items[i].membership, STR("invite")));
		if (is_in) {
			run->members[run->member_n++] = items[i].state_key;
		}
	}
	qsort(run->members, run->member_n, sizeof(*run->members), compare_texts);
	return ERR_OK;
}

/* Who left may have been given the key by somebody else. */
static enum err has_lost_member(struct cipher_run *run, bool *out)
{
	struct state_item *items;
	size_t count;
	*out = room_state_forked_since(run->room, run->cipher->room_position);
	TRY(room_state_changes(run->ctx, run->hs, run->room, run->cipher->room_position, POSITION_NOW,
		&items, &count));
	for (size_t i = 0; i < count; i++) {
		*out |= str_equals(items[i].type, STR("m.room.member")) &&
			!str_equals(items[i].membership, STR("join")) &&
			!str_equals(items[i].membership, STR("invite"));
	}
	return ERR_OK;
}

static bool is_listed(const struct cipher_message *message, struct str key)
{
	for (size_t i = 0; key.p != NULL && i < message->listed_n; i++) {
		if (str_equals(message->listed[i], key)) {
			return true;
		}
	}
	return false;
}

static bool is_allowed(const struct cipher_message *message, const struct peer_device *peer)
{
	switch (message->policy) {
	case SHARE_ALL:
		return true;
	case SHARE_CROSS_SIGNED:
		return peer->master_key.p != NULL || is_listed(message, peer->ed25519);
	case SHARE_LISTED:
		return is_listed(message, peer->ed25519) || is_listed(message, peer->master_key);
	}
	return false;
}

static bool is_self(const struct cipher_run *run, const struct peer_device *peer)
{
	return str_equals(peer->user_id, run->device->user.s) &&
		str_equals(peer->device_id, run->device->device_id);
}

/* Whether somebody has the key who may not have what is said from now on. Whose server does not answer is taken to be as before. */
static bool has_somebody_else(const struct cipher_run *run)
{
	struct map allowed = {0};
	for (size_t i = 0; i < run->peers.n; i++) {
		if (is_allowed(run->message, &run->peers.p[i])) {
			(void)map_set(&allowed, device_key(run->ctx->arena, &run->peers.p[i]), run->cipher);
		}
	}
	bool found = false;
	size_t i = 0;
	struct str key;
	void *value;
	while (!found && map_next(&run->cipher->shared, &i, &key, &value)) {
		struct str user_id = str_slice(key, 0, str_find_byte(key, '\0'));
		bool is_member = bsearch(&user_id, run->members, run->member_n, sizeof(*run->members),
							 compare_texts) != NULL;
		found = !is_member ||
			(map_get(&allowed, key) == NULL && !peer_devices_failed(&run->peers, user_id));
	}
	map_fini(&allowed);
	return found;
}

/* --- sharing ------------------------------------------------------------------------------------------------------- */

static struct json withheld_content(struct cipher_run *run, struct str code, struct str reason,
	bool is_of_session)
{
	struct arena *arena = run->ctx->arena;
	struct json content = json_object(arena, 6);
	json_put(&content, STR("algorithm"), json_string(MEGOLM_ALGORITHM));
	json_put(&content, STR("code"), json_string(code));
	json_put(&content, STR("reason"), json_string(reason));
	json_put(&content, STR("sender_key"), json_string(run->device->identity.curve25519));
	if (is_of_session) {
		json_put(&content, STR("room_id"), json_string(room_id_of(run->room).s));
		json_put(&content, STR("session_id"), json_string(megolm_out_id(arena, run->cipher->out)));
	}
	return content;
}

struct peer_list {
	const struct peer_device **p;
	size_t n;
	size_t capacity;
};

static enum err send_withheld(struct cipher_run *run, const struct peer_list *to,
	const struct json *content)
{
	struct json *contents = ARENA_NEW_ARRAY(run->ctx->arena, struct json, to->n + 1);
	for (size_t i = 0; i < to->n; i++) {
		contents[i] = *content;
	}
	return own_plain_send(run->ctx, run->hs, run->device, STR("m.room_key.withheld"), to->p,
		contents, to->n);
}

/* Those that the policy leaves out, once a session. */
static enum err refuse_others(struct cipher_run *run)
{
	struct arena *arena = run->ctx->arena;
	struct peer_list to = {0};
	for (size_t i = 0; i < run->peers.n; i++) {
		const struct peer_device *peer = &run->peers.p[i];
		if (!is_self(run, peer) && !is_allowed(run->message, peer) &&
			map_set(&run->cipher->refused, device_key(arena, peer), run->cipher) == NULL) {
			VEC_PUSH(arena, &to, peer);
		}
	}
	struct json content = withheld_content(run, STR("m.unverified"),
		STR("The sender shares keys with verified devices only"), true);
	return send_withheld(run, &to, &content);
}

/* Those with whom no session could be had, once until there is one. */
static enum err tell_unreached(struct cipher_run *run, const struct peer_list *unreached)
{
	struct arena *arena = run->ctx->arena;
	struct str *keys = ARENA_NEW_ARRAY(arena, struct str, unreached->n + 1);
	struct str *untold;
	size_t untold_n;
	struct peer_list to = {0};
	if (unreached->n == 0) {
		return ERR_OK;
	}
	for (size_t i = 0; i < unreached->n; i++) {
		keys[i] = unreached->p[i]->curve25519;
	}
	TRY(store_own_peer_tell(run->ctx, run->hs->db, run->device->user.s, keys, unreached->n, &untold,
		&untold_n));
	for (size_t i = 0; i < unreached->n; i++) {
		for (size_t k = 0; k < untold_n; k++) {
			if (str_equals(keys[i], untold[k])) {
				VEC_PUSH(arena, &to, unreached->p[i]);
				break;
			}
		}
	}
	struct json content = withheld_content(run, STR("m.no_olm"),
		STR("No session could be established with this device"), false);
	return send_withheld(run, &to, &content);
}

static enum err share(struct cipher_run *run)
{
	struct arena *arena = run->ctx->arena;
	struct room_cipher *cipher = run->cipher;
	struct own_letter *letters = ARENA_NEW_ARRAY(arena, struct own_letter, run->peers.n + 1);
	struct peer_list unreached = {0};
	size_t n = 0;
	for (size_t i = 0; i < run->peers.n; i++) {
		const struct peer_device *peer = &run->peers.p[i];
		if (!is_self(run, peer) && is_allowed(run->message, peer) &&
			map_get(&cipher->shared, device_key(arena, peer)) == NULL) {
			letters[n++].to = peer;
		}
	}
	struct json content = room_key_content(arena, cipher, room_id_of(run->room).s,
		megolm_out_key(arena, cipher->out));
	TRY(own_letters_send(run->ctx, run->hs, run->device, STR("m.room_key"), &content, letters, n));
	for (size_t i = 0; i < n; i++) {
		if (letters[i].is_sent) {
			room_cipher_note_given(cipher, device_key(arena, letters[i].to),
				json_get_str(&content, STR("session_key")));
		} else {
			VEC_PUSH(arena, &unreached, letters[i].to);
		}
	}
	cipher->is_settled = unreached.n == 0 && run->peers.failures == NULL;
	TRY(tell_unreached(run, &unreached));
	return refuse_others(run);
}

static void begin_session(struct cipher_run *run)
{
	struct room_cipher *cipher = run->cipher;
	cipher->out = megolm_out_create(&run->hs->rng);
	cipher->made_ms = clock_mono_ms(&run->hs->clock);
	cipher->messages = 0;
	cipher->is_history_shared = run->rules.is_history_shared;
}

/* Everybody who may have the key gets it; a session that somebody else has is left. */
static enum err look_and_share(struct cipher_run *run, const unsigned char *policy)
{
	struct room_cipher *cipher = run->cipher;
	int64_t lists_position = writer_position(run->hs->writer);
	int64_t room_position = room_last_position(run->room);
	bool is_over = cipher->out == NULL || is_worn_out(run);
	if (!is_over) {
		TRY(has_lost_member(run, &is_over));
	}
	TRY(find_members(run));
	TRY(peer_devices_find(run->ctx, run->hs, run->device->user.s, run->members, run->member_n,
		OWN_ASK_OTHERS_MS, &run->peers));
	cipher->is_settled = false;
	if (is_over || has_somebody_else(run)) {
		end_session(cipher);
		begin_session(run);
	}
	cipher->lists_position = lists_position;
	cipher->room_position = room_position;
	memcpy(cipher->policy, policy, SHA256_BYTES);
	return share(run);
}

/* --- encrypting ---------------------------------------------------------------------------------------------------- */

static struct str plaintext_of(struct cipher_run *run)
{
	struct arena *arena = run->ctx->arena;
	struct json object = json_object(arena, 3);
	json_put(&object, STR("content"),
		json_without(arena, run->message->content, STR("m.relates_to")));
	json_put(&object, STR("room_id"), json_string(room_id_of(run->room).s));
	json_put(&object, STR("type"), json_string(run->message->type));
	return canonical_text(arena, &object);
}

static enum err encrypt(struct cipher_run *run, struct json *out)
{
	struct arena *arena = run->ctx->arena;
	struct room_cipher *cipher = run->cipher;
	struct str ciphertext;
	if (megolm_out_encrypt(arena, cipher->out, plaintext_of(run), &ciphertext) != RATCHET_OK) {
		return fail_status(run->ctx, ERR_INPUT, 413, M_TOO_LARGE,
			"This is too large for an encrypted message");
	}
	cipher->messages++;
	struct json content = json_object(arena, 6);
	const struct json *relates_to = json_at(run->message->content, "m.relates_to");
	json_put(&content, STR("algorithm"), json_string(MEGOLM_ALGORITHM));
	json_put(&content, STR("ciphertext"), json_string(ciphertext));
	json_put(&content, STR("device_id"), json_string(run->device->device_id));
	json_put(&content, STR("sender_key"), json_string(run->device->identity.curve25519));
	json_put(&content, STR("session_id"), json_string(megolm_out_id(arena, cipher->out)));
	if (relates_to != NULL) {
		json_put(&content, STR("m.relates_to"), *relates_to);
	}
	*out = content;
	return ERR_OK;
}

static enum err encrypt_in_turn(struct cipher_run *run, struct json *out)
{
	unsigned char policy[SHA256_BYTES];
	bool is_same;
	hash_policy(run->message, policy);
	TRY(room_await_whole(run->ctx, run->hs, run->room));
	TRY(read_rules(run));
	TRY(is_same_as_before(run, policy, &is_same));
	if (!is_same) {
		enum err err = look_and_share(run, policy);
		if (err == ERR_MISSING) {
			return fail(run->ctx, ERR_MISSING, M_NOT_FOUND, "The sending device has ended");
		}
		TRY(err);
	}
	return encrypt(run, out);
}

enum err room_cipher_encrypt(struct ctx *ctx, struct homeserver *hs,
	const struct own_device *device, struct room *room, const struct cipher_message *message,
	struct json *out)
{
	struct cipher_run run = {
		.ctx = ctx,
		.hs = hs,
		.device = device,
		.room = room,
		.message = message,
	};
	TRY(ctx_may_ask(ctx));
	TRY(take_turn(&run));
	enum err err = encrypt_in_turn(&run, out);
	room_cipher_leave(hs->e2ee->own, run.cipher);
	return err;
}
