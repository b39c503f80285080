/**
 * A notice as a mail, for who has no client. Pure.
 */
#ifndef BELFRY_NOTICES_NOTICE_MAIL_H
#define BELFRY_NOTICES_NOTICE_MAIL_H

#include "http/mail_text.h"

struct notice_mail {
	struct str sender; /**< name as shown */
	struct str server_name;
	struct str
		text; /**< of the notice; empty: it is not told by mail, since its room is encrypted */
	struct str html; /**< the same, safe as it is */
	struct str link; /**< to confirm */
};

/** Subject, text and page, in Chinese and English around the notice; in the arena. */
void notice_mail_write(struct arena *arena, const struct notice_mail *content, struct mail *out);
/** Of a transaction key: always the same. In the arena. */
struct str notice_mail_id(struct arena *arena, struct str txn_key);

#endif
