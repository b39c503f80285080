/**
 * `device_lists` of a transaction: users whose keys changed, or who share a room with users of the service now; and those who share none any
 * more. As /sync tells its users (e2ee/device_list_news.c).
 * Spec: MSC3202; client-server API, "Tracking the device list for a user"
 */
#ifndef BELFRY_APPSERVICES_AS_DEVICE_LISTS_H
#define BELFRY_APPSERVICES_AS_DEVICE_LISTS_H

#include "appservices/as_transaction.h"

/** Whether it may tell of as many users as a room has. */
bool as_news_is_crowd(const struct appservice_news *news);

/**
 * Writes it, if the draft's news up to draft->up_to say anything of it.
 *
 * @param count  grows by the users that are named
 * Errors: STORE. Cost: none without such news; else one round trip for changes of keys, one for memberships, and for every 500 users who left
 * a room two more, and what is not in memory of the rooms where they still are
 */
MUST_CHECK enum err as_device_lists_write(struct ctx *ctx, struct homeserver *hs,
	const struct as_draft *draft, struct json_out *out, size_t *count);

#endif
