/**
 * The keys of an invite by mail address or phone number.
 * Spec: client-server API, "Third-party invites"; rooms/v*, rule 5.4.1.7
 */
#ifndef BELFRY_MATRIX_AUTH_THIRD_PARTY_H
#define BELFRY_MATRIX_AUTH_THIRD_PARTY_H

#include "base/json.h"

/** As the m.room.third_party_invite has them; texts view it. */
struct third_party_key {
	struct str public_key;   /**< base64 */
	struct str validity_url; /**< p == NULL: it is valid for ever */
};

/**
 * The first key that has signed: of `public_key`, or of `public_keys`. A few dozen pairs of key and signature are tried, no more.
 * @param signed_object  `signed` of who redeems the invite
 * @param content        of the m.room.third_party_invite
 * @return false when none has
 */
MUST_CHECK bool third_party_key(struct arena *arena, const struct json *signed_object,
	const struct json *content, struct third_party_key *out);

#endif
