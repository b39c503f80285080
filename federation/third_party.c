/*
 * Anybody may call onbind: it proves nothing. What counts are the keys in the room's m.room.third_party_invite, by which the rules
 * of the room check what the identity server has signed, and that the user named in it is the one who is invited. The server of who
 * promised the invite, and it alone, asks whether the key is still valid: all others have to come to the same judgement.
 */
#include "federation/third_party.h"

#include "base/log.h"
#include "federation/fed_client.h"
#include "federation/refusal.h"
#include "homeserver/identity_server.h"
#include "homeserver/room/room_accept.h"
#include "homeserver/room/room_invitee.h"
#include "homeserver/room/room_member.h"
#include "http/memo.h"
#include "http/uri.h"
#include "matrix/auth_third_party.h"
#include "matrix/json_make.h"
#include "storage/account.h"

enum {
	MAX_INVITES = 20,
	EXCHANGE_TIMEOUT_MS = 15 * 1000,
	EXCHANGE_CEILING = 64 * 1024,
};

static enum err invalid(struct ctx *ctx, const char *what)
{
	return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "%s", what);
}

/* An invite that was promised, and to whom. */
struct promise {
	struct room *room;
	struct user_id sender; /* of the m.room.third_party_invite */
	struct str invitee;
	const struct json *signature; /* `signed`, by the identity server */
};

/*
 * That who may redeem it is the identity server's word, and that it still stands by it. What is wrong with the signature otherwise, the
 * room's rules find.
 */
static enum err check_key(struct ctx *ctx, struct federation *federation,
	const struct promise *promise, const struct event *promised)
{
	struct third_party_key key;
	if (!third_party_key(ctx->arena, promise->signature, promised->content, &key)) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN,
			"The invite's identity server has not signed that");
	}
	return key.validity_url.p == NULL
		? ERR_OK
		: identity_server_check_key(ctx, federation->hs, key.validity_url, key.public_key);
}

/* The invite's content; its name comes from the room, not from who asks. */
static enum err content_of(struct ctx *ctx, struct federation *federation,
	const struct promise *promise, struct json *out)
{
	struct stored_event *promised;
	struct str token = json_get_str(promise->signature, STR("token"));
	if (token.p == NULL) {
		return invalid(ctx, "signed lacks its token");
	}
	TRY(room_state_event(ctx, federation->hs, promise->room, STR("m.room.third_party_invite"),
		token, POSITION_NOW, &promised));
	if (promised == NULL) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Nobody has promised that invite");
	}
	if (!str_equals(promised->event->sender.s, promise->sender.s)) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "Another user has promised that invite");
	}
	TRY(check_key(ctx, federation, promise, promised->event));
	struct str name = json_get_str(promised->event->content, STR("display_name"));
	struct json invite = json_object(ctx->arena, 2);
	json_put(&invite, STR("display_name"), json_string(name.p != NULL ? name : STR("")));
	json_put(&invite, STR("signed"), *promise->signature);
	*out = json_object(ctx->arena, 2);
	json_put(out, STR("membership"), json_string(STR("invite")));
	json_put(out, STR("third_party_invite"), invite);
	return ERR_OK;
}

static enum err keep(struct ctx *ctx, struct federation *federation, const struct promise *promise)
{
	struct json content;
	TRY(content_of(ctx, federation, promise, &content));
	const struct room_intent intent = member_intent(promise->sender, promise->invitee, &content);
	return room_invite_by(ctx, federation->hs, promise->room, &intent, NULL);
}

static const struct json *signature_of(const struct json *object)
{
	const struct json *signature = json_at(object, "signed");
	return json_is(signature, JSON_OBJECT) ? signature : NULL;
}

/* --- of users of ours, asked for by the invited one's server ----------------------------------------------------- */

enum err third_party_exchange(struct ctx *ctx, struct federation *federation,
	struct server_name origin, struct str room_id, const struct json *body)
{
	struct homeserver *hs = federation->hs;
	const struct json *content = json_at(body, "content");
	struct user_id invitee;
	bool is_allowed;
	struct promise promise = {
		.invitee = json_get_str(body, STR("state_key")),
		.signature = signature_of(json_at(content, "third_party_invite")),
	};
	if (!str_equals(json_get_str(body, STR("type")), STR("m.room.member")) ||
		!str_equals(json_get_str(body, STR("room_id")), room_id) ||
		!str_equals(json_get_str(content, STR("membership")), STR("invite")) ||
		promise.signature == NULL) {
		return invalid(ctx, "That is no third-party invite of this room");
	}
	if (!user_id_parse(json_get_str(body, STR("sender")), &promise.sender) ||
		!hs_is_local(hs, promise.sender.s)) {
		return invalid(ctx, "The sender is not of this server");
	}
	if (!user_id_parse(promise.invitee, &invitee) ||
		!server_name_equals(user_id_server(invitee), origin)) {
		return invalid(ctx, "The invited user is not of your server");
	}
	enum err err = rooms_get(ctx, hs, room_id, &promise.room);
	if (err == ERR_MISSING || (err == ERR_OK && !room_is_resident(promise.room))) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "This server is not in that room");
	}
	TRY(err);
	TRY(room_allows_server(ctx, hs, promise.room, origin, &is_allowed));
	if (!is_allowed) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "The room's access list shuts your server out");
	}
	return keep(ctx, federation, &promise);
}

/* --- to users of ours ------------------------------------------------------------------------------------------------ */

