/*
 * What people and programs want is checked here as a whole before it is stored: what is stored can be sent, as far as that
 * is up to this server.
 */
#include "notices/notices.h"

#include "appservices/registry.h"
#include "base/buf.h"
#include "base/utf8.h"
#include "base/vec.h"
#include "homeserver/account/identifier.h"
#include "matrix/canonical.h"
#include "matrix/errcode.h"
#include "matrix/json_make.h"
#include "notices/schedule.h"
#include "storage/appservice.h"
#include "storage/media.h"
#include "storage/profile.h"

enum {
	PAST_ALLOWED_MS = 60 * 1000, /* clocks differ a little */
};

/* --- lists as text -------------------------------------------------------------------------------------------- */

void notice_words_read(struct ctx *ctx, struct str text, struct str **out, size_t *out_count)
{
	VEC(struct str) words = {0};
	while (text.n > 0) {
		struct str word;
		(void)str_split(text, ' ', &word, &text);
		if (word.n > 0) {
			VEC_PUSH(ctx->arena, &words, word);
		}
	}
	*out = words.p;
	*out_count = words.n;
}

struct str notice_words_write(struct ctx *ctx, const struct str *words, size_t count)
{
	struct buf text CLEANUP(buf_fini) = {0};
	buf_init(&text, SIZE_MAX);
	for (size_t i = 0; i < count; i++) {
		buf_add(&text, i > 0 ? STR(" ") : STR(""));
		buf_add(&text, words[i]);
	}
	return str_dup(ctx->arena, buf_str(&text));
}

struct str notice_texts_write(struct ctx *ctx, const struct notice_text *texts, size_t count)
{
	struct json *items = ARENA_NEW_ARRAY(ctx->arena, struct json, count);
	for (size_t i = 0; i < count; i++) {
		items[i] = json_object(ctx->arena, 2);
		json_put(&items[i], STR("lang"), json_string(texts[i].lang));
		json_put(&items[i], STR("text"), json_string(texts[i].markdown));
	}
	struct json array = json_array_of(items, count);
	return canonical_text(ctx->arena, &array);
}

enum err notice_texts_read(struct ctx *ctx, struct str json, struct notice_text **out,
	size_t *out_count)
{
	struct json array;
	if (json_parse(ctx->arena, json, NULL, &array, NULL) != JSON_OK || array.type != JSON_ARRAY ||
		array.count == 0 || array.count > NOTICE_LANGUAGES_MAX) {
		return fail_cause(ctx, ERR_INTERNAL, "texts of a notice are none");
	}
	*out_count = array.count;
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_text, array.count);
	for (size_t i = 0; i < array.count; i++) {
		(*out)[i] = (struct notice_text){
			.lang = json_get_str(&array.items[i], STR("lang")),
			.markdown = json_get_str(&array.items[i], STR("text")),
		};
	}
	return ERR_OK;
}

struct str notice_title(struct arena *arena, struct str markdown, size_t limit)
{
	struct str line;
	struct str rest;
	size_t at = 0;
	size_t fits = 0;
	(void)str_split(str_trim(markdown), '\n', &line, &rest);
	if (line.n <= limit) {
		return str_trim(line);
	}
	while (at <= limit) {
		fits = at;
		(void)utf8_next(line, &at);
	}
	return str_printf(arena, "%.*s…", STR_ARG(str_slice(line, 0, fits)));
}

/* --- senders -------------------------------------------------------------------------------------------------- */

static struct str sender_id(struct ctx *ctx, const struct account_desk *desk, struct str name)
{
	return str_starts_with(name, STR("@")) ? name
										   : str_printf(ctx->arena, "@%.*s:%.*s", STR_ARG(name),
												 STR_ARG(desk->settings->server_name.s));
}

enum err notice_sender_find(struct ctx *ctx, const struct account_desk *desk, struct str name,
	struct str *out_user_id)
{
	*out_user_id = sender_id(ctx, desk, name);
	enum err err = store_notice_sender_find(ctx, desk->db, *out_user_id);
	return err == ERR_MISSING
		? fail(ctx, err, M_NOT_FOUND, "There is no sender '%.*s'", STR_ARG(name))
		: err;
}

