/*
 * Working off a queue. A batch is read, done in order, and deleted; what fails is put off by itself, so that it does not keep back what
 * came after it (which then finds out what it needs by its own prev_events).
 *
 * A fast thread stops where it would have to wait for another server: the queue goes on with a slow one from there. A signature
 * that seems wrong is one of these cases, for the key may only not be known yet.
 */
#include "federation/inbox_inner.h"

#include "base/log.h"
#include "base/metrics.h"
#include "federation/edu_in.h"
#include "federation/handshake_rooms.h"
#include "federation/join_rest.h"
#include "federation/missing.h"
#include "federation/outside_in.h"
#include "federation/pdu_check.h"
#include "homeserver/room/room_guest.h"
#include "storage/consumer.h"
#include "storage/inbox.h"

enum {
	FAST_KEYS_MS = 100, /* for keys that are at hand */
	SLOW_KEYS_MS = 30 * 1000,
	ITEM_LIMIT_MS = 30 * 1000,
	RUN_LIMIT_MS = 60 * 1000, /* of all events of a batch that need nobody */
	POLICY_ATTEMPTS =
		2, /* then an event is judged without the policy server that cannot be asked */
};

/* How long an item waits after each failed attempt; after the last it is dropped. */
static const int64_t pauses_ms[] = {2000, 20000, 120000, 900000, INBOX_LONGEST_PAUSE_MS};

enum {
	ATTEMPTS = COUNT_OF(pauses_ms),
	/* Who brought an event is not to blame for the server whose key is missing: a day, once an hour in the end. */
	ATTEMPTS_FOR_KEYS = ATTEMPTS + 22,
};

static struct metric accepted_total =
	METRIC_COUNTER("belfry_inbox_events_total", "Events of other servers that were taken in");
static struct metric dropped_total = METRIC_COUNTER("belfry_inbox_dropped_total",
	"PDUs and EDUs of other servers that were dropped");

/* One visit to a queue. */
struct visit {
	struct ctx *ctx;
	struct inbox *inbox;
	struct str queue;
	enum inbox_lane lane;
	struct inbox_item *items;
	size_t count;
	int64_t *done; /* numbers of items that are dealt with */
	size_t done_n;
	size_t put_off_n;
	bool
		is_thrown_out; /* members of the room are not known, and others say that we are not in it */
};

static void set_limit(struct visit *visit, int64_t limit_ms)
{
	const struct homeserver *hs = visit->inbox->federation->hs;
	visit->ctx->deadline_ms = clock_mono_ms(&hs->clock) + limit_ms;
}

static void note_done(struct visit *visit, size_t i)
{
	visit->done[visit->done_n++] = visit->items[i].nid;
}

/* --- failures -------------------------------------------------------------------------------------------------- */

static void drop(struct visit *visit, size_t i, const char *why)
{
	const struct inbox_item *item = &visit->items[i];
	metric_add(&dropped_total, 1);
	log_info(0, "inbox.dropped", "origin=%.*s queue=%.*s event=%.*s attempts=%lld why=\"%s\"",
		STR_ARG(item->origin), STR_ARG(visit->queue), STR_ARG(item->event_id),
		(long long)item->attempts, why);
	note_done(visit, i);
}

static void drop_all(struct visit *visit, const char *why)
{
	visit->ctx->fault = (struct fault){0};
	for (size_t i = 0; i < visit->count; i++) {
		drop(visit, i, why);
	}
}

/* Whether nothing can be done at all, whatever the item. */
static bool is_general(enum err err)
{
	return err == ERR_STORE || err == ERR_SHUTDOWN;
}

/* The item failed by itself: later, or never. */
static enum err put_off_until(struct visit *visit, size_t i, int64_t attempts, const char *why)
{
	struct homeserver *hs = visit->inbox->federation->hs;
	const struct inbox_item *item = &visit->items[i];
	if (item->attempts >= attempts) {
		drop(visit, i, why);
		return ERR_OK;
	}
	log_debug(0, "inbox.put_off", "queue=%.*s event=%.*s why=\"%s\" cause=%.*s",
		STR_ARG(visit->queue), STR_ARG(item->event_id), why, STR_ARG(visit->ctx->fault.cause));
	visit->put_off_n++;
	set_limit(visit, ITEM_LIMIT_MS);
	int64_t pause_ms = pauses_ms[MIN_OF(item->attempts, (int64_t)ATTEMPTS - 1)];
	return store_inbox_defer(visit->ctx, hs->db, item, clock_wall_ms(&hs->clock) + pause_ms);
}

