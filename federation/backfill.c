/*
 * History that others have: what was before a gap (fill), or one event (fetch, fetch_near), which comes alone when it is far from all that
 * is known here.
 *
 * One question at a time for each room, however many readers come to its gap: the others wait for the answer. The servers are asked
 * in turn, first the one whose event stands at the gap, since it knows what stands behind it; what one of them fails at is passed over. So all of it is
 * an errand, and whoever reads is parked meanwhile.
 */
#include "federation/backfill.h"

#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "federation/answers.h"
#include "federation/errand.h"
#include "federation/fed_client.h"
#include "federation/missing.h"
#include "federation/pdu_check.h"
#include "homeserver/room/room_accept.h"
#include "http/memo.h"
#include "http/uri.h"

enum {
	EVENTS = 100, /* of one question */
	SERVERS_MAX = 5,
	PREVS_MAX = 20,
	ASK_MS = 15 * 1000,
	ALL_MS = 30 * 1000,
	STORE_MS = 15 * 1000, /* for what the last one answered */
	ANSWER_BYTES = 16 << 20,
	TIME_BYTES = 64 << 10,
	UNKNOWN_KEPT_MS = 60 * 1000, /* an event that nobody had */
};

static struct metric fetched_counter = METRIC_COUNTER("belfry_federation_backfilled_events_total",
	"Events of history taken from others");

struct backfill {
	struct federation *federation;
	struct lock lock; /* RANK_LEAF; guards the map */
	struct map rooms; /* number of a room → struct errand * that asks for it */
};

/* What others are asked for. */
struct quest {
	struct backfill *backfill;
	int64_t room_nid;
	/* *out_is_news: whether there is more of history now. Errors: any; only what is no other server's gets to the reader */
	enum err (*ask)(struct ctx *ctx, struct federation *federation, struct room *room,
		const struct quest *quest, bool *out_is_news);
	struct server_name first;   /* to be asked */
	struct room_gap gap;        /* of fill; fetch_near has only its `below` */
	struct event_id id;         /* of fetch */
	struct history_time wanted; /* of fetch_near */
	bool is_news;
};

/* --- one at a time ------------------------------------------------------------------------------------------------ */

static struct str key_of(const int64_t *room_nid)
{
	return str_from((const char *)room_nid, sizeof(*room_nid));
}

/* Whether a failure is no other server's: nothing can be done now. */
static bool is_general(enum err err)
{
	return err == ERR_STORE || err == ERR_SHUTDOWN;
}

/* What others do not have or cannot show is no error. */
static enum err run(struct ctx *ctx, void *data)
{
	struct quest *quest = data;
	struct federation *federation = quest->backfill->federation;
	struct room *room;
	bool is_news = false;
	TRY(rooms_get_nid(ctx, federation->hs, quest->room_nid, &room));
	enum err err = quest->ask(ctx, federation, room, quest, &is_news);
	quest->is_news = is_news;
	if (err != ERR_OK && !is_general(err)) {
		log_debug(0, "fed.backfill.not_found", "kind=%s", err_name(err));
		ctx->fault = (struct fault){0};
		return ERR_OK;
	}
	return err;
}

static void drop(void *data)
{
	struct quest *quest = data;
	LOCK_SCOPE(&quest->backfill->lock);
	(void)map_remove(&quest->backfill->rooms, key_of(&quest->room_nid));
}

static struct quest *keep(struct arena *arena, const struct quest *quest, struct quest *out)
{
	struct event_id *prevs = ARENA_NEW_ARRAY(arena, struct event_id, quest->gap.prev_count);
	for (size_t i = 0; i < quest->gap.prev_count; i++) {
		prevs[i].s = str_dup(arena, quest->gap.prevs[i].s);
	}
	*out = *quest;
	out->gap.prevs = prevs;
	out->first.s = str_dup(arena, quest->first.s);
	out->id.s = str_dup(arena, quest->id.s);
	return out;
}

/* What a request has found out about its asking. */
struct asker {
	struct errand *errand; /* NULL: others asked until now */
	const struct quest *quest;
	int64_t deadline_ms; /* so long it waits for others who ask */
};

