/*
 * /messages, /context and /event. Everything that can fail is done before the first byte is written.
 */
#include "homeserver/timeline/page.h"

#include "base/vec.h"
#include "homeserver/person/persons.h"
#include "homeserver/user/users.h"
#include "storage/state.h"

enum { SCAN_LIMIT = 5000 };

/* A room that is being read, and by whom. */
struct reading {
	struct room *room;
	struct room_viewer *viewer;
	int64_t horizon; /* newest position of which the reader may know */
	struct str_set ignored;
	struct event_view view;
};

/* --- who may read ------------------------------------------------------------------------------------------ */

static enum err require_remembered(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id)
{
	struct member_row member;
	enum err err = store_member_of_room(ctx, hs->db, room_nid(room), user_id, &member);
	if (err == ERR_MISSING || (err == ERR_OK && !member.is_forgotten)) {
		return ERR_OK;
	}
	return err != ERR_OK ? err : fail(ctx, ERR_DENIED, M_FORBIDDEN, "You are not in that room");
}

static enum err load_ignored(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str_set *out)
{
	struct user *user;
	struct str *ids;
	size_t count;
	TRY(users_get(ctx, hs, user_id, &user));
	TRY(ignored_users(ctx, hs, user, &ids, &count));
	*out = str_set_make(ctx->arena, ids, count);
	return ERR_OK;
}

static enum err begin(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct room *room, struct reading *out)
{
	*out = (struct reading){.room = room};
	out->viewer = room_viewer_create(ctx, room, who->user.s);
	TRY(room_viewer_horizon(ctx, hs, out->viewer, &out->horizon));
	if (out->horizon != POSITION_NOW) {
		TRY(require_remembered(ctx, hs, room, who->user.s));
	}
	TRY(load_ignored(ctx, hs, who->user.s, &out->ignored));
	out->view = (struct event_view){
		.user_id = who->user.s,
		.device_id = who->device_id,
		.viewer = out->viewer,
		.ignored = out->ignored.count > 0 ? &out->ignored : NULL,
		.up_to = MIN_OF(out->horizon, writer_position(hs->writer)),
		.with_room_id = true,
	};
	return ERR_OK;
}

/* --- members of senders --------------------------------------------------------------------------------------- */

static bool is_new_sender(struct stored_event *const *events, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (str_equals(events[i]->event->sender.s, events[index]->event->sender.s)) {
			return false;
		}
	}
	return true;
}

/* The member events of those who sent the events, as of a position. */
static enum err load_senders(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct stored_event *const *events, size_t count, int64_t position, struct stored_event ***out,
	size_t *out_count)
{
	VEC(struct stored_event *) members = {0};
	for (size_t i = 0; i < count; i++) {
		struct stored_event *member = NULL;
		if (is_new_sender(events, i)) {
			TRY(room_state_event(ctx, hs, room, STR("m.room.member"), events[i]->event->sender.s,
				position, &member));
		}
		if (member != NULL) {
			VEC_PUSH(ctx->arena, &members, member);
		}
	}
	*out = members.p;
	*out_count = members.n;
	return ERR_OK;
}

/* --- /messages --------------------------------------------------------------------------------------------------- */

static struct str position_token(struct ctx *ctx, int64_t position)
{
	return token_text(ctx->arena, (struct token){.position = position});
}

static enum err fill_messages(struct ctx *ctx, struct homeserver *hs, const struct page_ask *ask,
	struct reading *reading, int64_t start, struct page *out)
{
	int64_t last = reading->view.up_to;
	struct page_query query = {
		.viewer = reading->viewer,
		.user_id = ask->who->user.s,
		.filter = ask->filter,
		.ignored = reading->view.ignored,
		.is_backwards = ask->is_backwards,
		.limit = ask->limit,
		.scan_limit = SCAN_LIMIT,
	};
	if (ask->is_backwards) {
		query.after = ask->has_to ? ask->to.position : 0;
		query.up_to = MIN_OF(start, last);
	} else {
		query.after = start;
		query.up_to = ask->has_to ? MIN_OF(ask->to.position, last) : last;
	}
	if (ask->filter != NULL && !page_filter_allows_any(ask->filter, ask->room_id)) {
		*out = (struct page){.is_end = true};
		return ERR_OK;
	}
	return page_fill(ctx, hs, reading->room, &query, out);
}

