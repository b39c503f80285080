/*
 * History that others have: what was before a gap (fill), or one event (fetch, fetch_near), which comes alone when it is far from all that
 * is known here.
 *
 * One question at a time for each room, however many readers come to its gap: the others wait for the answer. The servers are asked
 * in turn, first the one whose event stands at the gap, since it knows what stands behind it.
 */
#include "federation/backfill.h"

#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "federation/answers.h"
#include "federation/fed_client.h"
#include "federation/missing.h"
#include "federation/pdu_check.h"
#include "homeserver/room/room_accept.h"
#include "http/uri.h"

enum {
	EVENTS = 100, /* of one question */
	SERVERS_MAX = 5,
	PREVS_MAX = 20,
	ASK_MS = 15 * 1000,
	ALL_MS = 30 * 1000,
	ANSWER_BYTES = 16 << 20,
	TIME_BYTES = 64 << 10,
	UNKNOWN_KEPT_MS = 60 * 1000, /* an event that nobody had */
};

static struct metric fetched_counter = METRIC_COUNTER("belfry_federation_backfilled_events_total",
	"Events of history taken from others");

struct backfill {
	struct federation *federation;
	struct lock lock; /* RANK_LEAF; guards the map */
	struct cond ended;
	struct map rooms; /* numbers of rooms for which somebody asks */
};

/* Who asks for a room: on its own thread to the end, for what one server fails at is passed over, and the next is asked. */
struct asker {
	int64_t room_nid;
	struct memo *memo; /* of the ctx, which has none meanwhile: nothing on the way parks the call */
};

/* --- one at a time ------------------------------------------------------------------------------------------------ */

static struct str key_of(const int64_t *room_nid)
{
	return str_from((const char *)room_nid, sizeof(*room_nid));
}

/* @return false when somebody else asked; that one has ended by then, or the time is over */
static bool begin(struct ctx *ctx, struct backfill *backfill, int64_t room_nid, struct asker *out)
{
	int64_t deadline_ms = clock_mono_ms(&backfill->federation->hs->clock) + ALL_MS;
	LOCK_SCOPE(&backfill->lock);
	if (map_get(&backfill->rooms, key_of(&room_nid)) == NULL) {
		(void)map_set(&backfill->rooms, key_of(&room_nid), backfill);
		*out = (struct asker){room_nid, ctx->memo};
		ctx->memo = NULL;
		return true;
	}
	bool has_time = true;
	while (has_time && map_get(&backfill->rooms, key_of(&room_nid)) != NULL) {
		has_time = cond_wait_until(&backfill->ended, &backfill->lock, deadline_ms);
	}
	return false;
}

static void end(struct ctx *ctx, struct backfill *backfill, const struct asker *asker)
{
	ctx->memo = asker->memo;
	LOCK_SCOPE(&backfill->lock);
	(void)map_remove(&backfill->rooms, key_of(&asker->room_nid));
	cond_broadcast(&backfill->ended);
}

/* Whether a failure is no other server's: nothing can be done now. */
static bool is_general(enum err err)
{
	return err == ERR_STORE || err == ERR_SHUTDOWN;
}

/* --- asking -------------------------------------------------------------------------------------------------------- */

/* Who is asked, in this order. */
static enum err choose_servers(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_gap *gap, struct server_name **out, size_t *out_count)
{
	struct stored_event *at;
	struct server_name first = {0};
	TRY(room_servers(ctx, hs, room, out, out_count));
	if (room_event_at_place(ctx, hs, room, gap->below, &at) == ERR_OK) {
		first = user_id_server(at->event->sender);
	}
	for (size_t i = 1; i < *out_count; i++) {
		if (server_name_equals((*out)[i], first)) {
			(*out)[i] = (*out)[0];
			(*out)[0] = first;
		}
	}
	*out_count = MIN_OF(*out_count, (size_t)SERVERS_MAX);
	return ERR_OK;
}

