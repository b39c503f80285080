/**
 * What a sender says in a room. Everything that senders say goes through here: it is the one place that decides between clear and
 * encrypted (docs/notices.md, "Encrypted rooms").
 */
#ifndef BELFRY_NOTICES_NOTICE_SEND_H
#define BELFRY_NOTICES_NOTICE_SEND_H

#include "homeserver/room/rooms.h"

/** What a sender's device is called in the list of its sessions, which others see too. */
#define NOTICE_DEVICE_NAME STR("Notices · 公告")

/** One event, no state. */
struct notice_words {
	struct user_id sender; /**< whose device encrypts it, too */
	struct str room_id;
	struct str
		type; /**< m.room.message, m.reaction, m.room.redaction …; as it is inside when it is encrypted */
	const struct json *content; /**< with m.relates_to for edits, answers, and reactions */
	struct str redacts;         /**< event id; p == NULL unless m.room.redaction */
	struct str
		txn_key; /**< TRANSACTION_KEY_BYTES (notice_txn_key()); p == NULL: nothing protects from doubles */
	bool
		holds_clear_file; /**< its content names a file that anybody can read: for rooms in clear alone */
	struct str txn_id; /**< for unsigned.transaction_id; p == NULL: none */
};

/**
 * Says it. The sender enters the room first, where the room lets it: it is public, or has invited the sender. Where the room is
 * encrypted, so is the event, but for reactions and redactions, which everybody sends in clear; it never goes there in clear, also when
 * the room becomes encrypted at that moment: what is in clear is committed only while the room is. The same
 * transaction key again gives the event that was there first, whatever the content.
 *
 * Errors: DENIED M_FORBIDDEN and others (not let in, no power); INPUT M_BAD_STATE (encrypted by an algorithm that is not spoken here),
 * M_TOO_LARGE; MISSING M_NOT_FOUND (no such room; the sender's account has ended); TIMEOUT; STORE; SHUTDOWN; DEFER (ctx_may_ask). Their
 * texts are for people. CONFLICT M_BAD_STATE: the room has just become encrypted, and the words hold a file in clear.
 * Cost: one commit; in an encrypted room one round trip more, and what room_cipher_encrypt() says: other servers whose users' devices
 * are not known get some seconds. Not for threads that others wait for.
 */
MUST_CHECK enum err notice_say(struct ctx *ctx, struct homeserver *hs,
	const struct notice_words *words, struct str *out_event_id);

/**
 * The room, with the sender in it; for state (pins), which is never encrypted.
 * Errors: as room_join()
 */
MUST_CHECK enum err notice_enter_room(struct ctx *ctx, struct homeserver *hs, struct user_id sender,
	struct str room_id, struct room **out);

/** A transaction key out of words that name what is said, once ever, such as "answer $event". In the arena. Kept for a day. */
struct str notice_txn_key(struct arena *arena, struct str words);

#endif
