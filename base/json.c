/*
 * A parser without recursion: containers that are open stand in a stack; finished values are
 * collected on one growing work array and moved into the arena when their container closes.
 * Duplicate keys are found by sorting the keys of large objects, by comparing pairs in small ones.
 */
#include "base/json.h"

#include "base/json_plain.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_DEPTH = 100, DEFAULT_VALUES = 1000000, PAIRWISE_KEYS = 12 };

struct open_container {
	size_t first;   /* index of its first child in `pending` */
	size_t raw_at;  /* offset of its bracket */
	struct str key; /* the key it stands under, in an object */
	bool is_object;
};

struct parser {
	struct arena *arena;
	struct str text;
	size_t at;
	size_t max_depth;
	size_t levels;
	size_t values_left;
	struct json_member *pending;
	size_t pending_n;
	size_t pending_capacity;
	struct open_container *open;
	size_t depth;
	size_t open_capacity;
	enum json_error error;
};

static bool fail_with(struct parser *p, enum json_error error)
{
	p->error = error;
	return false;
}

static bool syntax_error(struct parser *p)
{
	return fail_with(p, JSON_ERROR_SYNTAX);
}

static int peek(const struct parser *p)
{
	return p->at < p->text.n ? (unsigned char)p->text.p[p->at] : -1;
}

