/*
 * Who took the join is asked first, for nobody knows better what was left out of the answer. In later attempts the others take turns.
 */
#include "federation/join_rest.h"

#include "base/backoff.h"
#include "base/log.h"
#include "base/metrics.h"
#include "federation/fed_client.h"
#include "federation/join_answer.h"
#include "federation/outbox.h"
#include "http/uri.h"
#include "storage/partial_join.h"

enum {
	ASKED_AT_ONCE = 4,
	REQUEST_MS = 90 * 1000, /* the other server makes the state of a large room */
	STORE_MS = 60 * 1000,
	MAX_DOUBLINGS = 20,
};

static struct metric whole_total =
	METRIC_COUNTER("belfry_partial_joins_whole_total", "Rooms whose members came after the join");
static struct metric late_total = METRIC_COUNTER("belfry_partial_joins_late_total",
	"Attempts to get the members of a room that failed");

struct rest {
	struct ctx *ctx;
	struct federation *federation;
	struct room *room;
	struct partial_join_row row;
	struct stored_event *join;
	const struct json *servers; /* array */
	bool is_refused;            /* somebody says that we are not in the room */
};

static void set_limit(struct rest *rest, int64_t limit_ms)
{
	rest->ctx->deadline_ms = clock_mono_ms(&rest->federation->hs->clock) + limit_ms;
}

static bool is_general(enum err err)
{
	return err == ERR_STORE || err == ERR_SHUTDOWN;
}

/* --- one server ------------------------------------------------------------------------------------------------ */

static enum err ask(struct rest *rest, struct server_name server, struct json *out)
{
	struct arena *arena = rest->ctx->arena;
	struct fed_answer answer;
	struct fed_refusal refusal = {0};
	const struct fed_request request = {
		.server = server,
		.method = "GET",
		.target = str_printf(arena, "/_matrix/federation/v1/state/%.*s?event_id=%.*s",
			STR_ARG(uri_encode(arena, room_id_of(rest->room).s)),
			STR_ARG(uri_encode(arena, rest->row.join_event_id))),
		.answer_ceiling_bytes = rest->federation->hs->settings.federation.max_join_answer_bytes,
		.is_of_events = true,
		.timeout_ms = REQUEST_MS,
		.ignores_backoff = true,
	};
	set_limit(rest, REQUEST_MS);
	enum err err = fed_ask(rest->ctx, rest->federation, &request, &answer, &refusal);
	rest->is_refused = rest->is_refused || (err == ERR_DENIED && refusal.status == 403);
	TRY(err);
	*out = answer.json;
	return ERR_OK;
}

static enum err store_by(struct rest *rest, struct server_name server)
{
	struct json answer;
	struct room_import import;
	TRY(ask(rest, server, &answer));
	const struct join_rest of = {rest->room, rest->join->event, server};
	set_limit(rest, STORE_MS);
	TRY(join_answer_check_rest(rest->ctx, rest->federation, &of, &answer, &import));
	return rooms_store_rest(rest->ctx, rest->federation->hs, rest->room, &import);
}

/* Some of the servers, until one has given the state. Errors: REMOTE when none has */
static enum err store_by_any(struct rest *rest)
{
	size_t count = rest->servers->count;
	size_t first = (size_t)rest->row.attempts * ASKED_AT_ONCE;
	for (size_t i = 0; i < MIN_OF(count, (size_t)ASKED_AT_ONCE); i++) {
		struct server_name server;
		const struct json *name = &rest->servers->items[(first + i) % count];
		if (name->type != JSON_STRING || !server_name_parse(json_text(name), &server)) {
			continue;
		}
		enum err err = store_by(rest, server);
		if (err == ERR_OK || is_general(err)) {
			return err;
		}
		log_info(0, "fed.join_rest.failed", "server=%.*s err=%s cause=%.*s", STR_ARG(server.s),
			err_name(err), STR_ARG(rest->ctx->fault.cause));
		rest->ctx->fault = (struct fault){0};
	}
	return ERR_REMOTE;
}

