/*
 * Events that are known only because others stand on them. Each is judged by its auth events, which are known or among them.
 */
#include "homeserver/room/room_accept.h"

#include "base/vec.h"
#include "homeserver/room/room_aside.h"
#include "homeserver/room/room_build.h"
#include "matrix/auth.h"
#include "storage/graph.h"

enum { BATCH = 500 };

/* One of the events given, or one that was known. */
struct node {
	struct known_event known;
	bool is_given;
	bool is_judged;
	bool is_entered; /* the walk is above it */
};

struct judging {
	struct ctx *ctx;
	struct room *room;
	struct arena *scratch; /* of one step: the look-up, an event's judging */
	struct map nodes;      /* event id → struct node * */
	const struct event *create;
	bool is_overtaken; /* another process was first to store some of them */
};

/* It is no event of a room here, though it may be one to others: it is kept as rejected, so that it is not missing. */
static bool has_nul(const struct event *event)
{
	return str_has_nul(event->type) || str_has_nul(event->state_key) ||
		str_has_nul(event->sender.s);
}

static struct node *put_node(struct judging *judging, struct str id)
{
	struct node *node = ARENA_NEW(judging->ctx->arena, struct node);
	(void)map_set(&judging->nodes, id, node);
	return node;
}

static void give(struct judging *judging, const struct event *const *events, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool is_ours = str_equals(events[i]->room_id.s, judging->room->id.s);
		if (is_ours && !str_has_nul(events[i]->event_id.s) &&
			map_get(&judging->nodes, events[i]->event_id.s) == NULL) {
			struct node *node = put_node(judging, events[i]->event_id.s);
			node->known.event = events[i];
			node->is_given = true;
			node->is_judged = has_nul(events[i]);
			node->known.fate = node->is_judged ? EVENT_REJECTED : EVENT_UNKNOWN;
		}
	}
}

/* What is known of the events given and of their auth events: one round trip. What is unknown and not given is missing. */
static enum err look_up(struct judging *judging, struct homeserver *hs,
	const struct event *const *events, size_t count, struct room_outcome *out)
{
	struct ctx *ctx = judging->ctx;
	VEC(struct event_id) ids = {0};
	struct map asked CLEANUP(map_fini) = {0};
	for (size_t i = 0; i < count; i++) {
		if (map_set(&asked, events[i]->event_id.s, &asked) == NULL) {
			VEC_PUSH(judging->scratch, &ids, events[i]->event_id);
		}
		for (size_t k = 0; k < events[i]->auth_count; k++) {
			if (map_set(&asked, events[i]->auth_events[k].s, &asked) == NULL) {
				VEC_PUSH(judging->scratch, &ids, events[i]->auth_events[k]);
			}
		}
	}
	struct known_event *known = ARENA_NEW_ARRAY(judging->scratch, struct known_event, ids.n + 1);
	TRY(room_known_events(ctx, hs, judging->room, ids.p, ids.n, known));
	VEC(struct event_id) missing = {0};
	for (size_t i = 0; i < ids.n; i++) {
		struct node *node = map_get(&judging->nodes, ids.p[i].s);
		if (known[i].event != NULL) {
			node = node != NULL ? node : put_node(judging, ids.p[i].s);
			*node = (struct node){.known = known[i], .is_judged = true};
		} else if (node == NULL && known[i].is_elsewhere) {
			node = put_node(judging, ids.p[i].s);
			*node = (struct node){.known = known[i], .is_judged = true};
		} else if (node == NULL) {
			VEC_PUSH(ctx->arena, &missing, ids.p[i]);
		}
	}
	out->missing_auth = missing.p;
	out->missing_auth_count = missing.n;
	return missing.n == 0 ? ERR_OK : fail(ctx, ERR_MISSING, M_NOT_FOUND, "Auth events are missing");
}

/* Its auth events have been judged. */
static bool is_allowed(struct judging *judging, const struct event *event)
{
	struct arena *arena = judging->scratch;
	arena_reset(arena);
	const struct event **auth = ARENA_NEW_ARRAY(arena, const struct event *, event->auth_count + 1);
	bool *rejected = ARENA_NEW_ARRAY(arena, bool, event->auth_count + 1);
	struct state_map map;
	state_map_init(&map, arena);
	for (size_t i = 0; i < event->auth_count; i++) {
		const struct node *node = map_get(&judging->nodes, event->auth_events[i].s);
		/* Of a cycle, of another room, or one whose id cannot be stored. */
		if (node == NULL || node->known.event == NULL || !node->is_judged) {
			return false;
		}
		auth[i] = node->known.event;
		rejected[i] = node->known.fate == EVENT_REJECTED;
	}
	if (!auth_check_auth_events(event, auth, rejected, event->auth_count).allowed) {
		return false;
	}
	for (size_t i = 0; i < event->auth_count; i++) {
		(void)state_map_put(&map, auth[i]);
	}
	if (judging->room->version->room_id_is_create_hash && judging->create != NULL) {
		(void)state_map_put(&map, judging->create);
	}
	struct state_view view = state_map_view(&map);
	return auth_check(event, &view).allowed;
}

/* Judges an event after those that it stands on; without recursion, chains may be long. */
static void judge(struct judging *judging, struct node *first)
{
	VEC(struct node *) stack = {0};
	VEC_PUSH(judging->ctx->arena, &stack, first);
	while (stack.n > 0) {
		struct node *node = stack.p[stack.n - 1];
		if (node->is_judged) {
			stack.n--;
			continue;
		}
		bool waits = false;
		const struct event *event = node->known.event;
		for (size_t i = 0; i < event->auth_count && !node->is_entered; i++) {
			struct node *auth = map_get(&judging->nodes, event->auth_events[i].s);
			if (auth != NULL && !auth->is_judged && !auth->is_entered) {
				VEC_PUSH(judging->ctx->arena, &stack, auth);
				waits = true;
			}
		}
		node->is_entered = true;
		if (!waits) {
			node->known.fate = is_allowed(judging, event) ? EVENT_OUTLIER : EVENT_REJECTED;
			node->is_judged = true;
			stack.n--;
		}
	}
}

