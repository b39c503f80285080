/**
 * What a client of sliding sync wants of a room: as many events of its timeline, and entries of its state. Lists and subscriptions have one
 * each; of a room that several want it is what they want together.
 * Spec: MSC4186, "Room results", as clients write it under /unstable/org.matrix.simplified_msc3575
 */
#ifndef BELFRY_MATRIX_SLIDING_CONFIG_H
#define BELFRY_MATRIX_SLIDING_CONFIG_H

#include "base/json.h"
#include "matrix/field_error.h"

enum {
	SLIDING_TIMELINE_MAX = 100, /**< more are not given; as of a filter */
	SLIDING_ENTRIES_MAX = 200,  /**< of one required_state */
};

/** Which entries of the state; "*" in either stands for all. */
struct sliding_entry {
	struct str type;
	struct str state_key;
};

struct sliding_config {
	int64_t timeline_limit; /**< 0 to SLIDING_TIMELINE_MAX */
	/** Sorted by type and key, each once, none that another one covers. */
	const struct sliding_entry *entries;
	size_t entry_n;
	/** Members: whose events are in the timeline, and who changed ("$LAZY"); false where all members are wanted. */
	bool loads_lazily;
};

/**
 * Reads `timeline_limit` (greater ones are cut) and `required_state` (pairs of type and state key) of a list or a subscription; the rest of the object is not looked at. What
 * is missing is 0 and empty. An entry whose texts are longer than those of any event is left out.
 *
 * @param object   lives as long as the config
 * @param user_id  what "$ME" stands for as a state key
 * @return false: `out_error` names the field. Errors: M_BAD_JSON for wrong types and forms, M_INVALID_PARAM for a negative limit, M_TOO_LARGE for too many entries
 */
MUST_CHECK bool sliding_config_read(struct arena *arena, const struct json *object,
	struct str user_id, struct sliding_config *out, struct field_error *out_error);

/** What all of them want together: the greatest limit, all entries. In the arena; texts are shared. Cost: O(n log n) in all entries */
struct sliding_config sliding_config_join(struct arena *arena,
	const struct sliding_config *const *configs, size_t count);
/** A copy with its texts, in the arena. */
struct sliding_config sliding_config_dup(struct arena *arena, const struct sliding_config *config);

/** Whether an entry of the state is wanted, lazily loaded members not counted. */
bool sliding_config_wants(const struct sliding_config *config, struct str type,
	struct str state_key);
/** Whether all members are wanted, ("m.room.member", "*") or more: then none is loaded lazily. */
bool sliding_config_wants_members(const struct sliding_config *config);

/** An order of them, for sorting and searching: <0, 0 when both want the same, >0. */
int sliding_config_compare(const struct sliding_config *a, const struct sliding_config *b);
/** Whether what was read from elsewhere is as struct sliding_config says. */
bool sliding_config_is_well_formed(const struct sliding_config *config);

#endif
