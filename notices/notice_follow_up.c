/*
 * An edit replaces the event, which notifies nobody by the predefined push rules; so a short answer to it follows, which does as every
 * message does.
 */
#include "notices/notice_follow_up.h"

#include <inttypes.h>

#include "base/backoff.h"
#include "base/log.h"
#include "homeserver/room/rooms.h"
#include "matrix/json_make.h"
#include "notices/notice_file.h"
#include "notices/notice_send.h"
#include "notices/notices.h"

enum {
	RETRY_FIRST_MS = 5 * 1000,
	RETRY_MAX_MS = 60 * 60 * 1000,
	TRIES_MAX = 33, /* about a day */
	DO_LIMIT_MS = 30 * 1000,
	FALLBACK_MAX_BYTES = 20000, /* with the text once more, an edit has to fit an event */
	PIN_TRIES = 5,
};

#define UPDATED STR("已更新 · Updated")

/* --- edits ------------------------------------------------------------------------------------------------------- */

static enum err compose(struct ctx *ctx, const struct notice_follow_up_row *row, struct json *out)
{
	struct notice_text *texts;
	struct str *wanted;
	struct notice_message message = {0};
	TRY(notice_texts_read(ctx, row->texts, &texts, &message.count));
	message.texts = texts;
	notice_words_read(ctx, row->languages, &wanted, &message.wanted_count);
	message.wanted = wanted;
	return notice_message_compose(ctx, &message, out);
}

/* Spec: client-server API, "Event replacements" */
static struct json make_edit(struct ctx *ctx, const struct json *content, struct str event_id)
{
	struct str body = json_get_str(content, STR("body"));
	struct json edit = json_object(ctx->arena, 5);
	struct json relates = json_object(ctx->arena, 2);
	json_put(&relates, STR("rel_type"), json_string(STR("m.replace")));
	json_put(&relates, STR("event_id"), json_string(event_id));
	json_put(&edit, STR("msgtype"), json_string(STR("m.text")));
	json_put(&edit, STR("body"),
		json_string(str_printf(ctx->arena, "* %.*s",
			STR_ARG(body.n <= FALLBACK_MAX_BYTES ? body : UPDATED))));
	json_put(&edit, STR("m.mentions"), json_object(ctx->arena, 1));
	json_put(&edit, STR("m.new_content"), *content);
	json_put(&edit, STR("m.relates_to"), relates);
	return edit;
}

static struct json make_answer(struct ctx *ctx, struct str event_id)
{
	struct json answer = json_object(ctx->arena, 4);
	json_put(&answer, STR("msgtype"), json_string(STR("m.text")));
	json_put(&answer, STR("body"), json_string(UPDATED));
	json_put(&answer, STR("m.mentions"), json_object(ctx->arena, 1));
	json_put(&answer, STR("m.relates_to"),
		json_object_of(ctx->arena, STR("m.in_reply_to"),
			json_object_of(ctx->arena, STR("event_id"), json_string(event_id))));
	return answer;
}

static enum err edit(struct ctx *ctx, struct homeserver *hs, struct user_id sender,
	const struct notice_follow_up_row *row)
{
	struct json content;
	struct str event_id;
	TRY(compose(ctx, row, &content));
	content = make_edit(ctx, &content, row->event_id);
	struct notice_words words = {
		.sender = sender,
		.room_id = row->room_id,
		.type = STR("m.room.message"),
		.content = &content,
		.txn_key = row->txn_key,
	};
	TRY(notice_say(ctx, hs, &words, &event_id));
	if (str_equals(row->kind, STR("amend"))) {
		return ERR_OK;
	}
	content = make_answer(ctx, row->event_id);
	words.txn_key = notice_txn_key(ctx->arena,
		str_printf(ctx->arena, "updated %" PRId64 " %" PRId64 " %.*s %" PRId64, row->notice_id,
			row->due_at_ms, STR_ARG(row->room_id), row->ordinal));
	return notice_say(ctx, hs, &words, &event_id);
}

/* --- pins -------------------------------------------------------------------------------------------------------- */

/* The content with the event among the pinned ones, or without. @return whether anything changed */
static bool make_pins(struct ctx *ctx, const struct json *before, struct str event_id, bool is_on,
	struct json *out)
{
	const struct json *pinned = json_at(before, "pinned");
	size_t count = json_is(pinned, JSON_ARRAY) ? pinned->count : 0;
	struct json *items = ARENA_NEW_ARRAY(ctx->arena, struct json, count + 1);
	size_t n = 0;
	bool was_on = false;
	for (size_t i = 0; i < count; i++) {
		bool is_it = pinned->items[i].type == JSON_STRING &&
			str_equals(json_text(&pinned->items[i]), event_id);
		was_on = was_on || is_it;
		if (is_on || !is_it) {
			items[n++] = pinned->items[i];
		}
	}
	if (is_on && !was_on) {
		items[n++] = json_string(event_id);
	}
	const struct json none = {.type = JSON_OBJECT};
	*out = json_with(ctx->arena, before != NULL ? before : &none, STR("pinned"),
		json_array_of(items, n));
	return is_on != was_on;
}

