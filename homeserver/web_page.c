/*
 * Pages. One look for all; nothing is loaded from anywhere. Scripts and styles carry a nonce, so that a text which should
 * slip through unescaped still would not run.
 */
#include "homeserver/web_page.h"

#include "homeserver/homeserver.h"
#include "http/uri.h"

static const char style[] =
	":root{color-scheme:light dark}"
	"body{font:1rem/1.6 system-ui,'Noto Sans TC','PingFang TC','Microsoft JhengHei',sans-serif;margin:0;"
	"background:#f2f4f7;color:#1c2430}"
	"main{max-width:30rem;margin:8vh auto;padding:2rem;background:#fff;border-radius:12px;"
	"box-shadow:0 1px 8px #0002;overflow-wrap:anywhere}"
	"h1{font-size:1.4rem;line-height:1.35;margin:0 0 1.2rem}h2{font-size:1.05rem;margin:1.8rem 0 .4rem}"
	"h1 span,h2 span,p span,label span,button span,a span{display:block}"
	"[lang=en]{color:#5a6675;font-size:.9em}button [lang=en],a.button [lang=en],p a [lang=en],.notice [lang=en]"
	"{color:inherit;opacity:.85}a{color:#0b5cad}"
	".value{padding:.6rem .8rem;background:#eef1f5;border-radius:8px}"
	".text{white-space:pre-wrap}"
	"button,a.button{display:block;width:100%;box-sizing:border-box;margin-top:1.2rem;padding:.7rem;border:0;"
	"border-radius:8px;background:#0b5cad;color:#fff;font:inherit;text-align:center;text-decoration:none;"
	"cursor:pointer}button.quiet,a.quiet{background:none;color:#0b5cad;box-shadow:inset 0 0 0 1px #76818f}"
	"button.danger{background:#b3261e}button+button{margin-top:.6rem}"
	".notice{padding:.6rem .8rem;border-radius:8px;background:#fdecea;color:#8c1d18}"
	".notice.good{background:#e6f4ea;color:#14532a}"
	"ul{list-style:none;margin:1rem 0;padding:0}li a{display:block;padding:.7rem .2rem;color:inherit;"
	"text-decoration:none;border-top:1px solid #d5dbe3}li:last-child a{border-bottom:1px solid #d5dbe3}"
	"li b{display:block}li small{display:block;color:#5a6675;font-size:.9em}li b span{display:inline}"
	"li b [lang=en]{color:inherit;font-size:1em}"
	"[hidden]{display:none!important}"
	"label.tick{display:flex;gap:.6rem;align-items:baseline;margin:1rem 0}"
	"label.tick input{width:1em;height:1em;margin:0;flex:none}"
	"input{display:block;width:100%;box-sizing:border-box;margin:.2rem 0 1rem;padding:.6rem;font:inherit;"
	"border:1px solid #76818f;border-radius:8px}"
	"@media(max-width:32rem){main{margin:0;border-radius:0;padding:1.5rem min(1.5rem,6vw)}}"
	"@media(prefers-color-scheme:dark){body{background:#12161c;color:#e6eaf0}main{background:#1c222b}"
	"[lang=en]{color:#a3aebb}.value{background:#28303b}a{color:#7db7f5}a.button{color:#fff}"
	"button.quiet,a.quiet{color:#7db7f5}.notice{background:#4a2320;color:#f9dedc}"
	".notice.good{background:#1d3a26;color:#cfead6}li small{color:#a3aebb}"
	"li a,li:last-child a{border-color:#3d4754}"
	"input{background:#12161c;color:inherit}}";

/* --- mails ------------------------------------------------------------------------------------------ */

/* A long address or name must not make the page wider than a phone; mail programs know one of these words or the other. */
void web_page_begin_mail(struct buf *buf)
{
	buf_add_lit(buf,
		"<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">"
		"<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
		"<style>pre{white-space:pre-wrap}</style></head>"
		"<body style=\"font-family:sans-serif;line-height:1.5;max-width:40em;"
		"overflow-wrap:anywhere;word-break:break-word\">\n");
}

/* --- addresses ------------------------------------------------------------------------------------------- */

/* The scheme's length without ':', 0 when there is none. */
static size_t scheme_length(struct str url)
{
	size_t colon = str_find_byte(url, ':');
	if (colon == SIZE_MAX) {
		return 0;
	}
	for (size_t i = 0; i < colon; i++) {
		char c = url.p[i];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool is_other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
		if (!is_letter && (i == 0 || !is_other)) {
			return 0;
		}
	}
	return colon;
}

