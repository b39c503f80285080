/*
 * New rooms: everything in one commit. A room that takes the place of another is committed together with what the old one is
 * told, so there is no half of it. Where the old one has a policy server, that signs the tombstone first.
 */
#include "homeserver/room/room_accept.h"
#include "homeserver/room/room_policy.h"
#include "homeserver/room/room_write.h"
#include "http/memo.h"
#include "storage/alias.h"
#include "storage/server_notice.h"

enum { MAX_ATTEMPTS = 8, SPREAD_MS = 1000, SUCCESSION_EVENTS = 3 };

/* --- new rooms ------------------------------------------------------------------------------------------------------ */

/* A room that nobody else can see until it is committed. @param id  p == NULL: a new one, or that of its create event */
static struct room *fresh_room(struct homeserver *hs, const struct room_version *version,
	struct str id, struct arena *arena)
{
	struct room *room = ARENA_NEW(arena, struct room);
	room->version = version;
	lock_init(&room->lock, RANK_ROOM);
	cond_init(&room->changed);
	cond_init(&room->turn_free);
	if (!version->room_id_is_create_hash && id.p == NULL) {
		id = str_printf(arena, "!%.*s:%.*s", STR_ARG(rng_text(&hs->rng, arena, 18)),
			STR_ARG(hs->signer.server.s));
	}
	if (!version->room_id_is_create_hash) {
		room->id.s = str_heap(id);
	}
	return room;
}

static void fresh_room_fini(struct room **room)
{
	str_free((*room)->id.s);
	cond_fini(&(*room)->changed);
	cond_fini(&(*room)->turn_free);
	lock_fini(&(*room)->lock);
}

static void on_new_committed(void *data, int64_t first_position)
{
	room_commit_new_done(data, first_position);
}

static enum err build_new(struct room_builder *builder, const struct room_start *start)
{
	for (size_t i = 0; i < start->count; i++) {
		TRY(room_builder_add(builder, &start->intents[i]));
	}
	return ERR_OK;
}

static enum err commit_new(struct room_builder *builder, const struct room_start *start,
	int64_t *out_nid)
{
	struct ctx *ctx = builder->ctx;
	struct homeserver *hs = builder->hs;
	struct room *fresh = builder->room;
	TRY(rooms_new_nid(ctx, hs, &fresh->nid));
	struct write *write = write_new(ctx);
	write_set_positions(write, builder->count);
	TRY(room_write_rows(builder, start, write, 0));
	struct room_commit *commit = ARENA_NEW(ctx->arena, struct room_commit);
	*commit = (struct room_commit){.hs = hs,
		.room = fresh,
		.events = builder->events,
		.count = builder->count};
	write_on_commit(write, on_new_committed, commit);
	TRY(writer_commit(ctx, hs->writer, write, NULL));
	*out_nid = fresh->nid;
	return ERR_OK;
}

static enum err create_once(struct ctx *ctx, struct homeserver *hs, const struct room_start *start,
	int64_t *out_nid)
{
	const struct str new_id = {0};
	struct room *fresh CLEANUP(fresh_room_fini) =
		fresh_room(hs, start->version, new_id, ctx->arena);
	struct room_builder builder CLEANUP(room_builder_fini);
	room_builder_init(&builder, ctx, hs, fresh, start->count);
	TRY(build_new(&builder, start));
	return commit_new(&builder, start, out_nid);
}

static enum err check_alias_free(struct ctx *ctx, struct homeserver *hs, struct str alias)
{
	if (alias.p == NULL) {
		return ERR_OK;
	}
	struct alias_row row;
	enum err err = store_alias_find(ctx, hs->db, alias, &row);
	if (err == ERR_OK) {
		return fail(ctx, ERR_INPUT, M_ROOM_IN_USE, "That alias is taken");
	}
	return err == ERR_MISSING ? ERR_OK : err;
}

/* What else than the room's own id was in the way of a new room. */
static enum err check_claims(struct ctx *ctx, struct homeserver *hs, const struct room_start *start)
{
	TRY(check_alias_free(ctx, hs, start->alias));
	if (start->server_notices_for.p == NULL) {
		return ERR_OK;
	}
	int64_t nid;
	enum err err = store_server_notice_room_find(ctx, hs->db, start->server_notices_for, &nid);
	if (err == ERR_OK) {
		return ERR_CONFLICT;
	}
	return err == ERR_MISSING ? ERR_OK : err;
}

