/*
 * Identifiers of log-ins. What cannot name a user of this server is no error: the caller answers as to a wrong
 * password, so that nothing is told about who is here.
 */
#include "homeserver/account/identifier.h"

#include "matrix/errcode.h"

/* --- names ------------------------------------------------------------------------------------------- */

struct str local_user_id(struct arena *arena, struct str name, struct server_name server)
{
	struct str localpart = name;
	if (str_starts_with(name, STR("@"))) {
		struct user_id id;
		if (!user_id_parse(name, &id) || !server_name_equals(user_id_server(id), server)) {
			return (struct str){0};
		}
		localpart = user_id_localpart(id);
	}
	struct user_id id;
	struct str lower = str_lower(arena, localpart);
	struct str text = str_printf(arena, "@%.*s:%.*s", STR_ARG(lower), STR_ARG(server.s));
	bool is_possible = localpart.n > 0 && localpart.n < ID_MAX_BYTES &&
		str_find_byte(localpart, '\0') == SIZE_MAX && str_find_byte(localpart, ':') == SIZE_MAX &&
		user_id_parse(text, &id);
	return is_possible ? text : (struct str){0};
}

enum err new_user_id(struct ctx *ctx, struct str localpart, struct server_name server,
	struct str *out)
{
	struct str lower = str_lower(ctx->arena, localpart);
	if (!localpart_is_valid_for_new_user(lower)) {
		return fail(ctx, ERR_INPUT, M_INVALID_USERNAME,
			"A user name has letters a-z, digits and . _ = - / + only");
	}
	if (lower.n + server.s.n + 2 > ID_MAX_BYTES) {
		return fail(ctx, ERR_INPUT, M_INVALID_USERNAME, "The user name is too long");
	}
	*out = str_printf(ctx->arena, "@%.*s:%.*s", STR_ARG(lower), STR_ARG(server.s));
	return ERR_OK;
}

/* --- reading ------------------------------------------------------------------------------------------ */

static enum err need_str(struct ctx *ctx, const struct json *object, const char *key,
	struct str *out)
{
	const struct json *value = json_get(object, str_of(key));
	if (value == NULL) {
		return fail(ctx, ERR_INPUT, M_MISSING_PARAM, "'%s' is missing", key);
	}
	if (value->type != JSON_STRING) {
		return fail(ctx, ERR_INPUT, M_BAD_JSON, "'%s' must be a string", key);
	}
	*out = json_text(value);
	return ERR_OK;
}

static enum err read_third_party(struct ctx *ctx, const struct json *object, struct identifier *out)
{
	TRY(need_str(ctx, object, "medium", &out->medium));
	return need_str(ctx, object, "address", &out->address);
}

/* The form is checked; no telephone number belongs to anybody here. */
static enum err read_phone(struct ctx *ctx, const struct json *object)
{
	struct str country;
	struct str phone;
	TRY(need_str(ctx, object, "country", &country));
	bool is_old = json_at(object, "phone") == NULL && json_at(object, "number") != NULL;
	return need_str(ctx, object, is_old ? "number" : "phone", &phone);
}

static enum err read_user(struct ctx *ctx, const struct json *object, struct server_name server,
	struct identifier *out)
{
	struct str name;
	TRY(need_str(ctx, object, "user", &name));
	out->user_id = local_user_id(ctx->arena, name, server);
	return ERR_OK;
}

static enum err read_typed(struct ctx *ctx, const struct json *identifier,
	struct server_name server, struct identifier *out)
{
	if (json_at(identifier, "type") == NULL && json_at(identifier, "medium") != NULL) {
		return read_third_party(ctx, identifier, out); /* as in the specification's example */
	}
	struct str type;
	TRY(need_str(ctx, identifier, "type", &type));
	if (str_equals(type, STR("m.id.user"))) {
		return read_user(ctx, identifier, server, out);
	}
	if (str_equals(type, STR("m.id.thirdparty"))) {
		return read_third_party(ctx, identifier, out);
	}
	if (str_equals(type, STR("m.id.phone"))) {
		return read_phone(ctx, identifier);
	}
	return fail(ctx, ERR_INPUT, M_UNKNOWN, "This type of identifier is not known");
}

enum err identifier_read(struct ctx *ctx, const struct json *body, struct server_name server,
	struct identifier *out)
{
	*out = (struct identifier){0};
	const struct json *identifier = json_at(body, "identifier");
	if (json_is(identifier, JSON_OBJECT)) {
		return read_typed(ctx, identifier, server, out);
	}
	if (identifier != NULL && identifier->type != JSON_NULL) {
		return fail(ctx, ERR_INPUT, M_BAD_JSON, "'identifier' must be an object");
	}
	if (json_at(body, "user") != NULL) {
		return read_user(ctx, body, server, out);
	}
	if (json_at(body, "medium") != NULL || json_at(body, "address") != NULL) {
		return read_third_party(ctx, body, out);
	}
	return fail(ctx, ERR_INPUT, M_MISSING_PARAM, "'identifier' is missing");
}
