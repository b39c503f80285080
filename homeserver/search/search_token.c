/*
 * "<group>.<up_to>.<now>.<rank>.<position>.<total>[.<value>]", group a, r or s; the value as base64url. It grants nothing: what the reader
 * may see is found anew for each page.
 */
#include "homeserver/search/search.h"

#include "base/b64.h"

static const char group_letters[] = {'a', 'r', 's'};

struct str search_token_text(struct arena *arena, const struct search_token *token)
{
	struct str numbers = str_printf(arena, "%c.%lld.%lld.%lld.%lld.%lld",
		group_letters[token->group], (long long)token->up_to, (long long)token->now_ms,
		(long long)token->last_rank, (long long)token->last_position, (long long)token->total);
	if (token->group == SEARCH_GROUP_NONE) {
		return numbers;
	}
	struct str value = b64_encode_url(arena, token->group_value);
	return str_printf(arena, "%.*s.%.*s", STR_ARG(numbers), STR_ARG(value));
}

static bool read_group(struct str letter, enum search_group *out)
{
	for (size_t i = 0; i < COUNT_OF(group_letters); i++) {
		if (letter.n == 1 && letter.p[0] == group_letters[i]) {
			*out = (enum search_group)i;
			return true;
		}
	}
	return false;
}

static bool read_token(struct arena *arena, struct str text, struct search_token *out)
{
	int64_t *numbers[] = {&out->up_to, &out->now_ms, &out->last_rank, &out->last_position,
		&out->total};
	struct str head;
	struct str rest;
	if (!str_split(text, '.', &head, &rest) || !read_group(head, &out->group)) {
		return false;
	}
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		bool is_last = i + 1 == COUNT_OF(numbers) && out->group == SEARCH_GROUP_NONE;
		head = rest;
		if ((!is_last && !str_split(rest, '.', &head, &rest)) ||
			!str_to_int(head, 0, INT64_MAX, numbers[i])) {
			return false;
		}
	}
	return out->group == SEARCH_GROUP_NONE || b64_decode(arena, rest, &out->group_value);
}

enum err search_token_read(struct ctx *ctx, const struct homeserver *hs, struct str text,
	struct search_token *out)
{
	*out = (struct search_token){0};
	if (!read_token(ctx->arena, text, out) || out->up_to > writer_position(hs->writer)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "next_batch is not from an earlier search");
	}
	return ERR_OK;
}