enum err rooms_add_new(struct ctx *ctx, struct homeserver *hs, const struct room_start *start,
	struct room **out)
{
	struct room_intent *intents = ARENA_NEW_ARRAY(ctx->arena, struct room_intent, start->count);
	for (size_t i = 0; i < start->count; i++) {
		intents[i] = start->intents[i];
	}
	struct room_start current = *start;
	current.intents = intents;
	int64_t nid = 0;
	enum err err = create_once(ctx, hs, &current, &nid);
	uint64_t spread_ms = SPREAD_MS;
	for (int attempt = 1; attempt < MAX_ATTEMPTS && err == ERR_CONFLICT; attempt++) {
		TRY(check_claims(ctx, hs, start));
		/*
		 * The same create event at the same millisecond has the same id, which from version 12 on is the room's. Who makes hundreds of
		 * rooms a second has taken many of the last milliseconds: hence each time from four times as many.
		 */
		intents[0].origin_server_ts =
			clock_wall_ms(&hs->clock) - (int64_t)(rng_u64(&hs->rng) % spread_ms);
		spread_ms *= 4;
		err = create_once(ctx, hs, &current, &nid);
	}
	if (err == ERR_CONFLICT) {
		return fail(ctx, ERR_TIMEOUT, M_UNKNOWN, "Too many rooms are made at once; try again");
	}
	TRY(err);
	return rooms_get_nid(ctx, hs, nid, out);
}

/* --- rooms that take the place of others ------------------------------------------------------------------------ */

static struct room_intent farewell_intent(const struct room_succession *how, struct str type,
	const struct json *content)
{
	return (struct room_intent){
		.sender = how->by,
		.type = type,
		.is_state = true,
		.state_key = STR(""),
		.content = content,
	};
}

static struct json tombstone_content(struct arena *arena, const struct room_succession *how,
	struct str new_room_id)
{
	return json_with(arena, how->tombstone, STR("replacement_room"), json_string(new_room_id));
}

static struct room_intent tombstone_intent(const struct room_succession *how,
	const struct json *content)
{
	struct room_intent tombstone = farewell_intent(how, STR("m.room.tombstone"), content);
	tombstone.premise = how->premise;
	return tombstone;
}

/* What the sender has not the power for stays as it is. */
static enum err add_if_allowed(struct room_builder *builder, const struct room_succession *how,
	struct str type, const struct json *content)
{
	const struct room_intent intent = farewell_intent(how, type, content);
	enum err err = content != NULL ? room_builder_add(builder, &intent) : ERR_OK;
	return err == ERR_DENIED ? ERR_OK : err;
}

static enum err build_farewell(struct room_builder *builder, const struct room_succession *how,
	struct str new_room_id)
{
	struct json content = tombstone_content(builder->ctx->arena, how, new_room_id);
	const struct room_intent tombstone = tombstone_intent(how, &content);
	TRY(room_builder_add(builder, &tombstone));
	TRY(add_if_allowed(builder, how, STR("m.room.canonical_alias"), how->canonical_alias));
	return add_if_allowed(builder, how, STR("m.room.power_levels"), how->power_levels);
}

static enum err submit_both(struct room_builder *fresh, struct room_builder *old,
	const struct room_start *start, struct write **out)
{
	const struct room_successor successor = {fresh, start};
	struct write *write = write_new(fresh->ctx);
	write_set_positions(write, fresh->count + old->count);
	TRY(room_write_successor(old, &successor, write, 0));
	TRY(room_write_rows(old, NULL, write, fresh->count));
	room_submit(old, write, fresh->count);
	*out = write;
	return ERR_OK;
}

/* What comes of an attempt. */
struct replacement {
	int64_t nid;      /* of the new room */
	bool is_outdated; /* another tombstone came first; CONFLICT */
};

