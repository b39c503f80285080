/*
 * Timeline and state of one room. The timeline is the newest events that the client may see and wants; state goes from where the
 * client stands to where the timeline begins, so that both together give the room as it is.
 *
 * State events that stand behind the start of the timeline but are not in it (filtered, hidden) belong to the state too.
 */
#include "base/vec.h"
#include "homeserver/sync/sync_inner.h"

/* --- timeline ------------------------------------------------------------------------------------------- */

static void set_timeline(struct sync_run *run, struct room_part *part, struct page *page,
	size_t limit)
{
	/* A client that was in the room before may not join this to what it has: there can be a gap in between. */
	bool is_new_to_client = part->after == 0 && !run->is_initial && !part->is_left;
	part->is_limited = page->n > limit || !page->is_end || is_new_to_client;
	part->start = page->reached;
	size_t n = MIN_OF(page->n, limit);
	if (page->n > limit) {
		part->start = n > 0 ? page->events[n - 1]->position - 1 : part->up_to;
	}
	for (size_t i = n; i > 0; i--) {
		VEC_PUSH(run->ctx->arena, &part->timeline, page->events[i - 1]);
	}
	part->has_skipped = page->has_skipped;
	part->has_skipped_state = page->has_skipped_state;
}

/*
 * The own membership that stands in no timeline; the user hears of it as if it did. Such is what ended an invite or a knock to a room of others, or
 * a join before the room's members were known; and what came behind the leaving, as a ban behind a kick.
 */
static enum err find_own_end(struct sync_run *run, struct room_part *part)
{
	struct stored_event *own;
	if (!part->is_left) {
		return ERR_OK;
	}
	TRY(room_state_event(run->ctx, run->hs, part->room, STR("m.room.member"), run->who->user.s,
		part->own_at, &own));
	bool is_inside = own == NULL || (own->position > ROOM_OUTLIERS && own->position <= part->up_to);
	part->own_end = is_inside ? NULL : own;
	return ERR_OK;
}

static bool shows_own_end(const struct sync_run *run, const struct room_part *part)
{
	const struct event_filter *filter = &run->request->filter->timeline;
	bool is_state_alone = !part->was_never_joined && part->own_at <= run->since;
	if (part->own_end == NULL || is_state_alone || filter->limit == 0) {
		return false;
	}
	const struct filter_facts facts =
		filter_facts_of(part->own_end->event, room_id_of(part->room).s);
	return filter->allows_all || filter_allows_event(filter, &facts);
}

enum err sync_delta_timeline(struct sync_run *run, struct room_part *part)
{
	const struct event_filter *filter = &run->request->filter->timeline;
	part->viewer = room_viewer_create(run->ctx, part->room, run->who->user.s);
	part->start = part->up_to;
	TRY(find_own_end(run, part));
	if (!page_filter_allows_any(filter, room_id_of(part->room).s)) {
		return ERR_OK;
	}
	bool has_own_end = shows_own_end(run, part);
	size_t limit = (size_t)filter->limit - (has_own_end ? 1 : 0);
	const struct page_query query = {
		.viewer = part->viewer,
		.user_id = run->who->user.s,
		.filter = filter,
		.ignored = run->ignored.count > 0 ? &run->ignored : NULL,
		.after = part->after == 0 ? ROOM_OUTLIERS : part->after,
		.up_to = part->up_to,
		.is_backwards = true,
		.limit = limit + 1, /* one more, to know whether there is one more */
		.scan_limit = SYNC_SCAN_LIMIT,
		.shows_own_changes = part->is_left,
	};
	struct page page;
	TRY(page_fill(run->ctx, run->hs, part->room, &query, &page));
	set_timeline(run, part, &page, limit);
	if (has_own_end && (!part->was_never_joined || part->timeline.n == 0)) {
		VEC_PUSH(run->ctx->arena, &part->timeline, part->own_end);
	}
	return ERR_OK;
}

/* --- state --------------------------------------------------------------------------------------------------- */

/* The state as it was at a position, with only wanted members where they are loaded lazily. */
static enum err list_state(struct sync_run *run, struct room_part *part, int64_t position,
	const struct str_set *wanted, struct state_item **out, size_t *out_n)
{
	const struct state_query query = {
		.without_members = run->request->filter->state.lazy_load_members,
		.members = wanted->items,
		.member_count = wanted->count,
	};
	*out_n = 0;
	return position == 0 && room_begins_here(part->room)
		? ERR_OK
		: room_state_list(run->ctx, run->hs, part->room, position, &query, out, out_n);
}

