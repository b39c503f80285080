/*
 * Whole rooms. The first byte is the room version, the rest a JSON array of PDUs. What event_parse()
 * takes is put into two state sets in turn; every event is checked against the first, and the two are
 * resolved. Nothing may crash or hang; a refusal has a rule; resolution does not depend on the order of
 * the sets.
 *
 * Of PDUs with the same id the first counts: a server stores one event under an id, whatever others send
 * under it later (in room versions 1 and 2 the sender chooses the id, in the others what a redaction
 * takes away is not part of it).
 */
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "matrix/auth.h"
#include "matrix/resolve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENTS_MAX = 64 };

struct room {
	const struct event *events[EVENTS_MAX];
	size_t n;
	struct map by_id;
};

static const struct event *room_get(void *self, struct event_id id)
{
	const struct room *room = self;
	return map_get(&room->by_id, id.s);
}

/* Some are. */
static bool room_is_rejected(void *self, struct event_id id)
{
	(void)self;
	return id.s.n > 1 && id.s.p[1] % 16 == 0;
}

static void parse_events(struct arena *arena, const struct room_version *version,
	const struct json *pdus, struct room *room)
{
	for (size_t i = 0; i < pdus->count && room->n < EVENTS_MAX; i++) {
		struct event *event;
		if (event_parse(arena, version, &pdus->items[i], &event).allowed &&
			map_get(&room->by_id, event->event_id.s) == NULL) {
			room->events[room->n++] = event;
			(void)map_set(&room->by_id, event->event_id.s, event);
		}
	}
}

static void check_events(const struct room *room, const struct state_map *set)
{
	const struct state_view view = state_map_view(set);
	static const bool none_rejected[EVENT_MAX_AUTH_EVENTS];
	for (size_t i = 0; i < room->n; i++) {
		const struct verdict verdict = auth_check(room->events[i], &view);
		invariant(verdict.allowed == (verdict.rule == NULL));
		const struct event *auth[EVENT_MAX_AUTH_EVENTS];
		size_t n = 0;
		for (size_t j = 0; j < room->events[i]->auth_count && n < COUNT_OF(auth); j++) {
			auth[n] = map_get(&room->by_id, room->events[i]->auth_events[j].s);
			n += auth[n] != NULL ? 1 : 0;
		}
		const struct verdict chain =
			auth_check_auth_events(room->events[i], auth, none_rejected, n);
		invariant(chain.allowed == (chain.rule == NULL));
	}
}

static void check_resolution(struct arena *arena, const struct room_version *version,
	struct room *room, const struct state_map sets[2])
{
	const struct event_source source = {
		.get = room_get,
		.is_rejected = room_is_rejected,
		.self = room,
	};
	const struct state_map turned[2] = {sets[1], sets[0]};
	struct state_map one;
	struct state_map other;
	resolve_state(arena, version, sets, 2, &source, &one);
	resolve_state(arena, version, turned, 2, &source, &other);
	invariant(one.n == other.n);
	size_t at = 0;
	const struct event *event;
	while ((event = state_map_next(&one, &at)) != NULL) {
		const struct event *same = state_map_get(&other, event->type, event->state_key);
		invariant(same != NULL && str_equals(same->event_id.s, event->event_id.s));
	}
}

static void run(struct arena *arena, const struct room_version *version, struct str text)
{
	struct json pdus;
	if (json_parse(arena, text, NULL, &pdus, NULL) != JSON_OK || pdus.type != JSON_ARRAY) {
		return;
	}
	struct room room = {.n = 0};
	map_init(&room.by_id);
	parse_events(arena, version, &pdus, &room);
	struct state_map sets[2];
	for (size_t i = 0; i < 2; i++) {
		state_map_init(&sets[i], arena);
	}
	/* Most of the state is common; the second half of the events differs. */
	for (size_t i = 0; i < room.n; i++) {
		if (!room.events[i]->is_state ||
			!str_equals(room.events[i]->room_id.s, room.events[0]->room_id.s)) {
			continue;
		}
		if (i < room.n / 2 || i % 2 == 0) {
			(void)state_map_put(&sets[0], room.events[i]);
		}
		if (i < room.n / 2 || i % 2 == 1) {
			(void)state_map_put(&sets[1], room.events[i]);
		}
	}
	check_events(&room, &sets[0]);
	check_resolution(arena, version, &room, sets);
	map_fini(&room.by_id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2) {
		return 0;
	}
	size_t count;
	const struct room_version *versions = room_versions_all(&count);
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	run(arena, &versions[data[0] % count], str_from((const char *)data + 1, size - 1));
	return 0;
}
