/*
 * An item is known by the hash of its id. An event has a version besides, the hash of what people were told of it: when that changes before it
 * begins, they are told anew.
 */
#include "notices/source_look.h"

#include "base/b64.h"
#include "base/crypto.h"
#include "base/map.h"
#include "base/vec.h"
#include "notices/source_fetch.h"
#include "notices/source_text.h"

enum {
	COMING_DAYS = 31, /* beyond what is announced: events that were moved are looked for so far */
	COMING_MAX = 500,
};

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)

struct looking {
	struct ctx *ctx;
	const struct source_desk *desk;
	const struct notice_source_row *source;
	struct zone *zone;
	struct wall_time at; /* time of day of announcements */
	struct map known;    /* struct notice_source_item_row by key */
	VEC(struct source_find) finds;
	size_t posts;
	struct source_look *out;
};

static void looking_fini(struct looking *looking)
{
	map_fini(&looking->known);
}

bool source_time_read(struct str text, struct wall_time *out)
{
	int64_t hour;
	int64_t minute;
	struct wall_time wall = {.year = 2000, .month = 1, .day = 1};
	struct str head;
	struct str tail;
	bool is_good = text.n == 5 && str_split(text, ':', &head, &tail) && head.n == 2 &&
		str_to_int(str_slice(head, head.p[0] == '0' ? 1 : 0, 2), 0, 23, &hour) &&
		str_to_int(str_slice(tail, tail.p[0] == '0' ? 1 : 0, 2), 0, 59, &minute);
	if (is_good) {
		wall.hour = (int)hour;
		wall.minute = (int)minute;
		*out = wall;
	}
	return is_good;
}

static struct str hash_of(struct ctx *ctx, struct str text)
{
	unsigned char hash[SHA256_BYTES];
	crypto_sha256(text, hash);
	return b64_encode(ctx->arena, str_from((const char *)hash, sizeof(hash)));
}

/* --- what is known -------------------------------------------------------------------------------------------------- */

static enum err read_known(struct looking *looking, const struct str *keys, size_t count)
{
	struct notice_source_item_row *rows;
	size_t row_count;
	TRY(store_notice_source_items_find(looking->ctx, looking->desk->db, looking->source->source_id,
		keys, count, &rows, &row_count));
	for (size_t i = 0; i < row_count; i++) {
		(void)map_set(&looking->known, rows[i].key, &rows[i]);
	}
	return ERR_OK;
}

/* @param markdown  p == NULL: it is only noted */
static void add_find(struct looking *looking, const struct notice_source_item_row *item,
	struct str markdown, int64_t expires_at_ms)
{
	const struct source_find find = {.item = *item,
		.markdown = markdown,
		.expires_at_ms = expires_at_ms};
	looking->posts += markdown.p != NULL ? 1 : 0;
	if (looking->posts > SOURCE_AT_ONCE_MAX) {
		looking->posts--;
		looking->out->has_more = true;
		return;
	}
	VEC_PUSH(looking->ctx->arena, &looking->finds, find);
}

/* --- feeds ------------------------------------------------------------------------------------------------------------ */

static enum err look_at_feed(struct looking *looking, struct str bytes)
{
	struct ctx *ctx = looking->ctx;
	struct feed feed;
	TRY(feed_read(ctx, bytes, &feed));
	struct str *keys = ARENA_NEW_ARRAY(ctx->arena, struct str, feed.count);
	for (size_t i = 0; i < feed.count; i++) {
		keys[i] = hash_of(ctx, feed.items[i].id);
	}
	TRY(read_known(looking, keys, feed.count));
	/* The newest stands first; the oldest is posted first. */
	for (size_t i = feed.count; i-- > 0;) {
		struct notice_source_item_row item = {.key = keys[i], .version = STR(""), .title = STR("")};
		if (map_get(&looking->known, keys[i]) != NULL) {
			continue;
		}
		(void)map_set(&looking->known, keys[i], &feed.items[i]); /* no id counts twice */
		item.title = STR("");
		add_find(looking, &item,
			looking->source->is_primed ? source_text_of_item(ctx->arena, &feed.items[i])
									   : (struct str){0},
			0);
	}
	looking->out->kind = "feed";
	looking->out->title = feed.title;
	looking->out->item_count = feed.count;
	return ERR_OK;
}

