/*
 * Coming into rooms: joins and knocks. A room in which this server is needs nobody else, unless it is restricted and nobody of here can
 * let the user in. For other rooms the servers are asked that are said to be in it.
 *
 * Another join may make the room resident while this one is under way: then it begins anew, on what is known by now. So it does, a few times,
 * where this server knows that the user may come in and others say no: who has come into a space and goes on into its rooms is quicker than
 * the news of it.
 */
#include "homeserver/room/room.h"
#include "homeserver/room/room_accept.h"
#include "homeserver/room/room_alias.h"
#include "homeserver/room/room_guest.h"
#include "homeserver/room/room_member.h"
#include "homeserver/room/room_restricted.h"
#include "homeserver/room/room_send.h"
#include "homeserver/room/room_via.h"
#include "http/memo.h"

enum { MAX_ATTEMPTS = 4, NEWS_WAIT_MS = 250 };

/* Where somebody wants to go. */
struct destination {
	struct str room_id;
	struct via via;
	struct room *room; /* NULL: nothing is known of it here */
	bool is_admitted;  /* the user may come in, but it takes others to grant it */
	int64_t position;  /* of the room, when that was found out */
};

/* --- where to --------------------------------------------------------------------------------------------- */

static enum err find_alias(struct ctx *ctx, struct homeserver *hs, struct room_alias alias,
	struct destination *to)
{
	struct alias_target target;
	TRY(room_alias_locate(ctx, hs, alias, &target));
	to->room_id = target.room_id;
	for (size_t i = 0; i < target.server_count; i++) {
		via_add(&to->via, hs, target.servers[i]);
	}
	via_add(&to->via, hs, room_alias_server(alias));
	return ERR_OK;
}

static enum err find_destination(struct ctx *ctx, struct homeserver *hs,
	const struct member_wish *wish, struct destination *out)
{
	struct room_alias alias;
	struct room_id id;
	*out = (struct destination){0};
	via_add_texts(&out->via, hs, wish->via, wish->via_count);
	if (room_alias_parse(wish->room_id, &alias)) {
		return find_alias(ctx, hs, alias, out);
	}
	if (!room_id_parse(wish->room_id, &id)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "Neither a room id nor an alias");
	}
	out->room_id = wish->room_id;
	return ERR_OK;
}

/* What is known of the room here. @return whether this server is in it, in *out_resident */
static enum err find_room(struct ctx *ctx, struct homeserver *hs, struct destination *to,
	bool *out_resident)
{
	to->room = NULL;
	enum err err = rooms_get(ctx, hs, to->room_id, &to->room);
	if (err == ERR_MISSING) {
		*out_resident = false;
		return ERR_OK;
	}
	TRY(err);
	*out_resident = room_is_resident(to->room);
	return ERR_OK;
}

/*
 * Whether servers are asked that the client has not named. It may have named some for a reason, and what is known of a room that nobody of here is
 * in any more is old; but who invited is in the room.
 */
static enum err asks_known(struct ctx *ctx, struct homeserver *hs, const struct member_wish *wish,
	const struct destination *to, bool *out)
{
	*out = to->room != NULL;
	if (to->room == NULL || to->via.count == 0 || room_is_resident(to->room)) {
		return ERR_OK;
	}
	enum membership membership;
	TRY(member_now(ctx, hs, to->room, wish->who->user.s, &membership));
	*out = membership == MEMBERSHIP_INVITE;
	return ERR_OK;
}

/* Whom to ask, and what for. Errors: MISSING M_NOT_FOUND when nobody is known who could be asked. */
static enum err ask_whom(struct ctx *ctx, struct homeserver *hs, const struct member_wish *wish,
	struct destination *to, const struct json *content, struct membership_wish *out)
{
	bool is_known;
	TRY(asks_known(ctx, hs, wish, to, &is_known));
	if (is_known) {
		TRY(via_add_known(ctx, hs, to->room, wish->who->user.s, &to->via));
	}
	if (to->via.count == 0) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Unknown room");
	}
	*out = (struct membership_wish){
		.user = wish->who->user,
		.room_id = to->room_id,
		.content = content,
		.servers = to->via.servers,
		.server_count = to->via.count,
	};
	return ERR_OK;
}

/* --- joining ------------------------------------------------------------------------------------------------ */

/*
 * What a client puts into the body of a join besides what the specification names becomes content of the member event: an
 * old custom that bridges and bots rely on. It never replaces what the server says.
 */
static void add_custom(struct ctx *ctx, const struct json *body, struct json *content)
{
	static const struct str own[] = {STR_INIT("third_party_signed"), STR_INIT("third_party_invite"),
		STR_INIT("is_direct"), STR_INIT("join_authorised_via_users_server")};
	if (body == NULL) {
		return;
	}
	struct json custom = *body;
	for (size_t i = 0; i < COUNT_OF(own); i++) {
		custom = json_without(ctx->arena, &custom, own[i]);
	}
	*content = json_merged(ctx->arena, &custom, content);
}

