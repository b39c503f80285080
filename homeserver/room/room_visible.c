/*
 * Who may see which event. Someone who has been joined since before the oldest event sees all, whatever the visibility: that
 * needs nothing but the member's slot. For everybody else the memberships and visibilities are read that held at the events.
 */
#include "homeserver/room/room.h"
#include "homeserver/room/room_steps.h"
#include "matrix/visibility.h"
#include "storage/state.h"

#include <string.h>

/* A position of now: an open interval ends behind it. */
static const int64_t last_position = INT64_MAX - 1;

struct room_viewer {
	struct room *room;
	struct user_id user;       /* s.p == NULL: a server asks */
	struct server_name server; /* for any of its users; s.p == NULL: a user asks */
	int64_t joined_since;      /* the user is joined now, at least since here; INT64_MAX: is not */
	int64_t sees_since;        /* the user, joined now, sees all from here on */
	struct room_steps memberships; /* as far as they were asked for; values: enum membership */
	struct room_steps visibilities;
	VEC(int64_t) join_limits; /* the last join up to each of these is among the memberships */
};

struct room_viewer *room_viewer_create(struct ctx *ctx, struct room *room, struct str user_id)
{
	struct room_viewer *viewer = ARENA_NEW(ctx->arena, struct room_viewer);
	viewer->room = room;
	viewer->user.s = user_id;
	viewer->joined_since = INT64_MAX;
	viewer->sees_since = INT64_MAX;
	struct str key = state_slot_key(ctx->arena, STR("m.room.member"), user_id);
	LOCK_SCOPE(&room->lock);
	const struct state_slot *slot =
		room->content != NULL ? map_get(&room->content->state, key) : NULL;
	if (slot != NULL && slot->membership != NULL && strcmp(slot->membership, "join") == 0) {
		/* "Since ever" is what was found when this server came: since when, nobody knows here. */
		bool is_known = slot->from_position > ROOM_OUTLIERS;
		viewer->joined_since = is_known ? slot->from_position : 0;
		viewer->sees_since = viewer->joined_since;
	}
	return viewer;
}

static bool is_of_server(struct str user_id, struct server_name server)
{
	return server_name_equals(user_id_server((struct user_id){user_id}), server);
}

struct room_viewer *room_viewer_create_for_server(struct ctx *ctx, struct room *room,
	struct server_name server)
{
	struct room_viewer *viewer = ARENA_NEW(ctx->arena, struct room_viewer);
	struct str key;
	void *value;
	size_t i = 0;
	viewer->room = room;
	viewer->server = server;
	viewer->joined_since = INT64_MAX;
	LOCK_SCOPE(&room->lock);
	while (room->content != NULL && map_next(&room->content->state, &i, &key, &value)) {
		const struct state_slot *slot = value;
		if (slot->membership != NULL && strcmp(slot->membership, "join") == 0 &&
			is_of_server(slot->state_key, server)) {
			viewer->joined_since =
				MIN_OF(viewer->joined_since, MAX_OF(slot->from_position, (int64_t)0));
		}
	}
	viewer->sees_since = viewer->joined_since;
	return viewer;
}

/* The visibilities' own events say what they set. `positions` are those of the events of steps that are new. */
static enum err load_visibilities(struct ctx *ctx, struct homeserver *hs,
	struct room_viewer *viewer, const int64_t *positions, size_t count)
{
	struct stored_event **events;
	TRY(room_events_at(ctx, hs, viewer->room, positions, count, &events));
	for (size_t i = 0; i < viewer->visibilities.list.n; i++) {
		struct room_step *step = &viewer->visibilities.list.p[i];
		for (size_t k = 0; k < count; k++) {
			if (step->event_position == positions[k]) {
				step->value = (int)visibility_of(events[k] != NULL ? events[k]->event : NULL);
			}
		}
	}
	return ERR_OK;
}

