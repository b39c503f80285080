/**
 * Inside of event*.c and sign.c: the steps that parsing, building, hashing and signing share.
 */
#ifndef BELFRY_MATRIX_EVENT_INNER_H
#define BELFRY_MATRIX_EVENT_INNER_H

#include "base/crypto.h"
#include "matrix/event.h"

/** A shallow copy of the object without the keys; its `raw` is empty. */
struct json event_without(struct arena *arena, const struct json *object, const struct str *keys,
	size_t count);

/** What a signature and the reference hash cover: the redacted event without signatures, canonical. */
struct str event_essential_text(struct arena *arena, const struct room_version *version,
	const struct json *event);

/** The id that a reference hash gives; the version's ids must be hashes. */
struct event_id event_id_of_hash(struct arena *arena, const struct room_version *version,
	const unsigned char hash[SHA256_BYTES]);

/** Version 12: the room that this create event makes. */
struct room_id event_room_of_create(struct arena *arena, struct event_id create);

/** Whose event is checked: ours keep to the letter, others' to what servers have always let pass. */
enum event_maker {
	EVENT_OF_OURS,
	EVENT_OF_OTHERS,
	EVENT_OF_HISTORY, /**< others', of a time when previous and auth events were not counted */
};
/** Limits of type and state key, counts of references. */
MUST_CHECK struct verdict event_check_sizes(const struct event *event, enum event_maker maker);
/** Numbers and nesting of a whole event, or of content that stands `levels_above` levels deep. */
MUST_CHECK struct verdict event_check_values(const struct room_version *version,
	const struct json *value, size_t levels_above);
/** The verdict on an event of more than EVENT_MAX_BYTES. */
struct verdict event_too_large(void);

#endif
