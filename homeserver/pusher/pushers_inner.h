/**
 * Inside of the domain: delivery. Others use pushers.h.
 */
#ifndef BELFRY_HOMESERVER_PUSHER_PUSHERS_INNER_H
#define BELFRY_HOMESERVER_PUSHER_PUSHERS_INNER_H

#include "homeserver/pusher/pushers.h"
#include "homeserver/room/rooms.h"
#include "http/mail_text.h"

/**
 * The event of a notification, as far as the user may still hear of it: who is in the room or invited, does not ignore the sender, and
 * the event is neither redacted nor an invite that was accepted. What was read is the caller's to know.
 * @param out  NULL when there is nothing to show (any more)
 * Errors: STORE
 */
MUST_CHECK enum err push_find_event(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	int64_t room_nid, int64_t position, struct room **out_room, struct stored_event **out);

/** A room as a user may see it who is in it or invited. */
struct push_view {
	struct homeserver *hs;
	struct str user_id;
	struct room *room;
};
/**
 * A text in the content of the room's state. Of a room that this server is not in it is what the user's invite shows: what else is
 * known of such a room is of long ago.
 * @param out  p == NULL: there is none. Errors: STORE
 */
MUST_CHECK enum err push_state_text(struct ctx *ctx, const struct push_view *view, struct str type,
	struct str state_key, const char *field, struct str *out);

/** What is to be sent. */
struct push_notice {
	struct str url;
	struct str
		body; /**< for POST /_matrix/push/v1/notify; p == NULL: there is nothing to tell any more */
	int64_t badge; /**< the count in it; -1: none */
};
/**
 * Writes what waits as a notification: event, room, counts, device. What the user may not see any more, or
 * has read, is left out.
 * Errors: STORE     Cost: rooms of the user whose counts are not in memory, one or two round trips each.
 */
MUST_CHECK enum err push_notice_write(struct ctx *ctx, struct homeserver *hs,
	const struct push_due *due, struct push_notice *out);

/* --- push_mail.c --------------------------------------------------------------------------------- */

/** Whether this server sends mails of missed messages: it can send mails and knows its own address. */
bool push_mail_is_on(const struct homeserver *hs);
/** Whether an address is one that the user has proven. Errors: STORE. Cost: one round trip. */
MUST_CHECK enum err push_mail_check_owner(struct ctx *ctx, struct homeserver *hs,
	struct str address, struct str user_id, bool *out_owns);

enum push_mail_next {
	PUSH_MAIL_SEND,
	PUSH_MAIL_LATER,  /**< what waits has not been unread for long enough */
	PUSH_MAIL_NOTHING /**< everything was read, or may not be told any more */
};
struct push_mail {
	enum push_mail_next next;
	struct mail mail;
	int64_t position; /**< what waits up to here is dealt with by it, or by there being nothing */
	int64_t left_ms;  /**< PUSH_MAIL_LATER: so long */
	int64_t pause_ms; /**< none after it for so long, unless the user reads something */
};
/**
 * Decides what a pusher of kind email does now, and writes the mail: of each room the newest messages that are unread, without the
 * contents of encrypted ones.
 * Errors: STORE     Cost: two round trips, and what is not in memory of rooms and events.
 */
MUST_CHECK enum err push_mail_write(struct ctx *ctx, struct homeserver *hs,
	const struct push_due *due, struct push_mail *out);

/* --- push_mail_text.c: pure ---------------------------------------------------------------------- */

struct push_mail_line {
	struct str sender; /**< name as shown */
	struct str text;
};
struct push_mail_room {
	struct str name;
	struct push_mail_line *lines; /**< oldest first */
	size_t line_n;
	size_t unread; /**< messages, also those without a line */
};
struct push_mail_content {
	struct str server_name;
	struct push_mail_room *rooms;
	size_t room_n;
	size_t left_out; /**< rooms with unread messages that are not shown */
	size_t unread;   /**< messages in all */
	bool has_more;   /**< there are older ones that were not counted */
	struct str unsubscribe_url;
};
/** Subject, text and page of a mail, in Chinese and English; in the arena. */
void push_mail_text(struct arena *arena, const struct push_mail_content *content, struct mail *out);
/** What a mail says of an event: its text, or what kind of thing it is; in the arena, at most some hundred characters. */
struct str push_mail_line_text(struct arena *arena, const struct event *event);

#endif
