/*
 * Which rooms a client is told of: those in the windows of its lists, and those that it asks for by their ids.
 */
#include "homeserver/sync/sliding_inner.h"

#include <stdlib.h>

enum {
	LOOKS_AT_ONCE = 20000
}; /* rooms times lists that an I/O thread goes through: about a millisecond */

/* --- the user's rooms -------------------------------------------------------------------------------------- */

/* Of a stream that is live, up to the client's token. */
int64_t sliding_place_told(const struct sliding_run *run, const struct sliding_place *place,
	enum sliding_stream stream)
{
	int64_t told = place->known != NULL ? place->known->told[stream] : SLIDING_NEVER;
	return told == SLIDING_LIVE ? run->since : told;
}

void sliding_place_tell(struct sliding_run *run, const struct sliding_place *place,
	enum sliding_stream stream)
{
	bool is_live = place->known != NULL && place->known->told[stream] == SLIDING_LIVE;
	if (!is_live) { /* hardly ever */
		sliding_change_told(run->change, room_nid(place->entry.room), stream);
	}
}

/*
 * What the user has left stands in lists until that is told, if the room was, and on and on where others have put the user out. That it was left is told also when
 * it is forgotten by then; an invite that is not to be told is no leaving.
 */
static bool is_listed(const struct sliding_run *run, const struct sliding_place *place)
{
	bool tells_leaving = place->told != SLIDING_NEVER && place->entry.position > place->told;
	if (place->entry.is_forgotten) {
		return tells_leaving && sync_is_left(&place->entry);
	}
	return sync_is_member(&place->entry) || sync_is_outside(&place->entry) || tells_leaving ||
		sliding_is_thrown_out(run, room_nid(place->entry.room));
}

static int by_activity(const void *a, const void *b)
{
	const struct sliding_place *x = a;
	const struct sliding_place *y = b;
	if (x->activity != y->activity) {
		return x->activity > y->activity ? -1 : 1;
	}
	int64_t x_nid = room_nid(x->entry.room);
	int64_t y_nid = room_nid(y->entry.room);
	return (x_nid < y_nid) - (x_nid > y_nid);
}

static int by_id(const void *a, const void *b)
{
	struct sliding_place *const *x = a;
	struct sliding_place *const *y = b;
	return str_compare(room_id_of((*x)->entry.room).s, room_id_of((*y)->entry.room).s);
}

static int compare_id(const void *key, const void *element)
{
	struct sliding_place *const *place = element;
	return str_compare(*(const struct str *)key, room_id_of((*place)->entry.room).s);
}

struct sliding_place *sliding_place_find(struct sliding_run *run, struct str room_id)
{
	if (run->place_n == 0) {
		return NULL;
	}
	if (run->places_by_id == NULL) {
		run->places_by_id = ARENA_NEW_ARRAY(run->ctx->arena, struct sliding_place *, run->place_n);
		for (size_t i = 0; i < run->place_n; i++) {
			run->places_by_id[i] = &run->places[i];
		}
		qsort(run->places_by_id, run->place_n, sizeof(struct sliding_place *), by_id);
	}
	struct sliding_place **found = bsearch(&room_id, run->places_by_id, run->place_n,
		sizeof(struct sliding_place *), compare_id);
	return found != NULL ? *found : NULL;
}

bool sliding_place_has_news(const struct sliding_run *run, const struct sliding_place *place,
	int64_t after)
{
	return place->activity > after || place->entry.position > after ||
		sliding_direct_at(run) > after;
}

static enum err load_places(struct sliding_run *run)
{
	const struct sliding_state *before = sliding_states_before(run);
	struct user_room *rooms;
	size_t n;
	user_rooms(run->user, run->ctx->arena, &rooms, &n);
	run->places = ARENA_NEW_ARRAY(run->ctx->arena, struct sliding_place, n);
	for (size_t i = 0; i < n; i++) {
		struct sliding_place *place = &run->places[run->place_n];
		place->entry = rooms[i];
		TRY(sync_entry_at_end(run->ctx, run->hs, run->who->user.s, run->end.up_to, &place->entry));
		place->activity = sync_is_member(&place->entry) ? room_last_position(place->entry.room)
														: place->entry.position;
		int64_t nid = room_nid(place->entry.room);
		place->known = sliding_state_room(before, nid);
		place->told = sliding_place_told(run, place, SLIDING_EVENTS);
		place->had = sliding_state_config(before, place->known);
		bool is_hidden = sync_is_outside(&place->entry) &&
			sync_is_ignored_invite(run->ctx->arena, run->who->user.s, &run->ignored, &place->entry);
		if (!is_hidden) {
			run->place_n++;
		} else if (place->entry.position > run->since) {
			sliding_change_missed(run->change, nid, SLIDING_EVENTS, MAX_OF(run->since, INT64_C(1)));
		}
	}
	if (run->place_n > 1) {
		qsort(run->places, run->place_n, sizeof(*run->places), by_activity);
	}
	return ERR_OK;
}

/* --- who wants them ---------------------------------------------------------------------------------------- */

/*
 * Rooms mostly want the same, however many there are: so what is wanted of a room is joined once for all rooms that the same lists have. Lists are looked through
 * one after another, so that wishes need to know only the newest that came of them.
 */
