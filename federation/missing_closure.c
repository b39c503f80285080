/*
 * Events that are known only for others' sake come with all on which they rest, or not at all: so a state is never half there, and
 * none of it is judged without its auth events.
 *
 * Each id is looked up once, whatever the events that are fetched say about each other: there is nothing in which to go round in circles.
 */
#include "federation/missing_inner.h"

#include "base/map.h"
#include "base/vec.h"

struct closure {
	struct search *search;
	struct map offered;              /* id → const struct event * */
	struct map wanted;               /* id → the closure itself: looked up or about to be */
	VEC(struct event_id) open;       /* wanted, and not looked up */
	VEC(const struct event *) taken; /* to be stored */
};

static void fini(void *data)
{
	struct closure *closure = data;
	map_fini(&closure->offered);
	map_fini(&closure->wanted);
}

struct closure *closure_create(struct search *search)
{
	struct closure *closure = ARENA_NEW(search->ctx->arena, struct closure);
	closure->search = search;
	arena_on_reset(search->ctx->arena, fini, closure);
	return closure;
}

/* Maps keep pointers that are not const; nothing is changed through them. */
static void *as_value(const struct event *event)
{
	return (void *)(uintptr_t)event;
}

void closure_offer(struct closure *closure, const struct event *event)
{
	(void)map_set(&closure->offered, event->event_id.s, as_value(event));
}

void closure_want(struct closure *closure, struct event_id id)
{
	if (map_set(&closure->wanted, id.s, closure) == NULL) {
		VEC_PUSH(closure->search->ctx->arena, &closure->open, id);
	}
}

static void take(struct closure *closure, const struct event *event)
{
	VEC_PUSH(closure->search->ctx->arena, &closure->taken, event);
	for (size_t i = 0; i < event->auth_count; i++) {
		closure_want(closure, event->auth_events[i]);
	}
}

/* Takes what was offered of those that are not known. @param out  the rest */
static enum err take_offered(struct closure *closure, const struct event_id *ids, size_t count,
	struct event_id *out, size_t *out_count)
{
	struct search *search = closure->search;
	struct known_event *known = ARENA_NEW_ARRAY(search->ctx->arena, struct known_event, count);
	TRY(room_known_events(search->ctx, search->federation->hs, search->missing->room, ids, count,
		known));
	*out_count = 0;
	for (size_t i = 0; i < count; i++) {
		if (known[i].fate != EVENT_UNKNOWN) {
			continue;
		}
		const struct event *event = map_get(&closure->offered, ids[i].s);
		if (event != NULL) {
			take(closure, event);
		} else {
			out[(*out_count)++] = ids[i];
		}
	}
	return ERR_OK;
}

enum err closure_settle(struct closure *closure)
{
	struct search *search = closure->search;
	struct arena *arena = search->ctx->arena;
	while (closure->open.n > 0) {
		size_t count = closure->open.n;
		struct event_id *ids = ARENA_NEW_ARRAY(arena, struct event_id, count);
		struct event_id *rest = ARENA_NEW_ARRAY(arena, struct event_id, count);
		size_t rest_n;
		const struct event **events;
		size_t n;
		for (size_t i = 0; i < count; i++) {
			ids[i] = closure->open.p[i];
		}
		closure->open.n = 0;
		if (closure->wanted.n > MISSING_STATE_MAX) {
			return ERR_MISSING;
		}
		TRY(take_offered(closure, ids, count, rest, &rest_n));
		TRY(missing_ask_events(search, rest, rest_n, &events, &n));
		if (n < rest_n) {
			return ERR_MISSING;
		}
		for (size_t i = 0; i < n; i++) {
			take(closure, events[i]);
		}
	}
	struct room_outcome outcome = {0};
	return closure->taken.n == 0
		? ERR_OK
		: room_accept_outliers(search->ctx, search->federation->hs, search->missing->room,
			  closure->taken.p, closure->taken.n, &outcome);
}
