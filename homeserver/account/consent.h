/**
 * Consent: users who have not accepted the newest terms read, but do not act.
 *
 * Where terms.enforced_from is set, a session knows whether its user lacks one of the policies; routes marked as acting
 * (AUTH_USER_ACTS, AUTH_GUEST_ACTS) refuse them with a link at which they can be accepted. All else stays open: log-in, syncs,
 * history, leaving, reports, log-out, deactivation. The link is signed for one user and the policies as they are now, so it is
 * good for nothing else, and for nothing once they change. Who does not accept may take back what they have said: of
 * AUTH_USER_RETRACTS routes the handler refuses the rest.
 *
 * Guests are asked as everybody is who acts. Application services, and users in whose name they ask or whom they have
 * for themselves, are not, nor is the user of the server notices.
 */
#ifndef BELFRY_HOMESERVER_ACCOUNT_CONSENT_H
#define BELFRY_HOMESERVER_ACCOUNT_CONSENT_H

#include "homeserver/homeserver.h"
#include "storage/terms.h"

/** Path of the page; the query has user and signature. */
#define CONSENT_PATH "/_matrix/client/belfry/terms"

/** What has to be accepted, in the arena; none where terms are not enforced. */
struct terms_versions consent_required(struct arena *arena, const struct settings *settings);
/**
 * Whether somebody of that id is asked at all: no user whom an application service has for itself, no sender of notices, and not who sends the server's
 * own. From memory.
 */
bool consent_is_asked_of(const struct settings *settings, const struct appservice_port *services,
	struct str user_id);

/**
 * Refuses a request that acts when its user lacks policies, once they are enforced. In the room for notices, where the user is
 * told, everything goes on.
 * @param room_id  in which; p == NULL: none
 * Errors: DENIED M_CONSENT_NOT_GIVEN with `consent_uri`.     Cost: nothing before that day; else a signature.
 */
MUST_CHECK enum err consent_require(struct ctx *ctx, const struct homeserver *hs,
	const struct principal *who, struct str room_id);

/**
 * Queues a server notice with the link for a user who lacks policies, unless there was one for these already.
 * One round trip where such notices are on. Errors: STORE.
 */
MUST_CHECK enum err consent_tell(struct ctx *ctx, const struct homeserver *hs, struct str user_id);

/** Whether the signature of a link is ours, for this user and the policies as they are now. */
MUST_CHECK bool consent_link_is_good(struct arena *arena, const struct homeserver *hs,
	struct str user_id, struct str signature);
/** Whether the user of a good link has to accept something. One round trip. Errors: STORE. */
MUST_CHECK enum err consent_is_lacking(struct ctx *ctx, const struct homeserver *hs,
	struct str user_id, bool *out);
/** Notes that the user of a good link accepts; sessions of this process know it at once. Errors: STORE. */
MUST_CHECK enum err consent_give(struct ctx *ctx, struct homeserver *hs, struct str user_id);

#endif
