/**
 * What is told of a room to those who are not in it: the directory, spaces, summaries.
 * Spec: client-server API, definitions room_summary, public_rooms_chunk
 */
#ifndef BELFRY_MATRIX_ROOM_SUMMARY_H
#define BELFRY_MATRIX_ROOM_SUMMARY_H

#include "base/json_out.h"
#include "matrix/id.h"

/** As the contents of the state say; texts view them, p == NULL: not set. */
struct room_summary {
	struct str name;
	struct str topic; /**< plain text */
	struct str canonical_alias;
	struct str avatar_url; /**< mxc:// */
	struct str join_rule;  /**< "invite" when there is none */
	struct str room_type;
	struct str encryption; /**< algorithm */
	bool is_world_readable;
	bool guest_can_join;
	const struct str *allowed_room_ids; /**< of restricted rooms */
	size_t allowed_count;
};

/** The types of state, all with an empty state key, that a summary is made from. */
enum { ROOM_SUMMARY_TYPES = 9 };
extern const struct str room_summary_types[ROOM_SUMMARY_TYPES];

/** Of a room without any state. */
void room_summary_init(struct room_summary *out);

/**
 * Takes in one state event's content; other types are ignored, malformed values count as not set.
 * @param content  object; lives as long as the summary
 */
void room_summary_take(struct arena *arena, struct room_summary *summary, struct str type,
	const struct json *content);

/** The plain text of a topic: of m.topic where it has one, else `topic`. p == NULL: none. */
struct str room_topic_plain(const struct json *content);

/** What another server says of a room. */
struct room_told {
	struct room_id room_id;
	int64_t joined_members;
	struct str room_version; /**< p == NULL: not told */
	struct room_summary content;
};
/**
 * Reads a chunk of another server; members that do not have their form count as not set. Texts view it.
 * @return false when it is no object with a room id
 */
MUST_CHECK bool room_summary_read(struct arena *arena, const struct json *chunk,
	struct room_told *out);

/** Writes the members of a chunk that are set; the caller writes room_id, num_joined_members and what else it knows. */
void room_summary_write(const struct room_summary *summary, struct json_out *out);

#endif
