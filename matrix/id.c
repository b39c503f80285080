/*
 * Identifiers. Text from outside is checked once here, with the widest grammar that other servers are
 * allowed to use (historical user ids and room ids); what this server makes itself follows the strict
 * one. Lengths count bytes.
 */
#include "matrix/id.h"

#include <arpa/inet.h>

#include "base/utf8.h"

enum { DNS_MAX_BYTES = 255, IPV6_MIN_BYTES = 2, IPV6_MAX_BYTES = 45, PORT_MAX_DIGITS = 5 };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_alphanumeric(char c)
{
	return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z');
}

/* Whether all bytes are letters, digits or in `extra`; true for the empty text. */
static bool is_made_of(struct str text, struct str extra)
{
	for (size_t i = 0; i < text.n; i++) {
		if (!is_alphanumeric(text.p[i]) && str_find_byte(extra, text.p[i]) == SIZE_MAX) {
			return false;
		}
	}
	return true;
}

/* --- server names ------------------------------------------------------------------------------ */

static bool is_port(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (!is_digit(text.p[i])) {
			return false;
		}
	}
	return text.n >= 1 && text.n <= PORT_MAX_DIGITS;
}

/* `text` is what stands between the brackets. */
static bool is_ipv6(struct str text)
{
	if (text.n < IPV6_MIN_BYTES || text.n > IPV6_MAX_BYTES || !is_made_of(text, STR(":."))) {
		return false;
	}
	char address[IPV6_MAX_BYTES + 1] = {0};
	for (size_t i = 0; i < text.n; i++) {
		address[i] = text.p[i];
	}
	struct in6_addr parsed;
	return inet_pton(AF_INET6, address, &parsed) == 1;
}

/* How many bytes of `text` are the host, brackets included; SIZE_MAX when a bracket is not closed. */
static size_t host_length(struct str text)
{
	if (text.n > 0 && text.p[0] == '[') {
		size_t close = str_find_byte(text, ']');
		return close == SIZE_MAX ? SIZE_MAX : close + 1;
	}
	return MIN_OF(text.n, str_find_byte(text, ':'));
}

static bool is_host(struct str host)
{
	if (host.n > 0 && host.p[0] == '[') {
		return is_ipv6(str_slice(host, 1, host.n - 1));
	}
	return host.n >= 1 && host.n <= DNS_MAX_BYTES && is_made_of(host, STR("-."));
}

bool server_name_parse(struct str text, struct server_name *out)
{
	size_t length = host_length(text);
	if (length == SIZE_MAX || !is_host(str_slice(text, 0, length))) {
		return false;
	}
	struct str rest = str_slice(text, length, text.n);
	if (rest.n > 0 && (rest.p[0] != ':' || !is_port(str_slice(rest, 1, rest.n)))) {
		return false;
	}
	out->s = text;
	return true;
}

struct str server_name_host(struct server_name name)
{
	return str_slice(name.s, 0, host_length(name.s));
}

int server_name_port(struct server_name name)
{
	struct str rest = str_slice(name.s, host_length(name.s) + 1, name.s.n);
	int port = 0;
	for (size_t i = 0; i < rest.n; i++) {
		port = port * 10 + (rest.p[i] - '0');
	}
	return rest.n > 0 ? port : -1;
}

bool server_name_equals(struct server_name a, struct server_name b)
{
	return str_equals(a.s, b.s);
}

/* --- ids --------------------------------------------------------------------------------------- */

/* Begins with `sigil`, is not too long, and is UTF-8 without NUL. */
static bool has_form(struct str text, char sigil)
{
	return text.n >= 2 && text.n <= ID_MAX_BYTES && text.p[0] == sigil &&
		str_find_byte(text, '\0') == SIZE_MAX && utf8_is_valid(text);
}

/* What stands between the sigil and the first ':', which must be there. */
static struct str local_part(struct str id)
{
	return str_slice(id, 1, str_find_byte(id, ':'));
}

