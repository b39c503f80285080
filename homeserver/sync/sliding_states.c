/*
 * What connections have told their clients, by position: in the database, for another process or a later one goes on with it, and the newest in memory, as the same
 * bytes: most requests only come back, and do not read them. A position's state never changes, so that what is in memory is as good.
 */
#include "base/map.h"
#include "base/mem.h"
#include "base/refc.h"
#include "homeserver/sync/sliding_inner.h"

#include <string.h>

/* Immutable but for `settled`. */
struct sliding_position {
	struct refc refc;
	int64_t came_with;        /* number of the one before; 0: none, or not known */
	_Atomic uint64_t settled; /* settled_as() of the newest answer with this position; 0: none */
	size_t n;
	char bytes[]; /* as sliding_state_write() */
};

static void position_ref(void *value)
{
	struct sliding_position *position = value;
	refc_take(&position->refc);
}

static void position_unref(void *value)
{
	struct sliding_position *position = value;
	if (refc_drop(&position->refc)) {
		mem_free(position);
	}
}

const struct cache_ops sliding_position_ops = {position_ref, position_unref};

static struct sliding_connection connection_of(const struct sliding_run *run)
{
	return (
		struct sliding_connection){run->who->user.s, run->who->device_id, run->request->conn_id};
}

/* With whose it is: nobody finds another's by its number, nor what a device of the same name had that has ended: the database has let go of that. */
static struct str key_of(const struct sliding_run *run, int64_t nid)
{
	const int64_t came_ms = run->who->device_came_ms;
	const struct str pieces[] = {
		str_from((const char *)&nid, sizeof(nid)),
		str_from((const char *)&came_ms, sizeof(came_ms)),
		run->who->user.s,
		STR("\n"),
		run->who->device_id,
		STR("\n"),
		run->request->conn_id,
	};
	return str_concat(run->ctx->arena, pieces, COUNT_OF(pieces));
}

/* In memory from now on. @return with a reference for the caller */
static struct sliding_position *keep(struct sliding_run *run, int64_t nid, int64_t came_with,
	struct str bytes)
{
	struct sliding_position *position = mem_alloc(sizeof(*position) + bytes.n);
	refc_init(&position->refc);
	position->came_with = came_with;
	position->n = bytes.n;
	memcpy(position->bytes, bytes.p, bytes.n);
	cache_put(run->hs->sliding->positions, key_of(run, nid), position, sizeof(*position) + bytes.n);
	return position;
}

enum err sliding_refuse_pos(struct ctx *ctx)
{
	return fail_status(ctx, ERR_INPUT, 400, M_UNKNOWN_POS,
		"This connection has no such pos; begin anew without one");
}

static enum err find_stored(struct sliding_run *run, int64_t nid, struct sliding_position **out)
{
	struct str bytes;
	const struct sliding_connection connection = connection_of(run);
	enum err err = store_sliding_find(run->ctx, run->hs->db, &connection, nid, &bytes);
	if (err == ERR_MISSING) {
		return sliding_refuse_pos(run->ctx);
	}
	TRY(err);
	struct sliding_state state;
	if (!sliding_state_read(run->ctx->arena, bytes, &state) ||
		!sliding_state_is_well_formed(&state)) {
		return sliding_refuse_pos(run->ctx); /* of another version of the program */
	}
	*out = keep(run, nid, 0, bytes);
	return ERR_OK;
}

enum err sliding_states_find(struct sliding_run *run)
{
	int64_t nid = run->request->since.connection;
	if (!run->request->has_pos) {
		return ERR_OK;
	}
	if (nid == 0) {
		return sliding_refuse_pos(run->ctx); /* a token of /sync */
	}
	struct sliding_position *position = cache_get(run->hs->sliding->positions, key_of(run, nid));
	if (position == NULL) {
		TRY(find_stored(run, nid, &position));
	}
	arena_on_reset(run->ctx->arena, position_unref, position);
	run->position = position;
	return ERR_OK;
}

const struct sliding_state *sliding_states_before(struct sliding_run *run)
{
	const struct sliding_position *position = run->position;
	if (!run->has_before && position != NULL) {
		bool is_read = sliding_state_read(run->ctx->arena, str_from(position->bytes, position->n),
			&run->before);
		invariant(is_read);
	}
	run->has_before = true;
	return &run->before;
}

/* --- what was answered just now ---------------------------------------------------------------------------- */

/*
 * Mostly a client comes back at once with the body of before. Everything up to its position was told by the answer that gave it, so the run that would find that out, through
 * all rooms of the user, is left out. A number says for what: hashes are seeded, and a client could deceive itself alone.
 */
static uint64_t settled_as(const struct sliding_run *run, int64_t position, int64_t ephemeral)
{
	const uint64_t of[] = {run->request->wish, user_reading(run->user), (uint64_t)position,
		(uint64_t)ephemeral};
	return hash_bytes(str_from((const char *)of, sizeof(of)));
}

/* What was left stands in lists until that is told, and then others move up; messages to the device are told again to who asks again with the token of before. */
static bool settles(const struct sliding_run *run)
{
	for (size_t i = 0; i < run->place_n; i++) {
		if (run->places[i].part != NULL && run->places[i].part->is_left) {
			return false;
		}
	}
	return !sliding_told_has_messages(run);
}

static void note_settled(const struct sliding_run *run, struct sliding_position *position)
{
	if (settles(run)) {
		atomic_store(&position->settled, settled_as(run, run->end.up_to, run->end.ephemeral));
	}
}

bool sliding_states_is_settled(const struct sliding_run *run)
{
	return run->position != NULL &&
		atomic_load(&run->position->settled) == settled_as(run, run->since, run->since_ephemeral);
}

/* --- with this answer ---------------------------------------------------------------------------------------- */

/* The one before that with which the client has come: the database has let go of it, too. */
static void forget_before(const struct sliding_run *run)
{
	if (run->position != NULL && run->position->came_with != 0) {
		cache_remove(run->hs->sliding->positions, key_of(run, run->position->came_with));
	}
}

/* A connection's first is stored also where it tells of no room: "Servers MUST reject a `pos` that was not issued to the requesting user and device" (MSC4186, "Connections"). */
enum err sliding_states_record(struct sliding_run *run, int64_t *out)
{
	int64_t came_with = run->request->since.connection;
	*out = came_with;
	if (run->position != NULL && !sliding_change_is_any(run->change)) {
		note_settled(run, run->position);
		return ERR_OK;
	}
	const struct sliding_connection connection = connection_of(run);
	const struct sliding_state state = sliding_change_end(run->change);
	struct str bytes = sliding_state_write(run->ctx->arena, &state);
	enum err err = store_sliding_add(run->ctx, run->hs->db, &connection, came_with, bytes, out);
	if (err == ERR_CONFLICT) {
		return fail_status(run->ctx, ERR_DENIED, 401, M_UNKNOWN_TOKEN,
			"This session has ended; log in again");
	}
	TRY(err);
	struct sliding_position *position = keep(run, *out, came_with, bytes);
	note_settled(run, position);
	position_unref(position);
	forget_before(run);
	return ERR_OK;
}
