/**
 * Inside of the domain: rules in memory. Others use push.h.
 */
#ifndef BELFRY_HOMESERVER_PUSH_PUSH_INNER_H
#define BELFRY_HOMESERVER_PUSH_PUSH_INNER_H

#include "homeserver/push/push.h"

/** Parses what is stored; false when it is not what we write. `stored` lives as long as the ruleset. */
MUST_CHECK bool push_stored_parse(struct arena *arena, const struct push *push, struct user_id user,
	struct str stored, struct push_ruleset *out);

/** A user's rules, parsed; counted, immutable once loaded. */
struct push_entry;

/** From stored text (p == NULL: none), for push_entry_committed(); has one reference. */
struct push_entry *push_entry_create(const struct push *push, struct user_id user,
	struct str stored);
void push_entry_unref(void *entry);
/** Its rules are the user's now. From the commit callback. */
void push_entry_committed(struct push *push, struct push_entry *entry, int64_t position);

#endif
