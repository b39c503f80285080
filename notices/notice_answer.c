/*
 * A function for each command. Each text stands in Chinese and in English; who wrote in Chinese is answered so.
 */
#include "notices/notice_answer.h"

#include "base/buf.h"
#include "base/zone.h"
#include "homeserver/account/accounts.h"
#include "notices/notice_reason.h"
#include "notices/notice_remind.h"
#include "notices/notices.h"
#include "storage/notice_command.h"

#include <inttypes.h>

enum {
	LISTED = 10,
	PEOPLE_SHOWN = 30,
	TITLE_BYTES = 120,
	ANSWER_MAX_BYTES = 16 * 1024,
};

/* What a command works with. */
struct desk_work {
	struct ctx *ctx;
	struct account_desk desk;
	const struct notice_order *order;
	const struct notice_command *command;
	struct buf *out;
};

static bool is_zh(const struct desk_work *work)
{
	return work->command->is_chinese;
}

static void add(struct desk_work *work, const char *zh, const char *en)
{
	buf_add(work->out, str_of(is_zh(work) ? zh : en));
}

struct str notice_answer_stranger(void)
{
	return STR(
		"您好！這是學校的通知帳號，您目前沒有用它發送通知的權限；需要時請洽學校資訊人員。\n"
		"Hello! This account sends the school's notices, and you may not send any with it. If you should, please "
		"ask the people who run the server.");
}

struct str notice_answer_unreadable(void)
{
	return STR("抱歉，我無法解讀您的訊息（沒有收到加密金鑰），請再傳一次。\n"
			   "Sorry, I cannot read your message: its key has not come. Please write it again.");
}

struct str notice_answer_in_clear(void)
{
	return STR(
		"這個聊天室已加密，但您這則訊息沒有加密，任何人都可能冒用您的名義，所以我不會照做。請用支援加密的程式再傳一次。\n"
		"This room is encrypted, but your message was not; anybody could have written it in your name, so nothing was done. "
		"Please send it again with a client that encrypts.");
}

/* --- parts ---------------------------------------------------------------------------------------------------------- */

static struct str time_text(struct desk_work *work, struct str zone, int64_t at_ms)
{
	struct zone *clock;
	return at_ms != 0 && zone_open(work->ctx->arena, zone, &clock)
		? notice_time_text(work->ctx->arena, clock, at_ms)
		: STR("-");
}

static struct str state_text(const struct desk_work *work, struct str state)
{
	static const struct {
		struct str state;
		struct str zh;
	} names[] = {{STR_INIT("scheduled"), STR_INIT("已排程")},
		{STR_INIT("sent"), STR_INIT("已送出")}, {STR_INIT("cancelled"), STR_INIT("已取消")},
		{STR_INIT("expired"), STR_INIT("已過期")}};
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (is_zh(work) && str_equals(names[i].state, state)) {
			return names[i].zh;
		}
	}
	return state;
}

static enum err find_own(struct desk_work *work, struct notice_row *out)
{
	TRY(notices_get(work->ctx, &work->desk, work->command->notice_id, NULL, out));
	return str_equals(out->sender, work->order->sender)
		? ERR_OK
		: fail(work->ctx, ERR_MISSING, M_NOT_FOUND, "There is no notice %" PRId64,
			  work->command->notice_id);
}

/* --- commands -------------------------------------------------------------------------------------------------------- */

static enum err help(struct desk_work *work)
{
	add(work,
		"我可以替您發送學校通知：\n\n"
		"發送 #class-3b,#class-3c 明天停課\n"
		"排程 #class-3b 2026-11-30 07:00 記得帶水壺\n"
		"排程 #class-3b 2026-11-30 07:00 FREQ=WEEKLY;BYDAY=MO 記得帶水壺\n"
		"列表、顯示 12、已讀 12、提醒 12、取消 12\n\n"
		"已讀與提醒可以加上「確認」，例如：提醒 12 確認。內文可用 Markdown；多種語言時，在每段前加一行 [zh-Hant]、[en]。",
		"I send the school's notices for you:\n\n"
		"send #class-3b,#class-3c No school tomorrow\n"
		"schedule #class-3b 2026-11-30 07:00 Bring a water bottle\n"
		"schedule #class-3b 2026-11-30 07:00 FREQ=WEEKLY;BYDAY=MO Bring a water bottle\n"
		"list, show 12, seen 12, remind 12, cancel 12\n\n"
		"Behind seen and remind may stand “confirmed”: remind 12 confirmed. The text is Markdown; of several languages "
		"each has a line such as [en] before it.");
	return ERR_OK;
}

