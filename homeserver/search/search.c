/*
 * The answer. Everything that can fail is done before the first byte is written.
 */
#include "homeserver/search/search.h"

#include "base/map.h"
#include "homeserver/search/search_results.h"
#include "homeserver/search/search_text.h"

enum { HIGHLIGHTS_MAX = 100, SPANS_MAX = 20, MILLION = 1000000 };

struct answering {
	struct ctx *ctx;
	const struct search_request *request;
	const struct search_results *results;
	struct json_out *out;
};

/* --- highlights ------------------------------------------------------------------------------------------------- */

struct highlights {
	struct answering *answering;
	struct map seen;
};

static void add_highlights(struct highlights *highlights, struct str text)
{
	struct answering *answering = highlights->answering;
	struct arena *arena = answering->ctx->arena;
	struct term_span *spans;
	size_t count;
	terms_find(arena, text, answering->results->matches, answering->results->match_count, SPANS_MAX,
		&spans, &count);
	for (size_t i = 0; i < count && highlights->seen.n < HIGHLIGHTS_MAX; i++) {
		struct str word = str_lower(arena, str_slice(text, spans[i].start, spans[i].end));
		if (map_set(&highlights->seen, word, answering) == NULL) {
			json_out_str(answering->out, word);
		}
	}
}

/* The words as they were typed, and as they stand in what was found: endings and forms of characters may differ. */
static void write_highlights(struct answering *answering)
{
	struct highlights highlights = {.answering = answering};
	map_init(&highlights.seen);
	json_out_key_array(answering->out, "highlights");
	add_highlights(&highlights, answering->request->term);
	for (size_t i = 0; i < answering->results->n; i++) {
		const struct event *event = answering->results->list[i].event->event;
		enum search_key key;
		struct str text;
		if (search_text_of(answering->ctx->arena, event->type, event->is_state, event->content,
				&key, &text)) {
			add_highlights(&highlights, text);
		}
	}
	json_out_end(answering->out);
	map_fini(&highlights.seen);
}

/* --- results ----------------------------------------------------------------------------------------------------- */

static void write_profiles(const struct answering *answering, const struct search_result *result)
{
	struct json_out *out = answering->out;
	json_out_key_object(out, "profile_info");
	for (size_t i = 0; i < result->member_n; i++) {
		const struct event *member = result->members[i]->event;
		struct str name = json_get_str(member->content, STR("displayname"));
		struct str avatar = json_get_str(member->content, STR("avatar_url"));
		json_out_key(out, member->state_key);
		json_out_object(out);
		if (name.p != NULL) {
			json_out_key_str(out, "displayname", name);
		}
		if (avatar.p != NULL) {
			json_out_key_str(out, "avatar_url", avatar);
		}
		json_out_end(out);
	}
	json_out_end(out);
}

static void write_events(const struct answering *answering, const struct search_result *result,
	size_t from, size_t count)
{
	json_out_array(answering->out);
	for (size_t i = from; i < from + count; i++) {
		event_view_write(result->batch, i, answering->out);
	}
	json_out_end(answering->out);
}

static struct str place_token(const struct answering *answering, int64_t position)
{
	return token_text(answering->ctx->arena, (struct token){.position = position});
}

static void write_context(const struct answering *answering, const struct search_result *result)
{
	struct json_out *out = answering->out;
	json_out_key_object(out, "context");
	json_out_key_str(out, "start", place_token(answering, result->start));
	json_out_key_str(out, "end", place_token(answering, result->end));
	json_out_key(out, STR("events_before"));
	write_events(answering, result, 1, result->before_n);
	json_out_key(out, STR("events_after"));
	write_events(answering, result, 1 + result->before_n, result->after_n);
	if (answering->request->with_profiles) {
		write_profiles(answering, result);
	}
	json_out_end(out);
}

static void write_result(const struct answering *answering, const struct search_result *result)
{
	struct json_out *out = answering->out;
	json_out_object(out);
	if (answering->request->is_by_rank) {
		json_out_key_raw(out, "rank",
			str_printf(answering->ctx->arena, "%lld.%06lld", (long long)(result->rank / MILLION),
				(long long)(result->rank % MILLION)));
	}
	json_out_key(out, STR("result"));
	event_view_write(result->batch, 0, out);
	if (answering->request->with_context) {
		write_context(answering, result);
	}
	json_out_end(out);
}

/* --- groups ------------------------------------------------------------------------------------------------------ */

static struct str group_value(const struct search_result *result, enum search_group group)
{
	return group == SEARCH_GROUP_ROOM ? room_id_of(result->room->reading.room).s
									  : result->event->event->sender.s;
}

static struct str next_batch(const struct answering *answering, enum search_group group,
	struct str value, const struct search_result *last)
{
	const struct search_results *results = answering->results;
	struct search_token token = results->token;
	token.last_rank = last != NULL ? last->rank : results->last_rank;
	token.last_position = last != NULL ? last->event->position : results->last_position;
	token.total = results->total;
	if (group != SEARCH_GROUP_NONE) {
		token.group = group;
		token.group_value = value;
	}
	return search_token_text(answering->ctx->arena, &token);
}

