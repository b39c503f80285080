/*
 * The text of the joined members, kept while it is true: a large room is read by many, and changes seldom. It is made outside of the
 * room's lock, of members that may come from the database; a number that each change of a member raises tells whether it is still true
 * when it is ready.
 */
#include "homeserver/room/room.h"

#include "base/mem.h"

#include <string.h>

struct roster {
	struct refc refc;
	size_t n;
	char text[];
};

static void unref(void *data)
{
	struct roster *roster = data;
	if (roster != NULL && refc_drop(&roster->refc)) {
		mem_free(roster);
	}
}

void room_roster_find(struct ctx *ctx, struct room *room, struct str *out_text, int64_t *out_serial)
{
	lock_take(&room->lock);
	struct roster *roster = room->roster;
	*out_serial = room->roster_serial;
	if (roster != NULL) {
		refc_take(&roster->refc);
	}
	lock_give(&room->lock);
	*out_text = str_from(NULL, 0);
	if (roster != NULL) {
		arena_on_reset(ctx->arena, unref, roster);
		*out_text = str_from(roster->text, roster->n);
	}
}

void room_roster_keep(struct room *room, int64_t serial, struct str text)
{
	struct roster *roster = mem_alloc(sizeof(*roster) + text.n);
	refc_init(&roster->refc);
	roster->n = text.n;
	memcpy(roster->text, text.p, text.n);
	lock_take(&room->lock);
	if (room->content != NULL && room->roster_serial == serial) {
		struct roster *before = room->roster;
		room->roster = roster;
		roster = before; /* by somebody who was as fast */
	}
	lock_give(&room->lock);
	unref(roster);
}

void room_roster_drop_locked(struct room *room)
{
	room->roster_serial++;
	unref(room->roster);
	room->roster = NULL;
}