static struct str target_of(struct arena *arena, struct room *room, const struct room_gap *gap)
{
	struct str target = str_printf(arena, "/_matrix/federation/v1/backfill/%.*s?limit=%d",
		STR_ARG(uri_encode(arena, room_id_of(room).s)), EVENTS);
	for (size_t i = 0; i < gap->prev_count && i < PREVS_MAX; i++) {
		target = str_printf(arena, "%.*s&v=%.*s", STR_ARG(target),
			STR_ARG(uri_encode(arena, gap->prevs[i].s)));
	}
	return target;
}

/* Those that may be believed. @return count */
static enum err check(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct json *list, const struct event ***out, size_t *out_count)
{
	const struct pdu_room pdu_room = {room_version_of(room), room_id_of(room)};
	struct pdu *pdus;
	size_t count;
	struct json some =
		list != NULL && list->type == JSON_ARRAY ? *list : (struct json){.type = JSON_ARRAY};
	some.count = MIN_OF(some.count, (size_t)EVENTS);
	TRY(pdu_check_list(ctx, federation, &pdu_room, &some, &pdus, &count));
	*out = ARENA_NEW_ARRAY(ctx->arena, const struct event *, count);
	*out_count = 0;
	for (size_t i = 0; i < count; i++) {
		if (pdus[i].event != NULL) {
			(*out)[(*out_count)++] = pdus[i].event;
		}
	}
	return ERR_OK;
}

static enum err ask_one(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct room_gap *gap, struct server_name server, size_t *out_added)
{
	struct fed_answer answer;
	const struct event **events;
	size_t count;
	const struct fed_request request = {
		.server = server,
		.method = "GET",
		.target = target_of(ctx->arena, room, gap),
		.answer_ceiling_bytes = ANSWER_BYTES,
		.timeout_ms = ASK_MS,
	};
	TRY(fed_ask(ctx, federation, &request, &answer, NULL));
	TRY(check(ctx, federation, room, json_at(&answer.json, "pdus"), &events, &count));
	if (count == 0) {
		return ERR_OK;
	}
	/* What they rest on; those for which it cannot be had are left out. */
	enum err err = missing_auth(ctx, federation, room, server, events, count);
	if (is_general(err)) {
		return err;
	}
	TRY(room_accept_history(ctx, federation->hs, room, gap->below, events, count, out_added));
	metric_add(&fetched_counter, (int64_t)*out_added);
	return ERR_OK;
}

static void pass_over(struct ctx *ctx, struct server_name server, enum err err)
{
	if (err != ERR_OK) {
		log_debug(ctx->request_id, "fed.backfill.failed", "server=%.*s kind=%s", STR_ARG(server.s),
			err_name(err));
		ctx->fault = (struct fault){0};
	}
}

/* @param out_is_unanswered  somebody did not answer */
static enum err ask_all(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct room_gap *gap, size_t *out_added, bool *out_is_unanswered)
{
	struct homeserver *hs = federation->hs;
	struct server_name *servers;
	size_t count;
	int64_t until_ms = clock_mono_ms(&hs->clock) + ALL_MS;
	TRY(choose_servers(ctx, hs, room, gap, &servers, &count));
	for (size_t i = 0; i < count && *out_added == 0 && clock_mono_ms(&hs->clock) < until_ms; i++) {
		enum err err = ask_one(ctx, federation, room, gap, servers[i], out_added);
		if (is_general(err)) {
			return err;
		}
		*out_is_unanswered =
			*out_is_unanswered || err == ERR_REMOTE || err == ERR_TIMEOUT || err == ERR_LIMIT;
		pass_over(ctx, servers[i], err);
	}
	return ERR_OK;
}

/* @param gap  as it is now: whoever asked before may have filled it */
static enum err fill_gap(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct room_gap *gap)
{
	size_t added = 0;
	bool is_unanswered = false;
	TRY(ask_all(ctx, federation, room, gap, &added, &is_unanswered));
	if (added == 0) {
		room_gap_postpone(ctx, federation->hs, room, gap, is_unanswered);
	}
	return ERR_OK;
}

/*
 * History tells since when members are there, which has to fit what is known of them. A room's content is put away when it becomes whole, and who
 * may be asked stands in it.
 */
