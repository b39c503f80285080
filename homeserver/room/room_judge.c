/*
 * Judging an event of another server: what it stands on, and whether that allows it.
 */
#include "homeserver/room/room_acceptance.h"
#include "homeserver/room/room_redact.h"
#include "matrix/auth.h"
#include "storage/graph.h"

/* --- what is known --------------------------------------------------------------------------------------------- */

bool acceptance_names(const struct event_id *ids, size_t count, struct event_id id)
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
	TRY(room_known_events_but(a->ctx, a->hs, a->room, ids, n, a->absent, known));
	a->self = known[0];
	a->auth = known + 1;
	a->prev = known + 1 + event->auth_count;
	a->event = event;
	return ERR_OK;
}

/* The same; what was known of it stays: it may have been redacted since. */
enum err acceptance_look_up(struct acceptance *a)
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
		if (!acceptance_names(event->prev_events, event->prev_count, a->extremities[i])) {
			return false;
		}
	}
	for (size_t i = 0; i < event->prev_count; i++) {
		if (!acceptance_names(a->extremities, a->extremity_count, event->prev_events[i])) {
			return false;
		}
	}
	return a->extremity_count > 0;
}

/* Whether the state after an event is known. */
bool acceptance_has_state(const struct known_event *known)
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

static void find_missing_prev(struct acceptance *a)
{
	const struct event *event = a->event;
	for (size_t i = 0; i < event->prev_count; i++) {
		const struct known_event *prev = &a->prev[i];
		if (a->is_on_all && prev->fate == EVENT_UNKNOWN && !prev->is_elsewhere) {
			continue; /* a forward extremity that is being committed */
		}
		if (room_may_come(prev, event->prev_events[i])) {
			VEC_PUSH(a->ctx->arena, &a->gap_prev, event->prev_events[i]);
		}
		if (!acceptance_has_state(prev)) {
			VEC_PUSH(a->ctx->arena, &a->missing_prev, event->prev_events[i]);
		}
	}
}

/* Its state is not that of a place in the timeline. */
static bool is_aside(const struct known_event *known)
{
	return acceptance_has_state(known) && known->position <= ROOM_OUTLIERS;
}

static bool has_row(const struct event_state_row *rows, size_t count, int64_t position)
{
	size_t i = 0;
	while (i < count && rows[i].position != position) {
		i++;
	}
	return i < count;
}

/* Rejected events that nobody has asked the state of are known without one: they are missing, too. */
static enum err find_without_state(struct acceptance *a)
{
	const struct event *event = a->event;
	struct event_state_row *rows;
	size_t count;
	VEC(int64_t) aside = {0};
	for (size_t i = 0; i < event->prev_count; i++) {
		if (is_aside(&a->prev[i])) {
			VEC_PUSH(a->ctx->arena, &aside, a->prev[i].position);
		}
	}
	if (aside.n == 0) {
		return ERR_OK;
	}
	TRY(store_event_states(a->ctx, a->hs->db, a->room->nid, aside.p, aside.n, &rows, &count));
	for (size_t i = 0; i < event->prev_count; i++) {
		if (is_aside(&a->prev[i]) && !has_row(rows, count, a->prev[i].position)) {
			a->prev[i] = (struct known_event){0};
			VEC_PUSH(a->ctx->arena, &a->missing_prev, event->prev_events[i]);
		}
	}
	return ERR_OK;
}

static enum err find_missing(struct acceptance *a)
{
	const struct event *event = a->event;
	VEC(struct event_id) auth = {0};
	for (size_t i = 0; i < event->auth_count; i++) {
		if (a->auth[i].event == NULL && !a->auth[i].is_elsewhere) {
			VEC_PUSH(a->ctx->arena, &auth, event->auth_events[i]);
		}
	}
	find_missing_prev(a);
	TRY(find_without_state(a));
	bool is_stuck = a->missing_prev.n > 0 && a->arrival->state_before == NULL;
	return auth.n > 0 || is_stuck
		? tell_missing(a, auth.p, auth.n, a->missing_prev.p, a->missing_prev.n)
		: ERR_OK;
}

