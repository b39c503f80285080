/**
 * What a commit of the writer changed, told to the other processes on the same database by NOTIFY: they keep some of it in memory.
 *
 * The text is made from the rows of a group, as `tells=` of their statements says (storage/sql/write.sql): "<newest position>
 * <positions> <writer>", then a line for each thing: its kind, and which. Too much of it for a notification becomes one line "*".
 */
#ifndef BELFRY_STORAGE_NEWS_H
#define BELFRY_STORAGE_NEWS_H

#include "base/arena.h"
#include "base/str.h"

enum { NEWS_MAX_BYTES = 7800 /**< PostgreSQL takes less than 8,000 */ };

enum news_kind {
	NEWS_EVERYTHING = '*',
	NEWS_ROOM = 'r',      /**< a room went on, or what holds in it changed */
	NEWS_REWRITTEN = 'w', /**< the same; and events that were there have another text or place */
	NEWS_RECEIPTS = 'c',  /**< of a room */
	NEWS_USER = 'u',      /**< memberships or account data of a local user */
	NEWS_OWN = 'o',       /**< something that only a user sees */
	NEWS_DEVICE = 'd',    /**< messages to devices of a user, or their keys */
	NEWS_KEYS = 'k',      /**< a user's device list */
};

struct news {
	enum news_kind kind;
	int64_t room_nid;   /**< of rooms and receipts */
	struct str user_id; /**< of the others */
};

/** What a process says. */
enum news_what {
	NEWS_GROUP, /**< it has committed: everything up to the position is known to it */
	NEWS_HEARD, /**< the same, without a commit of its own: "<position> heard <writer>" */
	NEWS_BYE,   /**< it ends: "<position> bye <writer>" */
};

struct news_group {
	enum news_what what;
	int64_t writer_id;
	int64_t position;  /**< newest */
	int64_t positions; /**< so many, up to that one */
	struct news *list;
	size_t count;
};

/** What a text says; views it. @return false when it is none of ours */
MUST_CHECK bool news_read(struct arena *arena, struct str text, struct news_group *out);

#endif
