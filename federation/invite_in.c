/*
 * Our signature says that the invitee's server has heard of the invite, so nothing but an invite of a user of ours gets it.
 *
 * What came with it is judged as v1.16 asks for in rooms of version 12 and later; in older ones a server may still send stripped
 * events, and what is no good of it is left out.
 */
#include "federation/invite_in.h"

#include "federation/pdu_check.h"
#include "federation/refusal.h"
#include "federation/stripped_in.h"
#include "homeserver/room/room_accept.h"
#include "homeserver/room/room_invitee.h"
#include "matrix/sign.h"
#include "storage/account.h"

static enum err invalid(struct ctx *ctx, const char *what)
{
	return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "%s", what);
}

/* --- the room --------------------------------------------------------------------------------------------------- */

/* The room when anything is known of it, else NULL. */
static enum err find_room(struct ctx *ctx, struct homeserver *hs, struct str room_id,
	struct room **out)
{
	*out = NULL;
	enum err err = rooms_get(ctx, hs, room_id, out);
	return err == ERR_MISSING ? ERR_OK : err;
}

/* Version 1 of the endpoint leaves it to the state that comes along, or to what is known. */
static struct str told_version(const struct invite_received *received, const struct room *room)
{
	if (received->room_version.p != NULL) {
		return received->room_version;
	}
	if (room != NULL) {
		return room_version_of(room)->id;
	}
	const struct json *state = received->state;
	for (size_t i = 0; json_is(state, JSON_ARRAY) && i < state->count; i++) {
		struct str version =
			json_get_str(json_at(&state->items[i], "content"), STR("room_version"));
		if (str_equals(json_get_str(&state->items[i], STR("type")), STR("m.room.create")) &&
			version.p != NULL) {
			return version;
		}
	}
	return STR("1");
}

static enum err choose_version(struct ctx *ctx, const struct invite_received *received,
	const struct room *room, const struct room_version **out)
{
	struct str id = told_version(received, room);
	*out = room_version_find(id);
	if (*out == NULL) {
		return refusal_fail_version(ctx, id, "This server does not know the room's version");
	}
	if (room != NULL && room_version_of(room) != *out) {
		return invalid(ctx, "The room is of another version");
	}
	/* "must assume that the room version is either 1 or 2" */
	bool may_be_meant = received->room_version.p != NULL || (*out)->event_format == EVENT_FORMAT_V1;
	return may_be_meant
		? ERR_OK
		: invalid(ctx, "Version 1 of the endpoint is for rooms of versions 1 and 2");
}

/* --- the event ---------------------------------------------------------------------------------------------------- */

static enum err read_event(struct ctx *ctx, struct federation *federation,
	const struct invite_received *received, const struct room_version *version,
	const struct event **out)
{
	struct room_id room_id;
	if (!room_id_parse(received->room_id, &room_id)) {
		return invalid(ctx, "That is no room id");
	}
	if (!json_is(received->event, JSON_OBJECT)) {
		return fail(ctx, ERR_INPUT, M_BAD_JSON, "event is an object");
	}
	const struct pdu_room room = {.version = version, .room_id = room_id};
	struct pdu pdu;
	pdu_read(ctx->arena, &room, received->event, &pdu);
	if (pdu.event == NULL) {
		return pdu_refuse(ctx, &pdu);
	}
	const struct event *event = pdu.event;
	struct user_id invitee;
	if (pdu.is_redacted) {
		return invalid(ctx, "The content hash is wrong");
	}
	if (!str_equals(event->event_id.s, received->event_id)) {
		return invalid(ctx, "The event has another id than the path");
	}
	if (!event->is_state || !str_equals(event->type, STR("m.room.member")) ||
		!str_equals(event_membership(event), STR("invite"))) {
		return invalid(ctx, "The event is no invite");
	}
	if (!server_name_equals(user_id_server(event->sender), received->origin)) {
		return invalid(ctx, "The sender is not of your server");
	}
	if (!user_id_parse(event->state_key, &invitee) || !hs_is_local(federation->hs, invitee.s)) {
		return invalid(ctx, "The invited user is not of this server");
	}
	TRY(pdu_check_signatures(ctx, federation, &pdu, 1));
	if (pdu.event == NULL) {
		return pdu_refuse(ctx, &pdu);
	}
	*out = event;
	return ERR_OK;
}

static enum err check_invitee(struct ctx *ctx, struct homeserver *hs, struct str user_id)
{
	const struct query_port *query = &hs->ports.query;
	struct account_row account;
	struct user_id user;
	enum query_answer answer = QUERY_UNKNOWN;
	enum err err = store_account_find(ctx, hs->db, user_id, &account);
	if (err == ERR_MISSING && query->user != NULL && user_id_parse(user_id, &user)) {
		TRY(query->user(query->self, ctx, user, &answer));
		err =
			answer == QUERY_MADE ? store_account_find(ctx, hs->db, user_id, &account) : ERR_MISSING;
	}
	if (answer == QUERY_UNANSWERED) {
		return query_fail_unanswered(ctx);
	}
	if (err == ERR_MISSING || (err == ERR_OK && account.state == ACCOUNT_DEACTIVATED)) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "There is no such user");
	}
	TRY(err);
	return room_require_takes_invites(ctx, hs, user_id);
}

/* --- what comes of it ----------------------------------------------------------------------------------------------- */

static enum err check_state(struct ctx *ctx, struct federation *federation,
	const struct invite_received *received, const struct event *event)
{
	if (!event->version->room_id_is_create_hash) {
		return ERR_OK;
	}
	const char *error;
	TRY(stripped_in_check(ctx, federation, event, received->state, &error));
	return error == NULL ? ERR_OK : invalid(ctx, error);
}

static enum err tell_invitee(struct ctx *ctx, struct federation *federation,
	const struct invite_received *received, const struct event *event)
{
	struct outside_membership what = {.version = event->version, .event = event};
	TRY(stripped_in_text(ctx, federation, event, received->state, &what.stripped));
	enum err err = rooms_set_outside(ctx, federation->hs, &what);
	/* Somebody of here came into the room just now: it will come as an event of the room. */
	return err == ERR_CONFLICT ? ERR_OK : err;
}

enum err invite_in_take(struct ctx *ctx, struct federation *federation,
	const struct invite_received *received, struct json *out)
{
	struct homeserver *hs = federation->hs;
	const struct room_version *version;
	const struct event *event;
	struct room *room;
	TRY(find_room(ctx, hs, received->room_id, &room));
	TRY(choose_version(ctx, received, room, &version));
	TRY(read_event(ctx, federation, received, version, &event));
	TRY(check_invitee(ctx, hs, event->state_key));
	bool is_resident = room != NULL && room_is_resident(room);
	if (is_resident) {
		bool is_allowed;
		TRY(room_allows_server(ctx, hs, room, received->origin, &is_allowed));
		if (!is_allowed) {
			return fail(ctx, ERR_DENIED, M_FORBIDDEN,
				"The room's access list shuts your server out");
		}
	}
	TRY(check_state(ctx, federation, received, event));
	struct json *both = ARENA_NEW(ctx->arena, struct json);
	struct event *signed_event;
	*both = event_sign(ctx->arena, version, event_json(ctx->arena, event), &hs->signer);
	struct verdict verdict = event_parse(ctx->arena, version, both, &signed_event);
	if (!verdict.allowed) {
		return invalid(ctx, verdict.text);
	}
	if (!is_resident) {
		TRY(tell_invitee(ctx, federation, received, signed_event));
	}
	*out = *both;
	return ERR_OK;
}
