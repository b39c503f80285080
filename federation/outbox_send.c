/*
 * From the queues into transactions. A room's access list is for what comes: who is shut out, but still has users in the room, goes on
 * getting its events ("Servers should still send events to denied servers if they are still residents of the room").
 */
#include "federation/outbox_inner.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "federation/fed_client.h"
#include "homeserver/room/rooms.h"
#include "storage/destination.h"

enum {
	ROUND_LIMIT_MS = 30 * 1000,
	BODY_CEILING_BYTES = 16 << 20,
	ANSWER_CEILING_BYTES = 256 * 1024,
	MISSED_ASKED_MAX = 1000, /* rooms that are looked at for one transaction */
	CHANCE_BYTES = 16,
};

/* A transaction that is being put together. */
struct packing {
	struct ctx *ctx;
	struct outbox *outbox;
	struct flight *flight;
	struct places *places;
	struct missed_room *missed; /* of a catch-up */
	size_t missed_n;
	struct stored_event **events; /* of flight->events; NULL: not to be sent */
	struct outbox_edu_row *edus;
	size_t edu_n;
	struct edu_note **notes; /* a reference each */
	size_t note_n;
};

static struct server_name name_of(const struct flight *flight)
{
	return (struct server_name){flight->destination->server};
}

/* --- which destinations ------------------------------------------------------------------------------------ */

static bool is_due_locked(const struct outbox *outbox, const struct destination *destination,
	int64_t now_ms)
{
	return destination->flight == NULL && outbox_has_work_locked(destination) &&
		outbox_pause_left_ms(outbox, destination, now_ms) == 0;
}

/* Those that are due, in the order in which they get places, and which places are taken. */
static size_t find_due(struct outbox *outbox, struct arena *arena, struct destination ***out,
	struct places *out_places)
{
	int64_t now_mono_ms = clock_mono_ms(&outbox->hs->clock);
	VEC(struct destination *) due = {0};
	int64_t now_ms = clock_wall_ms(&outbox->hs->clock);
	size_t i = 0;
	struct str server;
	void *value;
	*out_places = (struct places){0};
	LOCK_SCOPE(&outbox->lock);
	while (outbox->is_loaded && map_next(&outbox->destinations, &i, &server, &value)) {
		const struct destination *destination = value;
		if (destination->flight != NULL) {
			outbox_place_count(out_places, destination->flight, now_mono_ms);
		}
		if (is_due_locked(outbox, value, now_ms)) {
			VEC_PUSH(arena, &due, (struct destination *)value);
		}
	}
	if (due.n > 1) {
		qsort(due.p, due.n, sizeof(*due.p), outbox_compare_due);
	}
	*out = due.p;
	return due.n;
}

/* Takes off: what is in the queue is the flight's now. NULL when there is no place for it. */
static struct flight *take_off(struct outbox *outbox, struct destination *destination,
	struct packing *packing)
{
	struct places *places = packing->places;
	LOCK_SCOPE(&outbox->lock);
	if (!outbox_has_place_locked(outbox, destination, places)) {
		return NULL;
	}
	struct flight *flight = mem_alloc(sizeof(*flight));
	*flight = (struct flight){
		.outbox = outbox,
		.destination = destination,
		.kind = destination->is_open    ? FLIGHT_OPEN
			: destination->missed_n > 0 ? FLIGHT_CATCH_UP
										: FLIGHT_NEWS,
		.begun_mono_ms = clock_mono_ms(&outbox->hs->clock),
		.is_probe = outbox_is_probe(destination),
		.is_guess = outbox_is_guess(destination),
		.is_slow = destination->is_slow,
		.horizon = outbox->dispatched,
	};
	if (flight->kind == FLIGHT_NEWS && destination->queue_n > 0) {
		flight->event_n = MIN_OF(destination->queue_n, (size_t)OUTBOX_PDUS_MAX);
		flight->events = mem_alloc_array(flight->event_n, sizeof(*flight->events));
		memcpy(flight->events, destination->queue, flight->event_n * sizeof(*flight->events));
		destination->queue_n -= flight->event_n;
		memmove(destination->queue, destination->queue + flight->event_n,
			destination->queue_n * sizeof(*destination->queue));
	}
	if (flight->kind == FLIGHT_CATCH_UP) {
		packing->missed_n = MIN_OF(destination->missed_n, (size_t)MISSED_ASKED_MAX);
		packing->missed =
			ARENA_NEW_ARRAY(packing->ctx->arena, struct missed_room, packing->missed_n);
		memcpy(packing->missed, destination->missed, packing->missed_n * sizeof(*packing->missed));
	}
	packing->edu_n = destination->has_edus ? 1 : 0;
	destination->tried_at_ms = clock_wall_ms(&outbox->hs->clock);
	destination->flight = flight;
	outbox->flying++;
	outbox_place_count(places, flight, flight->begun_mono_ms);
	return flight;
}

