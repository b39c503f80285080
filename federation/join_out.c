/*
 * One join of a room at a time: whoever comes second waits, and then finds the room resident (or tries on its own).
 */
#include "federation/join_out.h"

#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "federation/inbox.h"
#include "federation/join_answer.h"
#include "federation/missing.h"
#include "federation/outbox.h"

enum {
	JOIN_TIMEOUT_MS = 150 * 1000, /* for all servers that are asked */
	STORE_TIMEOUT_MS = 60 * 1000, /* to take in what one has answered */
};

struct joins {
	struct lock lock;
	struct cond ended;
	struct map rooms; /* room ids that are being joined; guarded by lock */
	bool is_stopped;  /* guarded by lock */
};

struct joins *joins_create(void)
{
	struct joins *joins = mem_alloc(sizeof(*joins));
	lock_init(&joins->lock, RANK_LEAF);
	cond_init(&joins->ended);
	return joins;
}

void joins_stop(struct joins *joins)
{
	LOCK_SCOPE(&joins->lock);
	joins->is_stopped = true;
	cond_broadcast(&joins->ended);
}

void joins_destroy(struct joins *joins)
{
	map_fini(&joins->rooms);
	cond_fini(&joins->ended);
	lock_fini(&joins->lock);
	mem_free(joins);
}

/* Waits until nobody else joins the room. @param out_waited  whether somebody did */
static enum err begin(struct ctx *ctx, struct joins *joins, struct str room_id, bool *out_waited)
{
	LOCK_SCOPE(&joins->lock);
	*out_waited = false;
	while (!joins->is_stopped && map_get(&joins->rooms, room_id) != NULL) {
		*out_waited = true;
		if (!cond_wait_until(&joins->ended, &joins->lock, ctx->deadline_ms)) {
			return fail(ctx, ERR_TIMEOUT, M_UNKNOWN,
				"Somebody else of this server is joining that room, which takes long");
		}
	}
	if (joins->is_stopped) {
		return fail(ctx, ERR_SHUTDOWN, M_UNKNOWN, "The server is stopping; try again soon");
	}
	(void)map_set(&joins->rooms, room_id, joins);
	return ERR_OK;
}

static void end(struct joins *joins, struct str room_id)
{
	LOCK_SCOPE(&joins->lock);
	(void)map_remove(&joins->rooms, room_id);
	cond_broadcast(&joins->ended);
}

/* --- what is known here ---------------------------------------------------------------------------------------- */

struct known_room {
	struct room *resident; /* NULL: this server is not in it */
	bool has_state;        /* of now, or of before */
};

static enum err find_known(struct ctx *ctx, struct federation *federation, struct str room_id,
	struct known_room *out)
{
	*out = (struct known_room){0};
	struct room *room;
	enum err err = rooms_get(ctx, federation->hs, room_id, &room);
	if (err == ERR_MISSING) {
		return ERR_OK;
	}
	TRY(err);
	struct stored_event *create;
	TRY(room_state_event(ctx, federation->hs, room, STR("m.room.create"), STR(""), POSITION_NOW,
		&create));
	out->resident = room_is_resident(room) ? room : NULL;
	out->has_state = create != NULL;
	return ERR_OK;
}

/* --- one server ------------------------------------------------------------------------------------------------- */

/* A room in which this server is: the answer's state is not needed, the event comes in like any other. */
static enum err take_in(struct ctx *ctx, struct federation *federation,
	const struct handshake *handshake, struct room *room, const struct event *join)
{
	struct room_outcome outcome;
	const struct missing_case missing = {
		.room = room,
		.origin = handshake->server,
		.event = join,
	};
	TRY(missing_accept(ctx, federation, &missing, &outcome));
	return outcome.fate == EVENT_IN_TIMELINE
		? ERR_OK
		: fail(ctx, ERR_DENIED, M_FORBIDDEN, "The room does not take the join: %s",
			  outcome.verdict.text);
}

static enum err join_by(struct ctx *ctx, struct federation *federation,
	const struct membership_wish *wish, struct server_name server, const struct known_room *known)
{
	struct room *resident = known->resident;
	struct handshake handshake;
	struct json answer;
	struct room_import import;
	struct room *room;
	TRY(handshake_make(ctx, federation, HANDSHAKE_JOIN, wish, server, &handshake));
	/* How large a room is, nobody says before. Where members are known from before, it takes all of them to tell who has left. */
	handshake.takes_no_members = !known->has_state;
	TRY(handshake_send(ctx, federation, &handshake, &answer));
	/* The room has taken the join: now it has to come here, however late it is. */
	ctx->deadline_ms = clock_mono_ms(&federation->hs->clock) + STORE_TIMEOUT_MS;
	TRY(join_answer_check(ctx, federation, &handshake, &answer, &import));
	TRY(outbox_keep_back(ctx, federation, import.join->event_id));
	TRY(resident != NULL ? take_in(ctx, federation, &handshake, resident, import.join)
						 : rooms_import(ctx, federation->hs, &import, &room));
	outbox_await_stays(federation);
	if (import.omits_members) {
		inbox_wake(federation->inbox, wish->room_id); /* the rest comes by join_rest */
	}
	return ERR_OK;
}

/* Whether another server may do what this one did not. */
static bool may_go_on(const struct ctx *ctx, const struct federation *federation, enum err err)
{
	bool is_theirs = err == ERR_DENIED || err == ERR_INPUT || err == ERR_MISSING ||
		err == ERR_REMOTE || err == ERR_TIMEOUT || err == ERR_LIMIT;
	return is_theirs && clock_mono_ms(&federation->hs->clock) < ctx->deadline_ms;
}

static enum err join_by_any(struct ctx *ctx, struct federation *federation,
	const struct membership_wish *wish, const struct known_room *known)
{
	int64_t deadline_ms = clock_mono_ms(&federation->hs->clock) + JOIN_TIMEOUT_MS;
	struct refusal_best best = {0};
	for (size_t i = 0; i < wish->server_count; i++) {
		ctx->deadline_ms = deadline_ms;
		enum err err = join_by(ctx, federation, wish, wish->servers[i], known);
		if (err == ERR_OK) {
			return ERR_OK;
		}
		log_info(ctx->request_id, "fed.join.failed", "server=%.*s err=%s cause=%.*s",
			STR_ARG(wish->servers[i].s), err_name(err), STR_ARG(ctx->fault.cause));
		ctx->deadline_ms = deadline_ms;
		if (!may_go_on(ctx, federation, err)) {
			return err;
		}
		refusal_note(&best, ctx, err);
	}
	return refusal_give(ctx, &best);
}

enum err join_out(void *self, struct ctx *ctx, const struct membership_wish *wish)
{
	struct federation *federation = self;
	bool has_waited;
	TRY(ctx_may_ask(ctx));
	invariant(wish->server_count > 0);
	TRY(begin(ctx, federation->joins, wish->room_id, &has_waited));
	struct known_room known;
	enum err err = find_known(ctx, federation, wish->room_id, &known);
	if (err == ERR_OK) {
		err = has_waited && known.resident != NULL ? ERR_CONFLICT
												   : join_by_any(ctx, federation, wish, &known);
	}
	end(federation->joins, wish->room_id);
	return err;
}
