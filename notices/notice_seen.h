/**
 * Who has seen a notice, in levels: per occurrence and person, as of now.
 *
 * Who counts are the people who are in the rooms of the occurrence now, joined or invited: who left needs it no more, who came
 * later finds it in the room. Senders of notices do not count. Who is in several of the rooms counts once, with what is most.
 */
#ifndef BELFRY_NOTICES_NOTICE_SEEN_H
#define BELFRY_NOTICES_NOTICE_SEEN_H

#include "base/buf.h"
#include "base/zone.h"
#include "storage/notice_seen.h"

/** Each is more than the one before. */
enum notice_level {
	NOTICE_UNKNOWN, /**< of another server, or behind a bridge: what devices have is not known here */
	NOTICE_WAITING,   /**< no device has it, or the invitation to the room waits */
	NOTICE_DELIVERED, /**< a device has synced it, as far as its next sync told */
	NOTICE_READ,      /**< a public receipt is there; private ones are nobody's business */
	NOTICE_CONFIRMED, /**< a reaction, or a signed link */
	NOTICE_LEVEL_COUNT
};

/** "unknown", "waiting", "delivered", "read", "confirmed"; static. */
struct str notice_level_name(enum notice_level level);
/** One of the last three, for asking who has not. @return false when it is none */
MUST_CHECK bool notice_level_parse(struct str word, enum notice_level *out);

struct notice_person {
	struct str user_id;
	struct str name;    /**< the user id when there is none */
	struct str room_id; /**< of the occurrence's rooms, where the level was reached */
	struct str
		room; /**< what people call it: name and canonical alias, or one of them, else the id */
	enum notice_level level;
	int64_t since_ms; /**< of what was read or confirmed; 0: not known */
	bool
		is_earlier; /**< the confirmation is of a text that was edited since; read and delivered are of the newest */
};

struct notice_seen {
	int64_t notice_id;
	int64_t due_at_ms;
	struct zone *clock; /**< the notice's */
	size_t occurrence;  /**< 1: the first that was sent */
	size_t occurrence_count;
	int64_t rooms_sent;            /**< that have it */
	int64_t rooms;                 /**< that were to have it */
	struct notice_person *persons; /**< by name */
	size_t count;
	size_t totals[NOTICE_LEVEL_COUNT];
};

/**
 * @param sender      whose notice it has to be; p == NULL: anybody's
 * @param occurrence  1: the first that was sent; 0: the newest
 * @param out         in the ctx's arena
 * Errors: MISSING M_NOT_FOUND (no such notice of the sender, or occurrence, or nothing was sent yet); STORE
 * Cost: three round trips; the last reads members, receipts and reactions of its rooms
 */
MUST_CHECK enum err notice_seen_list(struct ctx *ctx, struct db *db, int64_t notice_id,
	struct str sender, size_t occurrence, struct notice_seen *out);

/**
 * A table by RFC 4180, with a header line: name, user_id, room_id, level, since (of the notice's clock), text (current, earlier), room. A
 * value that a spreadsheet would take for a formula has a ' before it.
 *
 * @param below   only those who have not reached it; NOTICE_LEVEL_COUNT: all
 * @param is_bom  begins with U+FEFF, by which Excel knows UTF-8
 */
void notice_seen_csv(struct arena *arena, const struct notice_seen *seen, enum notice_level below,
	bool is_bom, struct buf *out);

/** A moment as a clock shows it: "2026-11-30 07:00"; "" for 0. In the arena. */
struct str notice_time_text(struct arena *arena, struct zone *clock, int64_t at_ms);

#endif