/* --- judging --------------------------------------------------------------------------------------------------- */

struct verdict acceptance_check_references(const struct acceptance *a)
{
	const struct event *event = a->event;
	if (acceptance_names(event->prev_events, event->prev_count, event->event_id) ||
		acceptance_names(event->auth_events, event->auth_count, event->event_id)) {
		return verdict_deny("event.cycle", "The event names itself");
	}
	if (event->prev_count == 0) {
		return verdict_deny("event.prev_events", "The room has begun already");
	}
	if (!str_equals(event->room_id.s, a->room->id.s)) {
		return verdict_deny("event.room_id", "It is another room's event");
	}
	if (str_has_nul(event->type) || (event->is_state && str_has_nul(event->state_key)) ||
		str_has_nul(event->sender.s)) {
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
		if (acceptance_has_state(&a->prev[i])) {
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

enum err acceptance_find_state(struct acceptance *a)
{
	a->is_on_all = stands_on_all(a);
	TRY(find_missing(a));
	return find_state_before(a);
}

enum err acceptance_check(struct acceptance *a, struct verdict *out)
{
	TRY(check_by_auth(a, out));
	return out->allowed ? check_by_state(a, &a->before, out) : ERR_OK;
}

/*
 * By the current state. Where what it stands on is missing, the current state may be behind rather than the event: a member may have
 * joined in what was missed. Then it is what the current state and the one that was given resolve to.
 */
enum err acceptance_check_now(struct acceptance *a, struct verdict *out)
{
	struct fork_state states[2] = {{0}, a->before};
	*out = verdict_allow();
	if (a->before.n == 0) {
		return ERR_OK; /* it was that */
	}
	struct fork_state current = {0};
	if (a->missing_prev.n > 0) {
		TRY(room_fork_resolve(a->ctx, a->hs, a->room, states, COUNT_OF(states), NULL, &current));
	}
	return check_by_state(a, &current, out);
}

/*
 * Clients would redact by it themselves, whatever this server does. It redacts by the current state, so that who was put down cannot
 * redact from before; what the state before the event does not let it redact is redacted nowhere.
 */
enum err acceptance_check_redaction(struct acceptance *a, struct verdict *out)
{
	const struct event *event = a->event;
	const struct fork_state current = {0};
	const struct fork_state *const states[] = {&a->before, &current};
	struct stored_event *target;
	*out = verdict_allow();
	if (!room_is_redaction(event) || str_has_nul(event->redacts)) {
		return ERR_OK;
	}
	TRY(room_redaction_target(a->ctx, a->hs, a->room, event, &target));
	for (size_t i = 0; target != NULL && out->allowed && i < COUNT_OF(states); i++) {
		const struct event *levels;
		const struct event *create;
		TRY(room_fork_event(a->ctx, a->hs, a->room, states[i], STR("m.room.power_levels"), STR(""),
			&levels));
		TRY(room_fork_event(a->ctx, a->hs, a->room, states[i], STR("m.room.create"), STR(""),
			&create));
		if (!room_may_redact(a->ctx->arena, event, target->event, levels, create)) {
			*out = verdict_deny("redaction", "The sender may not redact that event");
		}
	}
	return ERR_OK;
}

enum err acceptance_check_policy(struct acceptance *a, struct verdict *out)
{
	const struct event *event = a->arrival->event; /* which may be signed since it was known */
	struct policy_server policy;
	*out = verdict_allow();
	TRY(room_policy_server(a->ctx, a->hs, a->room, &policy));
	if (policy.via.s.p == NULL ||
		policy_server_exempts(event->type, event->is_state, event->state_key) ||
		policy_server_has_signed(a->ctx->arena, &policy, event)) {
		return ERR_OK;
	}
	if (!a->was_refused) {
		a->policy = policy;
		return ERR_MISSING;
	}
	*out = verdict_deny("policy_server", "The room's policy server has not signed the event");
	return ERR_OK;
}
