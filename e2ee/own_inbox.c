/*
 * A message, what it changes, and its deletion are one transaction. What has to be sent because of it is sent afterwards: should that be
 * lost in a crash, the sender's next message brings it about again.
 */
#include "e2ee/own_inbox.h"

#include "base/metrics.h"
#include "e2ee/olm_event.h"
#include "e2ee/own_device_inner.h"
#include "e2ee/vault.h"
#include "matrix/device_key.h"
#include "storage/consumer.h"

enum {
	MESSAGES_A_QUERY = 50,
	QUERIES_A_ROUND = 20,
	ROOM_KEYS_OF_SENDER = 1000,
	RENEW_PAUSE_MS = 60 * 60 * 1000,
};

static struct metric taken_total = METRIC_COUNTER("belfry_e2ee_own_messages_total",
	"Messages taken by devices of the server itself");
static struct metric refused_total = METRIC_COUNTER("belfry_e2ee_own_messages_refused_total",
	"Messages to devices of the server itself that could not be decrypted or were not what they said");

/* What is to be done once a message is gone. */
enum aftermath {
	AFTER_NOTHING,
	AFTER_RENEW,  /* the session with the sender's device */
	AFTER_ANSWER, /* a request for a key */
	AFTER_GIVE, /* keys again: the sender's device has begun a new session, since it did not understand the old one */
};

struct letter_in {
	struct ctx *ctx;
	struct homeserver *hs;
	const struct own_message_row *row;
	struct own_device device;
	struct tx *tx;
	struct ratchet_account *account;
	struct str sender;
	struct str type;
	const struct json *content;
	struct str peer_key; /* of the device that sent it, as it says */
	enum aftermath aftermath;
};

static void session_cleanup(struct ratchet_session **session)
{
	ratchet_session_destroy(*session);
}

static void receiver_cleanup(struct megolm_in **session)
{
	megolm_in_destroy(*session);
}

/* --- room keys ------------------------------------------------------------------------------------------------ */

/* Of a session that is known, only a key that reads more of the same. */
static enum err is_better(struct letter_in *in, const struct own_room_key_row *new_key,
	struct megolm_in *session, bool *out)
{
	struct own_room_key_row old;
	struct megolm_in *known CLEANUP(receiver_cleanup) = NULL;
	enum err err =
		store_own_room_key_find_in(in->ctx, in->tx, in->device.user.s, new_key->session_id, &old);
	*out = err == ERR_MISSING;
	if (err != ERR_OK) {
		return err == ERR_MISSING ? ERR_OK : err;
	}
	TRY(own_room_key_open(in->ctx, in->hs, in->device.user.s, &old, &known));
	*out = str_equals(old.room_id, new_key->room_id) && str_equals(old.sender, new_key->sender) &&
		str_equals(old.sender_key, new_key->sender_key) &&
		str_equals(old.sender_ed25519, new_key->sender_ed25519) &&
		megolm_in_first_index(session) < megolm_in_first_index(known) &&
		megolm_in_agrees(in->ctx->arena, known, session);
	return ERR_OK;
}

static enum err take_room_key(struct letter_in *in, const struct olm_event *event)
{
	struct arena *arena = in->ctx->arena;
	struct megolm_in *session CLEANUP(receiver_cleanup) = NULL;
	struct own_room_key_row row = {
		.session_id = json_get_str(event->content, STR("session_id")),
		.room_id = json_get_str(event->content, STR("room_id")),
		.sender = in->sender,
		.sender_key = in->peer_key,
		.sender_ed25519 = event->sender_ed25519,
		.received_at_ms = clock_wall_ms(&in->hs->clock),
	};
	struct room_id room_id;
	bool is_wanted = false;
	if (!str_equals(json_get_str(event->content, STR("algorithm")), MEGOLM_ALGORITHM) ||
		!room_id_parse(row.room_id, &room_id) || str_has_nul(row.room_id) ||
		megolm_in_create(json_get_str(event->content, STR("session_key")), &session) !=
			RATCHET_OK ||
		!str_equals(megolm_in_id(arena, session), row.session_id)) {
		metric_add(&refused_total, 1);
		return ERR_OK;
	}
	TRY(store_own_room_is_in(in->ctx, in->tx, in->device.user.s, row.room_id, &is_wanted));
	if (is_wanted) {
		TRY(is_better(in, &row, session, &is_wanted));
	}
	if (!is_wanted) {
		return ERR_OK;
	}
	row.state = vault_seal_and_wipe(arena, in->hs,
		own_room_key_context(arena, in->device.user.s, row.session_id),
		megolm_in_pickle(arena, session));
	return store_own_room_key_set(in->ctx, in->tx, in->device.user.s, &row, ROOM_KEYS_OF_SENDER);
}

/* --- Olm -------------------------------------------------------------------------------------------------------- */

