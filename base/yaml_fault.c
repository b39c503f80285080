/*
 * Bytes that are no UTF-8 are found before there are lines to count: libyaml then tells how many bytes are good.
 */
#include "base/yaml_fault.h"

static size_t line_at(const yaml_parser_t *parser, size_t offset)
{
	size_t line = 1;
	const unsigned char *text = parser->input.string.start;
	for (size_t i = 0; i < offset; i++) {
		line += text[i] == '\n';
	}
	return line;
}

enum err yaml_fault(struct ctx *ctx, const yaml_parser_t *parser, const char *name)
{
	bool is_encoding = parser->error == YAML_READER_ERROR;
	return fail(ctx, ERR_INPUT, NULL, "%s:%zu: not valid YAML: %s (%s)", name,
		is_encoding ? line_at(parser, parser->problem_offset) : parser->problem_mark.line + 1,
		parser->problem != NULL ? parser->problem : "unreadable",
		is_encoding
			? "save the file as plain text in UTF-8, not in Big5 or another encoding"
			: "indent each level by the same number of spaces, never by tabs; put texts with # "
			  "or : in quotes");
}
