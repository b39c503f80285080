/*
 * A list, for there are few at a time. What a process said that has ended since is given up after a while.
 */
#include "federation/handshake_rooms.h"

#include <stdatomic.h>

#include "base/lock.h"
#include "base/mem.h"
#include "federation/inbox.h"
#include "federation/processes.h"

enum { LONGEST_MS = 5 * 60 * 1000 }; /* a handshake with one server, and the storing */

struct mark {
	struct str room_id; /* heap, as the event's */
	struct str event_id;
	const struct room_version *version;
	bool is_own;
	int64_t until_ms; /* monotonic */
	struct mark *next;
};

struct handshake_rooms {
	struct lock lock;
	struct mark *first; /* guarded by lock */
	atomic_size_t count;
};

struct handshake_rooms *handshake_rooms_create(void)
{
	struct handshake_rooms *rooms = mem_alloc(sizeof(*rooms));
	lock_init(&rooms->lock, RANK_HANDSHAKE);
	atomic_init(&rooms->count, 0);
	return rooms;
}

static void mark_destroy(struct mark *mark)
{
	str_free(mark->room_id);
	str_free(mark->event_id);
	mem_free(mark);
}

void handshake_rooms_destroy(struct handshake_rooms *rooms)
{
	while (rooms->first != NULL) {
		struct mark *mark = rooms->first;
		rooms->first = mark->next;
		mark_destroy(mark);
	}
	lock_fini(&rooms->lock);
	mem_free(rooms);
}

static int64_t now_ms(const struct federation *federation)
{
	return clock_mono_ms(&federation->hs->clock);
}

/* Those of the event, and those that are over. @return a list of them */
static struct mark *take_out_locked(struct handshake_rooms *rooms, struct str event_id, int64_t now)
{
	struct mark *out = NULL;
	struct mark **at = &rooms->first;
	while (*at != NULL) {
		struct mark *mark = *at;
		if (str_equals(mark->event_id, event_id) || mark->until_ms < now) {
			*at = mark->next;
			mark->next = out;
			out = mark;
			atomic_fetch_sub(&rooms->count, 1);
		} else {
			at = &mark->next;
		}
	}
	return out;
}

void handshake_rooms_remove(struct federation *federation, struct str event_id)
{
	struct handshake_rooms *rooms = federation->handshake_rooms;
	lock_take(&rooms->lock);
	struct mark *out = take_out_locked(rooms, event_id, now_ms(federation));
	lock_give(&rooms->lock);
	while (out != NULL) {
		struct mark *mark = out;
		out = mark->next;
		inbox_wake(federation->inbox, mark->room_id);
		mark_destroy(mark);
	}
}

void handshake_rooms_add(struct federation *federation, struct str room_id,
	const struct room_version *version, struct str event_id, bool is_own)
{
	struct handshake_rooms *rooms = federation->handshake_rooms;
	LOCK_SCOPE(&rooms->lock);
	for (const struct mark *mark = rooms->first; mark != NULL; mark = mark->next) {
		if (str_equals(mark->event_id, event_id)) {
			return; /* what this process says it hears, too */
		}
	}
	struct mark *mark = mem_alloc(sizeof(*mark));
	mark->room_id = str_heap(room_id);
	mark->event_id = str_heap(event_id);
	mark->version = version;
	mark->is_own = is_own;
	mark->until_ms = now_ms(federation) + LONGEST_MS;
	mark->next = rooms->first;
	rooms->first = mark;
	atomic_fetch_add(&rooms->count, 1);
}

/* Under the lock, so that its end is said behind it. */
void handshake_rooms_tell(struct federation *federation)
{
	struct handshake_rooms *rooms = federation->handshake_rooms;
	LOCK_SCOPE(&rooms->lock);
	for (const struct mark *mark = rooms->first; mark != NULL; mark = mark->next) {
		if (mark->is_own) {
			processes_repeat_handshake(federation, mark->room_id, mark->version->id,
				mark->event_id);
		}
	}
}

const struct room_version *handshake_rooms_version(const struct federation *federation,
	struct str room_id)
{
	struct handshake_rooms *rooms = federation->handshake_rooms;
	if (atomic_load(&rooms->count) == 0) {
		return NULL;
	}
	int64_t now = now_ms(federation);
	LOCK_SCOPE(&rooms->lock);
	for (const struct mark *mark = rooms->first; mark != NULL; mark = mark->next) {
		if (mark->until_ms >= now && str_equals(mark->room_id, room_id)) {
			return mark->version;
		}
	}
	return NULL;
}
