/*
 * Taking in an event of another server: judged by its auth events, by the state before it, by the current state; then it comes into
 * the timeline, or is set aside.
 *
 * An event that stands on all forward extremities is judged by the current state, and takes the way of our own events. For any
 * other the states after its prev_events are made (room_fork), and the room's state goes on as what the forward extremities
 * resolve to.
 */
#include "homeserver/room/room_accept.h"

#include "base/log.h"
#include "base/metrics.h"
#include "base/vec.h"
#include "homeserver/room/room_fork.h"
#include "homeserver/room/room_known.h"
#include "homeserver/room/room_write.h"
#include "matrix/auth.h"
#include "storage/graph.h"

enum {
	MAX_ATTEMPTS = 5,
	/* All of them are prev_events of our own next event, which makes them one again. */
	MAX_EXTREMITIES = EVENT_MAX_PREV_EVENTS,
};

static struct metric set_aside =
	METRIC_COUNTER("belfry_events_set_aside_total", "Events that were rejected or soft-failed");

/* One event on its way. */
struct acceptance {
	struct ctx *ctx;
	struct homeserver *hs;
	struct room *room;
	const struct room_arrival *arrival;
	const struct event *event; /* as it came, or as it was known */
	struct room_outcome *out;
	struct known_event self;
	struct known_event *auth;     /* auth_events */
	struct known_event *prev;     /* prev_events */
	bool is_on_all;               /* it stands on all forward extremities and nothing else */
	bool is_beside;               /* others stand on it already: it is no extremity */
	struct event_id *extremities; /* as they are */
	size_t extremity_count;
	VEC(struct event_id) missing_prev; /* no state is known after them */
	VEC(struct event_id) gap_prev;     /* of these, what is not in the timeline and may come */
	struct fork_state before;
	struct event_standing standing;
};

/* --- what is known --------------------------------------------------------------------------------------------- */

static bool names(const struct event_id *ids, size_t count, struct event_id id)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equals(ids[i].s, id.s)) {
			return true;
		}
	}
	return false;
}

/* Itself, its auth events, its previous events: one round trip at most. */
static enum err look_up(struct acceptance *a, const struct event *event)
{
	size_t count = 1 + event->auth_count + event->prev_count;
	struct event_id *ids = ARENA_NEW_ARRAY(a->ctx->arena, struct event_id, count);
	struct known_event *known = ARENA_NEW_ARRAY(a->ctx->arena, struct known_event, count);
	size_t n = 0;
	ids[n++] = event->event_id;
	for (size_t i = 0; i < event->auth_count; i++) {
		ids[n++] = event->auth_events[i];
	}
	for (size_t i = 0; i < event->prev_count; i++) {
		ids[n++] = event->prev_events[i];
	}
	TRY(room_known_events(a->ctx, a->hs, a->room, ids, n, known));
	a->self = known[0];
	a->auth = known + 1;
	a->prev = known + 1 + event->auth_count;
	a->event = event;
	return ERR_OK;
}

/* The same; what was known of it stays: it may have been redacted since. */
static enum err look_up_as_known(struct acceptance *a)
{
	TRY(look_up(a, a->arrival->event));
	if (a->self.fate == EVENT_OUTLIER) {
		a->standing.moved_from = a->self.position;
		a->standing.redacted_by = a->self.stored->redacted_by;
		TRY(look_up(a, a->self.event));
	}
	return room_extremities_read(a->ctx, a->room->head.extremities, &a->extremities,
		&a->extremity_count);
}

/* Whether it names exactly the forward extremities. */
static bool stands_on_all(const struct acceptance *a)
{
	const struct event *event = a->event;
	for (size_t i = 0; i < a->extremity_count; i++) {
		if (!names(event->prev_events, event->prev_count, a->extremities[i])) {
			return false;
		}
	}
	for (size_t i = 0; i < event->prev_count; i++) {
		if (!names(a->extremities, a->extremity_count, event->prev_events[i])) {
			return false;
		}
	}
	return a->extremity_count > 0;
}

/* Whether the state after an event is known. */
static bool has_state(const struct known_event *known)
{
	return known->event != NULL && known->stored->fate != ROW_IN_HISTORY &&
		(known->fate == EVENT_IN_TIMELINE || known->fate == EVENT_SOFT_FAILED ||
			known->fate == EVENT_REJECTED);
}

