/*
 * One room's part of a sync: put together, then written.
 */
#include "homeserver/sync/sync_inner.h"
#include "homeserver/typing/typing.h"
#include "matrix/edu.h"

/* --- loading --------------------------------------------------------------------------------------------- */

static enum err load_typing(struct sync_run *run, struct room_part *part)
{
	bool is_new = part->after == 0 || room_typing_serial(part->room) > run->since_ephemeral;
	if (!is_new) {
		return ERR_OK;
	}
	struct str *users;
	size_t n;
	TRY(typing_users(run->ctx, run->hs, part->room, &users, &n));
	part->typing = users;
	for (size_t i = 0; i < n; i++) {
		if (!str_set_has(&run->ignored, users[i])) {
			users[part->typing_n++] = users[i];
		}
	}
	part->has_typing = part->after > 0 || part->typing_n > 0;
	return ERR_OK;
}

static enum err load_ephemeral(struct sync_run *run, struct room_part *part)
{
	const struct event_filter *filter = &run->request->filter->ephemeral;
	if (part->is_left || !event_filter_allows_room(filter, room_id_of(part->room).s)) {
		return ERR_OK;
	}
	if (event_filter_allows_type(filter, STR("m.typing"))) {
		TRY(load_typing(run, part));
	}
	if (event_filter_allows_type(filter, STR("m.receipt")) &&
		room_receipt_position(part->room) > part->after) {
		TRY(receipts_contents(run->ctx, run->hs, part->room, run->who->user.s, part->after,
			run->up_to, &part->receipts, &part->receipt_n));
	}
	return ERR_OK;
}

/* Account data of the room: what changed, or all of it for somebody who has just come. */
static enum err load_data(struct sync_run *run, struct room_part *part)
{
	const struct event_filter *filter = &run->request->filter->room_account_data;
	struct account_data_item *items = run->room_data;
	size_t count = run->room_data_n;
	if (!event_filter_allows_room(filter, room_id_of(part->room).s)) {
		return ERR_OK;
	}
	if (part->after == 0 && !run->is_initial && !part->is_left) {
		TRY(account_data_changes(run->ctx, run->hs, run->user, room_nid(part->room), 0, run->up_to,
			&items, &count));
		for (size_t i = 0; i < count; i++) {
			items[i].room_nid = room_nid(part->room);
		}
	}
	part->data = ARENA_NEW_ARRAY(run->ctx->arena, struct account_data_item, count);
	for (size_t i = 0; i < count; i++) {
		if (items[i].room_nid == room_nid(part->room) &&
			event_filter_allows_type(filter, items[i].type)) {
			part->data[part->data_n++] = items[i];
		}
	}
	return ERR_OK;
}

static enum err prepare_views(struct sync_run *run, struct room_part *part)
{
	const struct filter *filter = run->request->filter;
	part->timeline_view = (struct event_view){
		.user_id = run->who->user.s,
		.device_id = run->who->device_id,
		.viewer = part->viewer,
		.filter = filter,
		.ignored = run->ignored.count > 0 ? &run->ignored : NULL,
		.up_to = part->up_to,
		.is_whole = filter->timeline.allows_all,
	};
	part->state_view = part->timeline_view;
	part->state_view.is_state = true;
	part->state_view.viewer = NULL;
	TRY(event_view_prepare(run->ctx, run->hs, part->room, &part->timeline_view, part->timeline.p,
		part->timeline.n, &part->timeline_batch));
	return event_view_prepare(run->ctx, run->hs, part->room, &part->state_view, part->state.p,
		part->state.n, &part->state_batch);
}

static enum err load_events(struct sync_run *run, struct room_part *part)
{
	TRY(sync_delta_timeline(run, part));
	if (!part->is_left) {
		TRY(sync_summary_load(run, part));
	}
	return sync_delta_state(run, part);
}

enum err sync_room_load(struct sync_run *run, struct room_part *part)
{
	part->shown = sync_shown_find(run, part);
	if (part->shown == NULL) {
		TRY(load_events(run, part));
	}
	TRY(load_ephemeral(run, part));
	TRY(load_data(run, part));
	if (sync_room_is_empty(part)) {
		return ERR_OK;
	}
	if (!part->is_left) {
		TRY(unread_counts(run->ctx, run->hs, part->room, run->user, run->up_to, &part->unread));
	}
	if (part->shown == NULL) {
		TRY(prepare_views(run, part));
		part->shown = sync_shown_make(run, part);
	}
	return ERR_OK;
}

bool sync_room_is_empty(const struct room_part *part)
{
	return part->shown == NULL && !part->is_whole && !part->is_left && part->timeline.n == 0 &&
		!part->is_limited && part->state.n == 0 && !part->summary.is_told && part->receipt_n == 0 &&
		!part->has_typing && part->data_n == 0;
}

