/*
 * The steps by which an event's ancestors are found. Each step may fail without harm: the event is asked about once more at the end, and
 * room_accept() alone says whether it has what it needs.
 *
 * The state before an event that nobody here can link to what is known is never taken for that event itself, but for the event
 * before it that is missing: this one is fetched and taken in with it, so that it is judged like any other. Only what stands on events
 * that are here without their state (history that was fetched later) has nothing before it that could be fetched; and in the end what
 * stands on events that nobody has any more. That gives nobody more than he has, who could as well have made the event before it.
 */
#include "federation/missing_inner.h"

#include "base/vec.h"
#include "http/uri.h"

enum {
	LOOKED_AT = 4 * MISSING_EVENTS, /* of an answer */
	STATES_FETCHED = 4,             /* for one event */
	EVENT_BY_EVENT = 100, /* unknown events of a state; more are fetched with all of it at once */
	EVENTS_MAX_BYTES = 2 * MISSING_EVENTS * EVENT_MAX_BYTES,
	IDS_MAX_BYTES = 32 * 1024 * 1024,
	STATE_MAX_BYTES = 128 * 1024 * 1024,
};

/* --- whom to ask -------------------------------------------------------------------------------------------- */

/* The sender, then some of the others, beginning anywhere: not always the same ones are bothered. */
static enum err choose_servers(struct search *search)
{
	struct ctx *ctx = search->ctx;
	struct homeserver *hs = search->federation->hs;
	struct server_name *others;
	size_t count;
	TRY(room_servers(ctx, hs, search->missing->room, &others, &count));
	search->servers = ARENA_NEW_ARRAY(ctx->arena, struct asked_server, MISSING_SERVERS);
	search->servers[search->server_n++].name = search->missing->origin;
	size_t first = count > 0 ? (size_t)(rng_u64(&hs->rng) % count) : 0;
	for (size_t i = 0; i < count && search->server_n < MISSING_SERVERS; i++) {
		struct server_name server = others[(first + i) % count];
		if (!server_name_equals(server, search->missing->origin)) {
			search->servers[search->server_n++].name = server;
		}
	}
	return ERR_OK;
}

static struct str target_of(struct search *search, const char *what)
{
	struct arena *arena = search->ctx->arena;
	return str_printf(arena, "/_matrix/federation/v1/%s/%.*s", what,
		STR_ARG(uri_encode(arena, search->room.room_id.s)));
}

static struct str target_at(struct search *search, const char *what, struct event_id id)
{
	struct arena *arena = search->ctx->arena;
	return str_printf(arena, "%.*s?event_id=%.*s", STR_ARG(target_of(search, what)),
		STR_ARG(uri_encode(arena, id.s)));
}

/* --- auth events -------------------------------------------------------------------------------------------- */

static void offer_all(struct closure *closure, const struct pdu *pdus, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (pdus[i].event != NULL) {
			closure_offer(closure, pdus[i].event);
		}
	}
}

/* The event's auth events, and all of theirs. */
static enum err fetch_auth(struct search *search, const struct event *event)
{
	struct ctx *ctx = search->ctx;
	struct json answer;
	struct closure *closure = closure_create(search);
	struct str target =
		str_printf(ctx->arena, "%.*s/%.*s", STR_ARG(target_of(search, "event_auth")),
			STR_ARG(uri_encode(ctx->arena, event->event_id.s)));
	enum err err = missing_ask(search, target, NULL, STATE_MAX_BYTES, &answer);
	if (missing_is_general(err)) {
		return err;
	}
	if (err == ERR_OK) {
		struct pdu *pdus;
		size_t count;
		TRY(pdu_check_list(ctx, search->federation, &search->room, json_at(&answer, "auth_chain"),
			&pdus, &count));
		offer_all(closure, pdus, count);
	}
	for (size_t i = 0; i < event->auth_count; i++) {
		closure_want(closure, event->auth_events[i]);
	}
	return closure_settle(closure);
}

/* --- state -------------------------------------------------------------------------------------------------- */

struct id_list {
	VEC(struct event_id) list;
};

