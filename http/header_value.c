/*
 * One parameter after the other; quotes may hold semicolons.
 */
#include "http/header_value.h"

#include "base/utf8.h"
#include "http/uri.h"

bool header_parameter(struct arena *arena, struct str *rest, struct str *name, struct str *value)
{
	struct str text = str_trim(*rest);
	size_t equals = str_find_byte(text, '=');
	if (equals == SIZE_MAX) {
		return false;
	}
	*name = str_trim(str_slice(text, 0, equals));
	text = str_trim(str_slice(text, equals + 1, text.n));
	if (!str_starts_with(text, STR("\""))) {
		(void)str_split(text, ';', value, rest);
		*value = str_trim(*value);
		return true;
	}
	char *out = arena_alloc(arena, text.n);
	size_t n = 0;
	size_t i = 1;
	for (; i < text.n && text.p[i] != '"'; i++) {
		i += text.p[i] == '\\' && i + 1 < text.n ? 1 : 0;
		out[n++] = text.p[i];
	}
	*value = str_from(out, n);
	struct str between;
	(void)str_split(str_slice(text, MIN_OF(i + 1, text.n), text.n), ';', &between, rest);
	return i < text.n;
}

/* "UTF-8'en'na%20me" */
static struct str extended_value(struct arena *arena, struct str value)
{
	struct str charset;
	struct str language;
	struct str encoded;
	struct str decoded;
	if (!str_split(value, '\'', &charset, &value) || !str_split(value, '\'', &language, &encoded) ||
		!str_equals_nocase(charset, STR("UTF-8")) || !uri_decode(arena, encoded, &decoded)) {
		return (struct str){0};
	}
	return decoded;
}

static struct str clean_name(struct str name)
{
	size_t slash = str_find_last_byte(name, '/');
	name = slash != SIZE_MAX ? str_slice(name, slash + 1, name.n) : name;
	slash = str_find_last_byte(name, '\\');
	name = slash != SIZE_MAX ? str_slice(name, slash + 1, name.n) : name;
	for (size_t i = 0; i < name.n; i++) {
		if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7F) {
			return (struct str){0};
		}
	}
	return name.n > 0 && utf8_is_valid(name) ? name : (struct str){0};
}

struct str header_file_name(struct arena *arena, struct str disposition)
{
	struct str kind;
	struct str rest;
	struct str name;
	struct str value;
	struct str plain = {0};
	if (!str_split(disposition, ';', &kind, &rest)) {
		return (struct str){0};
	}
	while (header_parameter(arena, &rest, &name, &value)) {
		if (str_equals_nocase(name, STR("filename*"))) {
			struct str extended = clean_name(extended_value(arena, value));
			if (extended.p != NULL) {
				return extended;
			}
		} else if (str_equals_nocase(name, STR("filename")) && plain.p == NULL) {
			plain = clean_name(value);
		}
	}
	return plain;
}
