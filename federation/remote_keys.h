/**
 * Keys of other servers' users, for our users: the port of the encryption layer.
 * Spec: server-server API, "End-to-End Encryption"
 */
#ifndef BELFRY_FEDERATION_REMOTE_KEYS_H
#define BELFRY_FEDERATION_REMOTE_KEYS_H

#include "e2ee/e2ee.h"
#include "federation/federation.h"

/** Fills e2ee->remote.query and .claim; `self` of the port is the federation. */
void remote_keys_fill_port(struct federation *federation, struct e2ee *e2ee);

/**
 * What of a server's answer may be believed: keys of the users that were asked for, of the form that they have to have, signed by
 * whom they belong to; signatures by their owner only. Pure.
 * @param asked  object: user id → what was asked for
 * @return {"device_keys":…,"master_keys":…,"self_signing_keys":…}
 */
struct json remote_keys_check_query(struct arena *arena, const struct json *asked,
	const struct json *answer);
/** The same for claims: one key of the algorithm that was asked for, for each device. @return {"one_time_keys":…} */
struct json remote_keys_check_claim(struct arena *arena, const struct json *asked,
	const struct json *answer);

#endif