static enum err tell_missing(struct acceptance *a, const struct event_id *auth, size_t auth_count,
	const struct event_id *prev, size_t prev_count)
{
	a->out->missing_auth = auth;
	a->out->missing_auth_count = auth_count;
	a->out->missing_prev = prev;
	a->out->missing_prev_count = prev_count;
	return fail(a->ctx, ERR_MISSING, M_NOT_FOUND, "Events that this one stands on are unknown");
}

/* Rejected events that nobody has asked the state of are known without one. */
static enum err find_missing(struct acceptance *a)
{
	const struct event *event = a->event;
	VEC(struct event_id) auth = {0};
	VEC(int64_t) aside = {0};
	for (size_t i = 0; i < event->auth_count; i++) {
		if (a->auth[i].event == NULL && !a->auth[i].is_elsewhere) {
			VEC_PUSH(a->ctx->arena, &auth, event->auth_events[i]);
		}
	}
	for (size_t i = 0; i < event->prev_count; i++) {
		bool may_come = !a->prev[i].is_elsewhere &&
			str_find_byte(event->prev_events[i].s, '\0') == SIZE_MAX &&
			(a->prev[i].fate == EVENT_UNKNOWN || a->prev[i].fate == EVENT_OUTLIER);
		if (may_come) {
			VEC_PUSH(a->ctx->arena, &a->gap_prev, event->prev_events[i]);
		}
		if (!has_state(&a->prev[i])) {
			VEC_PUSH(a->ctx->arena, &a->missing_prev, event->prev_events[i]);
		} else if (a->prev[i].position <= ROOM_OUTLIERS) {
			VEC_PUSH(a->ctx->arena, &aside, a->prev[i].position);
		}
	}
	if (aside.n > 0) {
		struct event_state_row *rows;
		size_t count;
		TRY(store_event_states(a->ctx, a->hs->db, a->room->nid, aside.p, aside.n, &rows, &count));
		for (size_t i = 0; i < event->prev_count; i++) {
			bool is_found = !has_state(&a->prev[i]) || a->prev[i].position > ROOM_OUTLIERS;
			for (size_t k = 0; k < count && !is_found; k++) {
				is_found = rows[k].position == a->prev[i].position;
			}
			if (!is_found) {
				a->prev[i] = (struct known_event){0};
				VEC_PUSH(a->ctx->arena, &a->missing_prev, event->prev_events[i]);
			}
		}
	}
	bool is_stuck = a->missing_prev.n > 0 && a->arrival->state_before == NULL;
	return auth.n > 0 || is_stuck
		? tell_missing(a, auth.p, auth.n, a->missing_prev.p, a->missing_prev.n)
		: ERR_OK;
}

/* --- judging --------------------------------------------------------------------------------------------------- */

static struct verdict check_references(const struct acceptance *a)
{
	const struct event *event = a->event;
	if (names(event->prev_events, event->prev_count, event->event_id) ||
		names(event->auth_events, event->auth_count, event->event_id)) {
		return verdict_deny("event.cycle", "The event names itself");
	}
	if (event->prev_count == 0) {
		return verdict_deny("event.prev_events", "The room has begun already");
	}
	if (!str_equals(event->room_id.s, a->room->id.s)) {
		return verdict_deny("event.room_id", "It is another room's event");
	}
	if (str_find_byte(event->type, '\0') != SIZE_MAX ||
		(event->is_state && str_find_byte(event->state_key, '\0') != SIZE_MAX) ||
		str_find_byte(event->sender.s, '\0') != SIZE_MAX) {
		return verdict_deny("event.nul", "A key contains U+0000");
	}
	for (size_t i = 0; i < event->auth_count; i++) {
		if (a->auth[i].is_elsewhere) {
			return verdict_deny("auth.room", "An auth event is another room's");
		}
	}
	return verdict_allow();
}

/* By its auth events. */
static enum err check_by_auth(struct acceptance *a, struct verdict *out)
{
	const struct event *event = a->event;
	const struct event **events =
		ARENA_NEW_ARRAY(a->ctx->arena, const struct event *, event->auth_count + 1);
	bool *rejected = ARENA_NEW_ARRAY(a->ctx->arena, bool, event->auth_count + 1);
	struct state_map map;
	state_map_init(&map, a->ctx->arena);
	for (size_t i = 0; i < event->auth_count; i++) {
		events[i] = a->auth[i].event;
		rejected[i] = a->auth[i].fate == EVENT_REJECTED;
	}
	*out = auth_check_auth_events(event, events, rejected, event->auth_count);
	if (!out->allowed) {
		return ERR_OK;
	}
	for (size_t i = 0; i < event->auth_count; i++) {
		(void)state_map_put(&map, events[i]);
	}
	struct stored_event *create;
	TRY(room_state_event(a->ctx, a->hs, a->room, STR("m.room.create"), STR(""), POSITION_NOW,
		&create));
	if (create != NULL && a->room->version->room_id_is_create_hash) {
		(void)state_map_put(&map, create->event);
	}
	struct state_view view = state_map_view(&map);
	*out = auth_check(event, &view);
	return ERR_OK;
}

