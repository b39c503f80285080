/*
 * Clients keep which rooms are direct to themselves, so it is seen by what people would call one.
 */
#include "notices/notice_direct.h"

#include "homeserver/room/room_create.h"
#include "storage/notice_remind.h"

enum err notice_direct_room(struct ctx *ctx, struct homeserver *hs, struct user_id sender,
	struct str user_id, struct str *out_room_id)
{
	struct json invitee = json_string(user_id);
	const struct json invites = json_array_of(&invitee, 1);
	const struct principal who = {.user = sender};
	const struct create_request request = {
		.who = &who,
		.preset = STR("trusted_private_chat"),
		.invite = &invites,
		.is_direct = true,
	};
	enum err err = store_notice_direct_room(ctx, hs->db, sender.s, user_id, out_room_id);
	return err == ERR_MISSING ? room_create(ctx, hs, &request, out_room_id) : err;
}
