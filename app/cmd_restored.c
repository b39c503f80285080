/*
 * belfry restored
 */
#include <stdio.h>

#include "app/command.h"
#include "app/desk.h"
#include "storage/restored.h"

static enum err restored(struct command_line *line, struct desk *desk)
{
	if (desk->server != 0) {
		return fail(line->ctx, ERR_CONFLICT, NULL,
			"a server runs on this database already: stop it first, then say this again");
	}
	TRY(store_restored(line->ctx, desk->accounts.db));
	(void)printf("The server can be started.\n");
	return ERR_OK;
}

static int run(struct command_line *line)
{
	if (line->argument_count != 0) {
		return command_misused(line, "'restored' wants no further words");
	}
	return desk_do(line, restored);
}

const struct command cmd_restored = {
	.name = "restored",
	.summary = "Makes a database that came back from a backup ready.",
	.usage =
		"usage: belfry restored\n"
		"\n"
		"To be said once after a backup was put back, before the server starts: clients and other\n"
		"servers know things that the database has never heard of. The server goes on behind them,\n"
		"and devices are asked for new one-time keys. A backup is the database, DATA/secrets.key,\n"
		"DATA/signing.key and DATA/media, all of one time.\n"
		"\n"
		"  --data FOLDER      the server's data folder; ./data\n"
		"  --config FILE      its options; FOLDER/belfry.yaml if it is there\n"
		"  --set KEY=VALUE    one option\n"
		"\n"
		"examples:\n"
		"  pg_restore --no-owner -d belfry belfry.dump && belfry restored\n",
	.run = run,
};
