/*
 * Who asks sees those with whom they share a room, and those in rooms that everybody may join or read; in a school that wants so,
 * everybody of the school. All of that is part of the query, so the number of results tells of nobody else.
 */
#include "base/fold.h"
#include "homeserver/consumer.h"
#include "homeserver/directory/directory.h"

enum { MATCHES_MAX = 16, INDEX_WAIT_MS = 1500 };

/* "@lin:hs" is looked for by "lin": everybody has a server. */
static struct str words_of(struct str term)
{
	struct str head;
	struct str tail;
	if (!str_starts_with(term, STR("@"))) {
		return term;
	}
	(void)str_split(str_slice(term, 1, term.n), ':', &head, &tail);
	return head;
}

static void write_users(const struct directory_user_row *rows, size_t count, bool is_limited,
	struct json_out *out)
{
	json_out_object(out);
	json_out_key_array(out, "results");
	for (size_t i = 0; i < count; i++) {
		json_out_object(out);
		json_out_key_str(out, "user_id", rows[i].user_id);
		if (rows[i].display_name.p != NULL) {
			json_out_key_str(out, "display_name", rows[i].display_name);
		}
		if (str_starts_with(rows[i].avatar_url, STR("mxc://"))) {
			json_out_key_str(out, "avatar_url", rows[i].avatar_url);
		}
		json_out_end(out);
	}
	json_out_end(out);
	json_out_key_bool(out, "limited", is_limited);
	json_out_end(out);
}

enum err directory_search_users(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str term, size_t limit, struct json_out *out)
{
	struct term_match *matches;
	struct str trimmed = str_trim(term);
	struct directory_user_ask ask = {
		.user_id = user_id,
		.all_local = hs->settings.user_directory_all,
		.exact_id = trimmed,
		.folded_name = fold_whole(ctx->arena, trimmed),
		.limit = (int64_t)limit + 1,
	};
	struct directory_user_row *rows = NULL;
	size_t count = 0;
	terms_query_names(ctx->arena, words_of(trimmed), MATCHES_MAX, &matches, &ask.match_count);
	ask.matches = matches;
	if (ask.match_count > 0) {
		(void)consumers_await_stored(hs->consumers, DIRECTORY_CONSUMER, writer_position(hs->writer),
			clock_mono_ms(&hs->clock) + INDEX_WAIT_MS);
		TRY(directory_refresh_users(ctx, hs));
		TRY(store_directory_user_search(ctx, hs->db, &ask, &rows, &count));
	}
	write_users(rows, MIN_OF(count, limit), count > limit, out);
	return ERR_OK;
}
