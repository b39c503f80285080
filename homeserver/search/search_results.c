/*
 * The index is asked for a page. Its answer keeps to what the reader may see already; each event is looked at once more when it
 * is loaded, since it may have been redacted a moment ago, and the original of an edit may be hidden when the edit is not; then the
 * edit is what was found.
 */
#include "homeserver/search/search_results.h"

#include "homeserver/consumer.h"
#include "homeserver/person/persons.h"
#include "homeserver/search/search_scope.h"
#include "homeserver/user/users.h"

enum {
	MATCHES_MAX = 32,
	INDEX_WAIT_MS =
		1500, /* for what was committed right before; the process that indexes may be in its pause */
	PAGES_MAX = 4, /* of the index for one page of the answer */
};

struct searching {
	struct ctx *ctx;
	struct homeserver *hs;
	const struct search_request *request;
	struct search_results *out;
	struct search_ask ask;
	size_t limit;
};

/* --- what is asked ------------------------------------------------------------------------------------------------ */

static bool wants_key(const struct search_request *request, enum search_key key)
{
	static const struct str types[] = {[SEARCH_BODY] = STR_INIT("m.room.message"),
		[SEARCH_NAME] = STR_INIT("m.room.name"),
		[SEARCH_TOPIC] = STR_INIT("m.room.topic")};
	return request->wants_key[key] && event_filter_allows_type(request->filter, types[key]);
}

static void set_keys(struct searching *searching)
{
	int64_t *keys = ARENA_NEW_ARRAY(searching->ctx->arena, int64_t, SEARCH_TOPIC);
	size_t n = 0;
	for (int key = SEARCH_BODY; key <= SEARCH_TOPIC; key++) {
		if (wants_key(searching->request, (enum search_key)key)) {
			keys[n++] = key;
		}
	}
	searching->ask.keys = keys;
	searching->ask.key_count = n;
}

/* Senders: those of the filter; without those of the filter, and those whom the user ignores. */
static enum err set_senders(struct searching *searching)
{
	struct ctx *ctx = searching->ctx;
	const struct event_filter *filter = searching->request->filter;
	const struct search_token *token = &searching->out->token;
	struct user *user;
	struct str *ignored;
	size_t ignored_n;
	if (filter->senders.is_given) {
		searching->ask.senders = filter->senders.exact.items;
		searching->ask.sender_count = filter->senders.exact.count;
		if (searching->ask.senders == NULL) {
			searching->ask.senders = &searching->request->who->user.s; /* none; not NULL: any */
		}
	}
	if (token->group == SEARCH_GROUP_SENDER) {
		bool is_wanted = event_filter_allows_sender(filter, token->group_value);
		searching->ask.senders = &token->group_value;
		searching->ask.sender_count = is_wanted ? 1 : 0;
	}
	TRY(users_get(ctx, searching->hs, searching->request->who->user.s, &user));
	TRY(ignored_users(ctx, searching->hs, user, &ignored, &ignored_n));
	size_t not_n = filter->not_senders.exact.count;
	struct str *not_senders = ARENA_NEW_ARRAY(ctx->arena, struct str, not_n + ignored_n);
	for (size_t i = 0; i < not_n; i++) {
		not_senders[i] = filter->not_senders.exact.items[i];
	}
	for (size_t i = 0; i < ignored_n; i++) {
		not_senders[not_n + i] = ignored[i];
	}
	searching->ask.not_senders = not_senders;
	searching->ask.not_sender_count = not_n + ignored_n;
	return ERR_OK;
}

static enum err set_spans(struct searching *searching)
{
	const struct search_token *token = &searching->out->token;
	struct search_span *spans;
	const struct search_scope_ask scope = {
		.user_id = searching->request->who->user.s,
		.filter = searching->request->filter,
		.only_room = token->group == SEARCH_GROUP_ROOM ? token->group_value : str_from(NULL, 0),
		.up_to = token->up_to,
	};
	TRY(search_scope_load(searching->ctx, searching->hs, &scope, &spans,
		&searching->ask.span_count));
	searching->ask.spans = spans;
	return ERR_OK;
}

static int has_url_of(const struct event_filter *filter)
{
	switch (filter->contains_url) {
	case FILTER_URL_ONLY:
		return 1;
	case FILTER_URL_NONE:
		return 0;
	default:
		return -1;
	}
}

static void begin_token(struct searching *searching)
{
	struct homeserver *hs = searching->hs;
	struct search_token *token = &searching->out->token;
	if (searching->request->has_token) {
		*token = searching->request->token;
		searching->out->total = token->total;
		return;
	}
	*token = (struct search_token){
		.up_to = writer_position(hs->writer),
		.now_ms = clock_wall_ms(&hs->clock),
		.last_rank = INT64_MAX,
		.last_position = INT64_MAX,
	};
	(void)consumers_await_stored(hs->consumers, SEARCH_CONSUMER, token->up_to,
		clock_mono_ms(&hs->clock) + INDEX_WAIT_MS);
}