static enum err await_whole(struct ctx *ctx, struct homeserver *hs, struct room *room,
	bool *out_is_whole)
{
	struct room *loaded;
	enum err err = room_await_whole(ctx, hs, room);
	if (err == ERR_DEFER || err == ERR_SHUTDOWN) {
		return err;
	}
	*out_is_whole = err == ERR_OK && rooms_get_nid(ctx, hs, room_nid(room), &loaded) == ERR_OK;
	if (!*out_is_whole) {
		ctx->fault = (struct fault){0};
	}
	return ERR_OK;
}

static enum err fill(void *self, struct ctx *ctx, struct room *room, int64_t reached,
	bool *out_goes_on)
{
	struct backfill *backfill = self;
	struct homeserver *hs = backfill->federation->hs;
	struct room_gap gap;
	struct asker asker;
	bool is_whole;
	*out_goes_on = false;
	if (!room_is_resident(room)) {
		return ERR_OK; /* nobody tells a server that is not in the room */
	}
	TRY(room_gap_find(ctx, hs, room, reached, reached + 1, &gap));
	if (gap.below == 0) {
		return ERR_OK;
	}
	TRY(ctx_may_ask(ctx));
	TRY(await_whole(ctx, hs, room, &is_whole));
	if (!is_whole) {
		return ERR_OK;
	}
	*out_goes_on = true;
	if (!begin(ctx, backfill, room_nid(room), &asker)) {
		return ERR_OK;
	}
	enum err err = fill_gap(ctx, backfill->federation, room, &gap);
	end(ctx, backfill, &asker);
	return err;
}

/* --- one event of long ago ------------------------------------------------------------------------------------------- */

static enum err look_up(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct event_id id, struct known_event *out)
{
	return room_known_events(ctx, hs, room, &id, 1, out);
}

/* By filling the gap in which it is missing, if it is near: then nothing is missing between the two. */
static enum err fill_down_to(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct event *event, int64_t below, bool *out_is_here)
{
	struct homeserver *hs = federation->hs;
	struct stored_event *over;
	struct room_gap gap;
	struct known_event known;
	TRY(room_event_at_place(ctx, hs, room, below, &over));
	TRY(room_gap_find(ctx, hs, room, below - 1, below, &gap));
	*out_is_here = false;
	if (gap.below == 0 || over->event->depth - event->depth > EVENTS) {
		return ERR_OK;
	}
	TRY(fill_gap(ctx, federation, room, &gap));
	TRY(look_up(ctx, hs, room, event->event_id, &known));
	*out_is_here = known.fate == EVENT_IN_TIMELINE;
	return ERR_OK;
}

/* Takes in an event that is known or came from a server. Errors: MISSING (what it needs cannot be had); TIMEOUT; STORE; SHUTDOWN */
static enum err take_in(struct ctx *ctx, struct federation *federation, struct room *room,
	struct server_name server, const struct event *event, bool *out_is_here)
{
	int64_t below;
	struct room_arrival arrival = {.event = event};
	const struct missing_case missing = {.room = room, .origin = server, .event = event};
	*out_is_here = false;
	TRY(room_gap_over(ctx, federation->hs, room, event->depth, &below));
	if (below == 0) {
		return ERR_OK;
	}
	TRY(fill_down_to(ctx, federation, room, event, below, out_is_here));
	if (*out_is_here) {
		return ERR_OK;
	}
	TRY(missing_state(ctx, federation, &missing, &arrival.state_before,
		&arrival.state_before_count));
	return room_accept_past(ctx, federation->hs, room, &arrival, out_is_here);
}

/* From what is known as an outlier, or from others. *out NULL: it was judged before. */
static enum err get_event(struct ctx *ctx, struct federation *federation, struct room *room,
	struct server_name server, struct event_id id, const struct event **out)
{
	struct known_event known;
	TRY(look_up(ctx, federation->hs, room, id, &known));
	*out = known.fate == EVENT_OUTLIER ? known.event : NULL;
	return known.fate == EVENT_UNKNOWN && !known.is_elsewhere
		? missing_event(ctx, federation, room, server, id, out)
		: ERR_OK;
}

