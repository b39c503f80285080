/*
 * From the stream into the queues of destinations. First the stays of servers are brought up to the span's end, then the database says which
 * events go where; a change after which a whole room has to be looked at ends a round, so that what follows is judged by it.
 *
 * What is put into memory here is as good as sent: the position in the database follows only when it was (outbox.c).
 */
#include "base/vec.h"
#include "federation/outbox_inner.h"
#include "federation/processes.h"
#include "homeserver/consumer.h"
#include "homeserver/room/rooms.h"

enum { EVENTS_A_ROUND = 200, PAUSE_MS = 2, PAUSE_ALONE_MS = 250, STAYS_WAIT_MS = 5000 };

struct round {
	struct ctx *ctx;
	struct homeserver *hs;
	struct outbox *outbox;
	struct str own;
	int64_t after;
	int64_t reached;
	struct outbox_span span;
	size_t stay_n; /* of span.changes */
	const struct stay_change *whole;
	struct outbox_target *targets;
	size_t target_n;
	struct outbox_receipt *receipts;
	size_t receipt_n;
	struct outbox_user_server *introduced;
	size_t introduced_n;
};

static enum err look(struct round *round, int64_t up_to)
{
	struct outbox_span *span = &round->span;
	TRY(store_outbox_look(round->ctx, round->hs->db, round->own, round->after, up_to,
		EVENTS_A_ROUND, span));
	round->stay_n = outbox_fold_stays(span->changes, span->change_n, round->own, &round->whole);
	round->reached = round->whole != NULL ? round->whole->position
		: span->is_cut                    ? span->newest
										  : up_to;
	return ERR_OK;
}

static enum err store_stays(struct round *round)
{
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	if (round->stay_n == 0 && round->whole == NULL) {
		return ERR_OK;
	}
	TRY(tx_begin(round->ctx, round->hs->db, &tx));
	for (size_t i = 0; i < round->stay_n; i++) {
		TRY(store_outbox_stay(round->ctx, tx, &round->span.changes[i]));
	}
	if (round->whole != NULL) {
		TRY(store_outbox_stays_sync(round->ctx, tx, round->whole->room_nid, round->whole->position,
			round->own));
	}
	return tx_commit(round->ctx, &tx);
}

/* Which rooms of those that changed have other servers now. */
static enum err share_rooms(struct round *round)
{
	VEC(int64_t) rooms = {0};
	for (size_t i = 0; i < round->stay_n; i++) {
		VEC_PUSH(round->ctx->arena, &rooms, round->span.changes[i].room_nid);
	}
	if (round->whole != NULL) {
		VEC_PUSH(round->ctx->arena, &rooms, round->whole->room_nid);
	}
	if (rooms.n == 0) {
		return ERR_OK;
	}
	struct outbox_room_server *servers;
	size_t count;
	TRY(store_outbox_rooms(round->ctx, round->hs->db, round->own, rooms.p, rooms.n, &servers,
		&count));
	LOCK_SCOPE(&round->outbox->lock);
	for (size_t i = 0; i < count; i++) {
		outbox_share_room_locked(round->outbox, servers[i].room_nid);
	}
	return ERR_OK;
}

static enum err find_targets(struct round *round)
{
	struct ctx *ctx = round->ctx;
	struct db *db = round->hs->db;
	bool has_changes = round->stay_n > 0 || round->whole != NULL;
	if (round->span.has_events || has_changes) {
		TRY(store_outbox_targets(ctx, db, round->own, round->after, round->reached, &round->targets,
			&round->target_n));
	}
	if (round->span.has_joins || has_changes) {
		TRY(store_outbox_introduced(ctx, db, round->own, round->after, round->reached,
			&round->introduced, &round->introduced_n));
	}
	if (round->span.has_receipts && atomic_load(&round->outbox->shared_n) > 0) {
		TRY(store_outbox_receipts(ctx, db, round->own, round->after, round->reached,
			&round->receipts, &round->receipt_n));
	}
	return ERR_OK;
}

enum err outbox_correct_stays(struct ctx *ctx, struct federation *federation, struct room *room,
	int64_t position)
{
	struct homeserver *hs = federation->hs;
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	int64_t nid = room_nid(room);
	TRY(tx_begin(ctx, hs->db, &tx));
	TRY(store_outbox_stays_sync(ctx, tx, nid, position, hs->signer.server.s));
	TRY(tx_commit(ctx, &tx));
	outbox_share_room(federation->outbox, nid);
	processes_note_shared(federation, nid);
	return ERR_OK;
}

