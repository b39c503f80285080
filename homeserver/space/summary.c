/*
 * Summaries, and who may have them.
 */
#include "homeserver/space/space.h"
#include "matrix/join_rule.h"
#include "storage/alias.h"

static enum err load_content(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct room_summary *out, const struct event **out_join_rules)
{
	room_summary_init(out);
	*out_join_rules = NULL;
	for (size_t i = 0; i < ROOM_SUMMARY_TYPES; i++) {
		struct stored_event *event;
		TRY(room_state_event(ctx, hs, room, room_summary_types[i], STR(""), POSITION_NOW, &event));
		if (event == NULL) {
			continue;
		}
		room_summary_take(ctx->arena, out, room_summary_types[i], event->event->content);
		if (str_equals(room_summary_types[i], STR("m.room.join_rules"))) {
			*out_join_rules = event->event;
		}
	}
	return ERR_OK;
}

/* "join", "invite" and so on; of a server, what is best of its users. */
static enum err load_membership(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct space_viewer *viewer, struct str *out)
{
	struct server_members members;
	*out = STR("");
	if (viewer->user_id.p != NULL) {
		return room_membership(ctx, hs, room, viewer->user_id, out);
	}
	if (viewer->server.s.p != NULL) {
		TRY(room_server_members(ctx, hs, room, viewer->server, &members));
		*out = members.is_joined ? STR("join") : members.is_invited ? STR("invite") : STR("");
	}
	return ERR_OK;
}

/* Whether the viewer is in one of the rooms whose members may join. Rooms that this server does not know do not count. */
static enum err is_in_allowed_room(struct ctx *ctx, struct homeserver *hs,
	const struct event *join_rules, const struct space_viewer *viewer, bool *out)
{
	struct room_id *rooms;
	size_t count = join_rule_allowed_rooms(ctx->arena, join_rules, &rooms);
	*out = false;
	for (size_t i = 0; i < count && !*out; i++) {
		struct room *room;
		struct str membership;
		enum err err = rooms_get(ctx, hs, rooms[i].s, &room);
		if (err == ERR_MISSING) {
			continue;
		}
		TRY(err);
		TRY(load_membership(ctx, hs, room, viewer, &membership));
		*out = str_equals(membership, STR("join"));
	}
	return ERR_OK;
}

static enum err decide(struct ctx *ctx, struct homeserver *hs, const struct space_viewer *viewer,
	const struct event *join_rules, struct space_summary *summary)
{
	enum join_rule rule = join_rule_of(room_version_of(summary->room), join_rules);
	bool is_member = str_equals(summary->membership, STR("join")) ||
		str_equals(summary->membership, STR("invite"));
	bool is_open = rule == JOIN_RULE_PUBLIC || join_rule_takes_knocks(rule);
	bool is_banned = str_equals(summary->membership, STR("ban"));
	summary->is_accessible =
		summary->content.is_world_readable || (!is_banned && (is_member || is_open));
	bool is_somebody = viewer->user_id.p != NULL || viewer->server.s.p != NULL;
	if (!summary->is_accessible && !is_banned && is_somebody && join_rule_is_restricted(rule)) {
		return is_in_allowed_room(ctx, hs, join_rules, viewer, &summary->is_accessible);
	}
	return ERR_OK;
}

enum err space_summary_load(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct space_viewer *viewer, struct space_summary *out)
{
	const struct event *join_rules;
	*out = (struct space_summary){
		.room = room,
		.room_id = room_id_of(room).s,
		.joined_members = room_member_counts(room).joined,
		.room_version = room_version_of(room)->id,
	};
	TRY(load_content(ctx, hs, room, &out->content, &join_rules));
	TRY(load_membership(ctx, hs, room, viewer, &out->membership));
	return decide(ctx, hs, viewer, join_rules, out);
}

void space_summary_write(const struct space_summary *summary, struct json_out *out)
{
	const struct room_summary *content = &summary->content;
	json_out_key_str(out, "room_id", summary->room_id);
	json_out_key_int(out, "num_joined_members", summary->joined_members);
	room_summary_write(content, out);
	if (content->allowed_count > 0) {
		json_out_key_array(out, "allowed_room_ids");
		for (size_t i = 0; i < content->allowed_count; i++) {
			json_out_str(out, content->allowed_room_ids[i]);
		}
		json_out_end(out);
	}
	if (content->encryption.p != NULL) {
		json_out_key_str(out, "encryption", content->encryption);
	}
	if (summary->room_version.p != NULL) {
		json_out_key_str(out, "room_version", summary->room_version);
	}
}

/* --- /room_summary ---------------------------------------------------------------------------------------------- */

static enum err no_room(struct ctx *ctx)
{
	return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Room not found");
}

static enum err find_room(struct ctx *ctx, struct homeserver *hs, struct str id, struct room **out)
{
	struct room_alias alias;
	struct room_id room_id;
	struct alias_row row;
	enum err err;
	if (room_alias_parse(id, &alias)) {
		err = store_alias_find(ctx, hs->db, alias.s, &row);
		err = err == ERR_OK ? rooms_get_nid(ctx, hs, row.room_nid, out) : err;
	} else if (room_id_parse(id, &room_id)) {
		err = rooms_get(ctx, hs, id, out);
	} else {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "That is neither a room id nor an alias");
	}
	return err == ERR_MISSING ? no_room(ctx) : err;
}

enum err space_write_summary(struct ctx *ctx, struct homeserver *hs, struct str id,
	struct str user_id, struct json_out *out)
{
	const struct space_viewer viewer = {.user_id = user_id};
	struct room *room;
	struct space_summary summary;
	TRY(find_room(ctx, hs, id, &room));
	TRY(space_summary_load(ctx, hs, room, &viewer, &summary));
	if (!summary.is_accessible) {
		return no_room(ctx);
	}
	json_out_object(out);
	space_summary_write(&summary, out);
	if (user_id.p != NULL) {
		json_out_key_str(out, "membership",
			summary.membership.n > 0 ? summary.membership : STR("leave"));
	}
	json_out_end(out);
	return ERR_OK;
}
