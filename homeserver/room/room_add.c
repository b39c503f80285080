/*
 * Adding events to a room: take the turn, build on the head, hand the rows to the writer, give the turn on.
 *
 * A message gives the turn on before its commit, so that messages of one room share a flush. What changes the
 * state (or the text of an earlier event) keeps the turn until it is committed: the next event has to be judged
 * by it; the writer's thread gives that turn on, so that nobody has to wait to do it. When a write fails, the room's content is dropped and loaded anew; whoever had built on the failed event fails
 * by the check on event_seq and tries again.
 *
 * Where the room has a policy server, that one is asked for each event, and nobody waits for it with the turn, nor, with a memo, with a worker:
 * the event is built on the head, signed, and then taken in like one of another server, wherever the room is by then.
 */
#include "homeserver/last_write.h"
#include "homeserver/room/room_accept.h"
#include "homeserver/room/room_policy.h"
#include "homeserver/room/room_write.h"
#include "http/memo.h"
#include "storage/delayed_event.h"
#include "storage/room.h"

enum { SIGNED_ATTEMPTS = 5 }; /* each asks another server */

/* --- what events rest on ---------------------------------------------------------------------------------------- */

bool room_premise_holds(struct room *room, const struct room_intent *intent)
{
	const struct room_premise *premise = intent->premise;
	if (premise == NULL) {
		return true;
	}
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str key = state_slot_key(arena, premise->type, premise->state_key);
	LOCK_SCOPE(&room->lock);
	const struct state_slot *slot =
		room->content != NULL ? map_get(&room->content->state, key) : NULL;
	return premise->position == (slot != NULL ? slot->event_position : 0);
}

enum err room_delayed_is_gone(struct ctx *ctx, struct homeserver *hs,
	const struct room_intent *intent, bool *out)
{
	*out = false;
	if (intent == NULL || intent->delayed == NULL) {
		return ERR_OK;
	}
	enum err err = store_delayed_event_stands(ctx, hs->db, intent->delayed);
	*out = err == ERR_MISSING;
	return *out ? ERR_OK : err;
}

/* Errors: CONFLICT M_BAD_STATE, always. */
static enum err premise_gone(struct ctx *ctx)
{
	return fail(ctx, ERR_CONFLICT, M_BAD_STATE, "The room has changed meanwhile; try again");
}

/* --- the turn's part ------------------------------------------------------------------------------------------ */

/* Gives the events to the request. */
static void hand_out(struct room_builder *builder, struct stored_event **out)
{
	for (size_t i = 0; i < builder->count && out != NULL; i++) {
		out[i] = builder->events[i].stored;
	}
}

/* What was submitted. */
struct submission {
	struct write *write;
	bool leaves_turn;    /* to the writer's thread */
	bool is_handed_over; /* the answer waits for the commit, the caller does not */
};

/* Builds and submits while the caller has the turn. */
static enum err build_and_submit(struct room_builder *builder, const struct room_intent *intents,
	size_t count, struct submission *out)
{
	struct ctx *ctx = builder->ctx;
	for (size_t i = 0; i < count; i++) {
		TRY(room_builder_add(builder, &intents[i]));
	}
	struct write *write = write_new(ctx);
	write_set_positions(write, builder->count);
	TRY(room_write_rows(builder, NULL, write, 0));
	if (intents[0].txn_key.p != NULL) {
		store_transaction_insert(write, intents[0].txn_key, builder->events[0].event->event_id.s,
			clock_wall_ms(&builder->hs->clock));
	}
	if (intents[0].delayed != NULL) {
		store_delayed_event_take(write, intents[0].delayed);
	}
	/* From the submission on the events belong to the writer's thread. */
	out->write = write;
	out->leaves_turn = builder->leaves_turn = room_changes_the_past(builder);
	out->is_handed_over = last_write_hand_over(ctx, write);
	room_submit(builder, write, 0);
	return ERR_OK;
}

/*
 * What others have done since nobody here has been in a room is not known: an event of ours would stand on what was. A room in
 * which nobody at all is left is ours as it is.
 */
enum err room_require_resident(struct ctx *ctx, struct room *room)
{
	struct str key = state_slot_key(ctx->arena, STR("m.room.create"), STR(""));
	LOCK_SCOPE(&room->lock);
	const struct room_content *content = room->content;
	bool is_ours = content != NULL &&
		(atomic_load(&room->local_joined) > 0 ||
			(content->counts.joined == 0 && !room_is_partial(room) &&
				map_get(&content->state, key) != NULL));
	return is_ours ? ERR_OK
				   : fail(ctx, ERR_DENIED, M_FORBIDDEN, "Nobody of this server is in that room");
}