static enum err fetch_from_any(struct ctx *ctx, struct federation *federation, struct room *room,
	struct event_id id, bool *out_is_here)
{
	struct homeserver *hs = federation->hs;
	struct server_name *servers;
	size_t count;
	const struct event *event;
	*out_is_here = false;
	TRY(room_servers(ctx, hs, room, &servers, &count));
	if (count == 0) {
		return ERR_OK;
	}
	struct server_name first = servers[rng_u64(&hs->rng) % count];
	TRY(get_event(ctx, federation, room, first, id, &event));
	return event != NULL ? take_in(ctx, federation, room, first, event, out_is_here) : ERR_OK;
}

static struct str key_of_event(struct arena *arena, struct room *room, struct event_id id)
{
	return str_printf(arena, "%lld %.*s", (long long)room_nid(room), STR_ARG(id.s));
}

/* Whether there is anybody to ask, and anything that was not asked just now. */
static enum err is_worth_asking(struct ctx *ctx, struct federation *federation, struct room *room,
	struct event_id id, bool *out)
{
	struct known_event known;
	struct json nothing;
	*out = false;
	if (!room_is_resident(room) || !room_has_gaps(room)) {
		return ERR_OK; /* all that was there is here */
	}
	TRY(look_up(ctx, federation->hs, room, id, &known));
	bool is_open =
		known.fate == EVENT_OUTLIER || (known.fate == EVENT_UNKNOWN && !known.is_elsewhere);
	*out = is_open &&
		!answers_get(ctx, federation->missing_events, key_of_event(ctx->arena, room, id), &nothing);
	return ERR_OK;
}

/* What others do not have or cannot show is no error. */
static enum err settle(struct ctx *ctx, enum err err, int64_t deadline_ms)
{
	ctx->deadline_ms = deadline_ms;
	if (err != ERR_OK && !is_general(err)) {
		log_debug(ctx->request_id, "fed.backfill.not_found", "kind=%s", err_name(err));
		ctx->fault = (struct fault){0};
		return ERR_OK;
	}
	return err;
}

/* Until when others may be asked; what the ctx's own deadline allows stays. @return the ctx's own */
static int64_t limit_time(struct ctx *ctx, const struct clock *clock)
{
	int64_t own_ms = ctx->deadline_ms;
	int64_t until_ms = clock_mono_ms(clock) + ALL_MS;
	ctx->deadline_ms = own_ms != 0 ? MIN_OF(own_ms, until_ms) : until_ms;
	return own_ms;
}

static enum err fetch(void *self, struct ctx *ctx, struct room *room, struct event_id id,
	bool *out_is_news)
{
	struct backfill *backfill = self;
	struct federation *federation = backfill->federation;
	const struct clock *clock = &federation->hs->clock;
	struct json nothing = {.type = JSON_NULL};
	struct asker asker;
	if (room_is_partial(room) && room_is_resident(room)) {
		return await_whole(ctx, federation->hs, room, out_is_news); /* nothing may come yet */
	}
	TRY(is_worth_asking(ctx, federation, room, id, out_is_news));
	if (!*out_is_news) {
		return ERR_OK;
	}
	TRY(ctx_may_ask(ctx));
	if (!begin(ctx, backfill, room_nid(room), &asker)) {
		return ERR_OK;
	}
	int64_t own_ms = limit_time(ctx, clock);
	enum err err = settle(ctx, fetch_from_any(ctx, federation, room, id, out_is_news), own_ms);
	end(ctx, backfill, &asker);
	if (err == ERR_OK && !*out_is_news) {
		answers_put(ctx, federation->missing_events, key_of_event(ctx->arena, room, id), &nothing,
			UNKNOWN_KEPT_MS);
	}
	return err;
}

/* --- an event by its time --------------------------------------------------------------------------------------------- */

