/**
 * The counts and marks of one user in one room (inside of the domain): memory and arithmetic, nothing else. Not
 * synchronised, but counted.
 */
#ifndef BELFRY_HOMESERVER_RECEIPT_UNREAD_STATE_H
#define BELFRY_HOMESERVER_RECEIPT_UNREAD_STATE_H

#include "base/map.h"
#include "homeserver/receipt/receipts.h"
#include "storage/unread.h"

/** An event that is not read yet and is looked at by itself: a mention, or, of a judged state, whatever notifies. */
struct unread_mention {
	int64_t position;
	bool is_counted; /**< in the running count of notifications too */
	bool is_highlight;
};

/** A thread, or what is outside threads. */
struct unread_part {
	int64_t last_position; /**< nothing of it came after this, as far as events were added */
	int64_t mark_position; /**< read up to here */
	int64_t now_notify;
	int64_t now_highlight;
	int64_t mark_notify;
	int64_t mark_highlight;
	struct unread_mention *mentions; /**< heap, oldest first */
	size_t mention_n;
	size_t mention_capacity;
	bool is_judged; /**< its running counts are not used: they stay 0 */
};

struct unread_state {
	int64_t applied_position; /**< every event up to here was added */
	int64_t read_position;    /**< everything up to here is read, in all threads */
	struct unread_part main;
	struct map threads; /**< root → struct unread_part * */
	bool is_judged;     /**< events are judged by the user's own rules one by one */
};

/** From a stored row. */
void unread_state_init(struct unread_state *state, const struct unread_row *row);
void unread_state_fini(struct unread_state *state);

/**
 * Makes a state judged: what the row counts is dropped, its marks stay. Then all events after read_position are added in order, by
 * unread_state_add_judged().
 */
void unread_state_judge(struct unread_state *state);

/** Whether an event's thread is unknown, so that unread_state_add() needs the counts before it. */
bool unread_state_needs_counts(const struct unread_state *state, const struct stored_event *event);

/** Makes a thread known: its running counts before the first event that is added. */
void unread_state_add_thread(struct unread_state *state, struct str root, int64_t notify_seq,
	int64_t highlight_seq);

/**
 * The next event of the room; its thread is known. One that was added before changes nothing.
 *
 * @param is_own        the user sent it: what was before it in its thread is read
 * @param is_mentioned  it mentions the user
 */
void unread_state_add(struct unread_state *state, const struct stored_event *event, bool is_own,
	bool is_mentioned);

/** The same for a judged state; threads become known by themselves. */
void unread_state_add_judged(struct unread_state *state, const struct stored_event *event,
	bool is_own, bool notifies, bool is_highlight);

/**
 * The user has read up to an event, in a thread ("main", root) or everywhere (p == NULL).
 *
 * @return false when the marks cannot be told from what is here; the state is of no use then
 */
MUST_CHECK bool unread_state_read(struct unread_state *state, const struct stored_event *event,
	struct str thread_id);

/** Forgets threads without anything unread when there are many: they can be made known again. */
void unread_state_prune(struct unread_state *state);

/** The counts; texts in the arena. */
void unread_state_result(const struct unread_state *state, struct arena *arena,
	struct unread_result *out);

#endif
