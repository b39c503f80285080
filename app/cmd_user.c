/*
 * belfry user
 */
#include "app/command.h"
#include "app/desk.h"
#include "appservices/registry.h"
#include "app/secret_input.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PAGE_ROWS = 500 };

/* One word of `belfry user`, with its number of arguments behind that word. */
struct action {
	const char *name;
	size_t arguments;
	bool wants_password;
	enum err (*run)(struct command_line *line, struct desk *desk, struct str password);
};

static struct str name_of(const struct command_line *line)
{
	return str_of(command_argument(line, 1));
}

/* Typed, piped, or empty: then one is made up. */
static enum err read_password(struct command_line *line, struct str *out)
{
	*out = STR("");
	if (command_value(line, "--password-stdin") != NULL) {
		TRY(secret_input_line(line->ctx, out));
		return out->n > 0 ? ERR_OK : fail(line->ctx, ERR_INPUT, NULL, "the password is empty");
	}
	if (command_value(line, "--generate") == NULL && secret_input_can_ask()) {
		return secret_input_ask(line->ctx, "Password (empty: make one up): ", out);
	}
	return ERR_OK;
}

static struct str or_random(struct ctx *ctx, const struct desk *desk, struct str password)
{
	return password.n > 0 ? password : account_random_password(ctx, &desk->accounts);
}

static void print_generated(struct str given, struct str used)
{
	if (given.n == 0) {
		(void)printf("Password, shown this once: %.*s\n", STR_ARG(used));
	}
}

static enum err add(struct command_line *line, struct desk *desk, struct str password)
{
	bool is_admin = command_value(line, "--admin") != NULL;
	const char *display_name = command_value(line, "--name");
	struct str used = or_random(line->ctx, desk, password);
	struct str user_id;
	TRY(appservices_follow(line->ctx, desk->appservices)); /* whose names are not to be had */
	TRY(account_create(line->ctx, &desk->accounts,
		&(struct account_new){.name = name_of(line),
			.password = used,
			.display_name = str_of(display_name),
			.is_admin = is_admin},
		&user_id));
	(void)printf("Made %s %.*s.\n", is_admin ? "the administrator" : "the user", STR_ARG(user_id));
	print_generated(password, used);
	return ERR_OK;
}

static enum err set_password(struct command_line *line, struct desk *desk, struct str password)
{
	struct str used = or_random(line->ctx, desk, password);
	TRY(account_set_password(line->ctx, &desk->accounts, name_of(line), used));
	(void)printf("The password of %.*s is changed; all sessions have ended.\n",
		STR_ARG(name_of(line)));
	print_generated(password, used);
	return ERR_OK;
}

static enum err deactivate_user(struct command_line *line, struct desk *desk, struct str password)
{
	(void)password;
	TRY(account_set_state(line->ctx, &desk->accounts, name_of(line), ACCOUNT_DEACTIVATED));
	(void)printf("%.*s is deactivated for ever.\n", STR_ARG(name_of(line)));
	return ERR_OK;
}

static enum err set_lock(struct command_line *line, struct desk *desk, bool is_locked)
{
	TRY(account_set_state(line->ctx, &desk->accounts, name_of(line),
		is_locked ? ACCOUNT_LOCKED : ACCOUNT_ACTIVE));
	(void)printf("%.*s is %s.\n", STR_ARG(name_of(line)), is_locked ? "locked" : "not locked");
	return ERR_OK;
}

static enum err lock_user(struct command_line *line, struct desk *desk, struct str password)
{
	(void)password;
	return set_lock(line, desk, true);
}

static enum err unlock_user(struct command_line *line, struct desk *desk, struct str password)
{
	(void)password;
	return set_lock(line, desk, false);
}

static enum err set_suspension(struct command_line *line, struct desk *desk, bool is_suspended)
{
	TRY(account_set_suspended(line->ctx, &desk->accounts, name_of(line), is_suspended));
	(void)printf("%.*s is %s.\n", STR_ARG(name_of(line)),
		is_suspended ? "suspended" : "not suspended");
	return ERR_OK;
}

static enum err suspend_user(struct command_line *line, struct desk *desk, struct str password)
{
	(void)password;
	return set_suspension(line, desk, true);
}

static enum err unsuspend_user(struct command_line *line, struct desk *desk, struct str password)
{
	(void)password;
	return set_suspension(line, desk, false);
}

static enum err set_admin(struct command_line *line, struct desk *desk, struct str password)
{
	(void)password;
	const char *word = command_argument(line, 2);
	bool is_on = strcmp(word, "on") == 0;
	if (!is_on && strcmp(word, "off") != 0) {
		return fail(line->ctx, ERR_INPUT, NULL, "on or off, not '%s'", word);
	}
	TRY(account_set_admin(line->ctx, &desk->accounts, name_of(line), is_on));
	(void)printf("%.*s is %s administrator.\n", STR_ARG(name_of(line)),
		is_on ? "now" : "no longer");
	return ERR_OK;
}

