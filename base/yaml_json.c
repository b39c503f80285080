/*
 * The tree is built level by level: what an entry of the list of work makes is appended to it, so there is no recursion. A value
 * that is referred to twice is made twice; the ceiling of values ends what grows without bounds.
 */
#include "base/yaml_json.h"

#include <string.h>

#include <yaml.h>

#include "base/vec.h"
#include "base/yaml_fault.h"

/* A value that is still to be made of a node. */
struct work {
	const yaml_node_t *node;
	struct json *value;
	size_t depth;
};

struct reader {
	struct ctx *ctx;
	const char *name;
	yaml_document_t *document;
	VEC(struct work) work;
	VEC(struct yaml_line) lines;
};

static size_t line_of(const yaml_node_t *node)
{
	return node->start_mark.line + 1;
}

static struct str scalar_text(const yaml_node_t *node)
{
	return str_from((const char *)node->data.scalar.value, node->data.scalar.length);
}

static enum err add(struct reader *reader, yaml_node_item_t node_index, struct json *value,
	size_t depth)
{
	const yaml_node_t *node = yaml_document_get_node(reader->document, node_index);
	if (reader->lines.n >= YAML_MAX_VALUES || depth > YAML_MAX_DEPTH) {
		return fail(reader->ctx, ERR_INPUT, NULL, "%s:%zu: too many values, or nested too deep",
			reader->name, line_of(node));
	}
	VEC_PUSH(reader->ctx->arena, &reader->lines,
		((struct yaml_line){.value = value, .line = line_of(node)}));
	VEC_PUSH(reader->ctx->arena, &reader->work,
		((struct work){.node = node, .value = value, .depth = depth}));
	return ERR_OK;
}

static bool is_one_of(struct str text, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equals(text, str_of(words[i]))) {
			return true;
		}
	}
	return false;
}

/* What a plain word stands for; a text otherwise. */
static struct json plain_value(struct arena *arena, struct str text)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
	static const char *const trues[] = {"true", "True", "TRUE"};
	static const char *const falses[] = {"false", "False", "FALSE"};
	struct json number;
	if (is_one_of(text, nulls, COUNT_OF(nulls))) {
		return (struct json){.type = JSON_NULL};
	}
	if (is_one_of(text, trues, COUNT_OF(trues)) || is_one_of(text, falses, COUNT_OF(falses))) {
		return json_boolean(is_one_of(text, trues, COUNT_OF(trues)));
	}
	if (strchr("-0123456789", text.p[0]) != NULL &&
		json_parse(arena, text, NULL, &number, NULL) == JSON_OK) {
		return number;
	}
	return json_string(text);
}

static void read_scalar(struct reader *reader, const struct work *work)
{
	struct arena *arena = reader->ctx->arena;
	struct str text = str_dup(arena, scalar_text(work->node));
	bool is_plain = work->node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	*work->value = is_plain ? plain_value(arena, text) : json_string(text);
}

static enum err read_list(struct reader *reader, const struct work *work)
{
	const yaml_node_item_t *start = work->node->data.sequence.items.start;
	size_t count = (size_t)(work->node->data.sequence.items.top - start);
	struct json *items = ARENA_NEW_ARRAY(reader->ctx->arena, struct json, count);
	*work->value = json_array_of(items, count);
	for (size_t i = 0; i < count; i++) {
		TRY(add(reader, start[i], &items[i], work->depth + 1));
	}
	return ERR_OK;
}

static enum err read_map(struct reader *reader, const struct work *work)
{
	struct arena *arena = reader->ctx->arena;
	const yaml_node_pair_t *start = work->node->data.mapping.pairs.start;
	size_t count = (size_t)(work->node->data.mapping.pairs.top - start);
	struct json object = json_object(arena, count);
	for (size_t i = 0; i < count; i++) {
		const yaml_node_t *key_node = yaml_document_get_node(reader->document, start[i].key);
		if (key_node->type != YAML_SCALAR_NODE) {
			return fail(reader->ctx, ERR_INPUT, NULL, "%s:%zu: a key must be a word", reader->name,
				line_of(key_node));
		}
		struct str key = str_dup(arena, scalar_text(key_node));
		if (json_get(&object, key) != NULL) {
			return fail(reader->ctx, ERR_INPUT, NULL, "%s:%zu: %.*s stands twice", reader->name,
				line_of(key_node), STR_ARG(key));
		}
		object.members[object.count++] = (struct json_member){.key = key};
		TRY(add(reader, start[i].value, &object.members[i].value, work->depth + 1));
	}
	*work->value = object;
	return ERR_OK;
}

static enum err read_node(struct reader *reader, const struct work *work)
{
	switch (work->node->type) {
	case YAML_SEQUENCE_NODE:
		return read_list(reader, work);
	case YAML_MAPPING_NODE:
		return read_map(reader, work);
	case YAML_SCALAR_NODE:
	case YAML_NO_NODE:
		break;
	}
	read_scalar(reader, work);
	return ERR_OK;
}

static enum err read_document(struct ctx *ctx, const char *name, yaml_document_t *document,
	const struct json **out, struct yaml_lines *out_lines)
{
	struct reader reader = {.ctx = ctx, .name = name, .document = document};
	struct json *root = ARENA_NEW(ctx->arena, struct json);
	if (yaml_document_get_root_node(document) != NULL) {
		TRY(add(&reader, 1, root, 0)); /* libyaml counts from 1, the root first */
	}
	for (size_t i = 0; i < reader.work.n; i++) {
		struct work work = reader.work.p[i]; /* the list may move */
		TRY(read_node(&reader, &work));
	}
	*out = root;
	*out_lines = (struct yaml_lines){.items = reader.lines.p, .count = reader.lines.n};
	return ERR_OK;
}

/* There is nothing behind the document. */
static enum err check_end(struct ctx *ctx, yaml_parser_t *parser, const char *name)
{
	yaml_document_t document;
	if (yaml_parser_load(parser, &document) == 0) {
		return yaml_fault(ctx, parser, name);
	}
	const yaml_node_t *second = yaml_document_get_root_node(&document);
	enum err err = second == NULL
		? ERR_OK
		: fail(ctx, ERR_INPUT, NULL, "%s:%zu: a second document; only one is wanted", name,
			  line_of(second));
	yaml_document_delete(&document);
	return err;
}

static enum err read_all(struct ctx *ctx, yaml_parser_t *parser, const char *name,
	const struct json **out, struct yaml_lines *out_lines)
{
	yaml_document_t document;
	if (yaml_parser_load(parser, &document) == 0) {
		return yaml_fault(ctx, parser, name);
	}
	bool is_empty = yaml_document_get_root_node(&document) == NULL;
	enum err err = read_document(ctx, name, &document, out, out_lines);
	yaml_document_delete(&document);
	TRY(err);
	return is_empty ? ERR_OK : check_end(ctx, parser, name);
}

enum err yaml_json_read(struct ctx *ctx, struct str text, const char *name, const struct json **out,
	struct yaml_lines *out_lines)
{
	yaml_parser_t parser;
	int ready = yaml_parser_initialize(&parser);
	invariant(ready == 1);
	yaml_parser_set_input_string(&parser, (const unsigned char *)(text.p != NULL ? text.p : ""),
		text.n);
	enum err err = read_all(ctx, &parser, name, out, out_lines);
	yaml_parser_delete(&parser);
	return err;
}

size_t yaml_line_of(const struct yaml_lines *lines, const struct json *value)
{
	for (size_t i = 0; i < lines->count; i++) {
		if (lines->items[i].value == value) {
			return lines->items[i].line;
		}
	}
	return 1;
}
