/**
 * The index of searchable texts: one row for each event with a text, and for each edit of one.
 */
#ifndef BELFRY_STORAGE_SEARCH_H
#define BELFRY_STORAGE_SEARCH_H

#include "base/terms.h"
#include "storage/writer.h"

/** What of an event can be searched. Stored: never renumber. */
enum search_key {
	SEARCH_BODY = 1,  /**< content.body of m.room.message */
	SEARCH_NAME = 2,  /**< content.name of m.room.name */
	SEARCH_TOPIC = 3, /**< content.topic of m.room.topic */
};

/** A place in a room. */
struct search_place {
	int64_t room_nid;
	int64_t position;
};

/** One text. */
struct search_text {
	struct search_place place;
	int64_t target_position; /**< of the event that is found: of an edit, what it edits */
	enum search_key key;
	struct str sender;
	int64_t origin_server_ts;
	bool has_url;
	const struct term *terms;
	size_t term_count;
};

/** What a batch of events changes. */
struct search_change {
	const struct search_text *texts; /**< to be added, unless they are there */
	size_t text_count;
	const struct search_place *redacted; /**< their texts go, and those of their edits */
	size_t redacted_count;
	const int64_t *room_nids; /**< all texts of these rooms go */
	size_t room_count;
};
/** Applies a change; edits supersede what they edit. Two to five round trips. */
MUST_CHECK enum err store_search_change(struct ctx *ctx, struct tx *tx,
	const struct search_change *change);
/** The text of one event and those of its edits go with a write: it was redacted in the past, where no consumer looks. */
void store_search_forget(struct write *write, int64_t room_nid, int64_t position);
/** Forgets everything. A round trip for each 20,000 texts. */
MUST_CHECK enum err store_search_clear(struct ctx *ctx, struct db *db);
/** Those of some rooms that are encrypted, in no order. */
MUST_CHECK enum err store_search_encrypted(struct ctx *ctx, struct db *db, const int64_t *room_nids,
	size_t count, int64_t **out, size_t *out_count);

/** Something that decides what a user may see, see store_search_scope(). */
struct search_scope_row {
	int64_t room_nid;
	int64_t from_position;
	struct str
		membership;  /**< of the user, from there on; p == NULL: the row is about visibility */
	struct str json; /**< the m.room.history_visibility event; p == NULL: unknown */
};
/**
 * When a user was joined to rooms last, and left then, and all their history visibilities: by room, oldest first. That is enough where
 * members see all history. One round trip.
 */
MUST_CHECK enum err store_search_scope(struct ctx *ctx, struct db *db, const int64_t *room_nids,
	size_t count, struct str user_id, struct search_scope_row **out, size_t *out_count);
/** The newest memberships of a user in rooms, up to `limit` in each; in no order. One round trip. */
MUST_CHECK enum err store_search_memberships(struct ctx *ctx, struct db *db,
	const int64_t *room_nids, size_t count, struct str user_id, size_t limit,
	struct search_scope_row **out, size_t *out_count);

/** A part of a room's timeline: after < position <= up_to. An edit is in it by its own position, wherever what it edits lies. */
struct search_span {
	int64_t room_nid;
	int64_t after;
	int64_t up_to;
	int64_t horizon; /**< newest position of which the reader knows: edits behind it do not count */
};

struct search_ask {
	const struct term_match *matches; /**< at least one */
	size_t match_count;
	const struct search_span *spans;
	size_t span_count;
	const int64_t *keys; /**< enum search_key */
	size_t key_count;
	const struct str *senders; /**< NULL: any */
	size_t sender_count;
	const struct str *not_senders;
	size_t not_sender_count;
	int has_url; /**< 1: only with a url, 0: only without, -1: all */
	bool is_by_rank;
	int64_t now_ms; /**< for the rank */
	/** What was found last: what comes behind it is wanted. INT64_MAX: from the first on, and the matches are counted. */
	int64_t last_rank;
	int64_t last_position;
	int64_t limit;
};

struct search_hit {
	struct search_place place; /**< of the event that is found */
	int64_t text_position;     /**< of who has the text: the same, or its newest edit */
	int64_t rank;              /**< in millionths; 0 when not by rank */
};
/**
 * One round trip. It reads the newest of what matches, about 1,000 texts or as many as are wanted, and at most some thousand more, whatever the number of
 * matches in the rooms that are looked at; with more than four rooms, what matches in others is read as well.
 *
 * @param out_total  how many match: exact up to 1,000, behind that as many as these let expect; 0 when not counted
 */
MUST_CHECK enum err store_search(struct ctx *ctx, struct db *db, const struct search_ask *ask,
	struct search_hit **out, size_t *out_count, int64_t *out_total);

#endif