/* What follows the first ':'. */
static struct str server_part(struct str id)
{
	size_t colon = str_find_byte(id, ':');
	return colon == SIZE_MAX ? str_slice(id, id.n, id.n) : str_slice(id, colon + 1, id.n);
}

static bool has_valid_server(struct str id)
{
	struct server_name server;
	return server_name_parse(server_part(id), &server);
}

bool user_id_parse(struct str text, struct user_id *out)
{
	if (!has_form(text, '@') || !has_valid_server(text)) {
		return false;
	}
	out->s = text;
	return true;
}

struct str user_id_localpart(struct user_id id)
{
	return local_part(id.s);
}

bool user_id_is_compliant(struct user_id id)
{
	struct str localpart = local_part(id.s);
	for (size_t i = 0; i < localpart.n; i++) {
		if (localpart.p[i] < 0x21 || localpart.p[i] > 0x7E) {
			return false;
		}
	}
	return localpart.n > 0;
}

struct server_name user_id_server(struct user_id id)
{
	return (struct server_name){server_part(id.s)};
}

bool localpart_is_valid_for_new_user(struct str localpart)
{
	static const struct str extra = STR_INIT("._=-/+");
	for (size_t i = 0; i < localpart.n; i++) {
		char c = localpart.p[i];
		if (!is_digit(c) && !is_lower(c) && str_find_byte(extra, c) == SIZE_MAX) {
			return false;
		}
	}
	return localpart.n > 0;
}

/* With a server part it must be a good one; without, at least one byte follows the sigil. */
static bool is_opaque_id(struct str text, char sigil)
{
	return has_form(text, sigil) &&
		(str_find_byte(text, ':') == SIZE_MAX || has_valid_server(text));
}

bool room_id_parse(struct str text, struct room_id *out)
{
	if (!is_opaque_id(text, '!')) {
		return false;
	}
	out->s = text;
	return true;
}

static bool opaque_id_server(struct str id, struct server_name *out)
{
	if (str_find_byte(id, ':') == SIZE_MAX) {
		return false;
	}
	out->s = server_part(id);
	return true;
}

bool room_id_server(struct room_id id, struct server_name *out)
{
	return opaque_id_server(id.s, out);
}

bool event_id_parse(struct str text, struct event_id *out)
{
	if (!is_opaque_id(text, '$')) {
		return false;
	}
	out->s = text;
	return true;
}

bool event_id_server(struct event_id id, struct server_name *out)
{
	return opaque_id_server(id.s, out);
}

bool room_alias_parse(struct str text, struct room_alias *out)
{
	if (!has_form(text, '#') || !has_valid_server(text)) {
		return false;
	}
	out->s = text;
	return true;
}

struct str room_alias_localpart(struct room_alias alias)
{
	return local_part(alias.s);
}

struct server_name room_alias_server(struct room_alias alias)
{
	return (struct server_name){server_part(alias.s)};
}

/* --- keys and media ---------------------------------------------------------------------------- */

bool key_id_parse(struct str text, struct str *out_algorithm, struct str *out_version)
{
	struct str algorithm;
	struct str version;
	if (text.n > ID_MAX_BYTES || !str_split(text, ':', &algorithm, &version) || algorithm.n == 0 ||
		version.n == 0 || !is_made_of(algorithm, STR("_")) || !is_made_of(version, STR("_"))) {
		return false;
	}
	*out_algorithm = algorithm;
	*out_version = version;
	return true;
}

bool media_id_is_valid(struct str media_id)
{
	return media_id.n > 0 && media_id.n <= ID_MAX_BYTES && is_made_of(media_id, STR("_-"));
}

bool mxc_parse(struct str text, struct server_name *out_server, struct str *out_media_id)
{
	static const struct str scheme = STR_INIT("mxc://");
	struct str server;
	struct str media_id;
	struct server_name name;
	if (!str_starts_with(text, scheme) ||
		!str_split(str_slice(text, scheme.n, text.n), '/', &server, &media_id) ||
		!media_id_is_valid(media_id) || !server_name_parse(server, &name)) {
		return false;
	}
	*out_server = name;
	*out_media_id = media_id;
	return true;
}
