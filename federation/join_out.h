/**
 * Our users coming into rooms in which this server is not (or cannot let them in): the port's join, knock and leave, and where an alias of
 * another server leads.
 * Spec: server-server API, "Joining Rooms", "Restricted rooms", "Knocking upon a room", "Leaving Rooms (Rejecting Invites)"
 */
#ifndef BELFRY_FEDERATION_JOIN_OUT_H
#define BELFRY_FEDERATION_JOIN_OUT_H

#include "federation/federation.h"

/** Which rooms are being joined now. */
struct joins;

struct joins *joins_create(void);
/** Who waits for another's join goes on, with SHUTDOWN. */
void joins_stop(struct joins *joins);
void joins_destroy(struct joins *joins);

/** See struct membership_port; `self` is the federation. */
MUST_CHECK enum err join_out(void *self, struct ctx *ctx, const struct membership_wish *wish);
MUST_CHECK enum err knock_out(void *self, struct ctx *ctx, const struct membership_wish *wish);
MUST_CHECK enum err leave_out(void *self, struct ctx *ctx, const struct membership_wish *wish);
MUST_CHECK enum err alias_out(void *self, struct ctx *ctx, struct room_alias alias,
	struct str *out_room_id, struct server_name **out_servers, size_t *out_count);

#endif
