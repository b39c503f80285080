/*
 * `belfry version`; also as --version and -V, as of other programs.
 */
#include <stdio.h>

#include "app/command.h"
#include "app/first_start.h"

static int run(struct command_line *line)
{
	if (line->argument_count > 0) {
		return command_misused(line, "there is no argument '%s'", line->arguments[0]);
	}
	(void)printf("belfry %s\n", app_version());
	return STATUS_OK;
}

const struct command cmd_version = {
	.name = "version",
	.summary = "Prints the version.",
	.usage = "usage: belfry version\n",
	.run = run,
};
