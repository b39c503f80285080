/**
 * Inside of the service: what the files of this folder share. Others use persons.h.
 */
#ifndef BELFRY_HOMESERVER_PERSON_PERSONS_INNER_H
#define BELFRY_HOMESERVER_PERSON_PERSONS_INNER_H

#include "base/cache.h"
#include "homeserver/person/persons.h"

struct persons {
	struct cache *filters; /**< filter_cache.h */
};

#endif