static enum err check_by_state(struct acceptance *a, const struct fork_state *state,
	struct verdict *out)
{
	const struct event *event = a->event;
	struct auth_key *keys;
	size_t n = auth_select(a->ctx->arena, a->room->version, event->type, event->is_state,
		event->state_key, event->sender, event->content, &keys);
	struct state_map map;
	state_map_init(&map, a->ctx->arena);
	for (size_t i = 0; i <= n; i++) {
		const struct auth_key create = {STR("m.room.create"), STR("")};
		const struct auth_key *key = i < n ? &keys[i] : &create;
		const struct event *found;
		TRY(room_fork_event(a->ctx, a->hs, a->room, state, key->type, key->state_key, &found));
		if (found != NULL) {
			(void)state_map_put(&map, found);
		}
	}
	struct state_view view = state_map_view(&map);
	*out = auth_check(event, &view);
	return ERR_OK;
}

/* --- the state before -------------------------------------------------------------------------------------------- */

/* What another server says that the state before the event is: known events, of which the rejected ones do not count. */
static enum err read_given_state(struct acceptance *a, struct fork_state *out)
{
	const struct room_arrival *arrival = a->arrival;
	size_t count = arrival->state_before_count;
	struct known_event *known = ARENA_NEW_ARRAY(a->ctx->arena, struct known_event, count + 1);
	TRY(room_known_events(a->ctx, a->hs, a->room, arrival->state_before, count, known));
	VEC(struct event_id) unknown = {0};
	size_t n = 0;
	bool has_create = false;
	struct stored_event *create;
	TRY(room_state_event(a->ctx, a->hs, a->room, STR("m.room.create"), STR(""), POSITION_NOW,
		&create));
	for (size_t i = 0; i < count; i++) {
		if (known[i].event == NULL) {
			VEC_PUSH(a->ctx->arena, &unknown, arrival->state_before[i]);
		} else if (known[i].fate != EVENT_REJECTED) {
			has_create = has_create || (create != NULL && known[i].position == create->position);
			known[n++] = known[i];
		}
	}
	/* A state that begins with another create event is another room's. */
	if (unknown.n > 0 || !has_create) {
		return tell_missing(a, unknown.p, unknown.n, a->missing_prev.p, a->missing_prev.n);
	}
	*out = room_fork_of_events(a->ctx->arena, a->room, known, n);
	return ERR_OK;
}

/*
 * The states after the previous events, and what was given for those that are missing: a server that says less than what is known
 * here does not undo it.
 */
static enum err find_state_before(struct acceptance *a)
{
	const struct event *event = a->event;
	if (a->is_on_all) {
		return ERR_OK;
	}
	TRY(room_settle(a->ctx, a->hs, a->room));
	int64_t *positions = ARENA_NEW_ARRAY(a->ctx->arena, int64_t, event->prev_count);
	size_t n = 0;
	for (size_t i = 0; i < event->prev_count; i++) {
		if (has_state(&a->prev[i])) {
			positions[n++] = a->prev[i].position;
		}
	}
	struct fork_state *states = ARENA_NEW_ARRAY(a->ctx->arena, struct fork_state, n + 1);
	TRY(room_fork_states(a->ctx, a->hs, a->room, positions, n, states));
	if (a->missing_prev.n > 0) {
		TRY(read_given_state(a, &states[n++]));
	}
	return room_fork_resolve(a->ctx, a->hs, a->room, states, n, NULL, &a->before);
}

/* --- the room afterwards ------------------------------------------------------------------------------------------ */

/* A forward extremity with the state after it. */
struct extremity {
	struct event_id id;
	int64_t position; /* 0: the new event */
	struct fork_state state;
	bool is_gone; /* the new event stands on it */
};