static bool has_url_bytes(struct str url)
{
	for (size_t i = 0; i < url.n; i++) {
		unsigned char c = (unsigned char)url.p[i];
		if (c <= 0x20 || c >= 0x7F || c == '"' || c == '<' || c == '>' || c == '\\') {
			return false;
		}
	}
	return true;
}

bool web_page_is_path(struct str url)
{
	return str_starts_with(url, STR("/")) && !str_starts_with(url, STR("//")) && has_url_bytes(url);
}

static bool may_lead_to(struct str url)
{
	return web_page_url_is_safe(url) || web_page_is_path(url);
}

bool web_page_url_is_safe(struct str url)
{
	static const char *const refused[] = {"javascript", "data", "vbscript", "blob", "about", "file",
		"view-source", "filesystem"};
	struct str scheme = str_slice(url, 0, scheme_length(url));
	for (size_t i = 0; i < COUNT_OF(refused); i++) {
		if (str_equals_nocase(scheme, str_of(refused[i]))) {
			return false;
		}
	}
	if (!has_url_bytes(url)) {
		return false;
	}
	bool is_web = str_equals_nocase(scheme, STR("http")) || str_equals_nocase(scheme, STR("https"));
	return scheme.n > 0 &&
		(!is_web || str_starts_with(str_slice(url, scheme.n, url.n), STR("://")));
}

/* What follows the beginning must not go on with its host's name: "https://a.example" is not "https://a.example.evil". */
bool web_page_url_is_below(struct str url, struct str beginning)
{
	if (beginning.n == 0 || !str_starts_with(url, beginning)) {
		return false;
	}
	char next = url.n > beginning.n ? url.p[beginning.n] : '/';
	return str_ends_with(beginning, STR("/")) || next == '/' || next == '?' || next == '#';
}

struct str web_page_origin(struct str url)
{
	size_t scheme = scheme_length(url);
	struct str rest = str_slice(url, scheme + 1, url.n);
	if (!str_starts_with(rest, STR("//"))) {
		return str_slice(url, 0, scheme + 1);
	}
	size_t end = scheme + 3;
	while (end < url.n && url.p[end] != '/' && url.p[end] != '?' && url.p[end] != '#') {
		end++;
	}
	return end > scheme + 3 ? str_slice(url, 0, end) : str_slice(url, 0, scheme + 1);
}

/* --- text ------------------------------------------------------------------------------------------- */

void web_page_escape(struct buf *buf, struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'') {
			buf_printf(buf, "&#%d;", c);
		} else if ((unsigned char)c >= 0x20 || c == '\n' || c == '\t') {
			buf_add_byte(buf, c);
		}
	}
}

static void add_escaped(struct web_page *page, struct str text)
{
	web_page_escape(page->buf, text);
}

static void add_both(struct web_page *page, const char *zh, const char *en)
{
	buf_add_lit(page->buf, "<span lang=\"zh-Hant\">");
	add_escaped(page, str_of(zh));
	buf_add_lit(page->buf, "</span><span lang=\"en\">");
	add_escaped(page, str_of(en));
	buf_add_lit(page->buf, "</span>");
}

static void fini(void *buf)
{
	buf_fini(buf);
}

/* Up to the title. */
static void begin(struct web_page *page, struct call *call)
{
	struct arena *arena = call->ctx.arena;
	*page = (struct web_page){
		.call = call,
		.buf = ARENA_NEW(arena, struct buf),
		.nonce = rng_text(&hs_of(call)->rng, arena, WEB_PAGE_NONCE_CHARS),
	};
	buf_init(page->buf, WEB_PAGE_MAX_BYTES);
	arena_on_reset(arena, fini, page->buf);
	buf_add_lit(page->buf,
		"<!DOCTYPE html>\n<html lang=\"zh-Hant\"><head><meta charset=\"utf-8\">"
		"<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>");
}

static void add_style(struct web_page *page)
{
	buf_printf(page->buf, "</title><style nonce=\"%.*s\">%s</style></head><body><main><h1>",
		STR_ARG(page->nonce), style);
}

void web_page_begin(struct web_page *page, struct call *call, const char *title_zh,
	const char *title_en)
{
	begin(page, call);
	add_escaped(page, str_of(title_zh));
	buf_add_lit(page->buf, " · ");
	add_escaped(page, str_of(title_en));
	add_style(page);
	add_both(page, title_zh, title_en);
	buf_add_lit(page->buf, "</h1>\n");
}