/* Whether some of the events need a policy server's signature. The caller has the turn. */
static enum err find_policy(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intents, size_t count, bool *out)
{
	struct policy_server policy;
	TRY(room_policy_server(ctx, hs, room, &policy));
	*out = false;
	for (size_t i = 0; policy.via.s.p != NULL && i < count; i++) {
		*out = *out ||
			!policy_server_exempts(intents[i].type, intents[i].is_state, intents[i].state_key);
	}
	return ERR_OK;
}

/* Why nothing was done. */
struct obstacle {
	bool needs_policy; /* the events have to be signed by a policy server first */
	bool is_outdated;  /* what they rest on is not so any more; CONFLICT */
};

static enum err add_once(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intents, size_t count, struct stored_event **out,
	struct obstacle *obstacle)
{
	*obstacle = (struct obstacle){0};
	TRY(room_turn_take(ctx, hs, room));
	enum err err = room_load_if_needed(ctx, hs, room);
	if (err == ERR_OK) {
		err = room_require_resident(ctx, room);
	}
	if (err == ERR_OK) {
		err = find_policy(ctx, hs, room, intents, count, &obstacle->needs_policy);
	}
	if (err == ERR_OK && !room_premise_holds(room, &intents[0])) {
		obstacle->is_outdated = true;
		err = ERR_CONFLICT;
	}
	if (err != ERR_OK || obstacle->needs_policy) {
		room_turn_give(room);
		return err;
	}
	struct room_builder *builder = room_builder_until_reset(ctx, hs, room, count);
	struct submission submission = {0};
	err = build_and_submit(builder, intents, count, &submission);
	if (err != ERR_OK) {
		room_turn_give(room);
		return err;
	}
	if (!submission.leaves_turn) {
		room_turn_give(room);
	}
	if (!submission.is_handed_over) {
		err = writer_wait(ctx, submission.write, NULL);
	}
	if (err == ERR_OK) {
		hand_out(builder, out);
	}
	return err;
}

/* --- with a policy server ---------------------------------------------------------------------------------------- */

/* An event of ours that the room's policy server is to sign, and has signed. Lives as long as the request. */
struct draft {
	const struct event *event;
	bool is_signed;
};

/* Another run may want others (who has to leave with a change), and has nothing of these. */
static struct str draft_key(struct ctx *ctx, const struct room *room,
	const struct room_intent *intent, size_t index)
{
	return str_printf(ctx->arena, "draft %zu for room %lld: %.*s %.*s", index, (long long)room->nid,
		STR_ARG(intent->type), STR_ARG(intent->state_key));
}

/* Errors: DEFER (parked: the next run asks about the same event) */
static enum err sign_draft(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intent, size_t index, struct draft **out)
{
	struct str key = draft_key(ctx, room, intent, index);
	struct draft *draft = memo_get(ctx->memo, key);
	if (draft == NULL) {
		draft = ARENA_NEW(ctx->arena, struct draft);
		TRY(room_draft(ctx, hs, room, intent, &draft->event));
		memo_put(ctx->memo, key, draft);
	}
	if (!draft->is_signed) {
		TRY(room_policy_sign(ctx, hs, room, &draft->event));
		draft->is_signed = true;
	}
	*out = draft;
	return ERR_OK;
}

static enum err add_draft(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intent, const struct event *event, struct stored_event **out,
	struct obstacle *obstacle)
{
	struct room_outcome outcome = {0};
	struct stored_event *stored;
	enum err err = room_accept_ours(ctx, hs, room,
		&(struct room_arrival){.event = event, .intent = intent}, &outcome);
	obstacle->is_outdated = outcome.is_outdated;
	TRY(err);
	TRY(room_event(ctx, hs, room, event->event_id.s, &stored));
	if (out != NULL) {
		*out = stored;
	}
	return ERR_OK;
}

static enum err add_drafts(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intents, struct draft **drafts, size_t count,
	struct stored_event **out, struct obstacle *obstacle)
{
	for (size_t i = 0; i < count; i++) {
		enum err err = ERR_CONFLICT;
		for (int attempt = 0;
			 attempt < SIGNED_ATTEMPTS && err == ERR_CONFLICT && !obstacle->is_outdated;
			 attempt++) {
			if (attempt > 0) {
				TRY(sign_draft(ctx, hs, room, &intents[i], i, &drafts[i]));
			}
			err = add_draft(ctx, hs, room, &intents[i], drafts[i]->event,
				out != NULL ? &out[i] : NULL, obstacle);
		}
		TRY(err);
	}
	return ERR_OK;
}