/* Whether the client should come back for more in this direction. */
static bool goes_on(const struct page_ask *ask, const struct page *page)
{
	if (!page->is_end) {
		return true;
	}
	/* Forwards there may be more at any time; backwards only before the bound that was given. */
	return page->n > 0 && (!ask->is_backwards || (ask->has_to && ask->to.position > 0));
}

enum err page_messages(struct ctx *ctx, struct homeserver *hs, const struct page_ask *ask,
	struct json_out *out)
{
	struct room *room;
	struct reading reading;
	TRY(rooms_get_for(ctx, hs, ask->room_id, &room));
	TRY(begin(ctx, hs, ask->who, room, &reading));
	if (reading.horizon == 0) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "You are not in that room");
	}
	int64_t first = ask->is_backwards ? reading.view.up_to : 0;
	int64_t start = ask->has_from ? ask->from.position : first;
	struct page page;
	TRY(fill_messages(ctx, hs, ask, &reading, start, &page));
	struct event_batch *batch;
	TRY(event_view_prepare(ctx, hs, room, &reading.view, page.events, page.n, &batch));
	struct event_batch *members = NULL;
	struct event_view state_view = reading.view;
	state_view.is_state = true;
	if (ask->filter != NULL && ask->filter->lazy_load_members && page.n > 0) {
		struct stored_event **events;
		size_t count;
		int64_t newest = page.events[ask->is_backwards ? 0 : page.n - 1]->position;
		TRY(load_senders(ctx, hs, room, page.events, page.n, newest, &events, &count));
		state_view.viewer = NULL;
		TRY(event_view_prepare(ctx, hs, room, &state_view, events, count, &members));
	}
	json_out_object(out);
	json_out_key_array(out, "chunk");
	event_view_write_all(batch, out);
	json_out_end(out);
	/* What was given, whole: clients compare it. */
	json_out_key_str(out, "start",
		ask->has_from ? token_text(ctx->arena, ask->from) : position_token(ctx, start));
	if (goes_on(ask, &page)) {
		json_out_key_str(out, "end", position_token(ctx, page.reached));
	}
	if (members != NULL) {
		json_out_key_array(out, "state");
		event_view_write_all(members, out);
		json_out_end(out);
	}
	json_out_end(out);
	return ERR_OK;
}

/* --- /event and /context ------------------------------------------------------------------------------------------- */

static enum err no_event(struct ctx *ctx)
{
	return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Event not found");
}

/* An event that the user may see; unknown rooms, unknown events and hidden ones look the same. */
static enum err find_event(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str room_id, struct str event_id, struct reading *reading, struct stored_event **out)
{
	struct room *room;
	struct event_id parsed;
	if (!event_id_parse(event_id, &parsed)) {
		return no_event(ctx);
	}
	enum err err = rooms_get(ctx, hs, room_id, &room);
	if (err == ERR_OK) {
		err = begin(ctx, hs, who, room, reading);
	}
	if (err == ERR_OK) {
		err = room_event(ctx, hs, room, event_id, out);
	}
	if (err == ERR_OK) {
		err = room_viewer_cover(ctx, hs, reading->viewer, (*out)->position);
	}
	if (err == ERR_MISSING || err == ERR_DENIED ||
		(err == ERR_OK && !room_viewer_sees(reading->viewer, *out))) {
		return no_event(ctx);
	}
	TRY(err);
	/* Who was only invited may know about what is visible, up to now. */
	reading->view.up_to = MAX_OF(reading->view.up_to, (*out)->position);
	return ERR_OK;
}

enum err page_event(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str room_id, struct str event_id, struct json_out *out)
{
	struct reading reading;
	struct stored_event *event;
	TRY(find_event(ctx, hs, who, room_id, event_id, &reading, &event));
	struct event_batch *batch;
	TRY(event_view_prepare(ctx, hs, reading.room, &reading.view, &event, 1, &batch));
	event_view_write(batch, 0, out);
	return ERR_OK;
}

/* Before and after the event, and the event between them. */
struct surroundings {
	struct stored_event *event;
	struct page before;
	struct page after;
	struct stored_event **all; /* the event, before, after: as they are written */
	size_t all_n;
	int64_t newest; /* position of the last event returned */
	struct stored_event **state;
	size_t state_n;
};