void web_page_begin_named(struct web_page *page, struct call *call, struct str title)
{
	begin(page, call);
	add_escaped(page, title);
	add_style(page);
	add_escaped(page, title);
	buf_add_lit(page->buf, "</h1>\n");
}

void web_page_text(struct web_page *page, const char *zh, const char *en)
{
	buf_add_lit(page->buf, "<p>");
	add_both(page, zh, en);
	buf_add_lit(page->buf, "</p>\n");
}

void web_page_hidden_text(struct web_page *page, const char *id, const char *zh, const char *en)
{
	buf_printf(page->buf, "<p hidden class=\"outcome\" id=\"%s\">", id);
	add_both(page, zh, en);
	buf_add_lit(page->buf, "</p>\n");
}

void web_page_notice(struct web_page *page, bool is_good, const char *zh, const char *en)
{
	/* alerts are read out at once, also when the page has only just come */
	buf_printf(page->buf, "<p class=\"notice%s\" role=\"%s\">", is_good ? " good" : "",
		is_good ? "status" : "alert");
	add_both(page, zh, en);
	buf_add_lit(page->buf, "</p>\n");
}

void web_page_heading(struct web_page *page, const char *zh, const char *en)
{
	buf_add_lit(page->buf, "<h2>");
	add_both(page, zh, en);
	buf_add_lit(page->buf, "</h2>\n");
}

void web_page_value(struct web_page *page, struct str text)
{
	buf_add_lit(page->buf, "<p class=\"value\">");
	add_escaped(page, text);
	buf_add_lit(page->buf, "</p>\n");
}

void web_page_long_text(struct web_page *page, struct str text)
{
	buf_add_lit(page->buf, "<div class=\"text\">");
	add_escaped(page, text);
	buf_add_lit(page->buf, "</div>\n");
}

static void add_link(struct web_page *page, const char *class, struct str url, const char *zh,
	const char *en)
{
	if (!may_lead_to(url)) {
		return;
	}
	buf_printf(page->buf, "<a class=\"%s\" href=\"", class);
	add_escaped(page, url);
	buf_add_lit(page->buf, "\">");
	add_both(page, zh, en);
	buf_add_lit(page->buf, "</a>\n");
}

void web_page_link(struct web_page *page, struct str url, const char *zh, const char *en)
{
	add_link(page, "button", url, zh, en);
}

void web_page_quiet_link(struct web_page *page, struct str url, const char *zh, const char *en)
{
	add_link(page, "button quiet", url, zh, en);
}

void web_page_named_link(struct web_page *page, struct str url, struct str text)
{
	if (!may_lead_to(url)) {
		return;
	}
	buf_add_lit(page->buf, "<a class=\"button\" href=\"");
	add_escaped(page, url);
	buf_add_lit(page->buf, "\">");
	add_escaped(page, text);
	buf_add_lit(page->buf, "</a>\n");
}

static void begin_text_link(struct web_page *page, struct str url)
{
	buf_add_lit(page->buf, "<a target=\"_blank\" rel=\"noopener\" href=\"");
	add_escaped(page, url);
	buf_add_lit(page->buf, "\">");
}

void web_page_text_link(struct web_page *page, struct str url, const char *zh, const char *en)
{
	if (!may_lead_to(url)) {
		return;
	}
	buf_add_lit(page->buf, "<p>");
	begin_text_link(page, url);
	add_both(page, zh, en);
	buf_add_lit(page->buf, "</a></p>\n");
}

void web_page_named_text_link(struct web_page *page, struct str url, struct str text,
	struct str language)
{
	if (!may_lead_to(url)) {
		return;
	}
	buf_add_lit(page->buf, "<p lang=\"");
	add_escaped(page, language);
	buf_add_lit(page->buf, "\">");
	begin_text_link(page, url);
	add_escaped(page, text);
	buf_add_lit(page->buf, "</a></p>\n");
}

/* --- lists ------------------------------------------------------------------------------------------- */

void web_page_list(struct web_page *page)
{
	buf_add_lit(page->buf, "<ul>\n");
}