/* The caller has the old room's turn. */
static enum err replace_in_turn(struct ctx *ctx, struct homeserver *hs,
	const struct room_start *start, const struct room_succession *how, struct replacement *out)
{
	const struct str new_id = {0};
	const struct room_intent tombstone = tombstone_intent(how, how->tombstone);
	TRY(room_load_if_needed(ctx, hs, how->old));
	out->is_outdated = !room_premise_holds(how->old, &tombstone);
	if (out->is_outdated) {
		return ERR_CONFLICT;
	}
	struct room *fresh CLEANUP(fresh_room_fini) =
		fresh_room(hs, start->version, new_id, ctx->arena);
	struct room_builder builder CLEANUP(room_builder_fini);
	struct room_builder farewell CLEANUP(room_builder_fini);
	room_builder_init(&builder, ctx, hs, fresh, start->count);
	room_builder_init(&farewell, ctx, hs, how->old, SUCCESSION_EVENTS);
	TRY(build_new(&builder, start));
	TRY(build_farewell(&farewell, how, fresh->id.s));
	TRY(rooms_new_nid(ctx, hs, &fresh->nid));
	struct write *write;
	TRY(submit_both(&builder, &farewell, start, &write));
	TRY(writer_wait(ctx, write, NULL));
	out->nid = fresh->nid;
	return ERR_OK;
}

/* --- where the old room has a policy server -------------------------------------------------------------------- */

/* What the old room is told. A request that waits without its worker finds it again. */
struct farewell {
	struct str new_room_id;
	int64_t created_at_ms; /* by the create event, of which the id may be the hash */
	const struct event *tombstone;
	int64_t new_nid; /* 0: the new room is not there yet */
	size_t told;     /* of what follows the tombstone */
};

static const struct str memo_key = STR_INIT("farewell of an old room");

/* What the new room begins with, made again as it was. */
static struct room_start start_at(struct arena *arena, const struct room_start *start,
	int64_t created_at_ms)
{
	struct room_intent *intents = ARENA_NEW_ARRAY(arena, struct room_intent, start->count);
	struct room_start same = *start;
	for (size_t i = 0; i < start->count; i++) {
		intents[i] = start->intents[i];
	}
	intents[0].origin_server_ts = created_at_ms;
	same.intents = intents;
	return same;
}

static enum err draft_farewell(struct ctx *ctx, struct homeserver *hs,
	const struct room_start *start, const struct room_succession *how, struct farewell *out)
{
	const struct str new_id = {0};
	struct room *fresh CLEANUP(fresh_room_fini) =
		fresh_room(hs, start->version, new_id, ctx->arena);
	struct room_builder builder CLEANUP(room_builder_fini);
	room_builder_init(&builder, ctx, hs, fresh, 1);
	out->created_at_ms = clock_wall_ms(&hs->clock);
	struct room_start first = start_at(ctx->arena, start, out->created_at_ms);
	TRY(room_builder_add(&builder, &first.intents[0]));
	out->new_room_id = str_dup(ctx->arena, fresh->id.s);
	struct json content = tombstone_content(ctx->arena, how, out->new_room_id);
	const struct room_intent tombstone = tombstone_intent(how, &content);
	return room_draft(ctx, hs, how->old, &tombstone, &out->tombstone);
}

/* As another run has made it, or made now; signed. Errors: DEFER (parked) */
static enum err farewell_of(struct ctx *ctx, struct homeserver *hs, const struct room_start *start,
	const struct room_succession *how, struct farewell **out)
{
	struct farewell *farewell = memo_get(ctx->memo, memo_key);
	if (farewell == NULL) {
		farewell = ARENA_NEW(ctx->arena, struct farewell);
		TRY(draft_farewell(ctx, hs, start, how, farewell));
		memo_put(ctx->memo, memo_key, farewell);
	}
	*out = farewell;
	return farewell->new_nid != 0 ? ERR_OK
								  : room_policy_sign(ctx, hs, how->old, &farewell->tombstone);
}

