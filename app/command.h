/**
 * A subcommand's line: options that all have, options of its own, arguments.
 *
 *     --data FOLDER     where the server's data lie; ./data
 *     --config FILE     options; FOLDER/belfry.yaml if it is there
 *     --set KEY=VALUE   one option; wins over the file; any number
 *     --help
 */
#ifndef BELFRY_APP_COMMAND_H
#define BELFRY_APP_COMMAND_H

#include "app/config.h"

enum { STATUS_OK = 0, STATUS_FAILED = 1, STATUS_USAGE = 2, COMMAND_OPTIONS = 32 };

/** An option of one subcommand. */
struct command_option {
	const char *name; /**< "--uses"; NULL behind the last */
	bool takes_value;
};

struct command_line;

struct command {
	const char *name;
	const char *summary; /**< one line for the overview */
	const char *usage;   /**< what --help prints */
	struct command_option options[COMMAND_OPTIONS];
	int (*run)(struct command_line *line); /**< @return exit status */
	void (*more_help)(void);               /**< printed behind the usage; NULL: nothing */
};

/** An option of the command's own, as it was given. */
struct command_given {
	size_t option;     /**< number in its table */
	const char *value; /**< "" for one without value */
};

struct command_line {
	struct ctx *ctx;
	const struct command *command;
	const char *data;
	const char *config;
	const char *const *assignments;
	size_t assignment_count;
	const char *const *arguments; /**< what is no option, in order */
	size_t argument_count;
	const struct command_given *given; /**< in order */
	size_t given_count;
};

/**
 * Reads what stands behind the subcommand's name.
 * @param out_wants_help  --help was given; then nothing else is looked at
 * Errors: INPUT; the text says which option
 */
MUST_CHECK enum err command_parse(struct ctx *ctx, const struct command *command, int argc,
	char *const *argv, struct command_line *out, bool *out_wants_help);

/** Value of one of the command's options, the last one given; NULL when it was not given. The name is in its table (invariant). */
const char *command_value(const struct command_line *line, const char *name);
/** All values of an option that may be given several times; in the ctx's arena. */
void command_values(const struct command_line *line, const char *name, const char ***out,
	size_t *out_count);

/** Argument by number; NULL when there are fewer. */
const char *command_argument(const struct command_line *line, size_t index);

/** As one word of the shell, for a command to be typed: names of folders have spaces in them. `word` itself, or in the arena. */
const char *command_word(struct arena *arena, const char *word);
/**
 * What to type behind another command for the same server: " --data ./school --config …", as far as it was given; in the ctx's
 * arena. Not --set: its values may be secret.
 */
const char *command_same_server(const struct command_line *line);

/** Reads the options: defaults, file, --set. Errors: as config_read(). */
MUST_CHECK enum err command_config(struct command_line *line, struct conf **out);

/**
 * Whether this process may use a file or folder of the server's. The usual reason why not: somebody types a command with an account
 * of their own, and the server has another.
 *
 * @param mode  of access(2)
 * Errors: DENIED, the text says what to do
 */
MUST_CHECK enum err command_check_account(struct ctx *ctx, const char *path, int mode);

/** Says on standard error what failed. @return STATUS_FAILED */
int command_failed(struct ctx *ctx);

/** Says what is wrong with the line and where help is. @return STATUS_USAGE */
int command_misused(const struct command_line *line, const char *format, ...) PRINTF_LIKE(2, 3);

extern const struct command cmd_serve;
extern const struct command cmd_config;
extern const struct command cmd_user;
extern const struct command cmd_token;
extern const struct command cmd_report;
extern const struct command cmd_terms;
extern const struct command cmd_media;
extern const struct command cmd_destinations;
extern const struct command cmd_notice;
extern const struct command cmd_server_notice;
extern const struct command cmd_key;
extern const struct command cmd_federation;
extern const struct command cmd_restored;
extern const struct command cmd_appservice;
extern const struct command cmd_migrate;
extern const struct command cmd_routes;
extern const struct command cmd_version;

#endif