/* Begins the asker's own, unless somebody asks in that room. @return what is to be waited for */
static struct errand *begin(struct ctx *ctx, struct asker *asker, const struct quest *wanted)
{
	static const struct errand_task task = {run, drop};
	struct backfill *backfill = wanted->backfill;
	int64_t now_ms = clock_mono_ms(&backfill->federation->hs->clock);
	void *data;
	lock_take(&backfill->lock);
	struct errand *errand = map_get(&backfill->rooms, key_of(&wanted->room_nid));
	bool is_first = errand == NULL;
	if (is_first) {
		errand = errand_create(ctx, &task, wanted->first, now_ms + ALL_MS + STORE_MS,
			sizeof(struct quest), &data);
		asker->errand = errand;
		asker->quest = keep(errand_arena(errand), wanted, data);
		(void)map_set(&backfill->rooms, key_of(&wanted->room_nid), errand);
	} else {
		errand_share(ctx, errand);
	}
	lock_give(&backfill->lock);
	if (is_first) {
		errand_begin(backfill->federation->errands, errand);
	}
	return errand;
}

/*
 * Has others asked, once for each request and key; or waits for who asks in that room.
 * @param out_is_news  what it came to; of another's asking: whether to look again
 * Errors: STORE; SHUTDOWN; DEFER (parked)
 */
static enum err await(struct ctx *ctx, const struct quest *wanted, struct str key,
	bool *out_is_news)
{
	struct backfill *backfill = wanted->backfill;
	struct asker *asker = MEMO_FIND(ctx, key, struct asker);
	int64_t now_ms = clock_mono_ms(&backfill->federation->hs->clock);
	if (asker->deadline_ms == 0) {
		asker->deadline_ms = now_ms + ALL_MS;
	}
	*out_is_news = false;
	struct errand *errand = asker->errand;
	if (errand == NULL) {
		if (now_ms >= asker->deadline_ms) {
			return ERR_OK;
		}
		errand = begin(ctx, asker, wanted);
	}
	enum err err = errand_await(ctx, errand);
	if (err == ERR_DEFER || is_general(err)) {
		return err;
	}
	ctx->fault = (struct fault){0};
	*out_is_news = errand != asker->errand || (err == ERR_OK && asker->quest->is_news);
	return ERR_OK;
}

/* --- asking -------------------------------------------------------------------------------------------------------- */

/* Who is asked, in this order. @param first  if it is in the room */
static enum err choose_servers(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct server_name first, struct server_name **out, size_t *out_count)
{
	TRY(room_servers(ctx, hs, room, out, out_count));
	for (size_t i = 1; i < *out_count; i++) {
		if (server_name_equals((*out)[i], first)) {
			(*out)[i] = (*out)[0];
			(*out)[0] = first;
		}
	}
	*out_count = MIN_OF(*out_count, (size_t)SERVERS_MAX);
	return ERR_OK;
}

/* Who is asked first for what is below an event. */
static enum err choose_first(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t below, struct server_name *out)
{
	struct stored_event *at;
	struct server_name *servers;
	size_t count;
	*out = (struct server_name){0};
	if (room_event_at_place(ctx, hs, room, below, &at) == ERR_OK) {
		*out = user_id_server(at->event->sender);
	}
	TRY(choose_servers(ctx, hs, room, *out, &servers, &count));
	if (count > 0) {
		*out = servers[0];
	}
	return ERR_OK;
}

