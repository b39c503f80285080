/*
 * A space and the rooms right below it, for another server: it decides itself what of it its user may see.
 */
#include "homeserver/space/space_inner.h"

struct server_child {
	struct space_summary summary;
	struct space_children children;
};

/* What the other server learns of the rooms below. */
struct level {
	struct server_child *shown;
	size_t shown_n;
	struct str *hidden; /* room ids */
	size_t hidden_n;
};

/*
 * A room that this server is in. What is known of others is an invite, or of long ago: "inaccessible", others would take for the last word.
 * Errors: MISSING
 */
static enum err find_room(struct ctx *ctx, struct homeserver *hs, struct str room_id,
	struct room **out)
{
	TRY(rooms_get(ctx, hs, room_id, out));
	return room_is_resident(*out) ? ERR_OK : fail(ctx, ERR_MISSING, M_NOT_FOUND, "Unknown room");
}

static enum err look_at(struct ctx *ctx, struct homeserver *hs, const struct space_viewer *viewer,
	struct str room_id, bool suggested_only, struct level *level)
{
	struct room *room;
	struct server_child child = {0};
	enum err err = find_room(ctx, hs, room_id, &room);
	if (err == ERR_MISSING) {
		return ERR_OK; /* somebody else may know it */
	}
	TRY(err);
	TRY(space_summary_load(ctx, hs, room, viewer, &child.summary));
	if (!child.summary.is_accessible) {
		level->hidden[level->hidden_n++] = room_id;
		return ERR_OK;
	}
	TRY(space_children_load(ctx, hs, &child.summary, suggested_only, &child.children));
	level->shown[level->shown_n++] = child;
	return ERR_OK;
}

static void write_room(const struct server_child *room, struct json_out *out)
{
	json_out_object(out);
	space_summary_write(&room->summary, out);
	space_children_write(&room->children, out);
	json_out_end(out);
}

static void write_answer(const struct server_child *root, const struct level *level,
	struct json_out *out)
{
	json_out_object(out);
	json_out_key(out, STR("room"));
	write_room(root, out);
	json_out_key_array(out, "children");
	for (size_t i = 0; i < level->shown_n; i++) {
		write_room(&level->shown[i], out);
	}
	json_out_end(out);
	json_out_key_strs(out, "inaccessible_children", level->hidden, level->hidden_n);
	json_out_end(out);
}

enum err space_write_for_server(struct ctx *ctx, struct homeserver *hs, struct str room_id,
	struct server_name server, bool suggested_only, struct json_out *out)
{
	const struct space_viewer viewer = {.server = server};
	struct server_child root = {0};
	struct room *room;
	TRY(find_room(ctx, hs, room_id, &room));
	TRY(space_summary_load(ctx, hs, room, &viewer, &root.summary));
	if (!root.summary.is_accessible) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Unknown room"); /* as rooms_get() says */
	}
	TRY(space_children_load(ctx, hs, &root.summary, suggested_only, &root.children));
	size_t count = MIN_OF(root.children.n, (size_t)SPACE_SERVER_CHILDREN_MAX);
	struct level level = {.shown = ARENA_NEW_ARRAY(ctx->arena, struct server_child, count + 1),
		.hidden = ARENA_NEW_ARRAY(ctx->arena, struct str, count + 1)};
	for (size_t i = 0; i < count; i++) {
		TRY(look_at(ctx, hs, &viewer, root.children.p[i].room_id, suggested_only, &level));
	}
	write_answer(&root, &level, out);
	return ERR_OK;
}
