/**
 * Filters: which events a client wants, and which parts of them.
 * Spec: client-server API, "Filtering"; definitions sync_filter, room_event_filter, event_filter
 */
#ifndef BELFRY_MATRIX_FILTER_H
#define BELFRY_MATRIX_FILTER_H

#include "base/json.h"
#include "matrix/event.h"
#include "matrix/field_error.h"
#include "matrix/property_path.h"
#include "matrix/str_set.h"

enum {
	FILTER_MAX_BYTES = 65536,  /**< of a definition's JSON; checked by the caller */
	FILTER_DEFAULT_LIMIT = 10, /**< events */
	FILTER_MAX_LIMIT = 100,
};

/**
 * A list of a filter. One that was not given lets everything pass; an empty `types` lets nothing.
 */
struct filter_list {
	bool is_given;
	struct str_set exact;
	const struct str *patterns; /**< event types with `*` */
	size_t pattern_count;
};

enum filter_url { FILTER_URL_ANY, FILTER_URL_ONLY, FILTER_URL_NONE };

/** EventFilter and RoomEventFilter; of the former the room fields are never given. */
struct event_filter {
	bool
		allows_all; /**< nothing below but `limit` and the switches is set: no event need be asked about */
	struct filter_list types, not_types;
	struct filter_list senders, not_senders;
	struct filter_list rooms, not_rooms;
	/** Threads' own filters (MSC3440): not in the text of v1.19, but clients use them. */
	struct filter_list related_by_rel_types, related_by_senders;
	enum filter_url contains_url;
	int64_t limit;  /**< 0 to FILTER_MAX_LIMIT; FILTER_DEFAULT_LIMIT when not given */
	bool has_limit; /**< it was given */
	bool lazy_load_members;
	bool include_redundant_members;
	bool unread_thread_notifications;
};

/** A whole filter, as /sync uses it. */
struct filter {
	struct event_filter presence;
	struct event_filter account_data;
	struct filter_list rooms, not_rooms;
	bool include_leave;
	struct event_filter ephemeral, state, timeline, room_account_data; /**< under `room` */
	bool is_federation_format;
	const struct property_path *fields; /**< event_fields, sorted; none: all fields */
	size_t field_count;
};

/** The same for one section. */
void event_filter_init(struct event_filter *out);

/**
 * Reads and checks a filter's definition. Unknown members are ignored.
 *
 * @param definition  lives as long as the filter
 * @param out_error   written when it returns false: names the field
 * Errors: M_BAD_JSON for wrong types, ids without their sigil, a negative limit, an unknown
 * event_format
 */
MUST_CHECK bool filter_parse(struct arena *arena, const struct json *definition, struct filter *out,
	struct field_error *out_error);

/** The same for the RoomEventFilter of /messages, /context and /search. */
MUST_CHECK bool event_filter_parse(struct arena *arena, const struct json *definition,
	struct event_filter *out, struct field_error *out_error);

/** Whether the filter's `room` section wants the room at all. */
bool filter_allows_room(const struct filter *filter, struct str room_id);

/** Single questions, for what has no other property (account data, receipts, presence). */
bool event_filter_allows_type(const struct event_filter *filter, struct str type);
bool event_filter_allows_sender(const struct event_filter *filter, struct str sender);
bool event_filter_allows_room(const struct event_filter *filter, struct str room_id);

/** An event that relates to the one asked about. */
struct filter_relation {
	struct str rel_type;
	struct str sender;
};

/** What a filter looks at. */
struct filter_facts {
	struct str type;
	struct str sender;
	struct str room_id;                      /**< p == NULL: the rooms were checked before */
	const struct json *content;              /**< needed when contains_url is not FILTER_URL_ANY */
	const struct filter_relation *relations; /**< needed when related_by_… is given */
	size_t relation_count;
};

/** What there is to look at in an event itself. @param room_id  as in the struct */
struct filter_facts filter_facts_of(const struct event *event, struct str room_id);

/** Whether the event passes. Cost: O(patterns + log(list)). */
bool filter_allows_event(const struct event_filter *filter, const struct filter_facts *facts);

/** Whether filter_allows_event() needs `relations`. */
bool event_filter_asks_relations(const struct event_filter *filter);

/**
 * The event with only the members that event_fields names; the event itself when it names none.
 *
 * @param event  client form, parsed
 * @return       in the arena; shares values with `event`
 * Cost: O(members visited × log(fields))
 */
struct json filter_project(struct arena *arena, const struct filter *filter,
	const struct json *event);

#endif
