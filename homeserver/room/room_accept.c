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
#include "homeserver/room/room_acceptance.h"
#include "homeserver/room/room_aside.h"
#include "homeserver/room/room_place.h"
#include "matrix/relation.h"
#include "storage/delayed_event.h"
#include "storage/graph.h"
#include "storage/room.h"

static struct metric set_aside =
	METRIC_COUNTER("belfry_events_set_aside_total", "Events that were rejected or soft-failed");

/* --- ends ------------------------------------------------------------------------------------------------------ */

/*
 * What was judged by is what the room is: its content may have been forgotten meanwhile, because a write failed or turned out to have
 * happened. Errors: CONFLICT (try again)
 */
static enum err check_still_loaded(struct room *room)
{
	LOCK_SCOPE(&room->lock);
	return room_is_current_locked(room) ? ERR_OK : ERR_CONFLICT;
}

/* Rejected or soft-failed: it is kept, for others may stand on it. Nobody has seen one that was made here. */
static enum err keep_aside(struct acceptance *a, enum event_row_fate fate, struct verdict verdict)
{
	struct ctx *ctx = a->ctx;
	const struct event *event = a->event;
	if (a->arrival->intent != NULL) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "%s", verdict.text);
	}
	TRY(room_settle(ctx, a->hs, a->room));
	struct fork_state after =
		fate == ROW_REJECTED ? a->before : room_fork_with(ctx->arena, &a->before, event);
	const struct fork_state now = {0};
	struct str difference;
	TRY(room_fork_difference(ctx, a->hs, a->room, &after, &now, &difference));
	TRY(room_pass_gap(ctx, a->hs, a->room,
		event)); /* a crash in between leaves it to be judged again */
	TRY(check_still_loaded(a->room));
	int64_t *position;
	TRY(rooms_new_outliers(ctx, a->hs, a->room, 1, &position));
	struct kept_event kept = {
		.position = *position,
		.event_id = event->event_id.s,
		.json = event->raw,
		.columns = room_aside_columns(ctx->arena, event),
		.fate = fate,
	};
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
	room_aside_note(a->room, 1, event->raw.n + difference.n);
	return ERR_OK;
}

/* Whether it goes the way of our own events. */
static bool is_ordinary(const struct acceptance *a)
{
	return a->is_on_all && a->standing.moved_from == 0 && !a->is_beside;
}

/* One that was missing is shown where it was missing. */
static enum err find_place(struct acceptance *a, struct write *write)
{
	const struct late_event late = {
		.event = a->event,
		.below = a->closes_at,
		.moves_itself = true,
	};
	return a->standing.closes_gap
		? room_order(a->ctx, a->hs, a->room, &late, write, &a->standing.place)
		: ERR_OK;
}

/* Into the timeline. @param out_keeps_turn  until the commit */
static enum err submit(struct acceptance *a, struct room_builder *builder, struct write **out,
	bool *out_keeps_turn)
{
	room_builder_init(builder, a->ctx, a->hs, a->room, 1);
	const struct room_intent *intent = a->arrival->intent;
	TRY(room_builder_take(builder, a->event, is_ordinary(a) ? NULL : &a->standing, intent));
	/* Room for what is missing before it. */
	size_t base = a->gap_prev.n > 0 ? ROOM_GAP_POSITIONS : 0;
	struct write *write = write_new(a->ctx);
	TRY(room_aside_hold(a));
	TRY(find_place(a, write));
	const struct room_successor *successor = a->arrival->successor;
	write_set_positions(write, base + 1 + (successor != NULL ? successor->builder->count : 0));
	TRY(room_write_rows(builder, NULL, write, base));
	if (successor != NULL) {
		TRY(room_write_successor(builder, successor, write, base + 1));
	}
	if (intent != NULL && intent->txn_key.p != NULL) {
		store_transaction_insert(write, intent->txn_key, a->event->event_id.s,
			clock_wall_ms(&a->hs->clock));
	}
	if (intent != NULL && intent->delayed != NULL) {
		store_delayed_event_take(write, intent->delayed);
	}
	*out = write;
	*out_keeps_turn = room_changes_the_past(builder);
	room_submit(builder, write, base);
	return ERR_OK;
}

/* What is known of the room's policy server from attempt to attempt. */
struct asked_policy {
	struct policy_server server; /* whose signature is missing; via.s.p == NULL: nobody's */
	bool was_asked;
};

