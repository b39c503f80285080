/*
 * make_* and send_* for others. The checks stand in the order in which a stranger may learn of their outcome: who asks, whether this server is
 * in the room, whether the room lets the server in; then what it asks for.
 */
#include "federation/member_in.h"

#include "federation/outbox.h"
#include "federation/pdu_check.h"
#include "federation/refusal.h"
#include "homeserver/room/room_accept.h"
#include "homeserver/room/room_restricted.h"
#include "matrix/json_make.h"
#include "matrix/sign.h"

static const char *const memberships[] = {
	[HANDSHAKE_JOIN] = "join",
	[HANDSHAKE_KNOCK] = "knock",
	[HANDSHAKE_LEAVE] = "leave",
};

/* A room in which this server is, and which lets the other one take part. */
static enum err find_room(struct ctx *ctx, struct federation *federation, struct str room_id,
	struct server_name origin, struct room **out)
{
	struct homeserver *hs = federation->hs;
	enum err err = rooms_get(ctx, hs, room_id, out);
	if (err == ERR_MISSING || (err == ERR_OK && !room_is_resident(*out))) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "This server is not in that room");
	}
	TRY(err);
	TRY(room_await_whole(ctx, hs, *out));
	bool is_allowed;
	TRY(room_allows_server(ctx, hs, *out, origin, &is_allowed));
	return is_allowed
		? ERR_OK
		: fail(ctx, ERR_DENIED, M_FORBIDDEN, "The room's access list shuts your server out");
}

/* --- restricted rooms ------------------------------------------------------------------------------------------ */

/* @param out_authoriser  p == NULL: nobody is needed */
static enum err authorise(struct ctx *ctx, struct federation *federation, struct room *room,
	struct str user_id, struct str *out_authoriser)
{
	enum restricted_way way;
	TRY(room_restricted_way(ctx, federation->hs, room, user_id, &way, out_authoriser));
	switch (way) {
	case RESTRICTED_NOT:
	case RESTRICTED_GRANTED:
		return ERR_OK;
	case RESTRICTED_UNKNOWN:
		return fail(ctx, ERR_INPUT, M_UNABLE_TO_AUTHORISE_JOIN,
			"This server cannot tell whether the user is in one of the rooms that the room admits");
	case RESTRICTED_UNGRANTED:
		return fail(ctx, ERR_INPUT, M_UNABLE_TO_GRANT_JOIN,
			"Nobody of this server may let others into the room");
	case RESTRICTED_REFUSED:
		break;
	}
	return fail(ctx, ERR_DENIED, M_FORBIDDEN,
		"The user has to be invited, or to be in one of the rooms that the room admits");
}

/* --- templates -------------------------------------------------------------------------------------------------- */

/* Who asks, for a user of its own? */
static enum err check_user(struct ctx *ctx, const struct template_wish *wish, struct user_id *out)
{
	if (!user_id_parse(wish->user_id, out)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "That is no user id");
	}
	if (!server_name_equals(user_id_server(*out), wish->origin)) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "The user is not of your server");
	}
	return ERR_OK;
}

static enum err check_version(struct ctx *ctx, const struct template_wish *wish,
	const struct room_version *version)
{
	bool is_known = wish->versions == NULL;
	for (size_t i = 0; i < wish->version_count; i++) {
		is_known = is_known || str_equals(wish->versions[i], version->id);
	}
	return is_known
		? ERR_OK
		: refusal_fail_version(ctx, version->id, "Your server does not know the room's version");
}

enum err member_in_make(struct ctx *ctx, struct federation *federation,
	const struct template_wish *wish, struct json *out, const struct room_version **out_version)
{
	struct homeserver *hs = federation->hs;
	struct user_id user;
	struct room *room;
	TRY(check_user(ctx, wish, &user));
	TRY(find_room(ctx, federation, wish->room_id, wish->origin, &room));
	*out_version = room_version_of(room);
	TRY(check_version(ctx, wish, *out_version));
	struct json content =
		json_object_of(ctx->arena, STR("membership"), json_string(str_of(memberships[wish->kind])));
	if (wish->kind == HANDSHAKE_JOIN) {
		struct str authoriser;
		TRY(authorise(ctx, federation, room, user.s, &authoriser));
		if (authoriser.p != NULL) {
			content = json_with(ctx->arena, &content, STR("join_authorised_via_users_server"),
				json_string(authoriser));
		}
	}
	const struct room_intent intent = {
		.sender = user,
		.type = STR("m.room.member"),
		.is_state = true,
		.state_key = user.s,
		.content = &content,
	};
	return room_template(ctx, hs, room, &intent, out);
}

