/*
 * The room learns of the identity server's token and keys, and of a name that hides the address. What the mail may say of the room and
 * of who invites is told to the identity server.
 */
#include "homeserver/room/room_third_party.h"

#include "homeserver/room/room_member.h"
#include "homeserver/room/room_send.h"
#include "homeserver/room/room_write.h"
#include "matrix/json_make.h"
#include "matrix/room_summary.h"
#include "storage/profile.h"

enum { ABOUT_MAX = 12 };

enum err third_party_read(struct call *call, const struct json *object, struct threepid_ask *out)
{
	TRY(body_str(call, object, "id_server", &out->id_server));
	TRY(body_str(call, object, "id_access_token", &out->id_access_token));
	TRY(body_str(call, object, "medium", &out->medium));
	return body_str(call, object, "address", &out->address);
}

enum err third_party_check(struct ctx *ctx, const struct homeserver *hs,
	const struct threepid_ask *ask)
{
	if (hs->settings.identity_server.n == 0) {
		return fail(ctx, ERR_DENIED, M_THREEPID_DENIED,
			"This server has no identity server to invite by mail or phone");
	}
	return identity_server_check(ctx, hs, ask->id_server);
}

static struct room_intent promise_intent(struct user_id sender, struct str token,
	const struct json *content)
{
	return (struct room_intent){
		.sender = sender,
		.type = STR("m.room.third_party_invite"),
		.is_state = true,
		.state_key = token,
		.content = content,
	};
}

/* --- what the mail may say ------------------------------------------------------------------------------------------ */

static enum err summarise(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct room_summary *out)
{
	room_summary_init(out);
	for (size_t i = 0; i < ROOM_SUMMARY_TYPES; i++) {
		struct stored_event *event;
		struct str type = room_summary_types[i];
		TRY(room_state_event(ctx, hs, room, type, STR(""), POSITION_NOW, &event));
		if (event != NULL) {
			room_summary_take(ctx->arena, out, type, event->event->content);
		}
	}
	return ERR_OK;
}

static void put_known(struct json *object, const char *key, struct str text)
{
	if (text.n > 0) {
		json_put(object, str_of(key), json_string(text));
	}
}

/* Spec: identity service API, POST /store-invite */
static enum err describe(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct user_id sender, struct json *out)
{
	struct room_summary summary;
	struct str name;
	struct str avatar_url;
	TRY(summarise(ctx, hs, room, &summary));
	TRY(store_profile_get(ctx, hs->db, sender.s, &name, &avatar_url));
	*out = json_object(ctx->arena, ABOUT_MAX);
	put_known(out, "room_id", room_id_of(room).s);
	put_known(out, "sender", sender.s);
	put_known(out, "room_alias", summary.canonical_alias);
	put_known(out, "room_avatar_url", summary.avatar_url);
	put_known(out, "room_join_rules", summary.join_rule);
	put_known(out, "room_name", summary.name);
	put_known(out, "room_type", summary.room_type);
	put_known(out, "sender_display_name", name);
	put_known(out, "sender_avatar_url", avatar_url);
	return ERR_OK;
}

/* --- the event -------------------------------------------------------------------------------------------------------- */

static struct json promise_content(struct arena *arena, const struct kept_invite *kept)
{
	const struct json *first = &kept->public_keys->items[0];
	struct json content = json_object(arena, 4);
	json_put(&content, STR("display_name"), json_string(kept->display_name));
	json_put(&content, STR("key_validity_url"), *json_at(first, "key_validity_url"));
	json_put(&content, STR("public_key"), *json_at(first, "public_key"));
	json_put(&content, STR("public_keys"), *kept->public_keys);
	return content;
}

static enum err promise(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct third_party_wish *wish)
{
	struct json about;
	struct kept_invite kept;
	TRY(describe(ctx, hs, room, wish->who->user, &about));
	TRY(identity_server_keep_invite(ctx, hs, &wish->ask, &about, &kept));
	struct json content = promise_content(ctx->arena, &kept);
	const struct room_intent intent = promise_intent(wish->who->user, kept.token, &content);
	struct stored_event *event;
	return room_add(ctx, hs, room, &intent, 1, &event);
}

/* Whether the room would take such an event of the user now. */
static enum err require_power(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct user_id user)
{
	struct json content = json_object(ctx->arena, 0);
	const struct room_intent intent = promise_intent(user, STR("token"), &content);
	const struct event *event;
	return room_draft(ctx, hs, room, &intent, &event);
}

enum err room_invite_third_party(struct ctx *ctx, struct homeserver *hs,
	const struct third_party_wish *wish)
{
	struct room *room;
	struct user_id found;
	TRY(room_require_not_suspended(ctx, wish->who));
	TRY(rooms_get_for(ctx, hs, wish->room_id, &room));
	TRY(room_require_joined(ctx, hs, room, wish->who->user.s));
	TRY(third_party_check(ctx, hs, &wish->ask));
	TRY(ctx_may_ask(ctx));
	TRY(room_await_whole(ctx, hs, room));
	TRY(require_power(ctx, hs, room, wish->who->user));
	TRY(identity_server_lookup(ctx, hs, &wish->ask, &found));
	if (found.s.p == NULL) {
		return promise(ctx, hs, room, wish);
	}
	return room_invite(ctx, hs,
		&(struct member_wish){
			.who = wish->who,
			.room_id = wish->room_id,
			.target = found.s,
			.reason = wish->reason,
			.is_direct = wish->is_direct,
		});
}