/* Errors: CONFLICT (another tombstone came first, or what this one was built on is not in the old room after all) */
static enum err commit_signed(struct ctx *ctx, struct homeserver *hs,
	const struct room_start *start, const struct room_succession *how, struct farewell *farewell,
	bool *out_outdated)
{
	struct room_outcome outcome = {0};
	struct room *fresh CLEANUP(fresh_room_fini) =
		fresh_room(hs, start->version, farewell->new_room_id, ctx->arena);
	struct room_builder builder CLEANUP(room_builder_fini);
	room_builder_init(&builder, ctx, hs, fresh, start->count);
	const struct room_start same = start_at(ctx->arena, start, farewell->created_at_ms);
	const struct room_successor successor = {&builder, &same};
	TRY(build_new(&builder, &same));
	TRY(rooms_new_nid(ctx, hs, &fresh->nid));
	struct json content = tombstone_content(ctx->arena, how, farewell->new_room_id);
	const struct room_intent tombstone = tombstone_intent(how, &content);
	const struct room_arrival arrival = {
		.event = farewell->tombstone,
		.intent = &tombstone,
		.successor = &successor,
	};
	enum err err = room_accept_ours(ctx, hs, how->old, &arrival, &outcome);
	*out_outdated = outcome.is_outdated;
	TRY(err);
	farewell->new_nid = fresh->nid;
	return ERR_OK;
}

/* The same as add_if_allowed(); the new room is there by now, so nothing that fails here undoes it. Errors: DEFER (parked) */
static enum err tell_rest(struct ctx *ctx, struct homeserver *hs, const struct room_succession *how,
	struct farewell *farewell)
{
	const struct room_intent intents[] = {
		farewell_intent(how, STR("m.room.canonical_alias"), how->canonical_alias),
		farewell_intent(how, STR("m.room.power_levels"), how->power_levels),
	};
	for (; farewell->told < COUNT_OF(intents); farewell->told++) {
		const struct room_intent *intent = &intents[farewell->told];
		enum err err = ERR_OK;
		if (intent->content != NULL) {
			err = room_add(ctx, hs, how->old, intent, 1, NULL);
		}
		if (err == ERR_DEFER) {
			return err;
		}
		ctx->fault = (struct fault){0};
	}
	return ERR_OK;
}

/* With a policy server in the old room: what that refuses is not begun. */
static enum err replace_signed(struct ctx *ctx, struct homeserver *hs,
	const struct room_start *start, const struct room_succession *how, struct replacement *out)
{
	struct farewell *farewell;
	TRY(ctx_may_ask(ctx));
	enum err err = farewell_of(ctx, hs, start, how, &farewell);
	if (err == ERR_DEFER) {
		return err;
	}
	struct memo *memo = ctx->memo;
	if (err == ERR_OK && farewell->new_nid == 0) {
		ctx->memo = NULL; /* it is made once */
		err = commit_signed(ctx, hs, start, how, farewell, &out->is_outdated);
		ctx->memo = memo;
	}
	if (err == ERR_OK) {
		TRY(tell_rest(ctx, hs, how, farewell));
		out->nid = farewell->new_nid;
	}
	memo_put(ctx->memo, memo_key, NULL); /* another attempt makes another */
	return err;
}

static enum err replace_once(struct ctx *ctx, struct homeserver *hs, const struct room_start *start,
	const struct room_succession *how, struct replacement *out)
{
	struct policy_server policy;
	TRY(room_policy_server(ctx, hs, how->old, &policy));
	if (policy.via.s.p != NULL || memo_get(ctx->memo, memo_key) != NULL) {
		return replace_signed(ctx, hs, start, how, out);
	}
	TRY(room_turn_take(ctx, hs, how->old));
	enum err err = replace_in_turn(ctx, hs, start, how, out);
	room_turn_give(how->old);
	return err;
}

enum err rooms_replace(struct ctx *ctx, struct homeserver *hs, const struct room_start *start,
	const struct room_succession *how, struct room **out)
{
	struct replacement replacement = {0};
	enum err err = ERR_CONFLICT;
	struct room_tries tries = {0};
	while (err == ERR_CONFLICT && !replacement.is_outdated && room_may_try(ctx, hs, &tries)) {
		err = replace_once(ctx, hs, start, how, &replacement);
	}
	if (err == ERR_CONFLICT && replacement.is_outdated) {
		return fail(ctx, ERR_CONFLICT, M_BAD_STATE, "The room has been replaced meanwhile");
	}
	if (err == ERR_CONFLICT) {
		return fail(ctx, ERR_TIMEOUT, M_UNKNOWN, "The room is busy; try again");
	}
	TRY(err);
	return rooms_get_nid(ctx, hs, replacement.nid, out);
}
