/*
 * What a server gets that has come into a room. The state is that before its join, so it is the same however much happened meanwhile.
 */
#include <stdlib.h>

#include "base/map.h"
#include "base/vec.h"
#include "federation/member_in.h"
#include "homeserver/room/room_accept.h"
#include "matrix/stripped.h"

enum { MAX_HEROES = 5 };

/* The state in an order, and what is told of it. */
struct told_state {
	const struct event **events;
	size_t count;
};

static bool is_member(const struct event *event)
{
	return str_equals(event->type, STR("m.room.member"));
}

static bool is_there(const struct event *event)
{
	struct str membership = event_membership(event);
	return str_equals(membership, STR("join")) || str_equals(membership, STR("invite"));
}

static int compare_age(const void *a, const void *b)
{
	const struct event *x = *(const struct event *const *)a;
	const struct event *y = *(const struct event *const *)b;
	/* Not by origin_server_ts: two joins of one millisecond would be in no order. */
	int order = (x->depth > y->depth) - (x->depth < y->depth);
	return order != 0 ? order : str_compare(x->event_id.s, y->event_id.s);
}

/* A room without a name is called after its first members. */
static void add_heroes(struct arena *arena, const struct state_map *state, const struct event *join,
	struct told_state *told)
{
	if (state_map_get(state, STR("m.room.name"), STR("")) != NULL ||
		state_map_get(state, STR("m.room.canonical_alias"), STR("")) != NULL) {
		return;
	}
	const struct event **members = ARENA_NEW_ARRAY(arena, const struct event *, state->n);
	size_t count = 0;
	const struct event *event;
	for (size_t i = 0; (event = state_map_next(state, &i)) != NULL;) {
		if (is_member(event) && is_there(event) && !str_equals(event->state_key, join->state_key)) {
			members[count++] = event;
		}
	}
	qsort(members, count, sizeof(*members), compare_age);
	for (size_t i = 0; i < count && i < MAX_HEROES; i++) {
		told->events[told->count++] = members[i];
	}
}

static void choose(struct arena *arena, const struct state_map *state, const struct event *join,
	bool omits_members, struct told_state *told)
{
	const struct event *event;
	*told = (struct told_state){
		.events = ARENA_NEW_ARRAY(arena, const struct event *, state->n + MAX_HEROES + 1),
	};
	for (size_t i = 0; (event = state_map_next(state, &i)) != NULL;) {
		if (!omits_members || !is_member(event)) {
			told->events[told->count++] = event;
		}
	}
	if (omits_members) {
		add_heroes(arena, state, join, told);
	}
}

static void write_events(struct json_out *out, const struct event *const *events, size_t count,
	const struct map *without)
{
	json_out_array(out);
	for (size_t i = 0; i < count; i++) {
		if (without == NULL || map_get(without, events[i]->event_id.s) == NULL) {
			json_out_raw(out, events[i]->raw);
		}
	}
	json_out_end(out);
}

/* Servers with joined users in the state. */
static void write_servers(struct json_out *out, const struct state_map *state)
{
	struct map seen CLEANUP(map_fini) = {0};
	const struct event *event;
	json_out_array(out);
	for (size_t i = 0; (event = state_map_next(state, &i)) != NULL;) {
		struct user_id user;
		if (!is_member(event) || !str_equals(event_membership(event), STR("join")) ||
			!user_id_parse(event->state_key, &user)) {
			continue;
		}
		struct str server = user_id_server(user).s;
		if (map_set(&seen, server, &seen) == NULL) {
			json_out_str(out, server);
		}
	}
	json_out_end(out);
}

enum err member_in_write_room(struct ctx *ctx, struct federation *federation,
	const struct taken_member *taken, bool omits_members, struct json_out *out)
{
	struct homeserver *hs = federation->hs;
	struct state_map state;
	struct told_state told;
	TRY(room_state_around(ctx, hs, taken->room, taken->event->event_id, false, &state));
	choose(ctx->arena, &state, taken->event, omits_members, &told);
	size_t count = told.count;
	told.events[told.count] = taken->event;
	const struct event **chain;
	size_t chain_count;
	TRY(room_auth_chain(ctx, hs, taken->room, told.events, count + 1, &chain, &chain_count));
	struct map told_ids CLEANUP(map_fini) = {0};
	for (size_t i = 0; omits_members && i < count; i++) {
		(void)map_set(&told_ids, told.events[i]->event_id.s, &told_ids);
	}
	json_out_object(out);
	json_out_key_str(out, "origin", hs->signer.server.s);
	json_out_key_bool(out, "members_omitted", omits_members);
	json_out_key(out, STR("event"));
	json_out_raw(out, taken->event->raw);
	json_out_key(out, STR("state"));
	write_events(out, told.events, count, NULL);
	json_out_key(out, STR("auth_chain"));
	write_events(out, chain, chain_count, &told_ids);
	json_out_key(out, STR("servers_in_room"));
	write_servers(out, &state);
	json_out_end(out);
	return ERR_OK;
}

enum err member_in_write_stripped(struct ctx *ctx, struct federation *federation, struct room *room,
	struct json_out *out)
{
	size_t type_count;
	const struct str *types = stripped_state_types(&type_count);
	VEC(const struct event *) events = {0};
	for (size_t i = 0; i < type_count; i++) {
		struct stored_event *stored;
		TRY(room_state_event(ctx, federation->hs, room, types[i], STR(""), POSITION_NOW, &stored));
		if (stored != NULL) {
			VEC_PUSH(ctx->arena, &events, stored->event);
		}
	}
	json_out_raw(out, stripped_state_pdus(ctx->arena, events.p, events.n));
	return ERR_OK;
}
