/*
 * A link is what it stands for and a code of it, both in base64: "<notice> <due> <user>" and, behind a dot, half of an HMAC-SHA256 by
 * a key made of the server's own secret, so every process knows it.
 */
#include "notices/notice_confirm.h"

#include "base/b64.h"
#include "base/zone.h"
#include "homeserver/web_page.h"
#include "notices/notice_seen.h"
#include "notices/notices.h"

#include <inttypes.h>

enum { CODE_BYTES = 16, LINK_MAX_BYTES = 600, TITLE_MAX_BYTES = 300 };

/* --- links -------------------------------------------------------------------------------------------------------- */

static struct str code_of(struct arena *arena, const struct homeserver *hs, struct str text)
{
	unsigned char key[SHA256_BYTES];
	unsigned char code[SHA256_BYTES];
	crypto_hmac_sha256(str_from((const char *)hs->secrets_key, sizeof(hs->secrets_key)),
		STR("notices: links to confirm"), key);
	crypto_hmac_sha256(str_from((const char *)key, sizeof(key)), text, code);
	crypto_wipe(key, sizeof(key));
	return b64_encode_url(arena, str_from((const char *)code, CODE_BYTES));
}

struct str notice_link_make(struct arena *arena, const struct homeserver *hs,
	const struct notice_link *link)
{
	struct str base = hs->settings.public_base_url;
	struct str text = str_printf(arena, "%" PRId64 " %" PRId64 " %.*s", link->notice_id,
		link->due_at_ms, STR_ARG(link->user_id));
	return str_printf(arena, "%.*s" NOTICE_CONFIRM_PATH "%.*s.%.*s", STR_ARG(base),
		STR_ARG(b64_encode_url(arena, text)), STR_ARG(code_of(arena, hs, text)));
}

/* The path's last segment. In the arena. @return false when this server did not make it */
static bool read_link(struct arena *arena, const struct homeserver *hs, struct str segment,
	struct notice_link *out)
{
	struct str encoded;
	struct str code;
	struct str text;
	struct str notice_id;
	struct str due;
	struct user_id user;
	if (segment.n > LINK_MAX_BYTES || !str_split(segment, '.', &encoded, &code) ||
		!b64_decode(arena, encoded, &text) || !crypto_equals(code, code_of(arena, hs, text))) {
		return false;
	}
	bool is_whole = str_split(text, ' ', &notice_id, &text) && str_split(text, ' ', &due, &text) &&
		str_to_int(notice_id, 1, INT64_MAX, &out->notice_id) &&
		str_to_int(due, INT64_MIN, INT64_MAX, &out->due_at_ms) && user_id_parse(text, &user);
	out->user_id = text;
	return is_whole;
}

/* --- the page ------------------------------------------------------------------------------------------------------ */

static enum err answer_bad_link(struct call *call)
{
	struct web_page page;
	web_page_begin(&page, call, "這個連結無效", "This link is not valid");
	web_page_text(&page, "連結可能沒有完整複製，或這則通知已經不在了。",
		"It may not have been copied as a whole, or the notice is no longer there.");
	return web_page_reply(&page, 404);
}

static enum err answer_confirmed(struct call *call)
{
	struct web_page page;
	web_page_begin(&page, call, "謝謝您", "Thank you");
	web_page_text(&page, "學校已收到您的確認。可以關閉此頁。",
		"The school knows that you have seen the notice. You can close this page.");
	return web_page_reply(&page, 200);
}

/* The first line of each text, unless the notice went to an encrypted room: then nothing of it is shown here. */
static enum err show_titles(struct call *call, struct web_page *page,
	const struct notice_confirm_row *row)
{
	struct notice_text *texts;
	size_t count;
	if (row->is_encrypted) {
		return ERR_OK;
	}
	TRY(notice_texts_read(&call->ctx, row->texts, &texts, &count));
	for (size_t i = 0; i < count; i++) {
		struct notice_markup markup;
		TRY(notice_text_render(&call->ctx, texts[i].markdown, &markup));
		web_page_value(page, notice_title(call->ctx.arena, markup.plain, TITLE_MAX_BYTES));
	}
	return ERR_OK;
}

static enum err answer_question(struct call *call, const struct notice_link *link,
	const struct notice_confirm_row *row)
{
	struct web_page page;
	struct zone *clock;
	struct str when = STR("");
	if (zone_open(call->ctx.arena, row->zone, &clock)) {
		when = notice_time_text(call->ctx.arena, clock, link->due_at_ms);
	}
	web_page_begin(&page, call, "確認已看到通知", "Confirm that you have seen the notice");
	web_page_text(&page, "按下按鈕，學校就會知道您已看到這則通知。",
		"Press the button, and the school knows that you have seen this notice.");
	web_page_value(&page,
		str_printf(call->ctx.arena, "%.*s  %.*s",
			STR_ARG(row->sender_name.n > 0 ? row->sender_name : row->sender), STR_ARG(when)));
	TRY(show_titles(call, &page, row));
	web_page_form(&page, STR(""));
	web_page_button(&page, "我已看到", "I have seen it");
	web_page_form_end(&page);
	return web_page_reply(&page, 200);
}

static enum err get_page(struct call *call)
{
	struct notice_link link;
	struct notice_confirm_row row;
	struct homeserver *hs = hs_of(call);
	if (!read_link(call->ctx.arena, hs, call_path(call, "link"), &link)) {
		return answer_bad_link(call);
	}
	enum err err = store_notice_confirm_show(&call->ctx, hs->db, link.notice_id, link.due_at_ms,
		link.user_id, &row);
	if (err == ERR_MISSING) {
		return answer_bad_link(call);
	}
	TRY(err);
	return row.confirmed_at_ms != 0 ? answer_confirmed(call) : answer_question(call, &link, &row);
}

static enum err post_page(struct call *call)
{
	struct notice_link link;
	struct homeserver *hs = hs_of(call);
	if (!read_link(call->ctx.arena, hs, call_path(call, "link"), &link)) {
		return answer_bad_link(call);
	}
	enum err err = store_notice_confirm(&call->ctx, hs->db, link.notice_id, link.due_at_ms,
		link.user_id, clock_wall_ms(&hs->clock));
	if (err == ERR_MISSING) {
		return answer_bad_link(call);
	}
	TRY(err);
	return answer_confirmed(call);
}

const struct route notice_confirm_routes[] = {
	{"noticeConfirmPage", "GET", NOTICE_CONFIRM_PATH "{link}", AUTH_PAGE, LANE_LOCAL, RATE_READ, 0,
		get_page},
	{"noticeConfirm", "POST", NOTICE_CONFIRM_PATH "{link}", AUTH_PAGE, LANE_LOCAL, RATE_WRITE, 0,
		post_page},
};
const size_t notice_confirm_route_count = COUNT_OF(notice_confirm_routes);
