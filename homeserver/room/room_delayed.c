/*
 * A delayed event is a row until it is sent or cancelled. Who sends it does so as any event is sent; the row goes with the write that brings the
 * event, which fails when somebody has put it off, sent or cancelled it meanwhile. So one of these happens, and whoever asked for another
 * learns it.
 */
#include "homeserver/room/room_delayed.h"

#include "homeserver/room/room_state.h"
#include "matrix/canonical.h"
#include "storage/account.h"
#include "storage/room.h"

enum {
	DELAY_ID_LENGTH = 32, /* who knows one may use it */
	SEND_ATTEMPTS = 5,    /* each after somebody has put it off */
};

static bool is_redaction(struct str type)
{
	return str_equals(type, STR("m.room.redaction"));
}

/* --- keeping one ------------------------------------------------------------------------------------------------- */

/* Clients that are in use look for the code where the proposal once had it. */
static enum err check_delay(struct ctx *ctx, const struct homeserver *hs, int64_t delay_ms)
{
	int64_t max_ms = hs->settings.delayed_max_ms;
	if (max_ms == 0) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "This server does not send events later");
	}
	if (delay_ms <= max_ms) {
		return ERR_OK;
	}
	enum err err = fail(ctx, ERR_INPUT, M_UNKNOWN, "Events may be put off by %lld ms at the most",
		(long long)max_ms);
	ctx->fault.extra = str_printf(ctx->arena,
		"\"org.matrix.msc4140.errcode\":\"M_MAX_DELAY_EXCEEDED\",\"org.matrix.msc4140.max_delay\":%lld",
		(long long)max_ms);
	return err;
}

/* What would never be sent. The rest of the rules are asked when it is. */
static enum err check_event(struct ctx *ctx, struct room *room, const struct delayed_wish *wish,
	struct str content)
{
	if (str_has_nul(wish->type) || str_has_nul(wish->state_key)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "A name of the event has a NUL");
	}
	if (wish->type.n > EVENT_MAX_KEY_BYTES || wish->state_key.n > EVENT_MAX_KEY_BYTES ||
		content.n > EVENT_MAX_BYTES) {
		return fail_status(ctx, ERR_INPUT, 413, M_TOO_LARGE, "The event is too large");
	}
	bool is_strict =
		!room_version_of(room)->strict_canonical_json || canonical_is_strict(wish->content);
	return is_strict && canonical_nests_at_most(wish->content, EVENT_MAX_NESTING - 1)
		? ERR_OK
		: fail(ctx, ERR_INPUT, M_BAD_JSON, "Numbers are integers, and not nested that deep");
}

/* Why none was added. */
static enum err find_made(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str txn_key, struct str *out_delay_id)
{
	struct str made;
	enum err err =
		txn_key.p != NULL ? store_transaction_find(ctx, hs->db, txn_key, &made) : ERR_MISSING;
	if (err == ERR_OK) {
		*out_delay_id = str_dup(ctx->arena, made);
	}
	if (err != ERR_MISSING) {
		return err;
	}
	int64_t due_at_ms;
	TRY(store_delayed_event_next_of_user(ctx, hs->db, user_id, &due_at_ms));
	err = fail(ctx, ERR_LIMIT, M_LIMIT_EXCEEDED,
		"You have as many events that are to be sent later as you may");
	int64_t wait_ms = due_at_ms != INT64_MAX ? due_at_ms - clock_wall_ms(&hs->clock) : 0;
	ctx->fault.retry_after_ms = MAX_OF(wait_ms, (int64_t)1);
	return err;
}

static struct str txn_key_of(struct arena *arena, const struct delayed_wish *wish)
{
	const struct send_request request = {.who = wish->who,
		.room_id = wish->room_id,
		.type = wish->type,
		.txn_id = wish->txn_id};
	return wish->txn_id.p != NULL ? send_transaction_key(arena, "delay", &request)
								  : str_from(NULL, 0);
}

enum err room_delay(struct ctx *ctx, struct homeserver *hs, const struct delayed_wish *wish,
	struct str *out_delay_id)
{
	TRY(ctx_may_wait(ctx));
	TRY(check_delay(ctx, hs, wish->delay_ms));
	if (!is_redaction(wish->type)) {
		TRY(room_require_not_suspended(ctx, wish->who));
	}
	struct room *room;
	TRY(rooms_get_for(ctx, hs, wish->room_id, &room));
	TRY(room_require_joined(ctx, hs, room, wish->who->user.s));
	int64_t now_ms = clock_wall_ms(&hs->clock);
	const struct delayed_event_row row = {
		.key = {rng_text(&hs->rng, ctx->arena, DELAY_ID_LENGTH), now_ms + wish->delay_ms},
		.user_id = wish->who->user.s,
		.room_id = room_id_of(room).s,
		.type = wish->type,
		.state_key = wish->state_key,
		.content = canonical_text(ctx->arena, wish->content),
		.is_dated = wish->stamp.is_given,
		.origin_server_ts = wish->stamp.ms,
		.delay_ms = wish->delay_ms,
		.running_since_ms = now_ms,
	};
	TRY(check_event(ctx, room, wish, row.content));
	struct str txn_key = txn_key_of(ctx->arena, wish);
	enum err err =
		store_delayed_event_insert(ctx, hs->db, &row, txn_key, hs->settings.delayed_per_user);
	if (err == ERR_CONFLICT) {
		return find_made(ctx, hs, row.user_id, txn_key, out_delay_id);
	}
	TRY(err);
	room_delayed_tell(hs, row.key.due_at_ms);
	*out_delay_id = row.key.delay_id;
	return ERR_OK;
}

