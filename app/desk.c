/*
 * Who has the data folder decides: when it is free we take it and are a server without listeners for a moment,
 * when it is not we go through the socket of the one that runs.
 */
#include "app/desk.h"

#include <signal.h>
#include <string.h>

#include "appservices/registry.h"
#include "base/clock.h"
#include "base/log.h"
#include "storage/stream.h"

enum {
	FIND_POLL_MS = 50,
	FIND_MS = 30000, /* a server that is just starting, or another command */
	STOP_MS = 10000,
};

/* Takes the folder if it is free; that it is not is no failure here. */
static enum err try_lock(struct ctx *ctx, struct desk *desk)
{
	enum err err = data_folder_lock(ctx, &desk->folder);
	if (err == ERR_CONFLICT) {
		ctx->fault = (struct fault){0};
		desk->server = data_folder_holder(ctx, &desk->folder);
	}
	return err;
}

/* The database of the server that runs, or our own if that one ends meanwhile. */
static enum err join_or_start(struct ctx *ctx, struct desk *desk, const struct conf *conf)
{
	const char *cluster = pg_embedded_folder(ctx->arena, desk->folder.path);
	int64_t deadline_ms = clock_os_ms() + FIND_MS;
	for (;;) {
		enum err err = try_lock(ctx, desk);
		if (err == ERR_OK) {
			desk->server = 0;
			return database_open(ctx, conf, desk->folder.path, &desk->signals, 0, &desk->database);
		}
		if (err != ERR_CONFLICT) {
			return err;
		}
		if (pg_postmaster_find(ctx, cluster, &desk->database.url) == ERR_OK) {
			return ERR_OK;
		}
		ctx->fault = (struct fault){0};
		if (desk->signals.stop || clock_os_ms() > deadline_ms) {
			return fail(ctx, ERR_STORE, NULL,
				"process %d has the data folder %s, but its database does not answer",
				(int)desk->server, desk->folder.given);
		}
		signals_wait(&desk->signals, FIND_POLL_MS);
	}
}

static enum err open_database(struct ctx *ctx, struct desk *desk, const struct conf *conf)
{
	if (!str_is_empty(conf_str(conf, "database.url"))) {
		enum err err = try_lock(ctx, desk);
		if (err != ERR_OK && err != ERR_CONFLICT) {
			return err;
		}
		return database_open(ctx, conf, desk->folder.path, &desk->signals, 0, &desk->database);
	}
	return join_or_start(ctx, desk, conf);
}

enum err desk_open(struct command_line *line, struct desk *desk)
{
	struct ctx *ctx = line->ctx;
	*desk = (struct desk){.folder = {.lock_fd = -1}};
	struct conf *conf = NULL;
	TRY(command_config(line, &conf));
	config_to_settings(conf, &desk->settings);
	TRY(data_folder_open(ctx, line->data, false, &desk->folder));
	TRY(data_folder_server_name(ctx, &desk->folder, desk->settings.server_name.s,
		&desk->settings.server_name, NULL));
	signals_init(&desk->signals);
	log_set_level(LOG_WARN); /* what a command does is said on standard output */
	enum err err = open_database(ctx, desk, conf);
	if (err != ERR_OK) {
		data_folder_close(&desk->folder);
		return err;
	}
	struct db_config config;
	config_to_db(conf, &config);
	config.url = desk->database.url;
	config.pool_size = 1;
	desk->accounts = (struct account_desk){
		.db = db_create(&config),
		.settings = &desk->settings,
		.clock = clock_os(),
		.rng = rng_os(),
		.appservices = &desk->port,
	};
	desk->appservices = appservices_create(desk->accounts.db, desk->settings.server_name);
	desk->port = appservices_port(desk->appservices);
	return ERR_OK;
}

/* Servers would notice by themselves within seconds. */
static void tell_servers(struct desk *desk)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	if (store_stream_look(&ctx, desk->accounts.db) != ERR_OK) {
		log_warn(0, "desk.servers_not_told", "cause=%.*s", STR_ARG(ctx.fault.cause));
	}
}

void desk_close(struct desk *desk)
{
	if (desk->is_closed) {
		return;
	}
	desk->is_closed = true;
	tell_servers(desk);
	appservices_destroy(desk->appservices);
	db_destroy(desk->accounts.db);
	database_close(&desk->database, clock_os_ms() + STOP_MS);
	data_folder_close(&desk->folder);
	if (desk->server != 0) {
		/* Whoever holds a data folder has this signal blocked. */
		(void)kill(desk->server, SIGUSR1);
	}
}

int desk_do(struct command_line *line, desk_work *work)
{
	struct desk desk;
	if (desk_open(line, &desk) != ERR_OK) {
		return command_failed(line->ctx);
	}
	enum err err = work(line, &desk);
	desk_close(&desk);
	return err == ERR_OK ? STATUS_OK : command_failed(line->ctx);
}

/* --- words of a command ----------------------------------------------------------------------------------- */

static int run_action(struct command_line *line, const struct desk_action *action)
{
	if (line->argument_count != action->arguments + 1) {
		return command_misused(line, "'%s' wants %zu argument(s)", action->name, action->arguments);
	}
	return desk_do(line, action->run);
}

int desk_run(struct command_line *line, const struct desk_action *actions, size_t count,
	const char *words)
{
	const char *word = command_argument(line, 0);
	if (word == NULL) {
		return command_misused(line, "%s", words);
	}
	for (size_t i = 0; i < count; i++) {
		if (strcmp(word, actions[i].name) == 0) {
			return run_action(line, &actions[i]);
		}
	}
	return command_misused(line, "cannot do '%s'", word);
}