/* What the best of a server's users was at each time. `rows` are in order. */
static void merge_memberships(struct ctx *ctx, struct room_viewer *viewer,
	const struct state_row *rows, size_t count)
{
	struct map now; /* user id → what that user was last */
	int64_t reached = INT64_MIN;
	size_t counts[MEMBERSHIP_UNKNOWN + 1] = {0};
	map_init(&now);
	for (size_t i = 0; i < count; i++) {
		if (!str_equals(rows[i].type, STR("m.room.member"))) {
			continue;
		}
		enum membership *step = ARENA_NEW(ctx->arena, enum membership);
		*step = membership_parse(rows[i].membership);
		const enum membership *before = map_set(&now, rows[i].state_key, step);
		counts[*step]++;
		if (before != NULL) {
			counts[*before]--;
		}
		enum membership best = counts[MEMBERSHIP_JOIN] > 0 ? MEMBERSHIP_JOIN
			: counts[MEMBERSHIP_INVITE] > 0                ? MEMBERSHIP_INVITE
														   : MEMBERSHIP_LEAVE;
		/* "Since ever": since this server came at the latest. */
		bool is_known = rows[i].from_position > ROOM_OUTLIERS;
		reached = MAX_OF(reached, is_known ? rows[i].from_position : (int64_t)0);
		const struct room_step best_step = {
			.from_position = reached,
			.to_position = INT64_MAX,
			.value = (int)best,
			.text = membership_name(best),
		};
		VEC_PUSH(ctx->arena, &viewer->memberships.list, best_step);
	}
	map_fini(&now);
}

/* Takes what was read. Memberships of before this server came, since when is not known, open nothing of history to a user. */
static enum err add_steps(struct ctx *ctx, struct homeserver *hs, struct room_viewer *viewer,
	const struct state_row *rows, size_t count)
{
	bool is_server = viewer->server.s.p != NULL;
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	size_t position_n = 0;
	for (size_t i = 0; i < count; i++) {
		struct room_step step = {
			.from_position = rows[i].from_position,
			.to_position = is_server ? INT64_MAX : rows[i].to_position,
			.event_position = rows[i].event_position,
			.text = rows[i].membership,
		};
		if (!str_equals(rows[i].type, STR("m.room.member"))) {
			if (room_steps_add(ctx->arena, &viewer->visibilities, &step) != NULL) {
				positions[position_n++] = rows[i].event_position;
			}
		} else if (!is_server && rows[i].from_position > ROOM_OUTLIERS) {
			step.value = (int)membership_parse(rows[i].membership);
			(void)room_steps_add(ctx->arena, &viewer->memberships, &step);
		}
	}
	if (is_server) {
		merge_memberships(ctx, viewer, rows, count);
	}
	return position_n > 0 ? load_visibilities(ctx, hs, viewer, positions, position_n) : ERR_OK;
}

/* Reads what held at some positions. For a server that is all that ever was, once. */
static enum err load_steps(struct ctx *ctx, struct homeserver *hs, struct room_viewer *viewer,
	const int64_t *positions, size_t position_n)
{
	struct state_row *rows;
	size_t count;
	int64_t room_nid = viewer->room->nid;
	bool is_server = viewer->server.s.p != NULL;
	TRY(is_server
			? store_state_viewer_server(ctx, hs->db, room_nid, viewer->server.s, &rows, &count)
			: store_state_viewer(ctx, hs->db, room_nid, viewer->user.s, positions, position_n,
				  &rows, &count));
	TRY(add_steps(ctx, hs, viewer, rows, count));
	for (size_t i = 0; i < position_n && !is_server; i++) {
		room_steps_asked(&viewer->memberships, positions[i]);
		room_steps_asked(&viewer->visibilities, positions[i]);
	}
	if (is_server) {
		viewer->memberships.has_begin = viewer->visibilities.has_begin = true;
		viewer->memberships.begin = viewer->visibilities.begin = INT64_MAX;
	}
	return ERR_OK;
}

/* What holds right before an event and after it. */
static bool knows(const struct room_viewer *viewer, int64_t position)
{
	return room_steps_know(&viewer->memberships, position) &&
		room_steps_know(&viewer->memberships, position - 1) &&
		room_steps_know(&viewer->visibilities, position - 1);
}

