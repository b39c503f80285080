/*
 * A token is random enough to be its own proof, so a plain hash keeps it.
 */
#include "notices/notice_token.h"

#include <inttypes.h>

#include "base/b64.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "homeserver/homeserver.h"
#include "http/route.h"
#include "matrix/errcode.h"
#include "notices/notices.h"

enum { TOKEN_CHARS = 40 };

static struct str hash_of(struct ctx *ctx, struct str token)
{
	unsigned char hash[SHA256_BYTES];
	crypto_sha256(token, hash);
	return str_dup(ctx->arena, str_from((const char *)hash, sizeof(hash)));
}

enum err notice_token_make(struct ctx *ctx, const struct account_desk *desk,
	const struct notice_token_wish *wish, struct str *out_token)
{
	struct notice_token_row row = {
		.name = wish->name,
		.created_at_ms = clock_wall_ms(&desk->clock),
		.is_hook = wish->is_hook,
		.is_signed = wish->is_signed,
	};
	int64_t token_id;
	struct str *whole = ARENA_NEW_ARRAY(ctx->arena, struct str, wish->target_count);
	TRY(notice_sender_find(ctx, desk, wish->sender, &row.sender));
	if (wish->target_count == 0 || wish->target_count > NOTICE_TARGETS_MAX ||
		row.name.n > NOTICE_NAME_MAX_BYTES || !utf8_is_valid(row.name)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"A token is for 1 to %d rooms, and its name has at most %d bytes",
			(int)NOTICE_TARGETS_MAX, (int)NOTICE_NAME_MAX_BYTES);
	}
	for (size_t i = 0; i < wish->target_count; i++) {
		TRY(notice_target_read(ctx, desk, wish->targets[i], &whole[i]));
	}
	row.targets = notice_words_write(ctx, whole, wish->target_count);
	*out_token = str_printf(ctx->arena, "%s_%.*s", wish->is_hook ? "bnh" : "bnt",
		STR_ARG(rng_text(&desk->rng, ctx->arena, TOKEN_CHARS)));
	return store_notice_token_insert(ctx, desk->db, hash_of(ctx, *out_token), &row, &token_id);
}

/* Whose token it is. Errors: DENIED 401 M_UNKNOWN_TOKEN; STORE. Cost: one round trip, so that a revoked one ends at once. */
static enum err check_token(struct ctx *ctx, struct db *db, struct str token, bool is_hook,
	struct notice_token_row *out)
{
	enum err err = token.n == 0
		? ERR_MISSING
		: store_notice_token_find(ctx, db, hash_of(ctx, token), is_hook, out);
	return err == ERR_MISSING
		? fail_status(ctx, ERR_DENIED, 401, M_UNKNOWN_TOKEN,
			  "This is no token for %s, or it was revoked", is_hook ? "a webhook" : "notices")
		: err;
}

enum err notice_token_revoke(struct ctx *ctx, struct db *db, int64_t token_id)
{
	enum err err = store_notice_token_delete(ctx, db, token_id);
	return err == ERR_MISSING
		? fail(ctx, err, M_NOT_FOUND, "There is no token %lld", (long long)token_id)
		: err;
}

bool notice_token_allows(const struct notice_token_row *token, struct str target)
{
	struct str rest = token->targets;
	while (rest.n > 0) {
		struct str word;
		(void)str_split(rest, ' ', &word, &rest);
		if (str_equals(word, target)) {
			return true;
		}
	}
	return false;
}

struct str notice_hook_secret(struct arena *arena, const unsigned char key[SEAL_KEY_BYTES],
	struct str token)
{
	unsigned char secret[SHA256_BYTES];
	struct str text = str_printf(arena, "notice hook %.*s", STR_ARG(token));
	crypto_hmac_sha256(str_from((const char *)key, SEAL_KEY_BYTES), text, secret);
	return b64_encode(arena, str_from((const char *)secret, sizeof(secret)));
}

/* --- requests ------------------------------------------------------------------------------------------------- */

/* A request's token: on the heap, for the request may wait. */
struct notice_principal {
	struct notice_token_row token;
	struct str rate_key;
};

static void release_principal(void *data)
{
	struct notice_principal *principal = data;
	str_free(principal->token.sender);
	str_free(principal->token.targets);
	str_free(principal->token.name);
	str_free(principal->rate_key);
	mem_free(principal);
}

static void set_principal(struct call *call, const struct notice_token_row *token)
{
	struct notice_principal *principal = mem_alloc(sizeof(*principal));
	principal->token = *token;
	principal->token.sender = str_heap(token->sender);
	principal->token.targets = str_heap(token->targets);
	principal->token.name = str_heap(token->name);
	principal->rate_key =
		str_heap(str_printf(call->ctx.arena, "notice token %" PRId64, token->token_id));
	call_set_principal(call, principal, release_principal);
}

/* Empty: none. */
static struct str shown_token(const struct call *call)
{
	struct str scheme;
	struct str token;
	if (call->route->auth == AUTH_NOTICE_HOOK) {
		return call_path(call, "hookToken");
	}
	struct str header = str_trim(call_header(call, "Authorization"));
	return str_split(header, ' ', &scheme, &token) && str_equals_nocase(scheme, STR("Bearer"))
		? str_trim(token)
		: STR("");
}

enum err notice_authenticate(struct call *call)
{
	struct notice_token_row token;
	struct ctx *ctx = &call->ctx;
	struct str shown = shown_token(call);
	bool is_hook = call->route->auth == AUTH_NOTICE_HOOK;
	if (shown.n == 0) {
		return fail_status(ctx, ERR_DENIED, 401, M_MISSING_TOKEN,
			"A token for notices is needed: Authorization: Bearer bnt_…");
	}
	TRY(ctx_may_wait(ctx));
	TRY(check_token(ctx, hs_of(call)->db, shown, is_hook, &token));
	set_principal(call, &token);
	return ERR_OK;
}

const struct notice_token_row *notice_token_of(const struct call *call)
{
	const struct notice_principal *principal = call_principal(call);
	invariant(principal != NULL);
	return &principal->token;
}

struct str notice_rate_key(const struct call *call)
{
	const struct notice_principal *principal = call_principal(call);
	return principal != NULL ? principal->rate_key : call_client_network(call);
}
