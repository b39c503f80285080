/*
 * What waits for destinations, in memory. A room that a destination has missed stays missed, whatever comes in it, until it was sent up to
 * its newest event; so a destination that is away costs an entry for each room, however much is said there.
 */
#include "federation/outbox_inner.h"

#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"

static struct metric notes_dropped = METRIC_COUNTER("belfry_outbox_edus_dropped_total",
	"EDUs of the moment that a destination did not get");

struct destination *outbox_destination_locked(struct outbox *outbox, struct str server)
{
	struct destination *destination = map_get(&outbox->destinations, server);
	if (destination == NULL) {
		destination = mem_alloc(sizeof(*destination));
		destination->server = str_heap(server);
		(void)map_set(&outbox->destinations, server, destination);
	}
	return destination;
}

static void *grow(void *list, size_t n, size_t *capacity, size_t element_bytes)
{
	if (n < *capacity) {
		return list;
	}
	*capacity = *capacity == 0 ? 4 : *capacity * 2;
	return mem_realloc(list, *capacity * element_bytes);
}

/* --- events ------------------------------------------------------------------------------------------------ */

static struct missed_room *find_missed(const struct destination *destination, int64_t room_nid)
{
	for (size_t i = 0; i < destination->missed_n; i++) {
		if (destination->missed[i].room_nid == room_nid) {
			return &destination->missed[i];
		}
	}
	return NULL;
}

void outbox_add_missed_locked(struct destination *destination, struct missed_room room)
{
	struct missed_room *known = find_missed(destination, room.room_nid);
	if (known == NULL) {
		destination->missed = grow(destination->missed, destination->missed_n,
			&destination->missed_capacity, sizeof(*destination->missed));
		destination->missed[destination->missed_n++] = room;
		return;
	}
	known->newest_position = MAX_OF(known->newest_position, room.newest_position);
	if (room.from_position < known->from_position) {
		known->from_position = room.from_position;
		known->is_saved = false;
	}
}

void outbox_add_event_locked(struct destination *destination, int64_t room_nid, int64_t position)
{
	if (destination->failures > 0 || destination->queue_n >= OUTBOX_QUEUE_MAX ||
		find_missed(destination, room_nid) != NULL) {
		outbox_add_missed_locked(destination,
			(struct missed_room){room_nid, position, position, false});
		return;
	}
	destination->queue = grow(destination->queue, destination->queue_n,
		&destination->queue_capacity, sizeof(*destination->queue));
	destination->queue[destination->queue_n++] = (struct queued_event){room_nid, position};
}

/* Takes notes out from `first` on. */
static void remove_notes(struct destination *destination, size_t first, size_t count)
{
	struct edu_note **notes = destination->notes;
	for (size_t i = first; i < first + count; i++) {
		edu_note_unref(notes[i]);
	}
	destination->note_n -= count;
	memmove(notes + first, notes + first + count,
		(destination->note_n - first) * sizeof(struct edu_note *));
}

static void drop_notes_locked(struct destination *destination, size_t count)
{
	if (count > 0) {
		metric_add(&notes_dropped, (int64_t)count);
		remove_notes(destination, 0, count);
	}
	if (destination->note_n == 0) {
		mem_free(destination->notes);
		destination->notes = NULL;
	}
}

void outbox_give_up_queue_locked(struct destination *destination)
{
	for (size_t i = 0; i < destination->queue_n; i++) {
		const struct queued_event *event = &destination->queue[i];
		outbox_add_missed_locked(destination,
			(struct missed_room){event->room_nid, event->position, event->position, false});
	}
	mem_free(destination->queue);
	destination->queue = NULL;
	destination->queue_n = destination->queue_capacity = 0;
	drop_notes_locked(destination, destination->note_n);
}

void outbox_put_back_locked(struct destination *destination, const struct queued_event *events,
	size_t count)
{
	size_t n = destination->queue_n + count;
	if (count == 0) {
		return;
	}
	struct queued_event *queue = mem_alloc_array(n, sizeof(*queue));
	memcpy(queue, events, count * sizeof(*queue));
	if (destination->queue_n > 0) {
		memcpy(queue + count, destination->queue, destination->queue_n * sizeof(*queue));
	}
	mem_free(destination->queue);
	destination->queue = queue;
	destination->queue_n = destination->queue_capacity = n;
}

