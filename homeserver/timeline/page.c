/*
 * /messages, /context and /event. Everything that can fail is done before the first byte is written.
 */
#include "homeserver/timeline/page.h"

#include "base/vec.h"
#include "homeserver/timeline/reading.h"
#include "storage/event.h"

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
	struct reading *reading, int64_t start, bool stops_at_gaps, struct page *out)
{
	int64_t last = reading->view.up_to;
	struct page_query query = {
		.viewer = reading->viewer,
		.user_id = ask->who->user.s,
		.filter = ask->filter,
		.ignored = reading->view.ignored,
		.is_history = true,
		.came_up_to = last,
		.is_backwards = ask->is_backwards,
		.limit = ask->limit,
		.scan_limit = READING_SCAN_LIMIT,
		.stops_at_gaps = stops_at_gaps,
	};
	if (ask->is_backwards) {
		query.after = ask->has_to ? ask->to.position : ROOM_OUTLIERS;
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

/* Where the oldest page begins; what was before this server came lies below 0. */
static int64_t begin_of(struct room *room)
{
	return room_begins_here(room) ? 0 : ROOM_OUTLIERS;
}

/* Whether the client should come back for more in this direction. */
static bool goes_on(const struct page_ask *ask, struct room *room, const struct page *page)
{
	if (!page->is_end) {
		return true;
	}
	/*
	 * Forwards there may be more at any time; backwards only before the bound that was given, or with another filter:
	 * clients expect an end then, as other servers give it.
	 */
	return page->n > 0 &&
		(!ask->is_backwards || page->has_skipped ||
			(ask->has_to && ask->to.position > begin_of(room)));
}

enum err page_may_read(struct ctx *ctx, struct homeserver *hs, const struct page_ask *ask)
{
	struct reading reading;
	return reading_begin_room(ctx, hs, ask->who, ask->room_id, &reading);
}

/* One turn of it. *out_goes_on: others have told more, so it has to be read anew. */
static enum err read_once(struct ctx *ctx, struct homeserver *hs, const struct page_ask *ask,
	bool may_fill, struct reading *reading, int64_t *out_start, struct page *out, bool *out_goes_on)
{
	*out_goes_on = false;
	TRY(reading_begin_room(ctx, hs, ask->who, ask->room_id, reading));
	int64_t first = ask->is_backwards ? reading->view.up_to : begin_of(reading->room);
	*out_start = ask->has_from ? ask->from.position : first;
	if (may_fill && ask->is_backwards && ask->has_from) {
		/* The page before may have ended at a gap. */
		TRY(reading_fill_gap(ctx, hs, reading, *out_start, out_goes_on));
	}
	if (*out_goes_on) {
		return ERR_OK;
	}
	TRY(fill_messages(ctx, hs, ask, reading, *out_start, true, out));
	if (may_fill && out->is_at_gap && out->n < ask->limit) {
		TRY(reading_fill_gap(ctx, hs, reading, out->before_gap, out_goes_on));
	}
	bool is_stuck = !ask->is_backwards && out->is_at_gap && out->reached == *out_start;
	/* What nobody has, or what is more than may be fetched at once, is passed over: a client would take the same token for the end. */
	return is_stuck && !*out_goes_on && ask->limit > 0
		? fill_messages(ctx, hs, ask, reading, *out_start, false, out)
		: ERR_OK;
}

/* Goes on where others have history that this server lacks, unless it has enough already. */
static enum err read_messages(struct ctx *ctx, struct homeserver *hs, const struct page_ask *ask,
	struct reading *reading, int64_t *out_start, struct page *out)
{
	bool goes_on = true;
	for (size_t i = 0; goes_on; i++) {
		TRY(read_once(ctx, hs, ask, i < READING_GAPS_MAX, reading, out_start, out, &goes_on));
	}
	return ERR_OK;
}

enum err page_messages(struct ctx *ctx, struct homeserver *hs, const struct page_ask *ask,
	struct json_out *out)
{
	struct reading reading;
	struct page page;
	int64_t start;
	TRY(read_messages(ctx, hs, ask, &reading, &start, &page));
	struct room *room = reading.room;
	struct event_batch *batch;
	struct event_view view = reading.view;
	view.childless = page.childless;
	TRY(event_view_prepare(ctx, hs, room, &view, page.events, page.n, &batch));
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
	if (goes_on(ask, room, &page)) {
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

enum err page_event(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str room_id, struct str event_id, struct json_out *out)
{
	struct reading reading;
	struct stored_event *event;
	TRY(reading_get_event(ctx, hs, who, room_id, event_id, &reading, &event));
	struct event_batch *batch;
	TRY(event_view_prepare(ctx, hs, reading.room, &reading.view, &event, 1, &batch));
	event_view_write(batch, 0, out);
	return ERR_OK;
}

enum err page_event_by_id(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str event_id, struct json_out *out)
{
	struct event_id parsed;
	struct event_row *rows;
	size_t count = 0;
	if (event_id_parse(event_id, &parsed)) {
		TRY(store_events_by_id(ctx, hs->db, &event_id, 1, &rows, &count));
	}
	if (count == 0) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Event not found");
	}
	struct room *room;
	TRY(rooms_get_nid(ctx, hs, rows[0].room_nid, &room));
	return page_event(ctx, hs, who, room_id_of(room).s, event_id, out);
}

/* Before and after the event, and the event between them. */
struct surroundings {
	struct stored_event *event;
	int64_t place; /* of the event */
	struct page before;
	struct page after;
	struct stored_event **all; /* the event, before, after: as they are written */
	bool *childless;           /* of each of them, as in a page */
	size_t all_n;
	int64_t newest; /* position of the last event returned */
	struct stored_event **state;
	size_t state_n;
};

static void add_page(struct surroundings *around, const struct page *page)
{
	for (size_t i = 0; i < page->n; i++) {
		around->childless[around->all_n] = page->childless[i];
		around->all[around->all_n++] = page->events[i];
	}
}

static enum err fill_surroundings(struct ctx *ctx, struct homeserver *hs,
	const struct page_ask *ask, struct reading *reading, struct surroundings *around)
{
	struct page_query query = {
		.viewer = reading->viewer,
		.user_id = ask->who->user.s,
		.filter = ask->filter,
		.ignored = reading->view.ignored,
		.scan_limit = READING_SCAN_LIMIT,
		.is_history = true,
		.came_up_to = reading->view.up_to,
		.is_backwards = true,
		.after = ROOM_OUTLIERS,
		.up_to = around->place - 1,
		.limit = ask->limit / 2,
	};
	size_t after = ask->limit - query.limit;
	struct timeline_around read;
	TRY(room_timeline_around(ctx, hs, reading->room, around->event, reading->view.up_to,
		query.limit, after, &read));
	query.first = read.is_read ? &read.before : NULL;
	TRY(page_fill(ctx, hs, reading->room, &query, &around->before));
	query.is_backwards = false;
	query.stops_at_gaps = true;
	query.after = around->place;
	query.up_to = reading->view.up_to;
	query.limit = after;
	query.first = read.is_read ? &read.after : NULL;
	TRY(page_fill(ctx, hs, reading->room, &query, &around->after));
	size_t count = 1 + around->before.n + around->after.n;
	around->all = ARENA_NEW_ARRAY(ctx->arena, struct stored_event *, count);
	around->childless = ARENA_NEW_ARRAY(ctx->arena, bool, count);
	around->all[0] = around->event;
	around->childless[0] = read.is_childless;
	around->all_n = 1;
	add_page(around, &around->before);
	add_page(around, &around->after);
	around->newest = around->after.n > 0 ? around->after.events[around->after.n - 1]->position
										 : around->event->position;
	return ERR_OK;
}

static bool state_passes(const struct event_filter *filter, const struct event *event)
{
	const struct filter_facts facts = filter_facts_of(event, event->room_id.s);
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

/* One turn of it. *out_goes_on: others have told more, so it has to be read anew. */
static enum err surround_once(struct ctx *ctx, struct homeserver *hs, const struct page_ask *ask,
	struct str event_id, bool may_fill, struct reading *reading, struct surroundings *around,
	bool *out_goes_on)
{
	size_t before = ask->limit / 2;
	*around = (struct surroundings){0};
	*out_goes_on = false;
	TRY(reading_get_event(ctx, hs, ask->who, ask->room_id, event_id, reading, &around->event));
	TRY(room_places_of(ctx, hs, reading->room, &around->event->position, 1, &around->place));
	if (may_fill && before > 0) {
		/* History may be missing right before it. */
		TRY(reading_fill_gap(ctx, hs, reading, around->place - 1, out_goes_on));
	}
	if (*out_goes_on) {
		return ERR_OK;
	}
	TRY(fill_surroundings(ctx, hs, ask, reading, around));
	return may_fill && around->before.is_at_gap && around->before.n < before
		? reading_fill_gap(ctx, hs, reading, around->before.reached, out_goes_on)
		: ERR_OK;
}

enum err page_context(struct ctx *ctx, struct homeserver *hs, const struct page_ask *ask,
	struct str event_id, struct json_out *out)
{
	struct reading reading;
	struct surroundings around;
	bool goes_on = true;
	for (size_t i = 0; goes_on; i++) {
		TRY(surround_once(ctx, hs, ask, event_id, i < READING_GAPS_MAX, &reading, &around,
			&goes_on));
	}
	TRY(load_context_state(ctx, hs, ask->filter, reading.room, &around));
	struct event_batch *batch;
	struct event_batch *state;
	struct event_view view = reading.view;
	struct event_view state_view = reading.view;
	view.childless = around.childless;
	state_view.is_state = true;
	state_view.viewer = NULL;
	TRY(event_view_prepare(ctx, hs, reading.room, &view, around.all, around.all_n, &batch));
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
