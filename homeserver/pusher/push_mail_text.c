/*
 * Mails of missed messages as text and as a page. What people have written is cut, on one line, and escaped.
 */
#include "homeserver/pusher/pushers_inner.h"

#include "base/utf8.h"
#include "homeserver/web_page.h"

enum {
	NAME_CHARS = 80,
	LINE_CHARS = 300,
	CEILING_BYTES = 1 << 20,
};

/* White space as one space, nothing unprintable, and "…" in the place of what is too much. */
static struct str cut(struct arena *arena, struct str text, size_t max_chars)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, CEILING_BYTES);
	size_t at = 0;
	bool is_after_space = true;
	for (size_t chars = 0; at < text.n; chars++) {
		if (chars == max_chars) {
			buf_add_lit(&buf, "…");
			break;
		}
		size_t from = at;
		uint32_t c = utf8_next(text, &at);
		bool is_space =
			c <= ' ' || c == 0x7f || (c >= 0x80 && c < 0xa0) || c == 0x2028 || c == 0x2029;
		/* Marks that turn the direction of text would reach beyond it. */
		bool is_turn = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
		if (!is_space && !is_turn) {
			buf_add(&buf, str_slice(text, from, at));
		} else if (is_space && !is_after_space) {
			buf_add_byte(&buf, ' ');
		}
		is_after_space = is_space;
	}
	return str_dup(arena, str_trim(buf_str(&buf)));
}

/* --- what an event is ------------------------------------------------------------------------------------- */

struct kind_text {
	struct str name; /* event type or msgtype */
	const char *text;
};

static const struct kind_text type_texts[] = {
	{STR_INIT("m.room.encrypted"), "（加密訊息 / encrypted message）"},
	{STR_INIT("m.room.member"), "（邀請您加入 / invites you）"},
	{STR_INIT("m.room.tombstone"), "（聊天室已搬移 / the room has moved）"},
	{STR_INIT("m.sticker"), "（貼圖 / sticker）"},
	{STR_INIT("m.call.invite"), "（來電 / call）"},
	{STR_INIT("m.poll.start"), "（投票 / poll）"},
};
static const struct kind_text media_texts[] = {
	{STR_INIT("m.image"), "（圖片 / picture）"},
	{STR_INIT("m.video"), "（影片 / video）"},
	{STR_INIT("m.audio"), "（聲音 / sound）"},
	{STR_INIT("m.file"), "（檔案 / file）"},
	{STR_INIT("m.location"), "（位置 / place）"},
};

static const char *find_text(const struct kind_text *texts, size_t count, struct str name)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equals(texts[i].name, name)) {
			return texts[i].text;
		}
	}
	return NULL;
}

struct str push_mail_line_text(struct arena *arena, const struct event *event)
{
	const char *kind = find_text(type_texts, COUNT_OF(type_texts), event->type);
	if (kind != NULL) {
		return str_of(kind);
	}
	struct str body = cut(arena, json_get_str(event->content, STR("body")), LINE_CHARS);
	if (!str_equals(event->type, STR("m.room.message")) || body.n == 0) {
		return STR("（新的事件 / something new）");
	}
	kind =
		find_text(media_texts, COUNT_OF(media_texts), json_get_str(event->content, STR("msgtype")));
	return kind != NULL ? str_printf(arena, "%s%.*s", kind, STR_ARG(body)) : body;
}

/* --- the mail --------------------------------------------------------------------------------------------- */

