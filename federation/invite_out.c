/*
 * template → our event → the room's policy server, if it has one → PUT invite → their signature → room_accept().
 */
#include "federation/invite_out.h"

#include "base/vec.h"
#include "federation/handshake.h"
#include "federation/keyring.h"
#include "homeserver/room/room_accept.h"
#include "homeserver/room/room_policy.h"
#include "http/memo.h"
#include "matrix/redact.h"
#include "matrix/stripped.h"

enum {
	INVITE_TIMEOUT_MS = 30 * 1000,
	STORE_TIMEOUT_MS = 30 * 1000,
	INVITE_CEILING = 512 * 1024,
};

/* One invite under way. */
struct invite {
	struct federation *federation;
	struct room *room;
	struct server_name server; /* the invitee's */
	const struct event *event; /* as we signed it */
	struct str state;          /* JSON array of PDUs; p == NULL: not gathered yet */
};

/* --- what is sent --------------------------------------------------------------------------------------------- */

/* The state by which the invitee recognises the room, as PDUs. */
static enum err gather_state(struct ctx *ctx, struct invite *invite)
{
	struct homeserver *hs = invite->federation->hs;
	size_t type_count;
	const struct str *types = stripped_state_types(&type_count);
	VEC(const struct event *) events = {0};
	struct stored_event *stored;
	for (size_t i = 0; i < type_count; i++) {
		TRY(room_state_event(ctx, hs, invite->room, types[i], STR(""), POSITION_NOW, &stored));
		if (stored != NULL) {
			VEC_PUSH(ctx->arena, &events, stored->event);
		}
	}
	TRY(room_state_event(ctx, hs, invite->room, STR("m.room.member"), invite->event->sender.s,
		POSITION_NOW, &stored));
	if (stored != NULL) {
		VEC_PUSH(ctx->arena, &events, stored->event);
	}
	invite->state = stripped_state_pdus(ctx->arena, events.p, events.n);
	return ERR_OK;
}

static enum err build(struct ctx *ctx, struct invite *invite, const struct room_intent *intent)
{
	struct homeserver *hs = invite->federation->hs;
	struct json template;
	TRY(room_template(ctx, hs, invite->room, intent, &template));
	struct event_intent full = {
		.version = room_version_of(invite->room),
		.room_id = room_id_of(invite->room),
		.sender = {str_dup(ctx->arena,
			intent->sender.s)}, /* the session's; each run authenticates anew */
		.type = intent->type,
		.is_state = true,
		.state_key = intent->state_key,
		.content = intent->content,
		.names_origin = true,
	};
	struct event *event;
	struct verdict verdict;
	if (!fed_build_at(ctx->arena, hs, &template, &full, &event, &verdict)) {
		return fail_cause(ctx, ERR_INTERNAL, "own template without a place");
	}
	if (!verdict.allowed) {
		return fail(ctx, ERR_INPUT, M_BAD_JSON, "%s", verdict.text);
	}
	invite->event = event;
	return ERR_OK;
}

/* What others have to say before the invitee's server is asked. */
static enum err prepare(struct ctx *ctx, struct invite *invite)
{
	if (invite->state.p != NULL) {
		return ERR_OK;
	}
	TRY(room_policy_sign(ctx, invite->federation->hs, invite->room, &invite->event));
	return gather_state(ctx, invite);
}

/* --- the other server -------------------------------------------------------------------------------------------- */

static enum err put(struct ctx *ctx, const struct invite *invite, const char *endpoint,
	const struct json *body, struct fed_answer *out, struct fed_refusal *out_refusal)
{
	const struct fed_request request = {
		.server = invite->server,
		.method = "PUT",
		.target =
			fed_path(ctx->arena, endpoint, invite->event->room_id.s, invite->event->event_id.s),
		.body = body,
		.answer_ceiling_bytes = INVITE_CEILING,
		.timeout_ms = INVITE_TIMEOUT_MS,
		.ignores_backoff = true,
		.purpose = invite,
	};
	*out_refusal = (struct fed_refusal){0};
	return fed_ask(ctx, invite->federation, &request, out, out_refusal);
}

/* Clients know by another errcode than servers that the invitee's server does not support the room's version. Spec: "Joining rooms", invite */
static enum err refused(struct ctx *ctx, const struct invite *invite, enum err err,
	const struct fed_refusal *refusal)
{
	bool is_old = invite->event->version->event_format != EVENT_FORMAT_V1 &&
		refusal_is_unrecognized(err, refusal);
	if (is_old ||
		(err == ERR_INPUT && str_equals(refusal->errcode, STR(M_INCOMPATIBLE_ROOM_VERSION)))) {
		return fail(ctx, ERR_INPUT, M_UNSUPPORTED_ROOM_VERSION,
			"The server of the invited user does not support this room's version");
	}
	return refusal_pass_on(ctx, err, refusal);
}

