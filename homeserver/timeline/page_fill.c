/*
 * Reads the timeline in chunks until the page is full. The chunks grow when little of them is shown.
 */
#include "homeserver/timeline/page_fill.h"

#include "base/vec.h"
#include "storage/relation.h"

enum { CHUNK_MAX = 500 };

struct filling {
	struct ctx *ctx;
	struct homeserver *hs;
	struct room *room;
	const struct page_query *query;
	bool asks_relations;
	struct relation_kind_row *kinds; /* of the chunk's events, when the filter asks for relations */
	size_t kind_count;
	VEC(struct stored_event *) found;
	VEC(bool) childless; /* of each of them */
};

bool page_filter_allows_any(const struct event_filter *filter, struct str room_id)
{
	const struct filter_list *types = &filter->types;
	bool takes_no_type = types->is_given && types->exact.count == 0 && types->pattern_count == 0;
	return !takes_no_type && event_filter_allows_room(filter, room_id);
}

static enum err load_kinds(struct filling *filling, const struct timeline *chunk)
{
	struct str *ids = ARENA_NEW_ARRAY(filling->ctx->arena, struct str, chunk->n);
	for (size_t i = 0; i < chunk->n; i++) {
		ids[i] = chunk->events[i]->event->event_id.s;
	}
	return store_relations_kinds(filling->ctx, filling->hs->db, room_nid(filling->room), ids,
		chunk->n, &filling->kinds, &filling->kind_count);
}

static bool passes_filter(struct filling *filling, const struct event *event)
{
	const struct event_filter *filter = filling->query->filter;
	if (filter == NULL || filter->allows_all) {
		return true;
	}
	VEC(struct filter_relation) relations = {0};
	for (size_t i = 0; i < filling->kind_count; i++) {
		const struct relation_kind_row *row = &filling->kinds[i];
		if (str_equals(row->parent_id, event->event_id.s)) {
			const struct filter_relation relation = {row->rel_type, row->sender};
			VEC_PUSH(filling->ctx->arena, &relations, relation);
		}
	}
	struct filter_facts facts = filter_facts_of(event, room_id_of(filling->room).s);
	facts.relations = relations.p;
	facts.relation_count = relations.n;
	return filter_allows_event(filter, &facts);
}

static bool is_shown(struct filling *filling, const struct stored_event *stored)
{
	const struct page_query *query = filling->query;
	const struct event *event = stored->event;
	bool is_ignored =
		query->ignored != NULL && !event->is_state && str_set_has(query->ignored, event->sender.s);
	bool is_own_change =
		query->shows_own_changes && event_is(event, STR("m.room.member"), query->user_id);
	return !is_ignored && (is_own_change || room_viewer_sees(query->viewer, stored)) &&
		passes_filter(filling, event);
}

/* It is shown among older ones, but the reader may not know of it. */
static bool has_come_later(const struct page_query *query, const struct stored_event *event)
{
	return query->is_history && event->position > query->came_up_to;
}

/* Looks at a chunk. @return true when the page is full */
static bool take_chunk(struct filling *filling, const struct timeline *chunk, struct page *page)
{
	bool backwards = filling->query->is_backwards;
	for (size_t i = 0; i < chunk->n; i++) {
		struct stored_event *event = chunk->events[i];
		int64_t place = timeline_place(chunk, i);
		page->reached = backwards ? place - 1 : place;
		if (has_come_later(filling->query, event)) {
			continue;
		}
		if (!is_shown(filling, event)) {
			page->has_skipped = true;
			page->has_skipped_state = page->has_skipped_state || event->event->is_state;
			continue;
		}
		bool is_childless = chunk->childless != NULL && chunk->childless[i];
		VEC_PUSH(filling->ctx->arena, &filling->found, event);
		VEC_PUSH(filling->ctx->arena, &filling->childless, is_childless);
		if (filling->found.n == filling->query->limit) {
			page->is_end = i + 1 == chunk->n && !chunk->has_more;
			return true;
		}
	}
	page->is_end = !chunk->has_more;
	return false;
}

static enum err cover(struct filling *filling, const struct timeline *chunk)
{
	if (chunk->n == 0) {
		return ERR_OK;
	}
	TRY(room_viewer_cover(filling->ctx, filling->hs, filling->query->viewer, chunk->events,
		chunk->n));
	return filling->asks_relations ? load_kinds(filling, chunk) : ERR_OK;
}

static enum err read_chunk(const struct filling *filling, int64_t after, int64_t up_to,
	size_t limit, struct timeline *out)
{
	const struct page_query *query = filling->query;
	return query->is_history ? room_timeline_shown(filling->ctx, filling->hs, filling->room, after,
								   up_to, query->is_backwards, limit, out)
							 : room_timeline(filling->ctx, filling->hs, filling->room, after, up_to,
								   query->is_backwards, limit, out);
}

/* Where a page ends that has everything. The beginning of all is 0 unless there is history before that. */
static int64_t end_of(int64_t after, int64_t reached)
{
	return after > ROOM_OUTLIERS ? after : MIN_OF(reached, 0);
}

/* Forwards a page that ends at a gap has got to its last event: what will be fetched stands behind that. */
static void end_page(const struct page_query *query, int64_t first_after, int64_t last,
	struct page *page)
{
	page->is_at_gap = first_after != query->after || last != query->up_to;
	page->is_end = !page->is_at_gap;
	if (query->is_backwards) {
		page->reached = end_of(first_after, page->reached);
		page->before_gap = page->reached;
	} else if (page->is_at_gap) {
		page->before_gap = last;
	} else {
		page->reached = query->up_to;
	}
}

enum err page_fill(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct page_query *query, struct page *out)
{
	struct filling filling = {.ctx = ctx, .hs = hs, .room = room, .query = query};
	struct page page = {.reached = query->is_backwards ? query->up_to : query->after};
	int64_t first_after = query->after;
	int64_t last = query->up_to;
	/* A page ends where history is missing: who goes on from there may have it fetched. */
	if (query->is_backwards) {
		TRY(room_gap_bound(ctx, hs, room, query->after, query->up_to, &first_after));
	} else if (query->stops_at_gaps) {
		TRY(room_gap_bound_above(ctx, hs, room, query->after, query->up_to, &last));
	}
	filling.asks_relations = query->filter != NULL && event_filter_asks_relations(query->filter);
	size_t chunk_size = query->limit;
	bool is_full = query->limit == 0;
	for (size_t scanned = 0; !is_full && !page.is_end && scanned < query->scan_limit;) {
		struct timeline chunk;
		int64_t after = query->is_backwards ? first_after : page.reached;
		int64_t up_to = query->is_backwards ? page.reached : last;
		if (scanned == 0 && query->first != NULL) {
			chunk = *query->first;
		} else {
			TRY(read_chunk(&filling, after, up_to, chunk_size, &chunk));
		}
		TRY(cover(&filling, &chunk));
		is_full = take_chunk(&filling, &chunk, &page);
		scanned += chunk.n;
		chunk_size = MIN_OF(chunk_size * 4, (size_t)CHUNK_MAX);
	}
	if (page.is_end) {
		end_page(query, first_after, last, &page);
	}
	page.events = filling.found.p;
	page.childless = filling.childless.p;
	page.n = filling.found.n;
	*out = page;
	return ERR_OK;
}