/* A line about it, in both languages, below its name. */
static void end_item(struct web_page *page, struct str zh, struct str en)
{
	buf_add_lit(page->buf, "</b><small lang=\"zh-Hant\">");
	add_escaped(page, zh);
	buf_add_lit(page->buf, "</small><small lang=\"en\">");
	add_escaped(page, en);
	buf_add_lit(page->buf, "</small></a></li>\n");
}

static void begin_item(struct web_page *page, struct str url)
{
	buf_add_lit(page->buf, "<li><a href=\"");
	add_escaped(page, may_lead_to(url) ? url : STR(""));
	buf_add_lit(page->buf, "\"><b>");
}

void web_page_list_item(struct web_page *page, struct str url, const struct web_item *item)
{
	begin_item(page, url);
	buf_add_lit(page->buf, "<span lang=\"zh-Hant\">");
	add_escaped(page, str_of(item->name_zh));
	buf_add_lit(page->buf, "</span> <span lang=\"en\">");
	add_escaped(page, str_of(item->name_en));
	buf_add_lit(page->buf, "</span>");
	end_item(page, str_of(item->zh), str_of(item->en));
}

void web_page_named_list_item(struct web_page *page, struct str url, struct str name, struct str zh,
	struct str en)
{
	begin_item(page, url);
	add_escaped(page, name);
	end_item(page, zh, en);
}

void web_page_list_end(struct web_page *page)
{
	buf_add_lit(page->buf, "</ul>\n");
}

/* --- forms ------------------------------------------------------------------------------------------- */

void web_page_form(struct web_page *page, struct str action)
{
	buf_add_lit(page->buf, "<form method=\"post\"");
	if (action.n > 0) {
		buf_add_lit(page->buf, " action=\"");
		add_escaped(page, action);
		buf_add_lit(page->buf, "\"");
	}
	buf_add_lit(page->buf, ">\n");
}

void web_page_hidden_form(struct web_page *page)
{
	buf_add_lit(page->buf, "<form method=\"post\" hidden>\n");
}

void web_page_hidden(struct web_page *page, struct str name, struct str value)
{
	buf_add_lit(page->buf, "<input type=\"hidden\" name=\"");
	add_escaped(page, name);
	buf_add_lit(page->buf, "\" value=\"");
	add_escaped(page, value);
	buf_add_lit(page->buf, "\">\n");
}

void web_page_hidden_user(struct web_page *page, struct str user_id)
{
	buf_add_lit(page->buf, "<input type=\"text\" name=\"of\" autocomplete=\"username\" value=\"");
	add_escaped(page, user_id);
	buf_add_lit(page->buf, "\" readonly hidden>\n");
}

void web_page_input(struct web_page *page, const char *kind, const char *name, const char *zh,
	const char *en)
{
	web_page_field(page, &(struct web_field){.kind = kind, .name = name, .zh = zh, .en = en});
}

void web_page_field(struct web_page *page, const struct web_field *field)
{
	buf_add_lit(page->buf, "<label>");
	add_both(page, field->zh, field->en);
	buf_printf(page->buf, "<input type=\"%s\" name=\"%s\"", field->kind, field->name);
	if (field->value.n > 0) {
		buf_add_lit(page->buf, " value=\"");
		add_escaped(page, field->value);
		buf_add_lit(page->buf, "\"");
	}
	if (field->autocomplete != NULL) {
		/* names are no prose: phones would begin them with a capital */
		buf_printf(page->buf, " autocomplete=\"%s\" autocapitalize=\"none\" spellcheck=\"false\"",
			field->autocomplete);
	}
	buf_printf(page->buf, "%s%s></label>\n", field->is_optional ? "" : " required",
		field->is_first ? " autofocus" : "");
}

void web_page_checkbox(struct web_page *page, const char *name, bool is_ticked, const char *zh,
	const char *en)
{
	buf_printf(page->buf,
		"<label class=\"tick\"><input type=\"checkbox\" name=\"%s\" value=\"1\"%s><span>", name,
		is_ticked ? " checked" : "");
	add_both(page, zh, en);
	buf_add_lit(page->buf, "</span></label>\n");
}

void web_page_choice(struct web_page *page, enum web_button look, const char *name,
	const char *value, const char *zh, const char *en)
{
	static const char *const classes[] = {
		[WEB_BUTTON_MAIN] = "main",
		[WEB_BUTTON_QUIET] = "quiet",
		[WEB_BUTTON_DANGER] = "danger",
	};
	buf_printf(page->buf, "<button type=\"submit\" class=\"%s\" name=\"%s\" value=\"%s\">",
		classes[look], name, value);
	add_both(page, zh, en);
	buf_add_lit(page->buf, "</button>\n");
}

