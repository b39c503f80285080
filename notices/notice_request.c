/*
 * What a field says is judged by notices_post(), which people's notices pass too; here only its type is.
 */
#include "notices/notice_request.h"

struct account_desk notice_desk(const struct homeserver *hs)
{
	return (struct account_desk){.db = hs->db,
		.settings = &hs->settings,
		.clock = hs->clock,
		.rng = hs->rng};
}

static enum err require_fields(struct call *call, const struct json *object, struct str fields)
{
	struct str *known;
	size_t count;
	notice_words_read(&call->ctx, fields, &known, &count);
	for (size_t i = 0; i < object->count; i++) {
		size_t j = 0;
		while (j < count && !str_equals(object->members[i].key, known[j])) {
			j++;
		}
		if (j == count) {
			return fail(&call->ctx, ERR_INPUT, M_BAD_JSON,
				"There is no field '%.*s'; the fields are: %.*s", STR_ARG(object->members[i].key),
				STR_ARG(count > 0 ? fields : STR("none")));
		}
	}
	return ERR_OK;
}

enum err notice_request_body(struct call *call, struct str fields, const struct json **out)
{
	TRY(call_json_optional(call, out));
	return require_fields(call, *out, fields);
}

static enum err wrong_type(struct call *call, const char *field, const char *what)
{
	return fail(&call->ctx, ERR_INPUT, M_BAD_JSON, "'%s' must be %s", field, what);
}

/* Strings of an array; absent: none. */
static enum err read_strings(struct call *call, const struct json *body, const char *field,
	struct str **out, size_t *out_count)
{
	const struct json *array;
	TRY(body_opt_array(call, body, field, &array));
	*out_count = array != NULL ? array->count : 0;
	*out = ARENA_NEW_ARRAY(call->ctx.arena, struct str, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		if (array->items[i].type != JSON_STRING) {
			return wrong_type(call, field, "an array of strings");
		}
		(*out)[i] = json_text(&array->items[i]);
	}
	return ERR_OK;
}

static enum err read_text(struct call *call, const struct json *object, struct notice_text *out)
{
	TRY(body_str(call, object, "text", &out->markdown));
	return body_opt_str(call, object, "lang", &out->lang);
}

static enum err read_texts(struct call *call, const struct json *body, struct notice_post *out)
{
	const struct json *array;
	TRY(body_opt_array(call, body, "texts", &array));
	size_t count = array != NULL ? array->count : 1;
	struct notice_text *texts = ARENA_NEW_ARRAY(call->ctx.arena, struct notice_text, count);
	if (array == NULL) {
		TRY(read_text(call, body, &texts[0]));
	} else if (json_at(body, "text") != NULL || json_at(body, "lang") != NULL) {
		return fail(&call->ctx, ERR_INPUT, M_BAD_JSON,
			"A notice has either 'text' and 'lang', or 'texts'");
	}
	for (size_t i = 0; array != NULL && i < count; i++) {
		if (array->items[i].type != JSON_OBJECT) {
			return wrong_type(call, "texts", "an array of objects");
		}
		TRY(require_fields(call, &array->items[i], STR("lang text")));
		TRY(read_text(call, &array->items[i], &texts[i]));
	}
	out->texts = texts;
	out->text_count = count;
	return ERR_OK;
}

static enum err read_target(struct call *call, const struct json *value, struct notice_target *out)
{
	struct str *languages;
	size_t count;
	*out = (struct notice_target){.target = json_text(value), .languages = STR("")};
	if (value->type == JSON_STRING) {
		return ERR_OK;
	}
	if (value->type != JSON_OBJECT) {
		return wrong_type(call, "targets", "an array of strings or objects");
	}
	TRY(require_fields(call, value, STR("target languages")));
	TRY(body_str(call, value, "target", &out->target));
	TRY(read_strings(call, value, "languages", &languages, &count));
	out->languages = notice_words_write(&call->ctx, languages, count);
	return ERR_OK;
}

static enum err read_targets(struct call *call, const struct json *body, struct notice_post *out)
{
	const struct json *array;
	TRY(body_opt_array(call, body, "targets", &array));
	if (array == NULL) {
		return ERR_OK;
	}
	if (array->count == 0) {
		return fail(&call->ctx, ERR_INPUT, M_BAD_JSON,
			"'targets' is empty; leave it out to post to all that the token is for");
	}
	struct notice_target *targets =
		ARENA_NEW_ARRAY(call->ctx.arena, struct notice_target, array->count);
	for (size_t i = 0; i < array->count; i++) {
		TRY(read_target(call, &array->items[i], &targets[i]));
	}
	out->targets = targets;
	out->target_count = array->count;
	return ERR_OK;
}

enum err notice_request_post(struct call *call, struct notice_post *out)
{
	const struct json *body;
	struct str *except;
	struct str *files;
	*out = (struct notice_post){.token = notice_token_of(call)};
	out->sender = out->token->sender;
	TRY(notice_request_body(call,
		STR("text lang texts targets start zone rule except expires draft pin files request_key"),
		&body));
	TRY(read_texts(call, body, out));
	TRY(read_targets(call, body, out));
	TRY(body_opt_str(call, body, "start", &out->start));
	TRY(body_opt_str(call, body, "zone", &out->zone));
	TRY(body_opt_str(call, body, "rule", &out->rule));
	TRY(body_opt_str(call, body, "expires", &out->expires));
	TRY(body_opt_str(call, body, "request_key", &out->request_key));
	TRY(body_opt_bool(call, body, "draft", false, &out->is_draft));
	TRY(body_opt_bool(call, body, "pin", false, &out->is_pinned));
	TRY(read_strings(call, body, "except", &except, &out->except_count));
	out->except = except;
	TRY(read_strings(call, body, "files", &files, &out->file_count));
	out->files = files;
	return ERR_OK;
}

enum err notice_request_texts(struct call *call, struct notice_post *out, bool *out_is_later)
{
	const struct json *body;
	TRY(notice_request_body(call, STR("text lang texts later"), &body));
	TRY(body_opt_bool(call, body, "later", false, out_is_later));
	return read_texts(call, body, out);
}

enum err notice_request_id(struct call *call, int64_t *out)
{
	struct str text = call_path(call, "noticeId");
	return str_to_int(text, 1, INT64_MAX, out)
		? ERR_OK
		: fail(&call->ctx, ERR_MISSING, M_NOT_FOUND, "There is no notice '%.*s'", STR_ARG(text));
}
