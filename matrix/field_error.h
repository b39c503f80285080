/**
 * What is wrong with a client's JSON body, and in which field.
 */
#ifndef BELFRY_MATRIX_FIELD_ERROR_H
#define BELFRY_MATRIX_FIELD_ERROR_H

#include "base/str.h"

/** For a reply: `fail(ctx, ERR_INPUT, e.errcode, "%.*s %s", STR_ARG(e.field), e.text)`. */
struct field_error {
	const char *errcode; /**< static, one of matrix/errcode.h */
	struct str field;    /**< "room.timeline.limit"; static or in the arena of the check */
	const char *text;    /**< reads on after the field: "must be an integer"; static */
};

/**
 * Fills the error and returns false: `return field_fail(&error, M_BAD_JSON, STR("limit"), "…")`.
 */
static inline bool field_fail(struct field_error *out, const char *errcode, struct str field,
	const char *text)
{
	*out = (struct field_error){.errcode = errcode, .field = field, .text = text};
	return false;
}

#endif
