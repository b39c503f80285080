/*
 * Tokens of pagination: any text is refused, or is exactly what its token is written as.
 */
#include "homeserver/room/rooms.h"
#include "homeserver/timeline/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str text = str_from((const char *)data, size);
	struct token token;
	if (token_parse(text, &token)) {
		invariant((token.position < 0) == (text.p[0] == 'h') && token.ephemeral >= 0);
		invariant(token.position >= ROOM_OUTLIERS);
		invariant(str_equals(token_text(arena, token), text));
	}
	return 0;
}
