/*
 * An item becomes known and a notice in one statement; what the source said last is stored behind that. So whatever happens in between, it is
 * asked again, and what was posted is known.
 */
#include "notices/notice_source.h"

#include "base/backoff.h"
#include "base/log.h"
#include "base/metrics.h"
#include "matrix/errcode.h"
#include "notices/notices.h"
#include "notices/source_fetch.h"

#include <inttypes.h>

enum {
	AT_ONCE = 20,
	LIMIT_MS = 60 * 1000,
	MORE_MS = 60 * 1000,
	RETRY_FIRST_MS = 60 * 1000,
	RETRY_MAX_MS = 6 * 60 * 60 * 1000,
};

#define OUTCOME(word) \
	{ \
		.kind = METRIC_KIND_COUNTER, .name = "belfry_notice_sources_asked_total", \
		.help = "Feeds and calendars that were asked", .labels = "outcome=\"" word "\"" \
	}
static struct metric taken = OUTCOME("taken");
static struct metric failed = OUTCOME("failed");

/* --- for the command ------------------------------------------------------------------------------------------------ */

static enum err read_url(struct ctx *ctx, struct str text, struct str *out)
{
	bool is_webcal = str_starts_with(text, STR("webcal://"));
	*out = is_webcal ? str_printf(ctx->arena, "https://%.*s",
						   STR_ARG(str_slice(text, STR("webcal://").n, text.n)))
					 : text;
	bool is_web = str_starts_with(*out, STR("http://")) || str_starts_with(*out, STR("https://"));
	if (!is_web || out->n > SOURCE_URL_MAX_BYTES || str_find_byte(*out, ' ') != SIZE_MAX) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"'%.*s' is no address of a feed or calendar, such as https://school.example/news.xml",
			STR_ARG(text));
	}
	return ERR_OK;
}

static enum err check_times(struct ctx *ctx, const struct notice_source_wish *wish)
{
	struct wall_time at;
	if (wish->every_ms < NOTICE_SOURCE_EVERY_MIN_MS ||
		wish->every_ms > NOTICE_SOURCE_EVERY_MAX_MS) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "A source is asked every 1m to 7d");
	}
	if (wish->days_before < 0 || wish->days_before > NOTICE_SOURCE_DAYS_MAX) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"Events are announced 0 to %d days before they begin", (int)NOTICE_SOURCE_DAYS_MAX);
	}
	return source_time_read(wish->at_time, &at)
		? ERR_OK
		: fail(ctx, ERR_INPUT, M_INVALID_PARAM, "'%.*s' is no time of day; write it as 07:00",
			  STR_ARG(wish->at_time));
}

static enum err read_targets(struct ctx *ctx, const struct account_desk *desk,
	const struct notice_source_wish *wish, struct str *out)
{
	struct str *whole = ARENA_NEW_ARRAY(ctx->arena, struct str, wish->target_count);
	if (wish->target_count == 0 || wish->target_count > NOTICE_TARGETS_MAX) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "A source is for 1 to %d rooms or spaces",
			(int)NOTICE_TARGETS_MAX);
	}
	for (size_t i = 0; i < wish->target_count; i++) {
		TRY(notice_target_read(ctx, desk, wish->targets[i], &whole[i]));
	}
	*out = notice_words_write(ctx, whole, wish->target_count);
	return ERR_OK;
}

enum err notice_source_add(struct ctx *ctx, const struct account_desk *desk,
	const struct notice_source_wish *wish, int64_t *out_source_id)
{
	struct notice_source_row row = {.sender = wish->sender,
		.language = STR(""),
		.every_ms = wish->every_ms,
		.days_before = wish->days_before,
		.at_time = wish->at_time,
		.created_at_ms = clock_wall_ms(&desk->clock)};
	TRY(read_url(ctx, wish->url, &row.url));
	TRY(check_times(ctx, wish));
	TRY(read_targets(ctx, desk, wish, &row.targets));
	if (wish->language.n > 0 && !notice_lang_read(ctx->arena, wish->language, &row.language)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "'%.*s' is no language, such as zh-Hant",
			STR_ARG(wish->language));
	}
	enum err err =
		store_notice_source_insert(ctx, desk->db, &row, NOTICE_SOURCES_MAX, out_source_id);
	return err == ERR_LIMIT
		? fail(ctx, err, M_LIMIT_EXCEEDED, "There are %d sources already", (int)NOTICE_SOURCES_MAX)
		: err;
}

static enum err explain(struct ctx *ctx, enum err err, int64_t source_id)
{
	return err == ERR_MISSING
		? fail(ctx, err, M_NOT_FOUND, "There is no source %" PRId64, source_id)
		: err;
}

enum err notice_source_get(struct ctx *ctx, const struct account_desk *desk, int64_t source_id,
	struct notice_source_row *out)
{
	return explain(ctx, store_notice_source_get(ctx, desk->db, source_id, out), source_id);
}

enum err notice_source_remove(struct ctx *ctx, const struct account_desk *desk, int64_t source_id)
{
	return explain(ctx, store_notice_source_delete(ctx, desk->db, source_id), source_id);
}

