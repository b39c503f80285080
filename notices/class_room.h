/**
 * The room of a class: made, and brought into the state that is wanted. Nothing is changed that is as it should be. Inner to notice_class.
 */
#ifndef BELFRY_NOTICES_CLASS_ROOM_H
#define BELFRY_NOTICES_CLASS_ROOM_H

#include "homeserver/homeserver.h"
#include "storage/notice_class.h"

/** Whether there is such a template. */
bool class_template_is_one(struct str name);

/** What came of it. */
struct class_room_end {
	struct str room_id;
	struct str *gone; /**< users that are not in it any more, as was wanted */
	size_t gone_count;
	struct str reason; /**< who or what could not be, and is not tried again; p == NULL: nothing */
};

/**
 * @param people  all of the class
 * @param out     in the ctx's arena
 * Errors: DENIED, INPUT (texts for people: it is somebody else's room, …); MISSING; STORE; TIMEOUT; SHUTDOWN
 */
MUST_CHECK enum err class_room_bring(struct ctx *ctx, struct homeserver *hs,
	const struct notice_class_row *class, const struct notice_class_person *people, size_t count,
	struct class_room_end *out);

#endif
