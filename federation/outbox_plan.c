/*
 * Decisions of the outbox, see the header.
 */
#include "federation/outbox_plan.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/crypto.h"

enum { ID_BYTES = 16, ID_LENGTH = 2 * ID_BYTES };

/* --- stays ------------------------------------------------------------------------------------------------ */

/* Whether the server is there before change `i`, after those that were kept. */
static bool was_there(const struct stay_change *kept, size_t kept_n,
	const struct stay_change *change)
{
	for (size_t i = kept_n; i > 0; i--) {
		const struct stay_change *before = &kept[i - 1];
		if (before->room_nid == change->room_nid && str_equals(before->server, change->server)) {
			return before->is_there;
		}
	}
	return change->was_there;
}

size_t outbox_fold_stays(struct stay_change *changes, size_t count, struct str own,
	const struct stay_change **out_whole)
{
	size_t kept = 0;
	*out_whole = NULL;
	for (size_t i = 0; i < count; i++) {
		const struct stay_change *change = &changes[i];
		bool is_own = change->server.p != NULL && str_equals(change->server, own);
		if (change->server.p == NULL || (is_own && !change->is_there)) {
			*out_whole = change;
			return kept;
		}
		if (was_there(changes, kept, change) != change->is_there) {
			changes[kept++] = *change;
		}
	}
	return kept;
}

/* --- catching up -------------------------------------------------------------------------------------------- */

int64_t outbox_newest_of_room(size_t rooms)
{
	int64_t share = rooms > 0 ? OUTBOX_PDUS_MAX / (int64_t)rooms : OUTBOX_PDUS_MAX;
	return MAX_OF(share, (int64_t)OUTBOX_NEWEST_OF_ROOM);
}

/* A room's events in the list that was given. */
struct room_part {
	int64_t room_nid;
	const struct missed_event *events; /* newest first */
	size_t n;
};

static int compare_newest(const void *a, const void *b)
{
	int64_t x = ((const struct room_part *)a)->events[0].position;
	int64_t y = ((const struct room_part *)b)->events[0].position;
	return (x < y) - (x > y);
}

static size_t split_rooms(const struct missed_event *events, size_t count, struct room_part *out)
{
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		if (n == 0 || out[n - 1].room_nid != events[i].room_nid) {
			out[n++] = (struct room_part){.room_nid = events[i].room_nid, .events = &events[i]};
		}
		out[n - 1].n += events[i].is_beyond ? 0 : 1;
	}
	return n;
}

static bool is_in(const struct room_part *parts, size_t count, int64_t room_nid)
{
	for (size_t i = 0; i < count; i++) {
		if (parts[i].room_nid == room_nid) {
			return true;
		}
	}
	return false;
}

void outbox_catch_up(struct arena *arena, const int64_t *room_nids, size_t room_n,
	const struct missed_event *events, size_t count, struct catch_up *out)
{
	struct room_part *parts = ARENA_NEW_ARRAY(arena, struct room_part, count + 1);
	size_t part_n = split_rooms(events, count, parts);
	*out = (struct catch_up){
		.events = ARENA_NEW_ARRAY(arena, struct missed_event, OUTBOX_PDUS_MAX),
		.rooms = ARENA_NEW_ARRAY(arena, struct caught_room, room_n + 1),
	};
	for (size_t i = 0; i < room_n; i++) {
		if (!is_in(parts, part_n, room_nids[i])) {
			out->rooms[out->room_n++] = (struct caught_room){.room_nid = room_nids[i]};
		}
	}
	qsort(parts, part_n, sizeof(*parts), compare_newest);
	for (size_t i = 0; i < part_n && out->event_n + parts[i].n <= OUTBOX_PDUS_MAX; i++) {
		for (size_t k = parts[i].n; k > 0; k--) {
			out->events[out->event_n++] = parts[i].events[k - 1];
		}
		out->rooms[out->room_n++] =
			(struct caught_room){parts[i].room_nid, parts[i].events[0].position};
	}
}

/* --- transactions --------------------------------------------------------------------------------------------- */

size_t outbox_edus_that_fit(const size_t *sizes, size_t count, size_t taken)
{
	size_t bytes = 0;
	size_t n = 0;
	while (n < count && taken + n < OUTBOX_EDUS_MAX) {
		bytes += sizes[n];
		if (n > 0 && bytes > OUTBOX_EDU_BYTES) {
			break;
		}
		n++;
	}
	return n;
}

struct str outbox_transaction_id(struct arena *arena, struct server_name destination,
	const struct event_id *events, size_t event_n, const int64_t *edu_ids, size_t edu_n)
{
	static const char digits[] = "0123456789abcdef";
	struct buf text CLEANUP(buf_fini);
	unsigned char hash[SHA256_BYTES];
	buf_init(&text, SIZE_MAX / 2);
	buf_add(&text, destination.s);
	for (size_t i = 0; i < event_n; i++) {
		buf_add_byte(&text, ' ');
		buf_add(&text, events[i].s);
	}
	for (size_t i = 0; i < edu_n; i++) {
		buf_add_byte(&text, '/');
		buf_add_int(&text, edu_ids[i]);
	}
	crypto_sha256(buf_str(&text), hash);
	char *id = arena_alloc(arena, ID_LENGTH);
	for (size_t i = 0; i < ID_BYTES; i++) {
		id[i * 2] = digits[hash[i] >> 4];
		id[i * 2 + 1] = digits[hash[i] & 15];
	}
	return str_from(id, ID_LENGTH);
}
