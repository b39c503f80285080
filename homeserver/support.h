/**
 * Whom users of this server may ask. Pure.
 * Spec: client-server API, "Getting homeserver contacts and support details" (well-known support)
 */
#ifndef BELFRY_HOMESERVER_SUPPORT_H
#define BELFRY_HOMESERVER_SUPPORT_H

#include "base/json_out.h"
#include "base/str.h"
#include "homeserver/account_settings.h"

struct support_contact {
	struct str role;
	struct str matrix_id; /**< p == NULL: none; at least one of the two is there */
	struct str email;     /**< p == NULL: none */
};

/** Reads "m.role.admin @admin:school.example office@school.example". @return false when it is not that */
MUST_CHECK bool support_contact_parse(struct str text, struct support_contact *out);

/** The members `contacts` and `support_page`, those of them that there are. */
void support_write(struct json_out *out, const struct account_settings *settings);

#endif
