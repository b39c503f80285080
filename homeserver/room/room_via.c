/*
 * The likeliest come first: who invited is in the room, and who has power there can let others in.
 */
#include "homeserver/room/room_via.h"

#include "homeserver/room/room_accept.h"
#include "matrix/stripped.h"
#include "storage/state.h"

void via_add(struct via *via, const struct homeserver *hs, struct server_name server)
{
	if (via->count == VIA_MAX || server_name_equals(server, hs->signer.server)) {
		return;
	}
	for (size_t i = 0; i < via->count; i++) {
		if (server_name_equals(via->servers[i], server)) {
			return;
		}
	}
	via->servers[via->count++] = server;
}

void via_add_texts(struct via *via, const struct homeserver *hs, const struct str *texts,
	size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct server_name server;
		if (server_name_parse(texts[i], &server)) {
			via_add(via, hs, server);
		}
	}
}

static void add_of_user(struct via *via, const struct homeserver *hs, struct str user_id)
{
	struct user_id user;
	if (user_id_parse(user_id, &user)) {
		via_add(via, hs, user_id_server(user));
	}
}

/* Who sent the state by which the user recognises a room that this server is not in. One round trip. */
static enum err add_of_stripped(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id, struct via *via)
{
	struct member_row row;
	struct json stripped;
	enum err err = store_member_of_room(ctx, hs->db, room_nid(room), user_id, &row);
	if (err == ERR_MISSING || (err == ERR_OK && row.stripped.p == NULL)) {
		return ERR_OK;
	}
	TRY(err);
	if (!stripped_state_read(ctx->arena, str_dup(ctx->arena, row.stripped), &stripped)) {
		return ERR_OK;
	}
	for (size_t i = 0; i < stripped.count; i++) {
		add_of_user(via, hs, json_get_str(&stripped.items[i], STR("sender")));
	}
	return ERR_OK;
}

enum err via_add_known(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id, struct via *via)
{
	struct stored_event *event;
	TRY(room_state_event(ctx, hs, room, STR("m.room.member"), user_id, POSITION_NOW, &event));
	if (event != NULL) {
		add_of_user(via, hs, event->event->sender.s);
	}
	if (!room_is_resident(room)) {
		TRY(add_of_stripped(ctx, hs, room, user_id, via));
	}
	TRY(room_state_event(ctx, hs, room, STR("m.room.power_levels"), STR(""), POSITION_NOW, &event));
	const struct json *users = event != NULL ? json_at(event->event->content, "users") : NULL;
	for (size_t i = 0; users != NULL && users->type == JSON_OBJECT && i < users->count; i++) {
		add_of_user(via, hs, users->members[i].key);
	}
	TRY(room_state_event(ctx, hs, room, STR("m.room.create"), STR(""), POSITION_NOW, &event));
	if (event != NULL) {
		add_of_user(via, hs, event->event->sender.s);
	}
	struct server_name *servers;
	size_t count;
	TRY(room_servers(ctx, hs, room, &servers, &count));
	for (size_t i = 0; i < count; i++) {
		via_add(via, hs, servers[i]);
	}
	return ERR_OK;
}
