/*
 * One reader for files and for what is stored: both are trees of JSON, and only those of files know lines.
 */
#include "appservices/registration.h"

#include "base/regex.h"
#include "base/yaml_json.h"
#include "matrix/canonical.h"

enum { NAMESPACE_KINDS = 3, SHOWN_BYTES = 100, MAX_DEPTH = YAML_MAX_DEPTH + 1 };

struct reader {
	struct ctx *ctx;
	const char *name;               /* NULL: what is stored */
	const struct yaml_lines *lines; /* NULL: what is stored */
};

static enum err fail_at(const struct reader *reader, const struct json *at, const char *text)
{
	if (reader->name == NULL) {
		return fail(reader->ctx, ERR_INPUT, NULL, "%s", text);
	}
	return fail(reader->ctx, ERR_INPUT, NULL, "%s:%zu: %s", reader->name,
		yaml_line_of(reader->lines, at), text);
}

/* --- single values ------------------------------------------------------------------------------------------ */

/* NULL, or why a text cannot be one of a registration. */
static const char *problem_of_text(struct str text)
{
	if (text.n == 0) {
		return "is empty";
	}
	if (text.n > REGISTRATION_MAX_TEXT_BYTES) {
		return "is too long";
	}
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (c < ' ' || c == 0x7F) {
			return "has a control character in it";
		}
	}
	return NULL;
}

static enum err read_text(const struct reader *reader, const struct json *value, const char *key,
	struct str *out)
{
	struct arena *arena = reader->ctx->arena;
	if (!json_is(value, JSON_STRING)) {
		return fail_at(reader, value,
			arena_printf(arena, "%s must be a text; write it in quotes", key));
	}
	const char *problem = problem_of_text(json_text(value));
	if (problem != NULL) {
		return fail_at(reader, value, arena_printf(arena, "%s %s", key, problem));
	}
	*out = json_text(value);
	return ERR_OK;
}

static enum err required_text(const struct reader *reader, const struct json *object,
	const char *key, struct str *out)
{
	const struct json *value = json_get(object, str_of(key));
	if (value == NULL) {
		return fail_at(reader, object, arena_printf(reader->ctx->arena, "%s is missing", key));
	}
	return read_text(reader, value, key, out);
}

static enum err optional_bool(const struct reader *reader, const struct json *object,
	const char *key, bool otherwise, bool *out)
{
	const struct json *value = json_get(object, str_of(key));
	if (value != NULL && value->type != JSON_BOOL && value->type != JSON_NULL) {
		return fail_at(reader, value,
			arena_printf(reader->ctx->arena, "%s must be true or false", key));
	}
	*out = value != NULL && value->type == JSON_BOOL ? value->boolean : otherwise;
	return ERR_OK;
}

/* A token that fits in a header and in a query. */
static enum err read_token(const struct reader *reader, const struct json *object, const char *key,
	struct str *out)
{
	struct str token = {0};
	TRY(required_text(reader, object, key, &token));
	for (size_t i = 0; i < token.n; i++) {
		if (token.p[i] <= ' ' || (unsigned char)token.p[i] > '~') {
			return fail_at(reader, json_get(object, str_of(key)),
				arena_printf(reader->ctx->arena,
					"%s must consist of ASCII letters, digits and signs, without spaces", key));
		}
	}
	*out = token;
	return ERR_OK;
}

static enum err read_url(const struct reader *reader, const struct json *root, struct str *out)
{
	const struct json *value = json_at(root, "url");
	if (value == NULL) {
		return fail_at(reader, root,
			"url is missing; write null if nothing shall be sent to the service");
	}
	if (value->type == JSON_NULL || (value->type == JSON_STRING && json_text(value).n == 0)) {
		*out = (struct str){0};
		return ERR_OK;
	}
	struct str url = {0};
	TRY(read_text(reader, value, "url", &url));
	struct str rest = str_starts_with(url, STR("http://")) ? str_slice(url, 7, url.n)
		: str_starts_with(url, STR("https://"))            ? str_slice(url, 8, url.n)
														   : STR("");
	if (rest.n == 0 || rest.p[0] == '/' || str_find_byte(rest, '@') != SIZE_MAX ||
		str_find_byte(rest, '?') != SIZE_MAX || str_find_byte(rest, '#') != SIZE_MAX ||
		str_find_byte(rest, ' ') != SIZE_MAX) {
		return fail_at(reader, value,
			"url must be an address like http://127.0.0.1:29317, without user name, ? and #");
	}
	while (str_ends_with(url, STR("/"))) {
		url.n--;
	}
	*out = url;
	return ERR_OK;
}