/* Once for a message: what it has made before is found by its key. */
static enum err make_notice(struct desk_work *work, int64_t *out_id)
{
	const struct notice_command *command = work->command;
	struct ctx *ctx = work->ctx;
	struct db *db = work->desk.db;
	struct str sender = work->order->sender;
	struct notice_target *targets =
		ARENA_NEW_ARRAY(ctx->arena, struct notice_target, command->target_count);
	for (size_t i = 0; i < command->target_count; i++) {
		targets[i] = (struct notice_target){.target = command->targets[i], .languages = STR("")};
	}
	const struct notice_post post = {
		.sender = sender,
		.texts = command->texts,
		.text_count = command->text_count,
		.targets = targets,
		.target_count = command->target_count,
		.start = command->time.n > 0 ? command->time : (struct str){0},
		.rule = command->rule,
		.request_key = work->order->event_id,
	};
	enum err err = store_notice_command_find(ctx, db, sender, post.request_key, out_id);
	if (err != ERR_MISSING) {
		return err;
	}
	err = notices_post(ctx, &work->desk, &post, out_id);
	if (err == ERR_CONFLICT) { /* by another process meanwhile */
		ctx->fault = (struct fault){0};
		err = store_notice_command_find(ctx, db, sender, post.request_key, out_id);
	}
	return err;
}

static enum err post(struct desk_work *work)
{
	int64_t notice_id;
	struct notice_row row;
	TRY(make_notice(work, &notice_id));
	TRY(store_notice_get(work->ctx, work->desk.db, notice_id, &row));
	add(work, "通知 ", "Notice ");
	buf_add_int(work->out, notice_id);
	if (work->command->kind == NOTICE_COMMAND_SEND) {
		add(work, " 正在送出。之後可用「已讀 ",
			" is on its way. Later on, ask who has seen it: seen ");
		buf_add_int(work->out, notice_id);
		add(work, "」查看誰看過了。", "");
		return ERR_OK;
	}
	add(work, " 已排定：", " is scheduled: ");
	buf_add(work->out, time_text(work, row.zone, row.next_at_ms));
	add(work, row.rule.p != NULL ? "（第一次）。" : "。",
		row.rule.p != NULL ? ", the first time." : ".");
	return ERR_OK;
}

static enum err list(struct desk_work *work)
{
	const struct notice_query query = {.sender = work->order->sender,
		.before = INT64_MAX,
		.limit = LISTED};
	struct notice_row *rows;
	size_t count;
	TRY(store_notice_list(work->ctx, work->desk.db, &query, &rows, &count));
	if (count == 0) {
		add(work, "還沒有通知。", "There are no notices yet.");
	}
	for (size_t i = 0; i < count; i++) {
		struct notice_text *texts;
		size_t text_count;
		TRY(notice_texts_read(work->ctx, rows[i].texts, &texts, &text_count));
		struct str state = state_text(work, rows[i].state);
		struct str when = time_text(work, rows[i].zone, rows[i].next_at_ms);
		struct str title = notice_title(work->ctx->arena, texts[0].markdown, TITLE_BYTES);
		buf_printf(work->out, "%s%" PRId64 " · %.*s · %.*s · %.*s", i > 0 ? "\n" : "",
			rows[i].notice_id, STR_ARG(state), STR_ARG(when), STR_ARG(title));
		if (rows[i].given_up > 0) {
			add(work, " · ⚠ 沒送到：", " · ⚠ not sent: ");
			buf_add_int(work->out, rows[i].given_up);
		}
	}
	return ERR_OK;
}

static enum err show(struct desk_work *work)
{
	struct notice_row row;
	struct notice_text *texts;
	size_t count;
	TRY(find_own(work, &row));
	TRY(notice_texts_read(work->ctx, row.texts, &texts, &count));
	struct str state = state_text(work, row.state);
	buf_printf(work->out, "%" PRId64 " · %.*s · ", row.notice_id, STR_ARG(state));
	add(work, "下一次：", "next: ");
	buf_add(work->out, time_text(work, row.zone, row.next_at_ms));
	for (size_t i = 0; i < count; i++) {
		buf_printf(work->out, "\n\n%s%.*s%s%.*s", texts[i].lang.n > 0 ? "[" : "",
			STR_ARG(texts[i].lang), texts[i].lang.n > 0 ? "]\n" : "", STR_ARG(texts[i].markdown));
	}
	return ERR_OK;
}

static enum notice_level wanted_level(const struct desk_work *work)
{
	return work->command->is_confirmed ? NOTICE_CONFIRMED : NOTICE_READ;
}

static enum err show_seen(struct desk_work *work)
{
	struct notice_seen seen;
	size_t shown = 0;
	size_t missing = 0;
	TRY(notice_seen_list(work->ctx, work->desk.db, work->command->notice_id, work->order->sender, 0,
		&seen));
	buf_printf(work->out,
		is_zh(work)
			? "共 %zu 人：已確認 %zu，已讀 %zu，已送達 %zu，尚未送達 %zu，不明 %zu"
			: "%zu people: %zu confirmed, %zu read, %zu delivered, %zu waiting, %zu unknown",
		seen.count, seen.totals[NOTICE_CONFIRMED], seen.totals[NOTICE_READ],
		seen.totals[NOTICE_DELIVERED], seen.totals[NOTICE_WAITING], seen.totals[NOTICE_UNKNOWN]);
	for (size_t i = 0; i < seen.count; i++) {
		const struct notice_person *person = &seen.persons[i];
		if (person->level >= wanted_level(work)) {
			continue;
		}
		if (missing++ == 0) {
			add(work, work->command->is_confirmed ? "\n尚未確認：" : "\n尚未閱讀：",
				work->command->is_confirmed ? "\nNot confirmed: " : "\nNot read: ");
		}
		if (shown < PEOPLE_SHOWN) {
			add(work, shown > 0 ? "、" : "", shown > 0 ? ", " : "");
			buf_add(work->out, person->name);
			shown++;
		}
	}
	if (missing > shown) {
		buf_printf(work->out, is_zh(work) ? "……另有 %zu 人" : " … and %zu more", missing - shown);
	}
	return ERR_OK;
}