/* --- one attempt --------------------------------------------------------------------------------------------------- */

static bool was_judged(const struct acceptance *a)
{
	return a->self.event != NULL && a->self.fate != EVENT_OUTLIER;
}

/*
 * An event that others stand on already as their auth event or state is not undone by the way in which it is met again: it stays as it is,
 * outside of the timeline. Else whoever has one of them could take the ground from under the room.
 */
static enum err reject(struct acceptance *a, struct verdict verdict)
{
	if (a->self.fate == EVENT_OUTLIER) {
		a->out->fate = EVENT_REJECTED;
		a->out->verdict = verdict;
		return ERR_OK;
	}
	return keep_aside(a, ROW_REJECTED, verdict);
}

/* One that was set aside while nobody had the turn, as an auth event may be, leaves its gap open until it is met again. */
static enum err meet_again(struct acceptance *a)
{
	a->out->fate = a->self.fate;
	a->out->was_known = true;
	if (a->self.fate == EVENT_IN_TIMELINE || !room_has_gaps(a->room)) {
		return ERR_OK;
	}
	TRY(room_settle(a->ctx, a->hs, a->room));
	return room_pass_gap(a->ctx, a->hs, a->room, a->self.event);
}

/*
 * Judges. *out_is_done: nothing is left to do (it was known, or is set aside), else it comes into the timeline.
 * The caller has the turn.
 */
static enum err judge(struct acceptance *a, bool *out_is_done)
{
	*out_is_done = true;
	TRY(acceptance_look_up(a));
	if (was_judged(a)) {
		return meet_again(a);
	}
	struct verdict verdict = acceptance_check_references(a);
	if (str_has_nul(a->event->event_id.s)) {
		a->out->fate = EVENT_REJECTED; /* nothing that could be stored stands on it */
		a->out->verdict = verdict_deny("event.nul", "The event id contains U+0000");
		return ERR_OK;
	}
	if (verdict.allowed) {
		TRY(acceptance_find_state(a));
		TRY(acceptance_check(a, &verdict));
	}
	if (!verdict.allowed) {
		return reject(a, verdict);
	}
	TRY(acceptance_check_now(a, &verdict));
	if (verdict.allowed) {
		TRY(acceptance_check_redaction(a, &verdict));
	}
	if (verdict.allowed) {
		TRY(acceptance_check_policy(a, &verdict));
	}
	TRY(acceptance_find_beside(a));
	if (verdict.allowed && !is_ordinary(a)) {
		TRY(room_settle(a->ctx, a->hs, a->room));
		TRY(acceptance_find_standing(a, &verdict));
	}
	if (!verdict.allowed) {
		return keep_aside(a, ROW_SOFT_FAILED, verdict);
	}
	*out_is_done = false;
	return check_still_loaded(a->room);
}

static enum err accept_in_turn(struct acceptance *a, struct room_builder *builder,
	struct write **out, bool *out_keeps_turn)
{
	bool is_done;
	*out = NULL;
	TRY(room_load_if_needed(a->ctx, a->hs, a->room));
	TRY(judge(a, &is_done));
	const struct room_intent *intent = a->arrival->intent;
	if (!is_done && intent != NULL && !room_premise_holds(a->room, intent)) {
		a->out->is_outdated = true;
		return ERR_CONFLICT;
	}
	return is_done ? ERR_OK : submit(a, builder, out, out_keeps_turn);
}

/* An event on its way: judged, and submitted if it comes into the timeline. */
struct submission {
	struct acceptance acceptance;
	struct room_builder builder;
	struct write *write; /* NULL: nothing is left to wait for */
	bool keeps_turn;
};

static void submission_init(struct submission *s, struct ctx *ctx, struct homeserver *hs,
	struct room *room, const struct room_arrival *arrival, struct room_outcome *out)
{
	*out = (struct room_outcome){.event = arrival->event};
	*s = (struct submission){
		.acceptance = {.ctx = ctx, .hs = hs, .room = room, .arrival = arrival, .out = out}};
}

/* To be ended if it succeeds. Until then it has the room's turn if it changes what the next event is judged by. */
static enum err submission_begin(struct submission *s)
{
	struct acceptance *a = &s->acceptance;
	TRY(room_turn_take(a->ctx, a->hs, a->room));
	enum err err = accept_in_turn(a, &s->builder, &s->write, &s->keeps_turn);
	if (err != ERR_OK || s->write == NULL || !s->keeps_turn) {
		room_turn_give(a->room);
	}
	if (err != ERR_OK) {
		room_builder_fini(&s->builder);
	}
	return err;
}

