/*
 * belfry server-notice
 */
#include <stdio.h>
#include <string.h>

#include "app/command.h"
#include "app/desk.h"
#include "base/utf8.h"
#include "homeserver/server_notice/server_notices.h"
#include "storage/account.h"
#include "storage/server_notice.h"

static enum err find_user(struct command_line *line, struct desk *desk, struct str given,
	struct str *out)
{
	struct ctx *ctx = line->ctx;
	struct account_row account;
	struct user_id id;
	*out = given.n > 0 && given.p[0] == '@' ? given
											: str_printf(ctx->arena, "@%.*s:%.*s", STR_ARG(given),
												  STR_ARG(desk->settings.server_name.s));
	enum err err = user_id_parse(*out, &id)
		? store_account_find(ctx, desk->accounts.db, *out, &account)
		: ERR_MISSING;
	if (err == ERR_MISSING || (err == ERR_OK && account.state == ACCOUNT_DEACTIVATED)) {
		return fail(ctx, ERR_MISSING, NULL, "there is no user '%.*s'", STR_ARG(given));
	}
	return err;
}

static enum err send(struct command_line *line, struct desk *desk)
{
	struct str body = str_of(command_argument(line, 2));
	struct server_notice_row row = {.body = body};
	if (body.n == 0 || body.n > SERVER_NOTICE_MAX_BYTES || !utf8_is_valid(body)) {
		return fail(line->ctx, ERR_INPUT, NULL, "the text must be 1 to %d bytes of UTF-8",
			(int)SERVER_NOTICE_MAX_BYTES);
	}
	TRY(find_user(line, desk, str_of(command_argument(line, 1)), &row.user_id));
	row.created_at_ms = clock_wall_ms(&desk->accounts.clock);
	TRY(store_server_notice_insert(line->ctx, desk->accounts.db, &row));
	(void)printf("%s\n",
		desk->server != 0 ? "The notice is on its way."
						  : "The notice waits for the server's start.");
	return ERR_OK;
}

static int run(struct command_line *line)
{
	const char *word = command_argument(line, 0);
	if (word == NULL || strcmp(word, "send") != 0) {
		return command_misused(line, "send what to whom?");
	}
	if (line->argument_count != 3) {
		return command_misused(line, "'send' wants a user and a text");
	}
	return desk_do(line, send);
}

const struct command cmd_server_notice = {
	.name = "server-notice",
	.summary = "Tells a user something in the name of the server.",
	.usage =
		"usage: belfry server-notice send USER TEXT\n"
		"\n"
		"The user finds the text in a room of its own, to which the server invites. Works while\n"
		"the server runs; without one the notice is sent at the next start.\n"
		"\n"
		"  --data FOLDER      the server's data folder; ./data\n"
		"  --config FILE      its options; FOLDER/belfry.yaml if it is there\n"
		"  --set KEY=VALUE    one option\n"
		"\n"
		"examples:\n"
		"  belfry server-notice send lin 'The server is away on Sunday morning.'\n",
	.run = run,
};
