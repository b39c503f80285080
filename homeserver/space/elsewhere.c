/*
 * Rooms that only other servers know. What one of them says of a space tells about the rooms in it too, so a tree costs a
 * question for each space, not for each room. What they say is read as what it is: a stranger's word, shown to a user who then asks
 * that stranger to be let in.
 */
#include "base/map.h"
#include "homeserver/space/space_inner.h"
#include "homeserver/user/users.h"
#include "http/memo.h"

enum { ASKS_MAX = 20, ASKS_MS = 20 * 1000, VIA_MAX = 5 };

/* What was told of a room. */
struct told {
	bool is_hidden; /* nobody may come in by that server */
	struct room_told room;
	struct space_children children;
};

struct elsewhere {
	const struct space_port *port;
	struct homeserver *hs;
	struct str user_id;
	bool suggested_only;
	struct map rooms;       /* room id → struct told */
	struct map memberships; /* of the user; room id → struct user_room; empty until somebody asks */
	bool has_memberships;
	size_t asks;
	int64_t until_ms; /* of the first question on */
};

static void fini(void *data)
{
	struct elsewhere *elsewhere = data;
	map_fini(&elsewhere->rooms);
	map_fini(&elsewhere->memberships);
}

struct elsewhere *elsewhere_create(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	bool suggested_only)
{
	struct elsewhere *elsewhere = MEMO_FIND(ctx, STR("rooms elsewhere"), struct elsewhere);
	if (elsewhere->hs != NULL) {
		return elsewhere;
	}
	elsewhere->port = &hs->ports.space;
	elsewhere->hs = hs;
	elsewhere->user_id = user_id.p != NULL ? str_dup(ctx->arena, user_id) : user_id;
	elsewhere->suggested_only = suggested_only;
	map_init(&elsewhere->rooms);
	map_init(&elsewhere->memberships);
	arena_on_reset(ctx->arena, fini, elsewhere);
	return elsewhere;
}

/* --- reading answers ---------------------------------------------------------------------------------------- */

/* Each room once, and no more of them than a space shows. */
static void keep_first(struct space_children *children)
{
	struct map seen CLEANUP(map_fini) = {0};
	size_t n = 0;
	for (size_t i = 0; i < children->n && n < SPACE_CHILDREN_MAX; i++) {
		if (map_set(&seen, children->p[i].room_id, children) == NULL) {
			children->p[n++] = children->p[i];
		}
	}
	children->n = n;
}

static void read_children(struct arena *arena, const struct elsewhere *elsewhere,
	const struct json *chunk, struct space_children *out)
{
	const struct json *states = json_at(chunk, "children_state");
	size_t count = json_is(states, JSON_ARRAY) ? states->count : 0;
	*out = (struct space_children){.p = ARENA_NEW_ARRAY(arena, struct space_child, count)};
	for (size_t i = 0; i < count; i++) {
		const struct json *state = &states->items[i];
		const struct json *content = json_at(state, "content");
		struct space_child child;
		struct user_id sender;
		int64_t ts;
		bool is_child = json_is(state, JSON_OBJECT) && json_is(content, JSON_OBJECT) &&
			str_equals(json_get_str(state, STR("type")), STR("m.space.child")) &&
			user_id_parse(json_get_str(state, STR("sender")), &sender) &&
			json_get_int(state, STR("origin_server_ts"), 0, INT64_MAX, &ts) &&
			space_child_read(json_get_str(state, STR("state_key")), sender.s, ts, content, &child);
		if (is_child && (child.is_suggested || !elsewhere->suggested_only)) {
			out->p[out->n++] = child;
		}
	}
	space_child_sort(out->p, out->n);
	keep_first(out);
}

static struct told *read_room(struct arena *arena, const struct elsewhere *elsewhere,
	const struct json *chunk)
{
	struct told *told = ARENA_NEW(arena, struct told);
	if (!room_summary_read(arena, chunk, &told->room)) {
		return NULL;
	}
	read_children(arena, elsewhere, chunk, &told->children);
	return told;
}

