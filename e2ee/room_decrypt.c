/*
 * The reading side. What a room key was given for, by whom and from which device is stored with it; the event has to agree.
 */
#include "e2ee/own_device_inner.h"
#include "e2ee/room_cipher.h"
#include "e2ee/vault.h"

static enum err refuse(struct ctx *ctx, const char *text)
{
	return fail(ctx, ERR_DENIED, M_FORBIDDEN, "%s", text);
}

static void receiver_cleanup(struct megolm_in **session)
{
	megolm_in_destroy(*session);
}

enum err own_room_key_open(struct ctx *ctx, const struct homeserver *hs, struct str user_id,
	const struct own_room_key_row *row, struct megolm_in **out)
{
	struct str pickle;
	TRY(vault_open(ctx, hs, own_room_key_context(ctx->arena, user_id, row->session_id), row->state,
		&pickle));
	enum ratchet_error error = megolm_in_open(pickle, out);
	crypto_wipe((char *)(uintptr_t)pickle.p, pickle.n);
	return error == RATCHET_OK
		? ERR_OK
		: fail_cause(ctx, ERR_INTERNAL, "an own device's room key: %s", ratchet_error_text(error));
}

struct str own_room_key_context(struct arena *arena, struct str user_id, struct str session_id)
{
	return str_printf(arena, "own device's room key %.*s %.*s", STR_ARG(user_id),
		STR_ARG(session_id));
}

static enum err find_key(struct ctx *ctx, struct homeserver *hs, const struct own_device *device,
	const struct event *event, struct own_room_key_row *out)
{
	struct str session_id = json_get_str(event->content, STR("session_id"));
	if (session_id.n == 0 || session_id.n > ID_MAX_BYTES || str_has_nul(session_id) ||
		!str_equals(json_get_str(event->content, STR("algorithm")), MEGOLM_ALGORITHM)) {
		return fail(ctx, ERR_INPUT, M_BAD_JSON, "This is no event that was encrypted by Megolm");
	}
	enum err err = store_own_room_key_find(ctx, hs->db, device->user.s, session_id, out);
	if (err == ERR_MISSING) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "The key of this message has not come");
	}
	TRY(err);
	if (!str_equals(out->room_id, event->room_id.s) || !str_equals(out->sender, event->sender.s)) {
		return refuse(ctx, "The key of this message is of another room or sender");
	}
	return ERR_OK;
}

static enum err read_plaintext(struct ctx *ctx, const struct event *event, struct str text,
	struct cipher_plain *out)
{
	struct json object;
	if (json_parse(ctx->arena, text, NULL, &object, NULL) != JSON_OK ||
		!json_is(json_at(&object, "content"), JSON_OBJECT) ||
		json_get_str(&object, STR("type")).p == NULL) {
		return fail(ctx, ERR_INPUT, M_BAD_JSON, "What was encrypted is no event");
	}
	if (!str_equals(json_get_str(&object, STR("room_id")), event->room_id.s)) {
		return refuse(ctx, "This message was encrypted for another room");
	}
	struct json *content = ARENA_NEW(ctx->arena, struct json);
	const struct json *relates_to = json_at(event->content, "m.relates_to");
	*content = *json_at(&object, "content");
	if (relates_to != NULL) {
		*content = json_with(ctx->arena, content, STR("m.relates_to"), *relates_to);
	}
	out->type = json_get_str(&object, STR("type"));
	out->content = content;
	return ERR_OK;
}

static enum err decrypt(struct ctx *ctx, struct homeserver *hs, const struct own_device *device,
	const struct event *event, const struct own_room_key_row *key, struct cipher_plain *out)
{
	struct megolm_in *session CLEANUP(receiver_cleanup) = NULL;
	struct str text;
	struct str first_event;
	uint32_t index;
	TRY(own_room_key_open(ctx, hs, device->user.s, key, &session));
	enum ratchet_error error = megolm_in_decrypt(ctx->arena, session,
		json_get_str(event->content, STR("ciphertext")), &text, &index);
	if (error == RATCHET_INDEX_UNKNOWN) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "The key that came reads later messages only");
	}
	if (error != RATCHET_OK) {
		return refuse(ctx, "This message cannot be decrypted with the key that came for it");
	}
	TRY(read_plaintext(ctx, event, text, out));
	TRY(store_own_room_message_add(ctx, hs->db, device->user.s, key->session_id, index,
		event->event_id.s, &first_event));
	return str_equals(first_event, event->event_id.s)
		? ERR_OK
		: refuse(ctx, "This message was sent before, as another event");
}

/* Which of the sender's devices has the keys by which the room key came. */
static enum err find_device(struct ctx *ctx, struct homeserver *hs, const struct own_device *device,
	const struct own_room_key_row *key, struct cipher_plain *out)
{
	struct peer_devices peers;
	out->device_id = str_from(NULL, 0);
	out->master_key = str_from(NULL, 0);
	TRY(peer_devices_find(ctx, hs, device->user.s, &key->sender, 1, OWN_ASK_OTHERS_MS, &peers));
	for (size_t i = 0; i < peers.n; i++) {
		if (str_equals(peers.p[i].curve25519, key->sender_key) &&
			str_equals(peers.p[i].ed25519, key->sender_ed25519)) {
			out->device_id = peers.p[i].device_id;
			out->master_key = peers.p[i].master_key;
		}
	}
	return ERR_OK;
}

enum err room_cipher_decrypt(struct ctx *ctx, struct homeserver *hs,
	const struct own_device *device, const struct event *event, struct cipher_plain *out)
{
	struct own_room_key_row key;
	TRY(find_key(ctx, hs, device, event, &key));
	TRY(decrypt(ctx, hs, device, event, &key, out));
	return find_device(ctx, hs, device, &key, out);
}