static bool is_in_timeline(const struct room_part *part, const struct stored_event *event)
{
	for (size_t i = 0; i < part->timeline.n; i++) {
		if (part->timeline.p[i]->position == event->position) {
			return true;
		}
	}
	return false;
}

static void put_state(struct sync_run *run, struct room_part *part, struct stored_event *event)
{
	for (size_t i = 0; i < part->state.n; i++) {
		if (event_is(part->state.p[i]->event, event->event->type, event->event->state_key)) {
			part->state.p[i] = event;
			return;
		}
	}
	VEC_PUSH(run->ctx->arena, &part->state, event);
}

/* State that changed behind the start of the timeline, in events that are not in it. */
static enum err add_skipped(struct sync_run *run, struct room_part *part,
	const struct str_set *wanted)
{
	struct state_item *items;
	size_t n;
	if (part->is_whole) {
		TRY(list_state(run, part, part->up_to, wanted, &items, &n));
	} else {
		TRY(room_state_changes(run->ctx, run->hs, part->room, part->start, part->up_to, &items,
			&n));
	}
	bool is_first = part->state.n == 0;
	for (size_t i = 0; i < n; i++) {
		if (items[i].from_position <= part->start || is_in_timeline(part, items[i].event)) {
			continue;
		}
		if (is_first) {
			VEC_PUSH(run->ctx->arena, &part->state, items[i].event);
		} else {
			put_state(run, part, items[i].event);
		}
	}
	return ERR_OK;
}

/*
 * All of the state with members loaded lazily, for a client that goes on from a token: it knows more members than the wanted
 * ones, and has to hear of those that changed.
 */
static enum err add_changed_members(struct sync_run *run, struct room_part *part, int64_t end)
{
	struct state_item *items;
	size_t n;
	TRY(room_state_changes(run->ctx, run->hs, part->room, part->after, end, &items, &n));
	for (size_t i = 0; i < n; i++) {
		if (str_equals(items[i].type, STR("m.room.member"))) {
			put_state(run, part, items[i].event);
		}
	}
	return ERR_OK;
}

static enum err load_state(struct sync_run *run, struct room_part *part,
	const struct str_set *wanted)
{
	bool is_after = run->request->uses_state_after;
	int64_t end = is_after ? part->up_to : part->start;
	struct state_item *items;
	size_t n;
	if (part->is_whole) {
		TRY(list_state(run, part, end, wanted, &items, &n));
	} else {
		TRY(room_state_changes(run->ctx, run->hs, part->room, part->after, end, &items, &n));
	}
	for (size_t i = 0; i < n; i++) {
		VEC_PUSH(run->ctx->arena, &part->state, items[i].event);
	}
	if (part->is_whole && part->after > 0 && run->request->filter->state.lazy_load_members) {
		TRY(add_changed_members(run, part, end));
	}
	bool may_have_skipped =
		part->has_skipped_state || room_state_forked_since(part->room, part->start);
	if (!is_after && may_have_skipped) {
		TRY(add_skipped(run, part, wanted));
	}
	if (part->own_end != NULL && (is_after || !is_in_timeline(part, part->own_end))) {
		put_state(run, part, part->own_end);
	}
	return ERR_OK;
}

static void filter_state(struct sync_run *run, struct room_part *part)
{
	const struct event_filter *filter = &run->request->filter->state;
	if (filter->allows_all || event_filter_asks_relations(filter)) {
		return;
	}
	size_t kept = 0;
	for (size_t i = 0; i < part->state.n; i++) {
		const struct filter_facts facts =
			filter_facts_of(part->state.p[i]->event, room_id_of(part->room).s);
		if (filter_allows_event(filter, &facts)) {
			part->state.p[kept++] = part->state.p[i];
		}
	}
	part->state.n = kept;
}

enum err sync_delta_state(struct sync_run *run, struct room_part *part)
{
	const struct event_filter *filter = &run->request->filter->state;
	if (part->was_never_joined || !page_filter_allows_any(filter, room_id_of(part->room).s)) {
		return ERR_OK;
	}
	struct str_set wanted = {0};
	if (filter->lazy_load_members) {
		wanted = sync_members_wanted(run, part);
	}
	TRY(load_state(run, part, &wanted));
	if (filter->lazy_load_members) {
		int64_t end = run->request->uses_state_after ? part->up_to : part->start;
		TRY(sync_members_add(run, part, &wanted, end));
	}
	filter_state(run, part);
	return ERR_OK;
}
