/**
 * The rooms in a space: m.space.child.
 * Spec: client-server API, "Spaces", "Ordering of children within a space"
 */
#ifndef BELFRY_MATRIX_SPACE_CHILD_H
#define BELFRY_MATRIX_SPACE_CHILD_H

#include "base/json.h"
#include "matrix/id.h"

/** One child. Texts view what it was read from. */
struct space_child {
	struct str room_id;
	struct str order; /**< p == NULL: none, or not valid */
	int64_t origin_server_ts;
	bool is_suggested;
	const struct json *via; /**< array of server names */
	const struct json *content;
	struct str sender;
};

/**
 * Reads a child from its event's parts.
 * @return false when it is none (any more): no `via`, a state key that is no room id
 */
bool space_child_read(struct str state_key, struct str sender, int64_t origin_server_ts,
	const struct json *content, struct space_child *out);

/** Puts children in the order in which clients show them: by `order`, then by time, then by room id. */
void space_child_sort(struct space_child *children, size_t count);

#endif