static void skip_space(struct parser *p)
{
	while (p->at < p->text.n) {
		char c = p->text.p[p->at];
		if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
			return;
		}
		p->at++;
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Four hex digits at `at`; -1 when they are not. */
static int32_t read_hex4(struct str text, size_t at)
{
	if (text.n < 4 || at > text.n - 4) {
		return -1;
	}
	int32_t value = 0;
	for (size_t i = 0; i < 4; i++) {
		int digit = hex_digit(text.p[at + i]);
		if (digit < 0) {
			return -1;
		}
		value = value * 16 + digit;
	}
	return value;
}

/* The code point of \uXXXX (a surrogate pair counts as one); -1 for a lone surrogate or bad digits.
 * `*at` stands behind the 'u' and is moved behind what was read. */
static int32_t read_unicode_escape(struct str text, size_t *at)
{
	int32_t high = read_hex4(text, *at);
	if (high < 0 || (high >= 0xDC00 && high <= 0xDFFF)) {
		return -1;
	}
	*at += 4;
	if (high < 0xD800 || high > 0xDBFF) {
		return high;
	}
	if (*at + 2 > text.n || text.p[*at] != '\\' || text.p[*at + 1] != 'u') {
		return -1;
	}
	int32_t low = read_hex4(text, *at + 2);
	if (low < 0xDC00 || low > 0xDFFF) {
		return -1;
	}
	*at += 6;
	return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

static int simple_escape(char c)
{
	switch (c) {
	case '"':
	case '\\':
	case '/':
		return c;
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return -1;
	}
}

/* Decodes the escapes of `body` (what stands between the quotes). */
static bool decode_escapes(struct parser *p, struct str body, struct str *out)
{
	char *decoded = arena_alloc(p->arena, body.n + 1);
	size_t n = 0;
	for (size_t at = 0; at < body.n;) {
		char c = body.p[at++];
		if (c != '\\') {
			decoded[n++] = c;
			continue;
		}
		char kind = body.p[at++]; /* the scan has seen that a byte follows */
		if (kind == 'u') {
			int32_t code_point = read_unicode_escape(body, &at);
			if (code_point < 0) {
				return syntax_error(p);
			}
			n += utf8_encode((uint32_t)code_point, decoded + n);
			continue;
		}
		int simple = simple_escape(kind);
		if (simple < 0) {
			return syntax_error(p);
		}
		decoded[n++] = (char)simple;
	}
	*out = str_from(decoded, n);
	return true;
}

/* Reads a string whose opening quote is at p->at. */
static bool read_string(struct parser *p, struct str *out)
{
	size_t start = ++p->at;
	bool has_escape = false;
	bool is_ascii = true;
	for (;;) {
		p->at = json_plain_end(p->text, p->at, &is_ascii);
		int c = peek(p);
		if (c < 0x20) { /* end of text too */
			return syntax_error(p);
		}
		if (c == '"') {
			break;
		}
		has_escape = true;
		p->at++; /* the backslash */
		if (peek(p) < 0) {
			return syntax_error(p);
		}
		p->at++;
	}
	struct str body = str_slice(p->text, start, p->at);
	p->at++;
	if (!is_ascii && !utf8_is_valid(body)) {
		return syntax_error(p);
	}
	if (!has_escape) {
		*out = body;
		return true;
	}
	return decode_escapes(p, body, out);
}

/* What lies in the source, or came of a part of it, is no longer than that. */
static void set_text(struct json *value, struct str text)
{
	value->text_p = text.p;
	value->text_n = (uint32_t)text.n;
}

static size_t skip_digits(struct parser *p)
{
	size_t start = p->at;
	while (p->at < p->text.n && p->text.p[p->at] >= '0' && p->text.p[p->at] <= '9') {
		p->at++;
	}
	return p->at - start;
}

static bool read_number(struct parser *p, struct json *out)
{
	size_t start = p->at;
	bool is_integer = true;
	if (peek(p) == '-') {
		p->at++;
	}
	size_t first = p->at;
	size_t digits = skip_digits(p);
	if (digits == 0 || (digits > 1 && p->text.p[first] == '0')) {
		return syntax_error(p);
	}
	if (peek(p) == '.') {
		is_integer = false;
		p->at++;
		if (skip_digits(p) == 0) {
			return syntax_error(p);
		}
	}
	if (peek(p) == 'e' || peek(p) == 'E') {
		is_integer = false;
		p->at++;
		if (peek(p) == '+' || peek(p) == '-') {
			p->at++;
		}
		if (skip_digits(p) == 0) {
			return syntax_error(p);
		}
	}
	struct str text = str_slice(p->text, start, p->at);
	/* "-0" is left a number: as an integer its text could not be told from "0". */
	if (is_integer && !str_equals(text, STR("-0")) &&
		str_to_int(text, INT64_MIN, INT64_MAX, &out->integer)) {
		out->type = JSON_INT;
	} else {
		out->type = JSON_NUMBER;
		set_text(out, text);
	}
	return true;
}

static bool read_word(struct parser *p, struct str word)
{
	if (!str_starts_with(str_slice(p->text, p->at, p->text.n), word)) {
		return syntax_error(p);
	}
	p->at += word.n;
	return true;
}

static void *grow(void *old, size_t *capacity, size_t element_bytes)
{
	*capacity = *capacity == 0 ? 32 : *capacity * 2;
	return mem_realloc(old, *capacity * element_bytes);
}

static bool push_pending(struct parser *p, struct str key, struct json value)
{
	if (p->values_left == 0) {
		return fail_with(p, JSON_ERROR_LIMIT);
	}
	p->values_left--;
	if (p->pending_n == p->pending_capacity) {
		p->pending = grow(p->pending, &p->pending_capacity, sizeof(*p->pending));
	}
	p->pending[p->pending_n++] = (struct json_member){.key = key, .value = value};
	return true;
}

static bool push_open(struct parser *p, struct str key, bool is_object)
{
	if (p->depth >= p->max_depth) {
		return fail_with(p, JSON_ERROR_LIMIT);
	}
	if (p->depth == p->open_capacity) {
		p->open = grow(p->open, &p->open_capacity, sizeof(*p->open));
	}
	p->open[p->depth++] = (struct open_container){.first = p->pending_n,
		.raw_at = p->at,
		.key = key,
		.is_object = is_object};
	p->at++;
	return true;
}

int json_compare_keys(const void *a, const void *b)
{
	const struct json_member *const *left = a;
	const struct json_member *const *right = b;
	return str_compare((*left)->key, (*right)->key);
}

static bool has_duplicate_of_few(const struct json_member *members, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		for (size_t k = 0; k < i; k++) {
			if (str_equals(members[i].key, members[k].key)) {
				return true;
			}
		}
	}
	return false;
}

/*
 * Writes the places of the members in order of their keys, so that nobody's object is searched from its beginning for each of many keys.
 * @return false when a key stands twice
 */
static bool sort_places(const struct json_member *members, size_t count, uint32_t *places)
{
	const struct json_member **sorted = mem_alloc_array(count, sizeof(const struct json_member *));
	bool is_sorted = true;
	for (size_t i = 0; i < count; i++) {
		sorted[i] = &members[i];
		is_sorted = is_sorted && (i == 0 || json_compare_keys(&sorted[i - 1], &sorted[i]) < 0);
	}
	if (!is_sorted) {
		qsort(sorted, count, sizeof(const struct json_member *), json_compare_keys);
	}
	bool is_unique = true;
	for (size_t i = 0; i < count && is_unique; i++) {
		places[i] = (uint32_t)(sorted[i] - members);
		is_unique = is_sorted || i == 0 || json_compare_keys(&sorted[i - 1], &sorted[i]) != 0;
	}
	mem_free((void *)sorted);
	return is_unique;
}

static bool close_object(struct parser *p, const struct json_member *members, struct json *out)
{
	out->has_places = out->count > PAIRWISE_KEYS;
	size_t place_bytes = out->has_places ? sizeof(uint32_t) : 0;
	out->members = arena_alloc(p->arena, out->count * (sizeof(*members) + place_bytes));
	memcpy(out->members, members, out->count * sizeof(*members));
	bool is_unique = out->has_places
		? sort_places(members, out->count, (uint32_t *)(out->members + out->count))
		: !has_duplicate_of_few(members, out->count);
	return is_unique ? true : fail_with(p, JSON_ERROR_DUPLICATE);
}

/* The closing bracket is at p->at: moves the children into the arena. */
static bool close_container(struct parser *p, struct json *out, struct str *out_key)
{
	struct open_container top = p->open[--p->depth];
	size_t count = p->pending_n - top.first;
	p->at++;
	*out =
		(struct json){.type = top.is_object ? JSON_OBJECT : JSON_ARRAY, .count = (uint32_t)count};
	json_set_raw(out, str_slice(p->text, top.raw_at, p->at));
	*out_key = top.key;
	if (count == 0) { /* there may be no work array yet */
		return true;
	}
	const struct json_member *children = p->pending + top.first;
	p->pending_n = top.first;
	if (top.is_object) {
		return close_object(p, children, out);
	}
	out->items = ARENA_NEW_ARRAY(p->arena, struct json, count);
	for (size_t i = 0; i < count; i++) {
		out->items[i] = children[i].value;
	}
	return true;
}

/* Reads a value that is no container. */
static bool read_scalar(struct parser *p, struct json *out)
{
	size_t start = p->at;
	int c = peek(p);
	bool ok;
	*out = (struct json){0};
	if (c == '"') {
		struct str text;
		ok = read_string(p, &text);
		if (ok) {
			out->type = JSON_STRING;
			set_text(out, text);
		}
	} else if (c == '-' || (c >= '0' && c <= '9')) {
		ok = read_number(p, out);
	} else if (c == 't') {
		out->type = JSON_BOOL;
		out->boolean = true;
		ok = read_word(p, STR("true"));
	} else if (c == 'f') {
		out->type = JSON_BOOL;
		ok = read_word(p, STR("false"));
	} else if (c == 'n') {
		ok = read_word(p, STR("null"));
	} else {
		ok = syntax_error(p);
	}
	json_set_raw(out, str_slice(p->text, start, p->at));
	return ok;
}

/* From the opening quote at p->at to the closing one, or to the text's end. */
static void pass_string(struct parser *p)
{
	bool ignored = true;
	int c;
	do {
		p->at = json_plain_end(p->text, p->at + 1, &ignored);
		c = peek(p);
		if (c == '\\' && p->at + 1 < p->text.n) {
			p->at++; /* with what is escaped */
		}
	} while (c >= 0 && c != '"');
}

/* From the opening bracket at p->at to behind the one that closes it; strings and brackets are all that is told apart. */
static bool pass_over(struct parser *p, struct json *out)
{
	size_t start = p->at;
	size_t depth = 0;
	do {
		int c = peek(p);
		if (c == '"') {
			pass_string(p);
			c = peek(p);
		}
		if (c < 0) {
			return syntax_error(p);
		}
		depth += c == '{' || c == '[' ? 1 : 0;
		depth -= c == '}' || c == ']' ? 1 : 0;
		p->at++;
	} while (depth > 0);
	*out = (struct json){.type = p->text.p[start] == '{' ? JSON_OBJECT : JSON_ARRAY,
		.is_unread = true};
	json_set_raw(out, str_slice(p->text, start, p->at));
	return true;
}

/* Reads `"key" :` inside an object. */
static bool read_key(struct parser *p, struct str *out)
{
	skip_space(p);
	if (peek(p) != '"') {
		return syntax_error(p);
	}
	if (!read_string(p, out)) {
		return false;
	}
	skip_space(p);
	if (peek(p) != ':') {
		return syntax_error(p);
	}
	p->at++;
	return true;
}

/*
 * After a finished value: stores it in its container, and closes every container that ends here.
 * @return true with *done set when the outermost value is complete
 */
static bool after_value(struct parser *p, struct str key, struct json value, bool *done,
	struct json *out)
{
	for (;;) {
		if (p->depth == 0) {
			*done = true;
			*out = value;
			return true;
		}
		if (!push_pending(p, key, value)) {
			return false;
		}
		skip_space(p);
		bool in_object = p->open[p->depth - 1].is_object;
		int c = peek(p);
		if (c == ',') {
			p->at++;
			return true;
		}
		if (c != (in_object ? '}' : ']')) {
			return syntax_error(p);
		}
		if (!close_container(p, &value, &key)) {
			return false;
		}
	}
}

static bool parse_all(struct parser *p, struct json *out)
{
	bool done = false;
	while (!done) {
		struct str key = {0};
		if (p->depth > 0 && p->open[p->depth - 1].is_object && !read_key(p, &key)) {
			return false;
		}
		skip_space(p);
		struct json value;
		int c = peek(p);
		bool is_container = c == '{' || c == '[';
		if (is_container && p->depth == p->levels) {
			if (!pass_over(p, &value)) {
				return false;
			}
		} else if (is_container) {
			if (!push_open(p, key, c == '{')) {
				return false;
			}
			skip_space(p);
			if (peek(p) != (c == '{' ? '}' : ']')) {
				continue;
			}
			if (!close_container(p, &value, &key)) {
				return false;
			}
		} else if (!read_scalar(p, &value)) {
			return false;
		}
		if (!after_value(p, key, value, &done, out)) {
			return false;
		}
	}
	skip_space(p);
	return p->at == p->text.n ? true : syntax_error(p);
}

enum json_error json_parse(struct arena *arena, struct str text, const struct json_limits *limits,
	struct json *out, size_t *out_at)
{
	struct parser p = {.arena = arena, .text = text};
	p.max_depth = limits != NULL && limits->max_depth > 0 ? limits->max_depth : DEFAULT_DEPTH;
	p.values_left = limits != NULL && limits->max_values > 0 ? limits->max_values : DEFAULT_VALUES;
	p.levels = limits != NULL && limits->levels > 0 ? limits->levels : SIZE_MAX;
	struct json value;
	if (text.n > UINT32_MAX) {
		p.error = JSON_ERROR_LIMIT;
	} else if (parse_all(&p, &value)) {
		*out = value;
	} else if (out_at != NULL) {
		*out_at = p.at;
	}
	mem_free(p.pending);
	mem_free(p.open);
	return p.error;
}

enum json_error json_read(struct arena *arena, const struct json *value,
	const struct json_limits *limits, struct json *out)
{
	if (value->is_unread) {
		return json_parse(arena, json_raw(value), limits, out, NULL);
	}
	*out = *value;
	return JSON_OK;
}

const char *json_error_text(enum json_error error)
{
	switch (error) {
	case JSON_OK:
		return "valid";
	case JSON_ERROR_SYNTAX:
		return "not valid JSON in UTF-8";
	case JSON_ERROR_DUPLICATE:
		return "a key stands twice in one object";
	case JSON_ERROR_LIMIT:
		return "nested too deeply or too many values";
	}
	return "";
}

static const struct json *find_by_key(const struct json *object, struct str key)
{
	const uint32_t *places = json_places(object);
	size_t low = 0;
	size_t high = object->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct json_member *member = &object->members[places[middle]];
		int order = str_compare(member->key, key);
		if (order == 0) {
			return &member->value;
		}
		if (order < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return NULL;
}

const struct json *json_get(const struct json *object, struct str key)
{
	if (object == NULL || object->type != JSON_OBJECT) {
		return NULL;
	}
	if (object->has_places) {
		return find_by_key(object, key);
	}
	const struct json_member *member = object->members;
	for (size_t left = object->count; left > 0; left--, member++) {
		if (member->key.n == key.n && str_equals(member->key, key)) {
			return &member->value;
		}
	}
	return NULL;
}

bool json_is(const struct json *value, enum json_type type)
{
	return value != NULL && value->type == type;
}

struct str json_get_str(const struct json *object, struct str key)
{
	const struct json *value = json_get(object, key);
	return json_is(value, JSON_STRING) ? json_text(value) : str_from(NULL, 0);
}

bool json_get_int(const struct json *object, struct str key, int64_t min, int64_t max, int64_t *out)
{
	const struct json *value = json_get(object, key);
	if (!json_is(value, JSON_INT) || value->integer < min || value->integer > max) {
		return false;
	}
	*out = value->integer;
	return true;
}

bool json_get_bool(const struct json *object, struct str key, bool otherwise)
{
	const struct json *value = json_get(object, key);
	return json_is(value, JSON_BOOL) ? value->boolean : otherwise;
}
