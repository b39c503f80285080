/**
 * With which servers a server federates, by policy and lists of patterns.
 */
#ifndef BELFRY_MATRIX_PARTNER_H
#define BELFRY_MATRIX_PARTNER_H

#include "matrix/id.h"

enum partner_policy {
	PARTNER_OPEN,   /**< with all but the refused */
	PARTNER_LISTED, /**< with partners that are not refused as well */
	PARTNER_CLOSED, /**< with nobody */
};

struct partner_rule {
	struct str
		pattern; /**< of the name with its port or without; `*` and `?`, without regard to case */
	bool is_allowed; /**< a partner; else refused */
};

/** "open", "partners", "closed". @return false when it is none of them */
MUST_CHECK bool partner_policy_parse(struct str text, enum partner_policy *out);
/** The same the other way round; static. */
struct str partner_policy_name(enum partner_policy policy);

/** Whether a text can match server names: 1 to 255 of their characters, `*` and `?`. */
MUST_CHECK bool partner_pattern_is_valid(struct str pattern);

/** Who is refused by one rule is refused whatever the others say. Cost: linear in the rules. */
bool partner_is_allowed(enum partner_policy policy, const struct partner_rule *rules, size_t count,
	struct server_name server);

#endif
