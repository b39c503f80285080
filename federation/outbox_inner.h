/**
 * Inside of the outbox: its memory. Only outbox*.c and edu_out*.c include it.
 */
#ifndef BELFRY_FEDERATION_OUTBOX_INNER_H
#define BELFRY_FEDERATION_OUTBOX_INNER_H

#include "base/lock.h"
#include "base/map.h"
#include "base/rounds.h"
#include "federation/edu_out.h"
#include "federation/outbox.h"
#include "federation/outbox_plan.h"
#include "storage/outbox_edu.h"

#include <stdatomic.h>

enum {
	OUTBOX_QUEUE_MAX =
		1000,               /**< events in memory for a destination; further ones count as missed */
	OUTBOX_NOTES_MAX = 500, /**< EDUs in memory for a destination; the oldest go */
	OUTBOX_FLIGHTS_MAX = 1024, /**< transactions under way */
	/** Of these to destinations that failed, or are catching up: so many start at once after an outage. */
	OUTBOX_PROBES_MAX = 32,
	/** Of those again to destinations that were not heard of since they failed: the others' places are not theirs. */
	OUTBOX_GUESSES_MAX = 24,
	/** Of those and to destinations that speak, but whose last transaction was slow to fail: likewise. */
	OUTBOX_DOUBTS_MAX = 28,
	/** Flights to destinations whose last one was slow: the others' places are not theirs. */
	OUTBOX_SLOW_MAX = OUTBOX_FLIGHTS_MAX / 2,
	/** After that a flight is slow, and of a probe: it goes on, but another one may start. Who takes requests and does not answer keeps its place no longer. */
	OUTBOX_PLACE_MS = 5000,
	/** A probe takes no longer than so many times its place lasts: those of the silent are never all flights. */
	OUTBOX_PLACES_OF_PROBE = 12,
	OUTBOX_STORED_MAX = 10000, /**< stored EDUs of a destination; the oldest go */
};

/** An event that a destination has to get. */
struct queued_event {
	int64_t room_nid;
	int64_t position;
};

/** A room of which a destination has got nothing from a position on. */
struct missed_room {
	int64_t room_nid;
	int64_t from_position;
	int64_t newest_position; /**< nothing for the destination came after it */
	bool is_saved;           /**< there is a row */
};

enum flight_kind {
	FLIGHT_NEWS,     /**< what has come since */
	FLIGHT_OPEN,     /**< the transaction that failed, once more */
	FLIGHT_CATCH_UP, /**< of what was missed */
};

/** A transaction under way. */
struct flight {
	struct outbox *outbox;
	struct destination *destination;
	enum flight_kind kind;
	struct queued_event *events; /**< heap, like all lists */
	size_t event_n;
	int64_t *edu_ids;
	size_t edu_n;
	struct caught_room *rooms; /**< of FLIGHT_CATCH_UP */
	size_t room_n;
	int64_t horizon; /**< what was dispatched when it took off */
	int64_t begun_mono_ms;
	bool is_probe;
	bool is_guess; /**< a probe of one that was not heard of since it failed */
	bool is_slow;  /**< the one before was */
	bool has_more_edus;
	size_t body_bytes;
	/* Once it is over: */
	enum err err;
	int status;       /**< of a refusal; 0: none, or our own policy */
	struct str cause; /**< heap */
	struct flight *next;
};

/** Another server. Fields are guarded by the outbox's lock, but those of a flight, which belong to who carries it. */
struct destination {
	struct str server; /**< heap */
	int64_t failures;  /**< in a row */
	int64_t interval_ms;
	int64_t retry_at_ms; /**< wall clock */
	int64_t tried_at_ms; /**< when the last transaction was begun */
	int64_t noted_at_ms; /**< when its row last said that it was reached */
	bool is_open;        /**< a transaction is to be sent again before others */
	bool is_forbidden;   /**< it was our own policy that the last one failed by */
	bool is_slow;  /**< the last transaction took longer than it keeps a place, however it ended */
	bool has_edus; /**< some may be stored */
	bool has_new_edus; /**< some were stored while the flight was under way */
	struct queued_event *queue;
	size_t queue_n, queue_capacity;
	struct missed_room *missed;
	size_t missed_n, missed_capacity;
	struct edu_note **notes; /**< OUTBOX_NOTES_MAX; NULL: none yet */
	size_t note_n;
	struct flight *flight;
};

