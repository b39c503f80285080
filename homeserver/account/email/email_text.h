/**
 * What mails about addresses say, in Chinese and in English. Pure.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_EMAIL_EMAIL_TEXT_H
#define BELFRY_HOMESERVER_ACCOUNT_EMAIL_EMAIL_TEXT_H

#include "http/mail_text.h"
#include "storage/email_validation.h"

enum email_kind {
	EMAIL_KIND_LINK,    /**< with a link to confirm */
	EMAIL_KIND_PAGE,    /**< with a link to the page on which it goes on */
	EMAIL_KIND_IN_USE,  /**< there is an account with this address already */
	EMAIL_KIND_UNKNOWN, /**< there is no account with this address */
};

/**
 * Subject and text of a mail.
 * @param link  of EMAIL_KIND_LINK and EMAIL_KIND_PAGE
 * @param out   subject and text, in the arena
 */
void email_text_write(struct arena *arena, enum email_kind kind, enum email_purpose purpose,
	struct str server_name, struct str link, struct mail *out);

#endif
