/*
 * belfry report
 */
#include <stdio.h>

#include "app/command.h"
#include "app/desk.h"
#include "app/show.h"
#include "storage/report.h"

enum { DEFAULT_LIMIT = 50, MAX_LIMIT = 100000 };

static void print_line(struct arena *arena, const char *name, struct str value)
{
	if (value.p != NULL && value.n > 0) {
		struct str shown = show_text(arena, value);
		(void)printf("  %-9s %.*s\n", name, STR_ARG(shown));
	}
}

static void print_report(struct arena *arena, const struct report_row *row)
{
	const char *kind = row->event_id.p != NULL ? "an event"
		: row->room_id.p != NULL               ? "a room"
											   : "a user";
	(void)printf("%lld: %s, %.*s reports %s\n", (long long)row->report_id,
		show_time(arena, row->created_at_ms), STR_ARG(row->reporter), kind);
	print_line(arena, "room", row->room_id);
	print_line(arena, "event", row->event_id);
	print_line(arena, "user", row->user_id);
	print_line(arena, "reason", row->reason);
}

static const struct conf_row numbers[] = {
	{.key = "number", .type = CONF_INT, .fallback = "1", .min = 1, .max = INT64_MAX, .help = ""},
	{.key = "--limit", .type = CONF_INT, .fallback = "1", .min = 1, .max = MAX_LIMIT, .help = ""},
};

/* Read by the same rules as the server's options. */
static enum err read_number(struct command_line *line, const char *key, const char *text,
	int64_t *out)
{
	struct conf *conf = conf_create(line->ctx->arena, numbers, COUNT_OF(numbers));
	TRY(conf_set(line->ctx, conf, arena_printf(line->ctx->arena, "%s=%s", key, text)));
	*out = conf_int(conf, key);
	return ERR_OK;
}

static enum err list(struct command_line *line, struct desk *desk)
{
	int64_t limit = DEFAULT_LIMIT;
	struct report_row *rows;
	size_t count;
	if (command_value(line, "--limit") != NULL) {
		TRY(read_number(line, "--limit", command_value(line, "--limit"), &limit));
	}
	TRY(store_report_list(line->ctx, desk->accounts.db, limit, &rows, &count));
	for (size_t i = 0; i < count; i++) {
		print_report(line->ctx->arena, &rows[i]);
	}
	if (count == 0) {
		(void)printf("There are no reports.\n");
	}
	return ERR_OK;
}

static enum err none(struct command_line *line, int64_t number)
{
	return fail(line->ctx, ERR_MISSING, NULL, "there is no report %lld", (long long)number);
}

static enum err show(struct command_line *line, struct desk *desk)
{
	int64_t number;
	struct report_row row;
	TRY(read_number(line, "number", command_argument(line, 1), &number));
	enum err err = store_report_find(line->ctx, desk->accounts.db, number, &row);
	if (err == ERR_MISSING) {
		return none(line, number);
	}
	TRY(err);
	print_report(line->ctx->arena, &row);
	print_line(line->ctx->arena, "as sent", row.event_json);
	return ERR_OK;
}

static enum err remove_report(struct command_line *line, struct desk *desk)
{
	int64_t number;
	TRY(read_number(line, "number", command_argument(line, 1), &number));
	enum err err = store_report_delete(line->ctx, desk->accounts.db, number);
	if (err == ERR_MISSING) {
		return none(line, number);
	}
	TRY(err);
	(void)printf("The report is removed.\n");
	return ERR_OK;
}

static const struct desk_action actions[] = {{"list", 0, list}, {"show", 1, show},
	{"remove", 1, remove_report}};

static int run(struct command_line *line)
{
	return desk_run(line, actions, COUNT_OF(actions), "list, show or remove?");
}

const struct command cmd_report = {
	.name = "report",
	.summary = "Lists, shows and removes what users have reported.",
	.usage = "usage: belfry report list [--limit N]\n"
			 "       belfry report show NUMBER\n"
			 "       belfry report remove NUMBER\n"
			 "\n"
			 "Users report messages, rooms and other users with their clients. The reports wait\n"
			 "here, newest first; `show` prints a reported message as it was sent.\n"
			 "\n"
			 "  --limit N          how many are listed; 50\n"
			 "  --data FOLDER      the server's data folder; ./data\n"
			 "  --config FILE      its options; FOLDER/belfry.yaml if it is there\n"
			 "  --set KEY=VALUE    one option\n"
			 "\n"
			 "examples:\n"
			 "  belfry report list\n"
			 "  belfry report show 12 --data /var/lib/belfry\n",
	.options = {{"--limit", true}},
	.run = run,
};