/* How an Olm message was read. */
struct reading {
	struct ratchet_session *session;
	const struct own_session_row *row; /* NULL: the message began the session */
	struct str plaintext;
	enum ratchet_error error;
};

static enum err try_session(struct letter_in *in, const struct olm_envelope *envelope,
	const struct own_session_row *row, struct reading *out)
{
	struct ratchet_session *session CLEANUP(session_cleanup) = NULL;
	struct arena *arena = in->ctx->arena;
	TRY(own_session_open(in->ctx, in->hs, in->device.user.s, row, &session));
	if (envelope->type == RATCHET_PRE_KEY &&
		!ratchet_session_is_of(arena, session, envelope->sender_key, envelope->body)) {
		return ERR_OK;
	}
	out->error =
		ratchet_session_decrypt(arena, session, envelope->type, envelope->body, &out->plaintext);
	if (envelope->type == RATCHET_PRE_KEY || out->error == RATCHET_OK) {
		out->row = row;
	}
	if (out->error == RATCHET_OK) {
		out->session = session;
		session = NULL;
	}
	return ERR_OK;
}

/* A pre-key message of no session that is known. */
static void begin_session(struct letter_in *in, const struct olm_envelope *envelope,
	struct reading *out)
{
	struct arena *arena = in->ctx->arena;
	out->error = ratchet_session_accept(arena, in->account, envelope->sender_key, envelope->body,
		&out->session);
	if (out->error != RATCHET_OK) {
		out->session = NULL;
		return;
	}
	out->error = ratchet_session_decrypt(arena, out->session, envelope->type, envelope->body,
		&out->plaintext);
}

static enum err read_olm(struct letter_in *in, const struct olm_envelope *envelope,
	struct reading *out)
{
	struct own_session_row *rows;
	size_t n;
	*out = (struct reading){.error = RATCHET_BAD_MAC};
	TRY(store_own_session_list_in(in->ctx, in->tx, in->device.user.s, &envelope->sender_key, 1,
		&rows, &n));
	for (size_t i = 0; i < n && out->session == NULL && out->row == NULL; i++) {
		TRY(try_session(in, envelope, &rows[i], out));
	}
	if (out->row == NULL && out->session == NULL && envelope->type == RATCHET_PRE_KEY) {
		begin_session(in, envelope, out);
	}
	return ERR_OK;
}

static enum err save_session(struct letter_in *in, const struct olm_envelope *envelope,
	const struct reading *reading)
{
	struct arena *arena = in->ctx->arena;
	struct str user_id = in->device.user.s;
	const struct own_session_row row = {
		.peer_key = envelope->sender_key,
		.session_id = reading->row != NULL ? reading->row->session_id
										   : ratchet_session_id(arena, reading->session),
		.peer_user = reading->row != NULL ? reading->row->peer_user : in->sender,
		.run = in->hs->e2ee->own->run,
		.used_at_ms = clock_wall_ms(&in->hs->clock),
		.state = own_session_seal(arena, in->hs, user_id, envelope->sender_key, reading->session),
	};
	TRY(store_own_session_set(in->ctx, in->tx, user_id, &row, 1));
	if (reading->row != NULL) {
		return ERR_OK;
	}
	ratchet_session_use_up(in->account, reading->session);
	TRY(own_account_save(in->ctx, in->hs, in->tx, user_id, in->account));
	return store_own_session_trim(in->ctx, in->tx, user_id, &row, 1, &own_session_limits);
}

/* Messages that another session would have been understood by. */
static bool is_stuck(enum ratchet_error error)
{
	return error == RATCHET_BAD_MAC || error == RATCHET_BAD_KEY_ID;
}

static enum err take_event(struct letter_in *in, const struct olm_envelope *envelope,
	const struct reading *reading)
{
	const struct olm_expectation expected = {
		.sender = in->sender,
		.sender_key = envelope->sender_key,
		.recipient = in->device.user.s,
		.recipient_ed25519 = in->device.identity.ed25519,
	};
	struct olm_event event;
	bool is_good = olm_event_read(in->ctx->arena, reading->plaintext, &expected, &event) &&
		(reading->row == NULL || str_equals(reading->row->peer_user, in->sender));
	if (!is_good) {
		metric_add(&refused_total, 1);
		/* A session that is known has moved on; one that begins with a lie is not kept. */
		return reading->row != NULL ? save_session(in, envelope, reading) : ERR_OK;
	}
	TRY(save_session(in, envelope, reading));
	if (reading->row == NULL && str_equals(event.type, STR("m.dummy"))) {
		in->aftermath = AFTER_GIVE;
	}
	return str_equals(event.type, STR("m.room_key")) ? take_room_key(in, &event) : ERR_OK;
}