static void read_ids(struct arena *arena, const struct json *array, struct id_list *out)
{
	struct event_id id;
	for (size_t i = 0; json_is(array, JSON_ARRAY) && i < array->count; i++) {
		if (array->items[i].type == JSON_STRING &&
			event_id_parse(json_text(&array->items[i]), &id)) {
			VEC_PUSH(arena, &out->list, id);
		}
	}
}

static enum err count_unknown(struct search *search, const struct id_list *ids, size_t *out)
{
	size_t count = ids->list.n;
	struct known_event *known = ARENA_NEW_ARRAY(search->ctx->arena, struct known_event, count);
	TRY(room_known_events(search->ctx, search->federation->hs, search->missing->room, ids->list.p,
		count, known));
	*out = 0;
	for (size_t i = 0; i < count; i++) {
		*out += known[i].fate == EVENT_UNKNOWN;
	}
	return ERR_OK;
}

/* All of a state in one answer. */
static enum err offer_state(struct search *search, struct closure *closure, struct event_id id)
{
	struct json answer;
	TRY(missing_ask(search, target_at(search, "state", id), NULL, STATE_MAX_BYTES, &answer));
	static const struct str keys[] = {STR_INIT("auth_chain"), STR_INIT("pdus")};
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		struct pdu *pdus;
		size_t count;
		TRY(pdu_check_list(search->ctx, search->federation, &search->room,
			json_get(&answer, keys[i]), &pdus, &count));
		offer_all(closure, pdus, count);
	}
	return ERR_OK;
}

/* A state that is not one of this room is none. */
static enum err check_create(struct search *search, const struct id_list *state)
{
	struct stored_event *create;
	TRY(room_state_event(search->ctx, search->federation->hs, search->missing->room,
		STR("m.room.create"), STR(""), POSITION_NOW, &create));
	for (size_t i = 0; create != NULL && i < state->list.n; i++) {
		if (str_equals(state->list.p[i].s, create->event->event_id.s)) {
			return ERR_OK;
		}
	}
	return ERR_MISSING;
}

/* The ids of the state before an event; all its events are known afterwards. */
static enum err fetch_state(struct search *search, struct event_id id, struct id_list *out)
{
	struct arena *arena = search->ctx->arena;
	struct json answer;
	struct id_list chain = {0};
	struct closure *closure = closure_create(search);
	size_t unknown = 0;
	TRY(missing_ask(search, target_at(search, "state_ids", id), NULL, IDS_MAX_BYTES, &answer));
	read_ids(arena, json_at(&answer, "pdu_ids"), out);
	read_ids(arena, json_at(&answer, "auth_chain_ids"), &chain);
	if (out->list.n + chain.list.n > MISSING_STATE_MAX) {
		return ERR_MISSING;
	}
	TRY(check_create(search, out));
	for (size_t i = 0; i < out->list.n; i++) {
		closure_want(closure, out->list.p[i]);
		VEC_PUSH(arena, &chain.list, out->list.p[i]);
	}
	TRY(count_unknown(search, &chain, &unknown));
	if (unknown > EVENT_BY_EVENT) {
		TRY(offer_state(search, closure, id));
	} else {
		for (size_t i = 0; i < chain.list.n; i++) {
			closure_want(closure, chain.list.p[i]);
		}
	}
	return closure_settle(closure);
}

/* --- taking in ------------------------------------------------------------------------------------------------ */

/* With its auth events fetched if they are missing. */
static enum err accept_with_auth(struct search *search, const struct room_arrival *arrival,
	struct room_outcome *out)
{
	struct homeserver *hs = search->federation->hs;
	struct room *room = search->missing->room;
	enum err err = room_accept(search->ctx, hs, room, arrival, out);
	if (err != ERR_MISSING || out->missing_auth_count == 0) {
		return err;
	}
	TRY(fetch_auth(search, arrival->event));
	return room_accept(search->ctx, hs, room, arrival, out);
}

/* An event before which nothing links to a state that is known: with the state that others say it stood on. */
static enum err accept_with_state(struct search *search, const struct event *event,
	struct room_outcome *out)
{
	struct id_list state = {0};
	if (search->states_left == 0) {
		return ERR_MISSING;
	}
	search->states_left--;
	TRY(fetch_state(search, event->event_id, &state));
	return accept_with_auth(search,
		&(struct room_arrival){
			.event = event,
			.state_before = state.list.p,
			.state_before_count = state.list.n,
		},
		out);
}