/* --- calendars -------------------------------------------------------------------------------------------------------- */

static struct str version_of(struct ctx *ctx, const struct calendar_item *item)
{
	return hash_of(ctx,
		str_printf(ctx->arena, "%lld %lld %d %.*s", (long long)item->start_ms,
			(long long)item->end_ms, item->is_cancelled ? 1 : 0, STR_ARG(item->location)));
}

/* So many days before it, at the time of day; of what begins earlier on the day itself: when it begins. */
static int64_t announced_at_ms(struct looking *looking, const struct calendar_item *item)
{
	struct wall_time wall = item->start;
	wall.hour = 12; /* whatever the clock does that night, it is the same day */
	zone_to_wall(looking->zone,
		zone_to_ms(looking->zone, &wall) - looking->source->days_before * DAY_MS, &wall);
	wall.hour = looking->at.hour;
	wall.minute = looking->at.minute;
	wall.second = 0;
	int64_t at_ms = zone_to_ms(looking->zone, &wall);
	return item->is_days ? at_ms : MIN_OF(at_ms, item->start_ms);
}

/* From when on nobody needs to hear of it: once it has begun, or its first day is over. */
static int64_t late_at_ms(const struct calendar_item *item)
{
	return item->is_days ? item->start_ms + DAY_MS : item->start_ms;
}

static void tell(struct looking *looking, const struct calendar_item *event, struct str key,
	struct str version, enum source_news news)
{
	struct ctx *ctx = looking->ctx;
	const struct notice_source_item_row item = {.key = key,
		.version = version,
		.title = event->title,
		.starts_at_ms = news == SOURCE_CANCELLED ? 0 : event->start_ms};
	add_find(looking, &item,
		source_text_of_event(ctx->arena, event, news, looking->source->language),
		late_at_ms(event));
}

static void look_at_event(struct looking *looking, const struct calendar_item *event,
	struct str key)
{
	int64_t now_ms = looking->desk->now_ms;
	struct str version = version_of(looking->ctx, event);
	const struct notice_source_item_row *known = map_get(&looking->known, key);
	int64_t at_ms = announced_at_ms(looking, event);
	bool is_told = known != NULL && known->is_posted;
	if (late_at_ms(event) <= now_ms || (known != NULL && str_equals(known->version, version))) {
		return;
	}
	if (is_told) {
		tell(looking, event, key, version, event->is_cancelled ? SOURCE_CANCELLED : SOURCE_CHANGED);
	} else if (event->is_cancelled) {
		return; /* nobody knows of it */
	} else if (at_ms > now_ms) {
		looking->out->next_news_ms = MIN_OF(looking->out->next_news_ms, at_ms);
	} else if (looking->source->is_primed) {
		tell(looking, event, key, version, SOURCE_NEW);
	} else {
		const struct notice_source_item_row item = {.key = key,
			.version = version,
			.title = STR("")};
		add_find(looking, &item, (struct str){0}, 0);
	}
}

/* Events that people were told of and that are no longer there. `keys` are those that are. */
static enum err look_for_vanished(struct looking *looking, const struct str *keys, size_t count)
{
	struct ctx *ctx = looking->ctx;
	struct notice_source_item_row *rows;
	size_t row_count;
	struct map there CLEANUP(map_fini) = {0};
	for (size_t i = 0; i < count; i++) {
		(void)map_set(&there, keys[i], looking);
	}
	TRY(store_notice_source_items_coming(ctx, looking->desk->db, looking->source->source_id,
		looking->desk->now_ms, COMING_MAX, &rows, &row_count));
	for (size_t i = 0; i < row_count; i++) {
		struct calendar_item event = {.title = rows[i].title,
			.start_ms = rows[i].starts_at_ms,
			.end_ms = rows[i].starts_at_ms};
		if (map_get(&there, rows[i].key) != NULL) {
			continue;
		}
		zone_to_wall(looking->zone, event.start_ms, &event.start);
		event.end = event.start;
		event.is_days = event.start.hour == 0 && event.start.minute == 0; /* as people read it */
		tell(looking, &event, rows[i].key, STR("vanished"), SOURCE_CANCELLED);
	}
	return ERR_OK;
}

