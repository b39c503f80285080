/**
 * What a commit of the writer changed, told to the other processes on the same database by NOTIFY: they keep some of it in memory.
 *
 * The text is made from the rows of a group, as `tells=` of their statements says (storage/sql/write.sql): "<newest position>
 * <positions> <writer>", then a line for each thing: its kind, and which. Too much of it for a notification becomes one line "*".
 *
 * What is in memory only is told by the same way (writer_tell()): "<newest serial> tell <writer> <number>", then the lines. Who has taken
 * in what others said says so: "<position> heard <writer> <serial>", then a line "a<writer> <number>" for each whose words it answers.
 */
#ifndef BELFRY_STORAGE_NEWS_H
#define BELFRY_STORAGE_NEWS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum {
	NEWS_MAX_BYTES = 7800,      /**< PostgreSQL takes less than 8,000 */
	NEWS_LINE_MAX_BYTES = 7000, /**< of what writer_tell() says at once */
};

enum news_kind {
	NEWS_EVERYTHING = '*',
	NEWS_MESSAGE =
		'm', /**< a room went on by events; unless it is told otherwise, by such that change no state */
	NEWS_ROOM = 'r',      /**< the state of a room, or what else holds in it, changed */
	NEWS_REWRITTEN = 'w', /**< the same; and events that were there have another text or place */
	NEWS_RECEIPTS = 'c',  /**< of a room */
	NEWS_USER = 'u',      /**< memberships or account data of a local user */
	NEWS_OWN = 'o',       /**< something that only a user sees */
	NEWS_DEVICE = 'd',    /**< messages to devices of a user, or their keys */
	NEWS_KEYS = 'k',      /**< a user's device list */
	/* Said by writer_tell() only: */
	NEWS_TYPING = 't',     /**< who types where (homeserver/typing) */
	NEWS_PRESENCE = 'p',   /**< what is known of who is there (homeserver/presence) */
	NEWS_SESSION = 's',    /**< sessions that ended or changed (homeserver/account) */
	NEWS_NONCE = 'n',      /**< a nonce that was used up (homeserver/account) */
	NEWS_MEDIA = 'f',      /**< a file that others may wait for has come (homeserver/media) */
	NEWS_PUSH = 'q',       /**< notifications were queued (homeserver/pusher) */
	NEWS_ERASED = 'x',     /**< a user whose events are hidden from now on (homeserver/erasure) */
	NEWS_FEDERATION = 'v', /**< about other servers (federation/processes) */
	NEWS_APPSERVICE = 'a', /**< about application services (appservices/as_queue) */
	NEWS_DELAYED = 'e',    /**< an event is to be sent later (homeserver/room/room_delayed) */
	NEWS_LOOK =
		'l', /**< a command has changed something: each looks at the database (app/housekeeper) */
};

/** A set of kinds, for who only has to know whether there was something of them. */
#define NEWS_BIT(kind) (UINT32_C(1) << ((kind) - 'a'))
#define NEWS_ALL UINT32_MAX
/** Whatever may change the timeline of a room. */
#define NEWS_EVENTS (NEWS_BIT(NEWS_MESSAGE) | NEWS_BIT(NEWS_ROOM) | NEWS_BIT(NEWS_REWRITTEN))

struct news {
	enum news_kind kind;
	int64_t room_nid;   /**< of rooms and receipts */
	struct str user_id; /**< of users and devices */
	struct str text;    /**< of what is said by writer_tell(), in the form of its domain */
};

/** What a process says. */
enum news_what {
	NEWS_GROUP, /**< it has committed: everything up to the position is known to it */
	NEWS_HEARD, /**< the same, without a commit of its own */
	NEWS_BYE,   /**< it ends: "<position> bye <writer>" */
	NEWS_TELL,  /**< it says what is in memory only */
};

/** What of somebody's words was heard. */
struct news_ack {
	int64_t writer_id;
	int64_t number;
};

struct news_group {
	enum news_what what;
	int64_t writer_id;
	int64_t position;  /**< newest; of NEWS_TELL: 0 */
	int64_t positions; /**< of NEWS_GROUP: so many, up to that one */
	int64_t
		serial; /**< of NEWS_TELL: of the last line, the others' are those before it; of NEWS_HEARD: the newest it knows */
	int64_t number; /**< of NEWS_TELL: counts what this writer says */
	struct news *list;
	size_t count;
	struct news_ack *acks; /**< of NEWS_HEARD */
	size_t ack_n;
};

/** The kinds of a group's news, as a set. Of one that tells nothing it is not known what it brought: NEWS_ALL. */
uint32_t news_kinds(const struct news *list, size_t count);

/** Adds a line of NEWS_TELL. @return false, and nothing is added, when the text would be too long for a notification */
MUST_CHECK bool news_add_line(struct buf *text, enum news_kind kind, struct str line);

/** What a text says; views it. @return false when it is none of ours */
MUST_CHECK bool news_read(struct arena *arena, struct str text, struct news_group *out);

#endif
