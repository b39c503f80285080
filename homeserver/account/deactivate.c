/*
 * Deactivation. What lets the user in ends in one transaction, which also notes that rooms are to be left. Leaving takes
 * one event a room; what does not work out at once (or was ordered on the command line) is done by the housekeeper, and so is what
 * requests did that were under way at the end.
 */
#include "homeserver/account/deactivate.h"

#include "base/log.h"
#include "homeserver/account/session.h"
#include "homeserver/erasure.h"
#include "homeserver/presence/presence.h"
#include "homeserver/user/users.h"
#include "storage/account.h"
#include "storage/account_data.h"
#include "storage/delayed_event.h"
#include "storage/device.h"
#include "storage/profile.h"
#include "storage/secret.h"
#include "storage/threepid.h"

enum { LEAVING_BATCH = 500 };

/* What a map says of who is leaving: which kind of look met it. */
static char met_in_turn;
static char met_between;

static bool is_to_be_left(struct str membership)
{
	return str_equals(membership, STR("join")) || str_equals(membership, STR("invite")) ||
		str_equals(membership, STR("knock"));
}

static enum err leave_room(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct user_id user)
{
	struct json content = json_object(ctx->arena, 1);
	content = json_with(ctx->arena, &content, STR("membership"), json_string(STR("leave")));
	const struct room_intent intent = {
		.sender = user,
		.type = STR("m.room.member"),
		.is_state = true,
		.state_key = user.s,
		.content = &content,
	};
	return room_add(ctx, hs, room, &intent, 1, NULL);
}

/* Errors: what can go away by itself (see err_is_transient). A room that cannot be left for good is left alone. */
static enum err leave_rooms(struct ctx *ctx, struct homeserver *hs, struct str user_id)
{
	struct user *user;
	struct user_room *rooms;
	size_t count;
	struct user_id id;
	bool is_valid = user_id_parse(user_id, &id);
	invariant(is_valid); /* only valid ids become accounts */
	TRY(users_get(ctx, hs, user_id, &user));
	user_rooms(user, ctx->arena, &rooms, &count);
	enum err first = ERR_OK;
	for (size_t i = 0; i < count; i++) {
		if (!is_to_be_left(rooms[i].membership)) {
			continue;
		}
		enum err err = leave_room(ctx, hs, rooms[i].room, id);
		if (err != ERR_OK && err_is_transient(err) && first == ERR_OK) {
			first = err;
		} else if (err != ERR_OK && !err_is_transient(err)) {
			log_warn(ctx->request_id, "account.leave.refused", "room_nid=%lld kind=%s",
				(long long)room_nid(rooms[i].room), err_name(err));
		}
	}
	return first;
}

static enum err finish_one(struct ctx *ctx, struct homeserver *hs, struct str user_id)
{
	TRY(hs->ports.e2ee.account_ended(ctx, hs,
		user_id)); /* while rooms are shared: those in them are told */
	TRY(store_delayed_event_delete_user(ctx, hs->db, user_id));
	TRY(leave_rooms(ctx, hs, user_id));
	TRY(store_profile_delete_all(ctx, hs->db, user_id));
	presence_profile_changed(hs, user_id, &(struct presence_profile){0});
	return store_account_data_erase(ctx, hs->db, user_id);
}

/* A look at all who are leaving. */
struct look {
	struct map *met; /* by those before */
	struct map next; /* in turn: what those after it have to know */
	bool is_in_turn;
};

static enum err look_at(struct ctx *ctx, struct homeserver *hs, struct look *look,
	struct str user_id)
{
	const void *before = map_get(look->met, user_id);
	if (before != NULL && !look->is_in_turn) {
		return ERR_OK;
	}
	TRY(finish_one(ctx, hs, user_id));
	if (before == &met_in_turn) {
		return store_account_left(ctx, hs->db, user_id);
	}
	(void)map_set(look->is_in_turn ? &look->next : look->met, user_id,
		look->is_in_turn ? &met_in_turn : &met_between);
	return ERR_OK;
}

static enum err look_at_all(struct ctx *ctx, struct homeserver *hs, struct look *look)
{
	struct str *user_ids;
	size_t count;
	struct str last = STR("");
	do {
		TRY(store_account_leaving(ctx, hs->db, last, LEAVING_BATCH, &user_ids, &count));
		for (size_t i = 0; i < count; i++) {
			last = user_ids[i];
			TRY(look_at(ctx, hs, look, last));
		}
	} while (count == LEAVING_BATCH);
	return ERR_OK;
}

enum err deactivate_finish(struct ctx *ctx, struct homeserver *hs, struct map *met, bool is_in_turn)
{
	struct look look = {.met = met, .is_in_turn = is_in_turn};
	enum err err = look_at_all(ctx, hs, &look);
	if (is_in_turn) {
		map_fini(met);
		*met = look.next;
	}
	return err;
}

static enum err store_end(struct ctx *ctx, struct homeserver *hs, struct str user_id, bool erase)
{
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	enum err err = store_account_deactivate(ctx, tx, user_id, erase);
	if (err == ERR_MISSING) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such account");
	}
	TRY(err);
	TRY(store_secret_delete_user(ctx, tx, user_id));
	TRY(store_threepid_delete_user(ctx, tx, user_id));
	TRY(store_device_delete_but(ctx, tx, user_id, (struct str){0}));
	return tx_commit(ctx, &tx);
}

enum err deactivate(struct ctx *ctx, struct homeserver *hs, struct str user_id, bool erase)
{
	enum err err = store_end(ctx, hs, user_id, erase);
	sessions_forget_user(hs, user_id);
	TRY(err);
	if (erase) {
		TRY(erasure_load(ctx, hs));
		erasure_tell(ctx->arena, hs, user_id);
	}
	err = finish_one(ctx, hs, user_id);
	if (err != ERR_OK) { /* the account is deactivated all the same */
		log_warn(ctx->request_id, "account.leave.delayed", "kind=%s", err_name(err));
		ctx->fault = (struct fault){0};
	}
	return ERR_OK;
}
