/*
 * /relations. Positions of children come in chunks from one statement; hidden ones are passed over until the page is full.
 */
#include "homeserver/timeline/page_relations.h"

#include "base/vec.h"
#include "homeserver/timeline/reading.h"
#include "storage/relation.h"

struct relations_page {
	VEC(struct stored_event *) events;
	int64_t
		reached; /* backwards: everything after this was looked at; forwards, everything up to it */
	bool is_end;
};

static enum err take_children(struct ctx *ctx, struct homeserver *hs, struct reading *reading,
	const struct relation_query *query, size_t limit, struct relations_page *page)
{
	int64_t *positions;
	size_t count;
	struct stored_event **events;
	TRY(store_relations_page(ctx, hs->db, query, &positions, &count));
	page->is_end = count < (size_t)query->limit;
	if (count == 0) {
		return ERR_OK;
	}
	TRY(room_events_at(ctx, hs, reading->room, positions, count, &events));
	TRY(room_viewer_cover(ctx, hs, reading->viewer, events, count));
	for (size_t i = 0; i < count; i++) {
		if (page->events.n == limit) {
			page->is_end = false;
			return ERR_OK;
		}
		page->reached = query->is_backwards ? positions[i] - 1 : positions[i];
		if (events[i] != NULL && room_viewer_sees(reading->viewer, events[i])) {
			VEC_PUSH(ctx->arena, &page->events, events[i]);
		}
	}
	return ERR_OK;
}

static enum err fill(struct ctx *ctx, struct homeserver *hs, const struct relations_ask *ask,
	struct reading *reading, int64_t start, struct relations_page *page)
{
	int64_t last = reading->view.up_to;
	struct relation_query query = {
		.room_nid = room_nid(reading->room),
		.parent_id = ask->event_id,
		.rel_type = ask->rel_type,
		.type = ask->event_type,
		.ignored = reading->ignored.items,
		.ignored_count = reading->ignored.count,
		.is_backwards = ask->is_backwards,
		.levels = ask->is_recursive ? RELATIONS_MAX_LEVELS : 1,
		.limit = (int64_t)ask->limit + 1, /* one more shows whether there is more */
	};
	page->reached = start;
	for (size_t scanned = 0;
		 page->events.n < ask->limit && !page->is_end && scanned < READING_SCAN_LIMIT;
		 scanned += (size_t)query.limit) {
		query.after =
			ask->is_backwards ? (ask->has_to ? ask->to.position : ROOM_OUTLIERS) : page->reached;
		query.up_to = page->reached;
		if (!ask->is_backwards) {
			query.up_to = ask->has_to ? MIN_OF(ask->to.position, last) : last;
		}
		TRY(take_children(ctx, hs, reading, &query, ask->limit, page));
	}
	return ERR_OK;
}

enum err page_relations(struct ctx *ctx, struct homeserver *hs, const struct relations_ask *ask,
	struct json_out *out)
{
	struct reading reading;
	struct stored_event *parent;
	TRY(reading_find_event(ctx, hs, ask->who, ask->room_id, ask->event_id, &reading, &parent));
	int64_t last = reading.view.up_to;
	int64_t start = ask->is_backwards ? last : ROOM_OUTLIERS;
	if (ask->has_from) {
		start = MIN_OF(ask->from.position, last);
	}
	struct relations_page page = {0};
	TRY(fill(ctx, hs, ask, &reading, start, &page));
	struct event_batch *batch;
	TRY(event_view_prepare(ctx, hs, reading.room, &reading.view, page.events.p, page.events.n,
		&batch));
	json_out_object(out);
	json_out_key_array(out, "chunk");
	event_view_write_all(batch, out);
	json_out_end(out);
	if (!page.is_end) {
		json_out_key_str(out, "next_batch",
			token_text(ctx->arena, (struct token){.position = page.reached}));
	}
	if (ask->has_from) {
		json_out_key_str(out, "prev_batch", token_text(ctx->arena, ask->from));
	}
	if (ask->tells_depth) {
		json_out_key_int(out, "recursion_depth", ask->is_recursive ? RELATIONS_MAX_LEVELS : 1);
	}
	json_out_end(out);
	return ERR_OK;
}
