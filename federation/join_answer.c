/*
 * All events of the answer are put into one table by id; what cannot be traced back to the create event within it is dropped. That is
 * done by counting: an event is good once all its auth events are, so a chain of any depth, or a circle, costs what its links do.
 */
#include "federation/join_answer.h"

#include "base/map.h"
#include "federation/pdu_check.h"
#include "http/memo.h"

enum { SERVERS_KEPT = 10000 }; /* of those said to be in a room */

/* A state and its auth chain, for a join. */
struct answered {
	struct server_name server;
	const struct json *state;
	const struct json *auth;
};

/* One event of the answer. */
struct node {
	const struct event *event; /* NULL: dropped */
	size_t waits_for;          /* auth events that are not known to be good yet */
	size_t first_child;        /* index + 1 into the links; 0: none */
	bool is_good;
	bool is_state; /* it came in `state` */
};

/* "child stands on …", a list for each parent. */
struct link {
	size_t child;
	size_t next; /* index + 1 */
};

struct table {
	struct ctx *ctx;
	struct map by_id; /* event id → struct node * */
	struct node *nodes;
	size_t count;
	struct link *links;
	size_t link_count;
	size_t spare_bytes; /* of PDU_SPARE_BYTES */
};

static void table_fini(void *data)
{
	struct table *table = data;
	map_fini(&table->by_id);
}

/* --- reading ------------------------------------------------------------------------------------------------ */

/* Adds what is well-formed; an event that stands in both lists is there once. */
static void add_list(struct table *table, const struct pdu_room *room, const struct json *list,
	bool is_state)
{
	for (size_t i = 0; i < list->count; i++) {
		struct pdu pdu;
		pdu_read_listed(table->ctx->arena, room, &list->items[i], &table->spare_bytes, &pdu);
		if (pdu.event == NULL || !pdu.event->is_state) {
			continue;
		}
		struct node *known = map_get(&table->by_id, pdu.event_id.s);
		if (known != NULL) {
			known->is_state = known->is_state || is_state;
			continue;
		}
		struct node *node = &table->nodes[table->count++];
		*node = (struct node){.event = pdu.event, .is_state = is_state};
		(void)map_set(&table->by_id, pdu.event_id.s, node);
	}
}

static enum err drop_unsigned(struct table *table, struct federation *federation)
{
	struct pdu *pdus = ARENA_NEW_ARRAY(table->ctx->arena, struct pdu, table->count);
	for (size_t i = 0; i < table->count; i++) {
		pdus[i] = (struct pdu){
			.event = table->nodes[i].event,
			.event_id = table->nodes[i].event->event_id,
		};
	}
	TRY(pdu_check_signatures(table->ctx, federation, pdus, table->count));
	for (size_t i = 0; i < table->count; i++) {
		table->nodes[i].event = pdus[i].event;
	}
	return ERR_OK;
}

/* What was answered, read once by all runs of a call. */
static struct table *read_table(struct ctx *ctx, const struct pdu_room *room,
	const struct answered *answered)
{
	struct str key = str_printf(ctx->arena, "answer %p", (const void *)answered->state);
	struct table *table = memo_get(ctx->memo, key);
	if (table == NULL) {
		table = ARENA_NEW(ctx->arena, struct table);
		arena_on_reset(ctx->arena, table_fini, table);
		table->nodes = ARENA_NEW_ARRAY(ctx->arena, struct node,
			answered->state->count + answered->auth->count);
		table->ctx = ctx;
		table->spare_bytes = PDU_SPARE_BYTES;
		add_list(table, room, answered->state, true);
		add_list(table, room, answered->auth, false);
		memo_put(ctx->memo, key, table);
	}
	table->ctx = ctx;
	return table;
}

/* --- what stands on what ------------------------------------------------------------------------------------ */

static void link_node(struct table *table, size_t index)
{
	struct node *node = &table->nodes[index];
	for (size_t i = 0; node->event != NULL && i < node->event->auth_count; i++) {
		struct node *parent = map_get(&table->by_id, node->event->auth_events[i].s);
		node->waits_for++;
		if (parent == NULL || parent->event == NULL) {
			continue; /* waits for ever */
		}
		struct link *link = &table->links[table->link_count++];
		*link = (struct link){.child = index, .next = parent->first_child};
		parent->first_child = table->link_count;
	}
}

