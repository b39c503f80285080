/*
 * One pass over the text: dots end a name, a backslash before a dot or a backslash is dropped. All
 * names of a path share one block; a name that has no escape is a view of the text itself.
 */
#include "matrix/property_path.h"

static bool is_escape(struct str text, size_t at)
{
	return text.p[at] == '\\' && at + 1 < text.n &&
		(text.p[at + 1] == '.' || text.p[at + 1] == '\\');
}

/* Length of the name that starts at `from`, escapes included. */
static size_t name_length(struct str text, size_t from, bool *has_escape)
{
	size_t at = from;
	*has_escape = false;
	while (at < text.n && text.p[at] != '.') {
		bool escape = is_escape(text, at);
		*has_escape = *has_escape || escape;
		at += escape ? 2 : 1;
	}
	return at - from;
}

static struct str unescape(struct arena *arena, struct str name)
{
	char *plain = arena_alloc(arena, name.n);
	size_t n = 0;
	for (size_t at = 0; at < name.n; at++) {
		if (is_escape(name, at)) {
			at++;
		}
		plain[n++] = name.p[at];
	}
	return str_from(plain, n);
}

struct property_path property_path_parse(struct arena *arena, struct str text)
{
	size_t most = 1;
	for (size_t i = 0; i < text.n; i++) {
		most += text.p[i] == '.' ? 1 : 0;
	}
	struct property_path path = {.segments = ARENA_NEW_ARRAY(arena, struct str, most)};
	size_t at = 0;
	for (;;) {
		bool has_escape;
		size_t length = name_length(text, at, &has_escape);
		struct str name = str_slice(text, at, at + length);
		path.segments[path.count++] = has_escape ? unescape(arena, name) : name;
		at += length;
		if (at >= text.n) {
			return path;
		}
		at++; /* the dot */
	}
}

const struct json *property_path_walk(const struct json *root, const struct str *names,
	size_t count)
{
	const struct json *value = root;
	for (size_t i = 0; i < count && value != NULL; i++) {
		value = json_get(value, names[i]);
	}
	return value;
}
