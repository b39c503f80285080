/**
 * The text of an answer while it arrives, and until who asked for it takes it. How many wait for answers without a thread nobody limits, so all such
 * texts of the process together have a ceiling.
 */
#ifndef BELFRY_FEDERATION_HELD_TEXT_H
#define BELFRY_FEDERATION_HELD_TEXT_H

#include "base/buf.h"
#include "federation/federation.h"

/** Of one owner at a time: the HTTP client's thread until the answer has ended, then who waits for it. */
struct held_text {
	struct federation *federation;
	struct buf body;
	int64_t charged_bytes;
	bool is_over_budget; /**< it was refused for what others hold */
};

void held_text_init(struct held_text *text, struct federation *federation, size_t ceiling_bytes);
/** Also before it begins anew. */
void held_text_fini(struct held_text *text);

/** A piece that came. Errors: LIMIT (it is too large, or all are together; one alone is never refused) */
MUST_CHECK enum err held_text_add(struct held_text *text, struct str piece);

#endif
