/**
 * How many requests of one caller may be under way at once, in classes that have such a limit: what comes beyond it waits without
 * a thread, in order, and only what comes beyond that too is refused. Memory: what is under way and waits.
 */
#ifndef BELFRY_HTTP_AT_ONCE_H
#define BELFRY_HTTP_AT_ONCE_H

#include "http/park.h"
#include "http/rate.h"

struct at_once;
/** A caller's requests of a class that are under way. */
struct at_once_group;

/** Names a caller's group; never 0. */
uint64_t at_once_tag(enum route_rate rate, struct str key);

/** @param classes  RATE_CLASS_COUNT rows, copied */
struct at_once *at_once_create(const struct rate_class *classes);
/** Nothing is under way any more. NULL does nothing. */
void at_once_destroy(struct at_once *all);

/** Whether requests of the class have turns at all. */
bool at_once_has_limit(const struct at_once *all, enum route_rate rate);

enum at_once_turn {
	AT_ONCE_ENTERED, /**< it is under way */
	AT_ONCE_WAITS,   /**< its park is woken when it is its turn; it then enters anew */
	AT_ONCE_FULL,    /**< too many wait, or it had no park */
};

/**
 * Counts a request among those under way.
 *
 * @param has_waited  it was woken: it does not stand back behind those that wait
 * @param park        to be woken; a reference is taken. NULL: it does not wait
 * @param out         for at_once_leave(), when it entered
 * Threads: any.      Cost: one short lock.
 */
enum at_once_turn at_once_enter(struct at_once *all, enum route_rate rate, struct str key,
	bool has_waited, struct park *park, struct at_once_group **out);

/** The request has ended, its answer is sent: the next that waits is woken. */
void at_once_leave(struct at_once *all, struct at_once_group *group);

/** A request that has waited for its turn has ended without: if it was woken for it, the next is. */
void at_once_pass(struct at_once *all, uint64_t tag);

#endif
