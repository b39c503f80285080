/*
 * Others may keep our keys for a day. A new key is in use from a start on, and published from then on: whoever has the old
 * answer does not know it and asks.
 */
#include "federation/own_keys.h"

static const int64_t validity_ms = INT64_C(24) * 3600 * 1000;

struct str own_keys_answer(struct arena *arena, const struct homeserver *hs)
{
	int64_t valid_until_ms = clock_wall_ms(&hs->clock) + validity_ms;
	return server_keys_build(arena, &hs->signer, valid_until_ms, hs->old_keys, hs->old_key_count);
}