/* Makes it good for those of the events that lie before a position. */
static enum err cover_before(struct ctx *ctx, struct homeserver *hs, struct room_viewer *viewer,
	int64_t before, struct stored_event *const *events, size_t count)
{
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, 2 * count);
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		if (events[i] != NULL && events[i]->position < before &&
			!knows(viewer, events[i]->position)) {
			positions[n++] = events[i]->position - 1;
			positions[n++] = events[i]->position;
		}
	}
	return n > 0 ? load_steps(ctx, hs, viewer, positions, n) : ERR_OK;
}

enum err room_viewer_cover(struct ctx *ctx, struct homeserver *hs, struct room_viewer *viewer,
	struct stored_event *const *events, size_t count)
{
	return cover_before(ctx, hs, viewer, viewer->joined_since, events, count);
}

/* Since when the room's history has been open to all members, up to now; INT64_MAX: it is not. */
static enum err open_since(struct ctx *ctx, struct homeserver *hs, struct room *room, int64_t *out)
{
	struct str key = state_slot_key(ctx->arena, STR("m.room.history_visibility"), STR(""));
	int64_t since = ROOM_OUTLIERS;
	lock_take(&room->lock);
	bool is_loaded = room->content != NULL;
	const struct state_slot *slot = is_loaded ? map_get(&room->content->state, key) : NULL;
	if (slot != NULL) {
		since = slot->from_position;
	}
	lock_give(&room->lock);
	*out = INT64_MAX;
	if (!is_loaded) {
		return ERR_OK;
	}
	struct stored_event *event;
	TRY(room_state_event(ctx, hs, room, STR("m.room.history_visibility"), STR(""), since, &event));
	enum visibility visibility = visibility_of(event != NULL ? event->event : NULL);
	if (visibility == VISIBILITY_SHARED || visibility == VISIBILITY_WORLD_READABLE) {
		*out = since;
	}
	return ERR_OK;
}

enum err room_viewer_cover_sight(struct ctx *ctx, struct homeserver *hs, struct room_viewer *viewer,
	struct stored_event *const *events, size_t count)
{
	int64_t oldest = INT64_MAX;
	for (size_t i = 0; i < count; i++) {
		oldest = events[i] != NULL ? MIN_OF(oldest, events[i]->position) : oldest;
	}
	if (oldest < viewer->sees_since && viewer->joined_since != INT64_MAX) {
		int64_t since;
		TRY(open_since(ctx, hs, viewer->room, &since));
		viewer->sees_since = MIN_OF(viewer->sees_since, since);
	}
	return cover_before(ctx, hs, viewer, viewer->sees_since, events, count);
}

/* What held after a position. */
static enum membership membership_at(const struct room_viewer *viewer, int64_t position)
{
	const struct room_step *step = room_steps_at(&viewer->memberships, position);
	return step != NULL ? (enum membership)step->value : MEMBERSHIP_NONE;
}

static enum visibility visibility_at(const struct room_viewer *viewer, int64_t position)
{
	const struct room_step *step = room_steps_at(&viewer->visibilities, position);
	return step != NULL ? (enum visibility)step->value : VISIBILITY_SHARED;
}

/* Whether the user was joined at any time from one position to another; the last join up to that one is known. */
static bool is_joined_between(const struct room_viewer *viewer, int64_t position, int64_t up_to)
{
	for (size_t i = viewer->memberships.list.n; i > 0; i--) {
		const struct room_step *step = &viewer->memberships.list.p[i - 1];
		if (step->from_position > up_to) {
			continue;
		}
		if (step->from_position < position) {
			break;
		}
		if (step->value == MEMBERSHIP_JOIN) {
			return true;
		}
	}
	return false;
}

/* Whose membership an event may change: the viewer's, or that of the server's user whom it is about. */
static struct user_id subject_of(const struct room_viewer *viewer, const struct event *event)
{
	bool is_own = viewer->server.s.p != NULL && event->is_state &&
		str_equals(event->type, STR("m.room.member")) &&
		is_of_server(event->state_key, viewer->server);
	const struct user_id about = {event->state_key};
	return is_own ? about : viewer->user;
}

