/*
 * Start: options, data folder and its lock, name, key, database, schema, services, listeners, administrator. What can
 * be refused without touching anything comes first. Then the main thread waits for signals and minds the
 * database's process. End: `http.drain_time` for load balancers, then listeners, services, database, lock; these within a second.
 */
#include "app/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/data_folder.h"
#include "app/database.h"
#include "app/first_start.h"
#include "app/libraries.h"
#include "app/manager.h"
#include "app/wire.h"
#include "base/clock.h"
#include "base/log.h"

enum {
	STOP_MS = 850, /* from the signal on; then the database ends without its last checkpoint */
	WATCH_MS = 60 * 1000, /* longest sleep of the main thread */
};

struct server {
	struct ctx *ctx;
	struct conf *conf;
	struct settings settings;
	struct signals signals;
	struct data_folder folder;
	struct event_signer signer;
	struct old_key *old_keys;
	size_t old_key_count;
	unsigned char secrets_key[SEAL_KEY_BYTES];
	struct database database;
	struct wire *wire;
	int64_t started_ms;
};

static enum err read_options(struct server *server, struct command_line *line)
{
	TRY(command_config(line, &server->conf));
	config_to_settings(server->conf, &server->settings);
	enum log_level level = LOG_INFO;
	if (log_level_parse(conf_str(server->conf, "log.level").p, &level)) {
		log_set_level(level);
	}
	return ERR_OK;
}

static enum err open_folder(struct server *server, const char *given)
{
	struct ctx *ctx = server->ctx;
	bool is_new = false;
	const char *account;
	TRY(data_folder_become_account(ctx, given, &account));
	if (account != NULL) {
		log_info(0, "serve.account", "account=%s was=root", account);
	}
	TRY(data_folder_open(ctx, given, true, &server->folder));
	TRY(data_folder_lock(ctx, &server->folder));
	TRY(data_folder_server_name(ctx, &server->folder, server->settings.server_name.s,
		&server->settings.server_name, &is_new));
	if (is_new && !conf_is_set(server->conf, "server_name")) {
		log_warn(0, "serve.default_name",
			"server_name=%.*s hint=\"give --set server_name=… at the first start of a real server; it "
			"cannot be changed later\"",
			STR_ARG(server->settings.server_name.s));
	}
	if (is_new && config_name_has_capitals(ctx->arena, server->settings.server_name.s)) {
		log_warn(0, "serve.capital_name",
			"server_name=%.*s hint=\"names are compared letter by letter, so they should have no capital "
			"letters; now it can still be changed, by a new data folder\"",
			STR_ARG(server->settings.server_name.s));
	}
	struct rng rng = rng_os();
	TRY(data_folder_signing_key(ctx, &server->folder, &rng, &server->signer));
	server->signer.server = server->settings.server_name;
	TRY(data_folder_secrets_key(ctx, &server->folder, &rng, server->secrets_key));
	return data_folder_old_keys(ctx, &server->folder, &server->old_keys, &server->old_key_count);
}

static enum err start(struct server *server, struct command_line *line)
{
	struct ctx *ctx = server->ctx;
	TRY(read_options(server, line));
	pid_t libraries = libraries_begin();
	TRY(open_folder(server, line->data));
	TRY(database_open(ctx, server->conf, server->folder.path, &server->signals,
		conf_int(server->conf, "database.start_timeout"), &server->database));
	server->wire = wire_create(&(struct wire_config){
		.conf = server->conf,
		.settings = &server->settings,
		.signer = server->signer,
		.old_keys = server->old_keys,
		.old_key_count = server->old_key_count,
		.secrets_key = server->secrets_key,
		.database_url = server->database.url,
		.data_folder = server->folder.path,
	});
	if (server->wire == NULL) {
		return fail(ctx, ERR_STORE, NULL, "The database went away while the server started");
	}
	TRY(libraries_end(ctx, libraries));
	return wire_start(ctx, server->wire);
}