static bool is_same_receipt(const struct outbox_receipt *a, const struct outbox_receipt *b)
{
	return a->room_nid == b->room_nid && str_equals(a->user_id, b->user_id) &&
		str_equals(a->thread_id, b->thread_id);
}

/* Into memory, unless that has begun anew since the round began: then it lacks what was before. */
static enum err dispatch(struct round *round)
{
	struct outbox *outbox = round->outbox;
	struct edu_note *note = NULL;
	LOCK_SCOPE(&outbox->lock);
	if (!outbox->is_loaded || outbox->dispatched != round->after) {
		return fail_cause(round->ctx, ERR_CONFLICT, "the outbox has begun anew");
	}
	for (size_t i = 0; i < round->target_n; i++) {
		const struct outbox_target *target = &round->targets[i];
		outbox_add_event_locked(outbox_destination_locked(outbox, target->server), target->room_nid,
			target->position);
	}
	for (size_t i = 0; i < round->receipt_n; i++) {
		const struct outbox_receipt *receipt = &round->receipts[i];
		if (i == 0 || !is_same_receipt(receipt, &round->receipts[i - 1])) {
			if (note != NULL) {
				edu_note_unref(note);
			}
			note = edu_note_receipt(receipt);
		}
		outbox_add_note_locked(outbox_destination_locked(outbox, receipt->server), note);
	}
	if (note != NULL) {
		edu_note_unref(note);
	}
	outbox->dispatched = round->reached;
	return ERR_OK;
}

int64_t outbox_rounds_pause_ms(void *self)
{
	struct outbox *outbox = self;
	return atomic_load(&outbox->shared_n) > 0 ? PAUSE_MS : PAUSE_ALONE_MS;
}

/* What was dispatched is enough for another process that asked: tells it. No lock held. */
static void tell_stays(struct outbox *outbox)
{
	int64_t known = 0;
	lock_take(&outbox->lock);
	if (outbox->is_loaded && outbox->stays_wanted > 0 &&
		outbox->dispatched >= outbox->stays_wanted) {
		outbox->stays_wanted = 0;
		known = outbox->dispatched;
	}
	lock_give(&outbox->lock);
	if (known > 0) {
		processes_note_stays(outbox->federation, known);
	}
}

enum err outbox_consume(struct ctx *ctx, struct homeserver *hs, void *self, int64_t after,
	int64_t up_to, int64_t *out_reached)
{
	struct outbox *outbox = self;
	struct round round = {.ctx = ctx,
		.hs = hs,
		.outbox = outbox,
		.own = hs->signer.server.s,
		.after = after};
	bool is_loaded;
	*out_reached = after;
	TRY(outbox_await_loaded(ctx, outbox, after, &is_loaded));
	if (!is_loaded) {
		return ERR_OK;
	}
	TRY(look(&round, up_to));
	TRY(store_stays(&round));
	TRY(share_rooms(&round));
	TRY(find_targets(&round));
	if (round.introduced_n > 0) {
		TRY(outbox_introduce(ctx, outbox, round.introduced, round.introduced_n));
	}
	TRY(dispatch(&round));
	tell_stays(outbox);
	outbox_wake(outbox);
	*out_reached = round.reached;
	return ERR_OK;
}

/* --- up to where the stays of servers are known -------------------------------------------------------------- */

void outbox_want_stays(struct outbox *outbox, int64_t position)
{
	bool is_ours = consumers_is_ours(outbox->hs->consumers, OUTBOX_CONSUMER);
	lock_take(&outbox->lock);
	outbox->stays_wanted = MAX_OF(outbox->stays_wanted, position);
	lock_give(&outbox->lock);
	if (is_ours) {
		tell_stays(outbox);
	}
}

bool outbox_await_stays(struct federation *federation, int64_t position)
{
	struct homeserver *hs = federation->hs;
	int64_t deadline_ms = clock_mono_ms(&hs->clock) + STAYS_WAIT_MS;
	return consumers_await(hs->consumers, OUTBOX_CONSUMER, position, deadline_ms) ||
		(!consumers_is_ours(hs->consumers, OUTBOX_CONSUMER) &&
			processes_await_stays(federation, position, deadline_ms));
}
