/**
 * Parameters of OAuth requests: of a query, or of a body in the same form.
 * Spec: RFC 6749, 3.1 and 3.2
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_OAUTH_OAUTH_PARAMS_H
#define BELFRY_HOMESERVER_ACCOUNT_OAUTH_OAUTH_PARAMS_H

#include "http/call.h"
#include "http/uri.h"

struct oauth_params {
	struct uri_pair *pairs;
	size_t count;
};

/** @return false when it is malformed, or has very many */
MUST_CHECK bool oauth_params_parse(struct arena *arena, struct str raw, struct oauth_params *out);

/**
 * Those of a body that is a form, none of them twice.
 * Errors: INPUT invalid_request
 */
MUST_CHECK enum err oauth_params_of_body(struct call *call, struct oauth_params *out);

/** A parameter; p == NULL when it is not there, or empty, which is the same. */
struct str oauth_param(const struct oauth_params *params, const char *name);

/** Whether a parameter stands there twice, empty or not; NULL: any. */
bool oauth_params_repeat(const struct oauth_params *params, const char *name);

#endif
