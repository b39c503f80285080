/*
 * A token sees, and may change, what goes to its own targets in its sender's name: also what people posted by the command line.
 */
#include "notices/notice_routes.h"

#include "homeserver/media/media.h"
#include "notices/notice_change.h"
#include "notices/notice_job.h"
#include "notices/notice_request.h"
#include "notices/notices.h"
#include "storage/notice_follow_up.h"

enum { LISTED_DEFAULT = 50, LISTED_MAX = 500 };

/* --- what is shown ------------------------------------------------------------------------------------------- */

/* A time; left out where there is none. */
static void write_time(struct json_out *out, struct str key, int64_t at_ms)
{
	if (at_ms != 0) {
		json_out_key(out, key);
		json_out_int(out, at_ms);
	}
}

static void write_text(struct json_out *out, struct str key, struct str text)
{
	if (text.p != NULL) {
		json_out_key(out, key);
		json_out_str(out, text);
	}
}

static void write_words(struct ctx *ctx, struct json_out *out, struct str key, struct str words)
{
	struct str *items;
	size_t count;
	notice_words_read(ctx, words, &items, &count);
	json_out_key(out, key);
	json_out_strs(out, items, count);
}

/* Members of an object that is open. */
static void write_notice(struct json_out *out, const struct notice_row *notice)
{
	json_out_key_int(out, "notice_id", notice->notice_id);
	json_out_key_str(out, "state", notice->state);
	json_out_key_str(out, "sender", notice->sender);
	json_out_key_raw(out, "texts", notice->texts);
	json_out_key_int(out, "created_ts", notice->created_at_ms);
	json_out_key_bool(out, "pin", notice->is_pinned);
	write_time(out, STR("next_ts"), notice->next_at_ms);
	write_time(out, STR("expires_ts"), notice->expires_at_ms);
}

static void write_schedule(struct ctx *ctx, struct json_out *out, const struct notice_row *notice)
{
	json_out_key_str(out, "zone", notice->zone);
	write_text(out, STR("start"), notice->start_at);
	write_text(out, STR("rule"), notice->rule);
	write_words(ctx, out, STR("except"), notice->except_at);
}

static void write_targets(struct ctx *ctx, struct json_out *out,
	const struct notice_target_row *targets, size_t count)
{
	json_out_key_array(out, "targets");
	for (size_t i = 0; i < count; i++) {
		json_out_object(out);
		json_out_key_str(out, "target", targets[i].target);
		write_words(ctx, out, STR("languages"), targets[i].languages);
		json_out_end(out);
	}
	json_out_end(out);
}

static void write_deliveries(struct json_out *out, const struct notice_outcome_row *outcomes,
	size_t count)
{
	json_out_key_array(out, "deliveries");
	for (size_t i = 0; i < count; i++) {
		const struct notice_outcome_row *row = &outcomes[i];
		bool is_sent = row->event_id.p != NULL;
		json_out_object(out);
		json_out_key_int(out, "due_ts", row->due_at_ms);
		json_out_key_str(out, "room_id", row->room_id);
		json_out_key_str(out, "state",
			is_sent                     ? STR("sent")
				: row->next_try_ms != 0 ? STR("waiting")
										: STR("failed"));
		write_text(out, STR("event_id"), row->event_id);
		write_text(out, STR("reason"), row->reason);
		write_time(out, STR("sent_ts"), row->sent_at_ms);
		json_out_end(out);
	}
	json_out_end(out);
}

static enum err write_files(struct call *call, struct json_out *out, int64_t notice_id)
{
	struct str *ids;
	size_t count;
	const struct homeserver *hs = hs_of(call);
	TRY(store_notice_attachments(&call->ctx, hs->db, notice_id, &ids, &count));
	json_out_key_array(out, "files");
	for (size_t i = 0; i < count; i++) {
		json_out_str(out,
			str_printf(call->ctx.arena, "mxc://%.*s/%.*s", STR_ARG(hs->signer.server.s),
				STR_ARG(ids[i])));
	}
	json_out_end(out);
	return ERR_OK;
}

/* What it said before, oldest first. */
static void write_edits(struct json_out *out, const struct notice_edit_row *edits, size_t count)
{
	json_out_key_array(out, "edits");
	for (size_t i = 0; i < count; i++) {
		json_out_object(out);
		json_out_key_raw(out, "texts", edits[i].texts);
		json_out_key_int(out, "replaced_ts", edits[i].replaced_at_ms);
		json_out_end(out);
	}
	json_out_end(out);
}

