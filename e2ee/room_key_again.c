/*
 * Who was given a room's key, and giving it once more to a device that has lost it. The key is remembered as it was when it was given, so a
 * device never reads more for having asked; after the session's end there is nothing left to give.
 */
#include "e2ee/room_cipher_inner.h"

#include "base/mem.h"
#include "base/vec.h"

enum {
	TURN_MS = 5 * 1000, /* longest wait for a message that is being sent */
	TIMES = 3,          /* a device gets one session's key again */
};

struct given_key {
	struct given_key *next;
	struct str text; /* heap */
};

struct given {
	const struct given_key *key;
	int times; /* that it was given again */
};

/* --- ciphers --------------------------------------------------------------------------------------------------- */

static struct room_cipher *find_locked(struct own_devices *own, struct str key, bool makes)
{
	struct room_cipher *cipher = map_get(&own->ciphers, key);
	if (cipher == NULL && makes) {
		cipher = mem_alloc(sizeof(*cipher));
		(void)map_set(&own->ciphers, key, cipher);
	}
	return cipher;
}

static bool take_locked(struct own_devices *own, struct room_cipher *cipher, int64_t until_ms)
{
	while (cipher->turn_taken) {
		if (!cond_wait_until(&own->changed, &own->lock, until_ms)) {
			return false;
		}
	}
	cipher->turn_taken = true;
	return true;
}

struct room_cipher *room_cipher_take(struct arena *arena, struct own_devices *own,
	const struct own_device *device, struct str room_id, bool makes, int64_t until_mono_ms)
{
	const struct str parts[] = {device->user.s, device->device_id, room_id};
	struct str key = own_key_of(arena, parts, COUNT_OF(parts));
	LOCK_SCOPE(&own->lock);
	struct room_cipher *cipher = find_locked(own, key, makes);
	return cipher != NULL && take_locked(own, cipher, until_mono_ms) ? cipher : NULL;
}

void room_cipher_leave(struct own_devices *own, struct room_cipher *cipher)
{
	LOCK_SCOPE(&own->lock);
	cipher->turn_taken = false;
	cond_broadcast(&own->changed);
}

void room_ciphers_destroy(struct own_devices *own)
{
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&own->ciphers, &i, &key, &value)) {
		struct room_cipher *cipher = value;
		megolm_out_destroy(cipher->out);
		room_cipher_forget_given(cipher);
		map_fini(&cipher->shared);
		map_fini(&cipher->refused);
		mem_free(cipher);
	}
	map_fini(&own->ciphers);
}

/* --- what was given -------------------------------------------------------------------------------------------- */

/* Devices that get the key together share its text. */
static const struct given_key *key_of(struct room_cipher *cipher, struct str session_key)
{
	if (cipher->keys == NULL || !str_equals(cipher->keys->text, session_key)) {
		struct given_key *key = mem_alloc(sizeof(*key));
		key->text = str_from(mem_dup(session_key.p, session_key.n), session_key.n);
		key->next = cipher->keys;
		cipher->keys = key;
	}
	return cipher->keys;
}

void room_cipher_note_given(struct room_cipher *cipher, struct str device, struct str session_key)
{
	struct given *given = mem_alloc(sizeof(*given));
	given->key = key_of(cipher, session_key);
	mem_free(map_set(&cipher->shared, device, given));
}

void room_cipher_forget_given(struct room_cipher *cipher)
{
	size_t i = 0;
	struct str device;
	void *value;
	while (map_next(&cipher->shared, &i, &device, &value)) {
		mem_free(value);
	}
	map_clear(&cipher->shared);
	while (cipher->keys != NULL) {
		struct given_key *key = cipher->keys;
		cipher->keys = key->next;
		crypto_wipe((char *)(uintptr_t)key->text.p, key->text.n);
		mem_free((char *)(uintptr_t)key->text.p);
		mem_free(key);
	}
}

struct str device_key(struct arena *arena, const struct peer_device *peer)
{
	const struct str parts[] = {peer->user_id, peer->device_id, peer->curve25519, peer->ed25519};
	return own_key_of(arena, parts, COUNT_OF(parts));
}

/* A device out of its device_key(), borrowed. */
static struct peer_device device_of(struct str key)
{
	struct peer_device peer = {0};
	(void)str_split(key, '\0', &peer.user_id, &key);
	(void)str_split(key, '\0', &peer.device_id, &key);
	(void)str_split(key, '\0', &peer.curve25519, &peer.ed25519);
	return peer;
}

