/*
 * Which rooms a list is of, by its filter.
 */
#include "homeserver/sync/sliding_inner.h"
#include "matrix/space_child.h"

static bool is_wished(enum sliding_wish wish, bool is_so)
{
	return wish == SLIDING_ANY || is_so == (wish == SLIDING_ONLY);
}

enum err sliding_filter_prepare(struct sliding_run *run, struct sliding_window *window)
{
	const struct str_set *ids = &window->list->filter.spaces.set;
	window->spaces = ARENA_NEW_ARRAY(run->ctx->arena, struct sliding_place *, ids->count);
	for (size_t i = 0; i < ids->count; i++) {
		struct sliding_place *space = sliding_place_find(run, ids->items[i]);
		if (space != NULL && str_equals(space->entry.membership, STR("join"))) {
			TRY(rooms_load(run->ctx, run->hs, space->entry.room));
			window->spaces[window->space_n++] = space;
		}
	}
	return ERR_OK;
}

/* Whether a space has the room as a child. Subspaces are not gone into. */
static enum err is_in_space(struct sliding_run *run, struct room *space, struct str room_id,
	bool *out)
{
	struct stored_event *event;
	struct space_child child;
	TRY(room_state_event(run->ctx, run->hs, space, STR("m.space.child"), room_id, run->end.up_to,
		&event));
	*out = event != NULL &&
		space_child_read(event->event->state_key, event->event->sender.s, 0, event->event->content,
			&child);
	return ERR_OK;
}

static enum err is_in_spaces(struct sliding_run *run, const struct sliding_window *window,
	struct str room_id, bool *out)
{
	*out = false;
	for (size_t i = 0; i < window->space_n && !*out; i++) {
		TRY(is_in_space(run, window->spaces[i]->entry.room, room_id, out));
	}
	return ERR_OK;
}

static bool has_any(const struct str_set *names, const struct str_set *wanted)
{
	for (size_t i = 0; i < wanted->count; i++) {
		if (str_set_has(names, wanted->items[i])) {
			return true;
		}
	}
	return false;
}

static bool allows_tags(const struct sliding_run *run, const struct sliding_filter *filter,
	int64_t room_nid)
{
	if (!filter->tags.is_given && filter->not_tags.set.count == 0) {
		return true;
	}
	const struct str_set *names = sliding_tags_of(run, room_nid);
	return (!filter->tags.is_given || has_any(names, &filter->tags.set)) &&
		!has_any(names, &filter->not_tags.set);
}

/* Who is not in a room any more is not shown that it was encrypted later. */
static enum err is_seen_encrypted(struct sliding_run *run, const struct sliding_place *place,
	const struct room_kind *kind, bool *out)
{
	struct stored_event *event;
	bool was_never_joined;
	int64_t left_at;
	*out = kind->is_encrypted;
	if (!*out || !sync_is_left(&place->entry)) {
		return ERR_OK;
	}
	TRY(sliding_left_at(run, place, &was_never_joined, &left_at));
	TRY(rooms_load(run->ctx, run->hs, place->entry.room));
	TRY(room_state_event(run->ctx, run->hs, place->entry.room, STR("m.room.encryption"), STR(""),
		left_at, &event));
	*out = event != NULL;
	return ERR_OK;
}

/* Of a room whose state is not known nothing that is asked holds. */
static enum err allows_kind(struct sliding_run *run, const struct sliding_filter *filter,
	const struct sliding_place *place, bool *out)
{
	const struct room_kind *kind = place->kind;
	*out = kind != NULL &&
		(!filter->types.is_given || str_set_has(&filter->types.set, kind->type)) &&
		!str_set_has(&filter->not_types.set, kind->type);
	if (*out && filter->encrypted != SLIDING_ANY) {
		bool is_encrypted;
		TRY(is_seen_encrypted(run, place, kind, &is_encrypted));
		*out = is_wished(filter->encrypted, is_encrypted);
	}
	return ERR_OK;
}

enum err sliding_filter_allows(struct sliding_run *run, const struct sliding_window *window,
	const struct sliding_place *place, bool *out)
{
	const struct sliding_filter *filter = &window->list->filter;
	struct str room_id = room_id_of(place->entry.room).s;
	bool is_invite = str_equals(place->entry.membership, STR("invite"));
	*out = is_wished(filter->invited, is_invite) &&
		is_wished(filter->direct, sliding_is_direct(run, room_id)) &&
		allows_tags(run, filter, room_nid(place->entry.room));
	if (*out && filter->asks_state) {
		TRY(allows_kind(run, filter, place, out));
	}
	return *out && filter->spaces.is_given ? is_in_spaces(run, window, room_id, out) : ERR_OK;
}