/* The rooms in a space of which an answer may tell: those of which none has told before. */
static bool is_awaited(const struct elsewhere *elsewhere, const struct map *children,
	struct str room_id)
{
	return room_id.p != NULL && map_get(children, room_id) != NULL &&
		map_get(&elsewhere->rooms, room_id) == NULL;
}

/* Where a room stands several times, its first description counts, and any before being hidden. */
static void read_told(struct arena *arena, struct elsewhere *elsewhere, const struct map *children,
	const struct json *answer)
{
	const struct json *told = json_at(answer, "children");
	const struct json *hidden = json_at(answer, "inaccessible_children");
	for (size_t i = 0; json_is(told, JSON_ARRAY) && i < told->count; i++) {
		struct str room_id = json_get_str(&told->items[i], STR("room_id"));
		struct told *room = is_awaited(elsewhere, children, room_id)
			? read_room(arena, elsewhere, &told->items[i])
			: NULL;
		if (room != NULL) {
			(void)map_set(&elsewhere->rooms, room_id, room);
		}
	}
	for (size_t i = 0; json_is(hidden, JSON_ARRAY) && i < hidden->count; i++) {
		struct str room_id = json_is(&hidden->items[i], JSON_STRING) ? json_text(&hidden->items[i])
																	 : (struct str){0};
		if (is_awaited(elsewhere, children, room_id)) {
			struct told *room = ARENA_NEW(arena, struct told);
			room->is_hidden = true;
			(void)map_set(&elsewhere->rooms, room_id, room);
		}
	}
}

/*
 * Only of the room that was asked for, and of those that stand in it: a server cannot speak of others here. An answer is read once from its
 * beginning to its end, whatever stands in it how often.
 */
static struct told *read_answer(struct arena *arena, struct elsewhere *elsewhere,
	struct str room_id, const struct json *answer)
{
	struct map children CLEANUP(map_fini) = {0};
	struct told *root = read_room(arena, elsewhere, json_at(answer, "room"));
	if (root == NULL || !str_equals(root->room.room_id.s, room_id)) {
		return NULL;
	}
	for (size_t i = 0; i < root->children.n; i++) {
		(void)map_set(&children, root->children.p[i].room_id, root);
	}
	read_told(arena, elsewhere, &children, answer);
	return root;
}

/* --- asking --------------------------------------------------------------------------------------------------- */

/* Who may know the room: by `via`, else the server in its id. */
static size_t servers_of(struct arena *arena, const struct elsewhere *elsewhere, struct str room_id,
	const struct json *via, struct server_name **out)
{
	struct server_name *servers = ARENA_NEW_ARRAY(arena, struct server_name, VIA_MAX + 1);
	size_t count = 0;
	for (size_t i = 0; via != NULL && i < via->count && count < VIA_MAX; i++) {
		bool is_name = server_name_parse(json_text(&via->items[i]), &servers[count]);
		count += is_name && !server_name_equals(servers[count], elsewhere->hs->signer.server);
	}
	if (count == 0 && room_id_server((struct room_id){room_id}, &servers[0])) {
		count += !server_name_equals(servers[0], elsewhere->hs->signer.server);
	}
	*out = servers;
	return count;
}