static enum err put_off(struct visit *visit, size_t i, enum err why)
{
	return put_off_until(visit, i, ATTEMPTS, err_name(why));
}

/* One that is no event, or not signed; or of which that cannot be told yet. */
static enum err turn_away(struct visit *visit, size_t i, const struct pdu *pdu)
{
	if (pdu->is_undecided) {
		return put_off_until(visit, i, ATTEMPTS_FOR_KEYS, pdu->error);
	}
	drop(visit, i, pdu->error);
	return ERR_OK;
}

/* --- PDUs -------------------------------------------------------------------------------------------------------- */

static void read_pdus(struct visit *visit, const struct pdu_room *room, struct pdu *pdus)
{
	struct arena *arena = visit->ctx->arena;
	for (size_t i = 0; i < visit->count; i++) {
		struct json *json = ARENA_NEW(arena, struct json);
		enum json_error error = json_parse(arena, visit->items[i].body, NULL, json, NULL);
		invariant(error == JSON_OK); /* it was an event when it was staged */
		pdu_read(arena, room, json, &pdus[i]);
	}
}

static bool any_dropped(const struct pdu *pdus, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (pdus[i].event == NULL) {
			return true;
		}
	}
	return false;
}

static void note_outcome(struct visit *visit, size_t i, const struct room_outcome *outcome)
{
	note_done(visit, i);
	metric_add(&accepted_total, 1);
	if (outcome->fate == EVENT_REJECTED || outcome->fate == EVENT_SOFT_FAILED) {
		log_info(0,
			outcome->fate == EVENT_REJECTED ? "inbox.event_rejected" : "inbox.event_soft_failed",
			"event=%.*s rule=%s", STR_ARG(visit->items[i].event_id),
			outcome->verdict.rule != NULL ? outcome->verdict.rule : "");
	}
}

/* Events from one on, until one cannot be taken in: its error, and the number of those that are done. */
static enum err take_run(struct visit *visit, struct room *room, const struct pdu *pdus,
	size_t from, size_t *out_done)
{
	const struct event **events =
		ARENA_NEW_ARRAY(visit->ctx->arena, const struct event *, visit->count);
	struct room_outcome *outcomes =
		ARENA_NEW_ARRAY(visit->ctx->arena, struct room_outcome, visit->count);
	size_t n = 0;
	while (from + n < visit->count && pdus[from + n].event != NULL) {
		events[n] = pdus[from + n].event;
		n++;
	}
	set_limit(visit, RUN_LIMIT_MS);
	visit->ctx->may_not_ask = visit->lane == INBOX_FAST;
	enum err err = room_accept_run(visit->ctx, visit->inbox->federation->hs, room, events, n,
		outcomes, out_done);
	visit->ctx->may_not_ask = false;
	for (size_t i = 0; i < *out_done; i++) {
		note_outcome(visit, from + i, &outcomes[i]);
	}
	return err;
}

/* One event that stands on what is not here. Errors: DEFER where another server may not be asked */
static enum err take_with_missing(struct visit *visit, struct room *room, size_t i,
	const struct event *event)
{
	struct room_outcome outcome = {0};
	const struct missing_case missing = {
		.room = room,
		.origin = {visit->items[i].origin},
		.event = event,
		.is_last = visit->items[i].attempts >= ATTEMPTS,
	};
	if (visit->lane == INBOX_FAST) {
		return ERR_DEFER;
	}
	set_limit(visit, MISSING_LIMIT_MS);
	TRY(missing_accept(visit->ctx, visit->inbox->federation, &missing, &outcome));
	note_outcome(visit, i, &outcome);
	return ERR_OK;
}

/* One event that has come again often enough for the policy server of its room. */
static enum err take_without_policy(struct visit *visit, struct room *room, size_t i,
	const struct event *event)
{
	struct room_outcome outcome = {0};
	set_limit(visit, ITEM_LIMIT_MS);
	TRY(room_accept(visit->ctx, visit->inbox->federation->hs, room,
		&(struct room_arrival){.event = event}, &outcome));
	note_outcome(visit, i, &outcome);
	return ERR_OK;
}