/* Waits for the commit. */
static enum err submission_end(struct submission *s)
{
	struct acceptance *a = &s->acceptance;
	if (s->write == NULL) {
		return ERR_OK;
	}
	enum err err = writer_wait(a->ctx, s->write, NULL);
	bool has_closed = a->standing.closes_gap || s->builder.events[0].redacted_by != 0;
	if (err == ERR_OK && has_closed) {
		err = room_refresh_gaps(a->ctx, a->hs, a->room);
	}
	if (s->keeps_turn) {
		room_turn_give(a->room);
	}
	a->out->fate = EVENT_IN_TIMELINE;
	a->out->verdict = verdict_allow();
	room_builder_fini(&s->builder);
	return err;
}

/* @param policy  in: whether the policy server was asked; out: which one has to be */
static enum err accept_once(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_arrival *arrival, struct asked_policy *policy, struct room_outcome *out)
{
	struct submission s;
	submission_init(&s, ctx, hs, room, arrival, out);
	s.acceptance.was_refused = policy->was_asked;
	enum err err = submission_begin(&s);
	policy->server = s.acceptance.policy;
	TRY(err);
	return submission_end(&s);
}

static enum err accept_settled(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_arrival *arrival, struct asked_policy *policy, struct room_outcome *out)
{
	enum err err = ERR_CONFLICT;
	struct room_tries tries = {0};
	out->is_outdated = false;
	while (err == ERR_CONFLICT && !out->is_outdated && room_may_try(ctx, hs, &tries)) {
		err = accept_once(ctx, hs, room, arrival, policy, out);
		if (err == ERR_CONFLICT && !out->is_outdated) {
			TRY(room_delayed_is_gone(ctx, hs, arrival->intent, &out->is_outdated));
		}
	}
	return err == ERR_CONFLICT && !out->is_outdated
		? fail(ctx, ERR_TIMEOUT, M_UNKNOWN, "The room is busy; try again")
		: err;
}

/* Nobody has the turn meanwhile. An event of others that gets no signature is judged without it. */
static enum err ask_policy(struct ctx *ctx, struct homeserver *hs,
	const struct policy_server *server, struct room_arrival *arrival)
{
	enum err err = room_policy_ask(ctx, hs, server, arrival->event, &arrival->event);
	bool is_final = err == ERR_DENIED || err == ERR_INPUT || err == ERR_MISSING;
	bool is_judged = is_final || (err_is_unanswered(err) && !arrival->comes_again);
	if (err == ERR_OK || arrival->intent != NULL || !is_judged) {
		return err;
	}
	ctx->fault = (struct fault){0};
	return ERR_OK;
}

enum err room_accept(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_arrival *arrival, struct room_outcome *out)
{
	struct room_arrival current = *arrival;
	struct asked_policy policy = {0};
	/* What rests on members has waited for them before it was built. */
	if (arrival->intent == NULL) {
		TRY(room_await_whole(ctx, hs, room));
	}
	enum err err = accept_settled(ctx, hs, room, &current, &policy, out);
	if (err != ERR_MISSING || policy.server.via.s.p == NULL) {
		return err;
	}
	TRY(ctx_may_ask(ctx));
	TRY(ask_policy(ctx, hs, &policy.server, &current));
	policy.was_asked = true;
	return accept_settled(ctx, hs, room, &current, &policy, out);
}

enum err room_accept_ours(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_arrival *arrival, struct room_outcome *out)
{
	enum err err = room_accept(ctx, hs, room, arrival, out);
	if (err == ERR_MISSING && out->missing_prev_count + out->missing_auth_count > 0) {
		return ERR_CONFLICT;
	}
	TRY(err);
	return out->was_known ? ERR_CONFLICT : ERR_OK;
}

/* --- a run of events ----------------------------------------------------------------------------------------------- */

struct run {
	struct ctx *ctx;
	struct homeserver *hs;
	struct room *room;
	const struct event *const *events;
	struct room_outcome *out;
	struct map absent;
	struct submission **submissions; /* of events from `done` on: not waited for yet */
	size_t done;
	size_t begun;
};

