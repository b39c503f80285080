/**
 * What application services are to be told: who is in which room, the queue of each service, and its transaction under way.
 */
#ifndef BELFRY_STORAGE_APPSERVICE_QUEUE_H
#define BELFRY_STORAGE_APPSERVICE_QUEUE_H

#include "storage/db.h"

/* --- the stream ------------------------------------------------------------------------------------------ */

/** An event, as far as it says who is interested. Texts here and below are borrowed from the result. */
struct appservice_event {
	int64_t position;
	int64_t room_nid;
	struct str room_id;
	struct str sender;      /**< empty: a membership in a room that this server is not in */
	struct str target;      /**< whose membership it is; p == NULL: of nobody */
	bool is_joined;         /**< the target, after it */
	bool was_joined;        /**< before it */
	bool is_resolved;       /**< others' memberships changed by it too */
	int64_t event_position; /**< where it is stored */
};
/**
 * Up to `limit` events with after < position <= up_to, in order, and besides them memberships in rooms that this server is not in. One round
 * trip.
 * @param out_reached  all that stands up to here is among them
 */
MUST_CHECK enum err store_appservice_look(struct ctx *ctx, struct db *db, int64_t after,
	int64_t up_to, int64_t limit, struct appservice_event **out, size_t *out_count,
	int64_t *out_reached);

/** A user of ours who is joined to a room, or an alias of a room. */
struct appservice_member {
	int64_t room_nid;
	struct str id;
};
/** Users of a server who were joined to rooms after a position. One round trip; grows with the rooms' members. */
MUST_CHECK enum err store_appservice_members(struct ctx *ctx, struct db *db, struct str server,
	const int64_t *room_nids, size_t count, int64_t position, struct appservice_member **out,
	size_t *out_count);
/** Aliases of rooms. One round trip. */
MUST_CHECK enum err store_appservice_aliases(struct ctx *ctx, struct db *db,
	const int64_t *room_nids, size_t count, struct appservice_member **out, size_t *out_count);

/** A receipt, or what concerns devices of a user. */
struct appservice_other {
	int64_t position;
	struct str user_id;
	bool is_private;  /**< a private receipt */
	bool is_change;   /**< of the user's keys; else messages to devices */
	int64_t room_nid; /**< of a receipt */
	struct str room_id;
};
/** Receipts with after < position <= up_to, in order, up to a limit. One round trip. */
MUST_CHECK enum err store_appservice_look_receipts(struct ctx *ctx, struct db *db, int64_t after,
	int64_t up_to, int64_t limit, struct appservice_other **out, size_t *out_count);
/** The same of what concerns devices. One round trip. */
MUST_CHECK enum err store_appservice_look_devices(struct ctx *ctx, struct db *db, int64_t after,
	int64_t up_to, int64_t limit, struct appservice_other **out, size_t *out_count);

/** Rooms whose members have become known with after < position <= up_to, in order; only position and room are written. One round trip. */
MUST_CHECK enum err store_appservice_look_whole(struct ctx *ctx, struct db *db, int64_t after,
	int64_t up_to, struct appservice_other **out, size_t *out_count);

/* --- the queue ------------------------------------------------------------------------------------------- */

/** What stands at a position of the stream. The numbers are in the database. */
enum appservice_news_kind {
	APPSERVICE_NEWS_EVENT = 0,
	APPSERVICE_NEWS_RECEIPT = 1,
	APPSERVICE_NEWS_MESSAGE = 2, /**< to devices */
	APPSERVICE_NEWS_KEYS = 3,
	/* In a room with users of the service, or with none any more: */
	APPSERVICE_NEWS_CAME = 4,     /**< whoever joined there */
	APPSERVICE_NEWS_ALL_CAME = 5, /**< everybody who is in it */
	APPSERVICE_NEWS_WENT = 6,     /**< whoever left there */
	APPSERVICE_NEWS_ALL_WENT = 7, /**< everybody who is or was in it */
};
struct appservice_news {
	struct str appservice_id; /**< only when it is queued */
	int64_t position;
	enum appservice_news_kind kind;
	int64_t room_nid;       /**< 0: none */
	int64_t event_position; /**< where the event is stored; 0: it is none */
};
/** Services that are gone meanwhile get nothing. One round trip. */
MUST_CHECK enum err store_appservice_enqueue(struct ctx *ctx, struct tx *tx,
	const struct appservice_news *news, size_t count);
/** What waits for a service, oldest first, up to a limit. One round trip. */
MUST_CHECK enum err store_appservice_queue_next(struct ctx *ctx, struct db *db, struct str id,
	int64_t limit, struct appservice_news **out, size_t *out_count);

/** What receipts say. */
struct appservice_receipt {
	struct str room_id;
	struct str user_id;
	struct str type;
	struct str thread_id; /**< empty: unthreaded */
	struct str event_id;
	int64_t ts_ms;
};
/** Receipts at positions, in order; those that went on are not there any more. One round trip. */
MUST_CHECK enum err store_appservice_receipts(struct ctx *ctx, struct db *db,
	const int64_t *positions, size_t count, struct appservice_receipt **out, size_t *out_count);