void outbox_flight_release_locked(struct flight *flight)
{
	flight->destination->flight = NULL;
	flight->outbox->flying--;
	flight->outbox->flying_bytes -= flight->body_bytes;
	outbox_flight_free(flight);
}

/* --- what goes along ------------------------------------------------------------------------------------------ */

static enum err pack_open(struct packing *packing)
{
	struct flight *flight = packing->flight;
	struct transaction_parts open;
	TRY(store_destination_open(packing->ctx, packing->outbox->hs->db, name_of(flight).s, &open));
	flight->event_n = open.event_n;
	flight->events = mem_alloc_array(open.event_n + 1, sizeof(*flight->events));
	for (size_t i = 0; i < open.event_n; i++) {
		flight->events[i] = (struct queued_event){open.room_nids[i], open.positions[i]};
	}
	packing->edu_n = 0;
	if (open.edu_n > 0) {
		TRY(store_outbox_edus_by_id(packing->ctx, packing->outbox->hs->db, name_of(flight).s,
			open.edu_ids, open.edu_n, &packing->edus, &packing->edu_n));
	}
	flight->has_more_edus = true; /* as far as this flight can tell */
	return ERR_OK;
}

static enum err pack_missed(struct packing *packing)
{
	struct ctx *ctx = packing->ctx;
	struct flight *flight = packing->flight;
	size_t n = packing->missed_n;
	int64_t *rooms = ARENA_NEW_ARRAY(ctx->arena, int64_t, n);
	int64_t *from = ARENA_NEW_ARRAY(ctx->arena, int64_t, n);
	for (size_t i = 0; i < n; i++) {
		rooms[i] = packing->missed[i].room_nid;
		from[i] = packing->missed[i].from_position;
	}
	struct missed_event *events;
	size_t count;
	struct catch_up choice;
	TRY(store_outbox_newest(ctx, packing->outbox->hs->db, packing->outbox->hs->signer.server.s,
		&(struct missed_ask){name_of(flight).s, rooms, from, n, outbox_newest_of_room(n)}, &events,
		&count));
	outbox_catch_up(ctx->arena, rooms, n, events, count, &choice);
	flight->event_n = choice.event_n;
	flight->events = mem_alloc_array(choice.event_n + 1, sizeof(*flight->events));
	for (size_t i = 0; i < choice.event_n; i++) {
		flight->events[i] =
			(struct queued_event){choice.events[i].room_nid, choice.events[i].position};
	}
	flight->room_n = choice.room_n;
	flight->rooms = mem_dup((const char *)choice.rooms, choice.room_n * sizeof(*choice.rooms));
	return ERR_OK;
}

static enum err pack_stored(struct packing *packing)
{
	struct outbox_edu_row *rows;
	size_t count;
	TRY(store_outbox_edus_next(packing->ctx, packing->outbox->hs->db, name_of(packing->flight).s,
		OUTBOX_EDUS_MAX, &rows, &count));
	size_t *sizes = ARENA_NEW_ARRAY(packing->ctx->arena, size_t, count);
	for (size_t i = 0; i < count; i++) {
		sizes[i] = rows[i].content.n;
	}
	packing->edus = rows;
	packing->edu_n = outbox_edus_that_fit(sizes, count, 0);
	packing->flight->has_more_edus = packing->edu_n < count || count == OUTBOX_EDUS_MAX;
	return ERR_OK;
}

static void pack_notes(struct packing *packing)
{
	struct outbox *outbox = packing->outbox;
	struct destination *destination = packing->flight->destination;
	LOCK_SCOPE(&outbox->lock);
	size_t fit = packing->edu_n < OUTBOX_EDUS_MAX
		? edu_notes_that_fit(destination->notes, destination->note_n,
			  OUTBOX_EDUS_MAX - packing->edu_n)
		: 0;
	packing->note_n = fit;
	packing->notes = ARENA_NEW_ARRAY(packing->ctx->arena, struct edu_note *, fit);
	for (size_t i = 0; i < fit; i++) {
		packing->notes[i] = destination->notes[i];
	}
	destination->note_n -= fit;
	if (destination->note_n > 0) {
		memmove(destination->notes, destination->notes + fit,
			destination->note_n * sizeof(struct edu_note *));
	} else {
		mem_free(destination->notes);
		destination->notes = NULL;
	}
}