void outbox_caught_up_locked(struct destination *destination, int64_t room_nid, int64_t up_to,
	bool is_saved)
{
	struct missed_room *missed = find_missed(destination, room_nid);
	if (missed == NULL) {
		return;
	}
	if (up_to == INT64_MAX) {
		*missed = destination->missed[--destination->missed_n];
	} else {
		missed->from_position = MAX_OF(missed->from_position, up_to + 1);
		missed->is_saved = missed->is_saved && is_saved;
	}
	if (destination->missed_n == 0) {
		mem_free(destination->missed);
		destination->missed = NULL;
		destination->missed_capacity = 0;
	}
}

/* --- notes ---------------------------------------------------------------------------------------------------- */

void outbox_add_note_locked(struct destination *destination, struct edu_note *note)
{
	if (destination->failures > 0) {
		metric_add(&notes_dropped, 1);
		return;
	}
	if (destination->notes == NULL) {
		destination->notes = mem_alloc_array(OUTBOX_NOTES_MAX, sizeof(struct edu_note *));
	}
	for (size_t i = 0; i < destination->note_n; i++) {
		if (edu_note_replaces(note, destination->notes[i])) {
			remove_notes(destination, i, 1);
			break;
		}
	}
	if (destination->note_n == OUTBOX_NOTES_MAX) {
		metric_add(&notes_dropped, 1);
		remove_notes(destination, 0, 1);
	}
	edu_note_ref(note);
	destination->notes[destination->note_n++] = note;
}

/* --- the whole --------------------------------------------------------------------------------------------------- */

bool outbox_has_work_locked(const struct destination *destination)
{
	return destination->is_open || destination->queue_n > 0 || destination->missed_n > 0 ||
		destination->has_edus || destination->note_n > 0;
}

static int64_t oldest_of(const struct destination *destination)
{
	int64_t oldest = destination->queue_n > 0 ? destination->queue[0].position : INT64_MAX;
	const struct flight *flight = destination->flight;
	/* A catch-up's events have rows until it is written down; an open transaction has its own. */
	if (flight != NULL && flight->kind == FLIGHT_NEWS && flight->event_n > 0) {
		oldest = MIN_OF(oldest, flight->events[0].position);
	}
	for (size_t i = 0; i < destination->missed_n; i++) {
		if (!destination->missed[i].is_saved) {
			oldest = MIN_OF(oldest, destination->missed[i].from_position);
		}
	}
	return oldest;
}

int64_t outbox_reached_locked(struct outbox *outbox)
{
	int64_t reached = outbox->dispatched;
	size_t i = 0;
	struct str server;
	void *value;
	while (map_next(&outbox->destinations, &i, &server, &value)) {
		reached = MIN_OF(reached, oldest_of(value) - 1);
	}
	return MAX_OF(reached, outbox->saved);
}

void outbox_share_room_locked(struct outbox *outbox, int64_t room_nid)
{
	struct str key = str_from((const char *)&room_nid, sizeof(room_nid));
	if (map_get(&outbox->shared, key) == NULL) {
		(void)map_set(&outbox->shared, key, outbox);
		atomic_fetch_add(&outbox->shared_n, 1);
	}
}

static void destination_free(struct destination *destination)
{
	drop_notes_locked(destination, destination->note_n);
	mem_free(destination->queue);
	mem_free(destination->missed);
	str_free(destination->server);
	mem_free(destination);
}

void outbox_flight_free(struct flight *flight)
{
	mem_free(flight->events);
	mem_free(flight->edu_ids);
	mem_free(flight->rooms);
	str_free(flight->cause);
	mem_free(flight);
}

void outbox_clear_locked(struct outbox *outbox)
{
	size_t i = 0;
	struct str server;
	void *value;
	while (map_next(&outbox->destinations, &i, &server, &value)) {
		struct destination *destination = value;
		if (destination->flight == NULL) {
			(void)map_remove(&outbox->destinations, server);
			destination_free(destination);
			continue;
		}
		drop_notes_locked(destination, destination->note_n);
		mem_free(destination->queue);
		mem_free(destination->missed);
		*destination =
			(struct destination){.server = destination->server, .flight = destination->flight};
	}
	map_clear(&outbox->shared);
	atomic_store(&outbox->shared_n, 0);
	atomic_store(&outbox->failing_n, 0);
}