bool appservice_localpart_is_valid(struct str localpart)
{
	for (size_t i = 0; i < localpart.n; i++) {
		if (localpart.p[i] <= ' ' || (unsigned char)localpart.p[i] > '~' || localpart.p[i] == ':') {
			return false;
		}
	}
	return localpart.n > 0;
}

static enum err read_sender(const struct reader *reader, const struct json *root, struct str *out)
{
	struct str localpart = {0};
	TRY(required_text(reader, root, "sender_localpart", &localpart));
	if (!appservice_localpart_is_valid(localpart)) {
		return fail_at(reader, json_at(root, "sender_localpart"),
			"sender_localpart is the part of a user id between @ and :, without either");
	}
	*out = localpart;
	return ERR_OK;
}

/* --- namespaces and protocols ----------------------------------------------------------------------------- */

static enum err read_rule(const struct reader *reader, const struct json *value,
	struct namespace_rule *out)
{
	struct arena *arena = reader->ctx->arena;
	if (value->type != JSON_OBJECT) {
		return fail_at(reader, value,
			"a namespace is written as \"- regex: '@_irc_.*'\" and, below it, \"exclusive: true\"");
	}
	TRY(required_text(reader, value, "regex", &out->pattern));
	if (json_at(value, "exclusive") == NULL) {
		return fail_at(reader, value, "exclusive is missing; write true or false");
	}
	TRY(optional_bool(reader, value, "exclusive", false, &out->is_exclusive));
	const char *problem = NULL;
	out->regex = regex_create(arena, out->pattern, &problem);
	if (out->regex == NULL) {
		struct str shown = str_slice(out->pattern, 0, SHOWN_BYTES);
		return fail_at(reader, json_at(value, "regex"),
			arena_printf(arena, "'%.*s' is no regular expression: %s", STR_ARG(shown), problem));
	}
	return ERR_OK;
}

/* A list that may be left out; *out is NULL then. */
static enum err optional_list(const struct reader *reader, const struct json *object,
	const char *key, size_t ceiling, const struct json **out)
{
	const struct json *list = json_get(object, str_of(key));
	*out = NULL;
	if (list == NULL || list->type == JSON_NULL) {
		return ERR_OK;
	}
	if (list->type != JSON_ARRAY || list->count > ceiling) {
		return fail_at(reader, list,
			arena_printf(reader->ctx->arena, "%s must be a list of at most %zu entries", key,
				ceiling));
	}
	*out = list;
	return ERR_OK;
}

static enum err read_rules(const struct reader *reader, const struct json *namespaces,
	const char *key, struct namespace_rules *out)
{
	const struct json *list;
	TRY(optional_list(reader, namespaces, key, REGISTRATION_MAX_RULES, &list));
	size_t count = list != NULL ? list->count : 0;
	struct namespace_rule *rules =
		ARENA_NEW_ARRAY(reader->ctx->arena, struct namespace_rule, count);
	for (size_t i = 0; i < count; i++) {
		TRY(read_rule(reader, &list->items[i], &rules[i]));
	}
	*out = (struct namespace_rules){.items = rules, .count = count};
	return ERR_OK;
}

static enum err read_namespaces(const struct reader *reader, const struct json *root,
	struct registration *out)
{
	const struct json *namespaces = json_at(root, "namespaces");
	if (!json_is(namespaces, JSON_OBJECT)) {
		return fail_at(reader, namespaces != NULL ? namespaces : root,
			"namespaces is missing; its lists users, aliases and rooms may be left out");
	}
	TRY(read_rules(reader, namespaces, "users", &out->users));
	TRY(read_rules(reader, namespaces, "aliases", &out->aliases));
	return read_rules(reader, namespaces, "rooms", &out->rooms);
}