static enum err join_by_others(struct ctx *ctx, struct homeserver *hs,
	const struct member_wish *wish, struct destination *to, const struct json *content)
{
	const struct membership_port *others = &hs->ports.membership;
	struct membership_wish ask;
	TRY(ask_whom(ctx, hs, wish, to, content, &ask));
	TRY(ctx_may_ask(ctx));
	return others->join(others->self, ctx, &ask);
}

/* A restricted room in which this server is: by a user of here, or by another server that is in it. */
static enum err join_restricted(struct ctx *ctx, struct homeserver *hs,
	const struct member_wish *wish, struct destination *to, struct json *content,
	bool *out_by_others)
{
	enum restricted_way way;
	struct str authoriser;
	struct server_name *servers;
	size_t count;
	*out_by_others = false;
	to->is_admitted = false;
	int64_t position = room_last_position(to->room);
	TRY(room_restricted_way(ctx, hs, to->room, wish->who->user.s, &way, &authoriser));
	TRY(room_servers(ctx, hs, to->room, &servers, &count));
	switch (way) {
	case RESTRICTED_NOT:
		return ERR_OK;
	case RESTRICTED_GRANTED:
		*content = json_with(ctx->arena, content, STR("join_authorised_via_users_server"),
			json_string(authoriser));
		return ERR_OK;
	case RESTRICTED_UNKNOWN:
		if (count == 0) {
			break;
		}
		*out_by_others = true;
		return ERR_OK;
	case RESTRICTED_UNGRANTED:
		if (count == 0) {
			return fail(ctx, ERR_DENIED, M_FORBIDDEN, "Nobody here could let you in");
		}
		to->is_admitted = true;
		to->position = position;
		*out_by_others = true;
		return ERR_OK;
	case RESTRICTED_REFUSED:
		break;
	}
	return fail(ctx, ERR_DENIED, M_FORBIDDEN,
		"You have to be invited, or to be in one of the rooms that this room admits");
}

static enum err join_here(struct ctx *ctx, struct homeserver *hs, const struct member_wish *wish,
	struct destination *to, struct json *content)
{
	bool is_by_others;
	TRY(join_restricted(ctx, hs, wish, to, content, &is_by_others));
	if (is_by_others) {
		return join_by_others(ctx, hs, wish, to, content);
	}
	const struct room_intent intent = member_intent(wish->who->user, wish->who->user.s, content);
	return room_add(ctx, hs, to->room, &intent, 1, NULL);
}

/*
 * Others have refused a user who may come in, or are to send an invite: they have not heard of it, or this server not of who here can grant it, or not
 * of the invite. The news is waited for; what comes in this room is met at once.
 */
static enum err wait_for_news(struct ctx *ctx, struct homeserver *hs, struct destination *to)
{
	ctx->fault = (struct fault){0};
	room_await_event(to->room, to->position, clock_mono_ms(&hs->clock) + NEWS_WAIT_MS);
	return ERR_CONFLICT;
}

/* Whether the invite that stands for the user here is the one of that token. */
static enum err is_redeemed(struct ctx *ctx, struct homeserver *hs, const struct destination *to,
	struct str me, struct str token, bool *out)
{
	struct stored_event *member = NULL;
	if (to->room != NULL) {
		TRY(room_state_event(ctx, hs, to->room, STR("m.room.member"), me, POSITION_NOW, &member));
	}
	*out = member != NULL && str_equals(event_membership(member->event), STR("invite"));
	if (*out) {
		const struct json *proof = json_at(member->event->content, "third_party_invite");
		struct str redeemed = json_get_str(json_at(proof, "signed"), STR("token"));
		*out = redeemed.p != NULL && str_equals(redeemed, token);
	}
	return ERR_OK;
}

/*
 * An invite to a mail address or phone number, which the client has had signed by the identity server. "If supplied, the homeserver must verify
 * that it matches a pending m.room.third_party_invite event": also for who may come in without it. What a former run or call has redeemed is not
 * redeemed again.
 * Errors: CONFLICT when the invite, which another server adds to a room of ours, has to come yet
 */
