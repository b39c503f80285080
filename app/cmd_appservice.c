/*
 * belfry appservice
 */
#include <stdio.h>

#include "app/command.h"
#include "app/desk.h"
#include "app/show.h"
#include "appservices/manage.h"
#include "storage/appservice_queue.h"

enum { WAITING_COUNTED = 10000 };

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

static const struct desk_action actions[] = {{"add", 1, add}, {"list", 0, list},
	{"remove", 1, remove_service}};

static int run(struct command_line *line)
{
	return desk_run(line, actions, COUNT_OF(actions), "add, list or remove?");
}

const struct command cmd_appservice = {
	.name = "appservice",
	.summary = "Adds, lists and removes application services: bridges and bots.",
	.usage =
		"usage: belfry appservice add FILE [--replace]\n"
		"       belfry appservice list\n"
		"       belfry appservice remove ID\n"
		"\n"
		"FILE is the registration file (YAML) that the bridge or bot has written; it may be deleted\n"
		"afterwards. A server that runs follows within seconds, without a restart. A service that is\n"
		"removed leaves its users and rooms as they are.\n"
		"\n"
		"  --replace          another registration for a service that is registered already\n"
		"  --data FOLDER      the server's data folder; ./data\n"
		"  --config FILE      its options; FOLDER/belfry.yaml if it is there\n"
		"  --set KEY=VALUE    one option\n"
		"\n"
		"examples:\n"
		"  belfry appservice add /etc/mautrix-telegram/registration.yaml\n"
		"  belfry appservice list\n"
		"  belfry appservice remove telegram\n",
	.options = {{"--replace", false}},
	.run = run,
};