/* Errors: CONFLICT (somebody has changed the list since it was read) */
static enum err pin_once(struct ctx *ctx, struct homeserver *hs, struct user_id sender,
	const struct notice_follow_up_row *row)
{
	bool is_on = str_equals(row->kind, STR("pin"));
	struct room *room;
	struct stored_event *base;
	struct json content;
	struct room_premise as_read = {.type = STR("m.room.pinned_events"), .state_key = STR("")};
	const struct room_intent intent = {.sender = sender,
		.type = as_read.type,
		.is_state = true,
		.state_key = as_read.state_key,
		.content = &content,
		.premise = &as_read};
	TRY(rooms_get(ctx, hs, row->room_id, &room));
	TRY(room_state_event(ctx, hs, room, as_read.type, as_read.state_key, POSITION_NOW, &base));
	if (!make_pins(ctx, base != NULL ? base->event->content : NULL, row->event_id, is_on,
			&content)) {
		return ERR_OK;
	}
	as_read.position = base != NULL ? base->position : 0;
	TRY(notice_enter_room(ctx, hs, sender, row->room_id, &room));
	return room_add(ctx, hs, room, &intent, 1, NULL);
}

/* The list is one event of state, which others change too: it is written only over what was read, so nobody's pin is lost. */
static enum err pin(struct ctx *ctx, struct homeserver *hs, struct user_id sender,
	const struct notice_follow_up_row *row)
{
	enum err err = pin_once(ctx, hs, sender, row);
	for (int i = 1; i < PIN_TRIES && err == ERR_CONFLICT; i++) {
		ctx->fault = (struct fault){0};
		err = pin_once(ctx, hs, sender, row);
	}
	return err;
}

/* --- each -------------------------------------------------------------------------------------------------------- */

static enum err do_it(struct ctx *ctx, struct homeserver *hs,
	const struct notice_follow_up_row *row)
{
	struct user_id sender;
	if (!user_id_parse(row->sender, &sender)) {
		return fail_cause(ctx, ERR_INTERNAL, "the sender of a notice is none");
	}
	if (str_equals(row->kind, STR("file"))) {
		return notice_file_say(ctx, hs, sender, row);
	}
	bool is_pin = str_equals(row->kind, STR("pin")) || str_equals(row->kind, STR("unpin"));
	return is_pin ? pin(ctx, hs, sender, row) : edit(ctx, hs, sender, row);
}

static enum err note_failure(struct ctx *ctx, struct homeserver *hs,
	const struct notice_follow_up_row *row)
{
	int64_t interval_ms =
		MIN_OF((int64_t)RETRY_FIRST_MS << MIN_OF(row->failures, 16), (int64_t)RETRY_MAX_MS);
	int64_t next_try_ms = row->failures + 1 < TRIES_MAX
		? clock_wall_ms(&hs->clock) + backoff_pause_ms(interval_ms, rng_u64(&hs->rng))
		: 0;
	struct str reason = ctx->fault.text.n > 0 ? ctx->fault.text : STR("The server is in trouble");
	log_info(0, "notices.not_followed_up",
		"notice=%" PRId64 " what=%.*s kind=%s failures=%" PRId64 " cause=%.*s", row->notice_id,
		STR_ARG(row->kind), err_name(ctx->fault.err), row->failures + 1, STR_ARG(ctx->fault.cause));
	ctx->fault = (struct fault){0};
	ctx->deadline_ms = clock_os_ms() + DO_LIMIT_MS; /* the old one may be why it failed */
	return store_notice_follow_up_failed(ctx, hs->db, row, next_try_ms, reason);
}

enum err notice_follow_up_do(struct ctx *ctx, struct homeserver *hs,
	const struct notice_follow_up_row *row)
{
	ctx->deadline_ms = clock_os_ms() + DO_LIMIT_MS;
	enum err err = do_it(ctx, hs, row);
	if (err == ERR_STORE || err == ERR_SHUTDOWN) {
		return err;
	}
	return err == ERR_OK ? store_notice_follow_up_done(ctx, hs->db, row, clock_wall_ms(&hs->clock))
						 : note_failure(ctx, hs, row);
}
