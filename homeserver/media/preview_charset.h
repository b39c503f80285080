/**
 * Web pages into UTF-8: schools have pages in Big5 too.
 */
#ifndef BELFRY_HOMESERVER_MEDIA_PREVIEW_CHARSET_H
#define BELFRY_HOMESERVER_MEDIA_PREVIEW_CHARSET_H

#include "base/arena.h"
#include "base/str.h"

/**
 * @param page          bytes as received; may end in the middle of a character
 * @param content_type  of the answer, which may name the charset; p == NULL: none
 * @return              valid UTF-8 in the arena; what cannot be read is U+FFFD
 *
 * In this order: what the answer says, a byte-order mark, what the page says in its first KiB; otherwise UTF-8 if it is
 * that, else Windows-1252.
 */
struct str preview_to_utf8(struct arena *arena, struct str page, struct str content_type);

#endif
