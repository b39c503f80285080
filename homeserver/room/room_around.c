/*
 * The state on which an event stands, and that which holds after it, for servers that ask.
 */
#include "homeserver/room/room_fork.h"
#include "matrix/visibility.h"
#include "storage/graph.h"

static bool has_state(const struct known_event *known)
{
	return known->event != NULL && known->fate != EVENT_OUTLIER &&
		known->stored->fate != ROW_IN_HISTORY;
}

/*
 * The positions of those of `known` whose state is known. Those of another server that were rejected before anybody judged what they stand on
 * have none. One round trip where some are not in the timeline.
 */
static enum err with_state(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct known_event *known, size_t count, int64_t *out, size_t *out_count)
{
	int64_t *outside = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	size_t outside_count = 0;
	struct event_state_row *rows = NULL;
	size_t row_count = 0;
	*out_count = 0;
	for (size_t i = 0; i < count; i++) {
		if (known[i].event == NULL || known[i].fate == EVENT_OUTLIER) {
			continue;
		}
		if (known[i].position > ROOM_OUTLIERS) {
			out[(*out_count)++] = known[i].position;
		} else {
			outside[outside_count++] = known[i].position;
		}
	}
	if (outside_count > 0) {
		TRY(store_event_states(ctx, hs->db, room->nid, outside, outside_count, &rows, &row_count));
	}
	for (size_t i = 0; i < row_count; i++) {
		out[(*out_count)++] = rows[i].position;
	}
	return ERR_OK;
}

static enum err require_state(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct known_event *known)
{
	int64_t position;
	size_t count;
	TRY(with_state(ctx, hs, room, known, 1, &position, &count));
	return count > 0 ? ERR_OK
					 : fail(ctx, ERR_MISSING, M_NOT_FOUND, "The state at that event is not known");
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

/* Those of `known` whose state is known, and which of these states are open. Within the turn, so that none is given up between the two. */
static enum err open_in_turn(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct known_event *known, size_t known_count, int64_t *positions, bool *out,
	size_t *out_count)
{
	struct fork_state *states = ARENA_NEW_ARRAY(ctx->arena, struct fork_state, known_count);
	const struct event *event;
	TRY(room_settle(ctx, hs, room));
	TRY(room_load_if_needed(ctx, hs, room));
	TRY(with_state(ctx, hs, room, known, known_count, positions, out_count));
	if (*out_count > 0) {
		TRY(room_fork_states(ctx, hs, room, positions, *out_count, states));
	}
	for (size_t i = 0; i < *out_count; i++) {
		TRY(room_fork_event(ctx, hs, room, &states[i], STR("m.room.history_visibility"), STR(""),
			&event));
		enum visibility visibility = visibility_of(event);
		out[i] = visibility == VISIBILITY_SHARED || visibility == VISIBILITY_WORLD_READABLE;
	}
	return ERR_OK;
}

enum err room_were_open_at(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event_id *ids, size_t count, bool *out)
{
	struct known_event *known = ARENA_NEW_ARRAY(ctx->arena, struct known_event, count);
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	bool *is_open = ARENA_NEW_ARRAY(ctx->arena, bool, count);
	size_t known_count = 0;
	TRY(room_known_events(ctx, hs, room, ids, count, known));
	TRY(room_turn_take(ctx, hs, room));
	enum err err = open_in_turn(ctx, hs, room, known, count, positions, is_open, &known_count);
	room_turn_give(room);
	TRY(err);
	for (size_t i = 0; i < count; i++) {
		out[i] = false;
		for (size_t k = 0; k < known_count && known[i].event != NULL; k++) {
			out[i] = out[i] || (positions[k] == known[i].position && is_open[k]);
		}
	}
	return ERR_OK;
}