static bool names(const struct event *event, struct event_id prev)
{
	for (size_t i = 0; i < event->prev_count; i++) {
		if (str_equals(event->prev_events[i].s, prev.s)) {
			return true;
		}
	}
	return false;
}

/* Events that an event names as its prev_events, and that are missing. None may name it in turn (versions 1 and 2 could). */
static enum err bridge_gap(struct search *search, const struct event *event,
	const struct event_id *prev, size_t count)
{
	const struct event **events;
	size_t n;
	TRY(missing_ask_events(search, prev, count, &events, &n));
	for (size_t i = 0; i < n; i++) {
		bool is_before = !names(events[i], event->event_id) &&
			!names(events[i], search->missing->event->event_id);
		struct room_outcome outcome = {0};
		enum err err = is_before ? accept_with_state(search, events[i], &outcome) : ERR_MISSING;
		if (missing_is_general(err)) {
			return err;
		}
	}
	return ERR_OK;
}

/* --- what came between ------------------------------------------------------------------------------------------ */

static struct json ids_json(struct arena *arena, const struct event_id *ids, size_t count)
{
	struct json list = json_array_of(ARENA_NEW_ARRAY(arena, struct json, count), count);
	for (size_t i = 0; i < count; i++) {
		list.items[i] = json_string(ids[i].s);
	}
	return list;
}

static enum err between_request(struct search *search, struct json *out)
{
	struct ctx *ctx = search->ctx;
	struct arena *arena = ctx->arena;
	const struct event *event = search->missing->event;
	struct event_id *earliest;
	size_t count;
	TRY(room_extremities(ctx, search->federation->hs, search->missing->room, &earliest, &count));
	struct json body = json_object(arena, 4);
	body = json_with(arena, &body, STR("earliest_events"), ids_json(arena, earliest, count));
	body = json_with(arena, &body, STR("latest_events"), ids_json(arena, &event->event_id, 1));
	body = json_with(arena, &body, STR("limit"), json_integer(MISSING_EVENTS));
	*out = json_with(arena, &body, STR("min_depth"), json_integer(0));
	return ERR_OK;
}

/* Events of an answer from which the event descends; the newest first. */
struct between {
	const struct event *events[MISSING_EVENTS];
	bool is_done[MISSING_EVENTS];
	size_t n;
	bool is_spoiled; /* the answer has events, but none that is one of the room */
};

static size_t place_between(const struct between *between, struct event_id id)
{
	for (size_t i = 0; i < between->n; i++) {
		if (str_equals(between->events[i]->event_id.s, id.s)) {
			return i;
		}
	}
	return SIZE_MAX;
}

/* Whether events came that all had to be dropped; what has no id at all is not even meant as one. */
static bool is_spoiled(const struct pdu *pdus, size_t count)
{
	bool has_dropped = false;
	for (size_t i = 0; i < count; i++) {
		if (pdus[i].event != NULL) {
			return false;
		}
		has_dropped = has_dropped || pdus[i].event_id.s.p != NULL;
	}
	return has_dropped;
}

static const struct event *find_pdu(const struct pdu *pdus, size_t count, struct event_id id)
{
	for (size_t i = 0; i < count; i++) {
		if (pdus[i].event != NULL && str_equals(pdus[i].event_id.s, id.s)) {
			return pdus[i].event;
		}
	}
	return NULL;
}

/* Which of an answer may be missing: what is in the timeline, or set aside, was judged; what came before it is of no interest. */
static enum err drop_judged(struct search *search, struct pdu *pdus, size_t count)
{
	struct arena *arena = search->ctx->arena;
	struct event_id *ids = ARENA_NEW_ARRAY(arena, struct event_id, count);
	struct known_event *known = ARENA_NEW_ARRAY(arena, struct known_event, count);
	for (size_t i = 0; i < count; i++) {
		ids[i].s = pdus[i].event != NULL ? pdus[i].event_id.s : STR("");
	}
	TRY(room_known_events(search->ctx, search->federation->hs, search->missing->room, ids, count,
		known));
	for (size_t i = 0; i < count; i++) {
		if (known[i].fate != EVENT_UNKNOWN && known[i].fate != EVENT_OUTLIER) {
			pdus[i].event = NULL;
		}
	}
	return ERR_OK;
}

