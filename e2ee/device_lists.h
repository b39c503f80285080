/**
 * Whose keys changed, and who hears of it: `device_lists` of /sync, and /keys/changes.
 *
 * A change is one row, and one entry in memory with the rooms that the user is joined to; who shares a room is seen when a
 * sync asks. The memory holds the newest changes in order; a sync that begins before them asks the database.
 * Spec: client-server API, "Tracking the device list for a user", "Extensions to /sync"
 */
#ifndef BELFRY_E2EE_DEVICE_LISTS_H
#define BELFRY_E2EE_DEVICE_LISTS_H

#include "e2ee/e2ee.h"

/** Knows nothing before device_lists_forget() says from where on every change will be told here. */
struct device_lists *device_lists_create(void);
void device_lists_destroy(struct device_lists *lists);
/** Changes up to a position are looked up in the database from now on. */
void device_lists_forget(struct device_lists *lists, int64_t position);

/** Somebody's keys changed. */
struct list_change {
	struct str user_id;
	struct str
		seen_by; /**< the only user who can see it (a signature); empty: everybody who shares a room */
};

/**
 * Commits a write that changes keys, together with what it means for device lists, at one position; then wakes those concerned.
 * Waking grows with those who wait in the users' rooms.
 *
 * Errors: as writer_wait()
 * Cost: one commit; one round trip before it for a user who does not sync at present, or is of another server.
 */
MUST_CHECK enum err device_lists_commit(struct ctx *ctx, struct homeserver *hs, struct write *write,
	const struct list_change *changes, size_t count);

/** Devices of a user ended or got another name; the change is committed. Others are told; what fails is done by device_lists_settle(). */
void device_lists_devices_changed(struct ctx *ctx, struct homeserver *hs, struct str user_id);
/** Tells of all pending changes. Errors: STORE. */
MUST_CHECK enum err device_lists_settle(struct ctx *ctx, struct homeserver *hs);

/** What a user hears of. */
struct list_span {
	struct str user_id;
	struct user *user;
	const struct user_room *rooms; /**< of the user, in which something happened since */
	size_t room_n;
	int64_t since;
	int64_t up_to;
};
struct list_news {
	struct str *changed; /**< in the arena, sorted, each once */
	size_t changed_n;
	struct str *left;
	size_t left_n;
};
/**
 * Everything in (since, up_to]: keys that changed, users who came into a room that the user is in, everybody in a room that the
 * user came into; and those with whom no room is shared any more, because they left or the user did.
 *
 * Errors: STORE
 * Cost: nothing while nobody's keys or memberships changed; one round trip when somebody left.
 */
MUST_CHECK enum err device_lists_news(struct ctx *ctx, struct homeserver *hs,
	const struct list_span *span, struct list_news *out);

/** Whether keys changed after a position, anybody's. From memory. */
bool device_lists_has_more(const struct device_lists *lists, int64_t position);

#endif
