/*
 * Aliases: who may make, list and remove them.
 */
#include "homeserver/room/room_alias.h"

#include "homeserver/room/room_accept.h"
#include "homeserver/room/room_state.h"
#include "matrix/power.h"
#include "storage/alias.h"

enum { ALIAS_SERVERS_MAX = 100 };

static enum err find_own(struct ctx *ctx, struct homeserver *hs, struct room_alias alias,
	struct str *out_room_id)
{
	const struct query_port *port = &hs->ports.query;
	struct alias_row row;
	enum query_answer answer = QUERY_UNKNOWN;
	enum err err = store_alias_find(ctx, hs->db, alias.s, &row);
	if (err == ERR_MISSING && port->alias != NULL) {
		TRY(port->alias(port->self, ctx, alias, &answer));
		err = answer == QUERY_MADE ? store_alias_find(ctx, hs->db, alias.s, &row) : ERR_MISSING;
	}
	if (answer == QUERY_UNANSWERED) {
		return query_fail_unanswered(ctx);
	}
	if (err == ERR_MISSING) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Unknown alias");
	}
	TRY(err);
	*out_room_id = str_dup(ctx->arena, row.room_id);
	return ERR_OK;
}

/* Ours first, then others that are in the room. */
static enum err find_servers(struct ctx *ctx, struct homeserver *hs, struct str room_id,
	struct server_name **out, size_t *out_count)
{
	struct room *room;
	struct server_name *others;
	size_t count;
	TRY(rooms_get(ctx, hs, room_id, &room));
	TRY(room_servers(ctx, hs, room, &others, &count));
	*out_count = count < ALIAS_SERVERS_MAX ? count + 1 : ALIAS_SERVERS_MAX;
	*out = ARENA_NEW_ARRAY(ctx->arena, struct server_name, *out_count);
	(*out)[0] = hs->signer.server;
	for (size_t i = 1; i < *out_count; i++) {
		(*out)[i] = others[i - 1];
	}
	return ERR_OK;
}

enum err room_alias_locate(struct ctx *ctx, struct homeserver *hs, struct room_alias alias,
	struct alias_target *out)
{
	if (server_name_equals(room_alias_server(alias), hs->signer.server)) {
		TRY(find_own(ctx, hs, alias, &out->room_id));
		return find_servers(ctx, hs, out->room_id, &out->servers, &out->server_count);
	}
	const struct membership_port *others = &hs->ports.membership;
	TRY(ctx_may_ask(ctx));
	return others->find_alias(others->self, ctx, alias, &out->room_id, &out->servers,
		&out->server_count);
}

enum err room_alias_write(struct ctx *ctx, struct homeserver *hs, struct room_alias alias,
	struct json_out *out)
{
	struct alias_target target;
	TRY(room_alias_locate(ctx, hs, alias, &target));
	json_out_object(out);
	json_out_key_str(out, "room_id", target.room_id);
	json_out_key_array(out, "servers");
	for (size_t i = 0; i < target.server_count; i++) {
		json_out_str(out, target.servers[i].s);
	}
	json_out_end(out);
	json_out_end(out);
	return ERR_OK;
}

enum err room_alias_check_claim(struct ctx *ctx, const struct homeserver *hs,
	const struct principal *who, struct room_alias alias)
{
	const struct appservice_port *port = &hs->ports.appservices;
	if (port->is_alias_claimed(port->self, who->appservice_id, alias)) {
		return fail(ctx, ERR_INPUT, M_EXCLUSIVE,
			"This alias is reserved for an application service");
	}
	if (who->appservice_id.p != NULL && !port->has_alias(port->self, who->appservice_id, alias)) {
		return fail(ctx, ERR_INPUT, M_EXCLUSIVE,
			"This alias is not in the application service's namespaces");
	}
	return ERR_OK;
}