static enum err load_extremities(struct acceptance *a, struct extremity **out, size_t *out_count)
{
	struct ctx *ctx = a->ctx;
	size_t count = a->extremity_count;
	struct extremity *list = ARENA_NEW_ARRAY(ctx->arena, struct extremity, count + 1);
	struct known_event *known = ARENA_NEW_ARRAY(ctx->arena, struct known_event, count + 1);
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, count + 1);
	struct fork_state *states = ARENA_NEW_ARRAY(ctx->arena, struct fork_state, count + 1);
	TRY(room_known_events(ctx, a->hs, a->room, a->extremities, count, known));
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		if (has_state(&known[i])) {
			list[n].id = a->extremities[i];
			list[n].position = known[i].position;
			list[n].is_gone = names(a->event->prev_events, a->event->prev_count, a->extremities[i]);
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
static enum err find_standing(struct acceptance *a, struct verdict *out_verdict)
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
static enum err find_beside(struct acceptance *a)
{
	lock_take(&a->room->lock);
	const struct room_content *content = a->room->content;
	bool has_gaps = content != NULL && content->newest_gap > STATE_SINCE_EVER;
	lock_give(&a->room->lock);
	if (!has_gaps) {
		return ERR_OK;
	}
	struct str *named;
	size_t count;
	TRY(store_gaps_named(a->ctx, a->hs->db, a->room->nid, &a->event->event_id.s, 1, &named,
		&count));
	a->is_beside = count > 0;
	a->standing.closes_gap = a->is_beside;
	return ERR_OK;
}

/* --- ends ------------------------------------------------------------------------------------------------------ */

static struct str without_nul(struct arena *arena, struct str text)
{
	if (text.p == NULL || str_find_byte(text, '\0') == SIZE_MAX) {
		return text;
	}
	char *copy = arena_dup(arena, text.p, text.n);
	for (size_t i = 0; i < text.n; i++) {
		copy[i] = copy[i] == '\0' ? '?' : copy[i];
	}
	return str_from(copy, text.n);
}

/* Rejected or soft-failed: it is kept, for others may stand on it. */
static enum err keep_aside(struct acceptance *a, enum event_row_fate fate, struct verdict verdict)
{
	struct ctx *ctx = a->ctx;
	const struct event *event = a->event;
	struct fork_state after =
		fate == ROW_REJECTED ? a->before : room_fork_with(ctx->arena, &a->before, event);
	const struct fork_state now = {0};
	struct str difference;
	TRY(room_fork_difference(ctx, a->hs, a->room, &after, &now, &difference));
	int64_t *position;
	TRY(rooms_new_outliers(ctx, a->hs, 1, &position));
	struct kept_event kept = {
		.position = *position,
		.event_id = event->event_id.s,
		.json = event->raw,
		.columns = room_event_columns(event),
		.fate = fate,
	};
	kept.columns.type = without_nul(ctx->arena, kept.columns.type);
	kept.columns.state_key = without_nul(ctx->arena, kept.columns.state_key);
	kept.columns.sender = without_nul(ctx->arena, kept.columns.sender);
	int64_t kept_at;
	TRY(store_event_set_aside(ctx, a->hs->db, a->room->nid, &kept, room_last_position(a->room),
		difference.p != NULL ? difference : STR("[]"), &kept_at));
	if (kept_at != 0) {
		struct event_row row = {
			.room_nid = a->room->nid,
			.position = kept_at,
			.event_id = kept.event_id,
			.json = kept.json,
			.redacted_by = a->standing.redacted_by,
			.fate = fate,
		};
		/* Over what was known of it as an outlier. */
		(void)room_load_row(ctx, a->hs, a->room, &row, room_redactions(a->room));
	}
	a->out->fate = fate == ROW_REJECTED ? EVENT_REJECTED : EVENT_SOFT_FAILED;
	a->out->verdict = verdict;
	metric_add(&set_aside, 1);
	log_debug(0, "room.event_set_aside", "event=%.*s fate=%s rule=%s", STR_ARG(event->event_id.s),
		fate == ROW_REJECTED ? "rejected" : "soft_failed", verdict.rule);
	return ERR_OK;
}

/* Into the timeline. @param out_keeps_turn  until the commit */
static enum err submit(struct acceptance *a, struct room_builder *builder, struct write **out,
	bool *out_keeps_turn)
{
	bool is_ordinary = a->is_on_all && a->standing.moved_from == 0 && !a->is_beside;
	room_builder_init(builder, a->ctx, a->hs, a->room, 1);
	TRY(room_builder_take(builder, a->event, is_ordinary ? NULL : &a->standing));
	/* Room for what is missing before it. */
	size_t base = a->gap_prev.n > 0 ? ROOM_GAP_POSITIONS : 0;
	struct write *write = write_new(a->ctx);
	write_set_positions(write, base + 1);
	TRY(room_write_rows(builder, NULL, write, base));
	*out = write;
	*out_keeps_turn = room_changes_the_past(builder);
	room_submit(builder, write, base);
	return ERR_OK;
}

/* --- one attempt --------------------------------------------------------------------------------------------------- */

static bool was_judged(const struct acceptance *a)
{
	return a->self.event != NULL && a->self.fate != EVENT_OUTLIER;
}

/*
 * Judges. *out_is_done: nothing is left to do (it was known, or is set aside), else it comes into the timeline.
 * The caller has the turn.
 */
static enum err judge(struct acceptance *a, bool *out_is_done)
{
	*out_is_done = true;
	TRY(look_up_as_known(a));
	if (was_judged(a)) {
		a->out->fate = a->self.fate;
		a->out->was_known = true;
		return ERR_OK;
	}
	struct verdict verdict = check_references(a);
	if (!verdict.allowed) {
		TRY(room_settle(a->ctx, a->hs, a->room));
		return keep_aside(a, ROW_REJECTED, verdict);
	}
	a->is_on_all = stands_on_all(a);
	TRY(find_missing(a));
	TRY(find_state_before(a));
	TRY(check_by_auth(a, &verdict));
	if (verdict.allowed) {
		TRY(check_by_state(a, &a->before, &verdict));
	}
	if (!verdict.allowed) {
		TRY(room_settle(a->ctx, a->hs, a->room));
		return keep_aside(a, ROW_REJECTED, verdict);
	}
	const struct fork_state current = {0};
	if (a->before.n > 0) {
		TRY(check_by_state(a, &current, &verdict));
	}
	TRY(find_beside(a));
	if (verdict.allowed && (!a->is_on_all || a->standing.moved_from != 0 || a->is_beside)) {
		TRY(room_settle(a->ctx, a->hs, a->room));
		TRY(find_standing(a, &verdict));
	}
	if (!verdict.allowed) {
		return keep_aside(a, ROW_SOFT_FAILED, verdict);
	}
	*out_is_done = false;
	return ERR_OK;
}

static enum err accept_in_turn(struct acceptance *a, struct room_builder *builder,
	struct write **out, bool *out_keeps_turn)
{
	bool is_done;
	*out = NULL;
	TRY(room_load_if_needed(a->ctx, a->hs, a->room));
	TRY(judge(a, &is_done));
	return is_done ? ERR_OK : submit(a, builder, out, out_keeps_turn);
}

static enum err accept_once(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_arrival *arrival, struct room_outcome *out)
{
	*out = (struct room_outcome){0};
	struct acceptance acceptance = {.ctx = ctx,
		.hs = hs,
		.room = room,
		.arrival = arrival,
		.out = out};
	TRY(room_turn_take(ctx, hs, room));
	struct room_builder builder CLEANUP(room_builder_fini) = {0};
	struct write *write;
	bool keeps_turn = false;
	enum err err = accept_in_turn(&acceptance, &builder, &write, &keeps_turn);
	if (err != ERR_OK || write == NULL) {
		room_turn_give(room);
		return err;
	}
	if (!keeps_turn) {
		room_turn_give(room);
	}
	err = writer_wait(ctx, write, NULL);
	bool has_closed = acceptance.standing.closes_gap || builder.events[0].redacted_by != 0;
	if (err == ERR_OK && has_closed) {
		err = room_refresh_gaps(ctx, hs, room);
	}
	if (keeps_turn) {
		room_turn_give(room);
	}
	out->fate = EVENT_IN_TIMELINE;
	out->verdict = verdict_allow();
	return err;
}

enum err room_accept(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_arrival *arrival, struct room_outcome *out)
{
	enum err err = ERR_CONFLICT;
	for (int attempt = 0; attempt < MAX_ATTEMPTS && err == ERR_CONFLICT; attempt++) {
		err = accept_once(ctx, hs, room, arrival, out);
	}
	return err == ERR_CONFLICT ? fail(ctx, ERR_TIMEOUT, M_UNKNOWN, "The room is busy; try again")
							   : err;
}