/* --- events ------------------------------------------------------------------------------------------------------ */

/* Loads those of one room. */
static enum err load_room(struct packing *packing, int64_t nid)
{
	struct ctx *ctx = packing->ctx;
	struct homeserver *hs = packing->outbox->hs;
	const struct flight *flight = packing->flight;
	struct room *room;
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, flight->event_n);
	size_t *places = ARENA_NEW_ARRAY(ctx->arena, size_t, flight->event_n);
	struct stored_event **events;
	size_t n = 0;
	for (size_t i = 0; i < flight->event_n; i++) {
		if (flight->events[i].room_nid == nid) {
			places[n] = i;
			positions[n++] = flight->events[i].position;
		}
	}
	TRY(rooms_get_nid(ctx, hs, nid, &room));
	TRY(room_events_at(ctx, hs, room, positions, n, &events));
	for (size_t i = 0; i < n; i++) {
		packing->events[places[i]] = events[i];
	}
	return ERR_OK;
}

static bool is_first_of_room(const struct flight *flight, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (flight->events[i].room_nid == flight->events[index].room_nid) {
			return false;
		}
	}
	return true;
}

static enum err load_events(struct packing *packing)
{
	const struct flight *flight = packing->flight;
	packing->events = ARENA_NEW_ARRAY(packing->ctx->arena, struct stored_event *, flight->event_n);
	for (size_t i = 0; i < flight->event_n; i++) {
		if (!is_first_of_room(flight, i)) {
			continue;
		}
		enum err err = load_room(packing, flight->events[i].room_nid);
		if (err != ERR_OK && err != ERR_MISSING) {
			return err;
		}
	}
	return ERR_OK;
}

/* --- the body ------------------------------------------------------------------------------------------------------ */

static size_t write_pdus(const struct packing *packing, struct json_out *out)
{
	size_t n = 0;
	json_out_key_array(out, "pdus");
	for (size_t i = 0; i < packing->flight->event_n; i++) {
		if (packing->events[i] != NULL) {
			json_out_raw(out, packing->events[i]->event->raw);
			n++;
		}
	}
	json_out_end(out);
	return n;
}

static enum err write_edus(struct packing *packing, struct json_out *out, size_t *out_n)
{
	json_out_key_array(out, "edus");
	*out_n = edu_notes_write(packing->ctx->arena, out, packing->notes, packing->note_n);
	for (size_t i = 0; i < packing->edu_n; i++) {
		bool written;
		TRY(outbox_write_stored(packing->ctx, packing->outbox->hs, &packing->edus[i], out,
			&written));
		*out_n += written ? 1 : 0;
	}
	json_out_end(out);
	return ERR_OK;
}

/* What identifies it; of notes alone, chance. */
static struct str transaction_id(const struct packing *packing)
{
	struct arena *arena = packing->ctx->arena;
	const struct flight *flight = packing->flight;
	struct event_id *ids = ARENA_NEW_ARRAY(arena, struct event_id, flight->event_n);
	size_t n = 0;
	for (size_t i = 0; i < flight->event_n; i++) {
		if (packing->events[i] != NULL) {
			ids[n++] = packing->events[i]->event->event_id;
		}
	}
	return n + flight->edu_n > 0
		? outbox_transaction_id(arena, name_of(flight), ids, n, flight->edu_ids, flight->edu_n)
		: rng_text(&packing->outbox->hs->rng, arena, CHANCE_BYTES);
}

static void hold_memory(const struct packing *packing, size_t bytes)
{
	struct outbox *outbox = packing->outbox;
	LOCK_SCOPE(&outbox->lock);
	packing->flight->body_bytes = bytes;
	outbox->flying_bytes += bytes;
	packing->places->slow_bytes += packing->flight->is_slow ? bytes : 0;
}

