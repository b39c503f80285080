/*
 * Request targets: what is decoded is UTF-8 without NUL, and a path that matches a template gives
 * the template back when its segments are put into it.
 */
#include <string.h>

#include "base/arena.h"
#include "base/utf8.h"
#include "http/router.h"

static enum err no_handler(struct call *call)
{
	(void)call;
	return ERR_OK;
}

#define ROW(id_, method_, path_) \
	{ \
		.id = (id_), .method = (method_), .path = (path_), .handler = no_handler \
	}

static const struct route rows[] = {
	ROW("a", "GET", "/a/{x}/b/{y}"),
	ROW("b", "PUT", "/a/{x}/b/{y}/{z}"),
	ROW("c", "PUT", "/a/{x}/b"),
	ROW("d", "GET", "/(r0|v3)/c/"),
	ROW("e", "GET", "/(r0|v3)/c/{x}"),
	ROW("f", "POST", "/a/b/c/d"),
	ROW("g", "GET", "/{x}/{y}/{z}/d"),
	ROW("h", "GET", "/"),
};

static const struct router *the_router(void)
{
	static struct router *router;
	if (router == NULL) {
		const struct route_table table = {.rows = rows, .count = COUNT_OF(rows)};
		router = router_create();
		router_add_table(router, &table);
	}
	return router;
}

/* The template, segment for segment, against what was matched. */
static void check_match(const struct router_match *match, const struct uri_path *path)
{
	struct str rest = str_of(match->entry->route->path);
	rest = str_slice(rest, 1, rest.n);
	size_t param = 0;
	bool more = true;
	size_t i = 0;
	for (; more; i++) {
		struct str segment;
		struct str tail;
		more = str_split(rest, '/', &segment, &tail);
		rest = tail;
		invariant(i < path->n);
		if (str_starts_with(segment, STR("{"))) {
			invariant(path->segments[i].n > 0);
			invariant(str_equals(match->params[param], path->segments[i]));
			param++;
		} else if (str_starts_with(segment, STR("("))) {
			invariant(str_equals(path->segments[i], STR("r0")) ||
				str_equals(path->segments[i], STR("v3")));
		} else {
			invariant(str_equals(path->segments[i], segment));
		}
	}
	invariant(param == match->entry->param_count);
	invariant(i == path->n || (i + 1 == path->n && path->segments[i].n == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const methods[] = {"GET", "HEAD", "PUT", "POST", "DELETE", "BREW"};
	if (size == 0) {
		return 0;
	}
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str method = str_of(methods[data[0] % COUNT_OF(methods)]);
	struct str target = str_from((const char *)data + 1, size - 1);
	struct str raw;
	struct str query;
	uri_split_target(target, &raw, &query);
	invariant(raw.n + query.n <= MAX_OF(target.n, (size_t)1));
	struct uri_path path;
	char *scratch = arena_alloc(arena, raw.n);
	if (!uri_parse_path(raw, scratch, &path)) {
		return 0;
	}
	invariant(path.n > 0 && path.n <= URI_MAX_SEGMENTS);
	for (size_t i = 0; i < path.n; i++) {
		invariant(utf8_is_valid(path.segments[i]));
		invariant(str_find_byte(path.segments[i], '\0') == SIZE_MAX);
	}
	struct router_match match = {0};
	switch (router_match(the_router(), method, &path, &match)) {
	case ROUTER_FOUND:
		check_match(&match, &path);
		break;
	case ROUTER_NO_PATH:
		break;
	case ROUTER_NO_METHOD:
		invariant(strlen(match.allow) < sizeof(match.allow));
		break;
	}
	return 0;
}
