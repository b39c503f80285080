/*
 * A reminder is a row. A message has the row's transaction key, so however often it is tried, there is one; a mail has the same
 * Message-ID each time, and is tried again only when the relay did not say that it has taken it.
 */
#include "notices/notice_remind.h"

#include "base/backoff.h"
#include "base/log.h"
#include "base/metrics.h"
#include "http/client_mail.h"
#include "http/uri.h"
#include "matrix/json_make.h"
#include "notices/notice_confirm.h"
#include "notices/notice_direct.h"
#include "notices/notice_mail.h"
#include "notices/notice_round.h"
#include "notices/notice_send.h"
#include "notices/notices.h"
#include "storage/notice_remind.h"

#include <inttypes.h>

enum {
	AT_ONCE = 20,
	MESSAGE_LIMIT_MS = 30 * 1000,
	MAIL_LIMIT_MS = 10 * 1000,
	TITLE_BYTES = 200,
	RETRY_FIRST_MS = 5 * 1000,
	RETRY_MAX_MS = 60 * 60 * 1000,
	GIVE_UP_MS = 24 * 60 * 60 * 1000,
};

#define OUTCOME(word) \
	{ \
		.kind = METRIC_KIND_COUNTER, .name = "belfry_notice_reminders_total", \
		.help = "Reminders of notices of the school", .labels = "outcome=\"" word "\"" \
	}
static struct metric sent_as_message = OUTCOME("message");
static struct metric sent_as_mail = OUTCOME("mail");
static struct metric failed = OUTCOME("failed");

/* --- asking ------------------------------------------------------------------------------------------------------ */

enum err notice_remind(struct ctx *ctx, const struct account_desk *desk, int64_t notice_id,
	struct str sender, size_t occurrence, enum notice_level level, struct notice_reminded *out)
{
	struct notice_seen seen;
	TRY(notice_seen_list(ctx, desk->db, notice_id, sender, occurrence, &seen));
	struct str *users = ARENA_NEW_ARRAY(ctx->arena, struct str, seen.count);
	struct str *rooms = ARENA_NEW_ARRAY(ctx->arena, struct str, seen.count);
	struct notice_remind_step step = {
		.notice_id = notice_id,
		.due_at_ms = seen.due_at_ms,
		.user_ids = users,
		.room_ids = rooms,
		.level = notice_level_name(level),
		.now_ms = clock_wall_ms(&desk->clock),
	};
	for (size_t i = 0; i < seen.count; i++) {
		if (seen.persons[i].level < level) {
			users[step.count] = seen.persons[i].user_id;
			rooms[step.count++] = seen.persons[i].room_id;
		}
	}
	step.before_ms = step.now_ms - NOTICE_REMIND_PAUSE_MS;
	TRY(store_notice_remind(ctx, desk->db, &step, &out->reminded));
	out->spared = step.count - out->reminded;
	return ERR_OK;
}

/* --- a message --------------------------------------------------------------------------------------------------- */

/* Plain words as Markdown that shows them as they are. */
static struct str escape_markdown(struct arena *arena, struct str text)
{
	struct buf out CLEANUP(buf_fini) = {0};
	buf_init(&out, SIZE_MAX);
	for (size_t i = 0; i < text.n; i++) {
		bool is_special =
			str_find_byte(STR("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"), text.p[i]) != SIZE_MAX;
		buf_add(&out, is_special ? STR("\\") : STR(""));
		buf_add_byte(&out, text.p[i]);
	}
	return str_dup(arena, buf_str(&out));
}

/* What the notice is called in a language, as Markdown; nothing of one in an encrypted room, since the direct room may be in clear. */
static enum err title_in(struct ctx *ctx, const struct notice_reminder_row *row,
	struct str language, struct str *out)
{
	struct notice_text *texts;
	struct notice_markup markup;
	size_t count;
	*out = STR("");
	if (row->is_encrypted) {
		return ERR_OK;
	}
	TRY(notice_texts_read(ctx, row->texts, &texts, &count));
	size_t at = notice_lang_find(texts, count, language);
	const struct notice_text *text = &texts[at == SIZE_MAX ? 0 : at];
	TRY(notice_text_render(ctx, text->markdown, &markup));
	*out = escape_markdown(ctx->arena, notice_title(ctx->arena, markup.plain, TITLE_BYTES));
	return ERR_OK;
}

