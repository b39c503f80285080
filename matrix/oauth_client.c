/*
 * Metadata of OAuth clients. A client proves who it is by the redirect address alone, so those are compared byte by byte with what
 * was registered; the one thing left open is the port of a loopback address, which a program cannot know beforehand.
 */
#include "matrix/oauth_client.h"

#include "base/b64.h"
#include "base/crypto.h"
#include "base/utf8.h"

enum { CLIENT_ID_HASH_BYTES = 16 };

/* --- addresses ------------------------------------------------------------------------------------------- */

struct parts {
	struct str scheme;
	bool has_authority;
	bool has_user;
	struct str host; /* of IPv6 with its brackets */
	bool has_port;   /* a colon; the port may be empty */
	struct str port;
	struct str behind; /* path, query and fragment */
};

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_any_of(char c, const char *set)
{
	return str_find_byte(str_of(set), c) != SIZE_MAX;
}

/* RFC 3986, 3.1 */
static bool is_scheme(struct str s)
{
	bool is_good = s.n > 0 && is_letter(s.p[0]);
	for (size_t i = 0; i < s.n; i++) {
		is_good = is_good && (is_letter(s.p[i]) || is_digit(s.p[i]) || is_any_of(s.p[i], "+-."));
	}
	return is_good;
}

/* RFC 3986, 2: what is not of this list is written with escapes. */
static bool has_uri_characters_only(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!is_letter(s.p[i]) && !is_digit(s.p[i]) &&
			!is_any_of(s.p[i], "-._~:/?#[]@!$&'()*+,;=%")) {
			return false;
		}
	}
	return true;
}

static size_t authority_length(struct str s)
{
	size_t n = 0;
	while (n < s.n && !is_any_of(s.p[n], "/?#")) {
		n++;
	}
	return n;
}

static void split_authority(struct str authority, struct parts *out)
{
	size_t at = str_find_last_byte(authority, '@');
	out->has_user = at != SIZE_MAX;
	struct str place = out->has_user ? str_slice(authority, at + 1, authority.n) : authority;
	size_t bracket = str_find_last_byte(place, ']');
	size_t colon = str_find_last_byte(place, ':');
	out->has_port = colon != SIZE_MAX && (bracket == SIZE_MAX || colon > bracket);
	out->host = out->has_port ? str_slice(place, 0, colon) : place;
	out->port = out->has_port ? str_slice(place, colon + 1, place.n) : (struct str){0};
}

static bool split(struct str uri, struct parts *out)
{
	*out = (struct parts){0};
	struct str rest;
	if (uri.n > OAUTH_URL_MAX_BYTES || !has_uri_characters_only(uri) ||
		!str_split(uri, ':', &out->scheme, &rest) || !is_scheme(out->scheme)) {
		return false;
	}
	out->has_authority = str_starts_with(rest, STR("//"));
	if (out->has_authority) {
		rest = str_slice(rest, 2, rest.n);
		size_t length = authority_length(rest);
		split_authority(str_slice(rest, 0, length), out);
		rest = str_slice(rest, length, rest.n);
	}
	out->behind = rest;
	return true;
}

static bool is_label(struct str label)
{
	bool is_good = label.n > 0;
	for (size_t i = 0; i < label.n; i++) {
		is_good = is_good && (is_letter(label.p[i]) || is_digit(label.p[i]) || label.p[i] == '-');
	}
	return is_good;
}

/* A name of two labels at the least, so that no whole top-level domain is one client's. */
static bool is_domain(struct str host)
{
	struct str label;
	size_t labels = 1;
	while (str_split(host, '.', &label, &host)) {
		if (!is_label(label)) {
			return false;
		}
		labels++;
	}
	return labels > 1 && is_label(label);
}

static bool is_port(const struct parts *parts)
{
	int64_t port;
	return !parts->has_port || str_to_int(parts->port, 1, 65535, &port);
}

/* A web page: https, a host, no user. */
static bool is_web(const struct parts *parts)
{
	return str_equals_nocase(parts->scheme, STR("https")) && parts->has_authority &&
		!parts->has_user && is_domain(parts->host) && is_port(parts);
}

/* Whether the host is the client's or below it. */
static bool is_of_host(struct str host, struct str client_host)
{
	if (host.n <= client_host.n) {
		return str_equals_nocase(host, client_host);
	}
	struct str end = str_slice(host, host.n - client_host.n, host.n);
	return str_equals_nocase(end, client_host) && host.p[host.n - client_host.n - 1] == '.';
}

