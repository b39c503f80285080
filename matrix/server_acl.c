/*
 * The steps stand in the specification's order. What is no list of strings counts as far as it is one.
 */
#include "matrix/server_acl.h"

#include "base/glob.h"

/* Four numbers with points between them; the name is valid, so anything else is a host name. */
static bool is_ipv4(struct str host)
{
	struct str rest = host;
	for (int i = 0; i < 4; i++) {
		struct str part = rest;
		struct str tail = STR("");
		bool has_tail = str_split(rest, '.', &part, &tail);
		int64_t number;
		if (part.n > 3 || !str_to_int(part, 0, 255, &number) || has_tail != (i < 3)) {
			return false;
		}
		rest = tail;
	}
	return true;
}

static bool is_ip_literal(struct str host)
{
	return (host.n > 0 && host.p[0] == '[') || is_ipv4(host);
}

static bool list_matches(const struct json *list, struct str host)
{
	for (size_t i = 0; json_is(list, JSON_ARRAY) && i < list->count; i++) {
		if (list->items[i].type == JSON_STRING &&
			glob_match(json_text(&list->items[i]), host, true)) {
			return true;
		}
	}
	return false;
}

bool server_acl_allows(const struct json *content, struct server_name server)
{
	if (content == NULL) {
		return true;
	}
	struct str host = server_name_host(server);
	if (!json_get_bool(content, STR("allow_ip_literals"), true) && is_ip_literal(host)) {
		return false;
	}
	return !list_matches(json_at(content, "deny"), host) &&
		list_matches(json_at(content, "allow"), host);
}
