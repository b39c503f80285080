/**
 * Pages for people in a browser: confirmation of an address, sign-in, terms. Each text stands in Chinese and in English.
 *
 *     struct web_page page;
 *     web_page_begin(&page, call, "確認電子郵件", "Confirm your e-mail address");
 *     web_page_text(&page, "…", "…");
 *     web_page_form(&page, STR(""));
 *     web_page_button(&page, "確認", "Confirm");
 *     web_page_form_end(&page);
 *     return web_page_reply(&page, 200);
 *
 * What comes from outside goes through these functions, which escape it. The answer's headers allow nothing that the page does
 * not have: no frames around it, no scripts and styles but its own, no referrer.
 */
#ifndef BELFRY_HOMESERVER_WEB_PAGE_H
#define BELFRY_HOMESERVER_WEB_PAGE_H

#include "base/buf.h"
#include "http/call.h"

enum { WEB_PAGE_NONCE_CHARS = 22, WEB_PAGE_MAX_BYTES = 256 * 1024 };

struct web_page {
	struct call *call;
	struct buf *buf;
	struct str nonce;
	struct str form_target; /**< an origin beside ours where forms may lead; empty: none */
	bool has_script;
};

/** Titles are literals. The page lives in the call's arena. */
void web_page_begin(struct web_page *page, struct call *call, const char *title_zh,
	const char *title_en);

/** The same with one title, from outside. */
void web_page_begin_named(struct web_page *page, struct call *call, struct str title);

/** Appends text to HTML, escaped; control characters but line breaks and tabs are left out. */
void web_page_escape(struct buf *buf, struct str text);

/** The HTML of a mail, up to its first paragraph. It ends with `</body></html>`. */
void web_page_begin_mail(struct buf *buf);

/** A paragraph in both languages; literals, or what a table of ours has. */
void web_page_text(struct web_page *page, const char *zh, const char *en);
/** The same, hidden until a script shows it by its id, one of those with the class `outcome`. */
void web_page_hidden_text(struct web_page *page, const char *id, const char *zh, const char *en);
/** A paragraph that stands out: something went well, or did not. */
void web_page_notice(struct web_page *page, bool is_good, const char *zh, const char *en);
/** A heading within the page. */
void web_page_heading(struct web_page *page, const char *zh, const char *en);
/** A paragraph of its own, such as an address or a name from outside. */
void web_page_value(struct web_page *page, struct str text);
/** Text with its line breaks. */
void web_page_long_text(struct web_page *page, struct str text);
/**
 * A link that looks like a button. Only paths of this server, http, https and the schemes of apps may be given: javascript: is
 * refused.
 */
void web_page_link(struct web_page *page, struct str url, const char *zh, const char *en);
/** The same with a text from outside. */
void web_page_named_link(struct web_page *page, struct str url, struct str text);
/** A link that does not stand out as a button does. */
void web_page_quiet_link(struct web_page *page, struct str url, const char *zh, const char *en);
/** A link within the text, opened beside the page. */
void web_page_text_link(struct web_page *page, struct str url, const char *zh, const char *en);
/** The same with a text from outside, and its language. */
void web_page_named_text_link(struct web_page *page, struct str url, struct str text,
	struct str language);

/** A list of things that lead somewhere: web_page_list(), for each web_page_list_item(), web_page_list_end(). */
void web_page_list(struct web_page *page);
/** One of a list: what it is called, and a line about it. */
struct web_item {
	const char *name_zh;
	const char *name_en;
	const char *zh;
	const char *en;
};
/** The item. */
void web_page_list_item(struct web_page *page, struct str url, const struct web_item *item);
/** The same of something whose name comes from outside. */
void web_page_named_list_item(struct web_page *page, struct str url, struct str name, struct str zh,
	struct str en);
void web_page_list_end(struct web_page *page);

/** A form that posts to `action` (relative to the page; empty: the page's own address). */
void web_page_form(struct web_page *page, struct str action);
/** One that nobody sees. */
void web_page_hidden_form(struct web_page *page);
void web_page_hidden(struct web_page *page, struct str name, struct str value);
/** Whose new password it is: programs that keep passwords look for that in the form. */
void web_page_hidden_user(struct web_page *page, struct str user_id);
/** A line to fill in; `kind`: "text", "password". */
void web_page_input(struct web_page *page, const char *kind, const char *name, const char *zh,
	const char *en);
/** A line to fill in, in full. */
struct web_field {
	const char *kind; /**< of the HTML element: "text", "password" */
	const char *name;
	const char *zh;
	const char *en;
	struct str value;         /**< what stands there; never of a password */
	const char *autocomplete; /**< what programs that fill in forms take it for; NULL: nothing */
	bool is_optional;
	bool is_first; /**< whoever opens the page begins to type here; one of a page */
};
/** The line. */
void web_page_field(struct web_page *page, const struct web_field *field);
/** A box to tick; the form then has the name with "1". */
void web_page_checkbox(struct web_page *page, const char *name, bool is_ticked, const char *zh,
	const char *en);
void web_page_button(struct web_page *page, const char *zh, const char *en);
enum web_button { WEB_BUTTON_MAIN, WEB_BUTTON_QUIET, WEB_BUTTON_DANGER };
/** One of several buttons of a form: the form has `name` with `value` when it was this one. */
void web_page_choice(struct web_page *page, enum web_button look, const char *name,
	const char *value, const char *zh, const char *en);
void web_page_form_end(struct web_page *page);
/** Where the answer to a form may redirect to: the origin of this URL. */
void web_page_allow_target(struct web_page *page, struct str url);

/** A script of ours; a literal. It may ask this server. */
void web_page_script(struct web_page *page, const char *source);

/** Whether a browser may be sent there: an absolute URL without control characters, not javascript:, data: and the like. */
bool web_page_url_is_safe(struct str url);
/** Whether it is a path of this server, with or without query; "//elsewhere" is none. */
bool web_page_is_path(struct str url);
/** Whether a URL is `beginning` or goes on behind it with a path, query or fragment, so within the same host. */
bool web_page_url_is_below(struct str url, struct str beginning);
/** "https://host:port" of a URL with an authority, else "scheme:". */
struct str web_page_origin(struct str url);

/** A field of the form that was posted; empty when there is none. */
struct str web_page_posted(struct call *call, const char *name);

/** Finishes the page and answers with it. */
MUST_CHECK enum err web_page_reply(struct web_page *page, int status);
/** What people see who meet 404, 429 or a failure of the server: http_ports.page_of_failure. */
MUST_CHECK enum err web_page_failure(struct call *call, int status);
/** 303 to another address; only for URLs that web_page_url_is_safe(), or a web_page_is_path(). */
MUST_CHECK enum err web_page_redirect(struct call *call, struct str url);

#endif
