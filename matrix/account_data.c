/*
 * Small rules about users' own data. The numbers of tags are the only place where a client's JSON
 * has to be a fraction; it is kept as it was written and only looked at here.
 */
#include "matrix/account_data.h"

#include <stdlib.h>
#include <string.h>

#include "matrix/errcode.h"

bool account_data_is_servers(struct str type)
{
	return str_equals(type, STR("m.fully_read")) || str_equals(type, STR("m.push_rules"));
}

bool account_data_type_check(struct str type, struct field_error *out_error)
{
	struct str field = STR("type");
	if (account_data_is_servers(type)) {
		return field_fail(out_error, M_BAD_JSON, type, "cannot be set here: the server manages it");
	}
	if (type.n == 0 || type.n > ACCOUNT_DATA_MAX_TYPE_BYTES ||
		str_find_byte(type, '\0') != SIZE_MAX) {
		return field_fail(out_error, M_INVALID_PARAM, field, "must have 1 to 255 bytes");
	}
	return true;
}

bool tag_name_check(struct str tag, struct field_error *out_error)
{
	if (tag.n == 0 || tag.n > TAG_MAX_BYTES || str_find_byte(tag, '\0') != SIZE_MAX) {
		return field_fail(out_error, M_INVALID_PARAM, STR("tag"), "must have 1 to 255 bytes");
	}
	return true;
}

static bool is_zero_to_one(const struct json *number)
{
	if (number->type == JSON_INT) {
		return number->integer == 0 || number->integer == 1;
	}
	char text[64] = {0}; /* further digits do not decide */
	memcpy(text, json_text(number).p, MIN_OF(json_text(number).n, sizeof(text) - 1));
	double value = strtod(text, NULL);
	return value >= 0.0 && value <= 1.0;
}

bool tag_content_check(const struct json *content, struct field_error *out_error)
{
	if (content->type != JSON_OBJECT) {
		return field_fail(out_error, M_BAD_JSON, STR("body"), "must be an object");
	}
	const struct json *order = json_at(content, "order");
	if (order == NULL) {
		return true;
	}
	if (order->type != JSON_INT && order->type != JSON_NUMBER) {
		return field_fail(out_error, M_INVALID_PARAM, STR("order"), "must be a number");
	}
	if (!is_zero_to_one(order)) {
		return field_fail(out_error, M_INVALID_PARAM, STR("order"), "must lie between 0 and 1");
	}
	return true;
}

bool invite_permission_blocks(const struct json *content)
{
	return str_equals(json_get_str(content, STR("default_action")), STR("block"));
}