/* Some of those that were judged, at positions of their own. */
static enum err store_batch(struct judging *judging, struct homeserver *hs,
	struct node *const *nodes, const int64_t *positions, size_t count)
{
	struct ctx *ctx = judging->ctx;
	arena_reset(judging->scratch);
	struct kept_event *rows = ARENA_NEW_ARRAY(judging->scratch, struct kept_event, count);
	size_t bytes = 0;
	for (size_t i = 0; i < count; i++) {
		const struct event *event = nodes[i]->known.event;
		nodes[i]->known.position = positions[i];
		bytes += event->raw.n;
		rows[i] = (struct kept_event){
			.position = positions[i],
			.event_id = event->event_id.s,
			.json = event->raw,
			.columns = room_aside_columns(judging->scratch, event),
			.fate = nodes[i]->known.fate == EVENT_REJECTED ? ROW_REJECTED : ROW_OUTLIER,
		};
	}
	int64_t kept;
	TRY(store_events_keep(ctx, hs->db, judging->room->nid, rows, count, &kept));
	judging->is_overtaken = judging->is_overtaken || kept < (int64_t)count;
	room_aside_note(judging->room, count, bytes);
	return ERR_OK;
}

static enum err store(struct judging *judging, struct homeserver *hs, struct node *const *nodes,
	size_t count)
{
	int64_t *positions;
	TRY(rooms_new_outliers(judging->ctx, hs, judging->room, count, &positions));
	for (size_t done = 0; done < count; done += BATCH) {
		TRY(store_batch(judging, hs, nodes + done, positions + done,
			MIN_OF(count - done, (size_t)BATCH)));
	}
	return ERR_OK;
}

static void find_create(struct judging *judging, struct stored_event *current,
	const struct event *const *events, size_t count)
{
	judging->create = current != NULL ? current->event : NULL;
	for (size_t i = 0; i < count && judging->create == NULL; i++) {
		/* Its hash is the room's id, so there is one only. */
		if (event_is(events[i], STR("m.room.create"), STR("")) &&
			str_equals(events[i]->room_id.s, judging->room->id.s)) {
			judging->create = events[i];
		}
	}
}

static enum err judge_and_store(struct judging *judging, struct homeserver *hs,
	const struct event *const *events, size_t count)
{
	VEC(struct node *) fresh = {0};
	for (size_t i = 0; i < count; i++) {
		struct node *node = map_get(&judging->nodes, events[i]->event_id.s);
		if (node != NULL && node->is_given) {
			judge(judging, node);
			node->is_given = false; /* once, also when it stands twice */
			VEC_PUSH(judging->ctx->arena, &fresh, node);
		}
	}
	return fresh.n > 0 ? store(judging, hs, fresh.p, fresh.n) : ERR_OK;
}

enum err room_missing_auth(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event *const *events, size_t count, struct event_id **out, size_t *out_count)
{
	struct room_outcome outcome = {0};
	struct arena *scratch CLEANUP(arena_cleanup) = arena_create();
	struct judging judging = {.ctx = ctx, .room = room, .scratch = scratch};
	give(&judging, events, count);
	enum err err = look_up(&judging, hs, events, count, &outcome);
	map_fini(&judging.nodes);
	*out_count = outcome.missing_auth_count;
	*out = ARENA_NEW_ARRAY(ctx->arena, struct event_id, *out_count + 1);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = outcome.missing_auth[i];
	}
	return err == ERR_MISSING ? ERR_OK : err;
}

/* What they are now. Where another process was first, it is what that one has stored. */
static enum err tell(struct judging *judging, struct homeserver *hs,
	const struct event *const *events, size_t count, struct known_event *out)
{
	struct event_id *ids = ARENA_NEW_ARRAY(judging->ctx->arena, struct event_id, count + 1);
	for (size_t i = 0; i < count; i++) {
		const struct node *node = map_get(&judging->nodes, events[i]->event_id.s);
		out[i] = node != NULL ? node->known : (struct known_event){0};
		ids[i] = events[i]->event_id;
	}
	return judging->is_overtaken
		? room_known_events(judging->ctx, hs, judging->room, ids, count, out)
		: ERR_OK;
}

enum err room_accept_outliers(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event *const *events, size_t count, struct room_outcome *out)
{
	return room_know_outliers(ctx, hs, room, events, count, out, NULL);
}

enum err room_know_outliers(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event *const *events, size_t count, struct room_outcome *out,
	struct known_event *known)
{
	*out = (struct room_outcome){.fate = EVENT_OUTLIER, .verdict = verdict_allow()};
	struct arena *scratch CLEANUP(arena_cleanup) = arena_create();
	struct judging judging = {.ctx = ctx, .room = room, .scratch = scratch};
	struct stored_event *create;
	TRY(room_state_event(ctx, hs, room, STR("m.room.create"), STR(""), POSITION_NOW, &create));
	find_create(&judging, create, events, count);
	give(&judging, events, count);
	room_aside_begin(room);
	enum err err = look_up(&judging, hs, events, count, out);
	if (err == ERR_OK) {
		err = judge_and_store(&judging, hs, events, count);
	}
	if (err == ERR_OK && known != NULL) {
		err = tell(&judging, hs, events, count, known);
	}
	room_aside_end(room);
	map_fini(&judging.nodes);
	return err;
}
