/**
 * Filters that clients store.
 * Spec: client-server API, "Filtering"
 */
#ifndef BELFRY_HOMESERVER_PERSON_FILTERS_H
#define BELFRY_HOMESERVER_PERSON_FILTERS_H

#include "homeserver/person/persons.h"

/**
 * Checks and stores a definition; an equal one keeps its id.
 * Errors: INPUT M_BAD_JSON; STORE
 */
MUST_CHECK enum err filter_store(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct json *definition, struct str *out_filter_id);

#endif
