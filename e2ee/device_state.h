/**
 * What each syncing device has left of keys, and whether there are messages for it: kept in memory, so that a sync with nothing
 * new asks nobody.
 */
#ifndef BELFRY_E2EE_DEVICE_STATE_H
#define BELFRY_E2EE_DEVICE_STATE_H

#include "e2ee/e2ee.h"
#include "storage/one_time_key.h"

struct device_states *device_states_create(struct homeserver *hs);
void device_states_destroy(struct device_states *states);
/** All devices leave the memory; they are read anew by whoever asks next. */
void device_states_forget(struct device_states *states);

/** The same of a user's devices. Cost: a look at each entry. */
void device_states_forget_user(struct device_states *states, struct str user_id);

struct device_state {
	struct str one_time_counts;  /**< JSON object: algorithm → unclaimed one-time keys */
	struct str unused_fallbacks; /**< JSON array of algorithms */
	int64_t newest_message;      /**< position; 0: none */
};
/** In the arena. One round trip when it is not known. Errors: STORE. */
MUST_CHECK enum err device_state_get(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str device_id, struct device_state *out);
/** Position of the newest message; 0 when there is none, INT64_MAX when the device is not in memory. */
int64_t device_state_newest_message(struct device_states *states, struct str user_id,
	struct str device_id);

/** Keys were added or claimed: what is left is read anew when somebody asks. After the commit. */
void device_state_keys_changed(struct device_states *states, struct str user_id,
	struct str device_id);
/** How often keys were changed so far, of a device in memory. */
uint64_t device_state_changes(struct device_states *states, struct str user_id,
	struct str device_id);
/**
 * Keys were added, after which so many are left. After the commit.
 * @param changes  device_state_changes() from before the keys were counted; with another number they are read anew when somebody asks
 * @return         the counts as a JSON object, in the arena
 */
struct str device_state_keys_added(struct device_states *states, struct arena *arena,
	struct str user_id, struct str device_id, const struct keys_added *added, uint64_t changes);

/**
 * The device's signing key when it was read last, in the arena; p == NULL: not known. It may be another one by now, so that what is done because of it
 * has to name it (store_one_time_key_add()).
 */
struct str device_state_identity(struct device_states *states, struct arena *arena,
	struct str user_id, struct str device_id);
void device_state_identity_read(struct device_states *states, struct str user_id,
	struct str device_id, struct str ed25519);

/** A message was committed. Writer's thread. */
void device_state_message_committed(struct device_states *states, struct str user_id,
	struct str device_id, int64_t position);
/** No message up to a position is left. */
void device_state_messages_gone(struct device_states *states, struct str user_id,
	struct str device_id, int64_t up_to);

/** Puts away what nobody asked for since a time (monotonic). */
void device_states_tidy(struct device_states *states, int64_t before_ms);

#endif
