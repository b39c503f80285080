/**
 * All route tables as one trie by path segment. A literal segment goes before a parameter; a request
 * is tried on every branch that fits, so `/a/{x}/c` is found beside `/a/b/d`.
 *
 * Templates: literals, `{name}` for one non-empty segment, `(r0|v3)` for each of the alternatives;
 * a slash at the end is a segment of its own. Where a table has both `/x` and `/x/{y}`, `/x/` means `/x`.
 */
#ifndef BELFRY_HTTP_ROUTER_H
#define BELFRY_HTTP_ROUTER_H

#include "http/route.h"
#include "http/uri.h"

struct router;

enum { ROUTER_MAX_PARAMS = 8 };

/** A route as registered. */
struct router_entry {
	const struct route *route;
	void *service;                             /**< of its table */
	struct route_stats *stats;                 /**< see observe.h */
	struct str param_names[ROUTER_MAX_PARAMS]; /**< in the order of the template */
	size_t param_count;
};

enum router_result {
	ROUTER_FOUND,
	ROUTER_NO_PATH,   /**< 404 */
	ROUTER_NO_METHOD, /**< 405: the path exists for other methods */
};

struct router_match {
	const struct router_entry *entry;
	struct str params[ROUTER_MAX_PARAMS]; /**< the path's own segments */
	char allow[64];                       /**< ROUTER_NO_METHOD: for the Allow header */
};

struct router *router_create(void);
void router_destroy(struct router *router);

/** Adds a table's rows; two rows for one method and path end the process (invariant). Rows are borrowed. */
void router_add_table(struct router *router, const struct route_table *table);

/**
 * Finds the row for a request. HEAD is answered by the row for GET.
 * @param out  `entry` and `params` are set for ROUTER_FOUND only
 *
 * Threads: any, once all tables are added.     Cost: O(segments × log(children)), no allocation.
 */
enum router_result router_match(const struct router *router, struct str method,
	const struct uri_path *path, struct router_match *out);

#endif
