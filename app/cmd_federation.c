/*
 * belfry federation
 */
#include <stdio.h>

#include "app/command.h"
#include "app/desk.h"
#include "app/first_start.h"
#include "app/show.h"
#include "federation/policy.h"
#include "federation/reach.h"

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

/* --- check ------------------------------------------------------------------------------------------------- */

static void print_note(void *data, const struct reach_note *note)
{
	static const char *const marks[] = {
		[REACH_GOOD] = "ok  ",
		[REACH_ASIDE] = "-   ",
		[REACH_BAD] = "BAD ",
	};
	struct command_line *line = data;
	(void)printf("%s %-15s %.*s\n", marks[note->mark], note->step,
		STR_ARG(show_text(line->ctx->arena, note->seen)));
	if (note->advice != NULL) {
		(void)printf("     -> %s\n     -> %s\n", note->advice, note->advice_zh);
	}
	(void)fflush(stdout); /* the next step may wait */
}

/* @param is_own  the server's own name, as others find it */
static enum err check_policy(struct command_line *line, struct desk *desk,
	struct server_name server, bool is_own, bool *out_is_allowed)
{
	struct policy_view view;
	TRY(read_view(line, desk, &view));
	*out_is_allowed = is_own || partner_is_allowed(view.policy, view.rules, view.count, server);
	print_note(line,
		&(struct reach_note){*out_is_allowed ? REACH_GOOD : REACH_BAD, "policy",
			is_own                ? STR("that is this server itself, as this machine finds it")
				: *out_is_allowed ? STR("allowed")
								  : STR("refused: this server neither asks it nor lets it in"),
			*out_is_allowed
				? NULL
				: "If it is to be a partner: belfry federation allow NAME (or remove, if it was "
				  "denied); 'belfry federation status' shows the rules.",
			"若要與對方互通：belfry federation allow 名稱（若曾被 deny 則用 remove）；belfry federation status 可查看規則。"});
	return ERR_OK;
}

/*
 * Others cannot be told to let us in if they cannot reach us: that is asked too, but only where it is allowed. It may take minutes: neither the
 * database nor the data folder is held meanwhile, and whoever has seen enough can end it.
 */
static enum err look(struct command_line *line, struct desk *desk, struct server_name server,
	bool is_own, bool is_allowed, bool *out_is_reached)
{
	struct ctx *ctx = line->ctx;
	struct conf *conf;
	struct http_client_config config;
	struct event_signer signer;
	TRY(command_config(line, &conf));
	TRY(data_folder_signing_key(ctx, &desk->folder, &desk->accounts.rng, &signer));
	desk_close(desk);
	signals_end_it();
	signer.server = desk->settings.server_name;
	config_to_http_client(conf, ctx->arena, &config);
	config.user_agent = str_printf(ctx->arena, "Belfry/%s", app_version());
	struct http_client *client = http_client_create(&config);
	*out_is_reached = fed_reach(ctx->arena,
		&(struct reach_wish){.server = server,
			.client = client,
			.now_ms = clock_wall_ms(&desk->accounts.clock),
			.is_own = is_own,
			.signer = is_allowed && !is_own ? &signer : NULL,
			.tell = print_note,
			.data = line});
	http_client_destroy(client);
	ed25519_key_destroy((struct ed25519_key *)(uintptr_t)signer.key);
	return ERR_OK;
}

static enum err check(struct command_line *line, struct desk *desk)
{
	struct server_name server;
	bool is_allowed;
	bool is_reached;
	if (!server_name_parse(str_of(command_argument(line, 1)), &server)) {
		return fail(line->ctx, ERR_INPUT, NULL, "'%s' is no server name",
			command_argument(line, 1));
	}
	bool is_own = server_name_equals(server, desk->settings.server_name);
	TRY(check_policy(line, desk, server, is_own, &is_allowed));
	TRY(look(line, desk, server, is_own, is_allowed, &is_reached));
	if (!is_allowed || !is_reached) {
		return fail(line->ctx, ERR_REMOTE, NULL,
			"%.*s: something is wrong, see the lines with BAD · 有問題，請看標示 BAD 的各行",
			STR_ARG(server.s));
	}
	(void)printf("%.*s: all is well · 一切正常\n", STR_ARG(server.s));
	return ERR_OK;
}

/* --- changes ------------------------------------------------------------------------------------------------ */

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
		"check: whether the policy allows a server, and whether it is reached: well-known, SRV records,\n"
		"address, TLS and certificate, version, signing keys, and whether it answers a signed question of\n"
		"this server. Each step says what was seen, and what to do if it is bad. With this server's own\n"
		"name it tries what others do to reach it, as far as this machine can see. Exit status: 0 all is\n"
		"well, 1 something is not.\n"
		"\n"
		"  --data FOLDER      the server's data folder; ./data\n"
		"  --config FILE      its options; FOLDER/belfry.yaml if it is there\n"
		"  --set KEY=VALUE    one option\n"
		"\n"
		"examples:\n"
		"  belfry federation policy partners\n"
		"  belfry federation allow '*.school.example'\n"
		"  belfry federation deny spam.example\n"
		"  belfry federation check partner.example        the name behind the colon in their user ids\n"
		"  belfry federation check school.example         the own name: what others meet\n",
	.run = run,
};
