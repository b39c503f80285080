/**
 * What a room becomes when it is upgraded: the contents of the new room's first events and of the old one's last.
 * Spec: client-server API, "Room Upgrades"
 */
#ifndef BELFRY_MATRIX_ROOM_UPGRADE_H
#define BELFRY_MATRIX_ROOM_UPGRADE_H

#include "matrix/event.h"

/** The old room, and what is wanted. */
struct upgrade_facts {
	const struct room_version *from;
	const struct room_version *to;
	struct user_id user; /**< who upgrades: creates the new room */
	struct str room_id;
	struct str last_event_id;               /**< of the timeline */
	const struct json *additional_creators; /**< array; NULL: none; ignored where `to` has none */
	const struct event *create;
	const struct event *power_levels; /**< NULL: the room has none */
	const struct event *const *state; /**< current state for which upgrade_transfers() */
	size_t state_count;
	const struct event *const *bans; /**< who is banned; has no power in the new room */
	size_t ban_count;
	const struct str *aliases; /**< those that move to the new room */
	size_t alias_count;
};

/** Contents; views of the facts and of the arena. */
struct upgrade_plan {
	struct json creation_content; /**< with `predecessor`; for room_wish */
	struct json initial_state;    /**< for room_wish */
	struct json power_begin; /**< power levels with which the creator may do all that follows */
	struct json power_end;   /**< and those that remain */
	bool has_power_end;      /**< they differ */
	struct json tombstone;   /**< of the old room, without `replacement_room` */
	struct json old_power;   /**< of the old room: nobody talks there by accident */
	bool has_old_power;      /**< they differ from those in force */
	struct json old_alias;   /**< of the old room: canonical alias that names none */
	bool has_old_alias;
};

/** Whether an entry of the old room's state is copied; bans are, besides. */
bool upgrade_transfers(struct str type, struct str state_key);

/**
 * What to write into the old room and the new one. In the arena; borrows the facts. Pure.
 * Spec: client-server API, "Room Upgrades", "Server behaviour"
 */
void upgrade_plan_make(struct arena *arena, const struct upgrade_facts *facts,
	struct upgrade_plan *out);

#endif