/* Marks all that can be traced back. */
static void mark_good(struct table *table)
{
	size_t links = 0;
	for (size_t i = 0; i < table->count; i++) {
		links += table->nodes[i].event != NULL ? table->nodes[i].event->auth_count : 0;
	}
	table->links = ARENA_NEW_ARRAY(table->ctx->arena, struct link, links);
	size_t *todo = ARENA_NEW_ARRAY(table->ctx->arena, size_t, table->count);
	size_t todo_count = 0;
	for (size_t i = 0; i < table->count; i++) {
		link_node(table, i);
	}
	for (size_t i = 0; i < table->count; i++) {
		if (table->nodes[i].event != NULL && table->nodes[i].waits_for == 0) {
			todo[todo_count++] = i;
		}
	}
	while (todo_count > 0) {
		struct node *node = &table->nodes[todo[--todo_count]];
		node->is_good = true;
		for (size_t at = node->first_child; at != 0; at = table->links[at - 1].next) {
			size_t child = table->links[at - 1].child;
			if (--table->nodes[child].waits_for == 0) {
				todo[todo_count++] = child;
			}
		}
	}
}

/* --- the join ------------------------------------------------------------------------------------------------ */

/* Our event, with the signature of the server whose user lets ours in. */
static enum err countersigned(struct ctx *ctx, struct federation *federation,
	const struct handshake *handshake, const struct json *answer, const struct event **out)
{
	*out = handshake->event;
	if (handshake->authorised_via.s.p == NULL) {
		return ERR_OK;
	}
	struct str server = user_id_server(handshake->authorised_via).s;
	const struct json *given = json_at(json_at(answer, "event"), "signatures");
	struct json theirs = {0};
	bool is_read = given != NULL && json_read(ctx->arena, given, NULL, &theirs) == JSON_OK;
	theirs = json_dup(ctx->arena, &theirs);
	const struct json *signature = is_read ? json_get(&theirs, server) : NULL;
	if (signature == NULL || signature->type != JSON_OBJECT) {
		return handshake_malformed(ctx, handshake->server, "it has not signed the join");
	}
	struct json signatures = json_with(ctx->arena,
		json_at(event_json(ctx->arena, handshake->event), "signatures"), server, *signature);
	struct json *json = ARENA_NEW(ctx->arena, struct json);
	*json = json_with(ctx->arena, event_json(ctx->arena, handshake->event), STR("signatures"),
		signatures);
	const struct pdu_room room = {.version = handshake->version, .room_id = handshake->room_id};
	struct pdu pdu;
	pdu_read(ctx->arena, &room, json, &pdu);
	TRY(pdu_check_signatures(ctx, federation, &pdu, 1));
	if (pdu.event == NULL || pdu.is_redacted) {
		return handshake_malformed(ctx, handshake->server, "its signature of the join is wrong");
	}
	*out = pdu.event;
	return ERR_OK;
}

/* --- the whole ------------------------------------------------------------------------------------------------ */

/* State has to have the room's create event, of the version that was told. */
static bool has_create(const struct table *table, const struct room_version *version)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct node *node = &table->nodes[i];
		if (node->is_good && node->is_state &&
			event_is(node->event, STR("m.room.create"), STR(""))) {
			struct str id = json_get_str(node->event->content, STR("room_version"));
			return room_version_find(id.p != NULL ? id : STR("1")) == version;
		}
	}
	return false;
}

static bool has_auth_events_of(const struct table *table, const struct event *join)
{
	for (size_t i = 0; i < join->auth_count; i++) {
		const struct node *node = map_get(&table->by_id, join->auth_events[i].s);
		if (node == NULL || !node->is_good) {
			return false;
		}
	}
	return true;
}

/* What a join stands on was in the state, also where other members are left out of it. */
static void count_as_state(struct table *table, const struct event *join)
{
	for (size_t i = 0; i < join->auth_count; i++) {
		struct node *node = map_get(&table->by_id, join->auth_events[i].s);
		node->is_state = true;
	}
}

