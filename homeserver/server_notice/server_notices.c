/*
 * One room for each user, tagged m.server_notice, made by the account of the notices. Each notice that waited has a transaction
 * id, so that a crash between sending and forgetting it does not send it twice.
 */
#include "homeserver/server_notice/server_notices.h"

#include "base/b64.h"
#include "base/crypto.h"
#include "homeserver/person/persons.h"
#include "homeserver/room/rooms.h"
#include "matrix/canonical.h"
#include "matrix/json_make.h"
#include "storage/account.h"
#include "storage/server_notice.h"
#include "storage/profile.h"
#include "storage/room.h"

enum { AT_ONCE = 100 };

/* The account that sends notices: nobody can log in to it. Its name may have been an ordinary user's; then it sends all the same. */
static enum err make_sender(struct ctx *ctx, struct homeserver *hs, struct user_id *out)
{
	const struct settings *settings = &hs->settings;
	out->s = str_printf(ctx->arena, "@%.*s:%.*s", STR_ARG(settings->server_notices_localpart),
		STR_ARG(hs->signer.server.s));
	const struct account_row row = {
		.user_id = out->s,
		.created_at_ms = clock_wall_ms(&hs->clock),
	};
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	enum err err = store_account_insert(ctx, tx, &row);
	if (err == ERR_CONFLICT) {
		return ERR_OK;
	}
	TRY(err);
	TRY(tx_commit(ctx, &tx));
	struct json name = json_string(settings->server_notices_display_name);
	return store_profile_set(ctx, hs->db, out->s, STR("displayname"),
		canonical_text(ctx->arena, &name));
}

static enum err make_room(struct ctx *ctx, struct homeserver *hs, struct user_id sender,
	struct str user_id, struct room **out)
{
	TRY(rooms_make_for_server_notices(ctx, hs, sender, user_id,
		hs->settings.server_notices_room_name, out));
	return account_data_put(ctx, hs, user_id, room_nid(*out), STR("m.tag"),
		STR("{\"tags\":{\"m.server_notice\":{}}}"));
}

/* Who has left the room is invited again. */
static enum err invite_again(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct user_id sender, struct str user_id)
{
	struct str membership;
	TRY(room_membership(ctx, hs, room, user_id, &membership));
	if (str_equals(membership, STR("join")) || str_equals(membership, STR("invite"))) {
		return ERR_OK;
	}
	struct json content = json_object_of(ctx->arena, STR("membership"), json_string(STR("invite")));
	const struct room_intent invite = {
		.sender = sender,
		.type = STR("m.room.member"),
		.is_state = true,
		.state_key = user_id,
		.content = &content,
		.is_servers = true,
	};
	return room_add(ctx, hs, room, &invite, 1, NULL);
}

static enum err find_room(struct ctx *ctx, struct homeserver *hs, struct user_id sender,
	struct str user_id, struct room **out)
{
	int64_t nid;
	TRY(store_server_notice_room_find(ctx, hs->db, user_id, &nid));
	TRY(rooms_get_nid(ctx, hs, nid, out));
	return invite_again(ctx, hs, *out, sender, user_id);
}

static enum err room_for(struct ctx *ctx, struct homeserver *hs, struct user_id sender,
	struct str user_id, struct room **out)
{
	enum err err = find_room(ctx, hs, sender, user_id, out);
	if (err != ERR_MISSING) {
		return err;
	}
	err = make_room(ctx, hs, sender, user_id, out);
	/* Another notice to the same user may have made it meanwhile. */
	return err == ERR_CONFLICT ? find_room(ctx, hs, sender, user_id, out) : err;
}

/* @param id  of the transaction, among all notices */
static void set_transaction(struct ctx *ctx, struct room_intent *intent, struct str id)
{
	unsigned char hash[SHA256_BYTES];
	crypto_sha256(id, hash);
	intent->txn_key = str_dup(ctx->arena, str_from((const char *)hash, TRANSACTION_KEY_BYTES));
	intent->txn_device = STR("NOTICES");
	intent->txn_id = b64_encode(ctx->arena, intent->txn_key);
}

