/**
 * Inside of backfill: what backfill.c (what was before a gap), backfill_event.c (an event by its id or its time) and backfill_quest.c
 * (one question at a time for each room, and who is asked) share.
 */
#ifndef BELFRY_FEDERATION_BACKFILL_INNER_H
#define BELFRY_FEDERATION_BACKFILL_INNER_H

#include "base/lock.h"
#include "base/map.h"
#include "federation/backfill.h"
#include "homeserver/ports.h"
#include "homeserver/room/room_accept.h"

enum {
	BACKFILL_EVENTS = 100,         /**< of one question */
	BACKFILL_ASK_MS = 15 * 1000,   /**< so long one server has to answer */
	BACKFILL_STORE_MS = 15 * 1000, /**< for what the last one answered */
	BACKFILL_ALL_MS = 30 * 1000,   /**< all of them together */
};

struct backfill {
	struct federation *federation;
	struct lock lock; /**< RANK_LEAF; guards the map */
	struct map rooms; /**< number of a room → struct errand * that asks for it */
};

/** What others are asked for. */
struct quest {
	struct backfill *backfill;
	int64_t room_nid;
	/** *out_is_news: whether there is more of history now. Errors: any; only what is no other server's gets to the reader */
	enum err (*ask)(struct ctx *ctx, struct federation *federation, struct room *room,
		const struct quest *quest, bool *out_is_news);
	struct server_name first; /**< to be asked */
	struct room_gap gap;      /**< of what is before a gap; of an event by its time only `below` */
	struct event_id id;       /**< of an event by its id */
	struct history_time wanted; /**< of an event by its time */
	bool is_news;
};

/**
 * Has others asked, once for each request and key; or waits for who asks in that room.
 * @param out_is_news  what it came to; of another's asking: whether to look again
 * Errors: STORE; SHUTDOWN; DEFER (parked)
 */
MUST_CHECK enum err backfill_await(struct ctx *ctx, const struct quest *wanted, struct str key,
	bool *out_is_news);

/** Whether a failure is no other server's: nothing can be done now. */
bool backfill_is_general(enum err err);

/** Who is asked, in this order. @param first  if it is in the room. Errors: STORE; SHUTDOWN */
MUST_CHECK enum err backfill_choose_servers(struct ctx *ctx, struct homeserver *hs,
	struct room *room, struct server_name first, struct server_name **out, size_t *out_count);
/** Who is asked first for what is below an event; s.p == NULL: there is nobody. Errors: STORE; SHUTDOWN */
MUST_CHECK enum err backfill_choose_first(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t below, struct server_name *out);
/** Whether another server may be asked: what it answers has to be taken in yet. */
bool backfill_has_time(const struct ctx *ctx, const struct federation *federation);
/** One server's failure, if it is one, is told to the log, and forgotten. */
void backfill_pass_over(struct ctx *ctx, struct server_name server, enum err err);

/**
 * History tells since when members are there, which has to fit what is known of them. A room's content is put away when it becomes whole,
 * and who may be asked stands in it.
 * Errors: STORE; SHUTDOWN; DEFER (parked)
 */
MUST_CHECK enum err backfill_await_whole(struct ctx *ctx, struct homeserver *hs, struct room *room,
	bool *out_is_whole);

/**
 * Asks others for what was before a gap.
 * @param gap  as it is now: whoever asked before may have filled it
 * Errors: STORE; SHUTDOWN; what room_order_history() says
 */
MUST_CHECK enum err backfill_fill_gap(struct ctx *ctx, struct federation *federation,
	struct room *room, struct server_name first, const struct room_gap *gap);

/** Of the port of history. */
MUST_CHECK enum err backfill_fetch(void *self, struct ctx *ctx, struct room *room,
	struct event_id id, bool *out_is_news);
/** Of the port of history. */
MUST_CHECK enum err backfill_fetch_near(void *self, struct ctx *ctx, struct room *room,
	const struct history_time *wanted, bool *out_is_news);

#endif