static void hand_out(const struct table *table, struct room_import *out)
{
	struct arena *arena = table->ctx->arena;
	const struct event **state = ARENA_NEW_ARRAY(arena, const struct event *, table->count);
	const struct event **auth = ARENA_NEW_ARRAY(arena, const struct event *, table->count);
	struct state_map map;
	state_map_init(&map, arena);
	for (size_t i = 0; i < table->count; i++) {
		const struct node *node = &table->nodes[i];
		if (!node->is_good) {
			continue;
		}
		bool is_state = node->is_state &&
			state_map_get(&map, node->event->type, node->event->state_key) == NULL;
		if (is_state) {
			(void)state_map_put(&map, node->event);
			state[out->state_count++] = node->event;
		} else {
			auth[out->auth_count++] = node->event;
		}
	}
	out->state = state;
	out->auth = auth;
}

/* @param out  version, room id and join are filled */
static enum err check_state(struct ctx *ctx, struct federation *federation,
	const struct answered *answered, struct room_import *out)
{
	const struct json *state = answered->state;
	const struct json *auth = answered->auth;
	if (!json_is(state, JSON_ARRAY) || !json_is(auth, JSON_ARRAY)) {
		return handshake_malformed(ctx, answered->server, "there is no whole state");
	}
	const struct pdu_room room = {.version = out->version, .room_id = out->room_id};
	struct table *table = read_table(ctx, &room, answered);
	TRY(drop_unsigned(table, federation));
	mark_good(table);
	if (!has_create(table, out->version)) {
		return handshake_malformed(ctx, answered->server, "the create event is missing");
	}
	if (!has_auth_events_of(table, out->join)) {
		return handshake_malformed(ctx, answered->server, "what the join stands on is missing");
	}
	if (out->omits_members) {
		count_as_state(table, out->join);
	}
	hand_out(table, out);
	return ERR_OK;
}

/* Who took the join, then who else is said to be in the room: the state is asked of them. */
static enum err read_servers(struct ctx *ctx, struct federation *federation,
	struct server_name taker, const struct json *list, struct room_import *out)
{
	if (!json_is(list, JSON_ARRAY)) {
		return handshake_malformed(ctx, taker, "it does not say which servers are in the room");
	}
	struct map seen CLEANUP(map_fini) = {0};
	struct server_name *servers = ARENA_NEW_ARRAY(ctx->arena, struct server_name, list->count + 1);
	servers[out->server_count++] = taker;
	(void)map_set(&seen, taker.s, out);
	(void)map_set(&seen, federation->hs->signer.server.s, out);
	for (size_t i = 0; i < list->count && out->server_count < SERVERS_KEPT; i++) {
		struct server_name server;
		if (list->items[i].type == JSON_STRING &&
			server_name_parse(json_text(&list->items[i]), &server) &&
			map_set(&seen, server.s, out) == NULL) {
			servers[out->server_count++].s = str_dup(ctx->arena, server.s);
		}
	}
	out->servers = servers;
	return ERR_OK;
}

enum err join_answer_check(struct ctx *ctx, struct federation *federation,
	const struct handshake *handshake, const struct json *answer, struct room_import *out)
{
	const struct answered answered = {
		.server = handshake->server,
		.state = json_at(answer, "state"),
		.auth = json_at(answer, "auth_chain"),
	};
	*out = (struct room_import){
		.version = handshake->version,
		.room_id = handshake->room_id,
		.omits_members = json_get_bool(answer, STR("members_omitted"), false),
	};
	if (out->omits_members && !handshake->takes_no_members) {
		return handshake_malformed(ctx, handshake->server, "there is no whole state");
	}
	if (out->omits_members) {
		TRY(read_servers(ctx, federation, handshake->server, json_at(answer, "servers_in_room"),
			out));
	}
	TRY(countersigned(ctx, federation, handshake, answer, &out->join));
	return check_state(ctx, federation, &answered, out);
}

enum err join_answer_check_rest(struct ctx *ctx, struct federation *federation,
	const struct join_rest *rest, const struct json *answer, struct room_import *out)
{
	const struct answered answered = {
		.server = rest->server,
		.state = json_at(answer, "pdus"),
		.auth = json_at(answer, "auth_chain"),
	};
	*out = (struct room_import){
		.version = room_version_of(rest->room),
		.room_id = room_id_of(rest->room),
		.join = rest->join,
	};
	return check_state(ctx, federation, &answered, out);
}