/* In order, until one has to wait (fast), or one has waited (slow). */
static enum err take_all_in(struct visit *visit, struct room *room, const struct pdu *pdus)
{
	size_t i = 0;
	bool has_waited = false;
	while (i < visit->count && !has_waited) {
		if (pdus[i].event == NULL) {
			TRY(turn_away(visit, i, &pdus[i]));
			i++;
			continue;
		}
		size_t done;
		enum err err = take_run(visit, room, pdus, i, &done);
		i += done;
		if (err == ERR_OK) {
			continue;
		}
		if (err == ERR_MISSING) {
			err = take_with_missing(visit, room, i, pdus[i].event);
			has_waited = true;
		} else if (visit->lane == INBOX_SLOW && err_is_unanswered(err)) {
			has_waited = true; /* for the room's policy server, it may be */
			if (visit->items[i].attempts >= POLICY_ATTEMPTS) {
				err = take_without_policy(visit, room, i, pdus[i].event);
			}
		}
		if (err == ERR_DEFER || is_general(err)) {
			return err;
		}
		if (err != ERR_OK) {
			TRY(put_off(visit, i, err));
		}
		i++;
	}
	return ERR_OK;
}

static bool tells_guest_access(const struct pdu *pdus, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct event *event = pdus[i].event;
		if (event != NULL && event->is_state && event->state_key.n == 0 &&
			str_equals(event->type, STR("m.room.guest_access"))) {
			return true;
		}
	}
	return false;
}

/*
 * Whether by an event of these, by one that was missing before them, or by resolution: where guests were let in and are no more, ours leave.
 * That is before the events count as done, so it is done again if the server ends in between.
 */
static enum err take_in_and_follow(struct visit *visit, struct room *room, const struct pdu *pdus)
{
	struct homeserver *hs = visit->inbox->federation->hs;
	int64_t before;
	int64_t after;
	TRY(room_guests_position(visit->ctx, hs, room, &before));
	enum err taken = take_all_in(visit, room, pdus);
	TRY(room_guests_position(visit->ctx, hs, room, &after));
	if (before == after && !tells_guest_access(pdus, visit->count)) {
		return taken;
	}
	set_limit(visit, ITEM_LIMIT_MS);
	enum err err = room_guests_follow(visit->ctx, hs, room);
	bool is_done = err == ERR_OK || err == ERR_DENIED; /* they are out of it already */
	visit->ctx->fault = (struct fault){0};
	return taken != ERR_OK || is_done ? taken : err;
}

/* Of a partial room only the end of our join is taken in. That it came is done with; what else came waits. */
static enum err end_join(struct visit *visit, struct room *room, const struct pdu *pdus)
{
	struct federation *federation = visit->inbox->federation;
	for (size_t i = 0; i < visit->count; i++) {
		bool is_end = false;
		if (pdus[i].event != NULL) {
			TRY(outside_in_ends_join(visit->ctx, federation, room, pdus[i].event, &is_end));
		}
		if (is_end) {
			TRY(outside_in_take(visit->ctx, federation, pdus[i].event));
			note_done(visit, i);
			return ERR_OK;
		}
	}
	return ERR_OK;
}

/* This server is not in the room (any more): only who is invited or knocks there still hears of it. */
static enum err tell_outsiders(struct visit *visit, struct room *room, const struct pdu *pdus)
{
	struct federation *federation = visit->inbox->federation;
	for (size_t i = 0; i < visit->count; i++) {
		bool concerns_us = false;
		if (pdus[i].event == NULL) {
			TRY(turn_away(visit, i, &pdus[i]));
			continue;
		}
		enum err err =
			outside_in_concerns(visit->ctx, federation, room, pdus[i].event, &concerns_us);
		if (err == ERR_OK && concerns_us) {
			err = outside_in_take(visit->ctx, federation, pdus[i].event);
		}
		if (is_general(err)) {
			return err;
		}
		if (err != ERR_OK) {
			TRY(put_off(visit, i, err));
		} else if (concerns_us) {
			note_done(visit, i);
		} else {
			drop(visit, i, "this server is not in the room any more");
		}
	}
	return ERR_OK;
}

/*
 * What came before this server was in the room was staged without a look at the room's access list. And what had to wait is judged by the list of
 * now, although it was let in when it came. The specification asks for the look when a request is made, and Synapse has no other; but there nothing
 * waits for long. Here it may be a day, for a key: a server that is shut out would go on to be heard for as long. Nothing is lost by it that the room
 * stands on: what others build on comes as their predecessor, by way of a server that is let in.
 * Spec: server-server API, "Server Access Control Lists (ACLs)"
 */
static enum err shut_out(struct visit *visit, struct room *room, struct pdu *pdus)
{
	for (size_t i = 0; i < visit->count; i++) {
		bool is_let_in = true;
		if (pdus[i].event != NULL) {
			TRY(pdu_is_let_in(visit->ctx, visit->inbox->federation, room,
				(struct server_name){visit->items[i].origin}, pdus[i].event, &is_let_in));
		}
		if (!is_let_in) {
			pdus[i].event = NULL;
			pdus[i].error = "the room's access list shuts the server out";
		}
	}
	return ERR_OK;
}

