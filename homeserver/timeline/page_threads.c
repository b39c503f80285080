/*
 * /threads. A token stands at the newest event of a thread: a thread that gets one meanwhile moves to the front.
 */
#include "base/vec.h"
#include "homeserver/timeline/page_relations.h"
#include "homeserver/timeline/reading.h"
#include "matrix/canonical.h"
#include "matrix/redact.h"
#include "storage/relation.h"

struct threads_page {
	VEC(struct stored_event *) roots;
	int64_t reached; /* threads whose newest event is after this were looked at */
	bool is_end;
};

/* The root of somebody whom the reader ignores is shown as if it were redacted: the thread may be of others. */
static struct stored_event *as_redacted(struct ctx *ctx, const struct room *room,
	const struct stored_event *root)
{
	const struct event *event = root->event;
	struct json redacted = redact_event(ctx->arena, event->version, event_json(ctx->arena, event));
	const struct event_row row = {
		.room_nid = root->room_nid,
		.position = root->position,
		.event_id = event->event_id.s,
		.json = canonical_text(ctx->arena, &redacted),
		.redacted_by =
			POSITION_NOW, /* so that no edit is shown with it; there is no redaction to show */
	};
	struct stored_event *shown = stored_event_create(event->version, room_id_of(room).s, &row);
	stored_event_until_reset(ctx->arena, shown);
	return shown;
}

static enum err add_root(struct ctx *ctx, struct homeserver *hs, struct reading *reading,
	struct str root_id, struct threads_page *page)
{
	struct stored_event *root;
	enum err err = room_event(ctx, hs, reading->room, root_id, &root);
	if (err == ERR_MISSING) {
		return ERR_OK; /* another server's event that never came */
	}
	TRY(err);
	TRY(room_viewer_cover(ctx, hs, reading->viewer, &root, 1));
	if (room_viewer_sees(reading->viewer, root)) {
		VEC_PUSH(ctx->arena, &page->roots,
			reading_ignores(reading, root) ? as_redacted(ctx, reading->room, root) : root);
	}
	return ERR_OK;
}

static enum err fill(struct ctx *ctx, struct homeserver *hs, const struct threads_ask *ask,
	struct reading *reading, struct threads_page *page)
{
	struct thread_query query = {
		.room_nid = room_nid(reading->room),
		.up_to = reading->view.up_to,
		.participant = ask->only_participated ? ask->who->user.s : str_from(NULL, 0),
		.ignored = reading->ignored.items,
		.ignored_count = reading->ignored.count,
		.limit = (int64_t)ask->limit + 1,
	};
	page->reached =
		ask->has_from ? MIN_OF(ask->from.position, reading->view.up_to) : reading->view.up_to;
	for (size_t scanned = 0;
		 page->roots.n < ask->limit && !page->is_end && scanned < READING_SCAN_LIMIT;) {
		struct thread_row *rows;
		size_t count;
		query.latest_up_to = page->reached;
		TRY(store_threads_page(ctx, hs->db, &query, &rows, &count));
		size_t i = 0;
		for (; i < count && page->roots.n < ask->limit; i++) {
			TRY(add_root(ctx, hs, reading, rows[i].root_id, page));
			page->reached = rows[i].latest - 1;
		}
		page->is_end = i == count && count < (size_t)query.limit;
		scanned += (size_t)query.limit;
	}
	return ERR_OK;
}

enum err page_threads(struct ctx *ctx, struct homeserver *hs, const struct threads_ask *ask,
	struct json_out *out)
{
	struct reading reading;
	TRY(reading_begin_room(ctx, hs, ask->who, ask->room_id, &reading));
	struct threads_page page = {0};
	TRY(fill(ctx, hs, ask, &reading, &page));
	struct event_batch *batch;
	TRY(event_view_prepare(ctx, hs, reading.room, &reading.view, page.roots.p, page.roots.n,
		&batch));
	json_out_object(out);
	json_out_key_array(out, "chunk");
	event_view_write_all(batch, out);
	json_out_end(out);
	if (!page.is_end) {
		json_out_key_str(out, "next_batch",
			token_text(ctx->arena, (struct token){.position = page.reached}));
	}
	json_out_end(out);
	return ERR_OK;
}