/* One group: all results with the value of the result at `first`. */
static void write_group(const struct answering *answering, enum search_group group, size_t first,
	int64_t order)
{
	const struct search_results *results = answering->results;
	struct json_out *out = answering->out;
	struct str value = group_value(&results->list[first], group);
	const struct search_result *last = NULL;
	json_out_key(out, value);
	json_out_object(out);
	json_out_key_int(out, "order", order);
	json_out_key_array(out, "results");
	for (size_t i = first; i < results->n; i++) {
		if (str_equals(group_value(&results->list[i], group), value)) {
			last = &results->list[i];
			json_out_str(out, last->event->event->event_id.s);
		}
	}
	json_out_end(out);
	if (results->has_more) {
		json_out_key_str(out, "next_batch", next_batch(answering, group, value, last));
	}
	json_out_end(out);
}

static void write_groups_by(const struct answering *answering, enum search_group group)
{
	const struct search_results *results = answering->results;
	int64_t order = 0;
	json_out_object(answering->out);
	for (size_t i = 0; i < results->n; i++) {
		bool is_first = true;
		for (size_t k = 0; k < i && is_first; k++) {
			is_first = !str_equals(group_value(&results->list[k], group),
				group_value(&results->list[i], group));
		}
		if (is_first) {
			write_group(answering, group, i, ++order);
		}
	}
	json_out_end(answering->out);
}

static void write_groups(const struct answering *answering)
{
	json_out_key_object(answering->out, "groups");
	if (answering->request->by_room) {
		json_out_key(answering->out, STR("room_id"));
		write_groups_by(answering, SEARCH_GROUP_ROOM);
	}
	if (answering->request->by_sender) {
		json_out_key(answering->out, STR("sender"));
		write_groups_by(answering, SEARCH_GROUP_SENDER);
	}
	json_out_end(answering->out);
}

/* --- state ------------------------------------------------------------------------------------------------------- */

struct room_states {
	struct event_batch **batches; /* one for each room, in their order */
	size_t n;
};

static enum err load_states(struct ctx *ctx, struct homeserver *hs,
	const struct search_results *results, struct room_states *out)
{
	out->batches = ARENA_NEW_ARRAY(ctx->arena, struct event_batch *, results->n);
	for (struct search_room *at = results->rooms; at != NULL && out->n < results->n;
		 at = at->next) {
		const struct state_query query = {0};
		struct state_item *items;
		size_t count;
		TRY(room_state_list(ctx, hs, at->reading.room, at->reading.horizon, &query, &items,
			&count));
		struct stored_event **events = ARENA_NEW_ARRAY(ctx->arena, struct stored_event *, count);
		for (size_t i = 0; i < count; i++) {
			events[i] = items[i].event;
		}
		struct event_view *view = ARENA_NEW(ctx->arena, struct event_view);
		*view = at->reading.view;
		view->is_state = true;
		view->viewer = NULL;
		TRY(event_view_prepare(ctx, hs, at->reading.room, view, events, count,
			&out->batches[out->n++]));
	}
	return ERR_OK;
}

static void write_states(const struct answering *answering, const struct room_states *states)
{
	struct json_out *out = answering->out;
	size_t n = 0;
	json_out_key_object(out, "state");
	for (const struct search_room *at = answering->results->rooms; n < states->n; at = at->next) {
		json_out_key(out, room_id_of(at->reading.room).s);
		json_out_array(out);
		event_view_write_all(states->batches[n++], out);
		json_out_end(out);
	}
	json_out_end(out);
}

enum err search_events(struct ctx *ctx, struct homeserver *hs, const struct search_request *request,
	struct json_out *out)
{
	struct search_results results;
	struct room_states states = {0};
	TRY(search_results_load(ctx, hs, request, &results));
	if (request->with_state) {
		TRY(load_states(ctx, hs, &results, &states));
	}
	struct answering answering = {.ctx = ctx, .request = request, .results = &results, .out = out};
	json_out_object(out);
	json_out_key_object(out, "search_categories");
	json_out_key_object(out, "room_events");
	json_out_key_int(out, "count", results.total);
	write_highlights(&answering);
	json_out_key_array(out, "results");
	for (size_t i = 0; i < results.n; i++) {
		write_result(&answering, &results.list[i]);
	}
	json_out_end(out);
	if (request->with_state) {
		write_states(&answering, &states);
	}
	if (request->by_room || request->by_sender) {
		write_groups(&answering);
	}
	if (results.has_more) {
		json_out_key_str(out, "next_batch",
			next_batch(&answering, SEARCH_GROUP_NONE, str_from(NULL, 0), NULL));
	}
	json_out_end(out);
	json_out_end(out);
	json_out_end(out);
	return ERR_OK;
}