enum err notice_source_ask(struct ctx *ctx, const struct account_desk *desk, int64_t source_id)
{
	return explain(ctx,
		store_notice_source_ask(ctx, desk->db, source_id, clock_wall_ms(&desk->clock)), source_id);
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

/* @param out_left  whether something could not be posted now */
static enum err post_finds(struct ctx *ctx, struct homeserver *hs,
	const struct notice_source_row *source, const struct source_look *look, bool *out_left)
{
	*out_left = look->has_more;
	for (size_t i = 0; i < look->count; i++) {
		const struct source_find *find = &look->finds[i];
		const struct notice_text text = {.lang = source->language, .markdown = find->markdown};
		int64_t notice_id;
		if (find->markdown.p == NULL) {
			continue;
		}
		TRY(store_notice_source_post(ctx, hs->db,
			&(struct notice_source_post){.source_id = source->source_id,
				.item = find->item,
				.texts = notice_texts_write(ctx, &text, 1),
				.zone = hs->settings.notices_time_zone,
				.expires_at_ms = find->expires_at_ms,
				.now_ms = clock_wall_ms(&hs->clock),
				.limit = NOTICE_WAITING_MAX},
			&notice_id));
		*out_left = *out_left || notice_id == 0;
	}
	return ERR_OK;
}

/* When it is asked next, and what of it is known now. */
static enum err take(struct ctx *ctx, struct homeserver *hs, const struct notice_source_row *source,
	const struct source_look *look, bool has_left)
{
	int64_t now_ms = clock_wall_ms(&hs->clock);
	struct str *keys = ARENA_NEW_ARRAY(ctx->arena, struct str, look->count);
	struct str *versions = ARENA_NEW_ARRAY(ctx->arena, struct str, look->count);
	struct notice_source_taken row = {.source_id = source->source_id,
		.keys = keys,
		.versions = versions,
		.title = look->title,
		.body = look->body,
		.problem = look->problem,
		.now_ms = now_ms,
		.next_at_ms = MIN_OF(now_ms + (has_left ? MORE_MS : source->every_ms), look->next_news_ms)};
	for (size_t i = 0; i < look->count; i++) {
		if (look->finds[i].markdown.p == NULL) {
			keys[row.count] = look->finds[i].item.key;
			versions[row.count++] = look->finds[i].item.version;
		}
	}
	if (!has_left) { /* else its answer has to come again */
		row.etag = look->etag;
		row.modified = look->modified;
	}
	metric_add(&taken, 1);
	return store_notice_source_took(ctx, hs->db, &row);
}

/* @param news_ms  when something of the calendar that is kept is to be announced */
static enum err note_failure(struct ctx *ctx, struct homeserver *hs,
	const struct notice_source_row *source, struct str problem, int64_t news_ms)
{
	int64_t interval_ms =
		MIN_OF((int64_t)RETRY_FIRST_MS << MIN_OF(source->failures, 16), (int64_t)RETRY_MAX_MS);
	int64_t now_ms = clock_wall_ms(&hs->clock);
	metric_add(&failed, 1);
	log_info(0, "notices.source_failed", "source=%" PRId64 " failures=%" PRId64, source->source_id,
		source->failures + 1);
	return store_notice_source_failed(ctx, hs->db, source->source_id,
		MIN_OF(now_ms + backoff_pause_ms(interval_ms, rng_u64(&hs->rng)), news_ms), problem);
}

static enum err run_one(struct ctx *ctx, struct homeserver *hs, int64_t source_id)
{
	struct notice_source_row source;
	struct source_look look;
	bool has_left;
	const struct source_desk desk = {.db = hs->db,
		.client = hs->http_client,
		.settings = &hs->settings,
		.now_ms = clock_wall_ms(&hs->clock)};
	enum err err = store_notice_source_get(ctx, hs->db, source_id, &source);
	if (err == ERR_MISSING) {
		return ERR_OK; /* it was taken away */
	}
	TRY(err);
	err = source_look(ctx, &desk, &source, &look);
	if (err == ERR_SHUTDOWN || err == ERR_STORE) {
		return err;
	}
	if (err != ERR_OK) {
		struct str problem =
			ctx->fault.text.n > 0 ? ctx->fault.text : STR("The server is in trouble");
		ctx->fault = (struct fault){0};
		return note_failure(ctx, hs, &source, problem, INT64_MAX);
	}
	TRY(post_finds(ctx, hs, &source, &look, &has_left));
	return look.is_stale ? note_failure(ctx, hs, &source, look.problem, look.next_news_ms)
						 : take(ctx, hs, &source, &look, has_left);
}

enum err notice_sources_run(struct ctx *ctx, struct homeserver *hs, bool (*is_stopping)(void *data),
	void *data, bool *out_more)
{
	int64_t *due;
	size_t count;
	TRY(store_notice_source_due(ctx, hs->db, clock_wall_ms(&hs->clock), AT_ONCE, &due, &count));
	for (size_t i = 0; i < count && !is_stopping(data); i++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct ctx inner;
		ctx_init(&inner, arena);
		inner.deadline_ms = clock_os_ms() + LIMIT_MS;
		enum err err = run_one(&inner, hs, due[i]);
		if (err != ERR_OK) {
			ctx->fault = (struct fault){.err = err,
				.text = str_dup(ctx->arena, inner.fault.text),
				.cause = str_dup(ctx->arena, inner.fault.cause)};
			return err;
		}
	}
	*out_more = *out_more || count == AT_ONCE;
	return ERR_OK;
}