/* As long as the transaction runs no service takes the name, and whoever runs notices that it is taken. */
static enum err require_free(struct ctx *ctx, struct tx *tx, const struct account_desk *desk,
	struct str user_id)
{
	struct appservice_row *rows;
	size_t count;
	struct user_id id;
	struct appservice_set *set CLEANUP(appservice_set_cleanup) = NULL;
	TRY(store_appservice_lock(ctx, tx));
	TRY(store_appservice_list_locked(ctx, tx, &rows, &count));
	TRY(appservice_set_create(ctx, desk->settings->server_name, rows, count, 0, &set));
	const struct appservice *service =
		user_id_parse(user_id, &id) ? appservice_claiming_user(set, id) : NULL;
	return service == NULL ? ERR_OK
						   : fail(ctx, ERR_CONFLICT, M_EXCLUSIVE,
								 "'%.*s' is in the namespace of the application service '%.*s'",
								 STR_ARG(user_id), STR_ARG(service->reg.id));
}

/* Nobody can log in to it: it has no password. */
static enum err make_account(struct ctx *ctx, const struct account_desk *desk, struct str user_id)
{
	const struct account_row row = {
		.user_id = user_id,
		.created_at_ms = clock_wall_ms(&desk->clock),
	};
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, desk->db, &tx));
	TRY(require_free(ctx, tx, desk, user_id));
	enum err err = store_account_insert(ctx, tx, &row);
	if (err == ERR_CONFLICT) {
		return fail(ctx, err, M_USER_IN_USE, "'%.*s' is an account of somebody", STR_ARG(user_id));
	}
	TRY(err);
	TRY(store_notice_sender_insert(ctx, tx, user_id, row.created_at_ms));
	return tx_commit(ctx, &tx);
}

enum err notice_sender_make(struct ctx *ctx, const struct account_desk *desk, struct str name,
	struct str display_name, struct str *out_user_id)
{
	struct user_id id;
	struct str user_id;
	struct str localpart = name;
	if (str_starts_with(name, STR("@")) && user_id_parse(name, &id) &&
		server_name_equals(user_id_server(id), desk->settings->server_name)) {
		localpart = user_id_localpart(id);
	}
	if (display_name.n > NOTICE_NAME_MAX_BYTES || !utf8_is_valid(display_name) ||
		str_has_nul(display_name)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The display name has more than %d bytes",
			(int)NOTICE_NAME_MAX_BYTES);
	}
	TRY(new_user_id(ctx, localpart, desk->settings->server_name, &user_id));
	enum err err = store_notice_sender_find(ctx, desk->db, user_id);
	TRY(err == ERR_MISSING ? make_account(ctx, desk, user_id) : err);
	*out_user_id = user_id;
	if (display_name.p == NULL) {
		return ERR_OK;
	}
	struct json value = json_string(display_name);
	return store_profile_set(ctx, desk->db, user_id, STR("displayname"),
		canonical_text(ctx->arena, &value));
}

/* --- targets ---------------------------------------------------------------------------------------------------- */

enum err notice_target_read(struct ctx *ctx, const struct account_desk *desk, struct str text,
	struct str *out)
{
	struct room_id room;
	struct room_alias alias;
	bool is_short = str_starts_with(text, STR("#")) && str_find_byte(text, ':') == SIZE_MAX;
	struct str whole = is_short
		? str_printf(ctx->arena, "%.*s:%.*s", STR_ARG(text), STR_ARG(desk->settings->server_name.s))
		: text;
	bool has_space = str_find_byte(whole, ' ') != SIZE_MAX; /* lists of them are kept as words */
	if (has_space || (!room_id_parse(whole, &room) && !room_alias_parse(whole, &alias))) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"'%.*s' is neither a room id nor an alias, such as #class-3b", STR_ARG(text));
	}
	*out = whole;
	return ERR_OK;
}

static enum err read_languages(struct ctx *ctx, struct str text, struct str *out)
{
	struct str *words;
	size_t count;
	notice_words_read(ctx, text, &words, &count);
	for (size_t i = 0; i < count; i++) {
		if (i == NOTICE_LANGUAGES_MAX || !notice_lang_read(ctx->arena, words[i], &words[i])) {
			return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
				"'%.*s' is no language, such as zh-Hant, or there are too many", STR_ARG(words[i]));
		}
	}
	*out = notice_words_write(ctx, words, count);
	return ERR_OK;
}

