/**
 * Events that relate to others, summed up for their parents. What is written stands in storage/event.h.
 */
#ifndef BELFRY_STORAGE_RELATION_H
#define BELFRY_STORAGE_RELATION_H

#include "storage/db.h"

/** Whose relations are wanted. */
struct relation_parents {
	const struct str *event_ids; /**< these three: one of each for each parent */
	const struct str *senders;
	const struct str *types;
	size_t count;
	int64_t up_to;             /**< newest position that counts */
	struct str reader;         /**< for "participated" */
	const struct str *ignored; /**< users whose events do not count */
	size_t ignored_count;
};

/** One row: a thread as a whole, one reference, or one edit by the parent's sender. Texts are borrowed from the result. */
struct relation_row {
	struct str parent_id;
	struct str rel_type;
	int64_t position;    /**< of the relating event; of a thread's newest */
	struct str event_id; /**< of a reference */
	int64_t count;       /**< events of a thread */
	bool participated;   /**< the reader sent one of them */
};

/** What is bundled with some events of a room: references oldest first, up to five edits newest first. One round trip. */
MUST_CHECK enum err store_relations_bundled(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct relation_parents *parents, struct relation_row **out, size_t *out_count);

struct relation_kind_row {
	struct str parent_id;
	struct str rel_type;
	struct str sender;
};
/** Who relates how to some events. One round trip. */
MUST_CHECK enum err store_relations_kinds(struct ctx *ctx, struct db *db, int64_t room_nid,
	const struct str *event_ids, size_t count, struct relation_kind_row **out, size_t *out_count);

#endif