static enum err work_off_room(struct visit *visit)
{
	struct federation *federation = visit->inbox->federation;
	struct room *room;
	enum err err = rooms_get(visit->ctx, federation->hs, visit->queue, &room);
	if (err == ERR_MISSING) {
		drop_all(visit, "this server does not know the room any more");
		return ERR_OK;
	}
	TRY(err);
	struct pdu *pdus = ARENA_NEW_ARRAY(visit->ctx->arena, struct pdu, visit->count);
	read_pdus(visit,
		&(struct pdu_room){.version = room_version_of(room), .room_id = room_id_of(room)}, pdus);
	set_limit(visit, visit->lane == INBOX_FAST ? FAST_KEYS_MS : SLOW_KEYS_MS);
	err = pdu_check_signatures(visit->ctx, federation, pdus, visit->count);
	bool knows_more = visit->lane == INBOX_SLOW;
	if (err == ERR_TIMEOUT || (err == ERR_OK && !knows_more && any_dropped(pdus, visit->count))) {
		return knows_more ? err : ERR_DEFER;
	}
	TRY(err);
	if (visit->is_thrown_out) {
		return end_join(visit, room, pdus);
	}
	if (!room_is_resident(room)) {
		return tell_outsiders(visit, room, pdus);
	}
	TRY(shut_out(visit, room, pdus));
	err = take_in_and_follow(visit, room, pdus);
	set_limit(visit, ITEM_LIMIT_MS);
	enum err limited = room_aside_limit(visit->ctx, federation->hs, room);
	return err != ERR_OK ? err : limited;
}

/* --- EDUs -------------------------------------------------------------------------------------------------------- */

static enum err do_edu(struct visit *visit, size_t i)
{
	struct arena *arena = visit->ctx->arena;
	struct edu_arrival arrival = {
		.origin = {visit->items[i].origin},
		.may_wait = visit->lane == INBOX_SLOW,
	};
	static const struct json_limits limits = {.max_depth = 1 + EDU_MAX_NESTING};
	struct json *json = ARENA_NEW(arena, struct json);
	if (json_parse(arena, visit->items[i].body, &limits, json, NULL) != JSON_OK) {
		return ERR_OK; /* nested without reason */
	}
	arrival.edu.type = json_get_str(json, STR("edu_type"));
	arrival.edu.content = json_at(json, "content");
	set_limit(visit, visit->lane == INBOX_SLOW ? MISSING_LIMIT_MS : ITEM_LIMIT_MS);
	return edu_in_do(visit->ctx, visit->inbox->federation, &arrival);
}

static enum err work_off_server(struct visit *visit)
{
	for (size_t i = 0; i < visit->count; i++) {
		enum err err = do_edu(visit, i);
		if (err == ERR_DEFER || is_general(err)) {
			return err;
		}
		if (err != ERR_OK) {
			TRY(put_off(visit, i, err));
		} else {
			note_done(visit, i);
		}
	}
	return ERR_OK;
}

/* --- a visit ------------------------------------------------------------------------------------------------------- */

static enum inbox_visit failed(const struct visit *visit, enum err err)
{
	if (err != ERR_SHUTDOWN) {
		log_warn(0, "inbox.failed", "queue=%.*s kind=%s cause=%.*s", STR_ARG(visit->queue),
			err_name(err), STR_ARG(visit->ctx->fault.cause));
	}
	return INBOX_VISIT_FAILED;
}

/*
 * A room of which members are not known takes nothing in: who is in it decides about what came. The rest is fetched first, by a thread
 * that may wait for others.
 */
static enum err make_whole(struct visit *visit, enum join_rest_end *out)
{
	struct federation *federation = visit->inbox->federation;
	struct room *room;
	*out = JOIN_REST_WHOLE;
	enum err err = inbox_is_of_room(visit->queue)
		? rooms_get(visit->ctx, federation->hs, visit->queue, &room)
		: ERR_MISSING;
	if (err != ERR_OK) {
		return err == ERR_MISSING ? ERR_OK : err;
	}
	if (!room_is_partial(room) || !room_is_resident(room)) {
		return ERR_OK; /* nobody tells a server that is not in the room; a join makes it whole */
	}
	return visit->lane == INBOX_SLOW ? join_rest_fetch(visit->ctx, federation, room, out)
									 : ERR_DEFER;
}

