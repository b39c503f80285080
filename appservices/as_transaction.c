/*
 * Events are written as clients get them, in the order of the stream, room by room prepared.
 */
#include "appservices/as_transaction.h"

#include "base/map.h"
#include "homeserver/room/rooms.h"
#include "homeserver/timeline/event_view.h"

enum { CEILING_BYTES = 16 << 20 };

/* Events of one room, prepared for writing. */
struct room_part {
	struct event_view view;
	struct event_batch *batch;
	size_t written;
};

struct writing {
	struct ctx *ctx;
	struct homeserver *hs;
	struct as_draft *draft;
	struct room_part **parts; /* of news[i]; NULL: nothing to send */
	size_t event_n;
};

static bool is_first_of_room(const struct as_draft *draft, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (draft->news[i].room_nid == draft->news[index].room_nid &&
			draft->news[i].kind == APPSERVICE_NEWS_EVENT) {
			return false;
		}
	}
	return true;
}

/* Loads the events of one room; those that are gone have nothing to tell. */
static enum err load_room(struct writing *writing, int64_t nid)
{
	struct ctx *ctx = writing->ctx;
	const struct as_draft *draft = writing->draft;
	struct room *room;
	struct stored_event **events;
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, draft->news_n);
	size_t *places = ARENA_NEW_ARRAY(ctx->arena, size_t, draft->news_n);
	size_t n = 0;
	for (size_t i = 0; i < draft->news_n; i++) {
		if (draft->news[i].kind == APPSERVICE_NEWS_EVENT && draft->news[i].room_nid == nid) {
			places[n] = i;
			positions[n++] = draft->news[i].event_position;
		}
	}
	TRY(rooms_get_nid(ctx, writing->hs, nid, &room));
	TRY(room_events_at(ctx, writing->hs, room, positions, n, &events));
	struct room_part *part = ARENA_NEW(ctx->arena, struct room_part);
	part->view =
		(struct event_view){.up_to = POSITION_NOW, .with_room_id = true, .without_relations = true};
	size_t kept = 0;
	for (size_t i = 0; i < n; i++) {
		if (events[i] != NULL) {
			writing->parts[places[i]] = part;
			events[kept++] = events[i];
		}
	}
	return event_view_prepare(ctx, writing->hs, room, &part->view, events, kept, &part->batch);
}

static enum err load_events(struct writing *writing)
{
	const struct as_draft *draft = writing->draft;
	writing->parts = ARENA_NEW_ARRAY(writing->ctx->arena, struct room_part *, draft->news_n);
	for (size_t i = 0; i < draft->news_n; i++) {
		if (draft->news[i].kind != APPSERVICE_NEWS_EVENT || !is_first_of_room(draft, i)) {
			continue;
		}
		enum err err = load_room(writing, draft->news[i].room_nid);
		if (err != ERR_OK && err != ERR_MISSING) {
			return err;
		}
	}
	return ERR_OK;
}

/* In order, until it is large: what else stands at the last position is in it too. */
static void write_events(struct writing *writing, struct json_out *out)
{
	struct as_draft *draft = writing->draft;
	json_out_key_array(out, "events");
	for (size_t i = 0; i < draft->news_n; i++) {
		if (out->buf->n > AS_TRANSACTION_BYTES && draft->news[i].position != draft->up_to) {
			break;
		}
		draft->up_to = draft->news[i].position;
		struct room_part *part = writing->parts[i];
		if (part != NULL) {
			event_view_write(part->batch, part->written++, out);
			writing->event_n++;
		}
	}
	json_out_end(out);
}

enum err as_draft_write(struct ctx *ctx, struct homeserver *hs, struct as_draft *draft)
{
	struct writing writing = {.ctx = ctx, .hs = hs, .draft = draft};
	struct buf buf CLEANUP(buf_fini);
	struct json_out out;
	buf_init(&buf, CEILING_BYTES);
	json_out_init(&out, &buf);
	TRY(load_events(&writing));
	json_out_object(&out);
	write_events(&writing, &out);
	json_out_end(&out);
	if (!buf_ok(&buf)) {
		return fail_cause(ctx, ERR_INTERNAL, "a transaction could not be written");
	}
	draft->body = writing.event_n > 0 ? str_dup(ctx->arena, buf_str(&buf)) : str_from(NULL, 0);
	return ERR_OK;
}