static enum err remind(struct desk_work *work)
{
	struct notice_reminded reminded;
	TRY(notice_remind(work->ctx, &work->desk, work->command->notice_id, work->order->sender, 0,
		wanted_level(work), &reminded));
	buf_printf(work->out, is_zh(work) ? "正在提醒 %zu 人。" : "%zu people are reminded.",
		reminded.reminded);
	if (reminded.spared > 0) {
		buf_printf(work->out,
			is_zh(work) ? "另有 %zu 人剛剛才提醒過，不再重複。"
						: " %zu were reminded a moment ago, and are not again.",
			reminded.spared);
	}
	return ERR_OK;
}

static enum err cancel(struct desk_work *work)
{
	struct notice_row row;
	TRY(find_own(work, &row));
	if (!str_equals(row.state, STR("cancelled"))) {
		TRY(notices_cancel(work->ctx, &work->desk, row.notice_id, work->order->sender));
	}
	add(work, "通知 ", "Notice ");
	buf_add_int(work->out, row.notice_id);
	add(work, " 已取消，不會再送出。已送出的仍在聊天室裡。",
		" is cancelled: nothing more of it is sent. What was sent stays.");
	return ERR_OK;
}

static enum err lacks(struct desk_work *work)
{
	static const struct {
		const char *zh;
		const char *en;
	} texts[] = {
		[NOTICE_LACKS_NOTHING] = {"", ""},
		[NOTICE_LACKS_COMMAND] = {"我不懂這個指令，請輸入「說明」。",
			"I do not know that command; write: help"},
		[NOTICE_LACKS_NUMBER] = {"請加上通知編號，例如：顯示 12。編號可用「列表」查詢。",
			"Which notice? Write its number, such as: show 12. The command “list” has the numbers."},
		[NOTICE_LACKS_TARGET] = {"要送到哪裡？例如：發送 #class-3b 明天停課",
			"Where to? Such as: send #class-3b No school tomorrow"},
		[NOTICE_LACKS_TIME] = {"什麼時候？例如：排程 #class-3b 2026-11-30 07:00 記得帶水壺",
			"When? Such as: schedule #class-3b 2026-11-30 07:00 Bring a water bottle"},
		[NOTICE_LACKS_TEXT] = {"通知的內容是什麼？請寫在最後。",
			"What shall it say? Write the text at the end."},
		[NOTICE_LACKS_LANGUAGE] = {"語言太多了，最多 8 種。",
			"There are too many languages: 8 at the most."},
	};
	add(work, texts[work->command->lacks].zh, texts[work->command->lacks].en);
	return ERR_OK;
}

static enum err run(struct desk_work *work)
{
	switch (work->command->kind) {
	case NOTICE_COMMAND_NONE:
		return lacks(work);
	case NOTICE_COMMAND_HELP:
		return help(work);
	case NOTICE_COMMAND_SEND:
	case NOTICE_COMMAND_SCHEDULE:
		return post(work);
	case NOTICE_COMMAND_LIST:
		return list(work);
	case NOTICE_COMMAND_SHOW:
		return show(work);
	case NOTICE_COMMAND_SEEN:
		return show_seen(work);
	case NOTICE_COMMAND_REMIND:
		return remind(work);
	case NOTICE_COMMAND_CANCEL:
		return cancel(work);
	}
	return ERR_INTERNAL;
}

enum err notice_answer(struct ctx *ctx, struct homeserver *hs, const struct notice_order *order,
	struct str *out)
{
	struct buf text CLEANUP(buf_fini) = {0};
	buf_init(&text, ANSWER_MAX_BYTES);
	struct desk_work work = {
		.ctx = ctx,
		.desk = {.db = hs->db, .settings = &hs->settings, .clock = hs->clock, .rng = hs->rng},
		.order = order,
		.command = order->command,
		.out = &text,
	};
	enum err err = run(&work);
	if (err != ERR_OK && (err_is_transient(err) || ctx->fault.text.n == 0)) {
		return err;
	}
	if (err != ERR_OK) {
		buf_clear(&text);
		add(&work, "沒有成功：", "That did not work: ");
		buf_add(&text,
			is_zh(&work) ? notice_reason_in_chinese(ctx->arena, ctx->fault.text) : ctx->fault.text);
		ctx->fault = (struct fault){0};
	}
	*out = str_dup(ctx->arena, buf_str(&text));
	return ERR_OK;
}