/* --- all of it -------------------------------------------------------------------------------------------------- */

/* How long nobody is asked after so many attempts in vain. */
static int64_t pause_after_ms(const struct homeserver *hs, int64_t attempts)
{
	int64_t doublings = MIN_OF(MAX_OF(attempts - 1, (int64_t)0), (int64_t)MAX_DOUBLINGS);
	return MIN_OF(hs->settings.federation.retry_first_ms << doublings,
		hs->settings.federation.retry_longest_ms);
}

static enum err put_off(struct rest *rest)
{
	struct homeserver *hs = rest->federation->hs;
	int64_t pause_ms = pause_after_ms(hs, rest->row.attempts + 1);
	set_limit(rest, STORE_MS);
	room_note_rest(rest->room, rest->is_refused ? ROOM_REST_REFUSED : ROOM_REST_LATE);
	metric_add(&late_total, 1);
	log_warn(0, "fed.join_rest.late", "room=%.*s attempts=%lld pause_s=%lld",
		STR_ARG(room_id_of(rest->room).s), (long long)rest->row.attempts + 1,
		(long long)pause_ms / 1000);
	return store_partial_join_defer(rest->ctx, hs->db, room_nid(rest->room), rest->row.attempts,
		clock_wall_ms(&hs->clock) + pause_ms);
}

static enum err find(struct rest *rest, bool *out_is_due)
{
	struct ctx *ctx = rest->ctx;
	struct homeserver *hs = rest->federation->hs;
	struct json *servers = ARENA_NEW(ctx->arena, struct json);
	*out_is_due = false;
	set_limit(rest, STORE_MS);
	enum err err = store_partial_join_find(ctx, hs->db, room_nid(rest->room), &rest->row);
	if (err == ERR_MISSING) {
		room_note_rest(rest->room, ROOM_REST_ASKED);
		return ERR_OK; /* another process has done it */
	}
	TRY(err);
	int64_t left_ms = backoff_left_ms(rest->row.retry_at_ms, clock_wall_ms(&hs->clock),
		pause_after_ms(hs, rest->row.attempts));
	if (rest->row.attempts > 0 && left_ms > 0) {
		return ERR_OK;
	}
	bool is_array = json_parse(ctx->arena, rest->row.servers, NULL, servers, NULL) == JSON_OK &&
		servers->type == JSON_ARRAY;
	invariant(is_array);
	rest->servers = servers;
	TRY(room_any_event(ctx, hs, rest->room, rest->row.join_event_id, &rest->join));
	*out_is_due = rest->join != NULL;
	return ERR_OK;
}

/* What came while nobody is asked may be what put us out: the refusal before it is as good as a new one. */
static enum join_rest_end end_by_note(struct room *room)
{
	return room_rest_noted(room) == ROOM_REST_REFUSED ? JOIN_REST_REFUSED : JOIN_REST_LATER;
}

enum err join_rest_fetch(struct ctx *ctx, struct federation *federation, struct room *room,
	enum join_rest_end *out)
{
	struct rest rest = {.ctx = ctx, .federation = federation, .room = room};
	bool is_due;
	*out = JOIN_REST_LATER;
	TRY(find(&rest, &is_due));
	if (!is_due) {
		*out = end_by_note(room);
		return ERR_OK;
	}
	room_note_rest(room, ROOM_REST_ASKED);
	/* There are none once the state is stored: then a crash came in between. */
	enum err err = rest.servers->count > 0 ? store_by_any(&rest) : ERR_OK;
	if (err == ERR_REMOTE) {
		enum err put = put_off(&rest);
		*out = end_by_note(room);
		return put;
	}
	TRY(err);
	set_limit(&rest, STORE_MS);
	TRY(outbox_correct_stays(ctx, federation, room, rest.join->position));
	TRY(rooms_make_whole(ctx, federation->hs, room));
	metric_add(&whole_total, 1);
	*out = room_is_partial(room) ? JOIN_REST_LATER : JOIN_REST_WHOLE;
	return ERR_OK;
}
