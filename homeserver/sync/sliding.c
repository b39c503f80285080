/*
 * One run: which rooms, what of them, what else; and waiting.
 */
#include "homeserver/sync/sliding_inner.h"

#include "base/mem.h"

#include <inttypes.h>

enum {
	POSITIONS_BYTES = 8 << 20,
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
static int64_t limit_afterwards(const struct sliding_place *place)
{
	int64_t limit = place->config->timeline_limit;
	bool is_anew = place->part != NULL && (place->part->is_limited || place->part->is_initial);
	bool has_passed_over = limit == 0 && place->activity > place->told;
	return place->had == NULL || is_anew || has_passed_over
		? limit
		: MAX_OF(place->had->timeline_limit, limit);
}

static void note_told(struct sliding_run *run, const struct sliding_place *place)
{
	int64_t nid = room_nid(place->entry.room);
	sliding_place_tell(run, place, SLIDING_EVENTS);
	if (sliding_place_growth(run, place)->is_same) {
		return; /* as mostly */
	}
	int64_t limit = limit_afterwards(place);
	const struct sliding_config *known = place->config;
	if (limit != known->timeline_limit) {
		struct sliding_config *other = ARENA_NEW(run->ctx->arena, struct sliding_config);
		*other = *known;
		other->timeline_limit = limit;
		known = other;
	}
	sliding_change_config(run->change, nid, known);
}

static void note_rooms(struct sliding_run *run)
{
	for (size_t i = 0; i < run->place_n; i++) {
		const struct sliding_place *place = &run->places[i];
		if (place->is_wanted) {
			note_told(run, place);
		} else if (sliding_place_has_news(run, place, run->since)) {
			sliding_change_missed(run->change, room_nid(place->entry.room), SLIDING_EVENTS,
				MAX_OF(run->since, INT64_C(1)));
		}
	}
}

/*
 * Members are known by the position that told of them: one to which the client does not come back, as its answer was lost or was to something else, has another
 * number, also where nothing happened meanwhile. Numbers are not used again: a connection that begins anew, under whatever name, has others.
 */
static struct str loop_of(const struct sliding_run *run, int64_t connection)
{
	return str_printf(run->ctx->arena, "%.*s\n%.*s\n%" PRId64, STR_ARG(run->who->device_id),
		STR_ARG(run->request->conn_id), connection);
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
	run->loop = loop_of(run, request->since.connection);
	TRY(ignored_users(run->ctx, run->hs, run->user, &ignored, &ignored_n));
	run->ignored = str_set_make(run->ctx->arena, ignored, ignored_n);
	return ERR_OK;
}

/* Whether something has come of a room that may be told. Who types or has read is told of rooms that the client knows: there are no others in view once it waits. */
static bool is_stirred(struct sliding_run *run, const struct user_room *entry)
{
	const struct sliding_request *request = run->request;
	const struct sync_end *looked = &request->looked;
	if (entry->position > looked->up_to || room_last_position(entry->room) > looked->up_to) {
		return true; /* also out of view: it comes to the front of lists */
	}
	bool is_read =
		request->receipts.is_enabled && room_receipt_position(entry->room) > looked->up_to;
	bool is_typed =
		request->typing.is_enabled && room_typing_serial(entry->room) > looked->ephemeral;
	return (is_read || is_typed) &&
		sliding_state_told(sliding_states_before(run), room_nid(entry->room), SLIDING_EVENTS) !=
		SLIDING_NEVER;
}

/*
 * Whether there can be anything to tell. A request is woken also by what is not told, as who is online, and a run goes through all of the user's rooms.
 * From memory.
 */
static bool may_have_news(struct sliding_run *run)
{
	const struct sync_end *looked = &run->request->looked;
	struct e2ee_ask ask = sliding_encryption_ask(run);
	struct user_room *rooms;
	size_t n;
	ask.up_to = looked->up_to;
	if (looked->up_to == 0 || user_own_position(run->user) > looked->up_to ||
		run->hs->ports.e2ee.sync_has_more(run->hs, &ask)) {
		return true;
	}
	user_rooms_since(run->user, run->ctx->arena,
		(struct rooms_since){looked->up_to, looked->ephemeral}, &rooms, &n);
	for (size_t i = 0; i < n; i++) {
		if (is_stirred(run, &rooms[i])) {
			return true;
		}
	}
	return false;
}

/* @param out  whether there is anything to tell */
static enum err run_once(struct sliding_run *run, bool may_wait, bool *out)
{
	struct sync_end *looked = &run->request->looked;
	TRY(begin_run(run));
	uint64_t reading = user_reading(run->user);
	/* It is answered, whatever there is; or a room was forgotten, and others move up in lists. */
	if (!may_wait || run->request->looked_at != reading) {
		*looked = (struct sync_end){0};
	}
	run->request->looked_at = reading;
	if (may_wait && looked->up_to == 0 && sliding_states_is_settled(run)) {
		*looked = (struct sync_end){run->since, run->since_ephemeral};
	}
	*out = may_have_news(run);
	if (!*out) {
		return ERR_OK;
	}
	run->change = sliding_change_begin(run->ctx->arena, sliding_states_before(run));
	TRY(load_rooms(run));
	TRY(sliding_told_load(run));
	*out = run->has_parts || sliding_told_is_any(run);
	return ERR_OK;
}

static void wait_for_news(struct call *call, const struct sliding_run *run)
{
	run->request->looked = run->end;
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
	bool has_news;
	TRY(run_once(&run, may_wait, &has_news));
	if (may_wait && !has_news) {
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
