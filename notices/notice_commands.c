/*
 * Queue, look, answer. The answer's transaction key is made of the message, so of however many tries one is seen.
 */
#include "notices/notice_commands.h"

#include "base/log.h"
#include "e2ee/room_cipher.h"
#include "homeserver/room/rooms.h"
#include "matrix/json_make.h"
#include "matrix/relation.h"
#include "notices/notice_answer.h"
#include "notices/notice_job.h"
#include "notices/notice_round.h"
#include "notices/notice_send.h"
#include "notices/notices.h"
#include "storage/consumer.h"
#include "storage/notice_command.h"

enum {
	SPAN_MAX = 20000, /* positions that a round looks at */
	AT_ONCE = 20,
	LIMIT_MS = 30 * 1000,
	RETRY_MS = 5 * 1000,
	GIVE_UP_MS = 5 * 60 * 1000,
};

/* --- the stream ------------------------------------------------------------------------------------------------------ */

enum err notice_commands_consume(struct ctx *ctx, struct homeserver *hs, void *self, int64_t after,
	int64_t up_to, int64_t *out_reached)
{
	const struct str name = STR(NOTICE_COMMANDS_CONSUMER);
	int64_t reached = MIN_OF(up_to, after + SPAN_MAX);
	size_t count;
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	(void)self;
	TRY(tx_begin(ctx, hs->db, &tx));
	TRY(store_notice_commands_take(ctx, tx, after, reached, clock_wall_ms(&hs->clock), &count));
	if (count == 0) {
		tx_cleanup(&tx);
		tx = NULL;
		TRY(store_consumer_skip(ctx, hs->db, name, after, reached));
	} else {
		TRY(store_consumer_move_in(ctx, tx, name, after, reached));
		TRY(tx_commit(ctx, &tx));
		notice_job_wake(hs->notices);
	}
	*out_reached = reached;
	return ERR_OK;
}

/* --- one of them -------------------------------------------------------------------------------------------------------- */

struct message {
	struct str type;
	const struct json *content;
};

static enum err find_event(struct ctx *ctx, struct homeserver *hs,
	const struct notice_command_row *row, struct stored_event **out)
{
	struct room *room;
	TRY(rooms_get(ctx, hs, row->room_id, &room));
	return room_event(ctx, hs, room, row->event_id, out);
}

/* What the server could have made up, or changed: in clear where people encrypt. */
static enum err find_exposed(struct ctx *ctx, struct homeserver *hs,
	const struct notice_command_row *row, const struct stored_event *event, bool *out)
{
	struct room *room;
	struct stored_event *encryption;
	TRY(rooms_get(ctx, hs, row->room_id, &room));
	TRY(room_state_event(ctx, hs, room, STR("m.room.encryption"), STR(""), event->position,
		&encryption));
	*out = encryption != NULL && !str_equals(event->event->type, STR("m.room.encrypted"));
	return ERR_OK;
}

static enum err read_message(struct ctx *ctx, struct homeserver *hs, struct user_id sender,
	const struct event *event, struct message *out)
{
	struct own_device device;
	struct cipher_plain plain;
	*out = (struct message){event->type, event->content};
	if (!str_equals(event->type, STR("m.room.encrypted"))) {
		return ERR_OK;
	}
	TRY(own_device_open(ctx, hs, sender, NOTICE_DEVICE_NAME, &device));
	TRY(room_cipher_decrypt(ctx, hs, &device, event, &plain));
	if (plain.device_id.p == NULL) {
		return fail_cause(ctx, ERR_MISSING, "of a device that its user is not known to have");
	}
	*out = (struct message){plain.type, plain.content};
	return ERR_OK;
}

/* What a person has written now: no bot's answer, no picture, no correction of what was answered. */
static bool is_words(const struct message *message)
{
	struct relation relation;
	bool replaces =
		relation_read(message->content, &relation) && relation_is(&relation, STR("m.replace"));
	return !replaces && str_equals(message->type, STR("m.room.message")) &&
		str_equals(json_get_str(message->content, STR("msgtype")), STR("m.text"));
}

