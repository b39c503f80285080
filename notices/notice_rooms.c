/*
 * Spaces are walked level by level, each room once, so that spaces within each other end.
 */
#include "notices/notice_rooms.h"

#include "base/map.h"
#include "base/vec.h"
#include "homeserver/room/room_alias.h"
#include "homeserver/room/rooms.h"
#include "matrix/space_child.h"
#include "notices/notices.h"

enum { SPACES_DEEP = 3 };

struct place {
	struct str room_id;
	struct str languages;
	size_t depth; /* spaces around it */
};

struct search {
	VEC(struct place) places; /* all that were met; those from `next` on are not looked at */
	VEC(struct notice_room) rooms;
	struct map seen;
};

static void search_fini(struct search *search)
{
	map_fini(&search->seen);
}

static void add_place(struct ctx *ctx, struct search *search, struct str room_id,
	struct str languages, size_t depth)
{
	if (map_get(&search->seen, room_id) == NULL) {
		(void)map_set(&search->seen, room_id, search);
		struct place place = {str_dup(ctx->arena, room_id), languages, depth};
		VEC_PUSH(ctx->arena, &search->places, place);
	}
}

static void add_room(struct ctx *ctx, struct search *search, struct str room_id,
	struct str languages, struct str reason)
{
	struct notice_room room = {room_id, languages, reason};
	if (search->rooms.n < NOTICE_ROOMS_MAX) {
		VEC_PUSH(ctx->arena, &search->rooms, room);
	}
}

/* What can be tried again as a whole is no answer. */
static bool is_final(enum err err)
{
	return err == ERR_MISSING || err == ERR_DENIED || err == ERR_INPUT || err == ERR_REMOTE;
}

static enum err add_target(struct ctx *ctx, struct homeserver *hs, struct search *search,
	const struct notice_target_row *target)
{
	struct room_alias alias;
	struct alias_target found;
	if (!room_alias_parse(target->target, &alias)) {
		add_place(ctx, search, target->target, target->languages, 0);
		return ERR_OK;
	}
	enum err err = room_alias_locate(ctx, hs, alias, &found);
	if (err == ERR_OK) {
		add_place(ctx, search, found.room_id, target->languages, 0);
	} else if (is_final(err)) {
		add_room(ctx, search, target->target, target->languages,
			ctx->fault.text.n > 0 ? ctx->fault.text : STR("There is no such alias"));
		ctx->fault = (struct fault){0};
		err = ERR_OK;
	}
	return err;
}

static enum err add_children(struct ctx *ctx, struct homeserver *hs, struct search *search,
	struct room *room, struct place space)
{
	const struct state_query query = {.without_members = true};
	struct state_item *items;
	size_t count;
	TRY(room_state_list(ctx, hs, room, POSITION_NOW, &query, &items, &count));
	for (size_t i = 0; i < count; i++) {
		const struct event *event = items[i].event->event;
		struct space_child child;
		if (str_equals(items[i].type, STR("m.space.child")) &&
			space_child_read(items[i].state_key, event->sender.s, event->origin_server_ts,
				event->content, &child)) {
			add_place(ctx, search, child.room_id, space.languages, space.depth + 1);
		}
	}
	return ERR_OK;
}

/* A room that this server does not know may be one that the sender can join. */
static enum err look_at(struct ctx *ctx, struct homeserver *hs, struct search *search,
	struct place place)
{
	struct room *room;
	struct stored_event *create;
	enum err err = rooms_get(ctx, hs, place.room_id, &room);
	if (err == ERR_MISSING) {
		ctx->fault = (struct fault){0};
		add_room(ctx, search, place.room_id, place.languages, STR(""));
		return ERR_OK;
	}
	TRY(err);
	TRY(room_state_event(ctx, hs, room, STR("m.room.create"), STR(""), POSITION_NOW, &create));
	struct str type = create != NULL ? json_get_str(create->event->content, STR("type")) : STR("");
	if (!str_equals(type, STR("m.space"))) {
		add_room(ctx, search, place.room_id, place.languages, STR(""));
		return ERR_OK;
	}
	return place.depth < SPACES_DEEP ? add_children(ctx, hs, search, room, place) : ERR_OK;
}

enum err notice_rooms_find(struct ctx *ctx, struct homeserver *hs,
	const struct notice_target_row *targets, size_t count, struct notice_room **out,
	size_t *out_count)
{
	struct search search CLEANUP(search_fini) = {0};
	for (size_t i = 0; i < count; i++) {
		TRY(add_target(ctx, hs, &search, &targets[i]));
	}
	for (size_t next = 0; next < search.places.n && next < NOTICE_ROOMS_MAX; next++) {
		TRY(look_at(ctx, hs, &search, search.places.p[next]));
	}
	*out = search.rooms.p;
	*out_count = search.rooms.n;
	return ERR_OK;
}
