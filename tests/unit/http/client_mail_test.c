/*
 * Mails against a relay that is a thread of the test: what it hears, and what becomes of its refusals. TLS, log-in and real
 * parsing: tests/http/test_email_pushers.py.
 */
#include "loopback.h"

#include "http/client_mail.h"

enum { HEARD_BYTES = 65536 };

/* A relay for one session: greets, answers each line, keeps all that it heard. */
struct relay {
	int listen_fd;
	uint16_t port;
	pthread_t thread;
	const char *ehlo_answer;
	const char *rcpt_answer;
	struct buf heard;
};

struct sender {
	struct relay relay;
	struct http_client *client;
	struct arena *arena;
	struct ctx ctx;
};

static bool read_line(int fd, struct buf *out)
{
	size_t from = out->n;
	char c = 0;
	while (recv(fd, &c, 1, 0) == 1) {
		buf_add_byte(out, c);
		if (c == '\n') {
			return out->n > from;
		}
	}
	return false;
}

static struct str answer_to(const struct relay *relay, struct str line, bool *in_data)
{
	if (*in_data) {
		*in_data = !str_equals(line, STR(".\r\n"));
		return *in_data ? STR("") : STR("250 taken\r\n");
	}
	if (str_starts_with(line, STR("EHLO"))) {
		return str_of(relay->ehlo_answer);
	}
	if (str_starts_with(line, STR("RCPT"))) {
		return str_of(relay->rcpt_answer);
	}
	*in_data = str_starts_with(line, STR("DATA"));
	return *in_data ? STR("354 go on\r\n") : STR("250 fine\r\n");
}

static void *relay_run(void *data)
{
	struct relay *relay = data;
	int fd = accept(relay->listen_fd, NULL, NULL);
	if (fd < 0) {
		return NULL; /* the test is over, and nobody came */
	}
	bool in_data = false;
	bool is_open = client_send(fd, STR("220 relay\r\n"));
	size_t from = relay->heard.n;
	while (is_open && read_line(fd, &relay->heard)) {
		struct str line = str_slice(buf_str(&relay->heard), from, relay->heard.n);
		from = relay->heard.n;
		is_open = client_send(fd, answer_to(relay, line, &in_data));
	}
	assert_int_equal(close(fd), 0);
	return NULL;
}

static void relay_start(struct relay *relay)
{
	buf_init(&relay->heard, HEARD_BYTES);
	relay->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in where = {.sin_family = AF_INET,
		.sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
	socklen_t length = sizeof(where);
	assert_int_equal(bind(relay->listen_fd, (struct sockaddr *)&where, sizeof(where)), 0);
	assert_int_equal(listen(relay->listen_fd, 1), 0);
	assert_int_equal(getsockname(relay->listen_fd, (struct sockaddr *)&where, &length), 0);
	relay->port = ntohs(where.sin_port);
	relay->ehlo_answer = "250 relay\r\n";
	relay->rcpt_answer = "250 fine\r\n";
	relay->thread = thread_start("relay", relay_run, relay);
}

static int make_sender(void **state)
{
	struct sender *sender = test_calloc(1, sizeof(*sender));
	relay_start(&sender->relay);
	sender->arena = arena_create();
	ctx_init(&sender->ctx, sender->arena);
	*state = sender;
	return 0;
}

static int drop_sender(void **state)
{
	struct sender *sender = *state;
	http_client_destroy(sender->client);
	(void)shutdown(sender->relay.listen_fd, SHUT_RDWR);
	assert_int_equal(pthread_join(sender->relay.thread, NULL), 0);
	assert_int_equal(close(sender->relay.listen_fd), 0);
	buf_fini(&sender->relay.heard);
	arena_destroy(sender->arena);
	test_free(sender);
	return 0;
}

static enum err send_to(struct sender *sender, const char *to, bool allows_cleartext)
{
	sender->client = http_client_create(&(struct http_client_config){.user_agent = STR("Test/1"),
		.mail = {.url =
					 str_printf(sender->arena, "smtp://127.0.0.1:%u", (unsigned)sender->relay.port),
			.from = STR("School <m@school.example>"),
			.allows_cleartext = allows_cleartext}});
	return mail_send(&sender->ctx, sender->client,
		&(struct mail){.to = str_of(to),
			.subject = STR("Hello"),
			.text = STR("text"),
			.id = STR("abc"),
			.date_ms = 1});
}

/* What the relay has heard; it has ended then. */
static struct str heard(struct sender *sender)
{
	http_client_destroy(sender->client);
	sender->client = NULL;
	(void)shutdown(sender->relay.listen_fd, SHUT_RDWR);
	assert_int_equal(pthread_join(sender->relay.thread, NULL), 0);
	struct str text = str_dup(sender->arena, buf_str(&sender->relay.heard));
	sender->relay.thread = thread_start("relay", relay_run, &sender->relay);
	return text;
}

static void mail__taken__envelope_and_text_heard(void **state)
{
	struct sender *sender = *state;
	assert_int_equal(send_to(sender, "lin@school.example", true), ERR_OK);
	struct str text = heard(sender);
	assert_true(str_starts_with(text, STR("EHLO school.example\r\n")));
	assert_true(str_contains(text, STR("MAIL FROM:<m@school.example>\r\n")));
	assert_true(str_contains(text, STR("RCPT TO:<lin@school.example>\r\n")));
	assert_true(str_contains(text, STR("\r\nSubject: Hello\r\n")));
	assert_true(str_contains(text, STR("\r\n\r\ndGV4dA==\r\n.\r\n")));
}

static void relay__without_starttls__nothing_is_told(void **state)
{
	struct sender *sender = *state;
	assert_int_equal(send_to(sender, "lin@school.example", false), ERR_REMOTE);
	assert_false(str_contains(heard(sender), STR("MAIL")));
}

static void mailbox__refused_for_good__denied(void **state)
{
	struct sender *sender = *state;
	sender->relay.rcpt_answer = "550 no such mailbox\r\n";
	assert_int_equal(send_to(sender, "lin@school.example", true), ERR_DENIED);
}

static void mailbox__refused_for_now__remote(void **state)
{
	struct sender *sender = *state;
	sender->relay.rcpt_answer = "451 later\r\n";
	assert_int_equal(send_to(sender, "lin@school.example", true), ERR_REMOTE);
}

static void address__with_commands__input_and_nobody_asked(void **state)
{
	struct sender *sender = *state;
	assert_int_equal(send_to(sender, "a@b>\r\nRCPT TO:<x@y", true), ERR_INPUT);
	assert_int_equal(heard(sender).n, 0);
}

static void relay__not_configured__remote(void **state)
{
	struct sender *sender = *state;
	sender->client = http_client_create(&(struct http_client_config){.user_agent = STR("Test/1")});
	assert_false(mail_is_on(sender->client));
	assert_int_equal(
		mail_send(&sender->ctx, sender->client, &(struct mail){.to = STR("a@b"), .id = STR("abc")}),
		ERR_REMOTE);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, make_sender, drop_sender)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(mail__taken__envelope_and_text_heard),
		WITH(relay__without_starttls__nothing_is_told),
		WITH(mailbox__refused_for_good__denied),
		WITH(mailbox__refused_for_now__remote),
		WITH(address__with_commands__input_and_nobody_asked),
		WITH(relay__not_configured__remote),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
