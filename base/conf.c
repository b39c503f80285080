/*
 * Values by table: texts become typed values here, wherever they come from (default, file, --set).
 * Rows are found by walking the table: there are about a hundred, read while the server starts.
 */
#include "base/conf.h"

#include <inttypes.h>
#include <string.h>

#include "base/conf_inner.h"
#include "base/vec.h"

struct unit {
	const char *suffix;
	int64_t factor;
};

/* Largest first: conf_quantity() takes the first that divides. */
static const struct unit size_units[] = {{"GiB", 1LL << 30}, {"MiB", 1LL << 20}, {"KiB", 1LL << 10},
	{"B", 1}};
static const struct unit time_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000},
	{"ms", 1}};

static size_t units_of(enum conf_type type, const struct unit **out)
{
	if (type == CONF_SIZE) {
		*out = size_units;
		return COUNT_OF(size_units);
	}
	*out = time_units;
	return type == CONF_TIME ? COUNT_OF(time_units) : 0;
}

bool conf_has_range(const struct conf_row *row)
{
	return row->min != 0 || row->max != 0;
}

struct str conf_quantity(struct arena *arena, enum conf_type type, int64_t value)
{
	const struct unit *units;
	size_t count = units_of(type, &units);
	for (size_t i = 0; i < count; i++) {
		if (value != 0 && value % units[i].factor == 0) {
			return str_printf(arena, "%" PRId64 "%s", value / units[i].factor, units[i].suffix);
		}
	}
	return str_printf(arena, "%" PRId64, value);
}

const char *conf_type_words(enum conf_type type)
{
	switch (type) {
	case CONF_STRING:
		return "text";
	case CONF_INT:
		return "whole number";
	case CONF_BOOL:
		return "true or false";
	case CONF_SIZE:
		return "size";
	case CONF_TIME:
		return "time";
	case CONF_ENUM:
		return "word";
	case CONF_LIST:
		return "list";
	}
	return "";
}

/* "10MiB", "30 s", "4096": the number times its unit. */
static bool parse_quantity(enum conf_type type, struct str text, int64_t *out)
{
	int64_t factor = 1;
	const struct unit *units;
	size_t count = units_of(type, &units);
	size_t digits = 0;
	while (digits < text.n &&
		(text.p[digits] == '-' || (text.p[digits] >= '0' && text.p[digits] <= '9'))) {
		digits++;
	}
	struct str suffix = str_trim(str_slice(text, digits, text.n));
	bool known = suffix.n == 0;
	for (size_t i = 0; i < count && !known; i++) {
		if (str_equals(suffix, str_of(units[i].suffix))) {
			factor = units[i].factor;
			known = true;
		}
	}
	int64_t number;
	return known && str_to_int(str_slice(text, 0, digits), INT64_MIN, INT64_MAX, &number) &&
		!__builtin_mul_overflow(number, factor, out);
}

static const char *parse_number(struct arena *arena, const struct conf_row *row, struct str text,
	struct conf_value *out)
{
	int64_t number = 0;
	if (!parse_quantity(row->type, text, &number)) {
		static const char *const wanted[] = {[CONF_INT] = "a whole number",
			[CONF_SIZE] = "a size such as 4096, 64KiB, 10MiB or 1GiB",
			[CONF_TIME] = "a time such as 500ms, 30s, 5m, 12h or 7d"};
		return arena_printf(arena, "\"%.*s\" is not %s", STR_ARG(text), wanted[row->type]);
	}
	int64_t min = conf_has_range(row) ? row->min : 0;
	int64_t max = conf_has_range(row) ? row->max : INT64_MAX;
	if (number < min || number > max) {
		struct str low = conf_quantity(arena, row->type, min);
		struct str high = conf_quantity(arena, row->type, max);
		return arena_printf(arena, "%.*s is not within %.*s to %.*s", STR_ARG(text), STR_ARG(low),
			STR_ARG(high));
	}
	out->number = number;
	return NULL;
}

static const char *parse_bool(struct arena *arena, struct str text, struct conf_value *out)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (str_equals_nocase(text, str_of(words[i]))) {
			out->number = (int64_t)(i % 2);
			return NULL;
		}
	}
	return arena_printf(arena, "\"%.*s\" is not true or false", STR_ARG(text));
}

static const char *parse_enum(struct arena *arena, const struct conf_row *row, struct str text,
	struct conf_value *out)
{
	struct str rest = str_of(row->choices);
	while (rest.n > 0) {
		struct str word;
		(void)str_split(rest, '|', &word, &rest);
		if (str_equals(word, text)) {
			out->text = word;
			return NULL;
		}
	}
	return arena_printf(arena, "\"%.*s\" is none of %s", STR_ARG(text), row->choices);
}

/* "a, b", with or without brackets; nothing at all is the empty list. */
static void parse_list(struct arena *arena, struct str text, struct conf_value *out)
{
	VEC(struct str) items = {0};
	if (text.n >= 2 && text.p[0] == '[' && text.p[text.n - 1] == ']') {
		text = str_trim(str_slice(text, 1, text.n - 1));
	}
	bool more = text.n > 0;
	while (more) {
		struct str item;
		more = str_split(text, ',', &item, &text);
		VEC_PUSH(arena, &items, str_dup(arena, str_trim(item)));
	}
	out->list = (struct conf_list){.items = items.p, .n = items.n};
}

