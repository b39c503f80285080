/*
 * belfry notice source: feeds and calendars that are asked at intervals
 */
#include <stdio.h>
#include <string.h>

#include "app/cmd_notice.h"
#include "app/show.h"
#include "http/client.h"
#include "notices/notice_source.h"
#include "notices/notices.h"

#define EVERY_FALLBACK "15m"
#define AT_FALLBACK "07:00"

enum { DAYS_BEFORE_FALLBACK = 1, CHECK_LIMIT_MS = 60 * 1000 };

/* The word behind the second one. */
static enum err read_number(struct command_line *line, int64_t *out)
{
	const char *word = notice_word(line, 1);
	return str_to_int(str_of(word), 1, INT64_MAX, out)
		? ERR_OK
		: fail(line->ctx, ERR_INPUT, NULL, "'%s' is no number of one; see the list", word);
}

static const char *value_or(const struct command_line *line, const char *name, const char *fallback)
{
	const char *value = command_value(line, name);
	return value != NULL ? value : fallback;
}

/* "15m", "1h", "1d" */
static enum err read_every(struct command_line *line, int64_t *out_ms)
{
	struct str text = str_of(value_or(line, "--every", EVERY_FALLBACK));
	char unit = text.n > 0 ? text.p[text.n - 1] : '\0';
	int64_t unit_ms = unit == 's' ? 1000
		: unit == 'm'             ? 60 * 1000
		: unit == 'h'             ? 60 * 60 * 1000
		: unit == 'd'             ? 24 * 60 * 60 * 1000
								  : 0;
	int64_t number;
	if (unit_ms == 0 || !str_to_int(str_slice(text, 0, text.n - 1), 1, 1000000, &number)) {
		return fail(line->ctx, ERR_INPUT, NULL,
			"--every is a time such as 15m, 1h or 1d, and not '%.*s'", STR_ARG(text));
	}
	*out_ms = number * unit_ms;
	return ERR_OK;
}

static enum err read_times(struct command_line *line, int64_t *out_every_ms, int64_t *out_days,
	struct str *out_at)
{
	const char *days = command_value(line, "--days-before");
	*out_days = DAYS_BEFORE_FALLBACK;
	*out_at = str_of(value_or(line, "--at", AT_FALLBACK));
	TRY(read_every(line, out_every_ms));
	return days == NULL || str_to_int(str_of(days), 0, NOTICE_SOURCE_DAYS_MAX, out_days)
		? ERR_OK
		: fail(line->ctx, ERR_INPUT, NULL, "--days-before is a number of 0 to %d",
			  (int)NOTICE_SOURCE_DAYS_MAX);
}

static enum err add(struct command_line *line, struct desk *desk)
{
	struct ctx *ctx = line->ctx;
	struct str *targets;
	int64_t source_id;
	struct notice_source_wish wish = {.url = str_of(notice_word(line, 3)),
		.language = str_of(value_or(line, "--lang", ""))};
	if (wish.url.p == NULL) {
		return fail(ctx, ERR_INPUT, NULL, "who, where and what? source add SENDER TARGETS URL");
	}
	notice_split_commas(ctx->arena, notice_word(line, 2), &targets, &wish.target_count);
	wish.targets = targets;
	TRY(notice_sender_find(ctx, &desk->accounts, str_of(notice_word(line, 1)), &wish.sender));
	TRY(read_times(line, &wish.every_ms, &wish.days_before, &wish.at_time));
	TRY(notice_source_add(ctx, &desk->accounts, &wish, &source_id));
	(void)printf("source %lld: what is there now is only noted, what comes is posted\n"
				 "belfry notice source check %lld%s shows what it has\n",
		(long long)source_id, (long long)source_id, command_same_server(line));
	return ERR_OK;
}

static void print_source(struct ctx *ctx, const struct notice_source_row *source)
{
	struct arena *arena = ctx->arena;
	(void)printf("%-4lld %.*s → %.*s  %.*s  %.*s\n", (long long)source->source_id,
		STR_ARG(source->sender), STR_ARG(source->targets), STR_ARG(source->url),
		STR_ARG(show_text(arena, source->title)));
	(void)printf("     %lld posted, answered %s, asked next %s\n", (long long)source->posted,
		show_time(arena, source->asked_at_ms), show_time(arena, source->next_at_ms));
	if (source->problem.p != NULL) {
		(void)printf("     %s: %.*s\n", source->failures > 0 ? "trouble" : "note",
			STR_ARG(show_text(arena, source->problem)));
	}
}

static enum err list(struct command_line *line, struct desk *desk)
{
	struct notice_source_row *sources;
	size_t count;
	TRY(store_notice_source_list(line->ctx, desk->accounts.db, &sources, &count));
	if (count == 0) {
		(void)printf("There are no sources.\n");
	}
	for (size_t i = 0; i < count; i++) {
		print_source(line->ctx, &sources[i]);
	}
	return ERR_OK;
}

