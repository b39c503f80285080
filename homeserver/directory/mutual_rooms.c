/*
 * Rooms that two users are joined to, by room id; a token is the last id of a page.
 */
#include "base/b64.h"
#include "homeserver/directory/directory.h"

enum { PAGE = 500 };

enum err mutual_rooms_list(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str other, struct str from, struct json_out *out)
{
	struct user_id id;
	struct mutual_rooms_ask ask = {.user_id = user_id,
		.other = other,
		.behind = STR(""),
		.limit = PAGE + 1};
	struct str *rooms = NULL;
	size_t count = 0;
	int64_t total = 0;
	if (!user_id_parse(other, &id) || !user_id_is_compliant(id) || str_equals(other, user_id)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "user_id must be that of somebody else");
	}
	if (from.p != NULL &&
		(!b64_decode(ctx->arena, from, &ask.behind) || !str_starts_with(ask.behind, STR("!")))) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "from is not from an earlier answer");
	}
	TRY(store_mutual_rooms(ctx, hs->db, &ask, &rooms, &count, &total));
	size_t n = MIN_OF(count, (size_t)PAGE);
	json_out_object(out);
	json_out_key_strs(out, "joined", rooms, n);
	json_out_key_int(out, "count", total);
	if (count > n) {
		json_out_key_str(out, "next_batch", b64_encode_url(ctx->arena, rooms[n - 1]));
	}
	json_out_end(out);
	return ERR_OK;
}
