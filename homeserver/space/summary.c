/*
 * Summaries, and who may have them.
 */
#include "base/vec.h"
#include "homeserver/space/space_inner.h"
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

/* Whether the viewer is in one of the rooms whose members may join. What is known of rooms that this server is not in is of long ago. */
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
		if (err == ERR_MISSING || (err == ERR_OK && !room_is_resident(room))) {
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
		json_out_key_strs(out, "allowed_room_ids", content->allowed_room_ids,
			content->allowed_count);
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

/* Where a room is: here, and who else may know it. */
struct place {
	struct room *room; /* NULL: nothing is known of it here */
	struct str room_id;
	VEC(struct json) via;
};

static void add_via(struct arena *arena, struct place *place, struct str server)
{
	VEC_PUSH(arena, &place->via, json_string(server));
}

static enum err find_here(struct ctx *ctx, struct homeserver *hs, struct place *place)
{
	enum err err = rooms_get(ctx, hs, place->room_id, &place->room);
	if (err == ERR_MISSING) {
		place->room = NULL;
		ctx->fault = (struct fault){0};
		return ERR_OK;
	}
	return err;
}

static enum err find_alias(struct ctx *ctx, struct homeserver *hs, const struct summary_ask *ask,
	struct room_alias alias, struct place *out)
{
	if (server_name_equals(room_alias_server(alias), hs->signer.server)) {
		struct alias_row row;
		enum err err = store_alias_find(ctx, hs->db, alias.s, &row);
		err = err == ERR_OK ? rooms_get_nid(ctx, hs, row.room_nid, &out->room) : err;
		out->room_id = err == ERR_OK ? room_id_of(out->room).s : STR("");
		return err == ERR_MISSING ? no_room(ctx) : err;
	}
	const struct membership_port *others = &hs->ports.membership;
	struct server_name *servers;
	size_t count;
	if (ask->user_id.p == NULL) {
		return no_room(ctx);
	}
	TRY(ctx_may_ask(ctx));
	enum err err = others->find_alias(others->self, ctx, alias, &out->room_id, &servers, &count);
	if (err != ERR_OK) {
		return err == ERR_MISSING ? no_room(ctx) : err;
	}
	for (size_t i = 0; i < count; i++) {
		add_via(ctx->arena, out, servers[i].s);
	}
	return find_here(ctx, hs, out);
}

static enum err find_place(struct ctx *ctx, struct homeserver *hs, const struct summary_ask *ask,
	struct place *out)
{
	struct room_alias alias;
	struct room_id room_id;
	for (size_t i = 0; i < ask->via_count; i++) {
		add_via(ctx->arena, out, ask->via[i]);
	}
	if (room_alias_parse(ask->id, &alias)) {
		return find_alias(ctx, hs, ask, alias, out);
	}
	if (!room_id_parse(ask->id, &room_id)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "That is neither a room id nor an alias");
	}
	out->room_id = ask->id;
	return find_here(ctx, hs, out);
}

/* What is known here of a room that this server is not in is of long ago, or of an invite, whose sender is in it. */
static enum err is_known_well(struct ctx *ctx, struct homeserver *hs, const struct summary_ask *ask,
	struct place *place, bool *out)
{
	struct server_members ours;
	struct stored_event *member;
	*out = false;
	if (place->room == NULL) {
		return ERR_OK;
	}
	TRY(room_server_members(ctx, hs, place->room, hs->signer.server, &ours));
	*out = ours.is_joined;
	if (!*out && ask->user_id.p != NULL) {
		TRY(room_state_event(ctx, hs, place->room, STR("m.room.member"), ask->user_id, POSITION_NOW,
			&member));
		if (member != NULL) {
			add_via(ctx->arena, place, user_id_server(member->event->sender).s);
		}
	}
	return ERR_OK;
}

static enum err ask_elsewhere(struct ctx *ctx, struct homeserver *hs, const struct summary_ask *ask,
	const struct place *place, struct space_summary *out)
{
	struct space_children children;
	const struct json via = json_array_of(place->via.p, place->via.n);
	/* Those below it are not wanted: of suggested ones there are the fewest. */
	struct elsewhere *elsewhere = elsewhere_create(ctx, hs, ask->user_id, true);
	return elsewhere_find(ctx, elsewhere, place->room_id, &via, out, &children);
}

static enum err load_summary(struct ctx *ctx, struct homeserver *hs, const struct summary_ask *ask,
	struct space_summary *out)
{
	struct place place = {0};
	bool is_known_here;
	*out = (struct space_summary){.membership = STR("")};
	TRY(find_place(ctx, hs, ask, &place));
	TRY(is_known_well(ctx, hs, ask, &place, &is_known_here));
	if (!is_known_here && ask->user_id.p != NULL) {
		TRY(ask_elsewhere(ctx, hs, ask, &place, out));
	}
	if (out->is_accessible || place.room == NULL) {
		return ERR_OK;
	}
	const struct space_viewer viewer = {.user_id = ask->user_id};
	return space_summary_load(ctx, hs, place.room, &viewer, out);
}

enum err space_write_summary(struct ctx *ctx, struct homeserver *hs, const struct summary_ask *ask,
	struct json_out *out)
{
	struct space_summary summary;
	TRY(load_summary(ctx, hs, ask, &summary));
	if (!summary.is_accessible) {
		return no_room(ctx);
	}
	json_out_object(out);
	space_summary_write(&summary, out);
	if (ask->user_id.p != NULL) {
		json_out_key_str(out, "membership",
			summary.membership.n > 0 ? summary.membership : STR("leave"));
	}
	json_out_end(out);
	return ERR_OK;
}
