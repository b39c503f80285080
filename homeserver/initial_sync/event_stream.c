/*
 * A page forwards of each room in which anything happened; the pages are merged by position and cut where the first of them is
 * cut, so that the answer is whole up to its end.
 */
#include "homeserver/initial_sync/event_stream.h"

#include "base/mem.h"
#include "base/vec.h"
#include "homeserver/initial_sync/initial_sync.h"

struct room_news {
	struct reading reading;
	struct page page;
	size_t kept; /* of the page, up to the end of the answer */
	size_t written;
	struct event_batch *batch;
};

struct stream_run {
	struct ctx *ctx;
	struct homeserver *hs;
	const struct principal *who;
	struct event_stream_request *request;
	struct user *user;
	struct room *room; /* the one that is asked for; NULL: all of the user */
	int64_t up_to;     /* of this run, then the end of the answer */
	VEC(struct room_news *) rooms;
};

/* --- the request ----------------------------------------------------------------------------------------------- */

static enum err read_request(struct call *call, struct event_stream_request *request)
{
	const struct homeserver *hs = hs_of(call);
	struct str from = call_query(call, "from");
	int64_t timeout_ms;
	TRY(call_query_int(call, "timeout", 0, INT64_MAX, 0, &timeout_ms));
	request->from.position = writer_position(hs->writer);
	if (from.p != NULL) {
		TRY(token_read(&call->ctx, hs, from, &request->from));
	}
	request->since = request->from.position;
	timeout_ms = MIN_OF(timeout_ms, hs->settings.sync_max_timeout_ms);
	if (timeout_ms > 0) {
		request->deadline_mono_ms = clock_mono_ms(&hs->clock) + timeout_ms;
	}
	return ERR_OK;
}

static void destroy_request(void *value)
{
	mem_free(value);
}

enum err event_stream_request_of(struct call *call, struct event_stream_request **out)
{
	*out = call_kept(call);
	if (*out != NULL) {
		return ERR_OK;
	}
	struct event_stream_request request = {0};
	TRY(read_request(call, &request));
	*out = mem_alloc(sizeof(request));
	**out = request;
	call_keep(call, *out, destroy_request);
	return ERR_OK;
}

/* --- what is new ------------------------------------------------------------------------------------------------ */

static bool is_joined(const struct user_room *entry)
{
	return str_equals(entry->membership, STR("join"));
}

/* Events of a room whose reading has begun, up to a position. */
static enum err add_page(struct stream_run *run, struct room_news *news, int64_t after,
	int64_t up_to)
{
	const struct page_query query = {
		.viewer = news->reading.viewer,
		.user_id = run->who->user.s,
		.ignored = news->reading.view.ignored,
		.after = after,
		.up_to = up_to,
		.limit = EVENT_STREAM_MAX,
		.scan_limit = READING_SCAN_LIMIT,
		.shows_own_changes = true,
	};
	if (after >= up_to) {
		return ERR_OK;
	}
	TRY(page_fill(run->ctx, run->hs, news->reading.room, &query, &news->page));
	news->reading.view.up_to = MAX_OF(news->reading.view.up_to, up_to);
	if (!news->page.is_end) {
		run->up_to = MIN_OF(run->up_to, news->page.reached);
	}
	VEC_PUSH(run->ctx->arena, &run->rooms, news);
	return ERR_OK;
}

/* Of who is not in the room: the own membership alone, unless somebody ignored has invited. */
static enum err add_membership(struct stream_run *run, struct room_news *news,
	const struct user_room *entry)
{
	struct stored_event *event;
	TRY(room_event_at(run->ctx, run->hs, news->reading.room, entry->position, &event));
	bool is_ignored = str_equals(entry->membership, STR("invite")) &&
		str_set_has(&news->reading.ignored, event->event->sender.s);
	return is_ignored
		? ERR_OK
		: add_page(run, news, MAX_OF(run->request->since, entry->position - 1), entry->position);
}

/* One of the user's rooms: all of it for members, up to the leaving for who has left. */
static enum err look_at_entry(struct stream_run *run, const struct user_room *entry, int64_t now)
{
	int64_t since = run->request->since;
	struct room *room;
	bool is_stirred =
		entry->position > since || (is_joined(entry) && room_last_position(entry->room) > since);
	if (!is_stirred || entry->is_forgotten) {
		return ERR_OK;
	}
	struct room_news *news = ARENA_NEW(run->ctx->arena, struct room_news);
	TRY(rooms_get_nid(run->ctx, run->hs, room_nid(entry->room), &room));
	TRY(reading_begin(run->ctx, run->hs, run->who, room, &news->reading));
	if (is_joined(entry) || news->reading.horizon > 0) {
		return add_page(run, news, since, is_joined(entry) ? now : MIN_OF(entry->position, now));
	}
	return entry->position <= now ? add_membership(run, news, entry) : ERR_OK;
}

static enum err look_at_rooms(struct stream_run *run)
{
	struct user_room *entries;
	size_t count;
	int64_t now = run->up_to;
	user_rooms(run->user, run->ctx->arena, &entries, &count);
	for (size_t i = 0; i < count; i++) {
		TRY(look_at_entry(run, &entries[i], now));
	}
	return ERR_OK;
}

