/**
 * What an application service is registered with: its registration file. Pure.
 * Spec: application-service API, "Registration"
 */
#ifndef BELFRY_APPSERVICES_REGISTRATION_H
#define BELFRY_APPSERVICES_REGISTRATION_H

#include "base/ctx.h"
#include "base/json.h"
#include "matrix/id.h"

struct regex;

enum {
	REGISTRATION_MAX_BYTES = 1 << 20, /**< of a file */
	REGISTRATION_MAX_RULES = 500,     /**< of each kind of namespace */
	REGISTRATION_MAX_PROTOCOLS = 100,
	REGISTRATION_MAX_TEXT_BYTES = 1024, /**< of an id, a token, an address */
};

/** A part of a namespace: what an expression stands for, from the start of an identifier. */
struct namespace_rule {
	struct str pattern;
	const struct regex *regex;
	bool is_exclusive;
};

struct namespace_rules {
	const struct namespace_rule *items;
	size_t count;
};

/** Checked: ids and addresses are such, expressions are compiled. All of it lies in one arena. */
struct registration {
	struct str id;
	struct str url;      /**< without a slash at the end; p == NULL: nothing is sent to it */
	struct str as_token; /**< by which it asks us; p == NULL when it was read from the database */
	struct str hs_token; /**< by which we ask it; p == NULL when it was read from the database */
	struct str sender_localpart;
	bool receives_ephemeral; /**< also by its name before it was specified */
	bool
		receives_devices; /**< device lists and counts of one-time keys (MSC3202), for encrypting bridges */
	bool is_rate_limited; /**< whether its users are; the sender never is */
	struct namespace_rules users, aliases, rooms;
	const struct str *protocols;
	size_t protocol_count;
	struct json all; /**< as it was written, unknown keys included */
};

/**
 * Reads a registration file.
 *
 * @param name  of the file, for messages
 * @param out   in the ctx's arena
 * Errors: INPUT, text "NAME:LINE: what is wrong and what to write instead"
 */
MUST_CHECK enum err registration_parse(struct ctx *ctx, struct str yaml, const char *name,
	struct registration *out);

/** All of it but the tokens, as canonical JSON, in the arena. */
struct str registration_to_json(struct arena *arena, const struct registration *registration);

/** The reverse; the tokens are not in it. In the ctx's arena; `json` may go. Errors: INPUT */
MUST_CHECK enum err registration_from_json(struct ctx *ctx, struct str json,
	struct registration *out);

/** Whether an identifier is in the namespace, or in an exclusive part of it. Cost: linear in the rules. */
bool namespace_has(const struct namespace_rules *rules, struct str id);
bool namespace_has_exclusively(const struct namespace_rules *rules, struct str id);

/** The localpart of a user of an application service: printable ASCII without a colon. */
bool appservice_localpart_is_valid(struct str localpart);

#endif
