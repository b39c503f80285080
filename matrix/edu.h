/**
 * What is told about a room without being part of it, as clients see it: typing and receipts.
 * Spec: client-server API, "Typing Notifications", "Receipts"
 */
#ifndef BELFRY_MATRIX_EDU_H
#define BELFRY_MATRIX_EDU_H

#include "base/json_out.h"
#include "matrix/field_error.h"

/* --- typing ----------------------------------------------------------------------------------- */

/** Writes the event: {"content":{"user_ids":[…]},"type":"m.typing"}. */
void edu_typing_write(struct json_out *out, const struct str *user_ids, size_t count);

/* --- receipts --------------------------------------------------------------------------------- */

enum receipt_type {
	RECEIPT_READ,         /**< m.read */
	RECEIPT_READ_PRIVATE, /**< m.read.private: nobody else may see it */
};

/** "m.read", "m.read.private". */
MUST_CHECK bool receipt_type_parse(struct str name, enum receipt_type *out);
/** Static. */
struct str receipt_type_name(enum receipt_type type);

struct receipt {
	struct str user_id;
	enum receipt_type type;
	struct str thread_id; /**< "main" or a root's event id; p == NULL: unthreaded */
	struct str event_id;
	int64_t ts_ms;
};

/**
 * Reads `thread_id` of a client's request.
 *
 * @param body       object
 * @param is_marker  the request is for m.fully_read, which knows no threads
 * @param out        p == NULL: none given
 * @param out_error  written when it returns false: M_INVALID_PARAM
 */
MUST_CHECK bool receipt_thread_read(const struct json *body, bool is_marker, struct str *out,
	struct field_error *out_error);

#endif
