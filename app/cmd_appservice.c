/*
 * belfry appservice
 */
#include <stdio.h>

#include "app/command.h"
#include "app/desk.h"
#include "app/first_start.h"
#include "app/show.h"
#include "appservices/as_ping.h"
#include "appservices/manage.h"
#include "storage/appservice_queue.h"

enum { WAITING_COUNTED = 10000, BODY_SHOWN_BYTES = 200 };

static enum err add(struct command_line *line, struct desk *desk)
{
	const char *path = command_argument(line, 1);
	bool replaces = command_value(line, "--replace") != NULL;
	struct registration found;
	enum appservice_change change;
	TRY(as_read_file(line->ctx, path, &found));
	TRY(as_add(line->ctx, &desk->accounts, &found, path, replaces, &change));
	const char *what = change == APPSERVICE_ADDED ? "Added"
		: change == APPSERVICE_REPLACED           ? "Replaced"
												  : "Nothing has changed in";
	(void)printf("%s the application service '%.*s'; it acts as @%.*s:%.*s.\n", what,
		STR_ARG(found.id), STR_ARG(found.sender_localpart), STR_ARG(desk->settings.server_name.s));
	return ERR_OK;
}

static enum err remove_service(struct command_line *line, struct desk *desk)
{
	const char *id = command_argument(line, 1);
	TRY(as_remove(line->ctx, &desk->accounts, str_of(id)));
	(void)printf("Removed the application service '%s'; its users and rooms stay.\n", id);
	return ERR_OK;
}

static void print_rules(const char *kind, const struct namespace_rules *rules)
{
	for (size_t i = 0; i < rules->count; i++) {
		(void)printf("  %-8s %.*s%s\n", kind, STR_ARG(rules->items[i].pattern),
			rules->items[i].is_exclusive ? "  (exclusive)" : "");
	}
}

/* "  queue    3 waiting, failing since …: status 502" */
static void print_queue(struct arena *arena, const struct appservice_delivery_row *row)
{
	struct str waiting = str_printf(arena, "%s%lld",
		row->waiting >= WAITING_COUNTED ? "at least " : "", (long long)row->waiting);
	if (row->failures > 0) {
		(void)printf("  %-8s %.*s waiting, failing since %s: %.*s\n", "queue", STR_ARG(waiting),
			show_time(arena, row->failing_since_ms), STR_ARG(show_text(arena, row->cause)));
	} else {
		(void)printf("  %-8s %.*s waiting, last taken %s\n", "queue", STR_ARG(waiting),
			show_time(arena, row->reached_at_ms));
	}
}

static enum err list(struct command_line *line, struct desk *desk)
{
	struct appservice_set *set CLEANUP(appservice_set_cleanup) = NULL;
	struct appservice_delivery_row *queues;
	size_t queue_n;
	TRY(as_list(line->ctx, &desk->accounts, &set));
	TRY(store_appservice_delivery_list(line->ctx, desk->accounts.db, &queues, &queue_n));
	if (set->count == 0) {
		(void)printf("There are no application services.\n");
	}
	for (size_t i = 0; i < set->count; i++) {
		const struct appservice *service = &set->items[i];
		struct str url = service->reg.url.p != NULL ? service->reg.url : STR("(nothing is sent)");
		(void)printf("%-20.*s  %-28.*s  %.*s\n", STR_ARG(service->reg.id), STR_ARG(url),
			STR_ARG(service->sender.s));
		print_rules("users", &service->reg.users);
		print_rules("aliases", &service->reg.aliases);
		print_rules("rooms", &service->reg.rooms);
		for (size_t k = 0; service->reg.url.p != NULL && k < queue_n; k++) {
			if (str_equals(queues[k].id, service->reg.id)) {
				print_queue(line->ctx->arena, &queues[k]);
			}
		}
	}
	return ERR_OK;
}

/* --- ping ------------------------------------------------------------------------------------------------------- */

static enum err fail_unreached(struct ctx *ctx, const struct appservice *service, enum err err,
	int64_t timeout_ms)
{
	struct str cause = str_dup(ctx->arena, ctx->fault.cause);
	struct str url = service->reg.url;
	if (err == ERR_TIMEOUT) {
		return fail(ctx, err, NULL,
			"%.*s did not answer within %lld s; does the service hang, or does something else, such "
			"as a firewall, stand at that address?",
			STR_ARG(url), (long long)timeout_ms / 1000);
	}
	return fail(ctx, err, NULL, "%.*s could not be reached: %.*s; does the service run, and %s?",
		STR_ARG(url), STR_ARG(cause),
		str_starts_with(url, STR("https:"))
			? "is its certificate from an authority that this machine or federation.ca_file knows"
			: "does it listen at the 'url' of its registration");
}