/* Whether another server may be asked: what it answers has to be taken in yet. */
static bool has_time(const struct ctx *ctx, const struct federation *federation)
{
	return clock_mono_ms(&federation->hs->clock) < ctx->deadline_ms - STORE_MS;
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
	const struct pdu_room pdu_room = {.version = room_version_of(room),
		.room_id = room_id_of(room),
		.is_history = true};
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
	struct server_name first, const struct room_gap *gap, size_t *out_added,
	bool *out_is_unanswered)
{
	struct server_name *servers;
	size_t count;
	TRY(choose_servers(ctx, federation->hs, room, first, &servers, &count));
	for (size_t i = 0; i < count && *out_added == 0 && has_time(ctx, federation); i++) {
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
	struct server_name first, const struct room_gap *gap)
{
	size_t added = 0;
	bool is_unanswered = false;
	size_t missing;
	TRY(room_order_history(ctx, federation->hs, room, gap->below, &missing));
	if (missing == 0) {
		return ERR_OK;
	}
	TRY(ask_all(ctx, federation, room, first, gap, &added, &is_unanswered));
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

static enum err ask_for_gap(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct quest *quest, bool *out_is_news)
{
	*out_is_news = true; /* or it is passed over from now on */
	return fill_gap(ctx, federation, room, quest->first, &quest->gap);
}

/* Nobody tells a server that is not in the room; but what came while it was may not be in order yet. */
static enum err put_in_order(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct room_gap *gap, bool *out_has_changed)
{
	size_t missing;
	TRY(room_order_history(ctx, hs, room, gap->below, &missing));
	*out_has_changed = missing != gap->prev_count;
	return ERR_OK;
}

static enum err fill(void *self, struct ctx *ctx, struct room *room, int64_t reached,
	bool *out_goes_on)
{
	struct backfill *backfill = self;
	struct homeserver *hs = backfill->federation->hs;
	struct quest quest = {.backfill = backfill, .room_nid = room_nid(room), .ask = ask_for_gap};
	bool is_whole;
	*out_goes_on = false;
	TRY(room_gap_find(ctx, hs, room, reached, reached + 1, &quest.gap));
	if (quest.gap.below == 0) {
		return ERR_OK;
	}
	if (!room_is_resident(room)) {
		return put_in_order(ctx, hs, room, &quest.gap, out_goes_on);
	}
	TRY(ctx_may_ask(ctx));
	TRY(await_whole(ctx, hs, room, &is_whole));
	if (!is_whole) {
		return ERR_OK;
	}
	TRY(choose_first(ctx, hs, room, quest.gap.below, &quest.first));
	struct str key = str_printf(ctx->arena, "history of %lld below %lld", (long long)quest.room_nid,
		(long long)quest.gap.below);
	return await(ctx, &quest, key, out_goes_on);
}

/* --- one event of long ago ------------------------------------------------------------------------------------------- */

static enum err look_up(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct event_id id, struct known_event *out)
{
	return room_known_events(ctx, hs, room, &id, 1, out);
}

/* Whoever took it in: another process may have been first. *out NULL: it is not there. */
static enum err find_in_timeline(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct event_id id, const struct event **out)
{
	struct known_event known;
	TRY(look_up(ctx, hs, room, id, &known));
	*out = known.fate == EVENT_IN_TIMELINE ? known.event : NULL;
	return ERR_OK;
}

/* By filling the gap in which it is missing, if it is near: then nothing is missing between the two. */
static enum err fill_down_to(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct event *event, int64_t below, bool *out_is_here)
{
	struct homeserver *hs = federation->hs;
	struct stored_event *over;
	struct room_gap gap;
	const struct event *found;
	TRY(room_event_at_place(ctx, hs, room, below, &over));
	TRY(room_gap_find(ctx, hs, room, below - 1, below, &gap));
	*out_is_here = false;
	if (gap.below == 0 || over->event->depth - event->depth > EVENTS) {
		return ERR_OK;
	}
	TRY(fill_gap(ctx, federation, room, user_id_server(over->event->sender), &gap));
	TRY(find_in_timeline(ctx, hs, room, event->event_id, &found));
	*out_is_here = found != NULL;
	return ERR_OK;
}

/* Takes in an event that is known or came from a server. Errors: MISSING (what it needs cannot be had); TIMEOUT; STORE; SHUTDOWN */
static enum err take_in(struct ctx *ctx, struct federation *federation, struct room *room,
	struct server_name server, const struct event *event)
{
	int64_t below;
	bool is_here;
	struct room_arrival arrival = {.event = event};
	const struct missing_case missing = {.room = room, .origin = server, .event = event};
	TRY(room_gap_over(ctx, federation->hs, room, event->depth, &below));
	if (below == 0) {
		return ERR_OK;
	}
	TRY(fill_down_to(ctx, federation, room, event, below, &is_here));
	if (is_here) {
		return ERR_OK;
	}
	TRY(missing_state(ctx, federation, &missing, &arrival.state_before,
		&arrival.state_before_count));
	return room_accept_past(ctx, federation->hs, room, &arrival, &is_here);
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

static enum err ask_for_event(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct quest *quest, bool *out_is_news)
{
	struct json nothing = {.type = JSON_NULL};
	const struct event *event;
	enum err err = get_event(ctx, federation, room, quest->first, quest->id, &event);
	if (err == ERR_OK && event != NULL) {
		err = take_in(ctx, federation, room, quest->first, event);
	}
	if (err == ERR_OK) {
		err = find_in_timeline(ctx, federation->hs, room, quest->id, &event);
		*out_is_news = err == ERR_OK && event != NULL;
	}
	if (!is_general(err) && !*out_is_news) {
		answers_put(ctx, federation->missing_events, key_of_event(ctx->arena, room, quest->id),
			&nothing, UNKNOWN_KEPT_MS);
	}
	return err;
}

static enum err fetch(void *self, struct ctx *ctx, struct room *room, struct event_id id,
	bool *out_is_news)
{
	struct backfill *backfill = self;
	struct homeserver *hs = backfill->federation->hs;
	struct quest quest = {.backfill = backfill,
		.room_nid = room_nid(room),
		.ask = ask_for_event,
		.id = id};
	struct server_name *servers;
	size_t count;
	if (room_is_partial(room) && room_is_resident(room)) {
		return await_whole(ctx, hs, room, out_is_news); /* nothing may come yet */
	}
	TRY(is_worth_asking(ctx, backfill->federation, room, id, out_is_news));
	if (!*out_is_news) {
		return ERR_OK;
	}
	TRY(ctx_may_ask(ctx));
	*out_is_news = false;
	TRY(room_servers(ctx, hs, room, &servers, &count));
	if (count == 0) {
		return ERR_OK;
	}
	quest.first = servers[rng_u64(&hs->rng) % count];
	return await(ctx, &quest, str_printf(ctx->arena, "history: %.*s", STR_ARG(id.s)), out_is_news);
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
	if (id.s.p == NULL) {
		return ERR_OK;
	}
	TRY(get_event(ctx, federation, room, server, id, &event));
	if (event != NULL && event->origin_server_ts == ts) {
		TRY(take_in(ctx, federation, room, server, event));
	}
	TRY(find_in_timeline(ctx, federation->hs, room, id, &event));
	*out_is_here = event != NULL && event->origin_server_ts == ts;
	return ERR_OK;
}

static enum err ask_for_time(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct quest *quest, bool *out_is_news)
{
	struct server_name *servers;
	size_t count;
	TRY(choose_servers(ctx, federation->hs, room, quest->first, &servers, &count));
	for (size_t i = 0; i < count && !*out_is_news && has_time(ctx, federation); i++) {
		enum err err =
			ask_one_for_time(ctx, federation, room, &quest->wanted, servers[i], out_is_news);
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
	struct homeserver *hs = backfill->federation->hs;
	struct quest quest = {.backfill = backfill,
		.room_nid = room_nid(room),
		.ask = ask_for_time,
		.wanted = *wanted};
	struct room *loaded;
	bool is_whole;
	*out_is_news = false;
	TRY(rooms_get_nid(ctx, hs, quest.room_nid, &loaded));
	if (room_is_resident(room)) {
		TRY(room_gap_in_time(ctx, hs, room, wanted->from, wanted->to, &quest.gap.below));
	}
	if (quest.gap.below == 0) {
		return ERR_OK;
	}
	TRY(ctx_may_ask(ctx));
	TRY(await_whole(ctx, hs, room, &is_whole));
	if (!is_whole) {
		return ERR_OK;
	}
	TRY(choose_first(ctx, hs, room, quest.gap.below, &quest.first));
	return await(ctx, &quest, STR("history by its time"), out_is_news);
}

struct backfill *backfill_create(struct federation *federation)
{
	struct backfill *backfill = mem_alloc(sizeof(*backfill));
	backfill->federation = federation;
	lock_init(&backfill->lock, RANK_LEAF);
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
		lock_fini(&backfill->lock);
		mem_free(backfill);
	}
}
