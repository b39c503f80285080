/*
 * /state, /members, /joined_members and /joined_rooms.
 */
#include "homeserver/timeline/page.h"
#include "homeserver/user/users.h"
#include "storage/state.h"

static bool is_wanted(const struct members_ask *ask, struct str membership)
{
	bool has_is = ask->membership.p != NULL;
	bool has_not = ask->not_membership.p != NULL;
	bool matches_is = has_is && str_equals(membership, ask->membership);
	bool matches_not = has_not && !str_equals(membership, ask->not_membership);
	return (!has_is && !has_not) || matches_is || matches_not;
}

/* Up to where the user may know who is in the room. */
static enum err find_horizon(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id, int64_t *out)
{
	struct room_viewer *viewer = room_viewer_create(ctx, room, user_id);
	TRY(room_viewer_horizon(ctx, hs, viewer, out));
	struct member_row member;
	enum err err = ERR_OK;
	member.is_forgotten = false;
	if (*out != POSITION_NOW) {
		err = store_member_of_room(ctx, hs->db, room_nid(room), user_id, &member);
	}
	if (*out == 0 || (err == ERR_OK && member.is_forgotten)) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "You are not in that room");
	}
	return err == ERR_MISSING ? ERR_OK : err;
}

/* State events up to a position, ready to be written. */
static enum err prepare_state(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct principal *who, int64_t up_to, const struct state_item *items, size_t count,
	struct event_batch **out)
{
	struct stored_event **events = ARENA_NEW_ARRAY(ctx->arena, struct stored_event *, count);
	for (size_t i = 0; i < count; i++) {
		events[i] = items[i].event;
	}
	struct event_view *view = ARENA_NEW(ctx->arena, struct event_view);
	*view = (struct event_view){
		.user_id = who->user.s,
		.device_id = who->device_id,
		.up_to = up_to,
		.with_room_id = true,
		.is_state = true,
	};
	return event_view_prepare(ctx, hs, room, view, events, count, out);
}

enum err page_state(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str room_id, struct json_out *out)
{
	struct room *room;
	int64_t horizon;
	TRY(rooms_get_for(ctx, hs, room_id, &room));
	TRY(find_horizon(ctx, hs, room, who->user.s, &horizon));
	TRY(room_await_whole(ctx, hs, room));
	const struct state_query query = {0};
	struct state_item *items;
	size_t count;
	TRY(room_state_list(ctx, hs, room, horizon, &query, &items, &count));
	struct event_batch *batch;
	TRY(prepare_state(ctx, hs, room, who, horizon, items, count, &batch));
	json_out_array(out);
	event_view_write_all(batch, out);
	json_out_end(out);
	return ERR_OK;
}

/*
 * When the room had its first member: the event behind its creation. A prev_batch in front of the whole room stands for that:
 * whoever asks wants members, and before there was nobody.
 */
static enum err creator_joined(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t *out)
{
	struct stored_event *create;
	TRY(room_state_event(ctx, hs, room, STR("m.room.create"), STR(""), POSITION_NOW, &create));
	*out = create != NULL ? create->position + 1 : 0;
	return ERR_OK;
}

enum err page_members(struct ctx *ctx, struct homeserver *hs, const struct members_ask *ask,
	struct json_out *out)
{
	struct room *room;
	int64_t horizon;
	TRY(rooms_get_for(ctx, hs, ask->room_id, &room));
	TRY(find_horizon(ctx, hs, room, ask->who->user.s, &horizon));
	TRY(room_await_whole(ctx, hs, room));
	int64_t position = horizon;
	if (ask->has_at) {
		int64_t begun;
		TRY(creator_joined(ctx, hs, room, &begun));
		position = MIN_OF(MAX_OF(ask->at.position, begun), horizon);
	}
	const struct state_query query = {.only_members = true};
	struct state_item *items;
	size_t count;
	TRY(room_state_list(ctx, hs, room, position, &query, &items, &count));
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		if (is_wanted(ask, items[i].membership)) {
			items[n++] = items[i];
		}
	}
	struct event_batch *batch;
	TRY(prepare_state(ctx, hs, room, ask->who, position, items, n, &batch));
	json_out_object(out);
	json_out_key_array(out, "chunk");
	event_view_write_all(batch, out);
	json_out_end(out);
	json_out_end(out);
	return ERR_OK;
}

