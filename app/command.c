/*
 * Options may stand anywhere behind the subcommand, as `--name value` or `--name=value`; `--` ends them.
 */
#include "app/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/vec.h"

static const char usual_data[] = "./data";

struct parser {
	struct ctx *ctx;
	struct command_line *line;
	char *const *argv;
	int argc;
	int at;
	VEC(const char *) assignments;
	VEC(const char *) arguments;
	VEC(struct command_given) given;
};

/* The value of the option at hand: behind '=', or the next word. */
static enum err take_value(struct parser *parser, struct str name, const char *behind,
	const char **out)
{
	if (behind != NULL) {
		*out = behind;
		return ERR_OK;
	}
	if (parser->at + 1 >= parser->argc) {
		return fail(parser->ctx, ERR_INPUT, NULL, "%.*s wants a value", STR_ARG(name));
	}
	*out = parser->argv[++parser->at];
	return ERR_OK;
}

static enum err take_own(struct parser *parser, struct str name, const char *behind)
{
	const struct command_option *options = parser->line->command->options;
	for (size_t i = 0; i < COMMAND_OPTIONS && options[i].name != NULL; i++) {
		if (!str_equals(name, str_of(options[i].name))) {
			continue;
		}
		struct command_given given = {.option = i, .value = ""};
		if (options[i].takes_value) {
			TRY(take_value(parser, name, behind, &given.value));
		} else if (behind != NULL) {
			return fail(parser->ctx, ERR_INPUT, NULL, "%.*s takes no value", STR_ARG(name));
		}
		VEC_PUSH(parser->ctx->arena, &parser->given, given);
		return ERR_OK;
	}
	return fail(parser->ctx, ERR_INPUT, NULL, "there is no option %.*s", STR_ARG(name));
}

static enum err take_option(struct parser *parser, const char *word, bool *out_wants_help)
{
	const char *equals = strchr(word, '=');
	struct str name = equals != NULL ? str_from(word, (size_t)(equals - word)) : str_of(word);
	const char *behind = equals != NULL ? equals + 1 : NULL;
	if (str_equals(name, STR("--help")) || str_equals(name, STR("-h"))) {
		*out_wants_help = true;
		return ERR_OK;
	}
	if (str_equals(name, STR("--data"))) {
		return take_value(parser, name, behind, &parser->line->data);
	}
	if (str_equals(name, STR("--config"))) {
		return take_value(parser, name, behind, &parser->line->config);
	}
	if (str_equals(name, STR("--set"))) {
		const char *assignment = NULL;
		TRY(take_value(parser, name, behind, &assignment));
		VEC_PUSH(parser->ctx->arena, &parser->assignments, assignment);
		return ERR_OK;
	}
	return take_own(parser, name, behind);
}

enum err command_parse(struct ctx *ctx, const struct command *command, int argc, char *const *argv,
	struct command_line *out, bool *out_wants_help)
{
	*out = (struct command_line){.ctx = ctx, .command = command, .data = usual_data};
	*out_wants_help = false;
	struct parser parser = {.ctx = ctx, .line = out, .argv = argv, .argc = argc};
	bool are_options_over = false;
	for (; parser.at < argc && !*out_wants_help; parser.at++) {
		const char *word = argv[parser.at];
		if (!are_options_over && strcmp(word, "--") == 0) {
			are_options_over = true;
		} else if (!are_options_over && word[0] == '-' && word[1] != '\0') {
			TRY(take_option(&parser, word, out_wants_help));
		} else {
			VEC_PUSH(ctx->arena, &parser.arguments, word);
		}
	}
	out->assignments = parser.assignments.p;
	out->assignment_count = parser.assignments.n;
	out->arguments = parser.arguments.p;
	out->argument_count = parser.arguments.n;
	out->given = parser.given.p;
	out->given_count = parser.given.n;
	return ERR_OK;
}

void command_values(const struct command_line *line, const char *name, const char ***out,
	size_t *out_count)
{
	const struct command_option *options = line->command->options;
	VEC(const char *) values = {0};
	size_t option = 0;
	while (option < COMMAND_OPTIONS && options[option].name != NULL &&
		strcmp(options[option].name, name) != 0) {
		option++;
	}
	invariant(option < COMMAND_OPTIONS && options[option].name != NULL);
	for (size_t i = 0; i < line->given_count; i++) {
		if (line->given[i].option == option) {
			VEC_PUSH(line->ctx->arena, &values, line->given[i].value);
		}
	}
	*out = values.p;
	*out_count = values.n;
}

const char *command_value(const struct command_line *line, const char *name)
{
	const char **values;
	size_t count;
	command_values(line, name, &values, &count);
	return count > 0 ? values[count - 1] : NULL;
}

const char *command_argument(const struct command_line *line, size_t index)
{
	return index < line->argument_count ? line->arguments[index] : NULL;
}

const char *command_word(struct arena *arena, const char *word)
{
	static const char special[] = " \t\n\"'`$&|;<>()[]{}*?!#~\\";
	if (word[0] != '\0' && strpbrk(word, special) == NULL) {
		return word;
	}
	struct buf out CLEANUP(buf_fini);
	buf_init(&out, SIZE_MAX);
	buf_add_lit(&out, "'");
	for (const char *at = word; *at != '\0'; at++) {
		buf_add(&out, *at == '\'' ? STR("'\\''") : str_from(at, 1));
	}
	buf_add_lit(&out, "'");
	return str_cstr(arena, buf_str(&out));
}

const char *command_same_server(const struct command_line *line)
{
	struct arena *arena = line->ctx->arena;
	bool has_data = strcmp(line->data, usual_data) != 0;
	bool has_config = line->config != NULL;
	return arena_printf(arena, "%s%s%s%s", has_data ? " --data " : "",
		has_data ? command_word(arena, line->data) : "", has_config ? " --config " : "",
		has_config ? command_word(arena, line->config) : "");
}

enum err command_config(struct command_line *line, struct conf **out)
{
	const char *usual = arena_printf(line->ctx->arena, "%s/belfry.yaml", line->data);
	struct config_sources sources = {
		.file = line->config != NULL ? line->config
			: file_exists(usual)     ? usual
									 : NULL,
		.assignments = line->assignments,
		.assignment_count = line->assignment_count,
	};
	if (sources.file != NULL) {
		TRY(command_check_account(line->ctx, sources.file, R_OK));
	}
	return config_read(line->ctx, &sources, out);
}

enum err command_check_account(struct ctx *ctx, const char *path, int mode)
{
	if (access(path, mode) == 0 || errno != EACCES) {
		return ERR_OK;
	}
	return fail(ctx, ERR_DENIED, NULL,
		"this account may not use %s; do it as root or as the account of the server, such as by sudo",
		path);
}

int command_failed(struct ctx *ctx)
{
	const struct fault *fault = &ctx->fault;
	struct str text = fault->text.n > 0 ? fault->text : str_of(err_name(fault->err));
	(void)fprintf(stderr, "belfry: %.*s", STR_ARG(text));
	if (fault->cause.n > 0) {
		(void)fprintf(stderr, " (%.*s)", STR_ARG(str_trim(fault->cause)));
	}
	(void)fputc('\n', stderr);
	return STATUS_FAILED;
}

int command_misused(const struct command_line *line, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	(void)fprintf(stderr, "belfry %s: ", line->command->name);
	(void)vfprintf(stderr, format, arguments);
	va_end(arguments);
	(void)fprintf(stderr, "\nTry: belfry %s --help\n", line->command->name);
	return STATUS_USAGE;
}