/* --- events that come back signed ---------------------------------------------------------------------------------- */

static enum err invalid(struct ctx *ctx, const char *what)
{
	return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "%s", what);
}

/* Whether it is what the endpoint is for. */
static enum err read_sent(struct ctx *ctx, const struct room *room,
	const struct signed_member *sent, struct pdu *out)
{
	const struct pdu_room pdu_room = {.version = room_version_of(room),
		.room_id = room_id_of(room)};
	pdu_read(ctx->arena, &pdu_room, sent->body, out);
	if (out->event == NULL) {
		return pdu_refuse(ctx, out);
	}
	const struct event *event = out->event;
	if (out->is_redacted) {
		return invalid(ctx, "The content hash is wrong");
	}
	if (!str_equals(event->event_id.s, sent->event_id)) {
		return invalid(ctx, "The event has another id than the path");
	}
	if (!event->is_state || !str_equals(event->type, STR("m.room.member")) ||
		!str_equals(event_membership(event), str_of(memberships[sent->kind]))) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The event is no %s", memberships[sent->kind]);
	}
	if (!str_equals(event->state_key, event->sender.s)) {
		return invalid(ctx, "The event is about another user than its sender");
	}
	if (!server_name_equals(user_id_server(event->sender), sent->origin)) {
		return invalid(ctx, "The sender is not of your server");
	}
	return ERR_OK;
}

/* Where a user of ours lets the sender in, the event gets our signature: if that is still so. */
static enum err countersign(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct signed_member *sent, struct pdu *pdu)
{
	const struct homeserver *hs = federation->hs;
	const struct event *event = pdu->event;
	struct str via = json_get_str(event->content, STR("join_authorised_via_users_server"));
	if (sent->kind != HANDSHAKE_JOIN || !event->version->allows_restricted || via.p == NULL) {
		return ERR_OK;
	}
	struct str authoriser;
	if (!hs_is_local(hs, via)) {
		return invalid(ctx, "A user of another server lets the sender in: ask that server");
	}
	TRY(authorise(ctx, federation, room, event->sender.s, &authoriser));
	struct json *json = ARENA_NEW(ctx->arena, struct json);
	struct event *both;
	*json = event_sign(ctx->arena, event->version, event_json(ctx->arena, event), &hs->signer);
	struct verdict verdict = event_parse(ctx->arena, event->version, json, &both);
	if (!verdict.allowed) {
		return invalid(ctx, verdict.text);
	}
	pdu->event = both;
	return ERR_OK;
}

enum err member_in_take(struct ctx *ctx, struct federation *federation,
	const struct signed_member *sent, struct taken_member *out)
{
	struct room *room;
	struct pdu pdu;
	TRY(find_room(ctx, federation, sent->room_id, sent->origin, &room));
	TRY(read_sent(ctx, room, sent, &pdu));
	TRY(countersign(ctx, federation, room, sent, &pdu));
	TRY(pdu_check_signatures(ctx, federation, &pdu, 1));
	if (pdu.event == NULL) {
		return pdu_refuse(ctx, &pdu);
	}
	TRY(outbox_pass_on(ctx, federation, pdu.event->event_id));
	struct room_outcome outcome = {0};
	enum err err = room_accept(ctx, federation->hs, room,
		&(struct room_arrival){.event = pdu.event, .comes_again = true}, &outcome);
	if (err == ERR_MISSING) {
		return invalid(ctx, "The event stands on others that this server does not know");
	}
	TRY(err);
	if (outcome.fate != EVENT_IN_TIMELINE) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "The room does not allow it: %s",
			outcome.verdict.text);
	}
	(void)outbox_await_stays(federation, writer_position(federation->hs->writer));
	*out = (struct taken_member){.room = room, .event = outcome.event};
	return ERR_OK;
}