static void write_text(struct buf *out, const struct push_mail_content *content, struct str count)
{
	buf_printf(out, "您在 %.*s 有 %.*s 則未讀訊息。\nYou have %.*s unread messages on %.*s.\n\n",
		STR_ARG(content->server_name), STR_ARG(count), STR_ARG(count),
		STR_ARG(content->server_name));
	for (size_t i = 0; i < content->room_n; i++) {
		const struct push_mail_room *room = &content->rooms[i];
		size_t hidden = room->unread - room->line_n;
		buf_printf(out, "== %.*s ==\n", STR_ARG(room->name));
		if (hidden > 0) {
			buf_printf(out, "（還有較早的 %zu 則 / %zu earlier ones）\n", hidden, hidden);
		}
		for (size_t k = 0; k < room->line_n; k++) {
			buf_printf(out, "%.*s: %.*s\n", STR_ARG(room->lines[k].sender),
				STR_ARG(room->lines[k].text));
		}
		buf_add_byte(out, '\n');
	}
	if (content->left_out > 0) {
		buf_printf(out, "另有 %zu 個聊天室有未讀訊息。\nAnd in %zu more rooms.\n\n",
			content->left_out, content->left_out);
	}
	buf_printf(out,
		"請開啟您的 Matrix 程式閱讀。\nOpen your Matrix program to read them.\n\n----\n"
		"不想再收到這些信 / To get no more of these mails:\n%.*s\n",
		STR_ARG(content->unsubscribe_url));
}

static void add_both(struct buf *out, struct str zh, struct str en)
{
	buf_add_lit(out, "<p><span lang=\"zh-Hant\">");
	web_page_escape(out, zh);
	buf_add_lit(out, "</span><br><span lang=\"en\" style=\"color:#5a6672\">");
	web_page_escape(out, en);
	buf_add_lit(out, "</span></p>\n");
}

static void write_html_room(struct buf *out, const struct push_mail_room *room)
{
	size_t hidden = room->unread - room->line_n;
	buf_add_lit(out, "<h3 dir=\"auto\">");
	web_page_escape(out, room->name);
	buf_add_lit(out, "</h3>\n");
	if (hidden > 0) {
		buf_printf(out, "<p style=\"color:#5a6672\">（還有較早的 %zu 則 / %zu earlier ones）</p>\n",
			hidden, hidden);
	}
	for (size_t i = 0; i < room->line_n; i++) {
		buf_add_lit(out, "<p dir=\"auto\"><b><bdi>");
		web_page_escape(out, room->lines[i].sender);
		buf_add_lit(out, "</bdi></b>: ");
		web_page_escape(out, room->lines[i].text);
		buf_add_lit(out, "</p>\n");
	}
}

static void write_html(struct arena *arena, struct buf *out,
	const struct push_mail_content *content, struct str count)
{
	struct str name = content->server_name;
	web_page_begin_mail(out);
	add_both(out,
		str_printf(arena, "您在 %.*s 有 %.*s 則未讀訊息。", STR_ARG(name), STR_ARG(count)),
		str_printf(arena, "You have %.*s unread messages on %.*s.", STR_ARG(count), STR_ARG(name)));
	for (size_t i = 0; i < content->room_n; i++) {
		write_html_room(out, &content->rooms[i]);
	}
	if (content->left_out > 0) {
		add_both(out, str_printf(arena, "另有 %zu 個聊天室有未讀訊息。", content->left_out),
			str_printf(arena, "And in %zu more rooms.", content->left_out));
	}
	add_both(out, STR("請開啟您的 Matrix 程式閱讀。"),
		STR("Open your Matrix program to read them."));
	buf_add_lit(out, "<hr><p style=\"font-size:smaller\"><a href=\"");
	web_page_escape(out, content->unsubscribe_url);
	buf_add_lit(out, "\">不想再收到這些信 / Get no more of these mails</a></p>\n</body></html>\n");
}

void push_mail_text(struct arena *arena, const struct push_mail_content *content, struct mail *out)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, CEILING_BYTES);
	for (size_t i = 0; i < content->room_n; i++) {
		struct push_mail_room *room = &content->rooms[i];
		room->name = cut(arena, room->name, NAME_CHARS);
		for (size_t k = 0; k < room->line_n; k++) {
			room->lines[k].sender = cut(arena, room->lines[k].sender, NAME_CHARS);
		}
	}
	struct str count = str_printf(arena, "%zu%s", content->unread, content->has_more ? "+" : "");
	out->subject = str_printf(arena, "[%.*s] %.*s 則未讀訊息 / %.*s unread messages",
		STR_ARG(content->server_name), STR_ARG(count), STR_ARG(count));
	write_text(&buf, content, count);
	out->text = str_dup(arena, buf_str(&buf));
	buf_clear(&buf);
	write_html(arena, &buf, content, count);
	out->html = str_dup(arena, buf_str(&buf));
}