/* What the service says of itself: 'M_FORBIDDEN: Bad token', or the beginning of what is no such answer. */
static struct str said(struct arena *arena, struct str body)
{
	struct json json;
	if (json_parse(arena, body, NULL, &json, NULL) == JSON_OK) {
		struct str errcode = json_get_str(&json, STR("errcode"));
		struct str error = json_get_str(&json, STR("error"));
		if (errcode.n > 0) {
			body = error.n > 0 ? str_printf(arena, "%.*s: %.*s", STR_ARG(errcode), STR_ARG(error))
							   : errcode;
		}
	}
	return show_text(arena, str_trim(str_slice(body, 0, BODY_SHOWN_BYTES)));
}

static const char *advice(int status)
{
	switch (status) {
	case 401:
	case 403:
		return "it does not know our hs_token: its registration file and the one that was added differ; "
			   "add its own with 'belfry appservice add FILE --replace'";
	case 404:
	case 405:
		return "whoever answers knows no pings: something else listens at that address, or the service is "
			   "one that cannot be asked ('belfry appservice list' says whether it takes what it is sent)";
	default:
		return status >= 300 && status < 400
			? "something else listens at that address; 'url' in the registration has to be the service's own"
			: "the service has trouble of its own; its log should say which";
	}
}

static enum err ask_service(struct command_line *line, struct desk *desk,
	const struct appservice *service, struct as_pong *out)
{
	struct ctx *ctx = line->ctx;
	struct conf *conf;
	struct http_client_config config;
	TRY(command_config(line, &conf));
	config_to_http_client(conf, ctx->arena, &config);
	config.user_agent = str_printf(ctx->arena, "Belfry/%s", app_version());
	struct http_client *client = http_client_create(&config);
	int64_t timeout_ms = as_ping_timeout_ms(&desk->settings);
	enum err err = as_ping(ctx, client, service, STR("{}"), timeout_ms, out);
	http_client_destroy(client);
	return err == ERR_OK ? ERR_OK : fail_unreached(ctx, service, err, timeout_ms);
}

static enum err ping(struct command_line *line, struct desk *desk)
{
	struct ctx *ctx = line->ctx;
	struct str id = str_of(command_argument(line, 1));
	struct appservice_set *set CLEANUP(appservice_set_cleanup) = NULL;
	struct as_pong pong;
	TRY(as_list(ctx, &desk->accounts, &set));
	const struct appservice *service = appservice_by_id(set, id);
	if (service == NULL) {
		return fail(ctx, ERR_MISSING, NULL,
			"there is no application service '%.*s'; 'belfry appservice list' names all",
			STR_ARG(id));
	}
	if (service->reg.url.p == NULL) {
		return fail(ctx, ERR_INPUT, NULL,
			"nothing is sent to '%.*s', for its registration has no 'url'", STR_ARG(id));
	}
	TRY(ask_service(line, desk, service, &pong));
	if (!pong.is_well) {
		struct str body = said(ctx->arena, pong.answer.body);
		return fail(ctx, ERR_REMOTE, NULL, "%.*s answered with status %d%s%.*s; %s",
			STR_ARG(service->reg.url), pong.answer.status, body.n > 0 ? ", " : "", STR_ARG(body),
			advice(pong.answer.status));
	}
	TRY(store_appservice_retry(ctx, desk->accounts.db, id));
	(void)printf("'%.*s' answered at %.*s after %lld ms.\n", STR_ARG(id), STR_ARG(service->reg.url),
		(long long)pong.duration_ms);
	return ERR_OK;
}

static const struct desk_action actions[] = {{"add", 1, add}, {"list", 0, list},
	{"remove", 1, remove_service}, {"ping", 1, ping}};

static int run(struct command_line *line)
{
	return desk_run(line, actions, COUNT_OF(actions), "add, list, remove or ping?");
}

const struct command cmd_appservice = {
	.name = "appservice",
	.summary = "Adds, lists, removes and tries application services: bridges and bots.",
	.usage =
		"usage: belfry appservice add FILE [--replace]\n"
		"       belfry appservice list\n"
		"       belfry appservice remove ID\n"
		"       belfry appservice ping ID\n"
		"\n"
		"FILE is the registration file (YAML) that the bridge or bot has written; it may be deleted\n"
		"afterwards. A server that runs follows within seconds, without a restart. A service that is\n"
		"removed leaves its users and rooms as they are.\n"
		"\n"
		"ping asks a service, from this machine, and says how long the answer took, or what is wrong. What\n"
		"waits for a service that answers is sent at once.\n"
		"\n"
		"  --replace          another registration for a service that is registered already\n"
		"  --data FOLDER      the server's data folder; ./data\n"
		"  --config FILE      its options; FOLDER/belfry.yaml if it is there\n"
		"  --set KEY=VALUE    one option\n"
		"\n"
		"examples:\n"
		"  belfry appservice add /etc/mautrix-telegram/registration.yaml\n"
		"  belfry appservice list\n"
		"  belfry appservice ping telegram\n"
		"  belfry appservice remove telegram\n",
	.options = {{"--replace", false}},
	.run = run,
};