static enum err take_encrypted(struct letter_in *in)
{
	struct olm_envelope envelope;
	struct reading reading;
	if (!olm_envelope_read(in->ctx->arena, in->content, in->device.identity.curve25519,
			&envelope)) {
		metric_add(&refused_total, 1);
		return ERR_OK;
	}
	in->peer_key = envelope.sender_key;
	enum err err = read_olm(in, &envelope, &reading);
	if (err == ERR_OK && reading.error == RATCHET_OK) {
		err = take_event(in, &envelope, &reading);
	} else if (err == ERR_OK) {
		metric_add(&refused_total, 1);
		in->aftermath = is_stuck(reading.error) ? AFTER_RENEW : AFTER_NOTHING;
	}
	ratchet_session_destroy(reading.session);
	return err;
}

/* --- any message -------------------------------------------------------------------------------------------------- */

/* Of members of the room, and of the device's own user; to others nothing is said. */
static enum err take_request(struct letter_in *in)
{
	const struct json *body = json_at(in->content, "body");
	struct str device_id = json_get_str(in->content, STR("requesting_device_id"));
	struct str room_id = json_get_str(body, STR("room_id"));
	bool is_in = str_equals(in->sender, in->device.user.s);
	if (device_id.n == 0 || device_id.n > ID_MAX_BYTES || str_has_nul(device_id) ||
		str_equals(device_id, STR("*")) || room_id.n == 0 || room_id.n > ID_MAX_BYTES ||
		str_has_nul(room_id) || json_get_str(body, STR("session_id")).n == 0 ||
		(is_in && str_equals(device_id, in->device.device_id))) {
		return ERR_OK;
	}
	if (!is_in) {
		TRY(store_own_room_is_in(in->ctx, in->tx, in->sender, room_id, &is_in));
	}
	in->aftermath = is_in ? AFTER_ANSWER : AFTER_NOTHING;
	return ERR_OK;
}

static enum err take_message(struct letter_in *in)
{
	struct str bytes;
	if (str_equals(in->type, STR("m.room.encrypted"))) {
		return take_encrypted(in);
	}
	if (str_equals(in->type, STR("m.room_key_request")) &&
		str_equals(json_get_str(in->content, STR("action")), STR("request"))) {
		TRY(take_request(in));
	}
	/* The other side has no session with this device. */
	if (str_equals(in->type, STR("m.room_key.withheld")) &&
		str_equals(json_get_str(in->content, STR("code")), STR("m.no_olm"))) {
		in->peer_key = json_get_str(in->content, STR("sender_key"));
		in->aftermath =
			public_key_decode(in->ctx->arena, in->peer_key, &bytes) ? AFTER_RENEW : AFTER_NOTHING;
	}
	return ERR_OK;
}

/* The devices of who sent the message, who is of this server. Errors: STORE */
static enum err find_local_peers(struct letter_in *in, struct peer_devices *out)
{
	*out = (struct peer_devices){0};
	return hs_is_local(in->hs, in->sender) ? peer_devices_find(in->ctx, in->hs, in->device.user.s,
												 &in->sender, 1, OWN_ASK_OTHERS_MS, out)
										   : ERR_OK;
}

static enum err forget_session(struct letter_in *in, bool is_known, bool *out_may_renew)
{
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	struct ratchet_account *account CLEANUP(own_account_cleanup) = NULL;
	int64_t now_ms = clock_wall_ms(&in->hs->clock);
	*out_may_renew = false;
	TRY(own_device_begin(in->ctx, in->hs, &in->device, &tx, &account));
	if (is_known) {
		TRY(store_own_peer_renew(in->ctx, tx, in->device.user.s, in->peer_key, now_ms,
			now_ms - RENEW_PAUSE_MS, out_may_renew));
	}
	if (*out_may_renew || !is_known) {
		TRY(store_own_session_forget(in->ctx, tx, in->device.user.s, in->peer_key, in->sender));
	}
	return tx_commit(in->ctx, &tx);
}

static enum err renew_session(struct letter_in *in)
{
	struct peer_devices peers;
	struct own_letter letter = {0};
	struct json content = json_object(in->ctx->arena, 0);
	bool may_renew;
	TRY(find_local_peers(in, &peers));
	for (size_t i = 0; i < peers.n; i++) {
		if (str_equals(peers.p[i].curve25519, in->peer_key)) {
			letter.to = &peers.p[i];
		}
	}
	if (letter.to == NULL && hs_is_local(in->hs, in->sender)) {
		return ERR_OK; /* no such device */
	}
	TRY(forget_session(in, letter.to != NULL, &may_renew));
	return may_renew
		? own_letters_send(in->ctx, in->hs, &in->device, STR("m.dummy"), &content, &letter, 1)
		: ERR_OK;
}

