/**
 * Room versions as data: one row per version says which formats, rules and limits hold. No other file
 * compares version numbers.
 * Spec: rooms/v1 … rooms/v12
 */
#ifndef BELFRY_MATRIX_ROOM_VERSION_H
#define BELFRY_MATRIX_ROOM_VERSION_H

#include "base/str.h"

enum event_format {
	EVENT_FORMAT_V1, /**< event_id in the event; [id, hashes] pairs in auth_events and prev_events */
	EVENT_FORMAT_V3, /**< id is the reference hash; plain ids */
};

enum event_id_encoding {
	EVENT_ID_EXPLICIT, /**< $opaque:server, versions 1 and 2 */
	EVENT_ID_STANDARD, /**< unpadded standard base64, version 3 */
	EVENT_ID_URL,      /**< unpadded URL-safe base64, versions 4 and later */
};

enum state_resolution {
	STATE_RES_V1,
	STATE_RES_V2,
	STATE_RES_V2_1, /**< version 12 */
};

struct room_version {
	struct str id; /**< "1" … "12" */
	bool is_stable;
	enum event_format event_format;
	enum event_id_encoding event_id_encoding;
	enum state_resolution state_resolution;
	bool strict_canonical_json;      /**< ≥ 6: integers in ±(2^53−1), no floats */
	bool enforces_key_validity;      /**< ≥ 5: signing keys' valid_until_ts counts */
	bool special_aliases_auth;       /**< 1–5: rule 4 on m.room.aliases */
	bool limits_notifications_power; /**< ≥ 6: changes of `notifications` are checked */
	/** 1, 2: redactions are authorised by an auth rule of their own. */
	bool redaction_needs_power_or_origin;
	bool allows_knocking;         /**< ≥ 7 */
	bool allows_restricted;       /**< ≥ 8 */
	bool allows_knock_restricted; /**< ≥ 10 */
	bool strict_power_levels;     /**< ≥ 10: power levels are integers, not strings */
	/** ≥ 11: type and state key of others' events are measured in bytes; before, servers went by code points. */
	bool measures_keys_in_bytes;
	bool creator_is_sender;              /**< ≥ 11: content.creator is gone */
	bool redacts_in_content;             /**< ≥ 11: m.room.redaction's `redacts` is in content */
	bool redaction_keeps_updated;        /**< ≥ 11: redaction algorithm of MSC2176/3821 */
	bool redaction_keeps_aliases;        /**< 1–5 */
	bool redaction_keeps_join_allow;     /**< ≥ 8 */
	bool redaction_keeps_authorised_via; /**< ≥ 9 */
	/** ≥ 12: the room id derives from the create event, which is not in auth_events. */
	bool room_id_is_create_hash;
	bool privileged_creators; /**< ≥ 12: creators have infinite power; additional_creators */
};

/** The row of a version, or NULL when unknown. Static. */
const struct room_version *room_version_find(struct str id);

/** All known versions, in order. */
const struct room_version *room_versions_all(size_t *out_count);

#endif
