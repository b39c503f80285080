/*
 * Targets are split first and decoded afterwards: a %2F in a room id must not make two segments of
 * it, a %26 in a filter not two parameters. What is decoded must be UTF-8 without NUL, because no
 * identifier and no database text may hold anything else; so no handler has to ask again.
 */
#include "http/uri.h"

#include "base/utf8.h"

#include <string.h>

void uri_split_target(struct str target, struct str *out_path, struct str *out_query)
{
	struct str path = target;
	struct str query = {0};
	(void)str_split(target, '?', &path, &query);
	struct str scheme = STR("http://");
	if (str_starts_with(path, STR("https://"))) {
		scheme = STR("https://");
	}
	if (str_starts_with(path, scheme)) {
		struct str rest = str_slice(path, scheme.n, path.n);
		size_t slash = str_find_byte(rest, '/');
		path = slash == SIZE_MAX ? STR("/") : str_slice(rest, slash, rest.n);
	}
	*out_path = path;
	*out_query = query;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	char lower = (char)(c | 0x20);
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Decodes `raw` into `out` (room for raw.n); false for bad escapes and NUL. */
static bool decode(struct str raw, bool plus_is_space, char *out, size_t *out_n)
{
	size_t n = 0;
	for (size_t i = 0; i < raw.n; i++) {
		char c = raw.p[i];
		if (c == '%') {
			if (raw.n - i < 3) {
				return false;
			}
			int high = hex_value(raw.p[i + 1]);
			int low = hex_value(raw.p[i + 2]);
			if (high < 0 || low < 0) {
				return false;
			}
			c = (char)(high * 16 + low);
			i += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		if (c == '\0') {
			return false;
		}
		out[n++] = c;
	}
	*out_n = n;
	return true;
}

/* Whether decoding would change the text (or has to refuse it). */
static bool needs_decoding(struct str raw)
{
	for (size_t i = 0; i < raw.n; i++) {
		if (raw.p[i] == '%' || raw.p[i] == '\0') {
			return true;
		}
	}
	return false;
}

bool uri_parse_path(struct str raw, char *scratch, struct uri_path *out)
{
	if (raw.n == 0 || raw.p[0] != '/') {
		return false;
	}
	struct uri_path path = {.n = 0};
	struct str rest = str_slice(raw, 1, raw.n);
	bool more = true;
	while (more) {
		struct str segment;
		struct str tail;
		more = str_split(rest, '/', &segment, &tail);
		rest = tail;
		if (path.n == URI_MAX_SEGMENTS) {
			return false;
		}
		if (needs_decoding(segment)) {
			size_t n = 0;
			if (!decode(segment, false, scratch, &n)) {
				return false;
			}
			segment = str_from(scratch, n);
			scratch += n;
		}
		if (!utf8_is_valid(segment)) {
			return false;
		}
		path.segments[path.n++] = segment;
	}
	*out = path;
	return true;
}

static uint64_t each_byte(uint8_t value)
{
	return value * UINT64_C(0x0101010101010101);
}

/* Of each byte the highest bit: set for at least one if there is such a byte, else for none. */
static uint64_t find_byte(uint64_t word, char c)
{
	word ^= each_byte((uint8_t)c);
	return (word - each_byte(1)) & ~word & each_byte(0x80);
}

static uint64_t find_special(uint64_t word)
{
	return (word & each_byte(0x80)) | find_byte(word, '%') | find_byte(word, '+') |
		find_byte(word, '\0');
}

/* Whether a part of a query is what it stands for: ASCII without escapes, '+' and NUL. The last eight bytes are looked at in one, too. */
static bool is_plain(struct str raw)
{
	uint64_t word = each_byte(' ');
	size_t n = raw.n;
	if (n < sizeof(word)) {
		for (size_t i = 0; i < n; i++) {
			word = word << 8 | (uint8_t)raw.p[i];
		}
		return find_special(word) == 0;
	}
	uint64_t found = 0;
	for (size_t i = 0; i + sizeof(word) < n && found == 0; i += sizeof(word)) {
		memcpy(&word, raw.p + i, sizeof(word));
		found = find_special(word);
	}
	memcpy(&word, raw.p + n - sizeof(word), sizeof(word));
	return (found | find_special(word)) == 0;
}

/* Shorter ones are decoded as fast as they are found. */
enum { MEMO_LEAST_BYTES = 64 };

static bool fits_memo(const struct uri_memo *memo, struct str raw)
{
	return memo != NULL && raw.n >= MEMO_LEAST_BYTES && raw.n <= URI_MEMO_BYTES;
}

static bool recall(const struct uri_memo *memo, struct arena *arena, struct str raw,
	struct str *out)
{
	for (size_t i = 0; i < URI_MEMO_VALUES; i++) {
		if (memo->values[i].raw_n == raw.n && memcmp(memo->values[i].raw, raw.p, raw.n) == 0) {
			*out = str_dup(arena, str_from(memo->values[i].text, memo->values[i].n));
			return true;
		}
	}
	return false;
}

static void remember(struct uri_memo *memo, struct str raw, struct str text)
{
	size_t i = memo->next;
	memo->next = (i + 1) % URI_MEMO_VALUES;
	memo->values[i].raw_n = raw.n;
	memo->values[i].n = text.n;
	memcpy(memo->values[i].raw, raw.p, raw.n);
	memcpy(memo->values[i].text, text.p, text.n);
}

/* What may have to be decoded, and is not empty. */
static bool decode_escaped(struct arena *arena, struct str raw, struct uri_memo *memo,
	struct str *out)
{
	bool is_kept = fits_memo(memo, raw);
	if (is_kept && recall(memo, arena, raw, out)) {
		return true;
	}
	char *p = arena_alloc(arena, raw.n);
	size_t n = 0;
	if (!decode(raw, true, p, &n) || !utf8_is_valid(str_from(p, n))) {
		return false;
	}
	*out = str_from(p, n);
	if (is_kept) {
		remember(memo, raw, *out);
	}
	return true;
}

static bool decode_query_part(struct arena *arena, struct str raw, struct uri_memo *memo,
	struct str *out)
{
	if (!is_plain(raw)) {
		return decode_escaped(arena, raw, memo, out);
	}
	*out = raw.n > 0 ? raw : STR("");
	return true;
}

static size_t count_pairs(struct str raw)
{
	size_t n = 0;
	struct str part;
	do {
		n++;
	} while (str_split(raw, '&', &part, &raw));
	return n;
}

bool uri_parse_query(struct arena *arena, struct str raw, struct uri_pair **out, size_t *out_n)
{
	return uri_parse_query_again(arena, raw, NULL, out, out_n);
}

bool uri_parse_query_again(struct arena *arena, struct str raw, struct uri_memo *memo,
	struct uri_pair **out, size_t *out_n)
{
	if (raw.n == 0) {
		*out = NULL;
		*out_n = 0;
		return true;
	}
	size_t room = count_pairs(raw);
	if (room > URI_MAX_PAIRS) {
		return false;
	}
	struct uri_pair *pairs = ARENA_NEW_ARRAY(arena, struct uri_pair, room);
	size_t n = 0;
	bool more = true;
	while (more) {
		struct str part;
		struct str tail;
		more = str_split(raw, '&', &part, &tail);
		raw = tail;
		if (part.n == 0) {
			continue;
		}
		struct str name;
		struct str value;
		(void)str_split(part, '=', &name, &value);
		if (!decode_query_part(arena, name, memo, &pairs[n].name) ||
			!decode_query_part(arena, value, memo, &pairs[n].value)) {
			return false;
		}
		n++;
	}
	*out = pairs;
	*out_n = n;
	return true;
}

bool uri_decode(struct arena *arena, struct str text, struct str *out)
{
	char *bytes = arena_alloc(arena, text.n + 1);
	size_t n = 0;
	if (!decode(text, false, bytes, &n)) {
		return false;
	}
	*out = str_from(bytes, n);
	return utf8_is_valid(*out);
}

struct str uri_encode(struct arena *arena, struct str text)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = arena_alloc(arena, 3 * text.n + 1);
	size_t n = 0;
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (is_letter || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~') {
			out[n++] = (char)c;
			continue;
		}
		out[n++] = '%';
		out[n++] = digits[c >> 4];
		out[n++] = digits[c & 15];
	}
	return str_from(out, n);
}