static enum err read_protocols(const struct reader *reader, const struct json *root,
	struct registration *out)
{
	const struct json *list;
	TRY(optional_list(reader, root, "protocols", REGISTRATION_MAX_PROTOCOLS, &list));
	size_t count = list != NULL ? list->count : 0;
	struct str *protocols = ARENA_NEW_ARRAY(reader->ctx->arena, struct str, count);
	for (size_t i = 0; i < count; i++) {
		TRY(read_text(reader, &list->items[i], "a protocol", &protocols[i]));
	}
	out->protocols = protocols;
	out->protocol_count = count;
	return ERR_OK;
}

/* --- all of it --------------------------------------------------------------------------------------------- */

/* What was tried before it was specified, by the names that bridges still write. */
static enum err read_switches(const struct reader *reader, const struct json *root,
	struct registration *out)
{
	static const char *const ephemeral_names[] = {"receive_ephemeral", "push_ephemeral",
		"de.sorunome.msc2409.push_ephemeral"};
	static const char *const device_names[] = {"org.matrix.msc3202"};
	for (size_t i = 0; i < COUNT_OF(ephemeral_names); i++) {
		bool is_on;
		TRY(optional_bool(reader, root, ephemeral_names[i], false, &is_on));
		out->receives_ephemeral = out->receives_ephemeral || is_on;
	}
	TRY(optional_bool(reader, root, device_names[0], false, &out->receives_devices));
	return optional_bool(reader, root, "rate_limited", true, &out->is_rate_limited);
}

/* Without the tokens. */
static enum err read_root(const struct reader *reader, const struct json *root,
	struct registration *out)
{
	struct registration found = {.all = *root};
	if (root->type != JSON_OBJECT) {
		return fail_at(reader, root, "a registration consists of \"key: value\" lines");
	}
	TRY(required_text(reader, root, "id", &found.id));
	TRY(read_url(reader, root, &found.url));
	TRY(read_sender(reader, root, &found.sender_localpart));
	TRY(read_namespaces(reader, root, &found));
	TRY(read_protocols(reader, root, &found));
	TRY(read_switches(reader, root, &found));
	*out = found;
	return ERR_OK;
}

enum err registration_parse(struct ctx *ctx, struct str yaml, const char *name,
	struct registration *out)
{
	if (yaml.n > REGISTRATION_MAX_BYTES) {
		return fail(ctx, ERR_INPUT, NULL, "%s:1: larger than %d bytes", name,
			(int)REGISTRATION_MAX_BYTES);
	}
	const struct json *root;
	struct yaml_lines lines;
	TRY(yaml_json_read(ctx, yaml, name, &root, &lines));
	struct reader reader = {.ctx = ctx, .name = name, .lines = &lines};
	struct registration found;
	TRY(read_root(&reader, root, &found));
	TRY(read_token(&reader, root, "as_token", &found.as_token));
	TRY(read_token(&reader, root, "hs_token", &found.hs_token));
	if (str_equals(found.as_token, found.hs_token)) {
		return fail_at(&reader, json_at(root, "hs_token"),
			"hs_token must be another than as_token");
	}
	*out = found;
	return ERR_OK;
}

struct str registration_to_json(struct arena *arena, const struct registration *registration)
{
	struct json less = json_without(arena, &registration->all, STR("as_token"));
	less = json_without(arena, &less, STR("hs_token"));
	return canonical_text(arena, &less);
}

enum err registration_from_json(struct ctx *ctx, struct str json, struct registration *out)
{
	struct reader reader = {.ctx = ctx};
	struct json *root = ARENA_NEW(ctx->arena, struct json);
	if (json_parse(ctx->arena, str_dup(ctx->arena, json), NULL, root, NULL) != JSON_OK) {
		return fail(ctx, ERR_INPUT, NULL, "A stored registration is no JSON");
	}
	return read_root(&reader, root, out);
}

bool namespace_has(const struct namespace_rules *rules, struct str id)
{
	for (size_t i = 0; i < rules->count; i++) {
		if (regex_matches_start(rules->items[i].regex, id)) {
			return true;
		}
	}
	return false;
}

bool namespace_has_exclusively(const struct namespace_rules *rules, struct str id)
{
	for (size_t i = 0; i < rules->count; i++) {
		if (rules->items[i].is_exclusive && regex_matches_start(rules->items[i].regex, id)) {
			return true;
		}
	}
	return false;
}
