/*
 * /timestamp_to_event. Senders' clocks order the events here; hidden ones are passed over.
 */
#include "homeserver/timeline/page_time.h"

#include "homeserver/timeline/reading.h"

enum { CHUNK = 50 };

/* The first of a chunk that the reader sees; *out NULL when there is none. */
static enum err look_at(struct ctx *ctx, struct homeserver *hs, struct reading *reading,
	const struct event_time *times, size_t count, struct stored_event **out)
{
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	for (size_t i = 0; i < count; i++) {
		positions[i] = times[i].position;
	}
	struct stored_event **events;
	TRY(room_events_at(ctx, hs, reading->room, positions, count, &events));
	TRY(room_viewer_cover(ctx, hs, reading->viewer, events, count));
	*out = NULL;
	for (size_t i = 0; i < count && *out == NULL; i++) {
		bool is_shown = events[i] != NULL && !reading_ignores(reading, events[i]) &&
			room_viewer_sees(reading->viewer, events[i]);
		*out = is_shown ? events[i] : NULL;
	}
	return ERR_OK;
}

static enum err find(struct ctx *ctx, struct homeserver *hs, struct reading *reading, int64_t ts,
	bool is_backwards, struct stored_event **out)
{
	struct event_time from = {
		.origin_server_ts = ts,
		.position = is_backwards ? INT64_MAX : ROOM_OUTLIERS,
	};
	*out = NULL;
	for (size_t scanned = 0; *out == NULL && scanned < READING_SCAN_LIMIT; scanned += CHUNK) {
		struct event_time *times;
		size_t count;
		const struct events_near near = {
			.room_nid = room_nid(reading->room),
			.from = from,
			.up_to = reading->view.up_to,
			.is_backwards = is_backwards,
			.limit = CHUNK,
		};
		TRY(store_events_near(ctx, hs->db, &near, &times, &count));
		if (count == 0) {
			return ERR_OK;
		}
		TRY(look_at(ctx, hs, reading, times, count, out));
		from = times[count - 1];
	}
	return ERR_OK;
}

/* What would be nearer than the event that was found; NULL: none was. */
static struct history_time nearer_than(const struct stored_event *found, int64_t ts,
	bool is_backwards)
{
	int64_t found_ts = found != NULL ? found->event->origin_server_ts : 0;
	struct history_time wanted = {.ts = ts, .is_backwards = is_backwards};
	if (is_backwards) {
		wanted.from = found != NULL ? MIN_OF(found_ts, INT64_MAX - 1) + 1 : 0;
		wanted.to = ts;
	} else {
		wanted.from = MAX_OF(ts, (int64_t)0);
		wanted.to = found != NULL ? MAX_OF(found_ts, INT64_MIN + 1) - 1 : INT64_MAX;
	}
	return wanted;
}

/* Of what is here, and where something of that time may be missing here, of what others have. */
static enum err find_anywhere(struct ctx *ctx, struct homeserver *hs, struct reading *reading,
	const struct principal *who, int64_t ts, bool is_backwards, struct stored_event **out)
{
	bool is_news;
	TRY(find(ctx, hs, reading, ts, is_backwards, out));
	const struct history_time wanted = nearer_than(*out, ts, is_backwards);
	TRY(reading_fetch_near(ctx, hs, reading, &wanted, &is_news));
	if (!is_news) {
		return ERR_OK;
	}
	/* What came may have changed since when the reader sees what. */
	TRY(reading_begin(ctx, hs, who, reading->room, reading));
	return find(ctx, hs, reading, ts, is_backwards, out);
}

enum err page_event_near(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str room_id, int64_t ts, bool is_backwards, struct json_out *out)
{
	struct reading reading;
	struct stored_event *event;
	TRY(reading_begin_room(ctx, hs, who, room_id, &reading));
	TRY(find_anywhere(ctx, hs, &reading, who, ts, is_backwards, &event));
	if (event == NULL) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no event %s that time",
			is_backwards ? "before" : "after");
	}
	json_out_object(out);
	json_out_key_str(out, "event_id", event->event->event_id.s);
	json_out_key_int(out, "origin_server_ts", event->event->origin_server_ts);
	json_out_end(out);
	return ERR_OK;
}
