/*
 * Mails as text: nothing in a subject, name or body becomes a header of its own; what a reader decodes is what was meant.
 * How Python's parser of mails reads them stands in tests/http/test_email.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

#include "http/mail_text.h"

static struct mail sample(void)
{
	return (struct mail){.to = STR("lin@school.example"),
		.subject = STR("Hello"),
		.text = STR("text"),
		.html = STR("<p>text"),
		.id = STR("abc123"),
		.date_ms = 1795642898000};
}

static bool mail_has(const struct mail *mail, struct str from, struct str part)
{
	struct buf out CLEANUP(buf_fini);
	buf_init(&out, 1 << 20);
	mail_write(&out, from, mail);
	assert_true(buf_ok(&out));
	return str_contains(buf_str(&out), part);
}

static const struct str from = STR_INIT("School <m@school.example>");

static void address__rfc_5321_dot_atoms__only(void **state)
{
	(void)state;
	const char *const good[] = {"a@b", "lin.mei+matrix@mail.school.example", "o'neill@x.org",
		"123@1.2", "a_b-c@a-b.example"};
	const char *const bad[] = {"", "@", "a@", "@b", "a", "a@b@c", "a b@c", "a@b c", "a@b..c",
		"a..b@c", ".a@b", "a.@b", "a@-b", "a@b-", "a@b_c", "<a@b>", "a@b>", "a@b\r\nRCPT TO:<x@y>",
		"a\n@b", "a@[127.0.0.1]", "\"a b\"@c", "a(c)@b", "a,b@c", "\xe6\x9e\x97@school.example",
		"a@b\t"};
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		assert_true(mail_address_is_valid(str_of(good[i])));
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_false(mail_address_is_valid(str_of(bad[i])));
	}
	assert_false(mail_address_is_valid((struct str){"a\0@b", 4}));
	char text[300];
	memset(text, 'a', sizeof(text));
	text[64] = '@';
	assert_true(mail_address_is_valid(str_from(text, 65 + 63)));
	assert_false(mail_address_is_valid(str_from(text, 65 + 64)));
	text[64] = 'a';
	text[65] = '@';
	assert_false(mail_address_is_valid(str_from(text, 66 + 10)));
}

static void mailbox__name_and_address__parted(void **state)
{
	(void)state;
	struct str name;
	struct str address;
	assert_true(mail_mailbox_parse(STR("The School <m@school.example>"), &name, &address));
	assert_true(str_equals(name, STR("The School")));
	assert_true(str_equals(address, STR("m@school.example")));
	assert_true(mail_mailbox_parse(STR(" m@school.example "), &name, &address));
	assert_int_equal(name.n, 0);
	assert_false(mail_mailbox_parse(STR("School <m@school.example> x"), &name, &address));
	assert_false(mail_mailbox_parse(STR("School <>"), &name, &address));
	assert_false(mail_mailbox_parse(STR("m@school.example>"), &name, &address));
}

static void header__plain_ascii__as_it_is(void **state)
{
	(void)state;
	struct mail mail = sample();
	assert_true(mail_has(&mail, from, STR("\r\nSubject: Hello\r\n")));
	assert_true(mail_has(&mail, from, STR("From: \"School\" <m@school.example>\r\n")));
	assert_true(mail_has(&mail, from, STR("\r\nTo: <lin@school.example>\r\n")));
	assert_true(mail_has(&mail, from, STR("\r\nDate: Wed, 25 Nov 2026 21:41:38 +0000\r\n")));
	assert_true(mail_has(&mail, from, STR("\r\nMessage-ID: <abc123@school.example>\r\n")));
	assert_false(mail_has(&mail, from, STR("List-Unsubscribe")));
	mail.unsubscribe_url = STR("https://school.example/u?t=1");
	assert_true(
		mail_has(&mail, from, STR("\r\nList-Unsubscribe: <https://school.example/u?t=1>\r\n")));
}

static void header__anything_else__encoded_words(void **state)
{
	(void)state;
	struct mail mail = sample();
	mail.subject = STR("x\r\nBcc: victim@school.example");
	assert_false(mail_has(&mail, from, STR("Bcc")));
	assert_true(mail_has(&mail, from, STR("\r\nSubject: =?UTF-8?B?")));
	mail.subject = STR("=?UTF-8?Q?x?=");
	assert_false(mail_has(&mail, from, mail.subject));
	mail.subject = STR("\xe6\x9e\x97");
	assert_true(mail_has(&mail, from, STR("Subject: =?UTF-8?B?5p6X?=\r\n")));
	mail.subject = STR("\xe6\x9e\x97 ");
	assert_true(mail_has(&mail, from, STR("Subject: =?UTF-8?B?5p6XIA==?=\r\n")));
	assert_true(mail_has(&mail, STR("\xe6\xa0\xa1 <m@s.example>"),
		STR("From: =?UTF-8?B?5qCh?= <m@s.example>\r\n")));
	assert_true(mail_has(&mail, STR("a\"b <m@s.example>"),
		STR("From: =?UTF-8?B?YSJi?= <m@s.example>\r\n")));
}

static void lines__any_text__short(void **state)
{
	(void)state;
	char text[5000];
	for (size_t i = 0; i < sizeof(text); i++) {
		text[i] = "\xe6\x9e\x97"[i % 3];
	}
	struct mail mail = sample();
	mail.subject = str_from(text, 3000);
	mail.text = str_from(text, 4998);
	struct buf out CLEANUP(buf_fini);
	buf_init(&out, 1 << 20);
	mail_write(&out, from, &mail);
	struct str rest = buf_str(&out);
	struct str line;
	while (str_split(rest, '\n', &line, &rest)) {
		assert_true(line.n <= 78 && str_ends_with(line, STR("\r")));
	}
	assert_int_equal(rest.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address__rfc_5321_dot_atoms__only),
		cmocka_unit_test(mailbox__name_and_address__parted),
		cmocka_unit_test(header__plain_ascii__as_it_is),
		cmocka_unit_test(header__anything_else__encoded_words),
		cmocka_unit_test(lines__any_text__short),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
