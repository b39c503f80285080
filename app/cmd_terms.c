/*
 * belfry terms
 */
#include <stdio.h>
#include <string.h>

#include "app/command.h"
#include "app/desk.h"
#include "app/show.h"
#include "appservices/registry.h"
#include "homeserver/account/consent.h"
#include "homeserver/account/terms.h"

enum { PAGE_ROWS = 500 };

static void print_row(struct arena *arena, const struct terms_accepted_row *row)
{
	(void)printf("%-40.*s %-20.*s %-12.*s %s\n", STR_ARG(row->user_id), STR_ARG(row->policy_id),
		STR_ARG(row->version), show_time(arena, row->accepted_at_ms));
}

/* All, or of one account, also one that is deactivated. */
static enum err list(struct command_line *line, struct desk *desk)
{
	struct ctx *ctx = line->ctx;
	struct terms_accepted_row after = {STR(""), STR(""), STR(""), 0};
	struct str user_id = {0};
	const char *name = command_argument(line, 1);
	if (name != NULL && name[0] == '@') {
		user_id = str_of(name);
	} else if (name != NULL) {
		user_id = str_printf(ctx->arena, "@%s:%.*s", name, STR_ARG(desk->settings.server_name.s));
	}
	for (;;) {
		struct terms_accepted_row *rows;
		size_t count;
		TRY(store_terms_accepted_list(ctx, desk->accounts.db, &after, user_id, PAGE_ROWS, &rows,
			&count));
		for (size_t i = 0; i < count; i++) {
			print_row(ctx->arena, &rows[i]);
		}
		if (count < PAGE_ROWS) {
			return ERR_OK;
		}
		after = rows[count - 1];
	}
}

static enum err missing(struct command_line *line, struct desk *desk)
{
	struct ctx *ctx = line->ctx;
	struct str after = STR("");
	const struct terms_versions terms =
		terms_parse(ctx->arena, terms_current(ctx->arena, &desk->settings));
	if (command_argument(line, 1) != NULL) {
		return fail(ctx, ERR_INPUT, NULL, "missing lists all; it takes no name");
	}
	if (terms.count == 0) {
		return fail(ctx, ERR_INPUT, NULL, "option terms.policies is empty");
	}
	TRY(appservices_follow(ctx, desk->appservices)); /* whose users are not asked */
	for (;;) {
		struct terms_missing_row *rows;
		size_t count;
		TRY(store_terms_missing(ctx, desk->accounts.db, after, &terms, PAGE_ROWS, &rows, &count));
		for (size_t i = 0; i < count; i++) {
			if (consent_is_asked_of(&desk->settings, &desk->port, rows[i].user_id)) {
				(void)printf("%-40.*s %.*s\n", STR_ARG(rows[i].user_id), STR_ARG(rows[i].missing));
			}
		}
		if (count < PAGE_ROWS) {
			return ERR_OK;
		}
		after = rows[count - 1].user_id;
	}
}

static int run(struct command_line *line)
{
	const char *word = command_argument(line, 0);
	bool is_missing = word != NULL && strcmp(word, "missing") == 0;
	if (word == NULL || (!is_missing && strcmp(word, "list") != 0)) {
		return command_misused(line, "list or missing?");
	}
	if (line->argument_count > 2) {
		return command_misused(line, "one name at the most");
	}
	return desk_do(line, is_missing ? missing : list);
}

const struct command cmd_terms = {
	.name = "terms",
	.summary = "Shows who has accepted which policies.",
	.usage =
		"usage: belfry terms list [NAME]\n"
		"       belfry terms missing\n"
		"\n"
		"Who registers accepts the policies of option terms.policies; `list` shows who accepted which\n"
		"version when, also of accounts that are deactivated. `missing` shows the accounts that have not\n"
		"accepted the versions of now: they are older, or were made by an administrator or a sign-in\n"
		"elsewhere. NAME is what stands between @ and : of the user id.\n"
		"\n"
		"  --data FOLDER      the server's data folder; ./data\n"
		"  --config FILE      its options; FOLDER/belfry.yaml if it is there\n"
		"  --set KEY=VALUE    one option\n"
		"\n"
		"examples:\n"
		"  belfry terms list lin\n"
		"  belfry terms missing --data /var/lib/belfry\n",
	.run = run,
};
