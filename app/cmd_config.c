/*
 * belfry config
 */
#include "app/command.h"

#include <stdio.h>
#include <string.h>

enum { PAGE_BYTES = 1 << 20 };

static int print_page(void (*write)(const struct conf_row *rows, size_t row_count, struct buf *out))
{
	struct buf page CLEANUP(buf_fini) = {0};
	buf_init(&page, PAGE_BYTES);
	size_t count;
	const struct conf_row *rows = config_rows(&count);
	write(rows, count, &page);
	bool is_written = buf_ok(&page) && fwrite(page.p, 1, page.n, stdout) == page.n;
	return is_written && fflush(stdout) == 0 ? STATUS_OK : STATUS_FAILED;
}

static int check(struct command_line *line)
{
	if (line->argument_count > 1) {
		line->config = line->arguments[1];
	}
	struct conf *conf;
	if (command_config(line, &conf) != ERR_OK) {
		return command_failed(line->ctx);
	}
	struct http_config http;
	config_to_http(conf, line->ctx->arena, &http);
	(void)printf("The configuration is in order.\n");
	for (size_t i = 0; i < http.listen_count; i++) {
		struct str text = config_listener_text(line->ctx->arena, &http.listen[i]);
		(void)printf("It listens on %.*s.\n", STR_ARG(text));
	}
	struct str name = conf_str(conf, "server_name");
	if (config_name_has_capitals(line->ctx->arena, name)) {
		(void)printf(
			"server_name %.*s has capital letters. Names are compared letter by letter, so they should have none; before the first start it can be changed.\n",
			STR_ARG(name));
	}
	if (conf_bool(conf, "oauth.enabled") && str_is_empty(conf_str(conf, "public_base_url"))) {
		(void)printf(
			"Clients cannot sign people in by its own pages (OAuth 2.0, as Element X does), nor by a QR code: public_base_url is not set.\n");
	}
	return STATUS_OK;
}

static int run(struct command_line *line)
{
	const char *what = command_argument(line, 0);
	if (what == NULL) {
		return command_misused(line, "check, example or reference?");
	}
	if (strcmp(what, "check") == 0 && line->argument_count <= 2) {
		return check(line);
	}
	if (strcmp(what, "example") == 0 && line->argument_count == 1) {
		return print_page(conf_write_example);
	}
	if (strcmp(what, "reference") == 0 && line->argument_count == 1) {
		return print_page(conf_write_reference);
	}
	return command_misused(line, "cannot do '%s'", line->arguments[line->argument_count - 1]);
}

const struct command cmd_config = {
	.name = "config",
	.summary = "Checks the configuration, prints an example of it, or its reference.",
	.usage =
		"usage: belfry config check [FILE] [--data FOLDER] [--set KEY=VALUE]…\n"
		"       belfry config example\n"
		"       belfry config reference\n"
		"\n"
		"  check       says what is wrong, with file and line, or where the server will listen and to whom that is open;\n"
		"              without FILE it reads FOLDER/belfry.yaml\n"
		"  example     a file with every key at its default, and what it means\n"
		"  reference   the same as a page in Markdown (docs/configuration.md)\n"
		"\n"
		"examples:\n"
		"  belfry config example > data/belfry.yaml\n"
		"  belfry config check /etc/belfry/belfry.yaml\n",
	.run = run,
};