static enum err send_packed(struct packing *packing)
{
	static const struct json_limits limits = {
		.max_depth = 2000}; /* events are no deeper than that */
	struct homeserver *hs = packing->outbox->hs;
	struct flight *flight = packing->flight;
	struct buf buf CLEANUP(buf_fini);
	struct json_out out;
	struct json body;
	size_t edu_n;
	buf_init(&buf, BODY_CEILING_BYTES);
	json_out_init(&out, &buf);
	json_out_object(&out);
	TRY(write_edus(packing, &out, &edu_n));
	json_out_key_str(&out, "origin", hs->signer.server.s);
	json_out_key_int(&out, "origin_server_ts", clock_wall_ms(&hs->clock));
	size_t pdu_n = write_pdus(packing, &out);
	json_out_end(&out);
	if (pdu_n + edu_n == 0) {
		outbox_flight_finished(flight, &(struct fed_end){.err = ERR_OK});
		return ERR_OK;
	}
	if (!buf_ok(&buf) ||
		json_parse(packing->ctx->arena, buf_str(&buf), &limits, &body, NULL) != JSON_OK) {
		return fail_cause(packing->ctx, ERR_INTERNAL, "a transaction could not be written");
	}
	hold_memory(packing, buf.n);
	fed_start(packing->outbox->federation,
		&(struct fed_request){
			.server = name_of(flight),
			.method = "PUT",
			.target = str_printf(packing->ctx->arena, "/_matrix/federation/v1/send/%.*s",
				STR_ARG(transaction_id(packing))),
			.body = &body,
			.answer_ceiling_bytes = ANSWER_CEILING_BYTES,
			.timeout_ms = hs->settings.federation.transaction_timeout_ms,
			.ignores_backoff = true,
		},
		outbox_flight_finished, flight);
	return ERR_OK;
}

static enum err pack(struct packing *packing)
{
	struct flight *flight = packing->flight;
	bool has_edus = packing->edu_n > 0;
	packing->edu_n = 0;
	if (flight->kind == FLIGHT_OPEN) {
		TRY(pack_open(packing));
	} else {
		if (flight->kind == FLIGHT_CATCH_UP) {
			TRY(pack_missed(packing));
		}
		if (has_edus) {
			TRY(pack_stored(packing));
		}
	}
	TRY(load_events(packing));
	flight->edu_n = packing->edu_n;
	flight->edu_ids = mem_alloc_array(packing->edu_n + 1, sizeof(*flight->edu_ids));
	for (size_t i = 0; i < packing->edu_n; i++) {
		flight->edu_ids[i] = packing->edus[i].edu_id;
	}
	if (flight->kind == FLIGHT_NEWS) {
		pack_notes(packing);
	}
	return send_packed(packing);
}

/* What could not be packed goes back. */
void outbox_flight_turn_back(struct flight *flight)
{
	struct outbox *outbox = flight->outbox;
	LOCK_SCOPE(&outbox->lock);
	if (flight->kind == FLIGHT_NEWS) {
		outbox_put_back_locked(flight->destination, flight->events, flight->event_n);
	}
	outbox_flight_release_locked(flight);
}

static enum err launch_one(struct ctx *ctx, struct outbox *outbox, struct destination *destination,
	struct places *places)
{
	struct packing packing = {.ctx = ctx, .outbox = outbox, .places = places};
	packing.flight = take_off(outbox, destination, &packing);
	if (packing.flight == NULL) {
		return ERR_OK;
	}
	enum err err = pack(&packing);
	for (size_t i = 0; i < packing.note_n; i++) {
		edu_note_unref(packing.notes[i]);
	}
	if (err != ERR_OK && err_is_transient(err)) {
		outbox_flight_turn_back(packing.flight);
		return err;
	}
	if (err != ERR_OK) {
		log_error(0, "outbox.not_written", "server=%.*s cause=%.*s",
			STR_ARG(packing.flight->destination->server), STR_ARG(ctx->fault.cause));
		outbox_flight_finished(packing.flight,
			&(struct fed_end){.err = err, .cause = ctx->fault.cause});
	}
	return ERR_OK;
}

enum err outbox_launch(struct outbox *outbox)
{
	struct arena *list CLEANUP(arena_cleanup) = arena_create();
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct destination **due;
	struct places places;
	size_t count = find_due(outbox, list, &due, &places);
	for (size_t i = 0; i < count; i++) {
		struct ctx ctx;
		ctx_init(&ctx, arena);
		ctx.deadline_ms = clock_mono_ms(&outbox->hs->clock) + ROUND_LIMIT_MS;
		enum err err = launch_one(&ctx, outbox, due[i], &places);
		if (err != ERR_OK) {
			log_warn(0, "outbox.not_launched", "cause=%.*s",
				STR_ARG(ctx.fault.cause.n > 0 ? ctx.fault.cause : ctx.fault.text));
			return err;
		}
		arena_reset(arena);
	}
	return ERR_OK;
}
