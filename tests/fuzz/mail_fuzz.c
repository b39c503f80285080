/*
 * Mails, whose texts are others': a name and an address, a subject, a text and a page, a line each but for the last. However they look, the mail has the headers
 * and parts that it should have and no others, in lines that every relay takes, and the texts come out of it again.
 */
#include "base/arena.h"
#include "base/b64.h"
#include "http/mail_text.h"

enum { MAIL_BYTES = 1 << 20, LINE_BYTES = 998, DATE_MS = 1700000000 };

/* Lines with their ends, each of them visible characters. */
static struct str next_line(struct str *rest)
{
	struct str line;
	struct str tail;
	bool has_end = str_split(*rest, '\n', &line, &tail);
	invariant(has_end && line.n > 0 && line.p[line.n - 1] == '\r' && line.n <= LINE_BYTES);
	line = str_slice(line, 0, line.n - 1);
	for (size_t i = 0; i < line.n; i++) {
		invariant(line.p[i] >= ' ' && line.p[i] <= '~');
	}
	*rest = tail;
	return line;
}

static void expect(struct str *rest, const char *start)
{
	struct str line = next_line(rest);
	invariant(str_starts_with(line, str_of(start)));
	/* What is folded belongs to it. */
	while (rest->n > 0 && rest->p[0] == ' ') {
		(void)next_line(rest);
	}
}

static void expect_text(struct arena *arena, struct str *rest, struct str text)
{
	struct buf encoded CLEANUP(buf_fini);
	struct str decoded;
	buf_init(&encoded, MAIL_BYTES);
	expect(rest, "Content-Transfer-Encoding: base64");
	expect(rest, "");
	while (rest->n > 0 && !str_starts_with(*rest, STR("--"))) {
		buf_add(&encoded, next_line(rest));
	}
	invariant(b64_decode(arena, buf_str(&encoded), &decoded) && str_equals(decoded, text));
}

static void check(struct arena *arena, struct str from, const struct mail *mail)
{
	struct buf out CLEANUP(buf_fini);
	buf_init(&out, MAIL_BYTES);
	mail_write(&out, from, mail);
	invariant(buf_ok(&out));
	struct str rest = buf_str(&out);
	expect(&rest, "From: ");
	expect(&rest, "To: <a@b.example>");
	expect(&rest, "Subject: ");
	expect(&rest, "Date: ");
	expect(&rest, "Message-ID: <id@");
	expect(&rest, "MIME-Version: 1.0");
	expect(&rest, "Auto-Submitted: auto-generated");
	if (mail->html.n > 0) {
		expect(&rest, "Content-Type: multipart/alternative; boundary=\"=_id\"");
		expect(&rest, "");
		expect(&rest, "--=_id");
	}
	expect(&rest, "Content-Type: text/plain; charset=utf-8");
	expect_text(arena, &rest, mail->text);
	if (mail->html.n > 0) {
		expect(&rest, "--=_id");
		expect(&rest, "Content-Type: text/html; charset=utf-8");
		expect_text(arena, &rest, mail->html);
		expect(&rest, "--=_id--");
	}
	invariant(rest.n == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str lines[3];
	struct str rest = str_from((const char *)data, size);
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct str tail;
		(void)str_split(rest, '\n', &lines[i], &tail);
		rest = tail;
	}
	struct str name;
	struct str address;
	if (!mail_mailbox_parse(lines[0], &name, &address)) {
		return 0;
	}
	invariant(mail_address_is_valid(address) && address.n <= MAIL_ADDRESS_MAX_BYTES);
	check(arena, lines[0],
		&(struct mail){.to = STR("a@b.example"),
			.subject = lines[1],
			.text = lines[2],
			.html = rest,
			.id = STR("id"),
			.date_ms = DATE_MS});
	return 0;
}