static enum err look_at_room(struct stream_run *run, struct str room_id)
{
	struct room_news *news = ARENA_NEW(run->ctx->arena, struct room_news);
	TRY(reading_begin_room(run->ctx, run->hs, run->who, room_id, &news->reading));
	run->room = news->reading.room;
	return add_page(run, news, run->request->since, MIN_OF(run->up_to, news->reading.horizon));
}

/* --- the answer ------------------------------------------------------------------------------------------------- */

/* The room whose next event is the oldest; NULL: none has one. */
static struct room_news *oldest_next(const struct stream_run *run)
{
	struct room_news *found = NULL;
	for (size_t i = 0; i < run->rooms.n; i++) {
		struct room_news *news = run->rooms.p[i];
		bool has_next =
			news->kept < news->page.n && news->page.events[news->kept]->position <= run->up_to;
		if (has_next &&
			(found == NULL ||
				news->page.events[news->kept]->position <
					found->page.events[found->kept]->position)) {
			found = news;
		}
	}
	return found;
}

/* Chooses the oldest events of all rooms, in order. @return how many; out[i]: the room of the i-th */
static size_t choose(struct stream_run *run, struct room_news **out)
{
	size_t count = 0;
	struct room_news *next = oldest_next(run);
	while (next != NULL && count < EVENT_STREAM_MAX) {
		out[count++] = next;
		next->kept++;
		next = oldest_next(run);
	}
	if (next != NULL) {
		struct room_news *last = out[count - 1];
		run->up_to = last->page.events[last->kept - 1]->position;
	}
	return count;
}

static enum err prepare(struct stream_run *run)
{
	for (size_t i = 0; i < run->rooms.n; i++) {
		struct room_news *news = run->rooms.p[i];
		if (news->kept > 0) {
			TRY(event_view_prepare(run->ctx, run->hs, news->reading.room, &news->reading.view,
				news->page.events, news->kept, &news->batch));
		}
	}
	return ERR_OK;
}

static void write_answer(const struct stream_run *run, struct room_news *const *order, size_t count,
	struct json_out *out)
{
	const struct token end = {.position = run->up_to, .ephemeral = run->request->from.ephemeral};
	json_out_object(out);
	json_out_key_str(out, "start", token_text(run->ctx->arena, run->request->from));
	json_out_key_str(out, "end", token_text(run->ctx->arena, end));
	json_out_key_array(out, "chunk");
	for (size_t i = 0; i < count; i++) {
		event_view_write(order[i]->batch, order[i]->written++, out);
	}
	json_out_end(out);
	json_out_end(out);
}

/* --- waiting ---------------------------------------------------------------------------------------------------- */

/* Whether something came for the user after the run had looked. From memory. */
static bool is_overtaken(struct stream_run *run)
{
	struct user_room *entries;
	size_t count;
	if (writer_position(run->hs->writer) == run->up_to) {
		return false;
	}
	user_rooms(run->user, run->ctx->arena, &entries, &count);
	for (size_t i = 0; i < count; i++) {
		if (entries[i].position > run->up_to ||
			(is_joined(&entries[i]) && room_last_position(entries[i].room) > run->up_to)) {
			return true;
		}
	}
	return false;
}

/* Whether the user is woken by what is asked for. */
static bool is_woken(struct stream_run *run)
{
	struct user_room entry;
	return run->room == NULL ||
		(user_room_find(run->user, run->ctx->arena, room_nid(run->room), &entry) &&
			is_joined(&entry));
}

static void wait_for_news(struct call *call, struct stream_run *run)
{
	int64_t deadline = run->request->deadline_mono_ms;
	run->request->since = run->up_to;
	if (!is_woken(run)) {
		int64_t next_look = clock_mono_ms(&run->hs->clock) + EVENT_STREAM_PEEK_EACH_MS;
		park_unref(call_park(call, MIN_OF(deadline, next_look)));
		return;
	}
	struct park *park = call_park(call, deadline);
	park_ref(park);
	user_wait(run->user, park);
	if (is_overtaken(run)) {
		park_wake(park);
	}
	park_unref(park);
}

enum err event_stream_serve(struct call *call, struct event_stream_request *request,
	struct str room_id)
{
	struct stream_run run = {
		.ctx = &call->ctx,
		.hs = hs_of(call),
		.who = principal_of(call),
		.request = request,
	};
	struct room_news *order[EVENT_STREAM_MAX];
	TRY(initial_sync_begin(run.ctx, run.hs, run.who, &run.user, &run.up_to));
	TRY(room_id.p != NULL ? look_at_room(&run, room_id) : look_at_rooms(&run));
	size_t count = choose(&run, order);
	bool may_wait =
		request->deadline_mono_ms > clock_mono_ms(&run.hs->clock) && !call_is_stopping(call);
	if (count == 0 && may_wait) {
		wait_for_news(call, &run);
		return ERR_OK;
	}
	TRY(prepare(&run));
	write_answer(&run, order, count, reply_json(call, 200));
	return ERR_OK;
}
