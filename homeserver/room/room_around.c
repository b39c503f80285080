/*
 * The state on which an event stands, and that which holds after it, for servers that ask.
 */
#include "homeserver/room/room_fork.h"
#include "homeserver/room/room_known.h"
#include "homeserver/room/room_write.h"
#include "matrix/visibility.h"
#include "storage/graph.h"

static bool has_state(const struct known_event *known)
{
	return known->event != NULL && known->fate != EVENT_OUTLIER &&
		known->stored->fate != ROW_IN_HISTORY;
}

/* Those of another server that were rejected before anybody judged what they stand on have none. */
static enum err require_state(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct known_event *known)
{
	bool is_missing = known->event == NULL || known->fate == EVENT_OUTLIER;
	if (!is_missing && known->position <= ROOM_OUTLIERS) {
		struct event_state_row *rows;
		size_t count;
		TRY(store_event_states(ctx, hs->db, room->nid, &known->position, 1, &rows, &count));
		is_missing = count == 0;
	}
	return is_missing ? fail(ctx, ERR_MISSING, M_NOT_FOUND, "The state at that event is not known")
					  : ERR_OK;
}

static enum err state_after(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct known_event *known, struct fork_state *out)
{
	return room_fork_states(ctx, hs, room, &known->position, 1, out);
}

/* From what it stands on. Errors: MISSING (no fault text) when that is not known */
static enum err state_of_prev(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event *event, struct fork_state *out)
{
	struct known_event *prev =
		ARENA_NEW_ARRAY(ctx->arena, struct known_event, event->prev_count + 1);
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, event->prev_count + 1);
	TRY(room_known_events(ctx, hs, room, event->prev_events, event->prev_count, prev));
	for (size_t i = 0; i < event->prev_count; i++) {
		if (!has_state(&prev[i])) {
			return ERR_MISSING;
		}
		positions[i] = prev[i].position;
	}
	struct fork_state *states =
		ARENA_NEW_ARRAY(ctx->arena, struct fork_state, event->prev_count + 1);
	TRY(room_fork_states(ctx, hs, room, positions, event->prev_count, states));
	return room_fork_resolve(ctx, hs, room, states, event->prev_count, NULL, out);
}

static enum err state_before(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct known_event *known, struct fork_state *out)
{
	if (!known->event->is_state || known->fate == EVENT_REJECTED) {
		return state_after(ctx, hs, room, known, out);
	}
	enum err err = state_of_prev(ctx, hs, room, known->event, out);
	if (err != ERR_MISSING) {
		return err;
	}
	/* It came with its state, or as history: the room's right before it. */
	int64_t before = known->position - 1;
	return room_fork_states(ctx, hs, room, &before, 1, out);
}

static enum err make_map(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct fork_state *state, struct state_map *out)
{
	const struct state_query all = {0};
	struct state_item *items;
	size_t count;
	TRY(room_state_list(ctx, hs, room, POSITION_NOW, &all, &items, &count));
	state_map_init(out, ctx->arena);
	for (size_t i = 0; i < count; i++) {
		(void)state_map_put(out, items[i].event->event);
	}
	for (size_t i = 0; i < state->n; i++) {
		const struct state_step *step = &state->steps[i];
		const struct event *event;
		TRY(room_fork_event(ctx, hs, room, state, step->type, step->state_key, &event));
		if (event != NULL) {
			(void)state_map_put(out, event);
		} else {
			(void)state_map_remove(out, step->type, step->state_key);
		}
	}
	return ERR_OK;
}

static enum err in_turn(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct known_event *known, bool is_after, struct state_map *out)
{
	struct fork_state state;
	TRY(room_settle(ctx, hs, room));
	TRY(room_load_if_needed(ctx, hs, room));
	TRY(is_after ? state_after(ctx, hs, room, known, &state)
				 : state_before(ctx, hs, room, known, &state));
	return make_map(ctx, hs, room, &state, out);
}

enum err room_state_around(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct event_id id, bool is_after, struct state_map *out)
{
	struct known_event known;
	TRY(room_known_events(ctx, hs, room, &id, 1, &known));
	TRY(require_state(ctx, hs, room, &known));
	TRY(room_turn_take(ctx, hs, room));
	enum err err = in_turn(ctx, hs, room, &known, is_after, out);
	room_turn_give(room);
	return err;
}

static enum err visibility_in_turn(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct known_event *known, enum visibility *out)
{
	struct fork_state state;
	const struct event *event;
	TRY(room_settle(ctx, hs, room));
	TRY(room_load_if_needed(ctx, hs, room));
	TRY(state_after(ctx, hs, room, known, &state));
	TRY(room_fork_event(ctx, hs, room, &state, STR("m.room.history_visibility"), STR(""), &event));
	*out = visibility_of(event);
	return ERR_OK;
}

enum err room_was_open_at(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct event_id id, bool *out)
{
	struct known_event known;
	enum visibility visibility = VISIBILITY_JOINED;
	TRY(room_known_events(ctx, hs, room, &id, 1, &known));
	TRY(require_state(ctx, hs, room, &known));
	TRY(room_turn_take(ctx, hs, room));
	enum err err = visibility_in_turn(ctx, hs, room, &known, &visibility);
	room_turn_give(room);
	*out = visibility == VISIBILITY_SHARED || visibility == VISIBILITY_WORLD_READABLE;
	return err;
}