static enum err show(struct command_line *line, struct desk *desk)
{
	struct notice_source_row source;
	int64_t source_id;
	TRY(read_number(line, &source_id));
	TRY(notice_source_get(line->ctx, &desk->accounts, source_id, &source));
	print_source(line->ctx, &source);
	(void)printf("     every %lld minutes%s%.*s; events %lld day(s) before, at %.*s\n",
		(long long)(source.every_ms / 60000), source.language.n > 0 ? ", in " : "",
		STR_ARG(source.language), (long long)source.days_before, STR_ARG(source.at_time));
	return ERR_OK;
}

static enum err remove_source(struct command_line *line, struct desk *desk)
{
	int64_t source_id;
	TRY(read_number(line, &source_id));
	TRY(notice_source_remove(line->ctx, &desk->accounts, source_id));
	(void)printf("Source %lld is not asked any more; what it posted stays.\n",
		(long long)source_id);
	return ERR_OK;
}

static enum err ask(struct command_line *line, struct desk *desk)
{
	int64_t source_id;
	TRY(read_number(line, &source_id));
	TRY(notice_source_ask(line->ctx, &desk->accounts, source_id));
	(void)printf("Source %lld is asked %s.\n", (long long)source_id,
		desk->server != 0 ? "now" : "when the server starts");
	return ERR_OK;
}

/* --- what would be posted --------------------------------------------------------------------------------------------- */

/* A source, or an address as if it were one that is known, with nothing of it. */
static enum err find_source(struct command_line *line, struct desk *desk,
	struct notice_source_row *out)
{
	struct str text = str_of(notice_word(line, 1));
	int64_t source_id;
	*out = (struct notice_source_row){.url = text, .is_primed = true, .title = STR("")};
	out->language = str_of(value_or(line, "--lang", ""));
	if (str_contains(text, STR("://"))) {
		return read_times(line, &out->every_ms, &out->days_before, &out->at_time);
	}
	TRY(read_number(line, &source_id));
	return notice_source_get(line->ctx, &desk->accounts, source_id, out);
}

static enum err look(struct command_line *line, struct desk *desk,
	const struct notice_source_row *source, struct source_look *out)
{
	struct ctx *ctx = line->ctx;
	struct conf *conf;
	struct http_client_config config;
	TRY(command_config(line, &conf));
	config_to_http_client(conf, ctx->arena, &config);
	config.user_agent = STR("Belfry");
	struct http_client *client = http_client_create(&config);
	const struct source_desk place = {.db = desk->accounts.db,
		.client = client,
		.settings = &desk->settings,
		.now_ms = clock_wall_ms(&desk->accounts.clock)};
	ctx->deadline_ms = clock_os_ms() + CHECK_LIMIT_MS;
	enum err err = source_look(ctx, &place, source, out);
	ctx->deadline_ms = 0;
	http_client_destroy(client);
	return err;
}

static void print_look(struct ctx *ctx, const struct source_look *look, size_t posts)
{
	if (look->kind == NULL) {
		(void)printf("Nothing has changed since it was asked last.\n");
		return;
	}
	(void)printf("%s '%.*s': %zu item(s); to be posted now: %zu%s; only noted: %zu\n", look->kind,
		STR_ARG(show_text(ctx->arena, look->title)), look->item_count, posts,
		look->has_more ? ", and more after that" : "", look->count - posts);
	if (look->next_news_ms != INT64_MAX) {
		(void)printf("the next event is announced %s\n", show_time(ctx->arena, look->next_news_ms));
	}
}

static enum err check(struct command_line *line, struct desk *desk)
{
	struct ctx *ctx = line->ctx;
	struct notice_source_row source;
	struct source_look found;
	size_t posts = 0;
	TRY(find_source(line, desk, &source));
	TRY(look(line, desk, &source, &found));
	for (size_t i = 0; i < found.count; i++) {
		posts += found.finds[i].markdown.p != NULL ? 1 : 0;
	}
	print_look(ctx, &found, posts);
	if (found.problem.p != NULL) {
		(void)printf("%s: %.*s\n", found.is_stale ? "trouble" : "note",
			STR_ARG(show_text(ctx->arena, found.problem)));
	}
	for (size_t i = 0; i < found.count; i++) {
		if (found.finds[i].markdown.p != NULL) {
			(void)printf("\n%.*s\n", STR_ARG(found.finds[i].markdown));
		}
	}
	return ERR_OK;
}

/* --- the command ---------------------------------------------------------------------------------------------- */

static enum err run_source(struct command_line *line, struct desk *desk)
{
	static const struct {
		const char *name;
		enum err (*run)(struct command_line *line, struct desk *desk);
	} actions[] = {{"add", add}, {"show", show}, {"check", check}, {"ask", ask},
		{"remove", remove_source}};
	const char *name = notice_word(line, 0);
	for (size_t i = 0; i < COUNT_OF(actions); i++) {
		if (strcmp(name, actions[i].name) == 0) {
			return actions[i].run(line, desk);
		}
	}
	return fail(line->ctx, ERR_INPUT, NULL,
		"source add, show, check, ask or remove? '%s' is none of them", name);
}

const struct notice_action notice_source_actions[] = {
	{"source", 2, 4, run_source},
	{"sources", 0, 0, list},
};
const size_t notice_source_action_count = COUNT_OF(notice_source_actions);
