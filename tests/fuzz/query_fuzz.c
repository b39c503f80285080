/*
 * Query parameters and forwarded addresses: names and values are UTF-8 without NUL, and written anew with
 * every byte escaped they are read the same.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "http/address.h"
#include "http/uri.h"

static void add_escaped(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		buf_printf(out, "%%%02X", (unsigned)(unsigned char)text.p[i]);
	}
}

static void check_again(struct arena *arena, const struct uri_pair *pairs, size_t n)
{
	struct buf text CLEANUP(buf_fini);
	buf_init(&text, SIZE_MAX / 2);
	for (size_t i = 0; i < n; i++) {
		add_escaped(&text, pairs[i].name);
		buf_add_byte(&text, '=');
		add_escaped(&text, pairs[i].value);
		buf_add_byte(&text, '&');
	}
	struct uri_pair *again = NULL;
	size_t again_n = 0;
	if (!uri_parse_query(arena, buf_str(&text), &again, &again_n)) {
		invariant(n == URI_MAX_PAIRS); /* the last '&' makes one more */
		return;
	}
	invariant(again_n == n);
	for (size_t i = 0; i < n; i++) {
		invariant(str_equals(again[i].name, pairs[i].name));
		invariant(str_equals(again[i].value, pairs[i].value));
	}
}

static void check_forwarded(struct str header)
{
	struct address_range trusted = {0}; /* everybody */
	struct address peer = {{0}};
	struct address client = address_behind_proxies(&peer, header, &trusted, 1);
	char text[ADDRESS_TEXT_BYTES];
	size_t n = address_write(&client, text);
	struct address same;
	bool parsed = address_parse(str_from(text, n), &same);
	invariant(parsed);
	struct sockaddr_storage where;
	socklen_t length = 0;
	if (address_parse_listen(header, &where, &length)) {
		invariant(length > 0);
	}
}

/* With what others left in it, or not. */
static void check_memo(struct arena *arena, struct str raw, const struct uri_pair *pairs, size_t n)
{
	static struct uri_memo memo;
	for (int round = 0; round < 2; round++) {
		struct uri_pair *again = NULL;
		size_t again_n = 0;
		bool is_read = uri_parse_query_again(arena, raw, &memo, &again, &again_n);
		invariant(is_read && again_n == n);
		for (size_t i = 0; i < n; i++) {
			invariant(str_equals(again[i].name, pairs[i].name));
			invariant(str_equals(again[i].value, pairs[i].value));
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str raw = str_from((const char *)data, size);
	struct uri_pair *pairs = NULL;
	size_t n = 0;
	check_forwarded(raw);
	if (!uri_parse_query(arena, raw, &pairs, &n)) {
		return 0;
	}
	invariant(n <= URI_MAX_PAIRS);
	for (size_t i = 0; i < n; i++) {
		invariant(pairs[i].value.p != NULL);
		invariant(utf8_is_valid(pairs[i].name) && utf8_is_valid(pairs[i].value));
		invariant(str_find_byte(pairs[i].value, '\0') == SIZE_MAX);
	}
	check_again(arena, pairs, n);
	check_memo(arena, raw, pairs, n);
	return 0;
}