/* All are signed before any is added: what others have been told cannot be taken back when the next is refused. */
static enum err add_signed(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intents, size_t count, struct stored_event **out,
	struct obstacle *obstacle)
{
	struct draft **drafts = ARENA_NEW_ARRAY(ctx->arena, struct draft *, count);
	enum err err = ctx_may_ask(ctx);
	for (size_t i = 0; i < count && err == ERR_OK; i++) {
		err = sign_draft(ctx, hs, room, &intents[i], i, &drafts[i]);
	}
	if (err == ERR_DEFER) {
		return err;
	}
	struct memo *memo = ctx->memo;
	ctx->memo = NULL; /* nothing is added twice */
	if (err == ERR_OK) {
		err = add_drafts(ctx, hs, room, intents, drafts, count, out, obstacle);
	}
	ctx->memo = memo;
	for (size_t i = 0; i < count; i++) {
		memo_put(ctx->memo, draft_key(ctx, room, &intents[i], i), NULL);
	}
	return err;
}

/* --- transactions -------------------------------------------------------------------------------------------------- */

/*
 * Where the database broke off during the commit, a room that was read since may know more than is settled. Who asks again is not told
 * of an event that nobody can see yet.
 */
static enum err await_seen(struct ctx *ctx, struct homeserver *hs, const struct stored_event *event)
{
	return event->position <= writer_position(hs->writer)
		? ERR_OK
		: writer_await(ctx, hs->writer, event->position);
}

enum err room_made(struct ctx *ctx, struct homeserver *hs, struct room *room, struct str txn_key,
	struct stored_event **out)
{
	struct str event_id;
	struct stored_event *event;
	TRY(store_transaction_find(ctx, hs->db, txn_key, &event_id));
	TRY(room_event(ctx, hs, room, event_id, &event));
	TRY(await_seen(ctx, hs, event));
	if (out != NULL) {
		*out = event;
	}
	return ERR_OK;
}

/* The same, when the event is among the newest of the room: the usual case of a client that tries again. */
static struct stored_event *find_recent_transaction(struct ctx *ctx, struct room *room,
	const struct room_intent *intent)
{
	struct stored_event *found = NULL;
	LOCK_SCOPE(&room->lock);
	const struct room_content *content = room->content;
	for (size_t i = 0; content != NULL && i < content->recent_n; i++) {
		struct stored_event *event = room_recent_at_locked(content, i);
		if (str_equals(event->txn_id, intent->txn_id) &&
			str_equals(event->txn_device, intent->txn_device) &&
			str_equals(event->event->sender.s, intent->sender.s) &&
			str_equals(event->event->type, intent->type) &&
			str_equals(event->event->redacts, intent->redacts)) {
			found = event;
		}
	}
	if (found != NULL) {
		stored_event_ref(found);
		stored_event_until_reset(ctx->arena, found);
	}
	return found;
}

/*
 * What may be added is told by what is known also in a room without its members, unless it is about somebody's membership; members
 * of here may change and end their own.
 */
static enum err await_rules(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intents, size_t count)
{
	bool waits = false;
	for (size_t i = 0; room_is_partial(room) && i < count; i++) {
		struct str membership = str_from(NULL, 0);
		if (str_equals(intents[i].type, STR("m.room.member"))) {
			TRY(room_membership(ctx, hs, room, intents[i].state_key, &membership));
			waits = waits || !str_equals(intents[i].sender.s, intents[i].state_key) ||
				!str_equals(membership, STR("join"));
		}
	}
	return waits ? room_await_whole(ctx, hs, room) : ERR_OK;
}

enum err room_add(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_intent *intents, size_t count, struct stored_event **out)
{
	invariant(count > 0);
	bool has_txn = count == 1 && intents[0].txn_key.p != NULL;
	if (has_txn) {
		struct stored_event *known = find_recent_transaction(ctx, room, &intents[0]);
		if (known != NULL) {
			TRY(await_seen(ctx, hs, known));
			if (out != NULL) {
				out[0] = known;
			}
			return ERR_OK;
		}
	}
	TRY(await_rules(ctx, hs, room, intents, count));
	enum err err = ERR_CONFLICT;
	struct obstacle obstacle = {0};
	struct room_tries tries = {0};
	while (err == ERR_CONFLICT && !obstacle.is_outdated && room_may_try(ctx, hs, &tries)) {
		err = add_once(ctx, hs, room, intents, count, out, &obstacle);
		if (err == ERR_OK && obstacle.needs_policy) {
			err = add_signed(ctx, hs, room, intents, count, out, &obstacle);
		}
		if ((err == ERR_CONFLICT || err == ERR_TIMEOUT) && has_txn) {
			enum err found = room_made(ctx, hs, room, intents[0].txn_key, out);
			if (found != ERR_MISSING) {
				return found;
			}
		}
		if (err == ERR_CONFLICT && !obstacle.is_outdated) {
			TRY(room_delayed_is_gone(ctx, hs, &intents[0], &obstacle.is_outdated));
		}
	}
	if (err == ERR_CONFLICT && obstacle.is_outdated) {
		return premise_gone(ctx);
	}
	if (err == ERR_CONFLICT) {
		return fail(ctx, ERR_TIMEOUT, M_UNKNOWN, "The room is busy; try again");
	}
	return err;
}
