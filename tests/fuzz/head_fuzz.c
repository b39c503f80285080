/*
 * Heads of requests: what is taken for a plain one is, put together from its parts, what was read, but for the spaces before values; and
 * nothing in it could be read in another way.
 */
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "http/head.h"

enum { CEILING = 16 * 1024 };

static void check_visible(struct str text, bool may_have_spaces)
{
	for (size_t i = 0; i < text.n; i++) {
		invariant(text.p[i] >= (may_have_spaces ? ' ' : '!') && text.p[i] <= '~');
	}
}

static void add_bare(struct buf *out, struct str bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		if (bytes.p[i] != ' ') {
			buf_add_byte(out, bytes.p[i]);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = str_from((const char *)data, size);
	struct head head;
	if (!head_read(bytes, CEILING, &head)) {
		return 0;
	}
	struct str target;
	bool is_get = str_equals(head.method, STR("GET"));
	invariant(head_read_again(bytes, CEILING, head.rest, head.header_count, &target) == is_get);
	invariant(!is_get || (str_equals(target, head.target) && head.body.n == 0));
	invariant(head.body.p + head.body.n == bytes.p + bytes.n);
	bytes.n -= head.body.n;
	struct buf read;
	struct buf made;
	buf_init(&read, 2 * size + 1);
	buf_init(&made, 2 * size + 1);
	add_bare(&read, bytes);
	check_visible(head.target, false);
	invariant(head.target.n > 0 && head.target.p[0] == '/');
	buf_add(&made, head.method);
	add_bare(&made, head.target);
	buf_add_lit(&made, "HTTP/1.1\r\n");
	for (size_t i = 0; i < head.header_count; i++) {
		const struct header *header = &head.headers[i];
		check_visible(header->name, false);
		check_visible(header->value, true);
		invariant(str_find_byte(header->name, ':') == SIZE_MAX);
		invariant(!is_get || !str_equals_nocase(header->name, STR("content-length")));
		invariant(!str_equals_nocase(header->name, STR("transfer-encoding")));
		add_bare(&made, header->name);
		buf_add_byte(&made, ':');
		add_bare(&made, header->value);
		buf_add_lit(&made, "\r\n");
	}
	buf_add_lit(&made, "\r\n");
	invariant(buf_ok(&read) && buf_ok(&made) && str_equals(buf_str(&read), buf_str(&made)));
	buf_fini(&read);
	buf_fini(&made);
	return 0;
}
