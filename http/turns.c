/*
 * A pause after each 32 turns in vain, longer each time: what is only slow loses next to nothing, what lasts costs no processor.
 */
#include "http/turns.h"

enum { VAIN_AT_ONCE = 32, LONGEST_PAUSE_MS = 64 };

void turns_note(struct turns *turns, bool is_wanted, bool has_happened)
{
	turns->in_vain = is_wanted && !has_happened ? turns->in_vain + 1 : 0;
}

int turns_pause_ms(const struct turns *turns, bool has_chunks)
{
	bool is_due = has_chunks && turns->in_vain > 0 && turns->in_vain % VAIN_AT_ONCE == 0;
	return is_due ? (int)MIN_OF(turns->in_vain / VAIN_AT_ONCE, LONGEST_PAUSE_MS) : 0;
}
