/*
 * The table of room versions. Each row is written on top of the one before it by a chain of macros, as
 * the specification does it ("builds on version N"): a version's lines are what it changed.
 */
#include "matrix/room_version.h"

#define VERSION_3_TO_5(encoding) \
	.is_stable = true, .event_format = EVENT_FORMAT_V3, .event_id_encoding = (encoding), \
	.state_resolution = STATE_RES_V2, .special_aliases_auth = true, \
	.redaction_keeps_aliases = true

#define VERSION_6 \
	.is_stable = true, .event_format = EVENT_FORMAT_V3, .event_id_encoding = EVENT_ID_URL, \
	.strict_canonical_json = true, .enforces_key_validity = true, \
	.limits_notifications_power = true
#define VERSION_7 VERSION_6, .allows_knocking = true
#define VERSION_8 VERSION_7, .allows_restricted = true, .redaction_keeps_join_allow = true
#define VERSION_9 VERSION_8, .redaction_keeps_authorised_via = true
#define VERSION_10 VERSION_9, .allows_knock_restricted = true, .strict_power_levels = true
#define VERSION_11 \
	VERSION_10, .measures_keys_in_bytes = true, .creator_is_sender = true, \
				.redacts_in_content = true, .redaction_keeps_updated = true
#define VERSION_12 VERSION_11, .room_id_is_create_hash = true, .privileged_creators = true

static const struct room_version versions[] = {
	{
		.id = STR_INIT("1"),
		.is_stable = true,
		.event_format = EVENT_FORMAT_V1,
		.event_id_encoding = EVENT_ID_EXPLICIT,
		.state_resolution = STATE_RES_V1,
		.special_aliases_auth = true,
		.redaction_needs_power_or_origin = true,
		.redaction_keeps_aliases = true,
	},
	{
		.id = STR_INIT("2"),
		.is_stable = true,
		.event_format = EVENT_FORMAT_V1,
		.event_id_encoding = EVENT_ID_EXPLICIT,
		.state_resolution = STATE_RES_V2,
		.special_aliases_auth = true,
		.redaction_needs_power_or_origin = true,
		.redaction_keeps_aliases = true,
	},
	{.id = STR_INIT("3"), VERSION_3_TO_5(EVENT_ID_STANDARD)},
	{.id = STR_INIT("4"), VERSION_3_TO_5(EVENT_ID_URL)},
	{.id = STR_INIT("5"), VERSION_3_TO_5(EVENT_ID_URL), .enforces_key_validity = true},
	{.id = STR_INIT("6"), VERSION_6, .state_resolution = STATE_RES_V2},
	{.id = STR_INIT("7"), VERSION_7, .state_resolution = STATE_RES_V2},
	{.id = STR_INIT("8"), VERSION_8, .state_resolution = STATE_RES_V2},
	{.id = STR_INIT("9"), VERSION_9, .state_resolution = STATE_RES_V2},
	{.id = STR_INIT("10"), VERSION_10, .state_resolution = STATE_RES_V2},
	{.id = STR_INIT("11"), VERSION_11, .state_resolution = STATE_RES_V2},
	{.id = STR_INIT("12"), VERSION_12, .state_resolution = STATE_RES_V2_1},
};

const struct room_version *room_version_find(struct str id)
{
	for (size_t i = 0; i < COUNT_OF(versions); i++) {
		if (str_equals(versions[i].id, id)) {
			return &versions[i];
		}
	}
	return NULL;
}

const struct room_version *room_versions_all(size_t *out_count)
{
	*out_count = COUNT_OF(versions);
	return versions;
}