/** An EDU whose destinations are not worked out yet. */
struct edu_news {
	struct edu_note *note;
	int64_t room_nid;   /**< 0: by the user */
	struct str user_id; /**< heap; of presence */
	struct edu_news *next;
};

struct outbox {
	struct federation *federation;
	struct homeserver *hs;
	struct rounds *rounds;
	int64_t saved_at_mono_ms;  /**< of the thread: when it last saved its position */
	int64_t looked_at_mono_ms; /**< the same: when it last looked for what another process stored */
	atomic_size_t shared_n;    /**< rooms in `shared` */
	atomic_size_t failing_n;
	struct lock lock; /**< guards all below */
	struct cond loaded;
	bool is_stopping;        /**< nobody waits for `loaded` any more */
	bool is_loaded;          /**< memory holds what the database says up to `dispatched` */
	int64_t dispatched;      /**< everything up to here is in memory */
	int64_t saved;           /**< the consumer's position in the database */
	struct map destinations; /**< server → struct destination * */
	struct map shared;       /**< bytes of the number of a room with other servers → itself */
	struct flight *over;     /**< ended, not written down */
	struct edu_news *news, **news_end;
	size_t news_n;
	int64_t edus_serial; /**< moves when EDUs were stored */
	int64_t
		stays_wanted; /**< another process wants to hear that `dispatched` is so far; 0: none does */
	size_t flying;
	size_t flying_bytes; /**< their bodies */
};

/* --- memory (outbox_memory.c); all need the lock --------------------------------------------------------- */

/** The one of that name, made if there is none. Of the outbox; good for as long as the lock is held, and beyond it while it has a flight. */
struct destination *outbox_destination_locked(struct outbox *outbox, struct str server);
/** Forgets what waits; who has a flight stays. */
void outbox_clear_locked(struct outbox *outbox);
/** An event for a destination: into its queue, or to what it misses. */
void outbox_add_event_locked(struct destination *destination, int64_t room_nid, int64_t position);
void outbox_add_missed_locked(struct destination *destination, struct missed_room room);
/** Everything in the queue counts as missed now; notes go. */
void outbox_give_up_queue_locked(struct destination *destination);
/** Events of a flight come back to the front of the queue. */
void outbox_put_back_locked(struct destination *destination, const struct queued_event *events,
	size_t count);
/**
 * What was missed of a room was sent up to a position; INT64_MAX: all.
 * @param is_saved  its row says so already
 */
void outbox_caught_up_locked(struct destination *destination, int64_t room_nid, int64_t up_to,
	bool is_saved);
/** Takes a reference. */
void outbox_add_note_locked(struct destination *destination, struct edu_note *note);
bool outbox_has_work_locked(const struct destination *destination);
/** How long it is left alone, for it failed; 0: it may be tried. */
int64_t outbox_pause_left_ms(const struct outbox *outbox, const struct destination *destination,
	int64_t now_ms);
/** Up to where everything was sent, or has rows. */
int64_t outbox_reached_locked(struct outbox *outbox);
void outbox_share_room_locked(struct outbox *outbox, int64_t room_nid);
void outbox_flight_free(struct flight *flight);

/* --- the service (outbox.c) --------------------------------------------------------------------------------- */

/** There may be something to do. */
void outbox_wake(struct outbox *outbox);
/**
 * Waits until memory holds everything up to a position, where the consumer is. Where it does not, memory begins anew by what the
 * database says, and so has the consumer to: what was in memory only would be lost otherwise.
 * @param out_is_loaded  false: not yet
 * Errors: CONFLICT (the database's position is another one)
 */
