/*
 * Upgrades: reads the old room, lets matrix/room_upgrade.h say what becomes of it, and commits both rooms at once. A request that waits without its
 * worker (for the old room's policy server) goes on with what it has read.
 */
#include "homeserver/room/room_upgrade.h"

#include "base/vec.h"
#include "homeserver/room/room_send.h"
#include "http/memo.h"
#include "matrix/room_plan.h"
#include "matrix/room_upgrade.h"
#include "storage/alias.h"
#include "storage/profile.h"

struct old_room {
	struct room *room;
	struct upgrade_facts facts;
	VEC(const struct event *) bans;
	int64_t tombstone_position; /* of the one that it has already; 0: none */
};

static enum err read_state(struct ctx *ctx, struct homeserver *hs, struct old_room *old)
{
	const struct state_query query = {.without_events = true};
	struct state_item *items;
	size_t count;
	TRY(room_await_whole(ctx, hs, old->room)); /* for its bans */
	TRY(room_state_list(ctx, hs, old->room, POSITION_NOW, &query, &items, &count));
	VEC(int64_t) positions = {0};
	for (size_t i = 0; i < count; i++) {
		bool is_wanted = str_equals(items[i].membership, STR("ban")) ||
			str_equals(items[i].type, STR("m.room.create")) ||
			str_equals(items[i].type, STR("m.room.power_levels")) ||
			upgrade_transfers(items[i].type, items[i].state_key);
		if (str_equals(items[i].type, STR("m.room.tombstone")) && items[i].state_key.n == 0) {
			old->tombstone_position = items[i].event_position;
		}
		if (is_wanted) {
			VEC_PUSH(ctx->arena, &positions, items[i].event_position);
		}
	}
	struct stored_event **events;
	TRY(room_events_at(ctx, hs, old->room, positions.p, positions.n, &events));
	VEC(const struct event *) state = {0};
	for (size_t i = 0; i < positions.n; i++) {
		const struct event *event = events[i] != NULL ? events[i]->event : NULL;
		if (event != NULL && event_is(event, STR("m.room.create"), STR(""))) {
			old->facts.create = event;
		} else if (event != NULL && event_is(event, STR("m.room.power_levels"), STR(""))) {
			old->facts.power_levels = event;
		} else if (event != NULL && str_equals(event->type, STR("m.room.member"))) {
			VEC_PUSH(ctx->arena, &old->bans, event);
		} else if (event != NULL) {
			VEC_PUSH(ctx->arena, &state, event);
		}
	}
	old->facts.bans = old->bans.p;
	old->facts.ban_count = old->bans.n;
	old->facts.state = state.p;
	old->facts.state_count = state.n;
	return old->facts.create != NULL ? ERR_OK
									 : fail_cause(ctx, ERR_INTERNAL, "room without create event");
}

static enum err read_old(struct ctx *ctx, struct homeserver *hs,
	const struct upgrade_request *request, struct old_room *old)
{
	TRY(rooms_get_for(ctx, hs, request->room_id, &old->room));
	TRY(room_require_joined(ctx, hs, old->room, request->who->user.s));
	struct timeline newest;
	TRY(room_timeline(ctx, hs, old->room, 0, POSITION_NOW, true, 1, &newest));
	struct str *aliases;
	TRY(store_alias_list(ctx, hs->db, room_nid(old->room), &aliases, &old->facts.alias_count));
	old->facts.aliases = aliases;
	old->facts.from = room_version_of(old->room);
	/* Each run has its own principal. */
	old->facts.user.s = str_dup(ctx->arena, request->who->user.s);
	old->facts.room_id = room_id_of(old->room).s;
	old->facts.last_event_id = newest.n > 0 ? newest.events[0]->event->event_id.s : STR("");
	old->facts.additional_creators = request->additional_creators;
	return read_state(ctx, hs, old);
}

/* The new room as room_plan.h wants it. */
static enum err plan_new(struct ctx *ctx, struct homeserver *hs, const struct old_room *old,
	const struct upgrade_plan *plan, struct room_plan_event **out, size_t *out_count)
{
	struct room_wish wish = {
		.version = old->facts.to,
		.preset = room_preset_find(STR("private_chat")),
		.creator = old->facts.user,
		.creation_content = &plan->creation_content,
		.initial_state = &plan->initial_state,
		.power_override = &plan->power_begin,
	};
	struct field_error error;
	TRY(store_profile_get(ctx, hs->db, wish.creator.s, &wish.creator_displayname,
		&wish.creator_avatar_url));
	if (!room_plan_make(ctx->arena, &wish, out, out_count, &error)) {
		return fail(ctx, ERR_INPUT, error.errcode, "%.*s %s", STR_ARG(error.field), error.text);
	}
	return ERR_OK;
}