static enum err withhold(struct letter_in *in, struct str code, struct str reason)
{
	struct arena *arena = in->ctx->arena;
	const struct peer_device to = {.user_id = in->sender,
		.device_id = json_get_str(in->content, STR("requesting_device_id"))};
	const struct peer_device *list = &to;
	const struct json *body = json_at(in->content, "body");
	const struct str fields[] = {STR("algorithm"), STR("room_id"), STR("sender_key"),
		STR("session_id")};
	struct json content = json_object(arena, COUNT_OF(fields) + 2);
	json_put(&content, STR("code"), json_string(code));
	json_put(&content, STR("reason"), json_string(reason));
	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		struct str value = json_get_str(body, fields[i]);
		if (value.p != NULL && value.n <= ID_MAX_BYTES) {
			json_put(&content, fields[i], json_string(value));
		}
	}
	return own_plain_send(in->ctx, in->hs, &in->device, STR("m.room_key.withheld"), &list, &content,
		1);
}

static enum err answer_request(struct letter_in *in)
{
	const struct json *body = json_at(in->content, "body");
	const struct own_key_ask ask = {
		.user_id = in->sender,
		.device_id = json_get_str(in->content, STR("requesting_device_id")),
		.room_id = json_get_str(body, STR("room_id")),
		.session_id = json_get_str(body, STR("session_id")),
	};
	enum own_key_answer answer;
	TRY(own_room_key_give_again(in->ctx, in->hs, &in->device, &ask, &answer));
	switch (answer) {
	case OWN_KEY_GIVEN:
		return ERR_OK;
	case OWN_KEY_REFUSED:
		return withhold(in, STR("m.unverified"),
			STR("The sender shares keys with verified devices only"));
	case OWN_KEY_UNKNOWN:
		return withhold(in, STR("m.unavailable"),
			STR("This device keeps no keys of earlier sessions"));
	}
	return ERR_OK;
}

static enum err see_to_aftermath(struct letter_in *in)
{
	switch (in->aftermath) {
	case AFTER_NOTHING:
		return ERR_OK;
	case AFTER_RENEW:
		return renew_session(in);
	case AFTER_ANSWER:
		return answer_request(in);
	case AFTER_GIVE:
		return own_room_keys_give_again(in->ctx, in->hs, &in->device, in->sender, in->peer_key);
	}
	return ERR_OK;
}

static bool read_message(struct letter_in *in, struct json *object)
{
	if (json_parse(in->ctx->arena, in->row->message, NULL, object, NULL) != JSON_OK) {
		return false;
	}
	in->sender = json_get_str(object, STR("sender"));
	in->type = json_get_str(object, STR("type"));
	in->content = json_at(object, "content");
	return in->sender.n > 0 && json_is(in->content, JSON_OBJECT);
}

static enum err take_in_transaction(struct letter_in *in)
{
	struct json object;
	TRY(own_device_begin(in->ctx, in->hs, &in->device, &in->tx, &in->account));
	in->device.identity = ratchet_account_identity(in->ctx->arena, in->account);
	if (read_message(in, &object)) {
		TRY(take_message(in));
	}
	TRY(store_own_message_delete(in->ctx, in->tx, in->row));
	return tx_commit(in->ctx, &in->tx);
}

/* Errors: STORE and the like, after which the message is there still; INTERNAL */
static enum err take_row(struct ctx *ctx, struct homeserver *hs, const struct own_message_row *row)
{
	struct letter_in in = {.ctx = ctx, .hs = hs, .row = row};
	if (!user_id_parse(row->user_id, &in.device.user)) {
		return ERR_OK;
	}
	in.device.device_id = row->device_id;
	enum err err = take_in_transaction(&in);
	tx_cleanup(&in.tx);
	ratchet_account_destroy(in.account);
	if (err == ERR_MISSING) {
		return ERR_OK; /* the device has ended meanwhile */
	}
	TRY(err);
	metric_add(&taken_total, 1);
	err = see_to_aftermath(&in);
	return err == ERR_MISSING ? ERR_OK : err;
}

enum err own_inbox_consume(struct ctx *ctx, struct homeserver *hs, void *self, int64_t after,
	int64_t up_to, int64_t *out_reached)
{
	(void)self;
	struct own_message_row *rows;
	size_t count = MESSAGES_A_QUERY;
	for (int i = 0; i < QUERIES_A_ROUND && count == MESSAGES_A_QUERY; i++) {
		TRY(store_own_message_next(ctx, hs->db, up_to, MESSAGES_A_QUERY, &rows, &count));
		for (size_t k = 0; k < count; k++) {
			TRY(take_row(ctx, hs, &rows[k]));
		}
	}
	*out_reached = count == MESSAGES_A_QUERY ? after : up_to;
	return *out_reached > after
		? store_consumer_skip(ctx, hs->db, STR(OWN_INBOX_CONSUMER), after, up_to)
		: ERR_OK;
}
