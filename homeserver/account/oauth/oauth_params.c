/*
 * Parameters. Those that are not known are ignored, those that come twice refused, as the standard says.
 */
#include "homeserver/account/oauth/oauth_params.h"

#include "homeserver/account/oauth/oauth.h"

enum { PARAMS_MAX = 50 };

bool oauth_params_parse(struct arena *arena, struct str raw, struct oauth_params *out)
{
	return uri_parse_query(arena, raw, &out->pairs, &out->count) && out->count <= PARAMS_MAX;
}

static bool is_form(struct call *call)
{
	struct str type;
	struct str parameters;
	(void)str_split(call_header(call, "Content-Type"), ';', &type, &parameters);
	return str_equals_nocase(str_trim(type), STR("application/x-www-form-urlencoded"));
}

enum err oauth_params_of_body(struct call *call, struct oauth_params *out)
{
	if (!is_form(call) || !oauth_params_parse(call->ctx.arena, call_body(call), out)) {
		return fail(&call->ctx, ERR_INPUT, OAUTH_INVALID_REQUEST,
			"The body must be application/x-www-form-urlencoded");
	}
	return oauth_params_repeat(out, NULL)
		? fail(&call->ctx, ERR_INPUT, OAUTH_INVALID_REQUEST, "A parameter stands there twice")
		: ERR_OK;
}

struct str oauth_param(const struct oauth_params *params, const char *name)
{
	for (size_t i = 0; i < params->count; i++) {
		if (str_equals(params->pairs[i].name, str_of(name)) && params->pairs[i].value.n > 0) {
			return params->pairs[i].value;
		}
	}
	return (struct str){0};
}

bool oauth_params_repeat(const struct oauth_params *params, const char *name)
{
	for (size_t i = 1; i < params->count; i++) {
		struct str own = params->pairs[i].name;
		if (name != NULL && !str_equals(own, str_of(name))) {
			continue;
		}
		for (size_t j = 0; j < i; j++) {
			if (str_equals(params->pairs[j].name, own)) {
				return true;
			}
		}
	}
	return false;
}
