/**
 * Users and aliases that there are not yet, and that an application service may make when somebody asks for them.
 *
 * The services in whose namespaces they are get asked, one after the other; one that says 200 has made it by then. One that
 * does not answer is asked some times more, in 20 seconds; whoever wanted it hears that then (408). What was in vain is not asked for again for
 * some seconds.
 * Spec: application-service API, "Querying"
 */
#ifndef BELFRY_APPSERVICES_AS_QUERY_H
#define BELFRY_APPSERVICES_AS_QUERY_H

#include "homeserver/homeserver.h"

struct as_query;

/** Fills hs->ports.query. */
struct as_query *as_query_create(struct homeserver *hs);
void as_query_destroy(struct as_query *query);

#endif