struct json room_key_content(struct arena *arena, const struct room_cipher *cipher,
	struct str room_id, struct str session_key)
{
	struct json content = json_object(arena, 5);
	json_put(&content, STR("algorithm"), json_string(MEGOLM_ALGORITHM));
	json_put(&content, STR("room_id"), json_string(room_id));
	json_put(&content, STR("session_id"), json_string(megolm_out_id(arena, cipher->out)));
	json_put(&content, STR("session_key"), json_string(session_key));
	if (cipher->is_history_shared) {
		json_put(&content, STR("shared_history"), json_boolean(true));
	}
	return content;
}

/* --- giving it again ------------------------------------------------------------------------------------------- */

static bool is_asked_by(const struct own_key_ask *ask, const struct peer_device *peer)
{
	return str_equals(peer->user_id, ask->user_id) &&
		(ask->device_id.p == NULL || str_equals(peer->device_id, ask->device_id)) &&
		(ask->curve25519.p == NULL || str_equals(peer->curve25519, ask->curve25519));
}

/* Who asks, if it was given the key. */
static struct given *find_given(const struct room_cipher *cipher, const struct own_key_ask *ask,
	struct peer_device *out)
{
	size_t i = 0;
	struct str device;
	void *value;
	while (map_next(&cipher->shared, &i, &device, &value)) {
		*out = device_of(device);
		if (is_asked_by(ask, out)) {
			return value;
		}
	}
	return NULL;
}

static bool was_refused(const struct room_cipher *cipher, const struct own_key_ask *ask)
{
	size_t i = 0;
	struct str device;
	void *value;
	while (map_next(&cipher->refused, &i, &device, &value)) {
		const struct peer_device peer = device_of(device);
		if (is_asked_by(ask, &peer)) {
			return true;
		}
	}
	return false;
}

static enum err give_in_turn(struct ctx *ctx, struct homeserver *hs,
	const struct own_device *device, struct room_cipher *cipher, const struct own_key_ask *ask,
	enum own_key_answer *out)
{
	struct peer_device peer;
	if (cipher->out == NULL ||
		(ask->session_id.p != NULL &&
			!str_equals(megolm_out_id(ctx->arena, cipher->out), ask->session_id))) {
		return ERR_OK;
	}
	struct given *given = find_given(cipher, ask, &peer);
	if (given == NULL) {
		*out = was_refused(cipher, ask) ? OWN_KEY_REFUSED : OWN_KEY_UNKNOWN;
		return ERR_OK;
	}
	*out = OWN_KEY_GIVEN;
	if (given->times++ >= TIMES) {
		return ERR_OK;
	}
	struct own_letter letter = {.to = &peer};
	struct json content = room_key_content(ctx->arena, cipher, ask->room_id, given->key->text);
	return own_letters_send(ctx, hs, device, STR("m.room_key"), &content, &letter, 1);
}

enum err own_room_key_give_again(struct ctx *ctx, struct homeserver *hs,
	const struct own_device *device, const struct own_key_ask *ask, enum own_key_answer *out)
{
	struct own_devices *own = hs->e2ee->own;
	*out = OWN_KEY_UNKNOWN;
	struct room_cipher *cipher = room_cipher_take(ctx->arena, own, device, ask->room_id, false,
		clock_mono_ms(&hs->clock) + TURN_MS);
	if (cipher == NULL) {
		return ERR_OK;
	}
	enum err err = give_in_turn(ctx, hs, device, cipher, ask, out);
	room_cipher_leave(own, cipher);
	return err;
}

/* Rooms in which the device has a cipher. */
static void find_rooms(struct ctx *ctx, struct own_devices *own, const struct own_device *device,
	struct str **out, size_t *out_count)
{
	const struct str parts[] = {device->user.s, device->device_id, STR("")};
	struct str start = own_key_of(ctx->arena, parts, COUNT_OF(parts));
	VEC(struct str) rooms = {0};
	size_t i = 0;
	struct str key;
	void *value;
	LOCK_SCOPE(&own->lock);
	while (map_next(&own->ciphers, &i, &key, &value)) {
		if (str_starts_with(key, start)) {
			VEC_PUSH(ctx->arena, &rooms, str_dup(ctx->arena, str_slice(key, start.n, key.n)));
		}
	}
	*out = rooms.p;
	*out_count = rooms.n;
}

enum err own_room_keys_give_again(struct ctx *ctx, struct homeserver *hs,
	const struct own_device *device, struct str user_id, struct str curve25519)
{
	struct str *rooms;
	size_t count;
	find_rooms(ctx, hs->e2ee->own, device, &rooms, &count);
	for (size_t i = 0; i < count; i++) {
		const struct own_key_ask ask = {.user_id = user_id,
			.curve25519 = curve25519,
			.room_id = rooms[i]};
		enum own_key_answer answer;
		TRY(own_room_key_give_again(ctx, hs, device, &ask, &answer));
	}
	return ERR_OK;
}
