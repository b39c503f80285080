/*
 * A second try with the same transaction key encrypts anew: no state of a ratchet is used twice, and the writer keeps the first event.
 */
#include "notices/notice_send.h"

#include "base/crypto.h"
#include "e2ee/room_cipher.h"
#include "homeserver/room/room_member.h"
#include "storage/room.h"

#include <string.h>

enum err notice_enter_room(struct ctx *ctx, struct homeserver *hs, struct user_id sender,
	struct str room_id, struct room **out)
{
	struct str membership = STR("");
	enum err err = rooms_get(ctx, hs, room_id, out);
	if (err == ERR_OK) {
		TRY(room_membership(ctx, hs, *out, sender.s, &membership));
	} else if (err != ERR_MISSING) {
		return err;
	}
	ctx->fault = (struct fault){0};
	if (str_equals(membership, STR("join"))) {
		return ERR_OK;
	}
	const struct principal who = {.user = sender};
	const struct member_wish wish = {.who = &who, .room_id = room_id};
	struct str joined;
	TRY(room_join(ctx, hs, &wish, &joined));
	return rooms_get(ctx, hs, room_id, out);
}

struct str notice_txn_key(struct arena *arena, struct str words)
{
	unsigned char hash[SHA256_BYTES];
	crypto_sha256(str_printf(arena, "notices: %.*s", STR_ARG(words)), hash);
	return str_dup(arena, str_from((const char *)hash, TRANSACTION_KEY_BYTES));
}

/* Spec: client-server API, "m.room.encrypted": servers and clients have to read these two. */
static bool is_always_clear(struct str type)
{
	return str_equals(type, STR("m.reaction")) || str_equals(type, STR("m.room.redaction"));
}

static enum share_policy policy_of(struct str word)
{
	if (str_equals(word, STR("all"))) {
		return SHARE_ALL;
	}
	return str_equals(word, STR("listed")) ? SHARE_LISTED : SHARE_CROSS_SIGNED;
}

static enum err encrypt(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct notice_words *words, struct json *out)
{
	struct own_device device;
	const struct conf_list listed = hs->settings.notices_keys_listed;
	const struct cipher_message message = {
		.type = words->type,
		.content = words->content,
		.policy = policy_of(hs->settings.notices_keys),
		.listed = listed.items,
		.listed_n = listed.n,
	};
	TRY(own_device_open(ctx, hs, words->sender, NOTICE_DEVICE_NAME, &device));
	return room_cipher_encrypt(ctx, hs, &device, room, &message, out);
}

/* Errors: CONFLICT (it was to go in clear, and the room is encrypted since just now) */
static enum err say_once(struct ctx *ctx, struct homeserver *hs, const struct notice_words *words,
	struct str *out_event_id)
{
	struct room *room;
	struct stored_event *encryption;
	struct stored_event *event;
	struct json ciphertext;
	static const struct room_premise in_clear = {.type = STR_INIT("m.room.encryption"),
		.state_key = STR_INIT("")};
	struct room_intent intent = {
		.sender = words->sender,
		.type = words->type,
		.content = words->content,
		.redacts = words->redacts,
		.txn_key = words->txn_key,
		.txn_device = STR("NOTICES"),
		.txn_id = words->txn_id,
	};
	TRY(notice_enter_room(ctx, hs, words->sender, words->room_id, &room));
	TRY(room_state_event(ctx, hs, room, in_clear.type, in_clear.state_key, POSITION_NOW,
		&encryption));
	if (encryption == NULL) {
		intent.premise = is_always_clear(words->type) ? NULL : &in_clear;
	} else if (words->holds_clear_file) {
		return fail(ctx, ERR_CONFLICT, M_BAD_STATE, "The room has become encrypted");
	} else if (!is_always_clear(words->type)) {
		TRY(encrypt(ctx, hs, room, words, &ciphertext));
		intent.type = STR("m.room.encrypted");
		intent.content = &ciphertext;
	}
	TRY(room_add(ctx, hs, room, &intent, 1, &event));
	*out_event_id = event->event->event_id.s;
	return ERR_OK;
}

enum err notice_say(struct ctx *ctx, struct homeserver *hs, const struct notice_words *words,
	struct str *out_event_id)
{
	enum err err = say_once(ctx, hs, words, out_event_id);
	if (err != ERR_CONFLICT) {
		return err;
	}
	ctx->fault = (struct fault){0};
	return say_once(ctx, hs, words, out_event_id);
}