bool room_viewer_sees(const struct room_viewer *viewer, const struct stored_event *event)
{
	if (stored_event_is_held(event) && viewer->server.s.p == NULL) {
		return false;
	}
	int64_t before = event->position - 1;
	if (event->position >= viewer->sees_since || !knows(viewer, event->position)) {
		return event->position >= viewer->sees_since;
	}
	const struct visibility_facts facts = visibility_facts_of(event->event,
		subject_of(viewer, event->event), visibility_at(viewer, before),
		membership_at(viewer, before), is_joined_between(viewer, event->position, INT64_MAX));
	return visibility_allows(&facts);
}

/* Reads the last join up to a position, once. A server's are all there. */
static enum err cover_last_join(struct ctx *ctx, struct homeserver *hs, struct room_viewer *viewer,
	int64_t up_to)
{
	for (size_t i = 0; i < viewer->join_limits.n; i++) {
		if (viewer->join_limits.p[i] == up_to) {
			return ERR_OK;
		}
	}
	if (viewer->server.s.p != NULL) {
		return ERR_OK;
	}
	struct state_row row;
	enum err err =
		store_state_last_join(ctx, hs->db, viewer->room->nid, viewer->user.s, up_to, &row);
	if (err != ERR_MISSING) {
		TRY(err);
		TRY(add_steps(ctx, hs, viewer, &row, 1));
	}
	VEC_PUSH(ctx->arena, &viewer->join_limits, up_to);
	return ERR_OK;
}

enum err room_viewer_saw(struct ctx *ctx, struct homeserver *hs, struct room_viewer *viewer,
	struct stored_event *event, int64_t by_position, bool *out)
{
	int64_t before = event->position - 1;
	*out = event->position >= viewer->joined_since;
	if (*out) {
		return ERR_OK;
	}
	TRY(room_viewer_cover(ctx, hs, viewer, &event, 1));
	TRY(cover_last_join(ctx, hs, viewer, by_position));
	enum visibility visibility = visibility_at(viewer, before);
	const struct visibility_facts facts =
		visibility_facts_of(event->event, subject_of(viewer, event->event),
			visibility == VISIBILITY_WORLD_READABLE ? VISIBILITY_SHARED : visibility,
			membership_at(viewer, before), is_joined_between(viewer, event->position, by_position));
	*out = visibility_allows(&facts);
	return ERR_OK;
}

struct str room_viewer_membership(const struct room_viewer *viewer,
	const struct stored_event *event)
{
	if (event->position >= viewer->joined_since) {
		return STR("join");
	}
	const struct room_step *step = knows(viewer, event->position)
		? room_steps_at(&viewer->memberships, event->position)
		: NULL;
	return step != NULL ? step->text : STR("leave");
}

enum err room_viewer_horizon(struct ctx *ctx, struct homeserver *hs, struct room_viewer *viewer,
	int64_t *out)
{
	*out = POSITION_NOW;
	if (viewer->joined_since != INT64_MAX) {
		return ERR_OK;
	}
	TRY(load_steps(ctx, hs, viewer, &last_position, 1));
	/* Joined after all: the room's content was put away meanwhile. */
	if (visibility_at(viewer, last_position) == VISIBILITY_WORLD_READABLE ||
		membership_at(viewer, last_position) == MEMBERSHIP_JOIN) {
		return ERR_OK;
	}
	*out = 0;
	for (size_t i = viewer->memberships.list.n; i > 0; i--) {
		const struct room_step *step = &viewer->memberships.list.p[i - 1];
		if (step->value == MEMBERSHIP_JOIN) {
			*out = step->to_position;
			break;
		}
	}
	return ERR_OK;
}

enum err room_is_visible(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id, struct stored_event *event, bool *out)
{
	struct room_viewer *viewer = room_viewer_create(ctx, room, user_id);
	TRY(room_viewer_cover(ctx, hs, viewer, &event, 1));
	*out = room_viewer_sees(viewer, event);
	return ERR_OK;
}
