/**
 * Mails as text: what goes over the wire (RFC 5322, MIME), and mail addresses. Pure.
 *
 * Whatever the texts contain, no header, part or recipient comes to be that was not asked for: headers with anything but
 * printable ASCII are encoded words (RFC 2047), bodies are base64.
 */
#ifndef BELFRY_HTTP_MAIL_TEXT_H
#define BELFRY_HTTP_MAIL_TEXT_H

#include "base/buf.h"

enum { MAIL_ADDRESS_MAX_BYTES = 254 };

struct mail {
	struct str to; /**< one address */
	struct str subject;
	struct str text; /**< plain; UTF-8, lines end with \n */
	struct str html; /**< the same as a page; empty: none */
	struct str id;   /**< [A-Za-z0-9]+, unique: of Message-ID; the same when it is sent again */
	int64_t date_ms; /**< wall clock */
	struct str unsubscribe_url; /**< for List-Unsubscribe, by one click (RFC 8058); empty: none */
};

/**
 * Whether a text is an address that a mail can be sent to: local@domain of printable ASCII, at most 254 bytes, without
 * quotes, brackets, comments and spaces.
 */
bool mail_address_is_valid(struct str address);

/** "School <school@example.org>" or a plain address. @return false when it is neither */
MUST_CHECK bool mail_mailbox_parse(struct str text, struct str *out_name, struct str *out_address);

/** The whole mail, lines ending with \r\n. `from` is a mailbox that parses; `mail` is valid (addresses, id). */
void mail_write(struct buf *out, struct str from, const struct mail *mail);

#endif
