/*
 * The words of typing and receipts. The receipts of a room, merged and written, are in homeserver/receipt/receipt_set.
 */
#include "matrix/edu.h"

#include "matrix/errcode.h"
#include "matrix/id.h"

void edu_typing_write(struct json_out *out, const struct str *user_ids, size_t count)
{
	json_out_object(out);
	json_out_key_object(out, "content");
	json_out_key_strs(out, "user_ids", user_ids, count);
	json_out_end(out);
	json_out_key_str(out, "type", STR("m.typing"));
	json_out_end(out);
}

/* --- receipts --------------------------------------------------------------------------------- */

static const struct str type_names[] = {
	[RECEIPT_READ] = STR_INIT("m.read"),
	[RECEIPT_READ_PRIVATE] = STR_INIT("m.read.private"),
};

bool receipt_type_parse(struct str name, enum receipt_type *out)
{
	for (size_t i = 0; i < COUNT_OF(type_names); i++) {
		if (str_equals(type_names[i], name)) {
			*out = (enum receipt_type)i;
			return true;
		}
	}
	return false;
}

struct str receipt_type_name(enum receipt_type type)
{
	return type_names[type];
}

static bool is_thread_id(struct str text)
{
	struct event_id id;
	return str_equals(text, STR("main")) || event_id_parse(text, &id);
}

bool receipt_thread_read(const struct json *body, bool is_marker, struct str *out,
	struct field_error *out_error)
{
	const struct json *thread = json_at(body, "thread_id");
	struct str field = STR("thread_id");
	if (thread == NULL) {
		*out = str_from(NULL, 0);
		return true;
	}
	if (thread->type != JSON_STRING || json_text(thread).n == 0) {
		return field_fail(out_error, M_INVALID_PARAM, field, "must be a non-empty string");
	}
	if (is_marker) {
		return field_fail(out_error, M_INVALID_PARAM, field, "must not be given for m.fully_read");
	}
	if (!is_thread_id(json_text(thread))) {
		return field_fail(out_error, M_INVALID_PARAM, field, "must be \"main\" or an event id");
	}
	*out = json_text(thread);
	return true;
}