static void print_row(const struct account_row *row)
{
	time_t created = (time_t)(row->created_at_ms / 1000);
	struct tm fields;
	char date[16] = "";
	if (gmtime_r(&created, &fields) != NULL) {
		(void)strftime(date, sizeof(date), "%Y-%m-%d", &fields);
	}
	(void)printf("%-40.*s %-6s %-12s %s%s\n", STR_ARG(row->user_id),
		row->is_admin       ? "admin"
			: row->is_guest ? "guest"
							: "user",
		account_state_name(row->state), date, row->is_suspended ? " suspended" : "");
}

static enum err list(struct command_line *line, struct desk *desk, struct str password)
{
	(void)password;
	struct str after = STR("");
	for (;;) {
		struct account_row *rows;
		size_t count;
		TRY(account_list(line->ctx, &desk->accounts, after, PAGE_ROWS, &rows, &count));
		for (size_t i = 0; i < count; i++) {
			print_row(&rows[i]);
		}
		if (count < PAGE_ROWS) {
			return ERR_OK;
		}
		after = rows[count - 1].user_id;
	}
}

static const struct action actions[] = {
	{"add", 1, true, add},
	{"list", 0, false, list},
	{"password", 1, true, set_password},
	{"lock", 1, false, lock_user},
	{"unlock", 1, false, unlock_user},
	{"suspend", 1, false, suspend_user},
	{"unsuspend", 1, false, unsuspend_user},
	{"deactivate", 1, false, deactivate_user},
	{"admin", 2, false, set_admin},
};

static int run_action(struct command_line *line, const struct action *action)
{
	struct str password = STR("");
	if (action->wants_password && read_password(line, &password) != ERR_OK) {
		return command_failed(line->ctx);
	}
	struct desk desk;
	if (desk_open(line, &desk) != ERR_OK) {
		return command_failed(line->ctx);
	}
	enum err err = action->run(line, &desk, password);
	desk_close(&desk);
	if (err == ERR_MISSING) {
		err = fail(line->ctx, ERR_MISSING, NULL, "there is no user %.*s, or it is deactivated",
			STR_ARG(name_of(line)));
	}
	return err == ERR_OK ? STATUS_OK : command_failed(line->ctx);
}

static int run(struct command_line *line)
{
	const char *word = command_argument(line, 0);
	if (word == NULL) {
		return command_misused(line,
			"add, list, password, lock, unlock, suspend, unsuspend, deactivate or admin?");
	}
	for (size_t i = 0; i < COUNT_OF(actions); i++) {
		if (strcmp(word, actions[i].name) == 0) {
			return line->argument_count == actions[i].arguments + 1
				? run_action(line, &actions[i])
				: command_misused(line, "'%s' wants %zu argument(s)", word, actions[i].arguments);
		}
	}
	return command_misused(line, "cannot do '%s'", word);
}

const struct command cmd_user = {
	.name = "user",
	.summary = "Makes, lists and changes accounts.",
	.usage =
		"usage: belfry user add NAME [--name TEXT] [--admin] [--password-stdin | --generate]\n"
		"       belfry user list\n"
		"       belfry user password NAME [--password-stdin | --generate]\n"
		"       belfry user lock|unlock NAME         who is locked can only log out\n"
		"       belfry user suspend|unsuspend NAME   who is suspended can read, not act\n"
		"       belfry user deactivate NAME          for ever\n"
		"       belfry user admin NAME on|off\n"
		"\n"
		"Works beside a running server and without one. NAME is what stands between @ and : of the user id.\n"
		"A password is asked for at the terminal; without one, it is made up and printed once.\n"
		"\n"
		"  --name TEXT        what others see the new user called; NAME. Each can change it\n"
		"  --admin            make an administrator\n"
		"  --password-stdin   read the password from standard input\n"
		"  --generate         make up a password without asking\n"
		"  --data FOLDER      the server's data folder; ./data\n"
		"  --config FILE      its options; FOLDER/belfry.yaml if it is there\n"
		"  --set KEY=VALUE    one option\n"
		"\n"
		"examples:\n"
		"  belfry user add lin --admin\n"
		"  belfry user add s1130201 --name '王小明' --generate\n"
		"  belfry user password lin --generate --data /var/lib/belfry\n"
		"  belfry user list\n",
	.options = {{"--name", true}, {"--admin", false}, {"--password-stdin", false},
		{"--generate", false}},
	.run = run,
};
