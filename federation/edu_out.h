/**
 * EDUs to other servers that are worth something only now: typing, receipts, presence. They are kept in memory, a newer one takes the place
 * of an older one, and go when a destination cannot be reached.
 * Spec: server-server API, "Typing Notifications", "Receipts", "Presence"
 */
#ifndef BELFRY_FEDERATION_EDU_OUT_H
#define BELFRY_FEDERATION_EDU_OUT_H

#include "base/json_out.h"
#include "storage/outbox.h"

enum edu_note_kind { EDU_NOTE_TYPING, EDU_NOTE_RECEIPT, EDU_NOTE_PRESENCE };

/** One thing to tell; shared by all destinations that are told it. Immutable, counted. */
struct edu_note;

/**
 * m.typing. With one reference, which is the caller's. Copies what it is given; so do the others.
 * Spec: server-server API, "Typing Notifications"
 */
struct edu_note *edu_note_typing(struct str room_id, struct str user_id, bool is_typing);
/**
 * m.receipt, of one user and room.
 * Spec: server-server API, "Receipts"
 */
struct edu_note *edu_note_receipt(const struct outbox_receipt *receipt);
/** @param entry  JSON object: an entry of `push` */
struct edu_note *edu_note_presence(struct str user_id, struct str entry);
void edu_note_ref(struct edu_note *note);
void edu_note_unref(struct edu_note *note);
/** Whether a newer note takes the place of an older one. */
bool edu_note_replaces(const struct edu_note *note, const struct edu_note *older);

/** How many of the notes, from the first one on, fit into a number of EDUs. Cost: the square of the number of receipts. */
size_t edu_notes_that_fit(struct edu_note *const *notes, size_t count, size_t edus);
/**
 * Writes notes as EDUs, values only: each typing one; receipts together, as far as one EDU can hold them (a user has one place in
 * a room, so threads need further ones); presence together.
 * @return how many EDUs     Cost: the square of the number of receipts
 */
size_t edu_notes_write(struct arena *arena, struct json_out *out, struct edu_note *const *notes,
	size_t count);

#endif