/* --- writing ------------------------------------------------------------------------------------------------- */

static void write_summary(const struct room_summary *summary, struct json_out *out)
{
	json_out_key_object(out, "summary");
	if (summary->has_heroes) {
		json_out_key_strs(out, "m.heroes", summary->heroes, summary->hero_n);
	}
	json_out_key_int(out, "m.joined_member_count", summary->counts.joined);
	json_out_key_int(out, "m.invited_member_count", summary->counts.invited);
	json_out_end(out);
}

static void write_events(const struct event_batch *batch, struct json_out *out)
{
	json_out_key_array(out, "events");
	event_view_write_all(batch, out);
	json_out_end(out);
}

static void write_state(const struct sync_run *run, const struct room_part *part,
	struct json_out *out)
{
	if (part->state.n == 0 && !run->request->uses_state_after) {
		json_out_key_raw(out, "state", SYNC_NO_EVENTS);
		return;
	}
	if (run->request->uses_state_after) {
		json_out_key_object(out, "state_after");
	} else {
		json_out_key_object(out, "state");
	}
	write_events(part->state_batch, out);
	json_out_end(out);
}

static void write_timeline(const struct sync_run *run, const struct room_part *part,
	struct json_out *out)
{
	json_out_key_object(out, "timeline");
	write_events(part->timeline_batch, out);
	json_out_key_bool(out, "limited", part->is_limited);
	json_out_key_str(out, "prev_batch",
		token_text(run->ctx->arena, (struct token){.position = part->start}));
	json_out_end(out);
}

static void write_ephemeral(const struct room_part *part, struct json_out *out)
{
	if (!part->has_typing && part->receipt_n == 0) {
		json_out_key_raw(out, "ephemeral", SYNC_NO_EVENTS);
		return;
	}
	json_out_key_object(out, "ephemeral");
	json_out_key_array(out, "events");
	if (part->has_typing) {
		edu_typing_write(out, part->typing, part->typing_n);
	}
	for (size_t i = 0; i < part->receipt_n; i++) {
		json_out_object(out);
		json_out_key_raw(out, "content", part->receipts[i]);
		json_out_key_str(out, "type", STR("m.receipt"));
		json_out_end(out);
	}
	json_out_end(out);
	json_out_end(out);
}

static void write_counts(int64_t notifications, int64_t highlights, struct json_out *out)
{
	json_out_object(out);
	json_out_key_int(out, "highlight_count", highlights);
	json_out_key_int(out, "notification_count", notifications);
	json_out_end(out);
}

static void write_unread(const struct sync_run *run, const struct unread_result *unread,
	struct json_out *out)
{
	bool is_apart = run->request->filter->timeline.unread_thread_notifications;
	int64_t notifications = unread->notification_count;
	int64_t highlights = unread->highlight_count;
	for (size_t i = 0; i < unread->thread_count && !is_apart; i++) {
		notifications += unread->threads[i].notification_count;
		highlights += unread->threads[i].highlight_count;
	}
	json_out_key_lit(out, "unread_notifications");
	write_counts(notifications, highlights, out);
	if (!is_apart || unread->thread_count == 0) {
		return;
	}
	json_out_key_object(out, "unread_thread_notifications");
	for (size_t i = 0; i < unread->thread_count; i++) {
		json_out_key(out, unread->threads[i].root);
		write_counts(unread->threads[i].notification_count, unread->threads[i].highlight_count,
			out);
	}
	json_out_end(out);
}

void sync_data_write(const struct account_data_item *items, size_t count, struct json_out *out)
{
	if (count == 0) {
		json_out_key_raw(out, "account_data", SYNC_NO_EVENTS);
		return;
	}
	json_out_key_object(out, "account_data");
	json_out_key_lit(out, "events");
	account_data_write(items, count, out);
	json_out_end(out);
}

void sync_room_write_events(const struct sync_run *run, const struct room_part *part,
	struct json_out *out)
{
	write_state(run, part, out);
	write_timeline(run, part, out);
}

void sync_room_write(const struct sync_run *run, const struct room_part *part, struct json_out *out)
{
	json_out_object(out);
	if (part->summary.is_told) {
		write_summary(&part->summary, out);
	}
	if (part->shown != NULL) {
		json_out_raw(out, sync_shown_text(part->shown));
	} else {
		sync_room_write_events(run, part, out);
	}
	if (!part->is_left) {
		write_ephemeral(part, out);
	}
	sync_data_write(part->data, part->data_n, out);
	if (!part->is_left) {
		write_unread(run, &part->unread, out);
	}
	json_out_end(out);
}