static enum err compose(struct ctx *ctx, struct homeserver *hs,
	const struct notice_reminder_row *row, struct json *out)
{
	struct arena *arena = ctx->arena;
	bool wants_confirmation = str_equals(row->level, STR("confirmed"));
	struct str zh;
	struct str en;
	TRY(title_in(ctx, row, STR("zh-Hant"), &zh));
	TRY(title_in(ctx, row, STR("en"), &en));
	struct str link = str_printf(arena, "https://matrix.to/#/%.*s/%.*s?via=%.*s",
		STR_ARG(uri_encode(arena, row->room_id)), STR_ARG(uri_encode(arena, row->event_id)),
		STR_ARG(hs->signer.server.s));
	const struct notice_text texts[] = {
		{.lang = STR("zh-Hant"),
			.markdown = str_printf(arena, "提醒：[%.*s](%.*s)%s",
				STR_ARG(zh.n > 0 ? zh : STR("有一則通知")), STR_ARG(link),
				wants_confirmation
					? "\n\n請閱讀這則通知，並在通知上按一個表情符號（例如 👍），表示您已看到。"
					: "\n\n請閱讀這則通知。")},
		{.lang = STR("en"),
			.markdown = str_printf(arena, "Reminder: [%.*s](%.*s)%s",
				STR_ARG(en.n > 0 ? en : STR("there is a notice for you")), STR_ARG(link),
				wants_confirmation
					? "\n\nPlease read this notice, and react to it with an emoji (such as 👍) to say that you "
					  "have seen it."
					: "\n\nPlease read this notice.")},
	};
	const struct notice_message message = {.texts = texts, .count = COUNT_OF(texts)};
	struct json user = json_string(row->user_id);
	struct json users = json_array_of(&user, 1);
	TRY(notice_message_compose(ctx, &message, out));
	users.items = ARENA_NEW(arena, struct json);
	users.items[0] = user;
	*out = json_with(arena, out, STR("m.mentions"), json_object_of(arena, STR("user_ids"), users));
	return ERR_OK;
}

static enum err send_message(struct ctx *ctx, struct homeserver *hs,
	const struct notice_reminder_row *row)
{
	struct json content;
	struct str event_id;
	struct notice_words words = {
		.type = STR("m.room.message"),
		.content = &content,
		.txn_key = row->txn_key,
	};
	ctx->deadline_ms = clock_os_ms() + MESSAGE_LIMIT_MS;
	if (!user_id_parse(row->sender, &words.sender)) {
		return fail_cause(ctx, ERR_INTERNAL, "the sender of a notice is none");
	}
	TRY(compose(ctx, hs, row, &content));
	TRY(notice_direct_room(ctx, hs, words.sender, row->user_id, &words.room_id));
	TRY(notice_say(ctx, hs, &words, &event_id));
	metric_add(&sent_as_message, 1);
	return store_notice_remind_sent(ctx, hs->db, row, STR("message"));
}

/* --- a mail --------------------------------------------------------------------------------------------------------- */

static bool mails(const struct homeserver *hs)
{
	return hs->settings.public_base_url.n > 0 && mail_is_on(hs->http_client);
}

/* What the person would see in the room. */
static enum err notice_in_room(struct ctx *ctx, const struct notice_reminder_row *row,
	struct notice_mail *out)
{
	struct notice_text *texts;
	struct str *wanted;
	struct json content;
	struct notice_message message = {0};
	TRY(notice_texts_read(ctx, row->texts, &texts, &message.count));
	message.texts = texts;
	notice_words_read(ctx, row->languages, &wanted, &message.wanted_count);
	message.wanted = wanted;
	TRY(notice_message_compose(ctx, &message, &content));
	out->text = json_get_str(&content, STR("body"));
	out->html = json_get_str(&content, STR("formatted_body"));
	return ERR_OK;
}

