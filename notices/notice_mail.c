/*
 * Text and page say the same. Colours are left to the mail program.
 */
#include "notices/notice_mail.h"

#include "homeserver/web_page.h"

static void write_text(struct buf *out, const struct notice_mail *content)
{
	buf_printf(out, "%.*s 有一則通知給您。\n%.*s has a notice for you.\n\n",
		STR_ARG(content->sender), STR_ARG(content->sender));
	if (content->text.n > 0) {
		buf_printf(out, "------\n\n%.*s\n\n------\n\n", STR_ARG(content->text));
	} else {
		buf_add_lit(out,
			"這則通知只在加密的聊天室裡，請登入您的帳號閱讀。\n"
			"It stands in an encrypted room only; please log in to your account to read it.\n\n");
	}
	buf_printf(out,
		"看過之後，請開啟下方連結並按「我已看到」：\n"
		"Once you have seen it, open this link and press “I have seen it”:\n%.*s\n\n"
		"%.*s\n",
		STR_ARG(content->link), STR_ARG(content->server_name));
}

static void add_both(struct buf *out, const char *zh, const char *en)
{
	buf_printf(out, "<p><span lang=\"zh-Hant\">%s</span><br><span lang=\"en\">%s</span></p>\n", zh,
		en);
}

static void write_html(struct arena *arena, struct buf *out, const struct notice_mail *content)
{
	struct buf name CLEANUP(buf_fini) = {0};
	buf_init(&name, SIZE_MAX);
	web_page_escape(&name, content->sender);
	const char *sender = str_cstr(arena, buf_str(&name));
	web_page_begin_mail(out);
	add_both(out, arena_printf(arena, "<bdi>%s</bdi> 有一則通知給您。", sender),
		arena_printf(arena, "<bdi>%s</bdi> has a notice for you.", sender));
	buf_add_lit(out, "<hr>\n<div dir=\"auto\">");
	if (content->html.n > 0) {
		buf_add(out, content->html);
	} else {
		add_both(out, "這則通知只在加密的聊天室裡，請登入您的帳號閱讀。",
			"It stands in an encrypted room only; please log in to your account to read it.");
	}
	buf_add_lit(out, "</div>\n<hr>\n");
	add_both(out, "看過之後，請按下方連結確認：", "Once you have seen it, confirm it here:");
	buf_add_lit(out, "<p><a href=\"");
	web_page_escape(out, content->link);
	buf_add_lit(out, "\">確認已看到 / Confirm</a></p>\n<p style=\"font-size:smaller\">");
	web_page_escape(out, content->server_name);
	buf_add_lit(out, "</p>\n</body></html>\n");
}

void notice_mail_write(struct arena *arena, const struct notice_mail *content, struct mail *out)
{
	struct buf text CLEANUP(buf_fini) = {0};
	buf_init(&text, SIZE_MAX);
	write_text(&text, content);
	out->text = str_dup(arena, buf_str(&text));
	buf_clear(&text);
	write_html(arena, &text, content);
	out->html = str_dup(arena, buf_str(&text));
	out->subject = str_printf(arena, "[%.*s] 學校通知 / A notice of the school",
		STR_ARG(content->server_name));
}

struct str notice_mail_id(struct arena *arena, struct str txn_key)
{
	struct buf id CLEANUP(buf_fini) = {0};
	buf_init(&id, SIZE_MAX);
	buf_add_lit(&id, "notice");
	for (size_t i = 0; i < txn_key.n; i++) {
		buf_printf(&id, "%02x", (unsigned)(unsigned char)txn_key.p[i]);
	}
	return str_dup(arena, buf_str(&id));
}
