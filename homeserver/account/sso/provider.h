/**
 * Identity providers as the configuration has them: a folder with a YAML file for each, whose name without ".yaml" is the
 * provider's id.
 *
 *     name: "School sign-in"
 *     issuer: "https://login.school.example"
 *     client_id: "belfry"
 *     client_secret: "…"
 *     localpart: "{preferred_username}"
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_SSO_PROVIDER_H
#define BELFRY_HOMESERVER_ACCOUNT_SSO_PROVIDER_H

#include "base/conf.h"
#include "base/ctx.h"
#include "base/json.h"

enum { PROVIDERS_MAX = 32 };

struct provider {
	struct str id;
	struct str name;  /**< for people */
	struct str brand; /**< for clients that know it; may be empty */
	struct str icon;  /**< mxc URI; may be empty */
	struct str issuer;
	struct str client_id;
	struct str client_secret; /**< empty: a public client */
	bool secret_in_body;      /**< client_secret_post instead of client_secret_basic */
	struct str scopes;        /**< separated by spaces */
	struct str localpart;     /**< templates: text with {claim} */
	struct str display_name;
	struct str email;
	bool
		links_existing; /**< whether a sign-in may take over an account of that name that is there already */
	bool makes_accounts;
};

/**
 * Reads the folder's files.
 * @param out  sorted by id; in the arena
 * Errors: INPUT (text names file, line and what is wrong); STORE
 */
MUST_CHECK enum err providers_read(struct ctx *ctx, struct str folder, struct provider **out,
	size_t *out_count);

/**
 * Fills a template with claims that are strings or integers.
 * @return in the arena; p == NULL when a claim that it names is missing
 */
struct str provider_template(struct arena *arena, struct str text, const struct json *claims);

/**
 * The localpart of a new user id from any text: ASCII letters in lower case, what may not stand there as "=xx".
 * @return in the arena; empty for an empty text
 * Spec: appendices, "Mapping from other character sets"
 */
struct str provider_localpart(struct arena *arena, struct str text);

#endif
