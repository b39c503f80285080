/*
 * Counts of members, and by whom a room without a name is called.
 */
#include "homeserver/sync/sync_inner.h"

#include <stdlib.h>

enum { HEROES = 5 };

static bool is_naming(const struct event *event)
{
	return event_is(event, STR("m.room.name"), STR("")) ||
		event_is(event, STR("m.room.canonical_alias"), STR(""));
}

/* Whether members or the name changed in the part's span. */
static enum err may_differ(struct sync_run *run, const struct room_part *part, bool *out)
{
	*out = part->is_whole;
	if (part->is_whole) {
		return ERR_OK;
	}
	struct state_item *items;
	size_t n;
	TRY(room_state_changes(run->ctx, run->hs, part->room, part->after, part->up_to, &items, &n));
	for (size_t i = 0; i < n && !*out; i++) {
		*out = str_equals(items[i].type, STR("m.room.member")) || is_naming(items[i].event->event);
	}
	return ERR_OK;
}

static enum err has_text(struct sync_run *run, struct room *room, struct str type, struct str field,
	bool *out)
{
	struct stored_event *event;
	TRY(room_state_event(run->ctx, run->hs, room, type, STR(""), POSITION_NOW, &event));
	*out = event != NULL && json_get_str(event->event->content, field).n > 0;
	return ERR_OK;
}

static int by_position(const void *a, const void *b)
{
	const struct state_item *first = a;
	const struct state_item *second = b;
	return (first->from_position > second->from_position) -
		(first->from_position < second->from_position);
}

static bool is_present(struct str membership)
{
	return str_equals(membership, STR("join")) || str_equals(membership, STR("invite"));
}

static size_t pick_heroes(struct str user_id, const struct state_item *items, size_t count,
	bool present, struct str *out)
{
	size_t n = 0;
	for (size_t i = 0; i < count && n < HEROES; i++) {
		bool is_candidate = is_present(items[i].membership) == present &&
			!str_equals(items[i].membership, STR("knock")) &&
			!str_equals(items[i].state_key, user_id);
		if (is_candidate) {
			out[n++] = items[i].state_key;
		}
	}
	return n;
}

enum err room_heroes(struct ctx *ctx, struct homeserver *hs, struct room *room, struct str user_id,
	struct str **out, size_t *out_n)
{
	const struct state_query query = {.only_members = true, .without_events = true};
	struct state_item *items;
	size_t count;
	TRY(room_state_list(ctx, hs, room, POSITION_NOW, &query, &items, &count));
	if (count > 1) {
		qsort(items, count, sizeof(*items), by_position);
	}
	*out = ARENA_NEW_ARRAY(ctx->arena, struct str, HEROES);
	*out_n = pick_heroes(user_id, items, count, true, *out);
	if (*out_n == 0) {
		*out_n = pick_heroes(user_id, items, count, false, *out);
	}
	return ERR_OK;
}

static enum err load_heroes(struct sync_run *run, struct room *room, struct room_summary *summary)
{
	bool has_name;
	bool has_alias;
	TRY(has_text(run, room, STR("m.room.name"), STR("name"), &has_name));
	TRY(has_text(run, room, STR("m.room.canonical_alias"), STR("alias"), &has_alias));
	if (has_name || has_alias) {
		return ERR_OK;
	}
	summary->has_heroes = true;
	return room_heroes(run->ctx, run->hs, room, run->who->user.s, &summary->heroes,
		&summary->hero_n);
}

enum err sync_summary_load(struct sync_run *run, struct room_part *part)
{
	struct room_summary *summary = &part->summary;
	TRY(may_differ(run, part, &summary->is_told));
	if (!summary->is_told) {
		return ERR_OK;
	}
	summary->counts = room_member_counts(part->room);
	return load_heroes(run, part->room, summary);
}
