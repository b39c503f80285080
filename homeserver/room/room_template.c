/*
 * Events as they would be built now: for users of other servers to sign, or for a policy server.
 */
#include "homeserver/room/room_accept.h"
#include "homeserver/room/room_write.h"

static enum err draft_in_turn(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intent, struct json *out)
{
	const struct event *event;
	TRY(room_load_if_needed(ctx, hs, room));
	TRY(room_require_resident(ctx, room));
	struct room_builder builder CLEANUP(room_builder_fini);
	room_builder_init(&builder, ctx, hs, room, 1);
	TRY(room_builder_draft(&builder, intent, &event));
	/* Its prev_events view the head, which is another's to change once the turn is given. */
	*out = json_dup(ctx->arena, event_json(ctx->arena, event));
	return ERR_OK;
}

static enum err draft(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intent, struct json *out)
{
	TRY(room_turn_take(ctx, hs, room));
	enum err err = draft_in_turn(ctx, hs, room, intent, out);
	room_turn_give(room);
	return err;
}

enum err room_draft(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intent, const struct event **out)
{
	struct json *json = ARENA_NEW(ctx->arena, struct json);
	struct event *event;
	TRY(draft(ctx, hs, room, intent, json));
	struct verdict verdict = event_parse(ctx->arena, room->version, json, &event);
	if (!verdict.allowed) {
		return fail_cause(ctx, ERR_INTERNAL, "own event: %s", verdict.text);
	}
	*out = event;
	return ERR_OK;
}

enum err room_template(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intent, struct json *out)
{
	struct json event;
	TRY(room_await_whole(ctx, hs, room));
	TRY(draft(ctx, hs, room, intent, &event));
	/* Whoever signs it hashes it, and in versions 1 and 2 names it. */
	*out = json_without(ctx->arena, &event, STR("signatures"));
	*out = json_without(ctx->arena, out, STR("hashes"));
	*out = json_without(ctx->arena, out, STR("event_id"));
	return ERR_OK;
}
