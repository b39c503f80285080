/*
 * belfry token
 */
#include "app/command.h"
#include "app/desk.h"
#include "app/show.h"
#include "homeserver/account/oauth/web_register.h"

#include <stdio.h>

/* Read by the same rules as the server's options. */
static const struct conf_row numbers[] = {
	{.key = "--uses", .type = CONF_INT, .fallback = "1", .min = 1, .max = 1 << 30, .help = ""},
	{.key = "--expires",
		.type = CONF_TIME,
		.fallback = "1s",
		.min = 1000,
		.max = 36500LL * 86400000,
		.help = ""},
};

static enum err read_number(struct command_line *line, const char *name, int64_t otherwise,
	int64_t *out)
{
	const char *text = command_value(line, name);
	if (text == NULL) {
		*out = otherwise;
		return ERR_OK;
	}
	struct conf *conf = conf_create(line->ctx->arena, numbers, COUNT_OF(numbers));
	TRY(conf_set(line->ctx, conf, arena_printf(line->ctx->arena, "%s=%s", name, text)));
	*out = conf_int(conf, name);
	return ERR_OK;
}

/* Not among what scripts read: where the token is of use, or that it is of none. */
static void say_where(const struct settings *settings)
{
	if (settings->registration_mode != REGISTRATION_TOKEN) {
		(void)fprintf(stderr,
			"It is of no use yet: set registration.mode to token, and restart the server.\n");
	} else if (settings->account.oauth_is_on && settings->public_base_url.n > 0 &&
		settings->account.passwords_are_on &&
		settings->account.registration_email != EMAIL_REQUIRED) {
		(void)fprintf(stderr,
			"Whoever has it makes an account at %.*s" WEB_REGISTER_PATH ", or in an app.\n",
			STR_ARG(settings->public_base_url));
	}
}

static enum err create(struct command_line *line, struct desk *desk)
{
	int64_t uses;
	int64_t lifetime_ms;
	TRY(read_number(line, "--uses", -1, &uses));
	TRY(read_number(line, "--expires", 0, &lifetime_ms));
	int64_t expires_at_ms =
		lifetime_ms == 0 ? 0 : clock_wall_ms(&desk->accounts.clock) + lifetime_ms;
	struct str token;
	TRY(registration_token_create(line->ctx, &desk->accounts,
		str_of(command_value(line, "--token")), uses, expires_at_ms, &token));
	(void)printf("%.*s\n", STR_ARG(token));
	say_where(&desk->settings);
	return ERR_OK;
}

static enum err list(struct command_line *line, struct desk *desk)
{
	struct registration_token_row *rows;
	size_t count;
	TRY(registration_token_list(line->ctx, &desk->accounts, &rows, &count));
	if (count == 0) {
		(void)printf("There are no registration tokens.\n");
	}
	for (size_t i = 0; i < count; i++) {
		struct arena *arena = line->ctx->arena;
		const char *allowed = rows[i].uses_allowed < 0
			? "any"
			: arena_printf(arena, "%lld", (long long)rows[i].uses_allowed);
		(void)printf("%-32.*s used %lld of %s, expires: %s\n", STR_ARG(rows[i].token),
			(long long)rows[i].use_count, allowed,
			rows[i].expires_at_ms == 0 ? "never" : show_time(arena, rows[i].expires_at_ms));
	}
	return ERR_OK;
}

static enum err revoke(struct command_line *line, struct desk *desk)
{
	const char *token = command_argument(line, 1);
	enum err err = registration_token_revoke(line->ctx, &desk->accounts, str_of(token));
	if (err == ERR_MISSING) {
		return fail(line->ctx, ERR_MISSING, NULL, "there is no registration token '%s'", token);
	}
	TRY(err);
	(void)printf("The token is revoked.\n");
	return ERR_OK;
}

static const struct desk_action actions[] = {{"create", 0, create}, {"list", 0, list},
	{"revoke", 1, revoke}};

static int run(struct command_line *line)
{
	return desk_run(line, actions, COUNT_OF(actions), "create, list or revoke?");
}

const struct command cmd_token = {
	.name = "token",
	.summary = "Makes, lists and revokes registration tokens.",
	.usage = "usage: belfry token create [--uses N] [--expires TIME] [--token TEXT]\n"
			 "       belfry token list\n"
			 "       belfry token revoke TOKEN\n"
			 "\n"
			 "With registration.mode=token, whoever has a token can make an account.\n"
			 "\n"
			 "  --uses N           how many accounts it may make; any number\n"
			 "  --expires TIME     how long it is good: 30m, 12h, 7d; without end\n"
			 "  --token TEXT       the token itself; a random one\n"
			 "  --data FOLDER      the server's data folder; ./data\n"
			 "  --config FILE      its options; FOLDER/belfry.yaml if it is there\n"
			 "  --set KEY=VALUE    one option\n"
			 "\n"
			 "examples:\n"
			 "  belfry token create --uses 30 --expires 7d       for one class, this week\n"
			 "  belfry token list --data /var/lib/belfry\n",
	.options = {{"--uses", true}, {"--expires", true}, {"--token", true}},
	.run = run,
};
