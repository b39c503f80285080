/*
 * belfry serve
 */
#include "app/command.h"
#include "app/serve.h"

#include <stdio.h>
#include <string.h>

/* Every option in short; the reference has the whole text. */
static void print_options(void)
{
	size_t count;
	const struct conf_row *rows = config_rows(&count);
	(void)printf("\nOptions for --set and the file (belfry config reference tells more):\n");
	for (size_t i = 0; i < count; i++) {
		const char *help = rows[i].help;
		const char *end = strstr(help, ". ");
		int length = end != NULL ? (int)(end - help) + 1 : (int)strlen(help);
		const char *fallback = rows[i].fallback[0] != '\0' ? rows[i].fallback : "empty";
		(void)printf("  %s (default: %s)\n      %.*s\n", rows[i].key, fallback, length, help);
	}
}

static int run(struct command_line *line)
{
	if (line->argument_count > 0) {
		return command_misused(line, "there is no argument '%s'", line->arguments[0]);
	}
	enum err err = serve(line, command_value(line, "--quiet") != NULL);
	/* A signal during the start is no failure. */
	return err == ERR_OK || err == ERR_SHUTDOWN ? STATUS_OK : command_failed(line->ctx);
}

const struct command cmd_serve = {
	.name = "serve",
	.summary = "Runs the server in the foreground.",
	.usage =
		"usage: belfry serve [--data FOLDER] [--config FILE] [--set KEY=VALUE]… [--quiet]\n"
		"\n"
		"Runs the homeserver until SIGTERM or Ctrl-C. Unless database.url is given, it brings its own\n"
		"PostgreSQL, in the data folder. The first start makes an administrator account and prints its\n"
		"password, once; not so with --quiet, or when registration.shared_secret is given.\n"
		"\n"
		"  --data FOLDER     where everything lies that the server keeps; ./data\n"
		"  --config FILE     options in YAML; FOLDER/belfry.yaml if it is there\n"
		"  --set KEY=VALUE   one option; wins over the file; any number of times\n"
		"  --quiet           make no administrator, print nothing but the log\n"
		"\n"
		"examples:\n"
		"  belfry serve                                          try it: http://127.0.0.1:8008\n"
		"  belfry serve --data /var/lib/belfry --config /etc/belfry/belfry.yaml\n"
		"  belfry serve --set server_name=school.example --set registration.mode=token\n",
	.options = {{"--quiet", false}},
	.run = run,
	.more_help = print_options,
};
