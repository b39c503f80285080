/*
 * belfry migrate
 */
#include "app/command.h"
#include "app/data_folder.h"
#include "app/database.h"

#include <stdio.h>

#include "base/clock.h"
#include "storage/schema.h"

enum { STOP_MS = 60000 };

static enum err migrate(struct command_line *line, struct data_folder *folder)
{
	struct conf *conf;
	TRY(command_config(line, &conf));
	TRY(data_folder_become_account(line->ctx, line->data, NULL));
	TRY(data_folder_open(line->ctx, line->data, true, folder));
	struct signals signals;
	signals_init(&signals);
	TRY(data_folder_lock(line->ctx, folder));
	struct database database;
	TRY(database_open(line->ctx, conf, folder->path, &signals, 0, &database));
	database_close(&database, clock_os_ms() + STOP_MS);
	return ERR_OK;
}

static int run(struct command_line *line)
{
	if (line->argument_count > 0) {
		return command_misused(line, "there is no argument '%s'", line->arguments[0]);
	}
	struct data_folder folder = {.lock_fd = -1};
	enum err err = migrate(line, &folder);
	data_folder_close(&folder);
	if (err != ERR_OK) {
		return command_failed(line->ctx);
	}
	(void)printf("The database has all %zu migrations.\n", schema_count());
	return STATUS_OK;
}

const struct command cmd_migrate = {
	.name = "migrate",
	.summary = "Brings the database up to date without starting the server.",
	.usage =
		"usage: belfry migrate [--data FOLDER] [--config FILE] [--set KEY=VALUE]…\n"
		"\n"
		"The server does the same at every start. By hand it is for large databases, to choose the time.\n"
		"The server of this data folder must be stopped.\n"
		"\n"
		"examples:\n"
		"  belfry migrate --data /var/lib/belfry\n"
		"  belfry migrate --set database.url=postgresql://belfry@db.school.example/belfry\n",
	.run = run,
};
