/**
 * Devices: the face of the domain.
 * Spec: client-server API, "Device Management"
 */
#ifndef BELFRY_HOMESERVER_DEVICE_DEVICE_H
#define BELFRY_HOMESERVER_DEVICE_DEVICE_H

#include "homeserver/homeserver.h"
#include "storage/device.h"

/** All devices of a user, the oldest first; last_seen as of now. Errors: STORE. */
MUST_CHECK enum err devices_list(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct device_row **out, size_t *out_count);
/**
 * The same of whoever `who` may look at: themselves or, for administrators, anybody.
 * Errors: DENIED M_FORBIDDEN (before anything is looked up); MISSING M_NOT_FOUND; STORE     Cost: two round trips.
 */
MUST_CHECK enum err devices_of(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str user_id, struct device_row **out, size_t *out_count);
/** Errors: MISSING M_NOT_FOUND; STORE. */
MUST_CHECK enum err devices_find(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str device_id, struct device_row *out);
/** @param display_name  p == NULL: stays. Errors: MISSING M_NOT_FOUND; INPUT M_TOO_LARGE, M_INVALID_PARAM; STORE. */
MUST_CHECK enum err devices_rename(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str device_id, struct str display_name);
/**
 * Makes a device without tokens, as application services may; one that is there gets the name, if there is one.
 * @param row      id, name (p == NULL: none) and address count
 * @param out_new  whether it was not there
 * Errors: INPUT M_INVALID_PARAM, M_TOO_LARGE; STORE     Cost: two round trips, or a transaction more.
 */
MUST_CHECK enum err devices_make(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct device_row *row, bool *out_new);
/** Ends those of the devices that there are, with their sessions. Errors: STORE. */
MUST_CHECK enum err devices_delete(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct str *device_ids, size_t count);

#endif
