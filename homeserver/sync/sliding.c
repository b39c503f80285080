/*
 * One run: which rooms, what of them, what else; and waiting.
 */
#include "homeserver/sync/sliding_inner.h"

#include "base/mem.h"

#include <inttypes.h>

enum {
	POSITIONS_BYTES = 16 << 20,
	FACTS_BYTES = 8 << 20,
	KINDS_BYTES = 4 << 20,
};

struct sliding_memory *sliding_memory_create(void)
{
	struct sliding_memory *memory = mem_alloc(sizeof(*memory));
	memory->positions = cache_create("sliding_positions", POSITIONS_BYTES, sliding_position_ops);
	memory->facts = cache_create("sliding_facts", FACTS_BYTES, sliding_facts_ops);
	memory->kinds = cache_create("room_kinds", KINDS_BYTES, sliding_kind_ops);
	return memory;
}

void sliding_memory_destroy(struct sliding_memory *memory)
{
	if (memory != NULL) {
		cache_destroy(memory->positions);
		cache_destroy(memory->facts);
		cache_destroy(memory->kinds);
		mem_free(memory);
	}
}

/* --- what the client knows afterwards ------------------------------------------------------------------- */

/*
 * Up to how many events back it has them all: what was told with a lower limit and without a gap leaves that as it was. So who opens a room again and
 * again, which asks for more of it, is not sent the same events each time.
 */
static int64_t limit_afterwards(const struct sliding_place *place,
	const struct sliding_config *before)
{
	int64_t limit = place->config->timeline_limit;
	bool is_anew = place->part != NULL && (place->part->is_limited || place->part->is_initial);
	bool has_passed_over = limit == 0 && place->activity > place->told;
	return before == NULL || is_anew || has_passed_over ? limit
														: MAX_OF(before->timeline_limit, limit);
}

static void note_told(struct sliding_run *run, const struct sliding_place *place)
{
	int64_t nid = room_nid(place->entry.room);
	int64_t limit = limit_afterwards(place, sliding_state_config(run->before, nid));
	const struct sliding_config *known = place->config;
	if (limit != known->timeline_limit) {
		struct sliding_config *other = ARENA_NEW(run->ctx->arena, struct sliding_config);
		*other = *known;
		other->timeline_limit = limit;
		known = other;
	}
	sliding_change_told(run->change, nid, SLIDING_EVENTS);
	sliding_change_config(run->change, nid, known);
}

static void note_rooms(struct sliding_run *run)
{
	for (size_t i = 0; i < run->place_n; i++) {
		const struct sliding_place *place = &run->places[i];
		if (place->is_wanted && place->entry.is_forgotten) {
			sliding_change_forget(run->change, room_nid(place->entry.room));
		} else if (place->is_wanted) {
			note_told(run, place);
		} else if (sliding_place_has_news(run, place, run->since)) {
			sliding_change_missed(run->change, room_nid(place->entry.room), SLIDING_EVENTS,
				MAX_OF(run->since, INT64_C(1)));
		}
	}
}

/*
 * Members are known by the position that told of them: one to which the client does not come back, as its answer was lost or was to something else, has another
 * number, also where nothing happened meanwhile.
 */
static struct str loop_of(const struct sliding_run *run, int64_t connection)
{
	return str_printf(run->ctx->arena, "%.*s\n%.*s\n%" PRId64 "\n%" PRId64,
		STR_ARG(run->who->device_id), STR_ARG(run->request->conn_id), run->began, connection);
}

/* A run that is given up before its position is stored tells nobody anything. */
static void remember_members(struct sliding_run *run, int64_t connection)
{
	run->loop = loop_of(run, connection);
	for (size_t i = 0; i < run->place_n; i++) {
		const struct sliding_part *part = run->places[i].part;
		if (part != NULL && !part->is_outside) {
			sliding_room_remember(run, part);
		}
	}
}

/* --- one run ---------------------------------------------------------------------------------------------- */

static enum err load_rooms(struct sliding_run *run)
{
	TRY(sliding_lists_load(run));
	for (size_t i = 0; i < run->place_n; i++) {
		if (run->places[i].is_wanted) {
			TRY(sliding_room_load(run, &run->places[i]));
			run->has_parts = run->has_parts || run->places[i].part != NULL;
		}
	}
	return ERR_OK;
}

static enum err begin_run(struct sliding_run *run)
{
	struct sliding_request *request = run->request;
	struct str *ignored;
	size_t ignored_n;
	TRY(sync_begin(run->ctx, run->hs, run->who->user.s, &request->user, &run->end,
		&run->since_ephemeral));
	run->user = request->user;
	TRY(sliding_states_find(run));
	run->change = sliding_change_begin(run->ctx->arena, run->before);
	run->loop = loop_of(run, request->since.connection);
	TRY(ignored_users(run->ctx, run->hs, run->user, &ignored, &ignored_n));
	run->ignored = str_set_make(run->ctx->arena, ignored, ignored_n);
	return ERR_OK;
}

static enum err run_once(struct sliding_run *run)
{
	TRY(begin_run(run));
	TRY(load_rooms(run));
	return sliding_told_load(run);
}

static void wait_for_news(struct call *call, const struct sliding_run *run)
{
	struct park *park = call_park(call, run->request->deadline_mono_ms);
	park_ref(park);
	user_wait(run->user, park);
	const struct e2ee_ask ask = sliding_encryption_ask(run);
	if (sync_is_overtaken(run->hs, run->ctx->arena, &ask, run->end.ephemeral)) {
		park_wake(park);
	}
	park_unref(park);
}

enum err sliding_serve(struct call *call, struct sliding_request *request)
{
	struct sliding_run run = {
		.ctx = &call->ctx,
		.hs = hs_of(call),
		.who = principal_of(call),
		.request = request,
		.since = request->since.position,
		.since_ephemeral = request->since.ephemeral,
	};
	bool may_wait = request->deadline_mono_ms > call_began_ms(call) && !call_is_stopping(call);
	TRY(run_once(&run));
	if (may_wait && !run.has_parts && !sliding_told_is_any(&run)) {
		wait_for_news(call, &run);
		return ERR_OK;
	}
	int64_t connection;
	note_rooms(&run);
	TRY(sliding_states_record(&run, &connection));
	remember_members(&run, connection);
	presence_sync_ended(run.hs, run.who, request->presence);
	sliding_write(&run, connection, reply_json(call, 200));
	return ERR_OK;
}