/* All that the token is for. */
static void take_token_targets(struct ctx *ctx, const struct notice_token_row *token,
	struct notice_target_row **out, size_t *out_count)
{
	struct str *names;
	notice_words_read(ctx, token->targets, &names, out_count);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_target_row, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] = (struct notice_target_row){.target = names[i], .languages = STR("")};
	}
}

static enum err read_targets(struct ctx *ctx, const struct account_desk *desk,
	const struct notice_post *post, struct notice_target_row **out, size_t *out_count)
{
	if (post->target_count == 0 && post->token != NULL) {
		take_token_targets(ctx, post->token, out, out_count);
		return ERR_OK;
	}
	if (post->target_count == 0 || post->target_count > NOTICE_TARGETS_MAX) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "A notice goes to 1 to %d rooms or spaces",
			(int)NOTICE_TARGETS_MAX);
	}
	*out_count = post->target_count;
	*out = ARENA_NEW_ARRAY(ctx->arena, struct notice_target_row, post->target_count);
	for (size_t i = 0; i < post->target_count; i++) {
		struct notice_target_row *row = &(*out)[i];
		TRY(notice_target_read(ctx, desk, post->targets[i].target, &row->target));
		TRY(read_languages(ctx, post->targets[i].languages, &row->languages));
		if (post->token != NULL && !notice_token_allows(post->token, row->target)) {
			return fail(ctx, ERR_DENIED, M_FORBIDDEN, "The token is not for '%.*s'",
				STR_ARG(row->target));
		}
	}
	return ERR_OK;
}

/* --- posting ------------------------------------------------------------------------------------------------------- */

static enum err read_text(struct ctx *ctx, const struct notice_text *given, size_t index,
	struct notice_text *out)
{
	struct notice_text *text = &out[index];
	struct str lang = given[index].lang;
	*text = (struct notice_text){.lang = STR(""), .markdown = given[index].markdown};
	if (lang.n > 0 && !notice_lang_read(ctx->arena, lang, &text->lang)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "'%.*s' is no language, such as zh-Hant",
			STR_ARG(lang));
	}
	for (size_t i = 0; i < index; i++) {
		if (str_equals(out[i].lang, text->lang)) {
			return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "Two texts have the language '%.*s'",
				STR_ARG(text->lang));
		}
	}
	return ERR_OK;
}

enum err notice_texts_take(struct ctx *ctx, const struct notice_text *texts, size_t count,
	struct str *out)
{
	struct json content;
	if (count == 0 || count > NOTICE_LANGUAGES_MAX) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "A notice has 1 to %d texts",
			(int)NOTICE_LANGUAGES_MAX);
	}
	struct notice_text *read = ARENA_NEW_ARRAY(ctx->arena, struct notice_text, count);
	for (size_t i = 0; i < count; i++) {
		TRY(read_text(ctx, texts, i, read));
	}
	const struct notice_message message = {.texts = read,
		.count = count,
		.late_since = STR("0000-00-00 00:00")};
	TRY(notice_message_compose(ctx, &message, &content));
	*out = notice_texts_write(ctx, read, count);
	return ERR_OK;
}

static enum err set_expiry(struct ctx *ctx, const struct notice_post *post, struct notice_row *row)
{
	const struct schedule_text text = {.start = post->expires, .zone = row->zone};
	struct schedule *schedule;
	if (post->expires.p == NULL) {
		return ERR_OK;
	}
	TRY(schedule_open(ctx, &text, &schedule));
	TRY(schedule_next(ctx, schedule, INT64_MIN, &row->expires_at_ms));
	if (row->expires_at_ms <= row->next_at_ms) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"The notice would expire before it is due for the first time");
	}
	return ERR_OK;
}