/* @param key  words of the transaction key */
static enum err say(struct ctx *ctx, struct homeserver *hs, const struct notice_command_row *row,
	struct str key, struct str text)
{
	struct str event_id;
	struct json content = json_object(ctx->arena, 4);
	struct notice_words words = {
		.room_id = row->room_id,
		.type = STR("m.room.message"),
		.content = &content,
		.txn_key = notice_txn_key(ctx->arena, key),
	};
	if (!user_id_parse(row->sender, &words.sender)) {
		return fail_cause(ctx, ERR_INTERNAL, "the sender of notices is none");
	}
	json_put(&content, STR("msgtype"), json_string(STR("m.notice")));
	json_put(&content, STR("body"), json_string(text));
	json_put(&content, STR("m.mentions"), json_object(ctx->arena, 1));
	json_put(&content, STR("m.relates_to"),
		json_object_of(ctx->arena, STR("m.in_reply_to"),
			json_object_of(ctx->arena, STR("event_id"), json_string(row->event_id))));
	return notice_say(ctx, hs, &words, &event_id);
}

static struct str answer_key(struct ctx *ctx, const struct notice_command_row *row)
{
	return str_printf(ctx->arena, "answer %.*s %.*s", STR_ARG(row->sender), STR_ARG(row->event_id));
}

static enum err obey(struct ctx *ctx, struct homeserver *hs, const struct notice_command_row *row,
	const struct message *message)
{
	struct notice_command command;
	struct str text;
	const struct notice_order order = {row->sender, row->event_id, &command};
	notice_command_read(ctx->arena, json_get_str(message->content, STR("body")), &command);
	TRY(notice_answer(ctx, hs, &order, &text));
	return say(ctx, hs, row, answer_key(ctx, row), text);
}

static enum err look_at_message(struct ctx *ctx, struct homeserver *hs,
	const struct notice_command_row *row, bool may)
{
	struct stored_event *event;
	struct message message;
	struct user_id sender;
	bool is_exposed;
	TRY(find_event(ctx, hs, row, &event));
	if (!user_id_parse(row->sender, &sender)) {
		return fail_cause(ctx, ERR_INTERNAL, "the sender of notices is none");
	}
	TRY(read_message(ctx, hs, sender, event->event, &message));
	if (!is_words(&message)) {
		return ERR_OK;
	}
	if (may) {
		TRY(find_exposed(ctx, hs, row, event, &is_exposed));
		return is_exposed ? say(ctx, hs, row, answer_key(ctx, row), notice_answer_in_clear())
						  : obey(ctx, hs, row, &message);
	}
	/* The key is kept for a day. */
	return say(ctx, hs, row,
		str_printf(ctx->arena, "stranger %.*s %.*s", STR_ARG(row->sender), STR_ARG(row->user_id)),
		notice_answer_stranger());
}

/* Direct rooms alone: into others the sender comes when a notice goes there. */
static enum err look_at_invite(struct ctx *ctx, struct homeserver *hs,
	const struct notice_command_row *row, bool may)
{
	struct stored_event *event;
	struct user_id sender;
	struct own_device device;
	struct room *room;
	TRY(find_event(ctx, hs, row, &event));
	if (!may || !json_get_bool(event->event->content, STR("is_direct"), false) ||
		!user_id_parse(row->sender, &sender)) {
		return ERR_OK;
	}
	/* Before the room: who is there to be written to needs the device's keys at once. */
	TRY(own_device_open(ctx, hs, sender, NOTICE_DEVICE_NAME, &device));
	return notice_enter_room(ctx, hs, sender, row->room_id, &room);
}

static enum err look_at(struct ctx *ctx, struct homeserver *hs,
	const struct notice_command_row *row)
{
	bool may;
	TRY(store_notice_manager_find(ctx, hs->db, row->sender, row->user_id, &may));
	return row->is_invite ? look_at_invite(ctx, hs, row, may) : look_at_message(ctx, hs, row, may);
}

