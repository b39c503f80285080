/**
 * What users may keep on the server for themselves: types of account data, and tags of rooms.
 * Spec: client-server API, "Client Config", "Room Tagging"
 */
#ifndef BELFRY_MATRIX_ACCOUNT_DATA_H
#define BELFRY_MATRIX_ACCOUNT_DATA_H

#include "base/json.h"
#include "matrix/field_error.h"

enum {
	ACCOUNT_DATA_MAX_TYPE_BYTES = 255,
	TAG_MAX_BYTES = 255,
};

/** Whether the server alone writes it: m.fully_read, m.push_rules. */
bool account_data_is_servers(struct str type);

/**
 * Checks the type of a client's PUT …/account_data/{type}.
 * Errors: M_BAD_JSON for a type that is the server's (status 405: account_data_is_servers());
 * M_INVALID_PARAM for one that is empty or too long.
 */
MUST_CHECK bool account_data_type_check(struct str type, struct field_error *out_error);

/**
 * Whether a content of m.invite_permission_config wants no invites at all.
 * Spec: client-server API, "Invite permission"
 */
bool invite_permission_blocks(const struct json *content);

/** Checks a tag's name. Errors: M_INVALID_PARAM when it is empty or longer than TAG_MAX_BYTES. */
MUST_CHECK bool tag_name_check(struct str tag, struct field_error *out_error);

/**
 * Checks a tag's content: an object whose `order`, if there is one, is a number from 0 to 1.
 * Errors: M_BAD_JSON, M_INVALID_PARAM.
 */
MUST_CHECK bool tag_content_check(const struct json *content, struct field_error *out_error);

#endif