const char *conf_check_text(struct arena *arena, const struct conf_row *row, struct str text)
{
	const char *problem = row->check != NULL ? row->check(arena, text) : NULL;
	return problem == NULL
		? NULL
		: arena_printf(arena, "\"%.*s\" %s", STR_ARG(str_slice(text, 0, 100)), problem);
}

static const char *check_list(struct arena *arena, const struct conf_row *row,
	const struct conf_list *list)
{
	const char *problem = NULL;
	for (size_t i = 0; i < list->n && problem == NULL; i++) {
		problem = conf_check_text(arena, row, list->items[i]);
	}
	return problem;
}

static const char *parse_value(struct arena *arena, const struct conf_row *row, struct str text,
	struct conf_value *out)
{
	struct str trimmed = str_trim(text);
	/* C strings are made of these at library borders: a NUL would cut them short. */
	if (str_find_byte(text, '\0') != SIZE_MAX) {
		return "a value cannot contain a NUL byte";
	}
	switch (row->type) {
	case CONF_STRING:
		out->text = str_dup(arena, text);
		return NULL;
	case CONF_INT:
	case CONF_SIZE:
	case CONF_TIME:
		return parse_number(arena, row, trimmed, out);
	case CONF_BOOL:
		return parse_bool(arena, trimmed, out);
	case CONF_ENUM:
		return parse_enum(arena, row, trimmed, out);
	case CONF_LIST:
		parse_list(arena, trimmed, out);
		return NULL;
	}
	return "unknown type";
}

const char *conf_parse_value(struct arena *arena, const struct conf_row *row, struct str text,
	struct conf_value *out)
{
	const char *problem = parse_value(arena, row, text, out);
	if (problem != NULL) {
		return problem;
	}
	return row->type == CONF_STRING ? conf_check_text(arena, row, text)
		: row->type == CONF_LIST    ? check_list(arena, row, &out->list)
									: NULL;
}

struct conf *conf_create(struct arena *arena, const struct conf_row *rows, size_t row_count)
{
	struct conf *conf = ARENA_NEW(arena, struct conf);
	*conf = (struct conf){.arena = arena, .rows = rows, .row_count = row_count};
	conf->values = ARENA_NEW_ARRAY(arena, struct conf_value, row_count);
	for (size_t i = 0; i < row_count; i++) {
		const char *problem =
			parse_value(arena, &rows[i], str_of(rows[i].fallback), &conf->values[i]);
		invariant(problem == NULL); /* a default of the table itself is wrong */
	}
	return conf;
}

size_t conf_find(const struct conf *conf, struct str key)
{
	size_t i = 0;
	while (i < conf->row_count && !str_equals(str_of(conf->rows[i].key), key)) {
		i++;
	}
	return i;
}

enum err conf_set(struct ctx *ctx, struct conf *conf, const char *assignment)
{
	struct str key;
	struct str text;
	if (!str_split(str_of(assignment), '=', &key, &text)) {
		return fail(ctx, ERR_INPUT, NULL, "\"%.80s\" is not of the form key=value", assignment);
	}
	key = str_trim(key);
	size_t at = conf_find(conf, key);
	if (at == conf->row_count) {
		struct str near = conf_nearest(conf, key);
		return fail(ctx, ERR_INPUT, NULL, "unknown key %.*s%s%.*s%s",
			STR_ARG(str_slice(key, 0, 80)), near.n > 0 ? " (did you mean " : "", STR_ARG(near),
			near.n > 0 ? "?)" : "");
	}
	struct conf_value value = {.is_set = true};
	const struct conf_row *row = &conf->rows[at];
	const char *problem = conf_parse_value(conf->arena, row, text, &value);
	if (problem != NULL) {
		return fail(ctx, ERR_INPUT, NULL, "%s: %.300s", row->key,
			row->is_secret ? "the value is not of the right form" : problem);
	}
	conf->values[at] = value;
	return ERR_OK;
}

static const struct conf_value *value_of(const struct conf *conf, const char *key,
	const enum conf_type *types, size_t type_count)
{
	size_t at = conf_find(conf, str_of(key));
	invariant(at < conf->row_count);
	bool matches = false;
	for (size_t i = 0; i < type_count; i++) {
		matches = matches || conf->rows[at].type == types[i];
	}
	invariant(matches);
	return &conf->values[at];
}

struct str conf_str(const struct conf *conf, const char *key)
{
	static const enum conf_type types[] = {CONF_STRING, CONF_ENUM};
	return value_of(conf, key, types, COUNT_OF(types))->text;
}

int64_t conf_int(const struct conf *conf, const char *key)
{
	static const enum conf_type types[] = {CONF_INT, CONF_SIZE, CONF_TIME};
	return value_of(conf, key, types, COUNT_OF(types))->number;
}

bool conf_bool(const struct conf *conf, const char *key)
{
	static const enum conf_type types[] = {CONF_BOOL};
	return value_of(conf, key, types, COUNT_OF(types))->number != 0;
}

struct conf_list conf_list(const struct conf *conf, const char *key)
{
	static const enum conf_type types[] = {CONF_LIST};
	return value_of(conf, key, types, COUNT_OF(types))->list;
}

bool conf_is_set(const struct conf *conf, const char *key)
{
	size_t at = conf_find(conf, str_of(key));
	invariant(at < conf->row_count);
	return conf->values[at].is_set;
}
