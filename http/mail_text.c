/*
 * multipart/alternative with the plain text first, as clients show the last part that they can. Everything is base64 in
 * lines of 76: Chinese text costs the same in quoted-printable, and no relay mends or breaks it.
 */
#include "http/mail_text.h"

#include <time.h>

#include "base/arena.h"
#include "base/b64.h"

enum {
	LOCAL_MAX_BYTES = 64,
	WORD_BYTES =
		39, /* in one encoded word: 64 characters, and "Subject: " before it; lines end at 78 */
	LINE_CHARS = 76,
	PLAIN_HEADER_MAX_BYTES = 60,
};

static bool is_atom_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		str_find_byte(STR("!#$%&'*+-/=?^_`{|}~"), c) != SIZE_MAX;
}

static bool is_label(struct str label)
{
	if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-') {
		return false;
	}
	for (size_t i = 0; i < label.n; i++) {
		char c = label.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
				c == '-')) {
			return false;
		}
	}
	return true;
}

static bool is_atom(struct str atom)
{
	for (size_t i = 0; i < atom.n; i++) {
		if (!is_atom_char(atom.p[i])) {
			return false;
		}
	}
	return atom.n > 0;
}

/* Parts between dots, none of them empty. */
static bool all_parts(struct str text, bool (*is_good)(struct str part))
{
	struct str part;
	struct str rest = text;
	bool has_more = true;
	while (has_more) {
		has_more = str_split(rest, '.', &part, &rest);
		if (!is_good(part)) {
			return false;
		}
	}
	return true;
}

bool mail_address_is_valid(struct str address)
{
	struct str local;
	struct str domain;
	return address.n <= MAIL_ADDRESS_MAX_BYTES && str_split(address, '@', &local, &domain) &&
		local.n <= LOCAL_MAX_BYTES && all_parts(local, is_atom) && all_parts(domain, is_label);
}

bool mail_mailbox_parse(struct str text, struct str *out_name, struct str *out_address)
{
	struct str name = STR("");
	struct str address = str_trim(text);
	if (str_ends_with(address, STR(">"))) {
		struct str rest;
		(void)str_split(str_slice(address, 0, address.n - 1), '<', &name, &rest);
		address = rest;
		name = str_trim(name);
	}
	if (!mail_address_is_valid(address)) {
		return false;
	}
	*out_name = name;
	*out_address = address;
	return true;
}

/* --- headers -------------------------------------------------------------------------------------------- */

static bool is_plain(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < ' ' || text.p[i] > '~') {
			return false;
		}
	}
	/* Nothing that would be decoded, or that means something in a mailbox. */
	return text.n <= PLAIN_HEADER_MAX_BYTES && !str_contains(text, STR("=?")) &&
		str_find_byte(text, '"') == SIZE_MAX && str_find_byte(text, '\\') == SIZE_MAX;
}

/* With padding, in lines of LINE_CHARS. */
static void add_base64(struct buf *out, struct str bytes)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str rest = b64_encode(arena, bytes);
	size_t padding = (4 - rest.n % 4) % 4;
	while (rest.n > LINE_CHARS) {
		buf_add(out, str_slice(rest, 0, LINE_CHARS));
		buf_add_lit(out, "\r\n");
		rest = str_slice(rest, LINE_CHARS, rest.n);
	}
	buf_add(out, rest);
	buf_add(out, str_slice(STR("=="), 0, padding));
}

/* As much of the text as fits into one encoded word, whole characters only. */
static size_t word_length(struct str text)
{
	size_t n = MIN_OF(text.n, (size_t)WORD_BYTES);
	while (n > 0 && n < text.n && ((unsigned char)text.p[n] & 0xC0U) == 0x80U) {
		n--;
	}
	/* Bytes that are no UTF-8 have no boundary. */
	return n > 0 ? n : MIN_OF(text.n, (size_t)WORD_BYTES);
}

static void add_encoded(struct buf *out, struct str text)
{
	while (text.n > 0) {
		size_t n = word_length(text);
		buf_add_lit(out, "=?UTF-8?B?");
		add_base64(out, str_slice(text, 0, n));
		text = str_slice(text, n, text.n);
		buf_add(out, text.n > 0 ? STR("?=\r\n ") : STR("?="));
	}
}

static void add_subject(struct buf *out, struct str subject)
{
	buf_add_lit(out, "Subject: ");
	if (is_plain(subject)) {
		buf_add(out, subject);
	} else {
		add_encoded(out, subject);
	}
	buf_add_lit(out, "\r\n");
}

static void add_from(struct buf *out, struct str from)
{
	struct str name;
	struct str address;
	bool is_mailbox = mail_mailbox_parse(from, &name, &address);
	invariant(is_mailbox);
	buf_add_lit(out, "From: ");
	if (name.n > 0 && is_plain(name)) {
		buf_printf(out, "\"%.*s\" ", STR_ARG(name));
	} else if (name.n > 0) {
		add_encoded(out, name);
		buf_add_byte(out, ' ');
	}
	buf_printf(out, "<%.*s>\r\n", STR_ARG(address));
}

static void add_date(struct buf *out, int64_t date_ms)
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
		"Sep", "Oct", "Nov", "Dec"};
	time_t seconds = (time_t)(date_ms / 1000);
	struct tm tm = {0};
	if (gmtime_r(&seconds, &tm) != NULL) {
		buf_printf(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday,
			months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	}
}

static void add_message_id(struct buf *out, struct str from, struct str id)
{
	struct str name;
	struct str address;
	bool is_mailbox = mail_mailbox_parse(from, &name, &address);
	invariant(is_mailbox);
	buf_printf(out, "Message-ID: <%.*s@%.*s>\r\n", STR_ARG(id),
		STR_ARG(str_slice(address, str_find_byte(address, '@') + 1, address.n)));
}

/* A URL of our own making; what it must not contain would end the header. */
static void add_unsubscribe(struct buf *out, struct str url)
{
	for (size_t i = 0; i < url.n; i++) {
		invariant(url.p[i] > ' ' && url.p[i] <= '~' && url.p[i] != '>');
	}
	if (url.n > 0) {
		buf_printf(out, "List-Unsubscribe: <%.*s>\r\n", STR_ARG(url));
		buf_add_lit(out, "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
	}
}

/* --- body ----------------------------------------------------------------------------------------------- */

static void add_part(struct buf *out, const char *type, struct str text)
{
	buf_printf(out, "Content-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n",
		type);
	add_base64(out, text);
	buf_add_lit(out, "\r\n");
}

void mail_write(struct buf *out, struct str from, const struct mail *mail)
{
	add_from(out, from);
	buf_printf(out, "To: <%.*s>\r\n", STR_ARG(mail->to));
	add_subject(out, mail->subject);
	add_date(out, mail->date_ms);
	add_message_id(out, from, mail->id);
	buf_add_lit(out, "MIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\n");
	add_unsubscribe(out, mail->unsubscribe_url);
	if (mail->html.n == 0) {
		add_part(out, "text/plain", mail->text);
		return;
	}
	/* "=_" appears in no base64. */
	buf_printf(out, "Content-Type: multipart/alternative; boundary=\"=_%.*s\"\r\n\r\n--=_%.*s\r\n",
		STR_ARG(mail->id), STR_ARG(mail->id));
	add_part(out, "text/plain", mail->text);
	buf_printf(out, "--=_%.*s\r\n", STR_ARG(mail->id));
	add_part(out, "text/html", mail->html);
	buf_printf(out, "--=_%.*s--\r\n", STR_ARG(mail->id));
}