struct appservice_message {
	struct str user_id;
	struct str device_id;
	int64_t position;
	struct str message; /**< JSON object */
};
/** Messages to devices at positions, in order. One round trip. */
MUST_CHECK enum err store_appservice_messages(struct ctx *ctx, struct db *db,
	const int64_t *positions, size_t count, struct appservice_message **out, size_t *out_count);
/** Users whose keys changed at positions, in order. One round trip. */
MUST_CHECK enum err store_appservice_key_changes(struct ctx *ctx, struct db *db,
	const int64_t *positions, size_t count, struct str **out, size_t *out_count);

/** Who came into rooms, and who went. */
struct appservice_crossings {
	struct str *came;
	size_t came_n;
	struct str *gone;
	size_t gone_n;
};
/** By news of these kinds; others are passed over. Each user once. One round trip; grows with a room of which all came or went. */
MUST_CHECK enum err store_appservice_crossings(struct ctx *ctx, struct db *db,
	const struct appservice_news *news, size_t count, struct appservice_crossings *out);

/** What an invite or a knock shows of its room. */
struct appservice_stripped {
	int64_t position;
	struct str user_id;
	struct str stripped; /**< JSON array */
};
/** Of invites and knocks of local users that stand at positions and are still the newest membership. One round trip. */
MUST_CHECK enum err store_appservice_stripped(struct ctx *ctx, struct db *db,
	const int64_t *positions, size_t count, struct appservice_stripped **out, size_t *out_count);

/* --- transactions ------------------------------------------------------------------------------------------ */

/** How the transactions of a service go. */
struct appservice_delivery {
	struct str id;
	int64_t since_position; /**< it hears of what comes after this */
	struct str txn_id;      /**< of the newest transaction; p == NULL: there was none */
	bool is_open;           /**< the service has not taken it yet */
	int64_t failures;       /**< in a row */
	int64_t interval_ms;
	int64_t retry_at_ms; /**< wall clock; 0: at once */
	bool has_queue;      /**< something waits */
};
/** Of all services. One round trip. */
MUST_CHECK enum err store_appservice_deliveries(struct ctx *ctx, struct db *db,
	struct appservice_delivery **out, size_t *out_count);

/** A device of a service's user whose keys were claimed. */
struct appservice_key_news {
	struct str user_id, device_id;
	int64_t claims; /**< since a transaction said how many keys are left */
};
/** Up to `limit` of a service, by user and device. One round trip. */
MUST_CHECK enum err store_appservice_key_news(struct ctx *ctx, struct db *db, struct str id,
	int64_t limit, struct appservice_key_news **out, size_t *out_count);
/** Services of which there are some. One round trip. */
MUST_CHECK enum err store_appservice_key_news_takers(struct ctx *ctx, struct db *db,
	struct str **out, size_t *out_count);

/** A transaction that takes the place of the one before. */
struct appservice_transaction {
	struct str appservice_id;
	struct str before;   /**< id of the one before; p == NULL: there was none */
	struct str txn_id;   /**< that of the one before, when there is nothing to send */
	struct str body;     /**< p == NULL: what waited has nothing to send */
	int64_t up_to;       /**< what waited up to here is in it */
	int64_t taken_at_ms; /**< when the one before was taken; 0: long ago */
	const struct appservice_message
		*messages; /**< to devices that hear by it alone: they leave their queues */
	size_t message_n;
	const struct appservice_key_news *key_news; /**< what is left is in it, as of these or later */
	size_t key_news_n;
};
/** Errors: CONFLICT (another one is the newest, or the service is gone: read anew); STORE. One round trip. */
MUST_CHECK enum err store_appservice_transaction_make(struct ctx *ctx, struct db *db,
	const struct appservice_transaction *transaction);
/** The open transaction. Errors: MISSING (no fault text) when there is none. One round trip. */
MUST_CHECK enum err store_appservice_transaction_open(struct ctx *ctx, struct db *db, struct str id,
	struct str *out_txn_id, struct str *out_body);
/** It was taken; may be forgotten in a crash. One round trip. */
MUST_CHECK enum err store_appservice_transaction_taken(struct ctx *ctx, struct db *db,
	struct str id, struct str txn_id, int64_t now_ms);

struct appservice_failure {
	struct str id;
	int64_t interval_ms;
	int64_t retry_at_ms;
	int64_t now_ms;
	struct str cause;
};
/** It was not taken. One round trip. */
MUST_CHECK enum err store_appservice_transaction_failed(struct ctx *ctx, struct db *db,
	const struct appservice_failure *failure);
/** One that fails is due at once; whoever sends hears of it as of a change of the registrations. One round trip. */
MUST_CHECK enum err store_appservice_retry(struct ctx *ctx, struct db *db, struct str id);

/** The same for administrators. */
struct appservice_delivery_row {
	struct str id;
	int64_t waiting; /**< in the queue, counted up to 10,000 */
	bool is_open;
	int64_t failures;
	int64_t retry_at_ms;
	int64_t failing_since_ms; /**< 0: it does not fail */
	int64_t reached_at_ms;    /**< 0: never */
	struct str cause;         /**< of the last failure */
};
/** Of all services, by id. One round trip. */
MUST_CHECK enum err store_appservice_delivery_list(struct ctx *ctx, struct db *db,
	struct appservice_delivery_row **out, size_t *out_count);

#endif