enum err notice_schedule_set(struct ctx *ctx, const struct notice_post *post,
	struct notice_row *row)
{
	struct schedule *schedule;
	const struct schedule_text text = {
		.start = post->start,
		.zone = row->zone,
		.rule = post->rule,
		.except = post->except,
		.except_count = post->except_count,
	};
	if (post->start.p == NULL) {
		row->next_at_ms = row->created_at_ms;
		return post->rule.p == NULL && post->except_count == 0
			? set_expiry(ctx, post, row)
			: fail(ctx, ERR_INPUT, M_INVALID_PARAM, "A repeated notice needs a start");
	}
	TRY(schedule_open(ctx, &text, &schedule));
	TRY(schedule_next(ctx, schedule, row->created_at_ms - PAST_ALLOWED_MS, &row->next_at_ms));
	if (row->next_at_ms < 0) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "All of the schedule is in the past");
	}
	row->start_at = post->start;
	row->rule = post->rule;
	row->except_at = notice_words_write(ctx, post->except, post->except_count);
	return set_expiry(ctx, post, row);
}

/* What is asked for, so that another request with the same key is told from a repeated one. */
static struct str hash_request(struct ctx *ctx, const struct notice_post *post,
	const struct notice_row *row, const struct notice_target_row *targets, size_t count)
{
	const struct str parts[] = {row->texts, post->start, row->zone, post->rule,
		notice_words_write(ctx, post->except, post->except_count), post->expires,
		post->is_draft ? STR("draft") : STR(""), post->is_pinned ? STR("pin") : STR("")};
	unsigned char hash[SHA256_BYTES];
	struct sha256 *sum = sha256_create();
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		sha256_add(sum, parts[i]);
		sha256_add(sum, STR("\0"));
	}
	for (size_t i = 0; i < post->file_count; i++) {
		sha256_add(sum, post->files[i]);
		sha256_add(sum, STR("\0"));
	}
	for (size_t i = 0; i < count; i++) {
		sha256_add(sum, targets[i].target);
		sha256_add(sum, STR("\0"));
		sha256_add(sum, targets[i].languages);
		sha256_add(sum, STR("\0"));
	}
	sha256_end(sum, hash);
	sha256_destroy(sum);
	return str_dup(ctx->arena, str_from((const char *)hash, sizeof(hash)));
}

/* MISSING (no fault text) when the request is new. */
static enum err find_repeated(struct ctx *ctx, struct db *db, const struct notice_row *row,
	int64_t *out_notice_id)
{
	struct str hash;
	if (row->request_key.p == NULL) {
		return ERR_MISSING;
	}
	TRY(store_notice_find_request(ctx, db, row->token_id, row->request_key, out_notice_id, &hash));
	return str_equals(hash, row->request_hash)
		? ERR_OK
		: fail(ctx, ERR_CONFLICT, M_INVALID_PARAM,
			  "Under this request key something else was posted before, as notice %lld",
			  (long long)*out_notice_id);
}

static enum err insert(struct ctx *ctx, struct db *db, const struct notice_row *row,
	const struct notice_target_row *targets, size_t target_count, int64_t *out_notice_id)
{
	enum err err =
		store_notice_insert(ctx, db, row, targets, target_count, NOTICE_WAITING_MAX, out_notice_id);
	if (err != ERR_LIMIT) {
		return err;
	}
	err = find_repeated(ctx, db, row, out_notice_id); /* somebody was first just now? */
	return err == ERR_MISSING
		? fail(ctx, ERR_LIMIT, M_LIMIT_EXCEEDED, "%d notices of this sender wait already",
			  (int)NOTICE_WAITING_MAX)
		: err;
}

/* A file that the sender has uploaded here. */
static enum err read_file(struct ctx *ctx, const struct account_desk *desk, struct str sender,
	struct str uri, struct str *out)
{
	struct server_name origin;
	struct media_row row;
	enum err err = ERR_MISSING;
	if (mxc_parse(uri, &origin, out) && server_name_equals(origin, desk->settings->server_name)) {
		err = store_media_find(ctx, desk->db, origin.s, *out, &row);
	}
	if (err == ERR_OK &&
		(row.sha256.p == NULL || row.is_quarantined || row.user_id.p == NULL ||
			!str_equals(row.user_id, sender))) {
		err = ERR_MISSING;
	}
	return err == ERR_MISSING
		? fail(ctx, ERR_INPUT, M_INVALID_PARAM, "'%.*s' is no file that was uploaded for '%.*s'",
			  STR_ARG(uri), STR_ARG(sender))
		: err;
}