/* Whether the scheme's labels begin with the host's, from the last to the first. */
static bool is_scheme_of_host(struct str scheme, struct str client_host)
{
	while (client_host.n > 0) {
		size_t dot = str_find_last_byte(client_host, '.');
		struct str label =
			dot == SIZE_MAX ? client_host : str_slice(client_host, dot + 1, client_host.n);
		client_host = dot == SIZE_MAX ? STR("") : str_slice(client_host, 0, dot);
		struct str own;
		(void)str_split(scheme, '.', &own, &scheme);
		if (!str_equals_nocase(own, label)) {
			return false;
		}
	}
	return true;
}

static bool is_loopback(const struct parts *parts)
{
	return str_equals_nocase(parts->scheme, STR("http")) && parts->has_authority &&
		!parts->has_user &&
		(str_equals_nocase(parts->host, STR("localhost")) ||
			str_equals(parts->host, STR("127.0.0.1")) || str_equals(parts->host, STR("[::1]")));
}

/* Spec: client-server API, "Redirect URI validation" */
static bool is_redirect(struct str uri, struct str client_host, bool is_native)
{
	struct parts parts;
	if (!split(uri, &parts) || str_find_byte(uri, '#') != SIZE_MAX) {
		return false;
	}
	if (is_web(&parts)) {
		return is_of_host(parts.host, client_host);
	}
	if (!is_native) {
		return false;
	}
	return is_loopback(&parts)
		? !parts.has_port
		: !parts.has_authority && is_scheme_of_host(parts.scheme, client_host);
}

bool oauth_redirect_is_local(struct str uri)
{
	struct parts parts;
	return !split(uri, &parts) || !is_web(&parts);
}

/* The address without its port; in the arena. */
static struct str without_port(struct arena *arena, const struct parts *parts)
{
	return str_printf(arena, "%.*s://%.*s%.*s", STR_ARG(parts->scheme), STR_ARG(parts->host),
		STR_ARG(parts->behind));
}

bool oauth_client_has_redirect(struct arena *arena, const struct oauth_client *client,
	struct str uri)
{
	struct parts parts;
	if (!split(uri, &parts)) {
		return false;
	}
	if (is_loopback(&parts) && parts.has_port && is_port(&parts)) {
		uri = without_port(arena, &parts);
	}
	for (size_t i = 0; client->redirect_uris != NULL && i < client->redirect_uris->count; i++) {
		if (str_equals(json_text(&client->redirect_uris->items[i]), uri)) {
			return true;
		}
	}
	return false;
}

struct str oauth_redirect_with(struct arena *arena, struct str uri, bool in_fragment,
	struct str parameters)
{
	bool has_query = str_find_byte(uri, '?') != SIZE_MAX;
	const char *join = in_fragment ? "#" : has_query ? "&" : "?";
	return str_printf(arena, "%.*s%s%.*s", STR_ARG(uri), join, STR_ARG(parameters));
}

/* --- metadata ---------------------------------------------------------------------------------------------- */

static const struct str grant_type_names[] = {
	[OAUTH_GRANT_CODE] = STR_INIT("authorization_code"),
	[OAUTH_GRANT_REFRESH] = STR_INIT("refresh_token"),
	[OAUTH_GRANT_DEVICE] = STR_INIT("urn:ietf:params:oauth:grant-type:device_code"),
};

bool oauth_grant_type_parse(struct str name, enum oauth_grant_type *out)
{
	for (size_t i = OAUTH_GRANT_CODE; i < COUNT_OF(grant_type_names); i *= 2) {
		if (str_equals(name, grant_type_names[i])) {
			*out = (enum oauth_grant_type)i;
			return true;
		}
	}
	return false;
}

/* What is looked at and what comes of it. */
struct reading {
	struct arena *arena;
	const struct json *given;
	struct json *kept;
	struct oauth_metadata_error *error;
	struct str client_host;
	bool is_native;
	unsigned grant_types;
};

static bool refuse(struct reading *reading, const char *text)
{
	*reading->error = (struct oauth_metadata_error){.text = text};
	return false;
}

static bool refuse_redirect(struct reading *reading, const char *text)
{
	*reading->error = (struct oauth_metadata_error){.is_redirect = true, .text = text};
	return false;
}

static void keep(struct reading *reading, struct str key, struct json value)
{
	*reading->kept = json_with(reading->arena, reading->kept, key, value);
}