static void write_follow_ups(struct json_out *out, const struct notice_follow_up_outcome *rows,
	size_t count)
{
	json_out_key_array(out, "follow_ups");
	for (size_t i = 0; i < count; i++) {
		json_out_object(out);
		json_out_key_int(out, "due_ts", rows[i].due_at_ms);
		json_out_key_str(out, "room_id", rows[i].room_id);
		json_out_key_str(out, "what", rows[i].kind);
		json_out_key_str(out, "state",
			rows[i].done_at_ms != 0        ? STR("done")
				: rows[i].next_try_ms != 0 ? STR("waiting")
										   : STR("failed"));
		write_text(out, STR("reason"), rows[i].reason);
		json_out_end(out);
	}
	json_out_end(out);
}

/* --- requests ------------------------------------------------------------------------------------------------- */

static enum err reply_notice(struct call *call, int64_t notice_id)
{
	struct notice_row notice;
	const struct account_desk desk = notice_desk(hs_of(call));
	TRY(notices_get(&call->ctx, &desk, notice_id, NULL, &notice));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	write_notice(out, &notice);
	json_out_end(out);
	return ERR_OK;
}

static enum err post_notice(struct call *call)
{
	struct notice_post post;
	int64_t notice_id;
	const struct account_desk desk = notice_desk(hs_of(call));
	TRY(notice_request_post(call, &post));
	TRY(notices_post(&call->ctx, &desk, &post, &notice_id));
	notice_job_wake(hs_of(call)->notices);
	return reply_notice(call, notice_id);
}

static enum err list_notices(struct call *call)
{
	struct notice_row *rows;
	size_t count;
	struct str *targets;
	const struct notice_token_row *token = notice_token_of(call);
	struct notice_query query = {.sender = token->sender};
	notice_words_read(&call->ctx, token->targets, &targets, &query.target_count);
	query.targets = targets;
	TRY(call_query_int(call, "limit", 1, INT64_MAX, LISTED_DEFAULT, &query.limit));
	TRY(call_query_int(call, "before", 1, INT64_MAX, INT64_MAX, &query.before));
	query.limit = MIN_OF(query.limit, (int64_t)LISTED_MAX);
	TRY(store_notice_list(&call->ctx, hs_of(call)->db, &query, &rows, &count));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_array(out, "notices");
	for (size_t i = 0; i < count; i++) {
		json_out_object(out);
		write_notice(out, &rows[i]);
		json_out_end(out);
	}
	json_out_end(out);
	if ((int64_t)count == query.limit) {
		json_out_key_int(out, "next_before", rows[count - 1].notice_id);
	}
	json_out_end(out);
	return ERR_OK;
}

/* The number of a notice that the token is for. */
static enum err read_id(struct call *call, int64_t *out)
{
	const struct account_desk desk = notice_desk(hs_of(call));
	TRY(notice_request_id(call, out));
	return notices_get(&call->ctx, &desk, *out, notice_token_of(call), NULL);
}

static enum err get_notice(struct call *call)
{
	struct ctx *ctx = &call->ctx;
	struct db *db = hs_of(call)->db;
	int64_t notice_id;
	struct notice_row notice;
	struct notice_target_row *targets;
	struct notice_outcome_row *outcomes;
	struct notice_edit_row *edits;
	struct notice_follow_up_outcome *follow_ups;
	size_t target_count;
	size_t outcome_count;
	size_t edit_count;
	size_t follow_up_count;
	TRY(read_id(call, &notice_id));
	TRY(store_notice_get(ctx, db, notice_id, &notice));
	TRY(store_notice_targets(ctx, db, notice_id, &targets, &target_count));
	TRY(store_notice_delivery_list(ctx, db, notice_id, NOTICE_ROOMS_MAX, &outcomes,
		&outcome_count));
	TRY(store_notice_edit_list(ctx, db, notice_id, &edits, &edit_count));
	TRY(store_notice_follow_up_list(ctx, db, notice_id, NOTICE_ROOMS_MAX, &follow_ups,
		&follow_up_count));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	write_notice(out, &notice);
	write_schedule(ctx, out, &notice);
	write_targets(ctx, out, targets, target_count);
	write_deliveries(out, outcomes, outcome_count);
	TRY(write_files(call, out, notice_id));
	write_edits(out, edits, edit_count);
	write_follow_ups(out, follow_ups, follow_up_count);
	json_out_end(out);
	return ERR_OK;
}

