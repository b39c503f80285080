/*
 * A counter of the process, to which each text adds what came of it.
 */
#include "federation/held_text.h"

#include <stdatomic.h>

/* So many times the largest answer of all may be held at once. */
enum { LARGEST_ANSWERS = 2 };

void held_text_init(struct held_text *text, struct federation *federation, size_t ceiling_bytes)
{
	*text = (struct held_text){.federation = federation};
	buf_init(&text->body, ceiling_bytes);
}

void held_text_fini(struct held_text *text)
{
	buf_fini(&text->body);
	atomic_fetch_sub(&text->federation->held_bytes, text->charged_bytes);
	text->charged_bytes = 0;
}

enum err held_text_add(struct held_text *text, struct str piece)
{
	struct federation *federation = text->federation;
	int64_t budget_bytes =
		LARGEST_ANSWERS * (int64_t)federation->hs->settings.federation.max_join_answer_bytes;
	int64_t bytes = (int64_t)piece.n;
	int64_t others = atomic_fetch_add(&federation->held_bytes, bytes) - text->charged_bytes;
	text->charged_bytes += bytes;
	text->is_over_budget = others > 0 && others + text->charged_bytes > budget_bytes;
	buf_add(&text->body, piece);
	return text->is_over_budget || !buf_ok(&text->body) ? ERR_LIMIT : ERR_OK;
}
