/*
 * The answers lie in the database word for word, because what their servers signed must stay as it is; our signature
 * is added when somebody asks.
 */
#include "federation/notary.h"

#include "base/vec.h"
#include "federation/keyring.h"
#include "federation/own_keys.h"
#include "federation/policy.h"
#include "matrix/canonical.h"
#include "matrix/sign.h"
#include "storage/server_key.h"

/* A key is never believed for longer, so no answer promises more. */
static const int64_t longest_ms = SERVER_KEYS_MAX_LIFETIME_MS - INT64_C(24) * 3600 * 1000;

static bool is_own(const struct federation *federation, struct server_name server)
{
	return server_name_equals(server, federation->hs->signer.server);
}

/* @return false for an answer that cannot be read (any more) */
static bool add_signature(struct ctx *ctx, struct federation *federation, struct str text,
	struct str *out)
{
	struct json json;
	if (json_parse(ctx->arena, text, NULL, &json, NULL) != JSON_OK || json.type != JSON_OBJECT) {
		return false;
	}
	struct json signed_json = sign_json(ctx->arena, &json, &federation->hs->signer);
	*out = canonical_text(ctx->arena, &signed_json);
	return true;
}

enum err notary_query(struct ctx *ctx, struct federation *federation,
	const struct notary_query *queries, size_t count, struct str **out_entries, size_t *out_count)
{
	int64_t now_ms = clock_wall_ms(&federation->hs->clock);
	struct server_name *servers = ARENA_NEW_ARRAY(ctx->arena, struct server_name, count);
	struct str *names = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	int64_t *until_ms = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	size_t others = 0;
	VEC(struct str) entries = {0};
	for (size_t i = 0; i < count; i++) {
		if (is_own(federation, queries[i].server)) {
			VEC_PUSH(ctx->arena, &entries, own_keys_answer(ctx->arena, federation->hs));
		} else if (fed_policy_allows(federation, queries[i].server)) {
			servers[others] = queries[i].server;
			names[others] = queries[i].server.s;
			until_ms[others++] = MIN_OF(queries[i].until_ms, now_ms + longest_ms);
		}
	}
	enum err err = keyring_refresh(ctx, federation, servers, until_ms, others);
	if (err != ERR_OK && err != ERR_TIMEOUT) {
		return err;
	}
	ctx->fault = (struct fault){0}; /* who did not answer in time is left out */
	struct server_key_answer *answers;
	size_t answer_count;
	TRY(store_server_key_answers(ctx, federation->hs->db, names, others, &answers, &answer_count));
	for (size_t i = 0; i < answer_count; i++) {
		struct str entry;
		if (add_signature(ctx, federation, answers[i].text, &entry)) {
			VEC_PUSH(ctx->arena, &entries, entry);
		}
	}
	*out_entries = entries.p;
	*out_count = entries.n;
	return ERR_OK;
}