static enum err read_files(struct ctx *ctx, const struct account_desk *desk,
	const struct notice_post *post, struct notice_row *row)
{
	struct str *ids = ARENA_NEW_ARRAY(ctx->arena, struct str, post->file_count);
	if (post->file_count > NOTICE_FILES_MAX) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "A notice has at most %d files",
			(int)NOTICE_FILES_MAX);
	}
	for (size_t i = 0; i < post->file_count; i++) {
		TRY(read_file(ctx, desk, post->sender, post->files[i], &ids[i]));
	}
	row->media_ids = ids;
	row->media_count = post->file_count;
	return ERR_OK;
}

enum err notices_post(struct ctx *ctx, const struct account_desk *desk,
	const struct notice_post *post, int64_t *out_notice_id)
{
	struct notice_target_row *targets = NULL;
	size_t target_count;
	struct notice_row row = {
		.sender = post->sender,
		.zone = post->zone.p != NULL ? post->zone : desk->settings->notices_time_zone,
		.except_at = STR(""),
		.state = post->is_draft ? STR("draft") : STR("scheduled"),
		.is_pinned = post->is_pinned,
		.created_at_ms = clock_wall_ms(&desk->clock),
		.token_id = post->token != NULL ? post->token->token_id : 0,
		.request_key = post->request_key,
	};
	if (post->request_key.n > NOTICE_REQUEST_KEY_MAX_BYTES) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The request's key has more than %d bytes",
			(int)NOTICE_REQUEST_KEY_MAX_BYTES);
	}
	TRY(read_targets(ctx, desk, post, &targets, &target_count));
	TRY(notice_texts_take(ctx, post->texts, post->text_count, &row.texts));
	row.request_hash = post->request_key.p != NULL
		? hash_request(ctx, post, &row, targets, target_count)
		: str_from(NULL, 0);
	enum err err = find_repeated(ctx, desk->db, &row, out_notice_id);
	if (err != ERR_MISSING) {
		return err; /* also when its time has passed since */
	}
	TRY(read_files(ctx, desk, post, &row));
	TRY(notice_schedule_set(ctx, post, &row));
	row.next_at_ms = post->is_draft ? 0 : row.next_at_ms;
	return insert(ctx, desk->db, &row, targets, target_count, out_notice_id);
}

static enum err require_token_for(struct ctx *ctx, struct db *db, const struct notice_row *notice,
	const struct notice_token_row *token)
{
	struct notice_target_row *targets;
	size_t count;
	TRY(store_notice_targets(ctx, db, notice->notice_id, &targets, &count));
	bool may = str_equals(notice->sender, token->sender);
	for (size_t i = 0; i < count; i++) {
		may = may && notice_token_allows(token, targets[i].target);
	}
	return may ? ERR_OK
			   : fail(ctx, ERR_DENIED, M_FORBIDDEN, "The token is not for notice %lld",
					 (long long)notice->notice_id);
}

enum err notices_get(struct ctx *ctx, const struct account_desk *desk, int64_t notice_id,
	const struct notice_token_row *token, struct notice_row *out)
{
	struct notice_row row;
	enum err err = store_notice_get(ctx, desk->db, notice_id, &row);
	if (err == ERR_MISSING) {
		return fail(ctx, err, M_NOT_FOUND, "There is no notice %lld", (long long)notice_id);
	}
	TRY(err);
	TRY(token != NULL ? require_token_for(ctx, desk->db, &row, token) : ERR_OK);
	if (out != NULL) {
		*out = row;
	}
	return ERR_OK;
}

enum err notices_cancel(struct ctx *ctx, const struct account_desk *desk, int64_t notice_id,
	struct str sender)
{
	enum err err = store_notice_cancel(ctx, desk->db, notice_id, sender);
	return err == ERR_MISSING
		? fail(ctx, err, M_NOT_FOUND,
			  "There is no notice %lld of which something is still to be sent",
			  (long long)notice_id)
		: err;
}
