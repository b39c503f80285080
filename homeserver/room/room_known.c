/*
 * What this server knows of a room: which events, which servers take part, and who stands behind an event.
 */
#include "base/vec.h"
#include "homeserver/room/room.h"
#include "homeserver/room/room_accept.h"
#include "homeserver/room/room_known.h"
#include "matrix/server_acl.h"
#include "storage/graph.h"

#include <stdlib.h>

enum {
	/* As far as is looked back through events that were set aside. */
	MAX_STEPS_BACK = 100,
	MAX_ASIDE = 1000,
};

/* --- events ------------------------------------------------------------------------------------------------- */

static enum event_fate fate_of(const struct stored_event *stored)
{
	switch (stored->fate) {
	case ROW_OUTLIER:
		return EVENT_OUTLIER;
	case ROW_SOFT_FAILED:
		return EVENT_SOFT_FAILED;
	case ROW_REJECTED:
		return EVENT_REJECTED;
	case ROW_IN_TIMELINE:
	case ROW_IN_HISTORY:
		break;
	}
	return EVENT_IN_TIMELINE;
}

static struct known_event known_of(const struct stored_event *stored)
{
	return (struct known_event){
		.fate = fate_of(stored),
		.position = stored->position,
		.event = stored->event,
		.stored = stored,
	};
}

/* Rows by event id. */
static void index_rows(struct ctx *ctx, struct map *found, const struct event_row *rows,
	size_t count)
{
	map_init(found);
	for (size_t i = 0; i < count; i++) {
		(void)map_set(found, rows[i].event_id, ARENA_NEW(ctx->arena, size_t));
		*(size_t *)map_get(found, rows[i].event_id) = i;
	}
}

/* Ids with U+0000 are in no database. */
static bool may_be_stored(struct str event_id)
{
	return event_id.n > 0 && !str_has_nul(event_id);
}

enum err room_known_events(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event_id *ids, size_t count, struct known_event *out)
{
	return room_known_events_but(ctx, hs, room, ids, count, NULL, out);
}

enum err room_known_events_but(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event_id *ids, size_t count, const struct map *absent, struct known_event *out)
{
	VEC(struct str) missing = {0};
	VEC(size_t) indexes = {0};
	for (size_t i = 0; i < count; i++) {
		out[i] = (struct known_event){0};
		struct stored_event *stored = room_recent_find(ctx, room, 0, ids[i].s);
		if (stored == NULL && (stored = cache_get(hs->rooms->events, ids[i].s)) != NULL) {
			stored_event_until_reset(ctx->arena, stored);
		}
		if (stored != NULL && stored->room_nid == room->nid) {
			out[i] = known_of(stored);
		} else if (stored != NULL) {
			out[i].is_elsewhere = true;
		} else if (may_be_stored(ids[i].s) &&
			(absent == NULL || map_get(absent, ids[i].s) == NULL)) {
			VEC_PUSH(ctx->arena, &missing, ids[i].s);
			VEC_PUSH(ctx->arena, &indexes, i);
		}
	}
	if (missing.n == 0) {
		return ERR_OK;
	}
	struct event_row *rows;
	size_t row_count;
	int64_t redactions = room_redactions(room);
	TRY(store_events_by_id(ctx, hs->db, missing.p, missing.n, &rows, &row_count));
	struct map found;
	index_rows(ctx, &found, rows, row_count);
	for (size_t i = 0; i < missing.n; i++) {
		const size_t *at = map_get(&found, missing.p[i]);
		struct known_event *known = &out[indexes.p[i]];
		if (at == NULL) {
			continue;
		}
		if (rows[*at].room_nid == room->nid) {
			*known = known_of(room_load_row(ctx, hs, room, &rows[*at], redactions));
		} else {
			known->is_elsewhere = true;
		}
	}
	map_fini(&found);
	return ERR_OK;
}

bool room_may_come(const struct known_event *known, struct event_id id)
{
	return !known->is_elsewhere && !str_has_nul(id.s) &&
		(known->fate == EVENT_UNKNOWN || known->fate == EVENT_OUTLIER);
}

/* --- behind those that were set aside --------------------------------------------------------------------------- */

struct id_vec {
	struct event_id *p;
	size_t n;
	size_t capacity;
};

static bool is_set_aside(const struct known_event *known)
{
	return known->fate == EVENT_SOFT_FAILED || known->fate == EVENT_REJECTED;
}