static enum err exchange(struct ctx *ctx, struct federation *federation, struct user_id sender,
	struct str invitee, const struct json *invite, const void *purpose)
{
	struct str room_id = json_get_str(invite, STR("room_id"));
	struct json proof = json_object(ctx->arena, 2);
	json_put(&proof, STR("display_name"), json_string(invitee));
	json_put(&proof, STR("signed"), *signature_of(invite));
	struct json content = json_object(ctx->arena, 2);
	json_put(&content, STR("membership"), json_string(STR("invite")));
	json_put(&content, STR("third_party_invite"), proof);
	struct json body = json_object(ctx->arena, 5);
	json_put(&body, STR("type"), json_string(STR("m.room.member")));
	json_put(&body, STR("room_id"), json_string(room_id));
	json_put(&body, STR("sender"), json_string(sender.s));
	json_put(&body, STR("state_key"), json_string(invitee));
	json_put(&body, STR("content"), content);
	const struct fed_request request = {
		.server = user_id_server(sender),
		.method = "PUT",
		.target = str_printf(ctx->arena, "/_matrix/federation/v1/exchange_third_party_invite/%.*s",
			STR_ARG(uri_encode(ctx->arena, room_id))),
		.body = &body,
		.answer_ceiling_bytes = EXCHANGE_CEILING,
		.timeout_ms = EXCHANGE_TIMEOUT_MS,
		.purpose = purpose,
	};
	struct fed_answer answer;
	struct fed_refusal refusal = {0};
	enum err err = fed_ask(ctx, federation, &request, &answer, &refusal);
	return err == ERR_OK ? ERR_OK : refusal_pass_on(ctx, err, &refusal);
}

/* One invite of the list. @param purpose  of fed_request, where another server is asked. Errors: DEFER (parked) */
static enum err take_bound(struct ctx *ctx, struct federation *federation, struct str invitee,
	const struct json *invite, const void *purpose)
{
	struct homeserver *hs = federation->hs;
	struct promise promise = {.invitee = invitee, .signature = signature_of(invite)};
	struct room_id room_id;
	if (promise.signature == NULL ||
		!str_equals(json_get_str(promise.signature, STR("mxid")), invitee) ||
		!user_id_parse(json_get_str(invite, STR("sender")), &promise.sender) ||
		!room_id_parse(json_get_str(invite, STR("room_id")), &room_id)) {
		return invalid(ctx, "An invite lacks its room, its sender or its signature");
	}
	if (!hs_is_local(hs, promise.sender.s)) {
		return exchange(ctx, federation, promise.sender, invitee, invite, purpose);
	}
	TRY(rooms_get(ctx, hs, room_id.s, &promise.room));
	return keep(ctx, federation, &promise);
}

static enum err check_bound(struct ctx *ctx, struct federation *federation, const struct json *body,
	struct str *out_invitee, const struct json **out_invites)
{
	struct homeserver *hs = federation->hs;
	struct user_id user;
	struct account_row account;
	*out_invitee = json_get_str(body, STR("mxid"));
	*out_invites = json_at(body, "invites");
	if (out_invitee->p == NULL || json_get_str(body, STR("medium")).p == NULL ||
		json_get_str(body, STR("address")).p == NULL) {
		return fail(ctx, ERR_INPUT, M_MISSING_PARAM, "medium, address and mxid are needed");
	}
	bool are_invites = *out_invites == NULL ||
		(json_is(*out_invites, JSON_ARRAY) && (*out_invites)->count <= MAX_INVITES);
	if (!are_invites) {
		return invalid(ctx, "invites is an array, and not a long one");
	}
	if (!user_id_parse(*out_invitee, &user) || !hs_is_local(hs, user.s)) {
		return invalid(ctx, "mxid is no user of this server");
	}
	enum err err = store_account_find(ctx, hs->db, user.s, &account);
	if (err == ERR_MISSING || (err == ERR_OK && account.state == ACCOUNT_DEACTIVATED)) {
		return invalid(ctx, "mxid is no user of this server");
	}
	TRY(err);
	return room_require_takes_invites(ctx, hs, user.s);
}

/* How far the invites of a call are done. */
struct bound {
	size_t at;
	char purposes[MAX_INVITES]; /* their addresses: of fed_request, one for each */
};

enum err third_party_bound(struct ctx *ctx, struct federation *federation, const struct json *body)
{
	struct str invitee;
	const struct json *invites;
	TRY(ctx_may_ask(ctx));
	TRY(check_bound(ctx, federation, body, &invitee, &invites));
	struct bound *bound = MEMO_FIND(ctx, STR("invites of who is bound"), struct bound);
	/* Identity servers in use leave out an empty list, though the specification demands it, and repeat what is refused. */
	for (; invites != NULL && bound->at < invites->count; bound->at++) {
		enum err err = take_bound(ctx, federation, invitee, &invites->items[bound->at],
			&bound->purposes[bound->at]);
		if (err == ERR_STORE || err == ERR_SHUTDOWN || err == ERR_DEFER) {
			return err;
		}
		if (err != ERR_OK) {
			log_info(ctx->request_id, "fed.bound_invite.failed", "err=%s cause=%.*s", err_name(err),
				STR_ARG(ctx->fault.cause));
			ctx->fault = (struct fault){0};
		}
	}
	return ERR_OK;
}

/* --- shown by who joins ------------------------------------------------------------------------------------------- */

enum err third_party_redeem(void *self, struct ctx *ctx, struct str room_id, struct str user_id,
	const struct json *signature)
{
	static const char purpose = 0; /* its address: a call redeems one */
	struct json invite = json_object(ctx->arena, 3);
	struct str sender = json_get_str(signature, STR("sender"));
	TRY(ctx_may_ask(ctx));
	json_put(&invite, STR("room_id"), json_string(room_id));
	json_put(&invite, STR("sender"), json_string(sender.p != NULL ? sender : STR("")));
	json_put(&invite, STR("signed"), *signature);
	return take_bound(ctx, self, user_id, &invite, &purpose);
}
