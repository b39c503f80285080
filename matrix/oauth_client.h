/**
 * OAuth clients: what they say about themselves when they register, and where browsers may be sent back to.
 * Spec: client-server API, "Client registration"; RFC 7591; RFC 8252, 7
 */
#ifndef BELFRY_MATRIX_OAUTH_CLIENT_H
#define BELFRY_MATRIX_OAUTH_CLIENT_H

#include "base/json.h"

enum {
	OAUTH_REDIRECTS_MAX = 20,
	OAUTH_URL_MAX_BYTES = 2048,
	OAUTH_NAME_MAX_BYTES = 256,
};

/** Ways to obtain tokens, as bits of a set. */
enum oauth_grant_type {
	OAUTH_GRANT_CODE = 1,
	OAUTH_GRANT_REFRESH = 2,
	OAUTH_GRANT_DEVICE = 4,
};
/** "authorization_code", … @return false for words that are none here */
MUST_CHECK bool oauth_grant_type_parse(struct str name, enum oauth_grant_type *out);

/** A client as it registered; texts with p == NULL were not given. Those of `_zh` are in Chinese, the others in any language. */
struct oauth_client {
	struct str id;
	struct str uri; /**< https; all its other addresses lie on its host or below */
	struct str name, name_zh;
	struct str policy_uri, policy_uri_zh;
	struct str tos_uri, tos_uri_zh;
	const struct json *redirect_uris; /**< array of strings; NULL: none */
	bool is_native;
	unsigned grant_types; /**< bits of enum oauth_grant_type */
};

/** Why metadata is refused. */
struct oauth_metadata_error {
	bool is_redirect; /**< invalid_redirect_uri; else invalid_client_metadata */
	const char *text; /**< one sentence; static */
};

/**
 * Checks metadata, and keeps what is understood of it with the defaults filled in.
 * @param out  an object; in the arena
 */
MUST_CHECK bool oauth_metadata_check(struct arena *arena, const struct json *given,
	struct json *out, struct oauth_metadata_error *out_error);

/** The id of a client with such metadata, which is the same for all that say the same; in the arena. */
struct str oauth_client_id(struct arena *arena, struct str kept);

/** Reads metadata that was kept. @param kept  borrowed by `out` @return false when it is none */
MUST_CHECK bool oauth_client_read(struct arena *arena, struct str id, struct str kept,
	struct oauth_client *out);

/** Whether a browser may be sent there: one of the registered addresses, of loopback ones with any port. */
bool oauth_client_has_redirect(struct arena *arena, const struct oauth_client *client,
	struct str uri);

/** Whether any program of a device could take what is sent there: a private scheme, or loopback. */
bool oauth_redirect_is_local(struct str uri);

/** The address with further parameters ("a=b&c=d") in its fragment or query; in the arena. */
struct str oauth_redirect_with(struct arena *arena, struct str uri, bool in_fragment,
	struct str parameters);

#endif
