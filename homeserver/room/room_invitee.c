/*
 * The user's account data says it; what is no valid content blocks nothing.
 */
#include "homeserver/room/room_invitee.h"

#include "matrix/account_data.h"
#include "storage/account_data.h"

enum err room_require_takes_invites(struct ctx *ctx, struct homeserver *hs, struct str user_id)
{
	struct account_data_row row;
	struct json content;
	enum err err =
		store_account_data_get(ctx, hs->db, user_id, 0, STR("m.invite_permission_config"), &row);
	if (err == ERR_MISSING) {
		return ERR_OK;
	}
	TRY(err);
	bool is_blocked = json_parse(ctx->arena, row.content, NULL, &content, NULL) == JSON_OK &&
		invite_permission_blocks(&content);
	return is_blocked ? fail(ctx, ERR_DENIED, M_INVITE_BLOCKED, "This user takes no invites")
					  : ERR_OK;
}