static enum err redeem(struct ctx *ctx, struct homeserver *hs, const struct member_wish *wish,
	struct destination *to, bool is_resident)
{
	const struct membership_port *others = &hs->ports.membership;
	const struct json *signature = json_at(wish->body, "third_party_signed");
	struct str token = json_get_str(signature, STR("token"));
	struct str me = wish->who->user.s;
	struct user_id inviter;
	bool is_done;
	if (signature == NULL) {
		return ERR_OK;
	}
	if (!json_is(signature, JSON_OBJECT)) {
		return fail(ctx, ERR_INPUT, M_BAD_JSON, "'third_party_signed' must be an object");
	}
	TRY(is_redeemed(ctx, hs, to, me, token, &is_done));
	if (is_done) {
		return ERR_OK;
	}
	to->position = is_resident ? room_last_position(to->room) : 0;
	TRY(others->redeem(others->self, ctx, to->room_id, me, signature));
	if (!is_resident) {
		if (user_id_parse(json_get_str(signature, STR("sender")), &inviter)) {
			via_add(&to->via, hs, user_id_server(inviter)); /* who invites is in the room */
		}
		return ERR_OK;
	}
	TRY(is_redeemed(ctx, hs, to, me, token, &is_done));
	return is_done ? ERR_OK : wait_for_news(ctx, hs, to);
}

/* Errors: CONFLICT when the room became resident meanwhile. @param out_joins  whether the user was not in it before */
static enum err join_once(struct ctx *ctx, struct homeserver *hs, const struct member_wish *wish,
	struct destination *to, bool *out_joins)
{
	bool is_resident;
	TRY(find_room(ctx, hs, to, &is_resident));
	struct str me = wish->who->user.s;
	if (is_resident) {
		enum membership membership;
		TRY(member_now(ctx, hs, to->room, me, &membership));
		*out_joins = membership != MEMBERSHIP_JOIN;
		if (!*out_joins) {
			return ERR_OK;
		}
		TRY(room_await_whole(ctx, hs, to->room)); /* whether they are banned, say */
		TRY(room_require_guests_allowed(ctx, hs, to->room, wish->who));
	} else if (wish->who->is_guest) {
		return fail(ctx, ERR_DENIED, M_GUEST_ACCESS_FORBIDDEN, "Guests may not join this room");
	}
	TRY(redeem(ctx, hs, wish, to, is_resident));
	*out_joins = true;
	struct json content;
	TRY(member_content(ctx, hs, "join", me, wish->reason, &content));
	add_custom(ctx, wish->body, &content);
	return is_resident ? join_here(ctx, hs, wish, to, &content)
					   : join_by_others(ctx, hs, wish, to, &content);
}

enum err room_join(struct ctx *ctx, struct homeserver *hs, const struct member_wish *wish,
	struct str *out_room_id)
{
	TRY(room_require_not_suspended(ctx, wish->who));
	struct destination to;
	TRY(find_destination(ctx, hs, wish, &to));
	bool is_new = false;
	enum err err = ERR_CONFLICT;
	int *attempt = MEMO_FIND(ctx, STR("attempts to join"), int); /* in all runs of a call */
	while (*attempt < MAX_ATTEMPTS && err == ERR_CONFLICT) {
		err = join_once(ctx, hs, wish, &to, &is_new);
		*attempt += err != ERR_DEFER;
		if (err == ERR_DENIED && to.is_admitted && *attempt < MAX_ATTEMPTS) {
			err = wait_for_news(ctx, hs, &to);
		}
	}
	if (err == ERR_CONFLICT) {
		return fail(ctx, ERR_TIMEOUT, M_UNKNOWN, "The room is busy; try again");
	}
	TRY(err);
	if (is_new) {
		struct room *room;
		TRY(rooms_get(ctx, hs, to.room_id, &room));
		hs->ports.succession.carry_over(hs->ports.succession.self, ctx, room, wish->who->user);
	}
	*out_room_id = to.room_id;
	return ERR_OK;
}

/* --- knocking ------------------------------------------------------------------------------------------------ */

enum err room_knock(struct ctx *ctx, struct homeserver *hs, const struct member_wish *wish,
	struct str *out_room_id)
{
	TRY(room_require_not_suspended(ctx, wish->who));
	struct destination to;
	bool is_resident;
	struct json content;
	TRY(find_destination(ctx, hs, wish, &to));
	TRY(find_room(ctx, hs, &to, &is_resident));
	TRY(member_content(ctx, hs, "knock", wish->who->user.s, wish->reason, &content));
	*out_room_id = to.room_id;
	if (!is_resident) {
		const struct membership_port *others = &hs->ports.membership;
		struct membership_wish ask;
		TRY(ask_whom(ctx, hs, wish, &to, &content, &ask));
		TRY(ctx_may_ask(ctx));
		enum err err = others->knock(others->self, ctx, &ask);
		if (err != ERR_CONFLICT) {
			return err;
		}
		TRY(rooms_get(ctx, hs, to.room_id, &to.room));
	}
	const struct room_intent intent = member_intent(wish->who->user, wish->who->user.s, &content);
	return room_add(ctx, hs, to.room, &intent, 1, NULL);
}
