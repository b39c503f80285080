/*
 * What the domain keeps in memory for all users; what belongs to one active user is with that user (user/users.h).
 */
#include "homeserver/person/persons_inner.h"

#include "base/mem.h"
#include "homeserver/person/filter_cache.h"

struct persons *persons_create(void)
{
	struct persons *persons = mem_alloc(sizeof(*persons));
	persons->filters = filter_cache_create();
	return persons;
}

void persons_destroy(struct persons *persons)
{
	if (persons == NULL) {
		return;
	}
	cache_destroy(persons->filters);
	mem_free(persons);
}
