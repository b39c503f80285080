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

/** Which of the events that relate to one are wanted. */
struct relation_query {
	int64_t room_nid;
	struct str parent_id;
	struct str rel_type; /**< p == NULL: any */
	struct str type;     /**< p == NULL: any */
	const struct str *ignored;
	size_t ignored_count;
	int64_t after; /**< after < position <= up_to */
	int64_t up_to;
	bool is_backwards; /**< newest first */
	int64_t levels;    /**< 1: only what relates to the event itself */
	int64_t limit;
};
/** Their positions, in the order asked for. One round trip; with more than one level it reads all descendants. */
MUST_CHECK enum err store_relations_page(struct ctx *ctx, struct db *db,
	const struct relation_query *query, int64_t **out, size_t *out_count);

/** Which threads of a room are wanted. */
struct thread_query {
	int64_t room_nid;
	int64_t latest_up_to;   /**< threads whose newest event is not after this position */
	int64_t up_to;          /**< events after this position do not count */
	struct str participant; /**< threads in which this user took part; p == NULL: all */
	const struct str *ignored;
	size_t ignored_count;
	int64_t limit;
};
struct thread_row {
	struct str root_id;
	int64_t latest; /**< position of the newest event */
};
/** Threads by their newest event, newest first. One round trip of two look-ups for each thread of the room. */
MUST_CHECK enum err store_threads_page(struct ctx *ctx, struct db *db,
	const struct thread_query *query, struct thread_row **out, size_t *out_count);

#endif