static bool read_client_uri(struct reading *reading)
{
	struct str uri = json_get_str(reading->given, STR("client_uri"));
	struct parts parts;
	if (!split(uri, &parts) || !is_web(&parts)) {
		return refuse(reading, "'client_uri' must be an https address without a user");
	}
	reading->client_host = parts.host;
	keep(reading, STR("client_uri"), json_string(uri));
	return true;
}

/* No control characters, and none that turn the direction of what stands around the name. */
static bool is_name(struct str name)
{
	if (name.n == 0 || name.n > OAUTH_NAME_MAX_BYTES) {
		return false;
	}
	for (size_t at = 0; at < name.n;) {
		uint32_t c = utf8_next(name, &at);
		if (c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200E && c <= 0x200F) ||
			(c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069)) {
			return false;
		}
	}
	return true;
}

static bool is_page(const struct reading *reading, struct str uri)
{
	struct parts parts;
	return split(uri, &parts) && is_web(&parts) && is_of_host(parts.host, reading->client_host);
}

/* Languages of our pages, in which texts of clients are kept beside the one without a language. */
static const struct str languages[] = {
	STR_INIT(""),
	STR_INIT("#zh-Hant"),
	STR_INIT("#zh-TW"),
	STR_INIT("#zh"),
	STR_INIT("#en"),
};

/* A text for people in the languages that we keep. */
static bool read_texts(struct reading *reading, const char *name)
{
	bool is_address = !str_equals(str_of(name), STR("client_name"));
	for (size_t i = 0; i < COUNT_OF(languages); i++) {
		struct str key = str_printf(reading->arena, "%s%.*s", name, STR_ARG(languages[i]));
		const struct json *value = json_get(reading->given, key);
		if (value == NULL) {
			continue;
		}
		if (!json_is(value, JSON_STRING) ||
			!(is_address ? is_page(reading, json_text(value)) : is_name(json_text(value)))) {
			return refuse(reading,
				is_address ? "'policy_uri' and 'tos_uri' must be https addresses of the host of "
							 "'client_uri' or below it"
						   : "'client_name' must be a short text");
		}
		keep(reading, key, json_string(json_text(value)));
	}
	return true;
}

static bool read_type(struct reading *reading)
{
	const struct json *value = json_at(reading->given, "application_type");
	struct str type = value != NULL ? json_text(value) : STR("web");
	reading->is_native = str_equals(type, STR("native"));
	if (!reading->is_native && !str_equals(type, STR("web"))) {
		return refuse(reading, "'application_type' must be 'web' or 'native'");
	}
	keep(reading, STR("application_type"), json_string(type));
	const struct json *method = json_at(reading->given, "token_endpoint_auth_method");
	if (method != NULL && !str_equals(json_text(method), STR("none"))) {
		return refuse(reading,
			"'token_endpoint_auth_method' must be 'none': clients here have no secret");
	}
	keep(reading, STR("token_endpoint_auth_method"), json_string(STR("none")));
	return true;
}

static bool read_grant_types(struct reading *reading)
{
	const struct json *given = json_at(reading->given, "grant_types");
	if (given != NULL && !json_is(given, JSON_ARRAY)) {
		return refuse(reading, "'grant_types' must be an array");
	}
	reading->grant_types = given == NULL ? OAUTH_GRANT_CODE : 0; /* RFC 7591, 2 */
	for (size_t i = 0; given != NULL && i < given->count; i++) {
		enum oauth_grant_type type;
		if (oauth_grant_type_parse(json_text(&given->items[i]), &type)) {
			reading->grant_types |= type;
		}
	}
	if ((reading->grant_types & (OAUTH_GRANT_CODE | OAUTH_GRANT_DEVICE)) == 0) {
		return refuse(reading, "'grant_types' has none by which a client could log in here");
	}
	struct json *items = arena_alloc(reading->arena, 3 * sizeof(*items));
	size_t count = 0;
	for (unsigned type = OAUTH_GRANT_CODE; type <= OAUTH_GRANT_DEVICE; type *= 2) {
		if ((reading->grant_types & type) != 0) {
			items[count++] = json_string(grant_type_names[type]);
		}
	}
	keep(reading, STR("grant_types"), json_array_of(items, count));
	return true;
}

static bool has_item(const struct json *array, struct str text)
{
	for (size_t i = 0; i < array->count; i++) {
		if (str_equals(json_text(&array->items[i]), text)) {
			return true;
		}
	}
	return false;
}

