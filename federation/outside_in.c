/*
 * Anybody may invent a leave of a room that we know nothing of; who could have made the invite vanish anyway is believed.
 */
#include "federation/outside_in.h"

#include "homeserver/room/room_accept.h"
#include "homeserver/room/room_via.h"
#include "matrix/membership.h"

static bool is_end(const struct homeserver *hs, const struct event *event)
{
	enum membership membership = membership_of(event);
	return event->is_state && str_equals(event->type, STR("m.room.member")) &&
		hs_is_local(hs, event->state_key) &&
		(membership == MEMBERSHIP_LEAVE || membership == MEMBERSHIP_BAN);
}

enum err outside_in_concerns(struct ctx *ctx, struct federation *federation, struct room *room,
	const struct event *event, bool *out)
{
	struct homeserver *hs = federation->hs;
	struct str membership;
	struct via via = {0};
	*out = false;
	if (!is_end(hs, event)) {
		return ERR_OK;
	}
	TRY(room_membership(ctx, hs, room, event->state_key, &membership));
	if (!str_equals(membership, STR("invite")) && !str_equals(membership, STR("knock"))) {
		return ERR_OK;
	}
	TRY(via_add_known(ctx, hs, room, event->state_key, &via));
	for (size_t i = 0; i < via.count && !*out; i++) {
		*out = server_name_equals(via.servers[i], user_id_server(event->sender));
	}
	return ERR_OK;
}

enum err outside_in_take(struct ctx *ctx, struct federation *federation, const struct event *event)
{
	const struct outside_membership what = {.version = event->version, .event = event};
	return rooms_set_outside(ctx, federation->hs, &what);
}
