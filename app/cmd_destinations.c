/*
 * belfry destinations
 */
#include <stdio.h>
#include <string.h>

#include "app/command.h"
#include "app/desk.h"
#include "app/show.h"
#include "storage/destination.h"

enum { PAGE = 500, EDUS_COUNTED = 1000 };

/* "3 rooms, 12 EDUs"; "-" when nothing waits. */
static const char *waiting_text(struct arena *arena, const struct destination_row *row)
{
	struct str text = STR("");
	if (row->missed_room_n > 0) {
		text = str_printf(arena, "%lld room(s)", (long long)row->missed_room_n);
	}
	if (row->open_event_n > 0) {
		text = str_printf(arena, "%.*s%s%lld event(s)", STR_ARG(text), text.n > 0 ? ", " : "",
			(long long)row->open_event_n);
	}
	if (row->edu_n > 0) {
		text = str_printf(arena, "%.*s%s%lld%s EDU(s)", STR_ARG(text), text.n > 0 ? ", " : "",
			(long long)row->edu_n, row->edu_n >= EDUS_COUNTED ? " or more" : "");
	}
	return text.n > 0 ? str_cstr(arena, text) : "-";
}

static void print_row(struct arena *arena, const struct destination_row *row, int64_t now_ms)
{
	struct str server = show_text(arena, row->server);
	bool is_failing = row->failures > 0;
	const char *state = !is_failing ? "reached" : row->retry_at_ms > now_ms ? "failing" : "due";
	(void)printf("%-40.*s %-8s %-21s %-21s %s\n", STR_ARG(server), state,
		show_time(arena, is_failing ? row->failing_since_ms : row->reached_at_ms),
		is_failing && row->retry_at_ms > 0 ? show_time(arena, row->retry_at_ms) : "-",
		waiting_text(arena, row));
	if (is_failing) {
		struct str cause = show_text(arena, row->cause);
		(void)printf("    %lld in a row: %.*s\n", (long long)row->failures, STR_ARG(cause));
	}
}

static enum err list(struct command_line *line, struct desk *desk)
{
	struct arena *arena = line->ctx->arena;
	bool only_failing = command_value(line, "--failing") != NULL;
	int64_t now_ms = clock_wall_ms(&desk->accounts.clock);
	struct destination_row *rows;
	struct str from = STR("");
	size_t count = PAGE;
	size_t shown = 0;
	while (count == PAGE) {
		TRY(store_destination_list(line->ctx, desk->accounts.db, from, PAGE, &rows, &count));
		for (size_t i = 0; i < count; i++) {
			if (only_failing && rows[i].failures == 0) {
				continue;
			}
			if (shown++ == 0) {
				(void)printf("%-40s %-8s %-21s %-21s %s\n", "SERVER", "STATE", "SINCE", "NEXT TRY",
					"WAITING");
			}
			print_row(arena, &rows[i], now_ms);
		}
		from = count > 0 ? str_printf(arena, "%.*s\x01", STR_ARG(rows[count - 1].server)) : from;
	}
	if (shown == 0) {
		(void)printf(only_failing ? "All servers could be reached.\n"
								  : "Nothing was sent to other servers yet.\n");
	}
	return ERR_OK;
}

static enum err retry(struct command_line *line, struct desk *desk)
{
	const char *server = command_argument(line, 1);
	int64_t count;
	TRY(store_destination_retry(line->ctx, desk->accounts.db, str_of(server), &count));
	if (count == 0 && server != NULL) {
		return fail(line->ctx, ERR_MISSING, NULL, "'%s' is none of the servers that fail", server);
	}
	(void)printf("%lld server(s) will be tried %s.\n", (long long)count,
		desk->server != 0 ? "now" : "at the server's start");
	return ERR_OK;
}

static int run(struct command_line *line)
{
	const char *word = command_argument(line, 0);
	bool is_list = word != NULL && strcmp(word, "list") == 0;
	bool is_all = command_value(line, "--all") != NULL;
	if (!is_list && (word == NULL || strcmp(word, "retry") != 0)) {
		return command_misused(line, "list or retry?");
	}
	if (is_list && line->argument_count != 1) {
		return command_misused(line, "'list' wants nothing more");
	}
	if (!is_list && line->argument_count != (is_all ? 1 : 2)) {
		return command_misused(line, "'retry' wants one server, or --all");
	}
	return desk_do(line, is_list ? list : retry);
}

const struct command cmd_destinations = {
	.name = "destinations",
	.summary = "Shows which other servers can be reached, and what waits for them.",
	.usage = "usage: belfry destinations list [--failing]\n"
			 "       belfry destinations retry SERVER | --all\n"
			 "\n"
			 "What goes to other servers is kept until they take it. One that cannot be reached\n"
			 "is tried again with growing pauses, and at once when it is heard of; `retry` does\n"
			 "not wait for that. Why one is not reached says `belfry federation check SERVER`.\n"
			 "\n"
			 "  --failing          only servers that cannot be reached\n"
			 "  --all              all of these are tried\n"
			 "  --data FOLDER      the server's data folder; ./data\n"
			 "  --config FILE      its options; FOLDER/belfry.yaml if it is there\n"
			 "  --set KEY=VALUE    one option\n"
			 "\n"
			 "examples:\n"
			 "  belfry destinations list --failing\n"
			 "  belfry destinations retry matrix.partner.example\n",
	.options = {{"--failing", false}, {"--all", false}},
	.run = run,
};
