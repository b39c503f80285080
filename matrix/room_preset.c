/*
 * One row a preset. The level for inviting is not in the specification's table: everybody may
 * invite to private rooms, as homeservers do, and moderators to public ones.
 */
#include "matrix/room_preset.h"

#include "base/defs.h"

static const struct room_preset presets[] = {
	{STR_INIT("private_chat"), STR_INIT("invite"), STR_INIT("shared"), STR_INIT("can_join"), 0,
		false},
	{STR_INIT("trusted_private_chat"), STR_INIT("invite"), STR_INIT("shared"), STR_INIT("can_join"),
		0, true},
	{STR_INIT("public_chat"), STR_INIT("public"), STR_INIT("shared"), STR_INIT("forbidden"), 50,
		false},
};

const struct room_preset *room_preset_find(struct str name)
{
	for (size_t i = 0; i < COUNT_OF(presets); i++) {
		if (str_equals(presets[i].name, name)) {
			return &presets[i];
		}
	}
	return NULL;
}

const struct room_preset *room_preset_default(bool is_published)
{
	return room_preset_find(is_published ? STR("public_chat") : STR("private_chat"));
}