static enum err cancel_notice(struct call *call)
{
	const struct json *body;
	int64_t notice_id;
	const struct account_desk desk = notice_desk(hs_of(call));
	TRY(notice_request_body(call, STR(""), &body));
	TRY(read_id(call, &notice_id));
	TRY(notices_cancel(&call->ctx, &desk, notice_id, notice_token_of(call)->sender));
	notice_job_wake(hs_of(call)->notices);
	return reply_empty(call);
}

static enum err move_notice(struct call *call)
{
	const struct json *body;
	struct str start;
	int64_t notice_id;
	const struct account_desk desk = notice_desk(hs_of(call));
	TRY(notice_request_body(call, STR("start"), &body));
	TRY(read_id(call, &notice_id));
	TRY(body_str(call, body, "start", &start));
	TRY(notices_move(&call->ctx, &desk, notice_id, start));
	return reply_notice(call, notice_id);
}

static enum err edit_notice(struct call *call)
{
	struct notice_post post = {0};
	const struct json *body;
	int64_t notice_id;
	bool is_later;
	const struct account_desk desk = notice_desk(hs_of(call));
	TRY(call_json_optional(call, &body));
	TRY(read_id(call, &notice_id));
	TRY(notice_request_texts(call, &post, &is_later));
	TRY(notices_edit(&call->ctx, &desk, notice_id, post.texts, post.text_count, is_later));
	notice_job_wake(hs_of(call)->notices);
	return reply_notice(call, notice_id);
}

static enum err release_notice(struct call *call)
{
	const struct json *body;
	struct str start;
	int64_t notice_id;
	const struct account_desk desk = notice_desk(hs_of(call));
	TRY(notice_request_body(call, STR("start"), &body));
	TRY(read_id(call, &notice_id));
	TRY(body_opt_str(call, body, "start", &start));
	TRY(notices_release(&call->ctx, &desk, notice_id, start, notice_token_of(call)));
	notice_job_wake(hs_of(call)->notices);
	return reply_notice(call, notice_id);
}

/* A file for notices of the token's sender, whose quota counts it. */
static enum err post_media(struct call *call)
{
	struct str media_id;
	const struct media_upload upload = {
		.user_id = notice_token_of(call)->sender,
		.content_type = call_header(call, "Content-Type"),
		.file_name = call_query(call, "filename"),
		.file = call_body_file(call),
	};
	TRY(media_upload(&call->ctx, hs_of(call), &upload, &media_id));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "content_uri",
		str_printf(call->ctx.arena, "mxc://%.*s/%.*s", STR_ARG(hs_of(call)->signer.server.s),
			STR_ARG(media_id)));
	json_out_end(out);
	return ERR_OK;
}

#define API "/_belfry/notices/v1"

const struct route notice_routes[] = {
	{"postNotice", "POST", API "/notices", AUTH_NOTICE, LANE_LOCAL, RATE_NOTICE, 0, post_notice},
	{"listNotices", "GET", API "/notices", AUTH_NOTICE, LANE_LOCAL, RATE_NOTICE, 0, list_notices},
	{"getNotice", "GET", API "/notices/{noticeId}", AUTH_NOTICE, LANE_LOCAL, RATE_NOTICE, 0,
		get_notice},
	{"cancelNotice", "POST", API "/notices/{noticeId}/cancel", AUTH_NOTICE, LANE_LOCAL, RATE_NOTICE,
		0, cancel_notice},
	{"moveNotice", "POST", API "/notices/{noticeId}/move", AUTH_NOTICE, LANE_LOCAL, RATE_NOTICE, 0,
		move_notice},
	{"editNotice", "POST", API "/notices/{noticeId}/edit", AUTH_NOTICE, LANE_LOCAL, RATE_NOTICE, 0,
		edit_notice},
	{"releaseNotice", "POST", API "/notices/{noticeId}/release", AUTH_NOTICE, LANE_LOCAL,
		RATE_NOTICE, 0, release_notice},
	{"uploadNoticeMedia", "POST", API "/media", AUTH_NOTICE, LANE_REMOTE, RATE_NOTICE,
		BODY_STREAMED, post_media},
};
const size_t notice_route_count = COUNT_OF(notice_routes);