/* Follows prev_events from the event on; what is not met so has nothing to do with it. */
static void link_between(const struct event *event, const struct pdu *pdus, size_t count,
	struct between *out)
{
	const struct event *from = event;
	for (size_t next = 0; from != NULL; next++) {
		for (size_t i = 0; i < from->prev_count && out->n < MISSING_EVENTS; i++) {
			const struct event *prev = find_pdu(pdus, count, from->prev_events[i]);
			if (prev != NULL && place_between(out, prev->event_id) == SIZE_MAX &&
				!str_equals(prev->event_id.s, event->event_id.s)) {
				out->events[out->n++] = prev;
			}
		}
		from = next < out->n ? out->events[next] : NULL;
	}
}

/* Only so many are looked at as were asked for. */
static struct json first_of(const struct json *list)
{
	struct json first = {.type = JSON_ARRAY};
	if (json_is(list, JSON_ARRAY)) {
		first.items = list->items;
		first.count = MIN_OF(list->count, (size_t)LOOKED_AT);
	}
	return first;
}

static enum err ask_between(struct search *search, struct between *out)
{
	struct json body;
	struct json answer;
	struct pdu *pdus;
	size_t count;
	TRY(between_request(search, &body));
	TRY(missing_ask(search, target_of(search, "get_missing_events"), &body, EVENTS_MAX_BYTES,
		&answer));
	const struct json events = first_of(json_at(&answer, "events"));
	TRY(pdu_check_list(search->ctx, search->federation, &search->room, &events, &pdus, &count));
	out->is_spoiled = is_spoiled(pdus, count);
	TRY(drop_judged(search, pdus, count));
	link_between(search->missing->event, pdus, count, out);
	return ERR_OK;
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

/*
 * Those of an event's missing prev_events that have to come. Of the others only the state is missing: history that was fetched later, and
 * what was rejected before anybody asked what it stands on.
 */
static enum err find_unknown(struct search *search, const struct room_outcome *outcome,
	struct event_id **out, size_t *out_count)
{
	struct arena *arena = search->ctx->arena;
	size_t count = outcome->missing_prev_count;
	struct known_event *known = ARENA_NEW_ARRAY(arena, struct known_event, count);
	TRY(room_known_events(search->ctx, search->federation->hs, search->missing->room,
		outcome->missing_prev, count, known));
	*out = ARENA_NEW_ARRAY(arena, struct event_id, count);
	*out_count = 0;
	for (size_t i = 0; i < count; i++) {
		if (known[i].fate == EVENT_UNKNOWN || known[i].fate == EVENT_OUTLIER) {
			(*out)[(*out_count)++] = outcome->missing_prev[i];
		}
	}
	return ERR_OK;
}

/*
 * Takes one event in, over a gap if need be. A prev_event that came in the answer and could not be taken in makes no gap: what is
 * missing stands before it. Nor is what is missing asked for by its id where all that the sender had for it was no event.
 *
 * Where nothing is missing but the state after what it stands on, the event itself is the first for which others have to say the state.
 */
static enum err accept_over_gap(struct search *search, const struct between *between,
	const struct event *event, struct room_outcome *out)
{
	const struct room_arrival arrival = {.event = event};
	struct event_id *unknown;
	size_t count;
	enum err err = accept_with_auth(search, &arrival, out);
	if (err != ERR_MISSING || out->missing_prev_count == 0) {
		return err;
	}
	TRY(find_unknown(search, out, &unknown, &count));
	for (size_t i = 0; i < count; i++) {
		if (between->is_spoiled || place_between(between, unknown[i]) != SIZE_MAX) {
			return ERR_MISSING;
		}
	}
	if (count > 0) {
		TRY(bridge_gap(search, event, unknown, count));
		err = accept_with_auth(search, &arrival, out);
		if (err != ERR_MISSING || out->missing_prev_count == 0) {
			return err;
		}
		TRY(find_unknown(search, out, &unknown, &count));
	}
	bool is_given_up = search->missing->is_last && event == search->missing->event;
	return count == 0 || is_given_up ? accept_with_state(search, event, out) : ERR_MISSING;
}

/* The oldest that is not done: all of its prev_events among them are. NULL: none, or they go round in circles (versions 1, 2). */
static const struct event *next_between(struct between *between)
{
	for (size_t i = between->n; i > 0; i--) {
		const struct event *event = between->events[i - 1];
		bool is_next = !between->is_done[i - 1];
		for (size_t k = 0; is_next && k < event->prev_count; k++) {
			size_t place = place_between(between, event->prev_events[k]);
			is_next = place == SIZE_MAX || between->is_done[place];
		}
		if (is_next) {
			between->is_done[i - 1] = true;
			return event;
		}
	}
	return NULL;
}

static enum err fill_between(struct search *search, struct between *between)
{
	enum err err = ask_between(search, between);
	if (missing_is_general(err)) {
		return err;
	}
	const struct event *event;
	while ((event = next_between(between)) != NULL) {
		struct room_outcome outcome = {0};
		err = accept_over_gap(search, between, event, &outcome);
		if (missing_is_general(err)) {
			return err;
		}
	}
	return ERR_OK;
}

static enum err begin(struct search *search, struct ctx *ctx, struct federation *federation,
	const struct missing_case *missing)
{
	*search = (struct search){
		.ctx = ctx,
		.federation = federation,
		.missing = missing,
		.room = {.version = room_version_of(missing->room), .room_id = room_id_of(missing->room)},
		.requests_left = MISSING_REQUESTS,
		.states_left = STATES_FETCHED,
	};
	return choose_servers(search);
}

enum err missing_accept(struct ctx *ctx, struct federation *federation,
	const struct missing_case *missing, struct room_outcome *out)
{
	struct search search;
	struct between *between = ARENA_NEW(ctx->arena, struct between);
	const struct room_arrival arrival = {.event = missing->event};
	TRY(begin(&search, ctx, federation, missing));
	enum err err = accept_with_auth(&search, &arrival, out);
	if (err != ERR_MISSING || out->missing_prev_count == 0) {
		return err;
	}
	TRY(fill_between(&search, between));
	return accept_over_gap(&search, between, missing->event, out);
}

/* --- history ------------------------------------------------------------------------------------------------------- */

enum err missing_event(struct ctx *ctx, struct federation *federation, struct room *room,
	struct server_name first, struct event_id id, const struct event **out)
{
	struct search search;
	const struct missing_case missing = {.room = room, .origin = first};
	const struct event **events;
	size_t count;
	TRY(begin(&search, ctx, federation, &missing));
	TRY(missing_ask_events(&search, &id, 1, &events, &count));
	*out = count > 0 ? events[0] : NULL;
	return count > 0 ? ERR_OK : ERR_MISSING;
}

enum err missing_state(struct ctx *ctx, struct federation *federation,
	const struct missing_case *missing, const struct event_id **out, size_t *out_count)
{
	struct search search;
	struct id_list state = {0};
	struct event_id *unknown;
	size_t count;
	*out = NULL;
	*out_count = 0;
	if (missing->event->prev_count == 0) {
		return ERR_OK;
	}
	TRY(begin(&search, ctx, federation, missing));
	TRY(room_missing_auth(ctx, federation->hs, missing->room, &missing->event, 1, &unknown,
		&count));
	if (count > 0) {
		TRY(fetch_auth(&search, missing->event));
	}
	TRY(fetch_state(&search, missing->event->event_id, &state));
	*out = state.list.p;
	*out_count = state.list.n;
	return ERR_OK;
}

enum err missing_auth(struct ctx *ctx, struct federation *federation, struct room *room,
	struct server_name first, const struct event *const *events, size_t count)
{
	struct search search;
	const struct missing_case missing = {.room = room, .origin = first};
	struct event_id *unknown;
	size_t unknown_n;
	TRY(room_missing_auth(ctx, federation->hs, room, events, count, &unknown, &unknown_n));
	if (unknown_n == 0) {
		return ERR_OK;
	}
	TRY(begin(&search, ctx, federation, &missing));
	struct closure *closure = closure_create(&search);
	for (size_t i = 0; i < unknown_n; i++) {
		closure_want(closure, unknown[i]);
	}
	return closure_settle(closure);
}