static enum err ask(struct ctx *ctx, struct elsewhere *elsewhere, struct str room_id,
	const struct json *via, struct told **out)
{
	struct json answer;
	struct server_name *servers;
	size_t count = servers_of(ctx->arena, elsewhere, room_id, via, &servers);
	int64_t now_ms = clock_mono_ms(&elsewhere->hs->clock);
	elsewhere->until_ms = elsewhere->until_ms == 0 ? now_ms + ASKS_MS : elsewhere->until_ms;
	if (count == 0 || elsewhere->asks >= ASKS_MAX || now_ms >= elsewhere->until_ms) {
		return ERR_OK;
	}
	const struct space_port *port = elsewhere->port;
	enum err err = port->ask(port->self, ctx, servers, count, room_id, elsewhere->suggested_only,
		elsewhere->until_ms - now_ms, &answer);
	if (err == ERR_DEFER || err == ERR_SHUTDOWN) {
		return err;
	}
	elsewhere->asks++;
	*out = err == ERR_OK ? read_answer(ctx->arena, elsewhere, room_id, &answer) : NULL;
	ctx->fault = (struct fault){0}; /* a room about which nobody tells is left out */
	return ERR_OK;
}

/* --- whether the user may know ---------------------------------------------------------------------------------- */

/* Once: how many rooms let members of others in, and of how many, is a stranger's word. */
static enum err load_memberships(struct ctx *ctx, struct elsewhere *elsewhere)
{
	struct user *user;
	struct user_room *rooms;
	size_t count;
	if (elsewhere->has_memberships || elsewhere->user_id.p == NULL) {
		return ERR_OK;
	}
	TRY(users_get(ctx, elsewhere->hs, elsewhere->user_id, &user));
	user_rooms(user, ctx->arena, &rooms, &count);
	for (size_t i = 0; i < count; i++) {
		(void)map_set(&elsewhere->memberships, room_id_of(rooms[i].room).s, &rooms[i]);
	}
	elsewhere->has_memberships = true;
	return ERR_OK;
}

/* What the user is in a room in which this server need not be. */
static struct str membership_in(const struct elsewhere *elsewhere, struct str room_id)
{
	const struct user_room *room = map_get(&elsewhere->memberships, room_id);
	return room != NULL ? room->membership : STR("");
}

static enum err decide(struct ctx *ctx, struct elsewhere *elsewhere, const struct told *told,
	struct space_summary *out)
{
	const struct room_summary *content = &told->room.content;
	TRY(load_memberships(ctx, elsewhere));
	out->membership = membership_in(elsewhere, told->room.room_id.s);
	bool is_open = str_equals(content->join_rule, STR("public")) ||
		str_equals(content->join_rule, STR("knock")) ||
		str_equals(content->join_rule, STR("knock_restricted"));
	bool is_member =
		str_equals(out->membership, STR("join")) || str_equals(out->membership, STR("invite"));
	bool is_banned = str_equals(out->membership, STR("ban"));
	out->is_accessible = content->is_world_readable || (!is_banned && (is_open || is_member));
	bool is_restricted = str_equals(content->join_rule, STR("restricted")) && !is_banned;
	for (size_t i = 0; is_restricted && !out->is_accessible && i < content->allowed_count; i++) {
		out->is_accessible =
			str_equals(membership_in(elsewhere, content->allowed_room_ids[i]), STR("join"));
	}
	return ERR_OK;
}

enum err elsewhere_find(struct ctx *ctx, struct elsewhere *elsewhere, struct str room_id,
	const struct json *via, struct space_summary *out, struct space_children *out_children)
{
	struct told *told = map_get(&elsewhere->rooms, room_id);
	bool is_space = told != NULL && !told->is_hidden && told->room.content.room_type.p != NULL &&
		str_equals(told->room.content.room_type, STR("m.space"));
	*out = (struct space_summary){.membership = STR("")};
	*out_children = (struct space_children){0};
	if (elsewhere->port->ask == NULL) {
		return ERR_OK;
	}
	if (told == NULL || is_space) {
		struct told *more = NULL;
		TRY(ask(ctx, elsewhere, room_id, via, &more));
		told = more != NULL ? more : told;
	}
	if (told == NULL || told->is_hidden) {
		return ERR_OK;
	}
	out->room_id = told->room.room_id.s;
	out->joined_members = told->room.joined_members;
	out->room_version = told->room.room_version;
	out->content = told->room.content;
	*out_children = told->children;
	return decide(ctx, elsewhere, told, out);
}