static bool read_response_types(struct reading *reading)
{
	const struct json *given = json_at(reading->given, "response_types");
	bool has_code = given == NULL || (json_is(given, JSON_ARRAY) && has_item(given, STR("code")));
	if ((reading->grant_types & OAUTH_GRANT_CODE) == 0) {
		return true;
	}
	if (!has_code) {
		return refuse(reading, "'response_types' must have 'code'");
	}
	struct json *item = ARENA_NEW(reading->arena, struct json);
	*item = json_string(STR("code"));
	keep(reading, STR("response_types"), json_array_of(item, 1));
	return true;
}

static bool read_redirects(struct reading *reading)
{
	const struct json *given = json_at(reading->given, "redirect_uris");
	if (given != NULL && given->type != JSON_ARRAY) {
		return refuse_redirect(reading, "'redirect_uris' must be an array");
	}
	size_t count = given != NULL ? given->count : 0;
	if (count == 0) {
		return (reading->grant_types & OAUTH_GRANT_CODE) == 0 ||
			refuse_redirect(reading, "'redirect_uris' must have an address");
	}
	if (count > OAUTH_REDIRECTS_MAX) {
		return refuse_redirect(reading, "'redirect_uris' has too many addresses");
	}
	struct json *items = arena_alloc(reading->arena, count * sizeof(*items));
	for (size_t i = 0; i < count; i++) {
		struct str uri = json_text(&given->items[i]);
		if (!is_redirect(uri, reading->client_host, reading->is_native)) {
			return refuse_redirect(reading,
				"'redirect_uris' has an address that this kind of client may not use with its "
				"'client_uri'");
		}
		items[i] = json_string(uri);
	}
	keep(reading, STR("redirect_uris"), json_array_of(items, count));
	return true;
}

bool oauth_metadata_check(struct arena *arena, const struct json *given, struct json *out,
	struct oauth_metadata_error *out_error)
{
	struct json kept = json_object(arena, 24);
	struct reading reading = {.arena = arena, .given = given, .kept = &kept, .error = out_error};
	bool is_good = read_client_uri(&reading) && read_texts(&reading, "client_name") &&
		read_texts(&reading, "policy_uri") && read_texts(&reading, "tos_uri") &&
		read_type(&reading) && read_grant_types(&reading) && read_response_types(&reading) &&
		read_redirects(&reading);
	if (is_good) {
		*out = kept;
	}
	return is_good;
}

struct str oauth_client_id(struct arena *arena, struct str kept)
{
	unsigned char hash[SHA256_BYTES];
	crypto_sha256(kept, hash);
	return b64_encode_url(arena, str_from((const char *)hash, CLIENT_ID_HASH_BYTES));
}

/* --- what was kept -------------------------------------------------------------------------------------------- */

static void read_localized(struct arena *arena, const struct json *kept, const char *name,
	struct str *out, struct str *out_zh)
{
	struct str texts[COUNT_OF(languages)];
	for (size_t i = 0; i < COUNT_OF(languages); i++) {
		texts[i] = json_get_str(kept, str_printf(arena, "%s%.*s", name, STR_ARG(languages[i])));
	}
	struct str zh = texts[1].p != NULL ? texts[1] : texts[2].p != NULL ? texts[2] : texts[3];
	struct str other = texts[4].p != NULL ? texts[4] : texts[0];
	*out = other.p != NULL ? other : zh;
	*out_zh = zh.p != NULL ? zh : texts[0];
}

bool oauth_client_read(struct arena *arena, struct str id, struct str kept,
	struct oauth_client *out)
{
	struct json *metadata = ARENA_NEW(arena, struct json);
	if (json_parse(arena, kept, NULL, metadata, NULL) != JSON_OK || metadata->type != JSON_OBJECT) {
		return false;
	}
	*out = (struct oauth_client){
		.id = id,
		.uri = json_get_str(metadata, STR("client_uri")),
		.redirect_uris = json_at(metadata, "redirect_uris"),
		.is_native = str_equals(json_get_str(metadata, STR("application_type")), STR("native")),
	};
	read_localized(arena, metadata, "client_name", &out->name, &out->name_zh);
	read_localized(arena, metadata, "policy_uri", &out->policy_uri, &out->policy_uri_zh);
	read_localized(arena, metadata, "tos_uri", &out->tos_uri, &out->tos_uri_zh);
	const struct json *types = json_at(metadata, "grant_types");
	for (size_t i = 0; json_is(types, JSON_ARRAY) && i < types->count; i++) {
		enum oauth_grant_type type;
		if (oauth_grant_type_parse(json_text(&types->items[i]), &type)) {
			out->grant_types |= type;
		}
	}
	return true;
}