/* Asks by version 2, then by version 1 where that may be all that the server knows. @param out  the event that came back */
static enum err ask(struct ctx *ctx, const struct invite *invite, const struct json **out)
{
	struct json state;
	if (!stripped_state_read(ctx->arena, invite->state, &state)) {
		return fail_cause(ctx, ERR_INTERNAL, "own stripped state");
	}
	const struct room_version *version = invite->event->version;
	struct json body = json_object(ctx->arena, 3);
	body = json_with(ctx->arena, &body, STR("event"), *event_json(ctx->arena, invite->event));
	body = json_with(ctx->arena, &body, STR("room_version"), json_string(version->id));
	body = json_with(ctx->arena, &body, STR("invite_room_state"), state);
	struct fed_answer answer;
	struct fed_refusal refusal;
	enum err err = put(ctx, invite, "v2/invite", &body, &answer, &refusal);
	bool may_be_old = version->event_format == EVENT_FORMAT_V1 &&
		(err == ERR_MISSING || err == ERR_INPUT) &&
		(refusal.status == 400 || refusal.status == 404);
	if (may_be_old) {
		struct json sent = json_object(ctx->arena, 1);
		sent = json_with(ctx->arena, &sent, STR("invite_room_state"), state);
		body = json_with(ctx->arena, event_json(ctx->arena, invite->event), STR("unsigned"), sent);
		err = put(ctx, invite, "v1/invite", &body, &answer, &refusal);
	}
	if (err != ERR_OK) {
		return refused(ctx, invite, err, &refusal);
	}
	const struct json *object = &answer.json;
	if (object->type == JSON_ARRAY) {
		object = object->count == 2 ? &object->items[1] : NULL;
	}
	const struct json *event = json_at(object, "event");
	if (!json_is(event, JSON_OBJECT)) {
		return handshake_malformed(ctx, invite->server, "it gave no event back");
	}
	*out = event;
	return ERR_OK;
}

/* Theirs beside what we have of the same server: as the room's policy server it may have signed already. */
static struct json with_theirs(struct arena *arena, const struct json *all, struct str server,
	const struct json *theirs)
{
	struct json none = json_object(arena, 0);
	const struct json *before = json_get(all, server);
	return json_with(arena, all, server,
		json_merged(arena, before != NULL ? before : &none, theirs));
}

/* Our event with their signature; nothing else of what came back counts. */
static enum err take_signature(struct ctx *ctx, const struct invite *invite,
	const struct json *answered, const struct event **out)
{
	const struct event *event = invite->event;
	const struct json *theirs = json_get(json_at(answered, "signatures"), invite->server.s);
	if (!json_is(theirs, JSON_OBJECT)) {
		return handshake_malformed(ctx, invite->server, "it has not signed the invite");
	}
	struct json signatures = with_theirs(ctx->arena,
		json_at(event_json(ctx->arena, event), "signatures"), invite->server.s, theirs);
	struct json *json = ARENA_NEW(ctx->arena, struct json);
	*json = json_with(ctx->arena, event_json(ctx->arena, event), STR("signatures"), signatures);
	struct json redacted = redact_event(ctx->arena, event->version, json);
	bool is_valid;
	TRY(keyring_check_object(ctx, invite->federation, &redacted, invite->server, &is_valid));
	struct event *both;
	if (!is_valid || !event_parse(ctx->arena, event->version, json, &both).allowed) {
		return handshake_malformed(ctx, invite->server, "its signature of the invite is wrong");
	}
	*out = both;
	return ERR_OK;
}

/* --- the room ------------------------------------------------------------------------------------------------------ */

static struct str memo_key(struct ctx *ctx, const struct room_intent *intent)
{
	return str_printf(ctx->arena, "invite of %.*s", STR_ARG(intent->state_key));
}

/* As another run of the call has made it, or made now: the same event is asked about and taken in. */
static enum err invite_of(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct room_intent *intent, struct invite **out)
{
	struct str key = memo_key(ctx, intent);
	struct user_id invitee;
	bool is_allowed;
	*out = memo_get(ctx->memo, key);
	if (*out != NULL) {
		return ERR_OK;
	}
	if (!user_id_parse(intent->state_key, &invitee)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "user_id is not a user id");
	}
	struct invite *invite = ARENA_NEW(ctx->arena, struct invite);
	*invite = (struct invite){
		.federation = federation,
		.room = room,
		.server = user_id_server(invitee),
	};
	TRY(room_allows_server(ctx, federation->hs, room, invite->server, &is_allowed));
	if (!is_allowed) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "The room's access list shuts out %.*s",
			STR_ARG(invite->server.s));
	}
	TRY(build(ctx, invite, intent));
	memo_put(ctx->memo, key, invite);
	*out = invite;
	return ERR_OK;
}

/* Errors: DEFER (parked) */
static enum err ask_and_add(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct room_intent *intent, struct event_id *out)
{
	struct homeserver *hs = federation->hs;
	struct invite *invite;
	const struct json *answered;
	const struct event *event;
	TRY(invite_of(ctx, federation, room, intent, &invite));
	TRY(prepare(ctx, invite));
	TRY(ask(ctx, invite, &answered));
	ctx->deadline_ms = clock_mono_ms(&hs->clock) + STORE_TIMEOUT_MS;
	TRY(take_signature(ctx, invite, answered, &event));
	struct memo *memo = ctx->memo;
	ctx->memo = NULL; /* from here on nothing is done twice */
	struct room_outcome outcome;
	enum err err = room_accept(ctx, hs, room, &(struct room_arrival){.event = event}, &outcome);
	ctx->memo = memo;
	*out = event->event_id;
	if (err == ERR_OK && outcome.fate != EVENT_IN_TIMELINE) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "The room no longer allows the invite: %s",
			outcome.verdict.text);
	}
	return err;
}

enum err invite_out(void *self, struct ctx *ctx, struct room *room,
	const struct room_intent *intent, struct str *out_event_id)
{
	int64_t deadline_ms = ctx->deadline_ms;
	struct event_id event_id;
	TRY(ctx_may_ask(ctx));
	enum err err = ask_and_add(ctx, self, room, intent, &event_id);
	if (err == ERR_DEFER) {
		return err;
	}
	memo_put(ctx->memo, memo_key(ctx, intent), NULL);
	ctx->deadline_ms = deadline_ms; /* who invites several goes on */
	if (err == ERR_OK && out_event_id != NULL) {
		*out_event_id = event_id.s;
	}
	return err;
}
