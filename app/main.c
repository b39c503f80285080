/*
 * The program: finds the subcommand and runs it.
 */
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "app/command.h"

static const struct command *const commands[] = {&cmd_serve, &cmd_user, &cmd_token, &cmd_report,
	&cmd_destinations, &cmd_terms, &cmd_media, &cmd_notice, &cmd_server_notice, &cmd_key,
	&cmd_federation, &cmd_appservice, &cmd_config, &cmd_migrate, &cmd_restored, &cmd_routes,
	&cmd_version};

static void print_overview(FILE *out)
{
	(void)fprintf(out, "usage: belfry COMMAND [OPTION]…\n\nA Matrix homeserver for schools.\n\n");
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		(void)fprintf(out, "  %-13s  %s\n", commands[i]->name, commands[i]->summary);
	}
	(void)fprintf(out, "\n`belfry COMMAND --help` tells more about each, with examples.\n");
}

static bool is_word(const char *word, const char *const *choices, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(word, choices[i]) == 0) {
			return true;
		}
	}
	return false;
}

static int run_command(struct ctx *ctx, const struct command *command, int argc, char *const *argv)
{
	struct command_line line;
	bool wants_help;
	if (command_parse(ctx, command, argc, argv, &line, &wants_help) != ERR_OK) {
		return command_misused(&line, "%.*s", STR_ARG(ctx->fault.text));
	}
	if (!wants_help) {
		return command->run(&line);
	}
	(void)fputs(command->usage, stdout);
	if (command->more_help != NULL) {
		command->more_help();
	}
	return STATUS_OK;
}

/* Keeps the process small: few heaps for many threads, and large blocks (password hashes) are given back. */
static void limit_heap(void)
{
	enum { HEAPS = 2, LARGE_BYTES = 1 << 20 };
	(void)mallopt(M_ARENA_MAX, HEAPS);
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, LARGE_BYTES);
}

int main(int argc, char **argv)
{
	static const char *const helps[] = {"--help", "-h", "help"};
	static const char *const versions[] = {"--version", "-V"};
	limit_heap();
	const char *word = argc > 1 ? argv[1] : NULL;
	if (word == NULL) {
		print_overview(stderr);
		return STATUS_USAGE;
	}
	if (is_word(word, helps, COUNT_OF(helps))) {
		print_overview(stdout);
		return STATUS_OK;
	}
	if (is_word(word, versions, COUNT_OF(versions))) {
		word = cmd_version.name;
	}
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		if (strcmp(word, commands[i]->name) == 0) {
			return run_command(&ctx, commands[i], argc - 2, argv + 2);
		}
	}
	(void)fprintf(stderr, "belfry: there is no command '%s'\n\n", word);
	print_overview(stderr);
	return STATUS_USAGE;
}
