/*
 * Reads YAML with libyaml's document tree, which knows the line of every node. Sections are walked
 * with a stack of their own. Only keys of the table and sections that lead to one are followed, and
 * each key may stand once, so the walk ends soon whatever aliases the file plays with.
 */
#include "base/conf.h"

#include <inttypes.h>

#include <yaml.h>

#include "base/conf_inner.h"
#include "base/file.h"
#include "base/vec.h"
#include "base/yaml_fault.h"

enum {
	MAX_FILE_BYTES = 1 << 20,
	MAX_KEY_BYTES = 128,
	NEAR_BYTES = 64,
	SHOWN_BYTES = 80,
	PROBLEM_BYTES = 300,
};

/* A mapping that is still to be walked, and the dotted key it stands under. */
struct section {
	const yaml_node_t *node;
	struct str prefix;
};

struct reader {
	struct ctx *ctx;
	struct conf *conf;
	const char *path;
	yaml_document_t *document;
	struct conf_value *values; /* becomes conf->values when all is well */
	bool *seen;                /* rows set by this file */
	VEC(struct section) sections;
};

static struct str scalar_text(const yaml_node_t *node)
{
	return str_from((const char *)node->data.scalar.value, node->data.scalar.length);
}

static size_t line_of(const yaml_node_t *node)
{
	return node->start_mark.line + 1;
}

/* Whether some key of the table lies in the section. */
static bool is_section(const struct conf *conf, struct str key)
{
	for (size_t i = 0; i < conf->row_count; i++) {
		struct str row_key = str_of(conf->rows[i].key);
		if (row_key.n > key.n && row_key.p[key.n] == '.' && str_starts_with(row_key, key)) {
			return true;
		}
	}
	return false;
}

static bool is_null(const yaml_node_t *node)
{
	if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
		return false;
	}
	struct str text = scalar_text(node);
	return text.n == 0 || str_equals(text, STR("~")) || str_equals_nocase(text, STR("null"));
}

static enum err fail_value(struct reader *reader, const yaml_node_t *node,
	const struct conf_row *row, const char *problem)
{
	return fail(reader->ctx, ERR_INPUT, NULL, "%s:%zu: %s: %.*s", reader->path, line_of(node),
		row->key, PROBLEM_BYTES, row->is_secret ? "the value is not of the right form" : problem);
}

static enum err read_list(struct reader *reader, const struct conf_row *row,
	const yaml_node_t *node, struct conf_value *out)
{
	VEC(struct str) items = {0};
	const yaml_node_item_t *top = node->data.sequence.items.top;
	for (const yaml_node_item_t *at = node->data.sequence.items.start; at < top; at++) {
		const yaml_node_t *item = yaml_document_get_node(reader->document, *at);
		if (item->type != YAML_SCALAR_NODE || is_null(item)) {
			return fail_value(reader, item, row, "the items of this list are texts");
		}
		if (str_find_byte(scalar_text(item), '\0') != SIZE_MAX) {
			return fail_value(reader, item, row, "a value cannot contain a NUL byte");
		}
		const char *problem = conf_check_text(reader->conf->arena, row, scalar_text(item));
		if (problem != NULL) {
			return fail_value(reader, item, row, problem);
		}
		VEC_PUSH(reader->conf->arena, &items, str_dup(reader->conf->arena, scalar_text(item)));
	}
	out->list = (struct conf_list){.items = items.p, .n = items.n};
	return ERR_OK;
}

static enum err read_value(struct reader *reader, size_t at, const yaml_node_t *node)
{
	const struct conf_row *row = &reader->conf->rows[at];
	struct arena *arena = reader->conf->arena;
	struct conf_value value = {.is_set = true};
	if (is_null(node)) {
		return fail_value(reader, node, row, "the value is missing; remove the line or give one");
	}
	if (node->type == YAML_MAPPING_NODE) {
		return fail_value(reader, node, row,
			arena_printf(arena, "wants a %s, not a section", conf_type_words(row->type)));
	}
	if ((node->type == YAML_SEQUENCE_NODE) != (row->type == CONF_LIST)) {
		return fail_value(reader, node, row,
			row->type == CONF_LIST
				? "wants a list: one \"- item\" a line, or [item, item]"
				: arena_printf(arena, "wants one %s, not a list", conf_type_words(row->type)));
	}
	if (row->type == CONF_LIST) {
		TRY(read_list(reader, row, node, &value));
	} else {
		const char *problem = conf_parse_value(arena, row, scalar_text(node), &value);
		if (problem != NULL) {
			return fail_value(reader, node, row, problem);
		}
	}
	reader->values[at] = value;
	return ERR_OK;
}

static enum err fail_unknown(struct reader *reader, const yaml_node_t *node, struct str key)
{
	struct str shown = str_slice(key, 0, SHOWN_BYTES);
	struct str near = str_slice(conf_nearest(reader->conf, key), 0, NEAR_BYTES);
	return fail(reader->ctx, ERR_INPUT, NULL, "%s:%zu: unknown key %.*s%s%.*s%s", reader->path,
		line_of(node), STR_ARG(shown), near.n > 0 ? " (did you mean " : "", STR_ARG(near),
		near.n > 0 ? "?)" : "");
}

static enum err fail_twice(struct reader *reader, const yaml_node_t *node, struct str key)
{
	return fail(reader->ctx, ERR_INPUT, NULL, "%s:%zu: %.*s stands twice", reader->path,
		line_of(node), STR_ARG(key));
}