void web_page_button(struct web_page *page, const char *zh, const char *en)
{
	buf_add_lit(page->buf, "<button type=\"submit\">");
	add_both(page, zh, en);
	buf_add_lit(page->buf, "</button>\n");
}

void web_page_form_end(struct web_page *page)
{
	buf_add_lit(page->buf, "</form>\n");
}

void web_page_allow_target(struct web_page *page, struct str url)
{
	page->form_target = web_page_url_is_safe(url) ? web_page_origin(url) : (struct str){0};
}

void web_page_script(struct web_page *page, const char *source)
{
	page->has_script = true;
	buf_printf(page->buf, "<script nonce=\"%.*s\">%s</script>\n", STR_ARG(page->nonce), source);
}

struct str web_page_posted(struct call *call, const char *name)
{
	struct uri_pair *pairs;
	size_t count;
	if (uri_parse_query(call->ctx.arena, call_body(call), &pairs, &count)) {
		for (size_t i = 0; i < count; i++) {
			if (str_equals(pairs[i].name, str_of(name))) {
				return pairs[i].value;
			}
		}
	}
	return STR("");
}

/* --- answering ------------------------------------------------------------------------------------------- */

/* A source of the policy: anything that could end the directive is left out. It knows no host in brackets (IPv6): the scheme stands for it. */
static struct str source_of(struct str origin)
{
	if (str_find_byte(origin, '[') != SIZE_MAX) {
		return str_slice(origin, 0, scheme_length(origin) + 1);
	}
	bool is_source = str_find_byte(origin, ';') == SIZE_MAX &&
		str_find_byte(origin, ',') == SIZE_MAX && str_find_byte(origin, '\'') == SIZE_MAX;
	return is_source ? origin : STR("");
}

static void add_headers(struct web_page *page)
{
	struct call *call = page->call;
	struct arena *arena = call->ctx.arena;
	struct str script = page->has_script
		? str_printf(arena, "script-src 'nonce-%.*s'; connect-src 'self'; ", STR_ARG(page->nonce))
		: STR("");
	struct str target = source_of(page->form_target);
	reply_header(call, "Content-Security-Policy",
		str_printf(arena,
			"default-src 'none'; %.*sstyle-src 'nonce-%.*s'; form-action 'self' %.*s; "
			"frame-ancestors 'none'; base-uri 'none'",
			STR_ARG(script), STR_ARG(page->nonce), STR_ARG(target)));
	reply_header(call, "X-Frame-Options", STR("DENY"));
	reply_header(call, "Referrer-Policy", STR("no-referrer"));
}

enum err web_page_reply(struct web_page *page, int status)
{
	buf_add_lit(page->buf, "</main></body></html>\n");
	if (!buf_ok(page->buf)) {
		return fail_cause(&page->call->ctx, ERR_INTERNAL, "a page larger than %d bytes",
			WEB_PAGE_MAX_BYTES);
	}
	add_headers(page);
	return reply_bytes(page->call, status, "text/html; charset=utf-8", buf_str(page->buf));
}

enum err web_page_failure(struct call *call, int status)
{
	struct web_page page;
	if (status == 429) {
		web_page_begin(&page, call, "請稍候", "Please wait");
		web_page_text(&page, "目前請求太多，請稍候幾分鐘再試。",
			"There are too many requests at the moment; wait some minutes and try again.");
	} else if (status == 404) {
		web_page_begin(&page, call, "這裡沒有這一頁", "There is no such page here");
		web_page_text(&page, "請在您的程式中登入和管理帳號；需要協助時，請洽管理員。",
			"Sign in and look after your account in your app; ask an administrator if you need help.");
	} else {
		web_page_begin(&page, call, "暫時無法使用", "Not possible at the moment");
		web_page_text(&page, "伺服器目前無法處理，請稍後再試；如果仍然不行，請洽管理員。",
			"The server cannot do this at the moment; try again later, and if it still does not work, ask an administrator.");
	}
	return web_page_reply(&page, status);
}

enum err web_page_redirect(struct call *call, struct str url)
{
	invariant(may_lead_to(url));
	reply_header(call, "Location", url);
	reply_header(call, "Referrer-Policy", STR("no-referrer"));
	return reply_bytes(call, 303, "text/plain; charset=utf-8", STR("See other\n"));
}
