/*
 * What a room is after an event of another server: its forward extremities, and the state to which they resolve.
 */
#include "homeserver/room/room_acceptance.h"
#include "storage/graph.h"

enum {
	/* All of them are prev_events of our own next event, which makes them one again. */
	MAX_EXTREMITIES = EVENT_MAX_PREV_EVENTS,
};

/* --- the room afterwards ------------------------------------------------------------------------------------------ */

/* A forward extremity with the state after it. */
struct extremity {
	struct event_id id;
	int64_t position; /* 0: the new event */
	struct fork_state state;
	bool is_gone; /* the new event stands on it */
};

/*
 * What the new event stands on by way of events that were set aside: as these are no extremities, what they stand on has stayed one;
 * and as they are not in the timeline, history that is missing before them is missing before the new event.
 */
static enum err find_behind_aside(struct acceptance *a, struct map *gone)
{
	struct known_list behind;
	TRY(room_behind_aside(a->ctx, a->hs, a->room, a->prev, a->event->prev_count, &behind));
	for (size_t i = 0; i < behind.n; i++) {
		(void)map_set(gone, behind.ids[i].s, gone);
		if (room_may_come(&behind.known[i], behind.ids[i])) {
			VEC_PUSH(a->ctx->arena, &a->gap_prev, behind.ids[i]);
		}
	}
	return ERR_OK;
}

static enum err load_extremities(struct acceptance *a, struct extremity **out, size_t *out_count)
{
	struct ctx *ctx = a->ctx;
	size_t count = a->extremity_count;
	struct extremity *list = ARENA_NEW_ARRAY(ctx->arena, struct extremity, count + 1);
	struct known_event *known = ARENA_NEW_ARRAY(ctx->arena, struct known_event, count + 1);
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, count + 1);
	struct fork_state *states = ARENA_NEW_ARRAY(ctx->arena, struct fork_state, count + 1);
	TRY(room_known_events(ctx, a->hs, a->room, a->extremities, count, known));
	struct map gone CLEANUP(map_fini) = {0};
	TRY(find_behind_aside(a, &gone));
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		if (acceptance_has_state(&known[i])) {
			list[n].id = a->extremities[i];
			list[n].position = known[i].position;
			list[n].is_gone = map_get(&gone, a->extremities[i].s) != NULL ||
				acceptance_names(a->event->prev_events, a->event->prev_count, a->extremities[i]);
			positions[n++] = known[i].position;
		}
	}
	TRY(room_fork_states(ctx, a->hs, a->room, positions, n, states));
	for (size_t i = 0; i < n; i++) {
		list[i].state = states[i];
	}
	*out = list;
	*out_count = n;
	return ERR_OK;
}

static bool has_equal(const struct extremity *list, size_t count, const struct extremity *one)
{
	for (size_t i = 0; i < count; i++) {
		if (&list[i] != one && room_fork_equals(&list[i].state, &one->state)) {
			return true;
		}
	}
	return false;
}

/*
 * There are too many: the oldest that add nothing to what the state resolves to are left out. Our next event will not stand on them,
 * which does no harm: whoever has them merges them.
 * @return how many stay
 */
static size_t prune(struct extremity *list, size_t count)
{
	while (count > MAX_EXTREMITIES) {
		size_t oldest = count;
		for (size_t i = 0; i < count; i++) {
			bool is_older = oldest == count || list[i].position < list[oldest].position;
			if (list[i].position != 0 && is_older && has_equal(list, count, &list[i])) {
				oldest = i;
			}
		}
		if (oldest == count) {
			break;
		}
		for (size_t i = oldest; i + 1 < count; i++) {
			list[i] = list[i + 1];
		}
		count--;
	}
	return count;
}

/* Whether two lists of extremities have the same states, each as often as it likes. */
static bool has_same_states(const struct extremity *a, size_t a_count, const struct extremity *b,
	size_t b_count)
{
	for (size_t i = 0; i < a_count; i++) {
		if (!has_equal(b, b_count, &a[i])) {
			return false;
		}
	}
	return true;
}

