/*
 * belfry federation
 */
#include <stdio.h>

#include "app/command.h"
#include "app/desk.h"
#include "federation/policy.h"

static enum err read_view(struct command_line *line, struct desk *desk, struct policy_view *out)
{
	return fed_policy_read(line->ctx, desk->accounts.db, &desk->settings.federation, out);
}

/* A running server goes by the options of its own start: those of --set no other process can see. */
static enum err print_policy(struct command_line *line, const struct policy_view *view)
{
	struct conf *conf = NULL;
	TRY(command_config(line, &conf));
	static const char *const meanings[] = {
		[PARTNER_OPEN] = "with every server that is not denied",
		[PARTNER_LISTED] = "with allowed servers only",
		[PARTNER_CLOSED] = "with nobody",
	};
	(void)printf("Policy: %.*s, %s%s.\n", STR_ARG(partner_policy_name(view->policy)),
		meanings[view->policy], view->is_configured ? " (as configured)" : "");
	if (view->is_configured && !conf_is_set(conf, "federation.policy")) {
		(void)printf("A server that was started with federation.policy in --set goes by that; "
					 "what stands in %s/belfry.yaml, both read.\n",
			line->data);
	}
	return ERR_OK;
}

static enum err list(struct command_line *line, struct desk *desk)
{
	struct policy_view view;
	TRY(read_view(line, desk, &view));
	if (view.count == 0) {
		(void)printf("No servers are allowed or denied by name.\n");
	}
	for (size_t i = 0; i < view.count; i++) {
		(void)printf("%s  %.*s%s\n", view.rules[i].is_allowed ? "allow" : "deny ",
			STR_ARG(view.rules[i].pattern),
			view.are_configured[i] ? "  (federation.partners)" : "");
	}
	return ERR_OK;
}

static enum err status(struct command_line *line, struct desk *desk)
{
	struct policy_view view;
	TRY(read_view(line, desk, &view));
	TRY(print_policy(line, &view));
	return list(line, desk);
}

static enum err check(struct command_line *line, struct desk *desk)
{
	struct policy_view view;
	struct server_name server;
	if (!server_name_parse(str_of(command_argument(line, 1)), &server)) {
		return fail(line->ctx, ERR_INPUT, NULL, "'%s' is no server name",
			command_argument(line, 1));
	}
	TRY(read_view(line, desk, &view));
	bool is_allowed = partner_is_allowed(view.policy, view.rules, view.count, server);
	(void)printf("%.*s: %s\n", STR_ARG(server.s), is_allowed ? "allowed" : "refused");
	return ERR_OK;
}

static enum err set_policy(struct command_line *line, struct desk *desk)
{
	struct str word = str_of(command_argument(line, 1));
	if (str_equals(word, STR("configured"))) {
		word = (struct str){0};
	}
	TRY(fed_policy_set(line->ctx, desk->accounts.db, word));
	return status(line, desk);
}

static enum err allow(struct command_line *line, struct desk *desk)
{
	TRY(fed_policy_put_server(line->ctx, desk->accounts.db, str_of(command_argument(line, 1)),
		true));
	return status(line, desk);
}

static enum err deny(struct command_line *line, struct desk *desk)
{
	TRY(fed_policy_put_server(line->ctx, desk->accounts.db, str_of(command_argument(line, 1)),
		false));
	return status(line, desk);
}

static enum err remove_rule(struct command_line *line, struct desk *desk)
{
	TRY(fed_policy_remove_server(line->ctx, desk->accounts.db, str_of(command_argument(line, 1))));
	return status(line, desk);
}

static const struct desk_action actions[] = {{"status", 0, status}, {"list", 0, list},
	{"check", 1, check}, {"policy", 1, set_policy}, {"allow", 1, allow}, {"deny", 1, deny},
	{"remove", 1, remove_rule}};

static int run(struct command_line *line)
{
	return desk_run(line, actions, COUNT_OF(actions),
		"status, list, check, policy, allow, deny or remove?");
}

const struct command cmd_federation = {
	.name = "federation",
	.summary = "Shows and changes with which servers this one federates.",
	.usage =
		"usage: belfry federation status\n"
		"       belfry federation policy open|partners|closed|configured\n"
		"       belfry federation allow PATTERN\n"
		"       belfry federation deny PATTERN\n"
		"       belfry federation remove PATTERN\n"
		"       belfry federation list\n"
		"       belfry federation check SERVER\n"
		"\n"
		"open: with every server that is not denied; partners: with allowed servers only; closed: with\n"
		"nobody; configured: what federation.policy says. A server that is denied is refused in any\n"
		"case. Patterns match names with or without their port; * stands for any characters, ? for one.\n"
		"A server that runs follows within seconds, without a restart.\n"
		"\n"
		"  --data FOLDER      the server's data folder; ./data\n"
		"  --config FILE      its options; FOLDER/belfry.yaml if it is there\n"
		"  --set KEY=VALUE    one option\n"
		"\n"
		"examples:\n"
		"  belfry federation policy partners\n"
		"  belfry federation allow '*.school.example'\n"
		"  belfry federation deny spam.example\n"
		"  belfry federation check matrix.partner.example\n",
	.run = run,
};
