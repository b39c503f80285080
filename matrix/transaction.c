/*
 * The shape of a transaction. Whatever is wrong with one PDU is no fault of the whole, so they are handed on as they are.
 */
#include "matrix/transaction.h"

#include "matrix/errcode.h"

/* A list that may be left out. */
static bool read_list(const struct json *body, struct str key, size_t max, const struct json **out,
	size_t *out_count, struct field_error *out_error)
{
	const struct json *list = json_get(body, key);
	*out = NULL;
	*out_count = 0;
	if (list == NULL) {
		return true;
	}
	if (list->type != JSON_ARRAY) {
		return field_fail(out_error, M_BAD_JSON, key, "must be a list");
	}
	if (list->count > max) {
		return field_fail(out_error, M_TOO_LARGE, key, "has more entries than a transaction may");
	}
	*out = list->items;
	*out_count = list->count;
	return true;
}

static bool read_edu(const struct json *value, struct edu *out)
{
	const struct json *content = json_at(value, "content");
	out->type = json_get_str(value, STR("edu_type"));
	out->content = content;
	return out->type.p != NULL && out->type.n <= ID_MAX_BYTES && json_is(content, JSON_OBJECT) &&
		json_raw(content).n <= EDU_MAX_BYTES;
}

bool transaction_read(struct arena *arena, const struct json *body, struct transaction *out,
	struct field_error *out_error)
{
	const struct json *edus;
	size_t count;
	*out = (struct transaction){0};
	if (!read_list(body, STR("pdus"), TRANSACTION_MAX_PDUS, &out->pdus, &out->pdu_count,
			out_error) ||
		!read_list(body, STR("edus"), TRANSACTION_MAX_EDUS, &edus, &count, out_error)) {
		return false;
	}
	out->edus = ARENA_NEW_ARRAY(arena, struct edu, count);
	for (size_t i = 0; i < count; i++) {
		out->edu_count += read_edu(&edus[i], &out->edus[out->edu_count]);
	}
	return true;
}

bool transaction_room_of(const struct json *pdu, struct room_id *out)
{
	return room_id_parse(json_get_str(pdu, STR("room_id")), out);
}
