/*
 * One event of long ago comes into the timeline alone: history is missing on both sides of it. It stands in the middle of what is free
 * between what is known before and after it, so that there is room for all that may follow. Below it is a gap like any other.
 *
 * Unlike other history it comes with the state before it: what is between it and the timeline is not known, so nothing here could
 * tell who may see it.
 */
#include "homeserver/room/room_history.h"
#include "homeserver/room/room_place.h"
#include "matrix/auth.h"

/* --- whether it is right there ------------------------------------------------------------------------------------ */

/* Allowed by the state that is said to be before it, which has to be this room's. */
static enum err check(struct history *history, const struct event *event,
	const struct known_event *state, size_t count, bool *out)
{
	struct stored_event *create;
	struct state_map map;
	bool has_create = false;
	TRY(room_state_event(history->ctx, history->hs, history->room, STR("m.room.create"), STR(""),
		POSITION_NOW, &create));
	state_map_init(&map, history->ctx->arena);
	for (size_t i = 0; i < count; i++) {
		if (state[i].event == NULL) {
			*out = false;
			return ERR_OK;
		}
		if (state[i].fate != EVENT_REJECTED && state[i].event->is_state) {
			has_create = has_create || (create != NULL && state[i].position == create->position);
			(void)state_map_put(&map, state[i].event);
		}
	}
	struct state_view view = state_map_view(&map);
	*out = has_create && auth_check(event, &view).allowed;
	return ERR_OK;
}

/* --- where it goes -------------------------------------------------------------------------------------------------- */

/* Between the event over it and the one under it. *out 0: it is missing nowhere, or there is no place left. */
static enum err find_place(struct history *history, const struct event *event, int64_t *out)
{
	struct timeline timeline;
	*out = 0;
	TRY(store_gap_over(history->ctx, history->hs->db, history->room->nid, event->depth,
		&history->below));
	if (history->below == 0) {
		return ERR_OK;
	}
	TRY(room_timeline(history->ctx, history->hs, history->room, ROOM_OUTLIERS, history->below - 1,
		true, 1, &timeline));
	history->before = timeline.n > 0 ? timeline.events[0] : NULL;
	struct free_places free_places;
	TRY(room_free_places(history->ctx, history->hs, history->room, history->below, &free_places));
	bool is_oldest = free_places.first == ROOM_OUTLIERS + 1;
	int64_t ceiling = free_places.last + 1;
	int64_t floor = free_places.first - 1;
	if (is_oldest) {
		floor = ceiling - INT64_C(2) * ROOM_GAP_POSITIONS;
	} else if (floor >= 0) {
		floor = MAX_OF(floor, ceiling - ROOM_GAP_POSITIONS);
	}
	int64_t middle = floor + (ceiling - floor) / 2;
	*out = middle - 1 > floor && middle + 1 < ceiling && floor > ROOM_OUTLIERS ? middle : 0;
	return ERR_OK;
}

/* --- what held there ---------------------------------------------------------------------------------------------- */

/*
 * All but memberships: of these there may be very many, and where nothing is known of when they began they let nobody see anything.
 */
static enum err note_state(struct history *history, const struct known_event *state, size_t count)
{
	static const struct state_query query = {.without_members = true, .without_events = true};
	struct ctx *ctx = history->ctx;
	struct state_item *items;
	size_t item_n;
	struct map seen CLEANUP(map_fini) = {0};
	TRY(room_state_list(ctx, history->hs, history->room, POSITION_NOW, &query, &items, &item_n));
	history->held = ARENA_NEW_ARRAY(ctx->arena, struct held_state, count + item_n + 1);
	for (size_t i = 0; i < count; i++) {
		const struct event *event = state[i].event;
		bool counts = event->is_state && state[i].fate != EVENT_REJECTED &&
			!str_equals(event->type, STR("m.room.member"));
		struct str key =
			counts ? state_slot_key(ctx->arena, event->type, event->state_key) : str_from(NULL, 0);
		if (counts && map_set(&seen, key, history) == NULL) {
			history->held[history->held_n++] = (struct held_state){
				.type = event->type,
				.state_key = event->state_key,
				.event = &state[i],
			};
		}
	}
	for (size_t i = 0; i < item_n; i++) {
		struct str key = state_slot_key(ctx->arena, items[i].type, items[i].state_key);
		if (map_get(&seen, key) == NULL) {
			history->held[history->held_n++] =
				(struct held_state){.type = items[i].type, .state_key = items[i].state_key};
		}
	}
	return ERR_OK;
}

/* --- all of it ------------------------------------------------------------------------------------------------------ */

/* As an outlier, judged by its auth events. *out NULL: it is rejected, or is in the timeline, or was set aside. */
static enum err know(struct history *history, const struct event *event,
	const struct known_event **out)
{
	struct ctx *ctx = history->ctx;
	struct room_outcome outcome;
	struct known_event *known = ARENA_NEW(ctx->arena, struct known_event);
	*out = NULL;
	TRY(room_know_outliers(ctx, history->hs, history->room, &event, 1, &outcome, known));
	*out = known->fate == EVENT_OUTLIER ? known : NULL;
	return ERR_OK;
}

static enum err add_in_turn(struct history *history, const struct room_arrival *arrival, bool *out)
{
	struct ctx *ctx = history->ctx;
	const struct known_event *self;
	size_t count = arrival->state_before_count;
	struct known_event *state = ARENA_NEW_ARRAY(ctx->arena, struct known_event, count + 1);
	bool is_allowed = false;
	int64_t position = 0;
	*out = false;
	TRY(room_settle(ctx, history->hs, history->room));
	TRY(room_load_if_needed(ctx, history->hs, history->room));
	TRY(know(history, arrival->event, &self));
	if (self != NULL) {
		TRY(room_known_events(ctx, history->hs, history->room, arrival->state_before, count,
			state));
		TRY(check(history, self->event, state, count, &is_allowed));
	}
	if (is_allowed) {
		TRY(find_place(history, self->event, &position));
	}
	if (position == 0) {
		return ERR_OK;
	}
	TRY(note_state(history, state, count));
	const struct past_event past = {
		.event = self->event,
		.position = position,
		.moved_from = self->position,
	};
	VEC_PUSH(ctx->arena, &history->events, past);
	*out = true;
	return history_add(history);
}

enum err room_accept_past(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_arrival *arrival, bool *out_is_added)
{
	struct history history = {.ctx = ctx, .hs = hs, .room = room};
	*out_is_added = false;
	TRY(room_await_whole(ctx, hs, room));
	TRY(room_turn_take(ctx, hs, room));
	enum err err = add_in_turn(&history, arrival, out_is_added);
	room_turn_give(room);
	map_fini(&history.keys);
	return err;
}