static enum err look_at_calendar(struct looking *looking, struct str bytes)
{
	struct ctx *ctx = looking->ctx;
	struct calendar calendar;
	int64_t now_ms = looking->desk->now_ms;
	TRY(calendar_read(ctx, bytes, looking->zone, now_ms - DAY_MS,
		now_ms + (looking->source->days_before + COMING_DAYS) * DAY_MS, &calendar));
	struct str *keys = ARENA_NEW_ARRAY(ctx->arena, struct str, calendar.count);
	for (size_t i = 0; i < calendar.count; i++) {
		keys[i] = hash_of(ctx, calendar.items[i].id);
	}
	TRY(read_known(looking, keys, calendar.count));
	for (size_t i = 0; i < calendar.count; i++) {
		look_at_event(looking, &calendar.items[i], keys[i]);
	}
	/* A file that is not whole, or empty, says nothing of what is not in it. */
	if (!calendar.is_cut && calendar.broken_count == 0 && calendar.event_count > 0) {
		TRY(look_for_vanished(looking, keys, calendar.count));
	}
	if (calendar.broken_count > 0 && looking->out->problem.p == NULL) {
		looking->out->problem = str_printf(ctx->arena,
			"%zu of its %zu events cannot be read, and are left out; the first: %.*s",
			calendar.broken_count, calendar.event_count, STR_ARG(calendar.broken));
	}
	looking->out->kind = "calendar";
	looking->out->title = calendar.title;
	looking->out->item_count = calendar.count;
	return ERR_OK;
}

/* --- the source ---------------------------------------------------------------------------------------------------- */

/* What is there now, of a calendar that could not be asked what was there last. */
static enum err get_bytes(struct looking *looking, struct str *out)
{
	struct ctx *ctx = looking->ctx;
	const struct notice_source_row *source = looking->source;
	struct source_answer answer = {.etag = source->etag, .modified = source->modified};
	enum err err = source_fetch(ctx, looking->desk->client, source->url,
		looking->desk->settings->notices_source_timeout_ms, &answer);
	*out = answer.body;
	if (err == ERR_SHUTDOWN) {
		return err;
	}
	if (err == ERR_OK && !answer.is_unchanged) {
		looking->out->etag = answer.etag;
		looking->out->modified = answer.modified;
		looking->out->body = calendar_is_one(answer.body) ? answer.body : (struct str){0};
		return ERR_OK;
	}
	looking->out->etag = source->etag;
	looking->out->modified = source->modified;
	struct fault fault = ctx->fault;
	TRY(store_notice_source_body(ctx, looking->desk->db, source->source_id, out));
	if (err == ERR_OK || out->p == NULL) {
		return err;
	}
	looking->out->is_stale = true;
	looking->out->problem = fault.text;
	ctx->fault = (struct fault){0};
	return ERR_OK;
}

enum err source_look(struct ctx *ctx, const struct source_desk *desk,
	const struct notice_source_row *source, struct source_look *out)
{
	struct str bytes;
	struct looking looking CLEANUP(
		looking_fini) = {.ctx = ctx, .desk = desk, .source = source, .out = out};
	*out = (struct source_look){.title = source->title, .next_news_ms = INT64_MAX};
	if (!zone_open(ctx->arena, desk->settings->notices_time_zone, &looking.zone) ||
		!source_time_read(source->at_time, &looking.at)) {
		return fail_cause(ctx, ERR_INTERNAL, "the time of a source is none");
	}
	TRY(get_bytes(&looking, &bytes));
	if (bytes.p != NULL) {
		TRY(calendar_is_one(bytes) ? look_at_calendar(&looking, bytes)
								   : look_at_feed(&looking, bytes));
	}
	out->finds = looking.finds.p;
	out->count = looking.finds.n;
	return ERR_OK;
}