MUST_CHECK enum err outbox_await_loaded(struct ctx *ctx, struct outbox *outbox, int64_t position,
	bool *out_is_loaded);
/** EDUs were stored for these servers, by this process; tells whichever one sends. No lock held. */
void outbox_edus_stored(struct outbox *outbox, const struct str *servers, size_t count);

/* --- places (outbox_places.c) ----------------------------------------------------------------------------------- */

/** What is taken of what is shared out: by probes for as long as they have their places, by the slow until they end. */
struct places {
	size_t probing;
	size_t guessing;
	size_t doubting;
	size_t slow;
	size_t slow_bytes;
};

/** It failed, or catches up. */
bool outbox_is_probe(const struct destination *destination);
/** It failed, and was not heard of since, nor does an administrator want it tried. */
bool outbox_is_guess(const struct destination *destination);
/** So long a flight is not slow. */
int64_t outbox_place_ms(const struct outbox *outbox);
/** Adds what a flight takes. */
void outbox_place_count(struct places *places, const struct flight *flight, int64_t now_mono_ms);
/** Whether one that is due may start, beside those that have `places`. */
bool outbox_has_place_locked(const struct outbox *outbox, const struct destination *destination,
	const struct places *places);
/** For qsort(), of struct destination *: in which order those that are due get places. */
int outbox_compare_due(const void *a, const void *b);

/* --- sending (outbox_send.c) ---------------------------------------------------------------------------------- */

/** Starts a transaction to each destination that is due. Errors: STORE */
MUST_CHECK enum err outbox_launch(struct outbox *outbox);
/** Its place is free for the next one; frees it. */
void outbox_flight_release_locked(struct flight *flight);
/** It did not start, or nobody knows: its news wait again. */
void outbox_flight_turn_back(struct flight *flight);

/* --- how it ended (outbox_land.c) ------------------------------------------------------------------------------- */

struct fed_end;
/** For fed_start(); `data` is the flight. Any thread. */
void outbox_flight_finished(void *data, const struct fed_end *end);
/** Writes down how flights ended. Those for which that fails stay in outbox->over. Errors: STORE */
MUST_CHECK enum err outbox_land(struct outbox *outbox);

/* --- EDUs --------------------------------------------------------------------------------------------------------- */

/** Works out who gets the EDUs of outbox->news. Errors: STORE (they are lost) */
MUST_CHECK enum err outbox_spread_news(struct ctx *ctx, struct outbox *outbox);
/** Fills the ports for typing and presence. */
void outbox_fill_edu_port(struct outbox *outbox);
/** Fills the port for messages to devices. */
void outbox_fill_message_port(struct outbox *outbox);
/** Writes a stored EDU, a value. @param out_written  false: there is nothing to tell any more */
MUST_CHECK enum err outbox_write_stored(struct ctx *ctx, struct homeserver *hs,
	const struct outbox_edu_row *row, struct json_out *out, bool *out_written);
/** The same of keys: as they are now. Three round trips. */
MUST_CHECK enum err outbox_write_keys(struct ctx *ctx, struct homeserver *hs,
	const struct outbox_edu_row *row, struct json_out *out, bool *out_written);
/** What device_keys_write_list() writes of a user, in the ctx's arena. Errors: STORE */
MUST_CHECK enum err outbox_read_device_list(struct ctx *ctx, struct homeserver *hs,
	struct str user_id, bool with_keyless, struct json *out);
/** A device in it; NULL: there is none. */
const struct json *outbox_find_device(const struct json *list, struct str device_id);
/**
 * Tells servers all devices of users with whom they share a room for the first time, those without keys too. (Later these come and go
 * unheard: nothing can be encrypted for them.) Errors: STORE. Three round trips a user.
 */
MUST_CHECK enum err outbox_introduce(struct ctx *ctx, struct outbox *outbox,
	const struct outbox_user_server *pairs, size_t count);

#endif