static enum err fill_surroundings(struct ctx *ctx, struct homeserver *hs,
	const struct page_ask *ask, struct reading *reading, struct surroundings *around)
{
	struct page_query query = {
		.viewer = reading->viewer,
		.user_id = ask->who->user.s,
		.filter = ask->filter,
		.ignored = reading->view.ignored,
		.scan_limit = SCAN_LIMIT,
		.is_backwards = true,
		.up_to = around->event->position - 1,
		.limit = ask->limit / 2,
	};
	TRY(page_fill(ctx, hs, reading->room, &query, &around->before));
	query.is_backwards = false;
	query.after = around->event->position;
	query.up_to = reading->view.up_to;
	query.limit = ask->limit - ask->limit / 2;
	TRY(page_fill(ctx, hs, reading->room, &query, &around->after));
	size_t count = 1 + around->before.n + around->after.n;
	around->all = ARENA_NEW_ARRAY(ctx->arena, struct stored_event *, count);
	around->all[around->all_n++] = around->event;
	for (size_t i = 0; i < around->before.n; i++) {
		around->all[around->all_n++] = around->before.events[i];
	}
	for (size_t i = 0; i < around->after.n; i++) {
		around->all[around->all_n++] = around->after.events[i];
	}
	around->newest = around->after.n > 0 ? around->after.events[around->after.n - 1]->position
										 : around->event->position;
	return ERR_OK;
}

static bool state_passes(const struct event_filter *filter, const struct event *event)
{
	const struct filter_facts facts = {
		.type = event->type,
		.sender = event->sender.s,
		.room_id = event->room_id.s,
		.content = event->content,
	};
	return filter == NULL || event_filter_asks_relations(filter) ||
		filter_allows_event(filter, &facts);
}

static enum err load_context_state(struct ctx *ctx, struct homeserver *hs,
	const struct event_filter *filter, struct room *room, struct surroundings *around)
{
	bool is_lazy = filter != NULL && filter->lazy_load_members;
	struct str *senders = ARENA_NEW_ARRAY(ctx->arena, struct str, around->all_n);
	for (size_t i = 0; i < around->all_n; i++) {
		senders[i] = around->all[i]->event->sender.s;
	}
	struct str_set wanted = str_set_make(ctx->arena, senders, around->all_n);
	const struct state_query query = {
		.without_members = is_lazy,
		.members = wanted.items,
		.member_count = wanted.count,
	};
	struct state_item *items;
	size_t count;
	TRY(room_state_list(ctx, hs, room, around->newest, &query, &items, &count));
	around->state = ARENA_NEW_ARRAY(ctx->arena, struct stored_event *, count);
	for (size_t i = 0; i < count; i++) {
		if (state_passes(filter, items[i].event->event)) {
			around->state[around->state_n++] = items[i].event;
		}
	}
	return ERR_OK;
}

static void write_range(const struct event_batch *batch, size_t from, size_t count,
	struct json_out *out)
{
	json_out_array(out);
	for (size_t i = from; i < from + count; i++) {
		event_view_write(batch, i, out);
	}
	json_out_end(out);
}

enum err page_context(struct ctx *ctx, struct homeserver *hs, const struct page_ask *ask,
	struct str event_id, struct json_out *out)
{
	struct reading reading;
	struct surroundings around = {0};
	TRY(find_event(ctx, hs, ask->who, ask->room_id, event_id, &reading, &around.event));
	TRY(fill_surroundings(ctx, hs, ask, &reading, &around));
	TRY(load_context_state(ctx, hs, ask->filter, reading.room, &around));
	struct event_batch *batch;
	struct event_batch *state;
	struct event_view state_view = reading.view;
	state_view.is_state = true;
	state_view.viewer = NULL;
	TRY(event_view_prepare(ctx, hs, reading.room, &reading.view, around.all, around.all_n, &batch));
	TRY(event_view_prepare(ctx, hs, reading.room, &state_view, around.state, around.state_n,
		&state));
	json_out_object(out);
	json_out_key_str(out, "start", position_token(ctx, around.before.reached));
	json_out_key_str(out, "end", position_token(ctx, around.after.reached));
	json_out_key(out, STR("event"));
	event_view_write(batch, 0, out);
	json_out_key(out, STR("events_before"));
	write_range(batch, 1, around.before.n, out);
	json_out_key(out, STR("events_after"));
	write_range(batch, 1 + around.before.n, around.after.n, out);
	json_out_key_array(out, "state");
	event_view_write_all(state, out);
	json_out_end(out);
	json_out_end(out);
	return ERR_OK;
}
