/*
 * For networks in which a public name has an inner address, and DNS does not say so.
 */
#include "http/detour.h"

static bool parse_end(struct str text, struct str *host, uint16_t *port)
{
	size_t colon = str_find_last_byte(text, ':');
	int64_t number;
	if (colon == SIZE_MAX ||
		!str_to_int(str_slice(text, colon + 1, text.n), 1, UINT16_MAX, &number)) {
		return false;
	}
	*port = (uint16_t)number;
	*host = str_slice(text, 0, colon);
	bool is_bracketed = str_starts_with(*host, STR("[")) && str_ends_with(*host, STR("]"));
	if (is_bracketed) {
		*host = str_slice(*host, 1, host->n - 1);
	}
	return host->n > 0 && (is_bracketed || str_find_byte(*host, ':') == SIZE_MAX);
}

bool detour_parse(struct str text, struct detour *out)
{
	struct str from;
	struct str to;
	return str_split(text, '=', &from, &to) && parse_end(from, &out->host, &out->port) &&
		parse_end(to, &out->to_host, &out->to_port);
}

const struct detour *detour_find(const struct detour *detours, size_t count, struct str host,
	uint16_t port)
{
	for (size_t i = 0; i < count; i++) {
		if (detours[i].port == port && str_equals_nocase(detours[i].host, host)) {
			return &detours[i];
		}
	}
	return NULL;
}