/* One server's answer. *out_id: s.p == NULL when it is no better than what is here. */
static enum err ask_time(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct history_time *wanted, struct server_name server, struct event_id *out_id,
	int64_t *out_ts)
{
	struct fed_answer answer;
	const struct fed_request request = {
		.server = server,
		.method = "GET",
		.target =
			str_printf(ctx->arena, "/_matrix/federation/v1/timestamp_to_event/%.*s?ts=%lld&dir=%c",
				STR_ARG(uri_encode(ctx->arena, room_id_of(room).s)), (long long)wanted->ts,
				wanted->is_backwards ? 'b' : 'f'),
		.answer_ceiling_bytes = TIME_BYTES,
		.timeout_ms = ASK_MS,
	};
	*out_id = (struct event_id){0};
	TRY(fed_ask(ctx, federation, &request, &answer, NULL));
	bool is_right =
		json_get_int(&answer.json, STR("origin_server_ts"), wanted->from, wanted->to, out_ts) &&
		event_id_parse(json_get_str(&answer.json, STR("event_id")), out_id);
	if (!is_right) {
		*out_id = (struct event_id){0};
	}
	return ERR_OK;
}

static enum err ask_one_for_time(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct history_time *wanted, struct server_name server, bool *out_is_here)
{
	struct event_id id;
	int64_t ts;
	const struct event *event = NULL;
	*out_is_here = false;
	TRY(ask_time(ctx, federation, room, wanted, server, &id, &ts));
	if (id.s.p != NULL) {
		TRY(get_event(ctx, federation, room, server, id, &event));
	}
	return event != NULL && event->origin_server_ts == ts
		? take_in(ctx, federation, room, server, event, out_is_here)
		: ERR_OK;
}

static enum err ask_for_time(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct history_time *wanted, int64_t below, bool *out_is_here)
{
	struct homeserver *hs = federation->hs;
	const struct room_gap gap = {.below = below};
	struct server_name *servers;
	size_t count;
	*out_is_here = false;
	TRY(choose_servers(ctx, hs, room, &gap, &servers, &count));
	for (size_t i = 0; i < count && !*out_is_here && clock_mono_ms(&hs->clock) < ctx->deadline_ms;
		 i++) {
		enum err err = ask_one_for_time(ctx, federation, room, wanted, servers[i], out_is_here);
		if (is_general(err)) {
			return err;
		}
		pass_over(ctx, servers[i], err);
	}
	return ERR_OK;
}

static enum err fetch_near(void *self, struct ctx *ctx, struct room *room,
	const struct history_time *wanted, bool *out_is_news)
{
	struct backfill *backfill = self;
	struct federation *federation = backfill->federation;
	const struct clock *clock = &federation->hs->clock;
	struct asker asker;
	int64_t below = 0;
	struct room *loaded;
	bool is_whole;
	*out_is_news = false;
	TRY(rooms_get_nid(ctx, federation->hs, room_nid(room), &loaded));
	if (room_is_resident(room)) {
		TRY(room_gap_in_time(ctx, federation->hs, room, wanted->from, wanted->to, &below));
	}
	if (below == 0) {
		return ERR_OK;
	}
	TRY(ctx_may_ask(ctx));
	TRY(await_whole(ctx, federation->hs, room, &is_whole));
	if (!is_whole) {
		return ERR_OK;
	}
	*out_is_news = true;
	if (!begin(ctx, backfill, room_nid(room), &asker)) {
		return ERR_OK;
	}
	int64_t own_ms = limit_time(ctx, clock);
	enum err err =
		settle(ctx, ask_for_time(ctx, federation, room, wanted, below, out_is_news), own_ms);
	end(ctx, backfill, &asker);
	return err;
}

struct backfill *backfill_create(struct federation *federation)
{
	struct backfill *backfill = mem_alloc(sizeof(*backfill));
	backfill->federation = federation;
	lock_init(&backfill->lock, RANK_LEAF);
	cond_init(&backfill->ended);
	map_init(&backfill->rooms);
	federation->hs->ports.history = (struct history_port){
		.self = backfill,
		.fill = fill,
		.fetch = fetch,
		.fetch_near = fetch_near,
	};
	return backfill;
}

void backfill_destroy(struct backfill *backfill)
{
	if (backfill != NULL) {
		invariant(backfill->rooms.n == 0);
		map_fini(&backfill->rooms);
		cond_fini(&backfill->ended);
		lock_fini(&backfill->lock);
		mem_free(backfill);
	}
}
