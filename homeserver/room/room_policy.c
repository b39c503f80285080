/*
 * Nothing is kept of a policy server: its name is looked up in the room's state, as that is, each time.
 */
#include "homeserver/room/room_policy.h"

#include "homeserver/homeserver.h"
#include "homeserver/room/room.h"
#include "storage/partial_join.h"

/* Whether the state may have the event: the content is not read for this. */
static bool may_name_one(struct room *room)
{
	static const char key[] = "m.room.policy"; /* and the NUL before an empty state key */
	LOCK_SCOPE(&room->lock);
	return room->content == NULL ||
		map_get(&room->content->state, str_from(key, sizeof(key))) != NULL;
}

/*
 * While members are not known: whether who let us in said that the server is there. Without their word it is, for what goes out unsigned is
 * lost, and what is refused is not.
 */
static enum err is_said_to_be_there(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct server_name server, bool *out)
{
	struct partial_join_row row;
	struct json list;
	*out = true;
	enum err err = store_partial_join_find(ctx, hs->db, room->nid, &row);
	if (err == ERR_MISSING) {
		return ERR_OK;
	}
	TRY(err);
	bool is_list = json_parse(ctx->arena, row.servers, NULL, &list, NULL) == JSON_OK &&
		json_is(&list, JSON_ARRAY) && list.count > 0;
	for (size_t i = 0; is_list && i < list.count; i++) {
		if (list.items[i].type == JSON_STRING && str_equals(json_text(&list.items[i]), server.s)) {
			return ERR_OK;
		}
	}
	*out = !is_list;
	return ERR_OK;
}

static enum err has_joined(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct server_name server, bool *out)
{
	struct server_members members;
	lock_take(&room->lock);
	bool is_loaded = room->content != NULL;
	*out = is_loaded && map_get(&room->content->servers, server.s) != NULL;
	lock_give(&room->lock);
	if (is_loaded && !*out && room_is_partial(room)) {
		return is_said_to_be_there(ctx, hs, room, server, out);
	}
	if (is_loaded) {
		return ERR_OK;
	}
	TRY(room_server_members(ctx, hs, room, server, &members));
	*out = members.is_joined;
	return ERR_OK;
}

enum err room_policy_server(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct policy_server *out)
{
	struct stored_event *event;
	struct policy_server named;
	bool is_there;
	*out = (struct policy_server){0};
	if (!may_name_one(room)) {
		return ERR_OK;
	}
	TRY(room_state_event(ctx, hs, room, STR("m.room.policy"), STR(""), POSITION_NOW, &event));
	if (event == NULL || !policy_server_read(ctx->arena, event->event->content, &named)) {
		return ERR_OK;
	}
	TRY(has_joined(ctx, hs, room, named.via, &is_there));
	if (is_there) {
		*out = named;
	}
	return ERR_OK;
}

enum err room_policy_ask(struct ctx *ctx, struct homeserver *hs, const struct policy_server *server,
	const struct event *event, const struct event **out)
{
	const struct policy_port *port = &hs->ports.policy;
	struct json answer;
	TRY(port->sign(port->self, ctx, server->via, event, &answer));
	struct verdict verdict = policy_server_add_signature(ctx->arena, server, event, &answer, out);
	return verdict.allowed ? ERR_OK : fail(ctx, ERR_DENIED, M_FORBIDDEN, "%s", verdict.text);
}

enum err room_policy_sign(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event **event)
{
	struct policy_server server;
	TRY(room_policy_server(ctx, hs, room, &server));
	bool needs_none = server.via.s.p == NULL ||
		policy_server_exempts((*event)->type, (*event)->is_state, (*event)->state_key) ||
		policy_server_has_signed(ctx->arena, &server, *event);
	return needs_none ? ERR_OK : room_policy_ask(ctx, hs, &server, *event, event);
}
