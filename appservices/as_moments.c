/*
 * Sets of rooms and users, and what is told of them.
 */
#include "appservices/as_moments.h"

#include <string.h>

#include "base/mem.h"
#include "homeserver/presence/presence.h"
#include "homeserver/room/rooms.h"
#include "homeserver/typing/typing.h"

enum { MAX_ROOMS = 1000, MAX_USERS = 10000 };

static void clear(struct map *map)
{
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(map, &i, &key, &value)) {
		mem_free(value);
	}
	map_fini(map);
	map_init(map);
}

void as_moments_fini(struct as_moments *moments)
{
	clear(&moments->rooms);
	clear(&moments->users);
}

static void add(struct map *map, size_t limit, struct str key, struct str text)
{
	if (map->n < limit && map_get(map, key) == NULL) {
		char *copy = mem_alloc(text.n + 1); /* which is zeroed */
		memcpy(copy, text.p, text.n);
		(void)map_set(map, key, copy);
	}
}

void as_moments_add_room(struct as_moments *moments, int64_t room_nid, struct str room_id)
{
	add(&moments->rooms, MAX_ROOMS, str_from((const char *)&room_nid, sizeof(room_nid)), room_id);
}

void as_moments_add_user(struct as_moments *moments, struct str user_id)
{
	add(&moments->users, MAX_USERS, user_id, user_id);
}

bool as_moments_is_empty(const struct as_moments *moments)
{
	return moments->rooms.n + moments->users.n == 0;
}

void as_moments_move(struct as_moments *from, struct as_moments *to)
{
	*to = *from;
	map_init(&from->rooms);
	map_init(&from->users);
}

void as_moments_list(struct arena *arena, const struct as_moments *moments,
	struct as_moment_list *out)
{
	size_t i = 0;
	struct str key;
	void *value;
	*out = (struct as_moment_list){
		.room_nids = ARENA_NEW_ARRAY(arena, int64_t, moments->rooms.n),
		.room_ids = ARENA_NEW_ARRAY(arena, struct str, moments->rooms.n),
		.user_ids = ARENA_NEW_ARRAY(arena, struct str, moments->users.n),
	};
	while (map_next(&moments->rooms, &i, &key, &value)) {
		memcpy(&out->room_nids[out->room_n], key.p, sizeof(int64_t));
		out->room_ids[out->room_n++] = str_of(value);
	}
	i = 0;
	while (map_next(&moments->users, &i, &key, &value)) {
		out->user_ids[out->user_n++] = str_of(value);
	}
}

static enum err write_typing(struct ctx *ctx, struct homeserver *hs, int64_t room_nid,
	struct json_out *out, size_t *out_count)
{
	struct room *room;
	struct str *users;
	enum err err = rooms_get_nid(ctx, hs, room_nid, &room);
	if (err == ERR_MISSING) {
		return ERR_OK;
	}
	TRY(err);
	size_t n;
	TRY(typing_users(ctx, hs, room, &users, &n));
	json_out_object(out);
	json_out_key_str(out, "type", STR("m.typing"));
	json_out_key_str(out, "room_id", room_id_of(room).s);
	json_out_key_object(out, "content");
	json_out_key_strs(out, "user_ids", users, n);
	json_out_end(out);
	json_out_end(out);
	++*out_count;
	return ERR_OK;
}

/* Who is not among those who are there has gone. */
static void write_presence(struct ctx *ctx, struct homeserver *hs,
	const struct as_moment_list *list, struct json_out *out)
{
	struct presence_view *views;
	size_t n = presence_of(ctx, hs, list->user_ids, list->user_n, &views);
	for (size_t i = 0; i < list->user_n; i++) {
		struct presence_view view = {.user_id = list->user_ids[i], .last_active_ago_ms = -1};
		for (size_t k = 0; k < n; k++) {
			if (str_equals(views[k].user_id, view.user_id)) {
				view = views[k];
				break;
			}
		}
		presence_write_event(&view, out);
	}
}

enum err as_moments_write(struct ctx *ctx, struct homeserver *hs, const struct as_moment_list *list,
	struct json_out *out, size_t *out_count)
{
	*out_count = list->user_n;
	for (size_t i = 0; i < list->room_n; i++) {
		TRY(write_typing(ctx, hs, list->room_nids[i], out, out_count));
	}
	write_presence(ctx, hs, list, out);
	return ERR_OK;
}
