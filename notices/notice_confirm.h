/**
 * The link by which somebody confirms to have seen a notice, for mails: signed for one occurrence and person.
 *
 * Nothing is stored for a link. Programs that look at mails open what they find there, so opening it shows a page, and only the
 * page's button confirms. It is good as long as the notice is there; confirming again changes nothing.
 */
#ifndef BELFRY_NOTICES_NOTICE_CONFIRM_H
#define BELFRY_NOTICES_NOTICE_CONFIRM_H

#include "homeserver/homeserver.h"
#include "http/route.h"

#define NOTICE_CONFIRM_PATH "/_belfry/notices/confirm/"

/** What a link stands for. */
struct notice_link {
	int64_t notice_id;
	int64_t due_at_ms; /**< of the occurrence */
	struct str user_id;
};

/** The whole address, in the arena; needs public_base_url. */
struct str notice_link_make(struct arena *arena, const struct homeserver *hs,
	const struct notice_link *link);

/** call->service is the struct homeserver. */
extern const struct route notice_confirm_routes[];
extern const size_t notice_confirm_route_count;

#endif
