/*
 * Client JSON of events. An event can only be related to, redacted or replaced by later events, so what is newest needs no
 * query.
 */
#include "homeserver/timeline/event_view.h"

#include <string.h>

#include "base/vec.h"
#include "homeserver/timeline/bundle.h"
#include "homeserver/timeline/event_erased.h"
#include "matrix/canonical.h"

struct event_batch {
	struct arena *arena;
	const struct event_view *view;
	struct str room_id;
	int64_t now_ms;
	struct stored_event *const *events;
	size_t count;
	struct stored_event **replaced; /* one of each for each event; NULL: none */
	struct stored_event **redaction;
	bool *
		hides_replaced; /* of each event: the reader may know that it replaced another, but not what that said */
	const struct relation_bundle *bundles; /* NULL: none at all */
};

/* --- looking up ----------------------------------------------------------------------------------------- */

/* The events that others replaced, and those that redacted others. */
static enum err load_others(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct event_batch *batch)
{
	VEC(int64_t) positions = {0};
	VEC(struct stored_event **) places = {0};
	batch->replaced = ARENA_NEW_ARRAY(ctx->arena, struct stored_event *, batch->count);
	batch->redaction = ARENA_NEW_ARRAY(ctx->arena, struct stored_event *, batch->count);
	for (size_t i = 0; i < batch->count; i++) {
		const struct stored_event *event = batch->events[i];
		if (event->replaces_position != 0 && event->event->is_state && !batch->view->is_state) {
			VEC_PUSH(ctx->arena, &positions, event->replaces_position);
			VEC_PUSH(ctx->arena, &places, &batch->replaced[i]);
		}
		if (stored_event_is_redacted(event) && event->redacted_by <= batch->view->up_to) {
			VEC_PUSH(ctx->arena, &positions, event->redacted_by);
			VEC_PUSH(ctx->arena, &places, &batch->redaction[i]);
		}
	}
	if (positions.n == 0) {
		return ERR_OK;
	}
	struct stored_event **found;
	TRY(room_events_at(ctx, hs, room, positions.p, positions.n, &found));
	for (size_t i = 0; i < positions.n; i++) {
		*places.p[i] = found[i];
	}
	for (size_t i = 0; i < batch->count; i++) {
		const struct stored_event *event = batch->events[i];
		if (event->replaces_position != 0 && !batch->view->is_state && batch->replaced[i] == NULL) {
			TRY(room_replaced(ctx, hs, room, event, &batch->replaced[i]));
		}
	}
	return ERR_OK;
}

static bool is_own_member(const struct event_view *view, const struct event *event)
{
	return str_equals(event->type, STR("m.room.member")) &&
		str_equals(event->state_key, view->user_id);
}

/* Events of erased users, and what hangs on them. */
static enum err hide_erased(struct ctx *ctx, struct homeserver *hs, struct event_batch *batch)
{
	struct room_viewer *viewer = batch->view->viewer;
	if (viewer == NULL || batch->count == 0) {
		return ERR_OK;
	}
	struct stored_event **events = ARENA_NEW_ARRAY(ctx->arena, struct stored_event *, batch->count);
	memcpy(events, batch->events, batch->count * sizeof(*events));
	TRY(erased_hide(ctx, hs, viewer, events, batch->count));
	TRY(erased_hide(ctx, hs, viewer, batch->replaced, batch->count));
	batch->events = events;
	return erased_hide(ctx, hs, viewer, batch->redaction, batch->count);
}

/*
 * What was replaced may be older than what the reader may see: then only its id is told, "regardless of history visibility". One's own
 * membership everybody knows.
 */
static enum err hide_replaced(struct ctx *ctx, struct homeserver *hs, struct event_batch *batch)
{
	struct room_viewer *viewer = batch->view->viewer;
	batch->hides_replaced = ARENA_NEW_ARRAY(ctx->arena, bool, batch->count);
	if (viewer == NULL) {
		return ERR_OK;
	}
	TRY(room_viewer_cover_sight(ctx, hs, viewer, batch->replaced, batch->count));
	for (size_t i = 0; i < batch->count; i++) {
		const struct stored_event *replaced = batch->replaced[i];
		batch->hides_replaced[i] = replaced != NULL && !room_viewer_sees(viewer, replaced) &&
			!is_own_member(batch->view, replaced->event);
	}
	return ERR_OK;
}

enum err event_view_prepare(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event_view *view, struct stored_event *const *events, size_t count,
	struct event_batch **out)
{
	struct event_batch *batch = ARENA_NEW(ctx->arena, struct event_batch);
	*batch = (struct event_batch){
		.arena = ctx->arena,
		.view = view,
		.room_id = room_id_of(room).s,
		.now_ms = clock_wall_ms(&hs->clock),
		.events = events,
		.count = count,
	};
	TRY(load_others(ctx, hs, room, batch));
	if (view->viewer != NULL) {
		TRY(room_viewer_cover(ctx, hs, view->viewer, events, count));
		TRY(room_viewer_cover_sight(ctx, hs, view->viewer, batch->redaction, count));
	}
	TRY(hide_replaced(ctx, hs, batch));
	TRY(hide_erased(ctx, hs, batch));
	if (!view->is_state && !view->without_relations) {
		TRY(bundle_load(ctx, hs, room, view, batch->events, count, &batch->bundles));
	}
	*out = batch;
	return ERR_OK;
}

bool event_view_is_common(const struct event_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		const struct event *event = batch->events[i]->event;
		if (event->is_state || str_equals(event->sender.s, batch->view->user_id) ||
			(batch->bundles != NULL && !relation_bundle_is_empty(&batch->bundles[i]))) {
			return false;
		}
	}
	return true;
}

