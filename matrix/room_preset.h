/**
 * The presets of createRoom, as data.
 * Spec: client-server API, createRoom
 */
#ifndef BELFRY_MATRIX_ROOM_PRESET_H
#define BELFRY_MATRIX_ROOM_PRESET_H

#include "base/str.h"

struct room_preset {
	struct str name;
	struct str join_rule;
	struct str history_visibility;
	struct str guest_access;
	int64_t invite_level;     /**< power needed to invite */
	bool invitees_are_equals; /**< invitees get the creator's power, or become creators */
};

/** The row of a preset, or NULL when unknown. Static. */
const struct room_preset *room_preset_find(struct str name);

/**
 * What is taken when the client names none: public_chat for a published room, else private_chat.
 */
const struct room_preset *room_preset_default(bool is_published);

#endif
