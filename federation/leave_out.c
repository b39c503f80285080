/*
 * Knocking, leaving, and aliases: what our users want of rooms in which this server is not and does not come to be.
 *
 * Leaving always works. When nobody takes the leave, the user is out here all the same: an event that only this server knows says so.
 */
#include "federation/handshake.h"
#include "federation/join_out.h"
#include "federation/stripped_in.h"
#include "homeserver/room/room_accept.h"
#include "http/uri.h"

enum {
	KNOCK_TIMEOUT_MS = 60 * 1000,
	LEAVE_TIMEOUT_MS = 15 * 1000, /* somebody waits to be rid of it */
	STORE_TIMEOUT_MS = 30 * 1000,
	ALIAS_TIMEOUT_MS = 20 * 1000,
	ALIAS_CEILING = 1024 * 1024,
	MAX_ALIAS_SERVERS = 100,
};

static int64_t now_ms(const struct federation *federation)
{
	return clock_mono_ms(&federation->hs->clock);
}

/* Asks the servers in turn until one takes the event. */
static enum err hand_in(struct ctx *ctx, struct federation *federation, struct handshakes *shakes)
{
	while (handshakes_go_on(ctx, federation, shakes)) {
		enum err err = handshakes_do(ctx, federation, shakes);
		if (err == ERR_OK || err == ERR_SHUTDOWN || err == ERR_DEFER) {
			return err;
		}
		handshakes_failed(ctx, shakes, err);
	}
	if (shakes->best.err == ERR_OK) {
		return fail(ctx, ERR_REMOTE, M_UNKNOWN, "No server is known that could be asked");
	}
	return refusal_give(ctx, &shakes->best);
}

enum err knock_out(void *self, struct ctx *ctx, const struct membership_wish *wish)
{
	struct federation *federation = self;
	TRY(ctx_may_ask(ctx));
	struct handshakes *shakes =
		handshakes_of(ctx, federation, HANDSHAKE_KNOCK, wish, KNOCK_TIMEOUT_MS);
	TRY(hand_in(ctx, federation, shakes));
	ctx->deadline_ms = now_ms(federation) + STORE_TIMEOUT_MS;
	const struct event *event = shakes->now.event;
	struct outside_membership what = {.version = shakes->now.version, .event = event};
	TRY(stripped_in_text(ctx, federation, event, json_at(&shakes->answer, "knock_room_state"),
		&what.stripped));
	return rooms_set_outside(ctx, federation->hs, &what);
}

/* A leave that stands nowhere in the room: nobody could say where. It names what it ends, so that this does not hold again when it is told once more. */
static enum err build_alone(struct ctx *ctx, struct federation *federation,
	const struct membership_wish *wish, struct outside_membership *out)
{
	struct homeserver *hs = federation->hs;
	struct room *room;
	TRY(rooms_get(ctx, hs, wish->room_id, &room));
	out->version = room_version_of(room);
	struct stored_event *ended;
	TRY(room_state_event(ctx, hs, room, STR("m.room.member"), wish->user.s, POSITION_NOW, &ended));
	const struct event_intent intent = {
		.version = out->version,
		.room_id = room_id_of(room),
		.sender = wish->user,
		.type = STR("m.room.member"),
		.is_state = true,
		.state_key = wish->user.s,
		.content = wish->content,
		.auth_events = ended != NULL ? &ended->event->event_id : NULL,
		.auth_count = ended != NULL ? 1 : 0,
		.origin_server_ts = clock_wall_ms(&hs->clock),
		.explicit_event_id = fed_explicit_event_id(ctx->arena, hs, out->version),
	};
	struct event *event;
	struct verdict verdict = event_build(ctx->arena, &intent, &hs->signer, &event);
	if (!verdict.allowed) {
		return fail(ctx, ERR_INPUT, M_BAD_JSON, "%s", verdict.text);
	}
	out->event = event;
	return ERR_OK;
}

enum err leave_out(void *self, struct ctx *ctx, const struct membership_wish *wish)
{
	struct federation *federation = self;
	TRY(ctx_may_ask(ctx));
	struct handshakes *shakes =
		handshakes_of(ctx, federation, HANDSHAKE_LEAVE, wish, LEAVE_TIMEOUT_MS);
	enum err err = hand_in(ctx, federation, shakes);
	if (err == ERR_SHUTDOWN || err == ERR_DEFER) {
		return err;
	}
	ctx->deadline_ms = now_ms(federation) + STORE_TIMEOUT_MS;
	struct outside_membership what = {.version = shakes->now.version, .event = shakes->now.event};
	if (err != ERR_OK) {
		TRY(build_alone(ctx, federation, wish, &what));
	}
	return rooms_set_outside(ctx, federation->hs, &what);
}

/* --- aliases -------------------------------------------------------------------------------------------------- */

enum err alias_out(void *self, struct ctx *ctx, struct room_alias alias, struct str *out_room_id,
	struct server_name **out_servers, size_t *out_count)
{
	struct federation *federation = self;
	const struct fed_request request = {
		.server = room_alias_server(alias),
		.method = "GET",
		.target = str_printf(ctx->arena, "/_matrix/federation/v1/query/directory?room_alias=%.*s",
			STR_ARG(uri_encode(ctx->arena, alias.s))),
		.answer_ceiling_bytes = ALIAS_CEILING,
		.timeout_ms = ALIAS_TIMEOUT_MS,
		.ignores_backoff = true,
		.purpose = ctx->memo,
	};
	struct fed_answer answer;
	struct fed_refusal refusal = {0};
	TRY(ctx_may_ask(ctx));
	enum err err = fed_ask(ctx, federation, &request, &answer, &refusal);
	if (err != ERR_OK) {
		return refusal_pass_on(ctx, err, &refusal);
	}
	struct room_id room_id;
	const struct json *servers = json_at(&answer.json, "servers");
	if (!room_id_parse(json_get_str(&answer.json, STR("room_id")), &room_id) ||
		!json_is(servers, JSON_ARRAY)) {
		return handshake_malformed(ctx, request.server, "the alias leads nowhere");
	}
	size_t most = servers->count < MAX_ALIAS_SERVERS ? servers->count : MAX_ALIAS_SERVERS;
	*out_servers = ARENA_NEW_ARRAY(ctx->arena, struct server_name, most);
	*out_count = 0;
	for (size_t i = 0; i < most; i++) {
		struct server_name server;
		if (servers->items[i].type == JSON_STRING &&
			server_name_parse(json_text(&servers->items[i]), &server)) {
			(*out_servers)[(*out_count)++] = server;
		}
	}
	*out_room_id = room_id.s;
	return ERR_OK;
}