/* --- writing ---------------------------------------------------------------------------------------------- */

static void write_replaced(const struct stored_event *replaced, bool is_hidden,
	struct json_out *out)
{
	if (!is_hidden) {
		json_out_key_value(out, "prev_content", replaced->event->content);
		json_out_key_str(out, "prev_sender", replaced->event->sender.s);
	}
	json_out_key_str(out, "replaces_state", replaced->event->event_id.s);
}

/* Opens an event with what everybody gets; the caller may add members and closes it. */
static void open_plain(const struct stored_event *event, struct str room_id, struct json_out *out)
{
	json_out_object(out);
	buf_add(out->buf, event->client_members);
	out->need_comma = true;
	if (room_id.p != NULL) {
		json_out_key_str(out, "room_id", room_id);
	}
}

static void write_redaction(const struct event_batch *batch, const struct stored_event *redaction,
	struct json_out *out)
{
	bool is_seen = batch->view->viewer == NULL || room_viewer_sees(batch->view->viewer, redaction);
	if (!is_seen) {
		return;
	}
	json_out_key_lit(out, "redacted_because");
	open_plain(redaction, batch->view->with_room_id ? batch->room_id : str_from(NULL, 0), out);
	json_out_end(out);
}

/* By what the sender knows the event: its device by the request, all of the sender's by what the event was before it was sent. */
static void write_txn(const struct stored_event *event, struct str device_id, struct json_out *out)
{
	if (str_equals(event->txn_device, STR(EVENT_TXN_DELAYED))) {
		json_out_key_str(out, EVENT_TXN_DELAYED, event->txn_id);
	} else if (device_id.p != NULL && str_equals(event->txn_device, device_id)) {
		json_out_key_str(out, "transaction_id", event->txn_id);
	}
}

static void write_unsigned(const struct event_batch *batch, size_t index, struct json_out *out)
{
	const struct event_view *view = batch->view;
	const struct stored_event *event = batch->events[index];
	json_out_key_object(out, "unsigned");
	/* In old rooms the time is any integer. */
	json_out_key_int(out, "age",
		batch->now_ms - MAX_OF(event->event->origin_server_ts, -CANONICAL_INT_MAX));
	if (view->viewer != NULL) {
		json_out_key_str(out, "membership", room_viewer_membership(view->viewer, event));
	}
	if (event->txn_id.p != NULL && str_equals(event->event->sender.s, view->user_id)) {
		write_txn(event, view->device_id, out);
	}
	if (batch->replaced[index] != NULL) {
		write_replaced(batch->replaced[index], batch->hides_replaced[index], out);
	}
	if (batch->redaction[index] != NULL) {
		write_redaction(batch, batch->redaction[index], out);
	}
	if (view->stripped != NULL && view->stripped[index].p != NULL) {
		bool is_knock = str_equals(event_membership(event->event), STR("knock"));
		json_out_key(out, str_of(is_knock ? "knock_room_state" : "invite_room_state"));
		json_out_raw(out, view->stripped[index]);
	}
	if (batch->bundles != NULL && !relation_bundle_is_empty(&batch->bundles[index])) {
		json_out_key_lit(out, "m.relations");
		relation_bundle_write(out, &batch->bundles[index]);
	}
	json_out_end(out);
}

/* The event as servers exchange it, with `unsigned` and, where it has none, its id. */
static void write_federation(const struct event_batch *batch, size_t index, struct json_out *out)
{
	const struct event *event = batch->events[index]->event;
	json_out_object(out);
	buf_add(out->buf, str_slice(event->raw, 1, event->raw.n - 1));
	out->need_comma = true;
	if (event->version->event_format != EVENT_FORMAT_V1) {
		json_out_key_str(out, "event_id", event->event_id.s);
	}
	write_unsigned(batch, index, out);
	json_out_end(out);
}

static void write_client(const struct event_batch *batch, size_t index, struct json_out *out)
{
	open_plain(batch->events[index], batch->view->with_room_id ? batch->room_id : str_from(NULL, 0),
		out);
	write_unsigned(batch, index, out);
	json_out_end(out);
}

static void write_whole(const struct event_batch *batch, size_t index, struct json_out *out)
{
	if (batch->view->filter != NULL && batch->view->filter->is_federation_format) {
		write_federation(batch, index, out);
	} else {
		write_client(batch, index, out);
	}
}

/* Only the fields that the filter names: written, read again, projected. */
static void write_projected(const struct event_batch *batch, size_t index, struct json_out *out)
{
	enum { EVENT_CEILING = 16 << 20 };
	struct buf buf CLEANUP(buf_fini);
	struct json_out whole;
	buf_init(&buf, EVENT_CEILING);
	json_out_init(&whole, &buf);
	write_whole(batch, index, &whole);
	struct json json;
	struct str text = str_dup(batch->arena, buf_str(&buf));
	if (!buf_ok(&buf) || json_parse(batch->arena, text, NULL, &json, NULL) != JSON_OK) {
		write_whole(batch, index, out);
		return;
	}
	struct json projected = filter_project(batch->arena, batch->view->filter, &json);
	json_out_value(out, &projected);
}

void event_view_write(const struct event_batch *batch, size_t index, struct json_out *out)
{
	invariant(index < batch->count);
	if (batch->view->filter != NULL && batch->view->filter->field_count > 0) {
		write_projected(batch, index, out);
	} else {
		write_whole(batch, index, out);
	}
}

void event_view_write_all(const struct event_batch *batch, struct json_out *out)
{
	for (size_t i = 0; i < batch->count; i++) {
		event_view_write(batch, i, out);
	}
}
