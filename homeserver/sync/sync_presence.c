/*
 * Who is here: what changed since the token, and those with whom the user shares a room only since then. The latter may have
 * changed nothing for hours; so they are told with the join, of whichever side.
 */
#include "base/vec.h"
#include "homeserver/sync/sync_inner.h"

/* Adds views that the client gets, and that are not there yet. */
static void add_views(struct sync_run *run, const struct presence_view *views, size_t count)
{
	const struct event_filter *filter = &run->request->filter->presence;
	struct presence_view *all =
		ARENA_NEW_ARRAY(run->ctx->arena, struct presence_view, run->presence_n + count);
	struct str *told = ARENA_NEW_ARRAY(run->ctx->arena, struct str, run->presence_n);
	size_t n = 0;
	for (; n < run->presence_n; n++) {
		all[n] = run->presence[n];
		told[n] = run->presence[n].user_id;
	}
	struct str_set known = str_set_make(run->ctx->arena, told, n);
	for (size_t i = 0; i < count; i++) {
		struct str sender = views[i].user_id;
		if (!str_set_has(&run->ignored, sender) && !str_set_has(&known, sender) &&
			event_filter_allows_sender(filter, sender)) {
			all[n++] = views[i];
		}
	}
	run->presence = all;
	run->presence_n = n;
}

static bool is_wanted(const struct sync_run *run)
{
	return event_filter_allows_type(&run->request->filter->presence, STR("m.presence"));
}

enum err sync_presence_load(struct sync_run *run)
{
	int64_t since = run->is_initial ? 0 : run->since_ephemeral;
	if (!is_wanted(run)) {
		return ERR_OK;
	}
	TRY(presence_settle(run->ctx, run->hs)); /* for the newcomers too */
	if (run->ephemeral_now <= since) {
		return ERR_OK;
	}
	struct presence_view *views;
	size_t count = presence_changes(run->ctx, run->hs, run->user, since, &views);
	add_views(run, views, count);
	return ERR_OK;
}

/* --- newcomers ------------------------------------------------------------------------------------------ */

static size_t rooms_joined(const struct sync_run *run, int64_t **out)
{
	size_t n = 0;
	*out = ARENA_NEW_ARRAY(run->ctx->arena, int64_t, run->part_n);
	for (size_t i = 0; i < run->part_n; i++) {
		if (run->parts[i]->after == 0 && !run->parts[i]->is_left) {
			(*out)[n++] = room_nid(run->parts[i]->room);
		}
	}
	return n;
}

/* Joins of others, those that only change a profile among them. */
static void collect_joins(const struct sync_run *run, const struct event_list *events,
	struct event_list *out)
{
	for (size_t i = 0; i < events->n; i++) {
		const struct event *event = events->p[i]->event;
		if (event->is_state && str_equals(event->type, STR("m.room.member")) &&
			str_equals(event_membership(event), STR("join")) &&
			!str_equals(event->state_key, run->who->user.s)) {
			VEC_PUSH(run->ctx->arena, out, events->p[i]);
		}
	}
}

/* Those who had not joined where the client stands. A join that replaces what the client has missed counts as new. */
static enum err who_joined(struct sync_run *run, const struct room_part *part,
	const struct event_list *joins, struct str **out, size_t *out_n)
{
	int64_t *positions = ARENA_NEW_ARRAY(run->ctx->arena, int64_t, joins->n);
	struct str *user_ids = ARENA_NEW_ARRAY(run->ctx->arena, struct str, 2 * joins->n);
	struct str *unsure = user_ids + joins->n;
	size_t unsure_n = 0;
	size_t n = 0;
	for (size_t i = 0; i < joins->n; i++) {
		int64_t replaced = joins->p[i]->replaces_position;
		if (replaced > 0 && replaced <= part->after) {
			unsure[unsure_n] = joins->p[i]->event->state_key;
			positions[unsure_n++] = replaced;
		} else {
			user_ids[n++] = joins->p[i]->event->state_key;
		}
	}
	struct stored_event **before;
	TRY(room_events_at(run->ctx, run->hs, part->room, positions, unsure_n, &before));
	for (size_t i = 0; i < unsure_n; i++) {
		if (before[i] != NULL && !str_equals(event_membership(before[i]->event), STR("join"))) {
			user_ids[n++] = unsure[i];
		}
	}
	*out = user_ids;
	*out_n = n;
	return ERR_OK;
}

static enum err add_joined(struct sync_run *run, const struct room_part *part)
{
	struct event_list joins = {0};
	collect_joins(run, &part->timeline, &joins);
	collect_joins(run, &part->state, &joins);
	if (joins.n == 0) {
		return ERR_OK;
	}
	struct str *user_ids;
	size_t n;
	TRY(who_joined(run, part, &joins, &user_ids, &n));
	struct presence_view *views;
	n = presence_of(run->ctx, run->hs, user_ids, n, &views);
	add_views(run, views, n);
	return ERR_OK;
}

enum err sync_presence_add_newcomers(struct sync_run *run)
{
	if (run->is_initial || run->part_n == 0 || !is_wanted(run)) {
		return ERR_OK;
	}
	int64_t *room_nids;
	struct presence_view *views;
	size_t room_n = rooms_joined(run, &room_nids);
	size_t n = presence_of_rooms(run->ctx, run->hs, run->user, room_nids, room_n, &views);
	add_views(run, views, n);
	for (size_t i = 0; i < run->part_n; i++) {
		if (run->parts[i]->after > 0 && !run->parts[i]->is_left) {
			TRY(add_joined(run, run->parts[i]));
		}
	}
	return ERR_OK;
}

/* --- writing -------------------------------------------------------------------------------------------- */

void sync_presence_write(const struct sync_run *run, struct json_out *out)
{
	if (run->presence_n == 0) {
		json_out_key_raw(out, "presence", SYNC_NO_EVENTS);
		return;
	}
	json_out_key_object(out, "presence");
	json_out_key_array(out, "events");
	for (size_t i = 0; i < run->presence_n; i++) {
		presence_write_event(&run->presence[i], out);
	}
	json_out_end(out);
	json_out_end(out);
}