static enum err read_pair(struct reader *reader, struct str prefix, const yaml_node_t *key_node,
	const yaml_node_t *node)
{
	if (key_node->type != YAML_SCALAR_NODE) {
		return fail(reader->ctx, ERR_INPUT, NULL, "%s:%zu: a key must be a word", reader->path,
			line_of(key_node));
	}
	struct str name = scalar_text(key_node);
	if (prefix.n + name.n > MAX_KEY_BYTES || str_find_byte(name, '\0') != SIZE_MAX) {
		return fail_unknown(reader, key_node, name);
	}
	struct str key = prefix.n == 0
		? str_dup(reader->conf->arena, name)
		: str_printf(reader->conf->arena, "%.*s.%.*s", STR_ARG(prefix), STR_ARG(name));
	size_t at = conf_find(reader->conf, key);
	if (at < reader->conf->row_count) {
		if (reader->seen[at]) {
			return fail_twice(reader, key_node, key);
		}
		reader->seen[at] = true;
		return read_value(reader, at, node);
	}
	if (!is_section(reader->conf, key)) {
		return fail_unknown(reader, key_node, key);
	}
	if (is_null(node)) { /* all its keys are commented out */
		return ERR_OK;
	}
	if (node->type != YAML_MAPPING_NODE) {
		return fail(reader->ctx, ERR_INPUT, NULL,
			"%s:%zu: %.*s is a section: its keys follow, indented", reader->path, line_of(node),
			STR_ARG(key));
	}
	for (size_t i = 0; i < reader->sections.n; i++) {
		if (str_equals(reader->sections.p[i].prefix, key)) {
			return fail_twice(reader, key_node, key);
		}
	}
	VEC_PUSH(reader->conf->arena, &reader->sections,
		((struct section){.node = node, .prefix = key}));
	return ERR_OK;
}

/* Walks all sections; those found on the way are appended. */
static enum err read_sections(struct reader *reader)
{
	for (size_t i = 0; i < reader->sections.n; i++) {
		struct section section = reader->sections.p[i];
		const yaml_node_pair_t *top = section.node->data.mapping.pairs.top;
		for (const yaml_node_pair_t *pair = section.node->data.mapping.pairs.start; pair < top;
			 pair++) {
			TRY(read_pair(reader, section.prefix,
				yaml_document_get_node(reader->document, pair->key),
				yaml_document_get_node(reader->document, pair->value)));
		}
	}
	return ERR_OK;
}

static enum err read_document(struct ctx *ctx, struct conf *conf, const char *path,
	yaml_document_t *document)
{
	const yaml_node_t *root = yaml_document_get_root_node(document);
	if (root == NULL || is_null(root)) {
		return ERR_OK;
	}
	if (root->type != YAML_MAPPING_NODE) {
		return fail(ctx, ERR_INPUT, NULL, "%s:%zu: the file must consist of \"key: value\" lines",
			path, line_of(root));
	}
	struct reader reader = {.ctx = ctx, .conf = conf, .path = path, .document = document};
	reader.values = ARENA_NEW_ARRAY(conf->arena, struct conf_value, conf->row_count);
	reader.seen = ARENA_NEW_ARRAY(conf->arena, bool, conf->row_count);
	for (size_t i = 0; i < conf->row_count; i++) {
		reader.values[i] = conf->values[i];
	}
	VEC_PUSH(conf->arena, &reader.sections, ((struct section){.node = root}));
	TRY(read_sections(&reader));
	conf->values = reader.values;
	return ERR_OK;
}

static enum err read_text(struct ctx *ctx, struct conf *conf, const char *path,
	yaml_parser_t *parser)
{
	yaml_document_t document;
	if (yaml_parser_load(parser, &document) == 0) {
		return yaml_fault(ctx, parser, path);
	}
	bool is_empty = yaml_document_get_root_node(&document) == NULL;
	enum err err = read_document(ctx, conf, path, &document);
	yaml_document_delete(&document);
	if (err != ERR_OK || is_empty) { /* there is nothing behind the end */
		return err;
	}
	if (yaml_parser_load(parser, &document) == 0) {
		return yaml_fault(ctx, parser, path);
	}
	const yaml_node_t *second = yaml_document_get_root_node(&document);
	if (second != NULL) {
		err = fail(ctx, ERR_INPUT, NULL, "%s:%zu: a second document; one file is one configuration",
			path, line_of(second));
	}
	yaml_document_delete(&document);
	return err;
}

enum err conf_read_yaml(struct ctx *ctx, struct conf *conf, const char *path)
{
	struct str text;
	enum err err = file_read(ctx, path, MAX_FILE_BYTES, &text);
	if (err == ERR_MISSING) {
		return fail(ctx, err, NULL, "%s: there is no such file", path);
	}
	if (err == ERR_LIMIT) {
		return fail(ctx, ERR_INPUT, NULL, "%s: larger than %d bytes", path, MAX_FILE_BYTES);
	}
	TRY(err);
	yaml_parser_t parser;
	int ready = yaml_parser_initialize(&parser);
	invariant(ready == 1);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
	struct conf_value *before = conf->values;
	err = read_text(ctx, conf, path, &parser);
	yaml_parser_delete(&parser);
	if (err != ERR_OK) {
		conf->values = before;
	}
	return err;
}