/* One step back from those that were set aside. */
static void step_back(struct arena *arena, const struct known_event *known, size_t count,
	struct map *seen, struct id_vec *out)
{
	for (size_t i = 0; i < count; i++) {
		size_t prev_count = is_set_aside(&known[i]) ? known[i].event->prev_count : 0;
		for (size_t k = 0; k < prev_count && out->n < MAX_ASIDE; k++) {
			const struct event_id prev = known[i].event->prev_events[k];
			if (map_set(seen, prev.s, seen) == NULL) {
				VEC_PUSH(arena, out, prev);
			}
		}
	}
}

enum err room_behind_aside(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct known_event *known, size_t count, struct known_list *out)
{
	struct map seen CLEANUP(map_fini) = {0};
	struct id_vec ids = {0};
	VEC(struct known_event) all = {0};
	*out = (struct known_list){0};
	for (int step = 0; step < MAX_STEPS_BACK && count > 0; step++) {
		size_t before = ids.n;
		step_back(ctx->arena, known, count, &seen, &ids);
		count = ids.n - before;
		struct known_event *found = ARENA_NEW_ARRAY(ctx->arena, struct known_event, count + 1);
		TRY(count > 0 ? room_known_events(ctx, hs, room, &ids.p[before], count, found) : ERR_OK);
		for (size_t i = 0; i < count; i++) {
			VEC_PUSH(ctx->arena, &all, found[i]);
		}
		known = found;
	}
	*out = (struct known_list){.ids = ids.p, .known = all.p, .n = all.n};
	return ERR_OK;
}

/* --- servers ---------------------------------------------------------------------------------------------- */

bool room_is_resident(struct room *room)
{
	return atomic_load(&room->local_joined) > 0;
}

enum err room_allows_server(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct server_name server, bool *out)
{
	struct stored_event *acl;
	TRY(room_state_event(ctx, hs, room, STR("m.room.server_acl"), STR(""), POSITION_NOW, &acl));
	*out = server_acl_allows(acl != NULL ? acl->event->content : NULL, server);
	return ERR_OK;
}

static int compare_names(const void *a, const void *b)
{
	const struct server_name *left = a;
	const struct server_name *right = b;
	return str_compare(left->s, right->s);
}

enum err room_servers(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct server_name **out, size_t *out_count)
{
	*out = NULL;
	*out_count = 0;
	lock_take(&room->lock);
	if (room->content != NULL) {
		*out = ARENA_NEW_ARRAY(ctx->arena, struct server_name, room->content->servers.n);
		size_t i = 0;
		struct str name;
		void *value;
		while (map_next(&room->content->servers, &i, &name, &value)) {
			if (!str_equals(name, hs->signer.server.s)) {
				(*out)[(*out_count)++].s = str_dup(ctx->arena, name);
			}
		}
	}
	lock_give(&room->lock);
	if (*out_count > 1) {
		qsort(*out, *out_count, sizeof(struct server_name), compare_names);
	}
	return ERR_OK;
}

/* --- auth chains -------------------------------------------------------------------------------------------- */

enum err room_auth_chain(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event *const *events, size_t count, const struct event ***out, size_t *out_count)
{
	VEC(struct str) ids = {0};
	struct map seen CLEANUP(map_fini) = {0};
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < events[i]->auth_count; k++) {
			struct str id = events[i]->auth_events[k].s;
			if (may_be_stored(id) && map_set(&seen, id, &seen) == NULL) {
				VEC_PUSH(ctx->arena, &ids, id);
			}
		}
		/* From version 12 on nothing names the create event, and all descend from it. */
		if (room->version->room_id_is_create_hash) {
			struct str id =
				str_printf(ctx->arena, "$%.*s", STR_ARG(str_slice(room->id.s, 1, room->id.s.n)));
			bool is_itself = str_equals(id, events[i]->event_id.s);
			if (!is_itself && map_set(&seen, id, &seen) == NULL) {
				VEC_PUSH(ctx->arena, &ids, id);
			}
		}
	}
	struct event_row *rows;
	int64_t redactions = room_redactions(room);
	TRY(store_auth_chain(ctx, hs->db, room->nid, ids.p, ids.n, &rows, out_count));
	*out = ARENA_NEW_ARRAY(ctx->arena, const struct event *, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = room_load_row(ctx, hs, room, &rows[i], redactions)->event;
	}
	return ERR_OK;
}
