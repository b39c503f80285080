/**
 * Pushers: the face of the domain. Notifications to where users want them when no client of theirs is looking.
 *
 * A stream consumer (`pushers_consume`) finds who has to hear of what was committed, by their push rules, and stores it with its own
 * position; a thread of its own delivers what is stored, each pusher's in order, over the outgoing client. So nothing is
 * lost in a crash, and a gateway that does not answer holds up its own pushers only.
 * Spec: client-server API, "Push Notifications"; push gateway API
 */
#ifndef BELFRY_HOMESERVER_PUSHER_PUSHERS_H
#define BELFRY_HOMESERVER_PUSHER_PUSHERS_H

#include "homeserver/consumer.h"
#include "storage/pusher.h"

struct pushers;

/** One connection beside those of hs->db keeps the lease of the delivery. */
struct pushers *pushers_create(struct homeserver *hs);
/** Starts the delivery; the homeserver is whole. */
void pushers_start(struct pushers *pushers);
/** Before the outgoing client stops. What is not delivered stays stored. NULL does nothing. */
void pushers_stop(struct pushers *pushers);
/** After the outgoing client has stopped, which ends what is under way. NULL does nothing. */
void pushers_destroy(struct pushers *pushers);

/** Something was queued, here or at another process: the delivery looks at once. Any thread. */
void pushers_wake(struct pushers *pushers);

/** The consumer "pushers"; saves its position itself, begins at what is newest. */
consumer_run pushers_consume;

/* --- what users set ------------------------------------------------------------------------------ */

/**
 * Makes or changes a pusher; row->user_id, ->device_id, ->set_at_ms and ->unsubscribe_token are filled in. One of kind email stays when
 * the device that made it ends, and ends with the account's address.
 *
 * @param data        as the client gave it
 * @param may_append  pushers of other users with the same key stay
 * Errors: INPUT M_INVALID_PARAM, M_MISSING_PARAM, M_THREEPID_NOT_FOUND (kind email: not an address of the user); DENIED M_FORBIDDEN when there are too many; STORE
 */
MUST_CHECK enum err pusher_set(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct pusher_row *row, const struct json *data, bool may_append);
MUST_CHECK enum err pusher_delete(struct ctx *ctx, struct homeserver *hs,
	const struct principal *who, struct str app_id, struct str pushkey);
/** A user's, oldest first. Errors: STORE. */
MUST_CHECK enum err pusher_list(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct pusher_row **out, size_t *out_count);

/** Path of the link in mails that ends them. */
#define PUSHER_UNSUBSCRIBE_PATH "/_matrix/client/belfry/email/unsubscribe"
/** What a mail's link is about, for its page. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err pusher_unsubscribe_peek(struct ctx *ctx, struct homeserver *hs,
	int64_t pusher_nid, struct str token, struct str *out_address);
/** Ends the pusher whose mail has the token. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err pusher_unsubscribe(struct ctx *ctx, struct homeserver *hs, int64_t pusher_nid,
	struct str token);

#endif