static struct room_intent intent_of(struct user_id sender, struct str type, struct str state_key,
	const struct json *content)
{
	return (struct room_intent){
		.sender = sender,
		.type = type,
		.is_state = true,
		.state_key = state_key,
		.content = content,
	};
}

/* The plan, then the bans, then the power levels that remain. */
static size_t make_intents(struct ctx *ctx, const struct old_room *old,
	const struct upgrade_plan *plan, const struct room_plan_event *planned, size_t count,
	struct room_intent **out)
{
	struct user_id user = old->facts.user;
	struct room_intent *intents =
		ARENA_NEW_ARRAY(ctx->arena, struct room_intent, count + old->bans.n + 1);
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		intents[n++] = intent_of(user, planned[i].type, planned[i].state_key, &planned[i].content);
	}
	for (size_t i = 0; i < old->bans.n; i++) {
		const struct event *ban = old->bans.p[i];
		intents[n++] = intent_of(user, ban->type, ban->state_key, ban->content);
	}
	if (plan->has_power_end) {
		intents[n++] = intent_of(user, STR("m.room.power_levels"), STR(""), &plan->power_end);
	}
	*out = intents;
	return n;
}

/* What is to be done; it lives as long as the request. */
struct upgrade {
	struct room_start start;
	struct room_premise premise;
	struct room_succession how;
};

static enum err plan_upgrade(struct ctx *ctx, struct homeserver *hs,
	const struct upgrade_request *request, struct upgrade *out)
{
	struct old_room *old = ARENA_NEW(ctx->arena, struct old_room);
	struct upgrade_plan *plan = ARENA_NEW(ctx->arena, struct upgrade_plan);
	struct room_plan_event *planned;
	size_t planned_n;
	struct room_intent *intents;
	old->facts.to = room_version_find(request->new_version);
	if (old->facts.to == NULL) {
		return fail(ctx, ERR_INPUT, M_UNSUPPORTED_ROOM_VERSION,
			"This server does not know that room version");
	}
	TRY(read_old(ctx, hs, request, old));
	upgrade_plan_make(ctx->arena, &old->facts, plan);
	TRY(plan_new(ctx, hs, old, plan, &planned, &planned_n));
	out->start.version = old->facts.to;
	out->start.count = make_intents(ctx, old, plan, planned, planned_n, &intents);
	out->start.intents = intents;
	out->premise = (struct room_premise){.type = STR("m.room.tombstone"),
		.state_key = STR(""),
		.position = old->tombstone_position};
	out->how = (struct room_succession){
		.premise = &out->premise,
		.old = old->room,
		.by = old->facts.user,
		.tombstone = &plan->tombstone,
		.canonical_alias = plan->has_old_alias ? &plan->old_alias : NULL,
		.power_levels = plan->has_old_power ? &plan->old_power : NULL,
	};
	return ERR_OK;
}

/* Of two requests of one user at once the second has what the first made, as if it was sent again. */
static enum err answer_replaced(struct ctx *ctx, struct homeserver *hs,
	const struct room_succession *how, struct str *out_room_id)
{
	struct stored_event *tombstone;
	TRY(room_state_event(ctx, hs, how->old, STR("m.room.tombstone"), STR(""), POSITION_NOW,
		&tombstone));
	struct str room_id = str_from(NULL, 0);
	if (tombstone != NULL && str_equals(tombstone->event->sender.s, how->by.s)) {
		room_id = json_get_str(tombstone->event->content, STR("replacement_room"));
	}
	if (room_id.p == NULL) {
		return fail(ctx, ERR_INPUT, M_BAD_STATE, "Somebody else has just replaced this room");
	}
	ctx->fault = (struct fault){0};
	*out_room_id = room_id;
	return ERR_OK;
}

enum err room_upgrade(struct ctx *ctx, struct homeserver *hs, const struct upgrade_request *request,
	struct str *out_room_id)
{
	static const struct str memo_key = STR_INIT("upgrade");
	struct upgrade *upgrade = memo_get(ctx->memo, memo_key);
	struct room *room;
	if (upgrade == NULL) {
		upgrade = ARENA_NEW(ctx->arena, struct upgrade);
		TRY(room_require_not_suspended(ctx, request->who));
		TRY(plan_upgrade(ctx, hs, request, upgrade));
		memo_put(ctx->memo, memo_key, upgrade);
	}
	enum err err = rooms_replace(ctx, hs, &upgrade->start, &upgrade->how, &room);
	if (err == ERR_CONFLICT) {
		return answer_replaced(ctx, hs, &upgrade->how, out_room_id);
	}
	TRY(err);
	hs->ports.succession.carry_over(hs->ports.succession.self, ctx, room, request->who->user);
	*out_room_id = room_id_of(room).s;
	return ERR_OK;
}