static void tell_listeners(const struct server *server)
{
	struct http_config http;
	config_to_http(server->conf, server->ctx->arena, &http);
	for (size_t i = 0; i < http.listen_count; i++) {
		struct str text = config_listener_text(server->ctx->arena, &http.listen[i]);
		log_info(0, "serve.listens", "on=\"%.*s\"", STR_ARG(text));
	}
}

static void announce(struct server *server, struct command_line *line, bool is_quiet)
{
	tell_listeners(server);
	log_info(0, "serve.ready", "server_name=%.*s port=%u ms=%lld version=%s",
		STR_ARG(server->settings.server_name.s), (unsigned)wire_port(server->wire),
		(long long)(clock_os_ms() - server->started_ms), app_version());
	(void)manager_tell("READY=1\nMAINPID=%d\nSTATUS=Serving %.*s", (int)getpid(),
		STR_ARG(server->settings.server_name.s));
	bool others_make_users = !str_is_empty(server->settings.registration_shared_secret);
	if (!is_quiet && !others_make_users) {
		first_start_administrator(server->ctx, wire_homeserver(server->wire),
			&(struct first_start){
				.same_server = command_same_server(line),
				.listen = conf_str(server->conf, "listen.client"),
				.port = wire_port(server->wire),
			});
	}
}

/* How long the main thread may sleep: systemd wants to hear twice in its interval that it is alive. */
static int64_t watchdog_interval_ms(void)
{
	int64_t interval_us = manager_watchdog_us();
	return interval_us == 0 ? WATCH_MS : MAX_OF(interval_us / 2000, (int64_t)100);
}

/* Until a signal to stop, or `end_ms`. */
static void run(struct server *server, int64_t end_ms)
{
	int64_t interval_ms = watchdog_interval_ms();
	while (!server->signals.stop && clock_os_ms() < end_ms) {
		int64_t wait_ms = MIN_OF(interval_ms, end_ms - clock_os_ms());
		if (server->database.cluster != NULL) {
			int64_t tend_ms = pg_postmaster_tend(server->database.cluster);
			wait_ms = tend_ms >= 0 ? MIN_OF(wait_ms, tend_ms) : wait_ms;
		}
		(void)manager_tell("WATCHDOG=1");
		signals_wait(&server->signals, wait_ms);
		wire_reload_tls(server->wire); /* SIGHUP ends the waiting too */
		if (server->signals.poke) {
			server->signals.poke = false;
			wire_poke(server->wire);
		}
	}
}

/* A load balancer is given the time to notice. A second signal ends it. */
static void drain(struct server *server)
{
	int64_t drain_ms = conf_int(server->conf, "http.drain_time");
	if (drain_ms > 0) {
		log_info(0, "serve.draining", "for_ms=%lld", (long long)drain_ms);
		(void)manager_tell("STOPPING=1");
		wire_drain(server->wire);
		server->signals.stop = false;
		run(server, clock_os_ms() + drain_ms);
		server->signals.stop = true;
	}
}

/* Releases what was made, however far the start came. */
static void stop(struct server *server)
{
	int64_t deadline_ms = clock_os_ms() + STOP_MS;
	(void)manager_tell("STOPPING=1");
	bool is_clean = server->wire == NULL || wire_destroy(server->wire);
	database_close(&server->database, deadline_ms);
	if (!is_clean) {
		/* A handler still runs on what we would free. All that was acknowledged is committed. */
		log_warn(0, "serve.ended", "clean=false");
		_exit(STATUS_OK);
	}
	ed25519_key_destroy((struct ed25519_key *)(uintptr_t)server->signer.key);
	crypto_wipe(server->secrets_key, sizeof(server->secrets_key));
	data_folder_close(&server->folder);
}

enum err serve(struct command_line *line, bool is_quiet)
{
	struct server server = {.ctx = line->ctx,
		.folder = {.lock_fd = -1},
		.started_ms = clock_os_ms()};
	signals_init(&server.signals);
	enum err err = start(&server, line);
	if (err == ERR_OK) {
		announce(&server, line, is_quiet);
		run(&server, INT64_MAX);
		drain(&server);
		log_info(0, "serve.stopping", "after_s=%lld",
			(long long)((clock_os_ms() - server.started_ms) / 1000));
	}
	stop(&server);
	return err;
}
