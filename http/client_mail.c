/*
 * One mail as libcurl carries it. STARTTLS is demanded unless the configuration lets go of it; the certificate must be
 * the relay's. The name that we greet with is the sender's domain.
 */
#include "http/client_mail.h"

#include "http/client_inner.h"

#include <string.h>

enum { TIMEOUT_MS = 60 * 1000, MAIL_CEILING_BYTES = 4 << 20 };

bool mail_is_on(const struct http_client *client)
{
	const struct mail_relay *relay = &client_config(client)->mail;
	return relay->url.n > 0 && relay->from.n > 0;
}

static size_t on_read(char *out, size_t size, size_t count, void *data)
{
	struct transfer *transfer = data;
	size_t n = MIN_OF(size * count, transfer->upload.n);
	memcpy(out, transfer->upload.p, n);
	transfer->upload = str_slice(transfer->upload, n, transfer->upload.n);
	return n;
}

/* What the relay says on the way is of no interest. */
static size_t on_ignored(char *bytes, size_t size, size_t count, void *data)
{
	(void)bytes;
	(void)data;
	return size * count;
}

static void set_relay(struct transfer *transfer, struct str domain)
{
	const struct mail_relay *relay = &client_config(transfer->client)->mail;
	struct arena *arena = transfer->arena;
	CURL *easy = transfer->easy;
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	(void)curl_easy_setopt(easy, CURLOPT_URL,
		arena_printf(arena, "%.*s%s%.*s", STR_ARG(relay->url),
			str_ends_with(relay->url, STR("/")) ? "" : "/", STR_ARG(domain)));
	(void)curl_easy_setopt(easy, CURLOPT_USE_SSL,
		(long)(relay->allows_cleartext ? CURLUSESSL_TRY : CURLUSESSL_ALL));
	if (relay->user.n > 0) {
		(void)curl_easy_setopt(easy, CURLOPT_USERNAME, str_cstr(arena, relay->user));
		(void)curl_easy_setopt(easy, CURLOPT_PASSWORD, str_cstr(arena, relay->password));
	}
}

static void set_mail(struct transfer *transfer, struct str from, const struct mail *mail)
{
	struct arena *arena = transfer->arena;
	CURL *easy = transfer->easy;
	buf_init(&transfer->body, MAIL_CEILING_BYTES);
	mail_write(&transfer->body, client_config(transfer->client)->mail.from, mail);
	transfer->upload = str_dup(arena, buf_str(&transfer->body));
	buf_clear(&transfer->body);
	transfer->headers = curl_slist_append(NULL, arena_printf(arena, "<%.*s>", STR_ARG(mail->to)));
	(void)curl_easy_setopt(easy, CURLOPT_MAIL_FROM, arena_printf(arena, "<%.*s>", STR_ARG(from)));
	(void)curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, transfer->headers);
	(void)curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
	(void)curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_ignored);
}

void mail_start(struct http_client *client, const struct mail *mail, fetch_finished *finished,
	void *data)
{
	struct transfer *transfer = transfer_new(client, TIMEOUT_MS);
	transfer->finished = finished;
	transfer->data = data;
	transfer->is_mail = true;
	struct str name;
	struct str from;
	bool is_on =
		mail_is_on(client) && mail_mailbox_parse(client_config(client)->mail.from, &name, &from);
	bool is_good = is_on && mail_address_is_valid(mail->to);
	if (is_good) {
		set_relay(transfer, str_slice(from, str_find_byte(from, '@') + 1, from.n));
		set_mail(transfer, from, mail);
		client_submit(client, transfer);
		return;
	}
	transfer_refuse(transfer, is_on ? ERR_INPUT : ERR_REMOTE,
		is_on ? "no address for mails" : "mail.smtp_url and mail.from are not set");
	transfer_end(transfer, CURLE_FAILED_INIT);
	transfer_destroy(transfer);
}

enum err mail_send(struct ctx *ctx, struct http_client *client, const struct mail *mail)
{
	struct client_waiter *waiter = client_waiter_new(ctx);
	mail_start(client, mail, client_wait_finished, waiter);
	struct fetched ignored;
	return client_wait(waiter, &ignored);
}
