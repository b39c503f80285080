/*
 * A change rests on what was read: whoever else was first (the job, above all) makes it fail, and nothing is sent twice.
 */
#include "notices/notice_change.h"

#include "matrix/errcode.h"
#include "storage/notice_follow_up.h"

static enum err get(struct ctx *ctx, const struct account_desk *desk, int64_t notice_id,
	struct notice_row *out)
{
	return notices_get(ctx, desk, notice_id, NULL, out);
}

static enum err refuse_gone(struct ctx *ctx, int64_t notice_id)
{
	return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Nothing of notice %lld is still to be sent",
		(long long)notice_id);
}

/* The start again, or another one, as of now. */
static enum err reschedule(struct ctx *ctx, const struct account_desk *desk,
	const struct notice_row *row, struct str start)
{
	struct str *except;
	struct notice_row changed = {.zone = row->zone, .created_at_ms = clock_wall_ms(&desk->clock)};
	struct notice_post post = {.start = start, .rule = row->rule};
	notice_words_read(ctx, row->except_at, &except, &post.except_count);
	post.except = except;
	TRY(notice_schedule_set(ctx, &post, &changed));
	if (row->expires_at_ms != 0 && row->expires_at_ms <= changed.next_at_ms) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The notice expires before that");
	}
	enum err err = store_notice_reschedule(ctx, desk->db, row->notice_id, row->next_at_ms, start,
		changed.next_at_ms);
	return err == ERR_MISSING ? fail(ctx, err, M_NOT_FOUND,
									"Notice %lld has gone out or was changed just now; look at it",
									(long long)row->notice_id)
							  : err;
}

enum err notices_move(struct ctx *ctx, const struct account_desk *desk, int64_t notice_id,
	struct str start)
{
	struct notice_row row;
	TRY(get(ctx, desk, notice_id, &row));
	if (str_equals(row.state, STR("draft"))) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND,
			"Notice %lld is a draft; give the time when you release it", (long long)notice_id);
	}
	if (row.next_at_ms == 0) {
		return refuse_gone(ctx, notice_id);
	}
	return reschedule(ctx, desk, &row, start);
}

enum err notices_release(struct ctx *ctx, const struct account_desk *desk, int64_t notice_id,
	struct str start, const struct notice_token_row *token)
{
	struct notice_row row;
	TRY(get(ctx, desk, notice_id, &row));
	if (!str_equals(row.state, STR("draft"))) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Notice %lld is no draft", (long long)notice_id);
	}
	if (token != NULL && token->token_id == row.token_id) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "Who wrote a draft does not release it");
	}
	return reschedule(ctx, desk, &row, start.p != NULL ? start : row.start_at);
}

enum err notices_edit(struct ctx *ctx, const struct account_desk *desk, int64_t notice_id,
	const struct notice_text *texts, size_t count, bool is_later)
{
	struct notice_row row;
	struct notice_text *before;
	size_t before_count;
	struct str json;
	TRY(get(ctx, desk, notice_id, &row));
	if (is_later && row.next_at_ms == 0 && !str_equals(row.state, STR("draft"))) {
		return refuse_gone(ctx, notice_id);
	}
	TRY(notice_texts_read(ctx, row.texts, &before, &before_count));
	struct notice_text *after = ARENA_NEW_ARRAY(ctx->arena, struct notice_text, count);
	bool has_language = false;
	for (size_t i = 0; i < count; i++) {
		after[i] = texts[i];
		has_language = has_language || texts[i].lang.n > 0;
	}
	for (size_t i = 0; !has_language && count == before_count && i < count; i++) {
		after[i].lang = before[i].lang;
	}
	TRY(notice_texts_take(ctx, after, count, &json));
	return store_notice_edit(ctx, desk->db, notice_id, json, clock_wall_ms(&desk->clock), is_later);
}