static void want(struct sliding_run *run, struct sliding_place *place,
	const struct sliding_config *config)
{
	struct sliding_wishes *before = place->is_wanted ? place->wishes : &run->wishes;
	if (before->after == NULL || before->after->of != config) {
		before->after = ARENA_NEW(run->ctx->arena, struct sliding_wishes);
		*before->after =
			(struct sliding_wishes){.before = before, .of = config, .count = before->count + 1};
	}
	place->wishes = before->after;
	place->is_wanted = true;
}

static const struct sliding_config *join(struct arena *arena, const struct sliding_wishes *wishes)
{
	if (wishes->count == 1) {
		return wishes->of;
	}
	const struct sliding_config **all =
		ARENA_NEW_ARRAY(arena, const struct sliding_config *, wishes->count);
	size_t n = 0;
	for (const struct sliding_wishes *wish = wishes; wish->count > 0; wish = wish->before) {
		all[n++] = wish->of;
	}
	struct sliding_config *config = ARENA_NEW(arena, struct sliding_config);
	*config = sliding_config_join(arena, all, n);
	return config;
}

static void join_wishes(struct sliding_run *run)
{
	for (size_t i = 0; i < run->place_n; i++) {
		struct sliding_place *place = &run->places[i];
		if (!place->is_wanted) {
			continue;
		}
		if (place->wishes->joined == NULL) {
			place->wishes->joined = join(run->ctx->arena, place->wishes);
		}
		place->config = place->wishes->joined;
	}
}

static bool is_in_ranges(const struct sliding_list *list, int64_t index)
{
	bool is_in = list->has_all;
	for (size_t i = 0; i < list->range_n && !is_in; i++) {
		is_in = index >= list->ranges[i].from && index <= list->ranges[i].to;
	}
	return is_in;
}

static enum err look_through(struct sliding_run *run, const struct sliding_list *list,
	struct sliding_window *out)
{
	out->list = list;
	TRY(sliding_filter_prepare(run, out));
	out->places = ARENA_NEW_ARRAY(run->ctx->arena, struct sliding_place *, run->place_n);
	for (size_t i = 0; i < run->place_n; i++) {
		struct sliding_place *place = &run->places[i];
		bool is_of_list = place->is_listed;
		if (is_of_list) {
			TRY(sliding_filter_allows(run, out, place, &is_of_list));
		}
		if (is_of_list && is_in_ranges(list, out->count++)) {
			want(run, place, &list->config);
			out->places[out->place_n++] = place;
		}
	}
	return ERR_OK;
}

/*
 * Also to what was left long ago: "the user must either be in the room, be invited/knocked to the room, or have historically been in the room" (MSC4186, "Subscriptions").
 * Cost: of a room that was left and is in no list, one round trip.
 */
static enum err may_subscribe(struct sliding_run *run, const struct sliding_place *place, bool *out)
{
	bool was_never_joined;
	int64_t left_at;
	*out = place->is_listed || (sync_is_left(&place->entry) && !place->entry.is_forgotten);
	if (place->is_listed || !*out) {
		return ERR_OK;
	}
	TRY(sliding_left_at(run, place, &was_never_joined, &left_at));
	*out = !was_never_joined;
	return ERR_OK;
}

static enum err look_at_subscriptions(struct sliding_run *run)
{
	const struct sliding_request *request = run->request;
	for (size_t i = 0; i < request->subscription_n; i++) {
		struct sliding_place *place = sliding_place_find(run, request->subscriptions[i].room_id);
		bool is_allowed = false;
		if (place != NULL) {
			TRY(may_subscribe(run, place, &is_allowed));
		}
		if (is_allowed) {
			want(run, place, &request->subscriptions[i].config);
			place->is_subscribed = true;
		}
	}
	return ERR_OK;
}

/* How often something of a room is looked at for a list. */
static size_t looks(const struct sliding_run *run)
{
	size_t n = 0;
	for (size_t i = 0; i < run->request->list_n; i++) {
		n += run->place_n * (1 + run->request->lists[i].filter.spaces.set.count);
	}
	return n;
}

enum err sliding_lists_load(struct sliding_run *run)
{
	const struct sliding_request *request = run->request;
	bool has_rules = request->list_n > 0 || request->subscription_n > 0;
	if (!has_rules && sliding_states_before(run)->room_n == 0) {
		return ERR_OK;
	}
	TRY(load_places(run));
	if (looks(run) > LOOKS_AT_ONCE) {
		TRY(ctx_may_wait(run->ctx)); /* they would keep other connections waiting */
	}
	TRY(sliding_facts_load(run));
	TRY(sliding_kinds_load(run));
	/* Of who asks for no rooms now, what happens in those that were told is noted as missed. */
	if (!has_rules) {
		return ERR_OK;
	}
	for (size_t i = 0; i < run->place_n; i++) {
		run->places[i].is_listed = is_listed(run, &run->places[i]);
	}
	run->windows = ARENA_NEW_ARRAY(run->ctx->arena, struct sliding_window, request->list_n);
	for (size_t i = 0; i < request->list_n; i++) {
		TRY(look_through(run, &request->lists[i], &run->windows[i]));
	}
	TRY(look_at_subscriptions(run));
	join_wishes(run);
	return ERR_OK;
}