static enum err set_ask(struct searching *searching)
{
	const struct search_token *token = &searching->out->token;
	searching->ask = (struct search_ask){
		.matches = searching->out->matches,
		.match_count = searching->out->match_count,
		.has_url = has_url_of(searching->request->filter),
		.is_by_rank = searching->request->is_by_rank,
		.now_ms = token->now_ms,
		.last_rank = token->last_rank,
		.last_position = token->last_position,
		.limit = (int64_t)searching->limit + 1,
	};
	set_keys(searching);
	TRY(set_senders(searching));
	return set_spans(searching);
}

/* --- what was found ----------------------------------------------------------------------------------------------- */

static enum err find_room(struct searching *searching, int64_t nid, struct search_room **out)
{
	struct search_room **at = &searching->out->rooms;
	while (*at != NULL && room_nid((*at)->reading.room) != nid) {
		at = &(*at)->next;
	}
	if (*at == NULL) {
		struct ctx *ctx = searching->ctx;
		struct search_room *found = ARENA_NEW(ctx->arena, struct search_room);
		struct room *room;
		TRY(rooms_get_nid(ctx, searching->hs, nid, &room));
		TRY(reading_begin(ctx, searching->hs, searching->request->who, room, &found->reading));
		*at = found;
	}
	*out = *at;
	return ERR_OK;
}

/* The event at a position that is found for the reader; NULL when it is gone or redacted: then *out_is_gone too; or when it is hidden. */
static enum err load_found(struct searching *searching, struct reading *reading, int64_t position,
	struct stored_event **out, bool *out_is_gone)
{
	struct ctx *ctx = searching->ctx;
	struct stored_event *event;
	*out = NULL;
	*out_is_gone = true;
	enum err err = room_event_at(ctx, searching->hs, reading->room, position, &event);
	if (err == ERR_MISSING || err == ERR_DENIED) {
		return ERR_OK;
	}
	TRY(err);
	if (event->redacted_by != 0) {
		return ERR_OK;
	}
	*out_is_gone = false;
	TRY(room_viewer_cover(ctx, searching->hs, reading->viewer, &event, 1));
	if (!room_viewer_sees(reading->viewer, event)) {
		return ERR_OK;
	}
	struct stored_event *seen = event;
	TRY(erased_hide(ctx, searching->hs, reading->viewer, &seen, 1));
	*out = seen == event ? event : NULL; /* what the reader does not get has not been found */
	return ERR_OK;
}

/*
 * Loads the event of a hit. *out_shown is false when it is gone, or hidden from the reader. Who came after an event was sent and sees it
 * edited finds the edit: that is all there is for the reader, in the timeline too.
 */
static enum err load_hit(struct searching *searching, const struct search_hit *hit,
	struct search_result *result, bool *out_shown)
{
	*out_shown = false;
	enum err err = find_room(searching, hit->place.room_nid, &result->room);
	if (err == ERR_MISSING || err == ERR_DENIED) {
		return ERR_OK; /* the room was forgotten or taken away meanwhile */
	}
	TRY(err);
	struct reading *reading = &result->room->reading;
	bool is_gone;
	TRY(load_found(searching, reading, hit->place.position, &result->event, &is_gone));
	if (result->event == NULL && !is_gone && hit->text_position != hit->place.position) {
		TRY(load_found(searching, reading, hit->text_position, &result->event, &is_gone));
	}
	result->rank = hit->rank;
	*out_shown = result->event != NULL;
	return ERR_OK;
}

static enum err take_hits(struct searching *searching, const struct search_hit *hits, size_t count)
{
	struct search_results *out = searching->out;
	for (size_t i = 0; i < count; i++) {
		if (out->n == searching->limit) {
			out->has_more = true;
			return ERR_OK;
		}
		bool is_shown;
		TRY(load_hit(searching, &hits[i], &out->list[out->n], &is_shown));
		out->n += is_shown ? 1 : 0;
		out->last_rank = hits[i].rank;
		out->last_position = hits[i].place.position;
	}
	return ERR_OK;
}

static enum err find_hits(struct searching *searching)
{
	struct search_results *out = searching->out;
	for (int page = 0; page < PAGES_MAX && !out->has_more; page++) {
		struct search_hit *hits;
		size_t count;
		int64_t total;
		TRY(store_search(searching->ctx, searching->hs->db, &searching->ask, &hits, &count,
			&total));
		out->total = MAX_OF(out->total, total);
		TRY(take_hits(searching, hits, count));
		if (count < (size_t)searching->ask.limit) {
			/* A full page is followed by another, if an empty one: clients of other servers expect that. */
			out->has_more = out->n == searching->limit;
			return ERR_OK;
		}
		searching->ask.last_rank = out->last_rank;
		searching->ask.last_position = out->last_position;
		out->has_more = page + 1 == PAGES_MAX || out->n == searching->limit;
	}
	return ERR_OK;
}