/* Nobody of here is in the room yet, but may be at once: what came is looked at then. */
static enum err awaits_handshake(struct visit *visit, bool *out)
{
	struct federation *federation = visit->inbox->federation;
	struct room *room;
	*out = handshake_rooms_version(federation, visit->queue) != NULL;
	enum err err = *out ? rooms_get(visit->ctx, federation->hs, visit->queue, &room) : ERR_MISSING;
	if (err == ERR_OK) {
		*out = !room_is_resident(room);
	}
	return err == ERR_MISSING ? ERR_OK : err;
}

/* A batch. What is done with is deleted, also when another item has failed. */
static enum err work_off(struct visit *visit)
{
	struct homeserver *hs = visit->inbox->federation->hs;
	set_limit(visit, ITEM_LIMIT_MS);
	TRY(store_inbox_next(visit->ctx, hs->db, visit->queue, clock_wall_ms(&hs->clock), INBOX_BATCH,
		&visit->items, &visit->count));
	visit->done = ARENA_NEW_ARRAY(visit->ctx->arena, int64_t, visit->count);
	enum err err = visit->count == 0     ? ERR_OK
		: inbox_is_of_room(visit->queue) ? work_off_room(visit)
										 : work_off_server(visit);
	if (visit->done_n > 0) {
		set_limit(visit, ITEM_LIMIT_MS);
		enum err deleted = store_inbox_done(visit->ctx, hs->db, visit->done, visit->done_n);
		atomic_fetch_sub(&visit->inbox->waiting, (int64_t)visit->done_n);
		err = err == ERR_OK ? deleted : err;
	}
	return err;
}

static enum inbox_visit visit_in_turn(struct ctx *ctx, struct inbox *inbox, struct str queue,
	enum inbox_lane lane)
{
	struct visit visit = {.ctx = ctx, .inbox = inbox, .queue = queue, .lane = lane};
	set_limit(&visit, ITEM_LIMIT_MS);
	enum join_rest_end rest = JOIN_REST_WHOLE;
	bool is_early;
	enum err err = awaits_handshake(&visit, &is_early);
	if (err == ERR_OK && is_early) {
		return INBOX_VISIT_DONE; /* the end of the handshake wakes, which counts during a visit too */
	}
	if (err == ERR_OK) {
		err = make_whole(&visit, &rest);
	}
	if (err == ERR_OK && rest == JOIN_REST_LATER) {
		return INBOX_VISIT_FAILED;
	}
	visit.is_thrown_out = rest == JOIN_REST_REFUSED;
	if (err == ERR_OK) {
		err = work_off(&visit);
	}
	if (err == ERR_DEFER) {
		return INBOX_VISIT_WAITS;
	}
	if (err != ERR_OK) {
		return failed(&visit, err);
	}
	if (visit.is_thrown_out && visit.count > 0 && visit.done_n == 0) {
		return INBOX_VISIT_FAILED;
	}
	bool is_all = visit.done_n + visit.put_off_n == visit.count && visit.count < INBOX_BATCH;
	return is_all ? INBOX_VISIT_DONE : INBOX_VISIT_MORE;
}

/*
 * Others are asked for a room's sake by one process at a time. What came to another one meanwhile is left for this one, which looks once
 * more when it no longer has the lease: who asked for it before then was refused, who asks later gets it.
 */
static enum inbox_visit visit_with_lease(struct ctx *ctx, struct inbox *inbox, struct str queue)
{
	struct visit visit = {.ctx = ctx, .inbox = inbox, .queue = queue, .lane = INBOX_SLOW};
	struct str lease = str_printf(ctx->arena, "inbox %.*s", STR_ARG(queue));
	bool is_ours;
	set_limit(&visit, ITEM_LIMIT_MS);
	if (store_consumer_lease(ctx, inbox->leases, lease, &is_ours) != ERR_OK || !is_ours) {
		return INBOX_VISIT_FAILED;
	}
	enum inbox_visit end = visit_in_turn(ctx, inbox, queue, INBOX_SLOW);
	set_limit(&visit, ITEM_LIMIT_MS);
	if (store_consumer_give(ctx, inbox->leases, lease) != ERR_OK) {
		log_warn(0, "inbox.lease_kept", "room=%.*s cause=%.*s", STR_ARG(queue),
			STR_ARG(ctx->fault.cause));
	}
	return end == INBOX_VISIT_DONE ? INBOX_VISIT_MORE : end;
}

enum inbox_visit inbox_visit(struct ctx *ctx, struct inbox *inbox, struct str queue,
	enum inbox_lane lane)
{
	if (!inbox_is_ours(inbox, queue)) {
		return INBOX_VISIT_DONE;
	}
	return lane == INBOX_SLOW && inbox_is_of_room(queue) ? visit_with_lease(ctx, inbox, queue)
														 : visit_in_turn(ctx, inbox, queue, lane);
}
