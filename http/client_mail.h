/**
 * Mails, by the same thread and library as outgoing HTTP. Where to is the configuration's relay, whose address is not judged.
 */
#ifndef BELFRY_HTTP_CLIENT_MAIL_H
#define BELFRY_HTTP_CLIENT_MAIL_H

#include "http/client.h"
#include "http/mail_text.h"

/** Whether mails can be sent at all (mail.smtp_url, mail.from). */
bool mail_is_on(const struct http_client *client);

/**
 * Hands a mail to the relay and waits until it has taken it.
 *
 * Errors: INPUT (no valid address); DENIED (the relay will never deliver to that address); REMOTE (relay unreachable, no
 * TLS, log-in refused, another refusal; or no relay is configured); TIMEOUT; SHUTDOWN
 */
MUST_CHECK enum err mail_send(struct ctx *ctx, struct http_client *client, const struct mail *mail);

/** The same without waiting; `finished` as with http_client_start(). The mail is copied. */
void mail_start(struct http_client *client, const struct mail *mail, fetch_finished *finished,
	void *data);

#endif