/* --- surroundings ------------------------------------------------------------------------------------------------- */

static enum err fill(struct searching *searching, struct search_result *result, bool is_before,
	const struct timeline_around *read, struct page *out)
{
	const struct reading *reading = &result->room->reading;
	int64_t place;
	TRY(room_places_of(searching->ctx, searching->hs, reading->room, &result->event->position, 1,
		&place));
	const struct page_query query = {
		.viewer = reading->viewer,
		.user_id = searching->request->who->user.s,
		.ignored = reading->view.ignored,
		.is_history = true,
		.came_up_to = reading->view.up_to,
		.after = is_before ? ROOM_OUTLIERS : place,
		.up_to = is_before ? place - 1 : reading->view.up_to,
		.is_backwards = is_before,
		.limit = is_before ? searching->request->context_before : searching->request->context_after,
		.scan_limit = READING_SCAN_LIMIT / 10,
		.first = !read->is_read ? NULL
			: is_before         ? &read->before
								: &read->after,
	};
	return page_fill(searching->ctx, searching->hs, reading->room, &query, out);
}

static bool is_new_sender(const struct search_result *result, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (str_equals(result->events[i]->event->sender.s,
				result->events[index]->event->sender.s)) {
			return false;
		}
	}
	return true;
}

static enum err load_members(struct searching *searching, struct search_result *result)
{
	size_t count = 1 + result->before_n + result->after_n;
	result->members = ARENA_NEW_ARRAY(searching->ctx->arena, struct stored_event *, count);
	for (size_t i = 0; i < count; i++) {
		struct stored_event *member = NULL;
		if (is_new_sender(result, i)) {
			TRY(room_state_event(searching->ctx, searching->hs, result->room->reading.room,
				STR("m.room.member"), result->events[i]->event->sender.s, result->event->position,
				&member));
		}
		if (member != NULL) {
			result->members[result->member_n++] = member;
		}
	}
	return ERR_OK;
}

static enum err surround(struct searching *searching, struct search_result *result)
{
	const struct search_request *request = searching->request;
	struct reading *reading = &result->room->reading;
	struct timeline_around read = {0};
	struct page before = {0};
	struct page after = {0};
	if (request->with_context) {
		TRY(room_timeline_around(searching->ctx, searching->hs, reading->room, result->event,
			reading->view.up_to, request->context_before, request->context_after, &read));
		TRY(fill(searching, result, true, &read, &before));
		TRY(fill(searching, result, false, &read, &after));
	}
	result->before_n = before.n;
	result->after_n = after.n;
	result->start = before.reached;
	result->end = after.reached;
	result->events =
		ARENA_NEW_ARRAY(searching->ctx->arena, struct stored_event *, 1 + before.n + after.n);
	bool *childless = ARENA_NEW_ARRAY(searching->ctx->arena, bool, 1 + before.n + after.n);
	result->events[0] = result->event;
	childless[0] = read.is_childless;
	for (size_t i = 0; i < before.n; i++) {
		result->events[1 + i] = before.events[i];
		childless[1 + i] = before.childless[i];
	}
	for (size_t i = 0; i < after.n; i++) {
		result->events[1 + before.n + i] = after.events[i];
		childless[1 + before.n + i] = after.childless[i];
	}
	if (searching->request->with_profiles) {
		TRY(load_members(searching, result));
	}
	struct event_view *view = ARENA_NEW(searching->ctx->arena, struct event_view);
	*view = reading->view;
	view->childless = childless;
	return event_view_prepare(searching->ctx, searching->hs, reading->room, view, result->events,
		1 + before.n + after.n, &result->batch);
}

enum err search_results_load(struct ctx *ctx, struct homeserver *hs,
	const struct search_request *request, struct search_results *out)
{
	struct term_match *matches;
	*out = (struct search_results){0};
	struct searching searching = {.ctx = ctx,
		.hs = hs,
		.request = request,
		.out = out,
		.limit = (size_t)request->filter->limit};
	terms_query(ctx->arena, request->term, MATCHES_MAX, &matches, &out->match_count);
	out->matches = matches;
	out->list = ARENA_NEW_ARRAY(ctx->arena, struct search_result, searching.limit);
	if (out->match_count == 0) {
		return ERR_OK;
	}
	begin_token(&searching);
	TRY(set_ask(&searching));
	if (searching.ask.key_count > 0) {
		TRY(find_hits(&searching));
	}
	for (size_t i = 0; i < out->n; i++) {
		TRY(surround(&searching, &out->list[i]));
	}
	return ERR_OK;
}
