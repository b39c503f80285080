/**
 * One-time keys as they are stored: many behind each other, in entries of one size, so that who wants the n-th reads it alone.
 *
 * What the device's owner and name say of a signed key is left out, and its key and signature are bytes; a key of any other form is the
 * text that it came as. Either way every byte comes back.
 */
#ifndef BELFRY_MATRIX_KEY_ENTRY_H
#define BELFRY_MATRIX_KEY_ENTRY_H

#include "base/arena.h"
#include "base/str.h"

/** The text of a signed key around its two values. */
struct key_frame {
	struct str head;
	struct str middle;
	struct str tail;
};
/** That of a device's keys. In the arena. */
struct key_frame key_frame_of(struct arena *arena, struct str user_id, struct str device_id);
/** The canonical JSON of a key that has nothing but these two, in which nothing has to be escaped. In the arena. */
struct str key_frame_text(struct arena *arena, const struct key_frame *frame, struct str key,
	struct str signature);

struct key_entry {
	struct str id;      /**< 1 to 255 bytes */
	struct str content; /**< key and signature, or the text */
	bool is_text;
};
/** @param text  canonical JSON, less than 64 KiB; the content may be borrowed from it, or lies in the arena */
struct key_entry key_entry_of(struct arena *arena, const struct key_frame *frame, struct str id,
	struct str text);
/**
 * The entry of a key that has nothing but these two, as key_entry_of() makes it of key_frame_text().
 * @return false unless they are a key and a signature as Base64 is written: then it has a text
 */
MUST_CHECK bool key_entry_of_pair(struct arena *arena, struct str id, struct str key,
	struct str signature, struct key_entry *out);
/** The text that it was made of: in the arena, or borrowed from the entry. */
struct str key_entry_text(struct arena *arena, const struct key_frame *frame,
	const struct key_entry *entry);
/** Whether two keys of one device have the same text, also where it stands in one of them and is made of the other. */
bool key_entry_has_same_text(struct arena *arena, const struct key_frame *frame,
	const struct key_entry *a, const struct key_entry *b);

/**
 * What ids are sorted by, byte by byte: each character of Base64 stands for the one of the same rank among them, and nothing else changes. Clients count
 * their keys and call them by the number in Base64, whose digits come after its letters: so that, of such ids too, none is in front of an older one.
 * In the arena; as long as the id, and another one for each.
 */
struct str key_id_rank(struct arena *arena, struct str id);

/** How many bytes an entry needs at least. */
size_t key_entry_bytes(const struct key_entry *entry);
/** Behind each other, sorted or not, each with as many bytes as the largest needs. In the arena. */
struct str key_entries_write(struct arena *arena, const struct key_entry *entries, size_t count);

/**
 * The n-th of `count` entries, borrowed.
 * @return false when they are not what key_entries_write() makes
 */
MUST_CHECK bool key_entries_read(struct str entries, size_t count, size_t n, struct key_entry *out);

#endif