static struct str extremities_text(struct acceptance *a, const struct extremity *list, size_t count)
{
	struct event_id *ids = ARENA_NEW_ARRAY(a->ctx->arena, struct event_id, count + 1);
	for (size_t i = 0; i < count; i++) {
		ids[i] = list[i].id;
	}
	return room_extremities_text(a->ctx->arena, ids, count);
}

/* The room's state when these are its extremities. */
static enum err resolve_extremities(struct acceptance *a, const struct extremity *before,
	size_t before_count, const struct extremity *after, size_t after_count, struct fork_state *out)
{
	*out = (struct fork_state){0};
	if (has_same_states(before, before_count, after, after_count) &&
		has_same_states(after, after_count, before, before_count)) {
		return ERR_OK; /* as it is */
	}
	struct fork_state *states = ARENA_NEW_ARRAY(a->ctx->arena, struct fork_state, after_count);
	for (size_t i = 0; i < after_count; i++) {
		states[i] = after[i].state;
	}
	return room_fork_resolve(a->ctx, a->hs, a->room, states, after_count, a->event, out);
}

static bool is_plain(const struct acceptance *a, const struct fork_state *now)
{
	bool is_own =
		now->n == 1 && now->steps[0].event_position == 0 && now->steps[0].event_id.p != NULL;
	return a->standing.difference.p == NULL && (a->event->is_state ? is_own : now->n == 0);
}

/* Where it stands, and what the room's state is after it. *out_verdict: not allowed when the room has too many forks. */
enum err acceptance_find_standing(struct acceptance *a, struct verdict *out_verdict)
{
	struct arena *arena = a->ctx->arena;
	struct extremity *before;
	size_t before_count;
	*out_verdict = verdict_allow();
	TRY(load_extremities(a, &before, &before_count));
	struct extremity *after = ARENA_NEW_ARRAY(arena, struct extremity, before_count + 1);
	size_t after_count = 0;
	for (size_t i = 0; i < before_count; i++) {
		if (!before[i].is_gone) {
			after[after_count++] = before[i];
		}
	}
	struct fork_state own = room_fork_with(arena, &a->before, a->event);
	if (!a->is_beside || after_count == 0) {
		after[after_count++] = (struct extremity){.id = a->event->event_id, .state = own};
	}
	after_count = prune(after, after_count);
	if (after_count > MAX_EXTREMITIES) {
		*out_verdict = verdict_deny("room.forks", "The room has too many forks");
		return ERR_OK;
	}
	struct fork_state now;
	TRY(resolve_extremities(a, before, before_count, after, after_count, &now));
	TRY(room_fork_difference(a->ctx, a->hs, a->room, &own, &now, &a->standing.difference));
	a->standing.extremities = extremities_text(a, after, after_count);
	a->standing.steps = now.steps;
	a->standing.step_count = now.n;
	a->standing.is_forked = !is_plain(a, &now);
	a->standing.missing_prev = a->gap_prev.p;
	a->standing.missing_prev_count = a->gap_prev.n;
	return ERR_OK;
}

/* Whether history is missing right before an event that is here, and this is it. */
enum err acceptance_find_beside(struct acceptance *a)
{
	lock_take(&a->room->lock);
	const struct room_content *content = a->room->content;
	bool has_gaps = content != NULL && content->graph.newest_gap > STATE_SINCE_EVER;
	lock_give(&a->room->lock);
	if (!has_gaps) {
		return ERR_OK;
	}
	struct named_gap *named;
	size_t count;
	TRY(store_gaps_named(a->ctx, a->hs->db, a->room->nid, &a->event->event_id.s, 1, &named,
		&count));
	a->is_beside = count > 0;
	a->standing.closes_gap = a->is_beside;
	a->closes_at = a->is_beside ? named[0].lowest : 0;
	return ERR_OK;
}