/* --- sending it -------------------------------------------------------------------------------------------------- */

/*
 * What holds for who sends an event holds for who has one sent. A device that has logged out since does not matter: that it went away is what such
 * events are for. Nor do terms that are new since the event was given.
 */
static enum err load_sender(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct principal *out)
{
	struct account_row account;
	enum err err = store_account_find(ctx, hs->db, user_id, &account);
	if (err == ERR_MISSING || (err == ERR_OK && account.state != ACCOUNT_ACTIVE)) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "The account of the sender is not in use");
	}
	TRY(err);
	*out = (struct principal){
		.is_admin = account.is_admin,
		.is_guest = account.is_guest,
		.is_suspended = account.is_suspended,
	};
	return user_id_parse(user_id, &out->user)
		? ERR_OK
		: fail_cause(ctx, ERR_INTERNAL, "the sender of a delayed event is none");
}

static enum err send(struct ctx *ctx, struct homeserver *hs, const struct delayed_event_row *row,
	const struct principal *who, const struct json *content)
{
	struct str event_id;
	const struct event_stamp stamp = {row->is_dated, row->origin_server_ts};
	if (row->state_key.p == NULL) {
		const struct send_request request = {
			.who = who,
			.room_id = row->room_id,
			.type = row->type,
			.content = content,
			.stamp = stamp,
			.delayed = &row->key,
		};
		return room_send(ctx, hs, &request, &event_id);
	}
	const struct state_wish wish = {
		.who = who,
		.room_id = row->room_id,
		.type = row->type,
		.state_key = row->state_key,
		.content = content,
		.stamp = stamp,
		.delayed = &row->key,
	};
	return room_state_put(ctx, hs, &wish, &event_id);
}

enum err room_delayed_deliver(struct ctx *ctx, struct homeserver *hs,
	const struct delayed_event_row *row)
{
	struct principal who;
	struct json content;
	TRY(load_sender(ctx, hs, row->user_id, &who));
	if (json_parse(ctx->arena, row->content, NULL, &content, NULL) != JSON_OK) {
		return fail_cause(ctx, ERR_INTERNAL, "the content of a delayed event is no JSON");
	}
	TRY(send(ctx, hs, row, &who, &content));
	/* It is still there when no event came of it: the state is so already; an invite, which the other server adds. */
	return store_delayed_event_drop(ctx, hs->db, &row->key);
}

/* --- by those who know it ---------------------------------------------------------------------------------------- */

static enum err known(struct ctx *ctx, enum err err)
{
	return err == ERR_MISSING
		? fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such event that is to be sent later")
		: err;
}

enum err room_delayed_find(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str delay_id, struct delayed_event_row *out)
{
	struct delayed_event_row row;
	enum err err = store_delayed_event_find(ctx, hs->db, delay_id, &row);
	if (err == ERR_OK && !str_equals(row.user_id, user_id)) {
		err = ERR_MISSING;
	}
	TRY(known(ctx, err));
	*out = row;
	return ERR_OK;
}

enum err room_delayed_restart(struct ctx *ctx, struct homeserver *hs, struct str delay_id)
{
	return known(ctx,
		store_delayed_event_restart(ctx, hs->db, delay_id, clock_wall_ms(&hs->clock)));
}

enum err room_delayed_cancel(struct ctx *ctx, struct homeserver *hs, struct str delay_id)
{
	return known(ctx, store_delayed_event_cancel(ctx, hs->db, delay_id));
}

enum err room_delayed_send(struct ctx *ctx, struct homeserver *hs, struct str delay_id)
{
	enum err err = ERR_CONFLICT;
	for (int attempt = 0; attempt < SEND_ATTEMPTS && err == ERR_CONFLICT; attempt++) {
		struct delayed_event_row row;
		TRY(known(ctx, store_delayed_event_find(ctx, hs->db, delay_id, &row)));
		err = room_delayed_deliver(ctx, hs, &row);
	}
	return err;
}
