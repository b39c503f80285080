/*
 * Tokens are plain numbers: what they may show is decided where it is shown.
 */
#include "homeserver/timeline/token.h"

bool token_parse(struct str text, struct token *out)
{
	struct str position;
	struct str ephemeral;
	struct token token;
	if (text.n < 2 || text.p[0] != 's' ||
		!str_split(str_slice(text, 1, text.n), '_', &position, &ephemeral) ||
		!str_to_int(position, 0, INT64_MAX - 1, &token.position) ||
		!str_to_int(ephemeral, 0, INT64_MAX - 1, &token.ephemeral)) {
		return false;
	}
	*out = token;
	return true;
}

struct str token_text(struct arena *arena, struct token token)
{
	return str_printf(arena, "s%lld_%lld", (long long)token.position, (long long)token.ephemeral);
}

enum err token_read(struct ctx *ctx, const struct homeserver *hs, struct str text,
	struct token *out)
{
	struct token token;
	if (!token_parse(text, &token) || token.position > writer_position(hs->writer)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "Not a token of this server");
	}
	*out = token;
	return ERR_OK;
}