static enum err deliver(struct ctx *ctx, struct homeserver *hs, struct user_id sender,
	const struct server_notice_row *notice)
{
	struct room *room;
	TRY(room_for(ctx, hs, sender, notice->user_id, &room));
	struct json content = json_object(ctx->arena, 2);
	json_put(&content, STR("msgtype"), json_string(STR("m.text")));
	json_put(&content, STR("body"), json_string(notice->body));
	struct room_intent intent = {
		.sender = sender,
		.type = STR("m.room.message"),
		.content = &content,
	};
	set_transaction(ctx, &intent,
		str_printf(ctx->arena, "server notice %lld", (long long)notice->notice_id));
	TRY(room_add(ctx, hs, room, &intent, 1, NULL));
	return store_server_notice_delete(ctx, hs->db, notice->notice_id);
}

enum err server_notices_deliver(struct ctx *ctx, struct homeserver *hs)
{
	struct server_notice_row *notices;
	size_t count;
	struct user_id sender;
	TRY(store_server_notice_waiting(ctx, hs->db, AT_ONCE, &notices, &count));
	if (count == 0) {
		return ERR_OK;
	}
	TRY(make_sender(ctx, hs, &sender));
	for (size_t i = 0; i < count; i++) {
		TRY(deliver(ctx, hs, sender, &notices[i]));
	}
	return ERR_OK;
}

/* --- by request ------------------------------------------------------------------------------------------- */

static enum err check_recipient(struct ctx *ctx, struct homeserver *hs, struct str user_id)
{
	if (!hs_is_local(hs, user_id)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "That is no user of this server");
	}
	struct account_row account;
	enum err err = store_account_find(ctx, hs->db, user_id, &account);
	if (err == ERR_MISSING || (err == ERR_OK && account.state == ACCOUNT_DEACTIVATED)) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such user here");
	}
	return err;
}

/* Lengths keep the parts apart, whatever is in them. */
static struct str transaction_of(struct arena *arena, const struct server_notice_request *request)
{
	struct str user_id = request->who->user.s;
	struct str device_id = request->who->device_id;
	return str_printf(arena, "requested notice %zu:%.*s %zu:%.*s %.*s", user_id.n, STR_ARG(user_id),
		device_id.n, STR_ARG(device_id), STR_ARG(request->txn_id));
}

/* What the same request has sent before. Errors: MISSING (no fault text) when nothing. */
static enum err find_sent(struct ctx *ctx, struct homeserver *hs, const struct room_intent *intent,
	struct str *out_event_id)
{
	if (intent->txn_key.p == NULL) {
		return ERR_MISSING;
	}
	struct str event_id;
	TRY(store_transaction_find(ctx, hs->db, intent->txn_key, &event_id));
	*out_event_id = str_dup(ctx->arena, event_id);
	return ERR_OK;
}

enum err server_notices_send(struct ctx *ctx, struct homeserver *hs,
	const struct server_notice_request *request, struct str *out_event_id)
{
	TRY(check_recipient(ctx, hs, request->user_id));
	struct room_intent intent = {
		.type = request->type.p != NULL ? request->type : STR("m.room.message"),
		.is_state = request->state_key.p != NULL,
		.state_key = request->state_key,
		.content = request->content,
	};
	if (request->txn_id.p != NULL) {
		set_transaction(ctx, &intent, transaction_of(ctx->arena, request));
	}
	enum err err = find_sent(ctx, hs, &intent, out_event_id);
	if (err != ERR_MISSING) {
		return err;
	}
	struct room *room;
	struct stored_event *event;
	TRY(make_sender(ctx, hs, &intent.sender));
	TRY(room_for(ctx, hs, intent.sender, request->user_id, &room));
	TRY(room_add(ctx, hs, room, &intent, 1, &event));
	*out_event_id = event->event->event_id.s;
	return ERR_OK;
}