enum err room_alias_set(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct room_alias alias, struct str room_id)
{
	if (!server_name_equals(room_alias_server(alias), hs->signer.server)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "Only aliases of %.*s can be made here",
			STR_ARG(hs->signer.server.s));
	}
	struct room *room;
	TRY(room_alias_check_claim(ctx, hs, who, alias));
	TRY(rooms_get_for(ctx, hs, room_id, &room));
	if (who->appservice_id.p == NULL) {
		TRY(room_require_joined(ctx, hs, room, who->user.s));
	}
	const struct alias_row row = {.alias = alias.s,
		.room_nid = room_nid(room),
		.creator = who->user.s};
	enum err err = store_alias_insert(ctx, hs->db, &row, clock_wall_ms(&hs->clock));
	if (err == ERR_CONFLICT) {
		return fail(ctx, ERR_CONFLICT, M_UNKNOWN, "That alias is taken");
	}
	return err;
}

/* Whether the user may change m.room.canonical_alias. */
static enum err may_change_canonical(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct user_id user, bool *out)
{
	static const struct state_ask asks[] = {{STR_INIT("m.room.power_levels"), STR_INIT("")},
		{STR_INIT("m.room.create"), STR_INIT("")}};
	struct state_view view;
	struct str membership;
	TRY(room_state_view(ctx, hs, room, asks, COUNT_OF(asks), &view));
	TRY(room_membership(ctx, hs, room, user.s, &membership));
	const struct room_version *version = room_version_of(room);
	*out = str_equals(membership, STR("join")) &&
		power_of_user(version, &view, user) >=
			power_for_state(version, &view, STR("m.room.canonical_alias"));
	return ERR_OK;
}

static struct json without_alias(struct arena *arena, const struct json *content, struct str alias)
{
	struct json changed = *content;
	if (str_equals(json_get_str(content, STR("alias")), alias)) {
		changed = json_without(arena, &changed, STR("alias"));
	}
	const struct json *others = json_at(content, "alt_aliases");
	if (!json_is(others, JSON_ARRAY)) {
		return changed;
	}
	struct json kept = {.type = JSON_ARRAY,
		.items = ARENA_NEW_ARRAY(arena, struct json, others->count)};
	for (size_t i = 0; i < others->count; i++) {
		if (!str_equals(json_text(&others->items[i]), alias)) {
			kept.items[kept.count++] = others->items[i];
		}
	}
	return kept.count == others->count ? changed
									   : json_with(arena, &changed, STR("alt_aliases"), kept);
}

/* The canonical alias event no longer names it. */
static enum err drop_from_canonical(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct principal *who, struct str alias)
{
	struct stored_event *event;
	TRY(room_state_event(ctx, hs, room, STR("m.room.canonical_alias"), STR(""), POSITION_NOW,
		&event));
	if (event == NULL) {
		return ERR_OK;
	}
	struct json content = without_alias(ctx->arena, event->event->content, alias);
	if (json_equals(&content, event->event->content)) {
		return ERR_OK;
	}
	const struct room_intent intent = {
		.sender = who->user,
		.type = STR("m.room.canonical_alias"),
		.is_state = true,
		.state_key = STR(""),
		.content = &content,
	};
	return room_add(ctx, hs, room, &intent, 1, NULL);
}

enum err room_alias_remove(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct room_alias alias)
{
	struct alias_row row;
	TRY(room_alias_check_claim(ctx, hs, who, alias));
	enum err err = store_alias_find(ctx, hs->db, alias.s, &row);
	if (err == ERR_MISSING) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Unknown alias");
	}
	TRY(err);
	struct room *room;
	bool may_change;
	bool is_services = who->appservice_id.p != NULL; /* in its namespace, as was checked */
	TRY(rooms_get_nid(ctx, hs, row.room_nid, &room));
	TRY(may_change_canonical(ctx, hs, room, who->user, &may_change));
	if (!may_change && !is_services && !who->is_admin && !str_equals(row.creator, who->user.s)) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "Only its maker or a moderator may remove it");
	}
	/* The room first: what is refused there may be tried again. */
	if (may_change) {
		TRY(drop_from_canonical(ctx, hs, room, who, alias.s));
	}
	return store_alias_delete(ctx, hs->db, alias.s);
}

enum err room_alias_list(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str room_id, struct str **out, size_t *out_count)
{
	struct room *room;
	int64_t position;
	TRY(rooms_get_for(ctx, hs, room_id, &room));
	TRY(room_state_horizon(ctx, hs, room, who->user.s, &position));
	if (position != POSITION_NOW) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "You are not in that room");
	}
	return store_alias_list(ctx, hs->db, room_nid(room), out, out_count);
}