/* What neither memory nor the database has of all that the events are and name. Should it come meanwhile, the commit fails. */
static enum err find_absent(struct run *run, size_t count)
{
	struct arena *arena = run->ctx->arena;
	VEC(struct event_id) ids = {0};
	for (size_t i = 0; i < count; i++) {
		const struct event *event = run->events[i];
		VEC_PUSH(arena, &ids, event->event_id);
		for (size_t k = 0; k < event->auth_count; k++) {
			VEC_PUSH(arena, &ids, event->auth_events[k]);
		}
		for (size_t k = 0; k < event->prev_count; k++) {
			VEC_PUSH(arena, &ids, event->prev_events[k]);
		}
	}
	struct known_event *known = ARENA_NEW_ARRAY(arena, struct known_event, ids.n);
	TRY(room_known_events(run->ctx, run->hs, run->room, ids.p, ids.n, known));
	for (size_t i = 0; i < ids.n; i++) {
		if (known[i].event == NULL && !known[i].is_elsewhere) {
			(void)map_set(&run->absent, ids.p[i].s, run);
		}
	}
	return ERR_OK;
}

static enum err accept_alone(struct run *run, size_t i)
{
	const struct room_arrival arrival = {.event = run->events[i], .comes_again = true};
	return room_accept(run->ctx, run->hs, run->room, &arrival, &run->out[i]);
}

/* Waits for all that was begun. What failed because of what was before it is done again, in order. */
static enum err settle_run(struct run *run)
{
	enum err *ends = ARENA_NEW_ARRAY(run->ctx->arena, enum err, run->begun);
	for (size_t i = run->done; i < run->begun; i++) {
		ends[i] = submission_end(run->submissions[i]);
	}
	size_t begun = run->begun;
	run->begun = run->done;
	for (size_t i = run->done; i < begun; i++) {
		TRY(ends[i] == ERR_CONFLICT ? accept_alone(run, i) : ends[i]);
		run->begun = run->done = i + 1;
	}
	return ERR_OK;
}

/* Whether an event is about another: then it can only be understood once that one is there. */
static bool is_about(const struct event *event, const struct event *other)
{
	struct relation relation;
	return str_equals(event->event_id.s, other->event_id.s) ||
		str_equals(event->redacts, other->event_id.s) ||
		(relation_read(event->content, &relation) &&
			str_equals(relation.event_id, other->event_id.s));
}

static bool is_about_pending(const struct run *run, const struct event *event)
{
	for (size_t i = run->done; i < run->begun; i++) {
		if (is_about(event, run->events[i])) {
			return true;
		}
	}
	return false;
}

/* The next event, without waiting if it is an ordinary one. */
static enum err run_next(struct run *run)
{
	size_t i = run->begun;
	struct room_arrival *arrival = ARENA_NEW(run->ctx->arena, struct room_arrival);
	struct submission *s = ARENA_NEW(run->ctx->arena, struct submission);
	*arrival = (struct room_arrival){.event = run->events[i], .comes_again = true};
	if (is_about_pending(run, run->events[i])) {
		TRY(settle_run(run));
	}
	submission_init(s, run->ctx, run->hs, run->room, arrival, &run->out[i]);
	s->acceptance.absent = &run->absent;
	enum err err = submission_begin(s);
	if (err == ERR_OK) {
		run->submissions[i] = s;
		run->begun++;
		return s->write == NULL || !s->keeps_turn ? ERR_OK : settle_run(run);
	}
	if (err != ERR_CONFLICT && err != ERR_MISSING) {
		enum err before = settle_run(run);
		return before != ERR_OK ? before : err;
	}
	/* It may be on its way what it needs. */
	TRY(settle_run(run));
	TRY(accept_alone(run, i));
	run->begun++;
	run->done++;
	return ERR_OK;
}

static void run_fini(struct run *run)
{
	map_fini(&run->absent);
}

enum err room_accept_run(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event *const *events, size_t count, struct room_outcome *out, size_t *out_done)
{
	struct run run CLEANUP(run_fini) = {
		.ctx = ctx,
		.hs = hs,
		.room = room,
		.events = events,
		.out = out,
		.submissions = ARENA_NEW_ARRAY(ctx->arena, struct submission *, count),
	};
	*out_done = 0;
	TRY(room_await_whole(ctx, hs, room));
	enum err err = find_absent(&run, count);
	while (err == ERR_OK && run.begun < count) {
		err = run_next(&run);
	}
	enum err settled = settle_run(&run);
	*out_done = run.done;
	return settled != ERR_OK ? settled : err;
}
