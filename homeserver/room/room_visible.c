/*
 * Who may see which event. Someone who has been joined since before the oldest event sees all, whatever the visibility: that
 * needs nothing but the member's slot. Everybody else needs all memberships and visibilities of the past.
 */
#include "homeserver/room/room.h"
#include "homeserver/room/room_accept.h"
#include "matrix/visibility.h"
#include "storage/state.h"

#include <string.h>

struct membership_step {
	int64_t from_position;
	struct str text;
	enum membership membership;
};

struct visibility_step {
	int64_t from_position;
	enum visibility visibility;
};

struct room_viewer {
	struct room *room;
	struct user_id user;       /* s.p == NULL: a server asks */
	struct server_name server; /* for any of its users; s.p == NULL: a user asks */
	int64_t joined_since;      /* the user is joined now, at least since here; INT64_MAX: is not */
	int64_t sees_since;        /* the user, joined now, sees all from here on */
	bool is_loaded;            /* what follows is all of the past, oldest first */
	struct membership_step *memberships;
	size_t membership_n;
	struct visibility_step *visibilities;
	size_t visibility_n;
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

/* The visibilities' own events say what they set. */
static enum err load_visibilities(struct ctx *ctx, struct homeserver *hs,
	struct room_viewer *viewer, const int64_t *positions)
{
	struct stored_event **events;
	TRY(room_events_at(ctx, hs, viewer->room, positions, viewer->visibility_n, &events));
	for (size_t i = 0; i < viewer->visibility_n; i++) {
		viewer->visibilities[i].visibility =
			visibility_of(events[i] != NULL ? events[i]->event : NULL);
	}
	return ERR_OK;
}

/* What the best of a server's users was at each time. `rows` are in order. */
static void merge_memberships(struct ctx *ctx, struct room_viewer *viewer,
	const struct state_row *rows, size_t count)
{
	struct map now; /* user id → the last step of that user */
	size_t counts[MEMBERSHIP_UNKNOWN + 1] = {0};
	map_init(&now);
	for (size_t i = 0; i < count; i++) {
		if (!str_equals(rows[i].type, STR("m.room.member"))) {
			continue;
		}
		struct membership_step *step = ARENA_NEW(ctx->arena, struct membership_step);
		step->membership = membership_parse(rows[i].membership);
		const struct membership_step *before = map_set(&now, rows[i].state_key, step);
		counts[step->membership]++;
		if (before != NULL) {
			counts[before->membership]--;
		}
		enum membership best = counts[MEMBERSHIP_JOIN] > 0 ? MEMBERSHIP_JOIN
			: counts[MEMBERSHIP_INVITE] > 0                ? MEMBERSHIP_INVITE
														   : MEMBERSHIP_LEAVE;
		/* "Since ever": since this server came at the latest. */
		viewer->memberships[viewer->membership_n++] = (struct membership_step){
			.from_position = rows[i].from_position > ROOM_OUTLIERS ? rows[i].from_position : 0,
			.text = membership_name(best),
			.membership = best,
		};
	}
	map_fini(&now);
}

static enum err load_past(struct ctx *ctx, struct homeserver *hs, struct room_viewer *viewer)
{
	struct state_row *rows;
	size_t count;
	bool is_server = viewer->server.s.p != NULL;
	TRY(is_server
			? store_state_viewer_server(ctx, hs->db, viewer->room->nid, viewer->server.s, &rows,
				  &count)
			: store_state_viewer(ctx, hs->db, viewer->room->nid, viewer->user.s, &rows, &count));
	viewer->memberships = ARENA_NEW_ARRAY(ctx->arena, struct membership_step, count);
	viewer->visibilities = ARENA_NEW_ARRAY(ctx->arena, struct visibility_step, count);
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	for (size_t i = 0; i < count; i++) {
		bool is_member = str_equals(rows[i].type, STR("m.room.member"));
		if (is_member && (is_server || rows[i].from_position <= ROOM_OUTLIERS)) {
			continue; /* since when is not known: it opens nothing of history */
		}
		if (is_member) {
			viewer->memberships[viewer->membership_n++] = (struct membership_step){
				.from_position = rows[i].from_position,
				.text = rows[i].membership,
				.membership = membership_parse(rows[i].membership),
			};
		} else {
			positions[viewer->visibility_n] = rows[i].event_position;
			viewer->visibilities[viewer->visibility_n++].from_position = rows[i].from_position;
		}
	}
	if (is_server) {
		merge_memberships(ctx, viewer, rows, count);
	}
	if (viewer->visibility_n > 0) {
		TRY(load_visibilities(ctx, hs, viewer, positions));
	}
	viewer->is_loaded = true;
	return ERR_OK;
}

enum err room_viewer_cover(struct ctx *ctx, struct homeserver *hs, struct room_viewer *viewer,
	int64_t oldest_position)
{
	if (viewer->is_loaded || viewer->joined_since <= oldest_position) {
		return ERR_OK;
	}
	return load_past(ctx, hs, viewer);
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
	int64_t oldest_position)
{
	if (viewer->is_loaded || viewer->sees_since <= oldest_position) {
		return ERR_OK;
	}
	if (viewer->joined_since != INT64_MAX) {
		int64_t since;
		TRY(open_since(ctx, hs, viewer->room, &since));
		viewer->sees_since = MIN_OF(viewer->sees_since, since);
	}
	return viewer->sees_since <= oldest_position ? ERR_OK : load_past(ctx, hs, viewer);
}

/* What held right before a position. */
static enum membership membership_before(const struct room_viewer *viewer, int64_t position)
{
	enum membership found = MEMBERSHIP_NONE;
	for (size_t i = 0; i < viewer->membership_n; i++) {
		if (viewer->memberships[i].from_position >= position) {
			break;
		}
		found = viewer->memberships[i].membership;
	}
	return found;
}

static enum visibility visibility_before(const struct room_viewer *viewer, int64_t position)
{
	enum visibility found = VISIBILITY_SHARED;
	for (size_t i = 0; i < viewer->visibility_n; i++) {
		if (viewer->visibilities[i].from_position >= position) {
			break;
		}
		found = viewer->visibilities[i].visibility;
	}
	return found;
}

/* Whether the user was joined at any time from one position to another. */
static bool is_joined_between(const struct room_viewer *viewer, int64_t position, int64_t up_to)
{
	for (size_t i = viewer->membership_n; i > 0; i--) {
		const struct membership_step *step = &viewer->memberships[i - 1];
		if (step->from_position > up_to) {
			continue;
		}
		if (step->from_position < position) {
			break;
		}
		if (step->membership == MEMBERSHIP_JOIN) {
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
	if (!viewer->is_loaded) {
		return event->position >= viewer->sees_since;
	}
	const struct visibility_facts facts =
		visibility_facts_of(event->event, subject_of(viewer, event->event),
			visibility_before(viewer, event->position), membership_before(viewer, event->position),
			is_joined_between(viewer, event->position, INT64_MAX));
	return visibility_allows(&facts);
}

bool room_viewer_saw(const struct room_viewer *viewer, const struct stored_event *event,
	int64_t by_position)
{
	if (!viewer->is_loaded) {
		return event->position >= viewer->joined_since;
	}
	enum visibility visibility = visibility_before(viewer, event->position);
	const struct visibility_facts facts =
		visibility_facts_of(event->event, subject_of(viewer, event->event),
			visibility == VISIBILITY_WORLD_READABLE ? VISIBILITY_SHARED : visibility,
			membership_before(viewer, event->position),
			is_joined_between(viewer, event->position, by_position));
	return visibility_allows(&facts);
}

struct str room_viewer_membership(const struct room_viewer *viewer,
	const struct stored_event *event)
{
	struct str found = STR("leave");
	if (!viewer->is_loaded) {
		return event->position >= viewer->joined_since ? STR("join") : found;
	}
	for (size_t i = 0; i < viewer->membership_n; i++) {
		if (viewer->memberships[i].from_position > event->position) {
			break;
		}
		found = viewer->memberships[i].text;
	}
	return found;
}

enum err room_viewer_horizon(struct ctx *ctx, struct homeserver *hs, struct room_viewer *viewer,
	int64_t *out)
{
	if (viewer->joined_since != INT64_MAX) {
		*out = POSITION_NOW;
		return ERR_OK;
	}
	TRY(room_viewer_cover(ctx, hs, viewer, 0));
	if (visibility_before(viewer, INT64_MAX) == VISIBILITY_WORLD_READABLE) {
		*out = POSITION_NOW;
		return ERR_OK;
	}
	size_t last = viewer->membership_n;
	if (last > 0 && viewer->memberships[last - 1].membership == MEMBERSHIP_JOIN) {
		*out = POSITION_NOW; /* the room's content was put away meanwhile */
		return ERR_OK;
	}
	*out = 0;
	for (size_t i = last; i > 1; i--) {
		if (viewer->memberships[i - 2].membership == MEMBERSHIP_JOIN) {
			*out = viewer->memberships[i - 1].from_position;
			break;
		}
	}
	return ERR_OK;
}

enum err room_visible(struct ctx *ctx, struct homeserver *hs, struct room *room, struct str user_id,
	struct stored_event *const *events, size_t count, bool *allowed)
{
	int64_t oldest = INT64_MAX;
	for (size_t i = 0; i < count; i++) {
		oldest = MIN_OF(oldest, events[i]->position);
	}
	struct room_viewer *viewer = room_viewer_create(ctx, room, user_id);
	TRY(room_viewer_cover(ctx, hs, viewer, oldest));
	for (size_t i = 0; i < count; i++) {
		allowed[i] = room_viewer_sees(viewer, events[i]);
	}
	return ERR_OK;
}