static void write_profile(const struct json *content, struct json_out *out)
{
	struct str name = json_get_str(content, STR("displayname"));
	struct str avatar = json_get_str(content, STR("avatar_url"));
	json_out_object(out);
	if (name.p != NULL) {
		json_out_key_str(out, "display_name", name);
	}
	if (avatar.p != NULL) {
		json_out_key_str(out, "avatar_url", avatar);
	}
	json_out_end(out);
}

/* All joined members as one object: user id → profile. */
static enum err write_joined(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct json_out *out)
{
	const struct state_query query = {.only_members = true};
	struct state_item *items;
	size_t count;
	TRY(room_state_list(ctx, hs, room, POSITION_NOW, &query, &items, &count));
	json_out_object(out);
	for (size_t i = 0; i < count; i++) {
		if (str_equals(items[i].membership, STR("join"))) {
			json_out_key(out, items[i].state_key);
			write_profile(items[i].event->event->content, out);
		}
	}
	json_out_end(out);
	return ERR_OK;
}

/* Whether a user of an application service is joined. Asked only when the one as whom it acts is not. */
static enum err has_user_of_service(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str appservice_id, bool *out)
{
	const struct appservice_port *port = &hs->ports.appservices;
	const struct state_query query = {.only_members = true, .without_events = true};
	struct state_item *items;
	size_t count;
	*out = false;
	TRY(room_state_list(ctx, hs, room, POSITION_NOW, &query, &items, &count));
	for (size_t i = 0; i < count && !*out; i++) {
		struct user_id user;
		*out = str_equals(items[i].membership, STR("join")) &&
			hs_is_local(hs, items[i].state_key) && user_id_parse(items[i].state_key, &user) &&
			port->has_user(port->self, appservice_id, user);
	}
	return ERR_OK;
}

/* "The current user must be in the room for it to work, unless it is an Application Service in which case any of the AS's users" */
static enum err require_in_room(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct principal *who)
{
	bool is_in = false;
	enum err err = room_require_joined(ctx, hs, room, who->user.s);
	if (err == ERR_DENIED && who->appservice_id.p != NULL) {
		TRY(has_user_of_service(ctx, hs, room, who->appservice_id, &is_in));
	}
	if (is_in) {
		ctx->fault = (struct fault){0};
		return ERR_OK;
	}
	return err;
}

enum err page_joined_members(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str room_id, struct json_out *out)
{
	struct room *room;
	TRY(rooms_get_for(ctx, hs, room_id, &room));
	TRY(require_in_room(ctx, hs, room, who));
	TRY(room_await_whole(ctx, hs, room));
	struct str kept;
	int64_t serial;
	room_roster_find(ctx, room, &kept, &serial);
	json_out_object(out);
	json_out_key(out, STR("joined"));
	if (kept.p != NULL) {
		json_out_raw(out, kept);
	} else {
		size_t begin = out->buf->n;
		TRY(write_joined(ctx, hs, room, out));
		if (buf_ok(out->buf)) {
			room_roster_keep(room, serial, str_slice(buf_str(out->buf), begin, out->buf->n));
		}
	}
	json_out_end(out);
	return ERR_OK;
}

enum err page_joined_rooms(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct json_out *out)
{
	struct user *user;
	struct user_room *rooms;
	size_t count;
	TRY(users_get(ctx, hs, who->user.s, &user));
	user_rooms(user, ctx->arena, &rooms, &count);
	json_out_object(out);
	json_out_key_array(out, "joined_rooms");
	for (size_t i = 0; i < count; i++) {
		if (str_equals(rooms[i].membership, STR("join"))) {
			json_out_str(out, room_id_of(rooms[i].room).s);
		}
	}
	json_out_end(out);
	json_out_end(out);
	return ERR_OK;
}