static enum err send_mail(struct ctx *ctx, struct homeserver *hs,
	const struct notice_reminder_row *row)
{
	const struct notice_link link = {row->notice_id, row->due_at_ms, row->user_id};
	struct notice_mail content = {
		.sender = row->sender_name.n > 0 ? row->sender_name : row->sender,
		.server_name = hs->settings.server_name.s,
		.link = notice_link_make(ctx->arena, hs, &link),
	};
	struct mail mail = {
		.to = row->address,
		.id = notice_mail_id(ctx->arena, row->txn_key),
		.date_ms = row->asked_at_ms,
	};
	ctx->deadline_ms = clock_os_ms() + MAIL_LIMIT_MS;
	if (!row->is_encrypted) {
		TRY(notice_in_room(ctx, row, &content));
	}
	notice_mail_write(ctx->arena, &content, &mail);
	TRY(mail_send(ctx, hs->http_client, &mail));
	metric_add(&sent_as_mail, 1);
	ctx->deadline_ms = clock_os_ms() + MAIL_LIMIT_MS;
	return store_notice_remind_sent(ctx, hs->db, row, STR("mail"));
}

/* --- sending ---------------------------------------------------------------------------------------------------------- */

static enum err note_failure(struct ctx *ctx, struct homeserver *hs,
	const struct notice_reminder_row *row)
{
	int64_t now_ms = clock_wall_ms(&hs->clock);
	bool gives_up = now_ms - row->asked_at_ms > GIVE_UP_MS;
	int64_t interval_ms =
		MIN_OF((int64_t)RETRY_FIRST_MS << MIN_OF(row->failures, 16), (int64_t)RETRY_MAX_MS);
	struct str reason = ctx->fault.text.n > 0 ? ctx->fault.text : STR("The server is in trouble");
	metric_add(&failed, 1);
	log_info(0, "notices.not_reminded",
		"notice=%" PRId64 " kind=%s failures=%" PRId64 " cause=%.*s", row->notice_id,
		err_name(ctx->fault.err), row->failures + 1, STR_ARG(ctx->fault.cause));
	ctx->fault = (struct fault){0};
	ctx->deadline_ms = clock_os_ms() + MESSAGE_LIMIT_MS;
	return store_notice_remind_failed(ctx, hs->db, row,
		gives_up ? 0 : now_ms + backoff_pause_ms(interval_ms, rng_u64(&hs->rng)), reason);
}

/* @param is_relay_away  whether the round has met that already */
static enum err send(struct ctx *ctx, struct homeserver *hs, const struct notice_reminder_row *row,
	bool *is_relay_away)
{
	enum err err = ERR_OK;
	if (row->address.p == NULL || !mails(hs)) {
		err = send_message(ctx, hs, row);
	} else if (*is_relay_away) {
		err = fail(ctx, ERR_REMOTE, NULL, "The mail relay does not answer");
	} else {
		err = send_mail(ctx, hs, row);
		*is_relay_away = err == ERR_TIMEOUT || err == ERR_REMOTE;
	}
	if (err == ERR_STORE || err == ERR_SHUTDOWN) {
		return err; /* nothing can be written down either */
	}
	return err == ERR_OK ? ERR_OK : note_failure(ctx, hs, row);
}

enum err notice_remind_send(struct ctx *ctx, struct homeserver *hs, bool *out_more)
{
	struct notice_reminder_row *rows;
	size_t count;
	bool is_relay_away = false;
	bool goes_on = true;
	struct notice_round round = {0};
	TRY(store_notice_remind_due(ctx, hs->db, clock_wall_ms(&hs->clock), AT_ONCE, &rows, &count));
	for (size_t i = 0; i < count && goes_on; i++) {
		goes_on = notice_round_note(ctx, &round, "remind", send(ctx, hs, &rows[i], &is_relay_away));
	}
	*out_more = *out_more || count == AT_ONCE;
	return round.err;
}