/* --- all of them ----------------------------------------------------------------------------------------------------------- */

/* A key may still come, another server answer; but not for ever. */
static enum err put_off(struct ctx *ctx, struct homeserver *hs,
	const struct notice_command_row *row, enum err err)
{
	int64_t now_ms = clock_wall_ms(&hs->clock);
	bool may_help = err == ERR_MISSING || err_is_transient(err);
	bool is_late = now_ms - row->queued_at_ms > GIVE_UP_MS;
	log_info(0, "notices.command_failed", "kind=%s late=%d cause=%.*s", err_name(err), is_late,
		STR_ARG(ctx->fault.cause));
	ctx->fault = (struct fault){0};
	ctx->deadline_ms = clock_os_ms() + LIMIT_MS;
	if (may_help && !is_late) {
		return store_notice_commands_later(ctx, hs->db, row, now_ms + RETRY_MS);
	}
	if (err == ERR_MISSING && !row->is_invite &&
		say(ctx, hs, row, answer_key(ctx, row), notice_answer_unreadable()) != ERR_OK) {
		ctx->fault = (struct fault){0}; /* the room is gone */
	}
	return store_notice_commands_done(ctx, hs->db, row);
}

static enum err take_up(struct ctx *ctx, struct homeserver *hs,
	const struct notice_command_row *row)
{
	ctx->deadline_ms = clock_os_ms() + LIMIT_MS;
	enum err err = look_at(ctx, hs, row);
	if (err == ERR_STORE || err == ERR_SHUTDOWN) {
		return err; /* nothing can be written down either */
	}
	return err == ERR_OK ? store_notice_commands_done(ctx, hs->db, row)
						 : put_off(ctx, hs, row, err);
}

enum err notice_commands_run(struct ctx *ctx, struct homeserver *hs, bool *out_more)
{
	struct notice_command_row *rows;
	size_t count;
	struct notice_round round = {0};
	bool goes_on = true;
	TRY(store_notice_commands_due(ctx, hs->db, clock_wall_ms(&hs->clock), AT_ONCE, &rows, &count));
	for (size_t i = 0; i < count && goes_on; i++) {
		goes_on = notice_round_note(ctx, &round, "obey", take_up(ctx, hs, &rows[i]));
	}
	*out_more = *out_more || count > 0; /* a command may have made something that is due */
	return round.err;
}

/* --- who may ------------------------------------------------------------------------------------------------------------------ */

static enum err find_both(struct ctx *ctx, const struct account_desk *desk, struct str sender,
	struct str user, struct str *out_sender, struct user_id *out_user)
{
	TRY(notice_sender_find(ctx, desk, sender, out_sender));
	struct str whole = str_starts_with(user, STR("@")) && str_find_byte(user, ':') == SIZE_MAX
		? str_printf(ctx->arena, "%.*s:%.*s", STR_ARG(user), STR_ARG(desk->settings->server_name.s))
		: user;
	return user_id_parse(whole, out_user)
		? ERR_OK
		: fail(ctx, ERR_INPUT, M_INVALID_PARAM, "'%.*s' is no user, such as @lin:%.*s",
			  STR_ARG(user), STR_ARG(desk->settings->server_name.s));
}

enum err notice_manager_allow(struct ctx *ctx, const struct account_desk *desk, struct str sender,
	struct str user)
{
	struct user_id id;
	TRY(find_both(ctx, desk, sender, user, &sender, &id));
	return store_notice_manager_insert(ctx, desk->db, sender, id.s);
}

enum err notice_manager_disallow(struct ctx *ctx, const struct account_desk *desk,
	struct str sender, struct str user)
{
	struct user_id id;
	TRY(find_both(ctx, desk, sender, user, &sender, &id));
	enum err err = store_notice_manager_delete(ctx, desk->db, sender, id.s);
	return err == ERR_MISSING
		? fail(ctx, err, M_NOT_FOUND, "'%.*s' may not command this sender anyway", STR_ARG(id.s))
		: err;
}
