/**
 * What servers send to each other: PDUs and EDUs in a transaction. Only its shape is looked at here; each of its parts is
 * judged alone.
 * Spec: server-server API, "Transactions"
 */
#ifndef BELFRY_MATRIX_TRANSACTION_H
#define BELFRY_MATRIX_TRANSACTION_H

#include "base/json.h"
#include "matrix/field_error.h"
#include "matrix/id.h"

enum {
	TRANSACTION_MAX_PDUS = 50,
	TRANSACTION_MAX_EDUS = 100,
	EDU_MAX_BYTES = 1024 * 1024, /**< of the content, as sent; a larger one is left out */
	/** Of the content, as deep as a request of a client: a message to devices is three levels down in both. A deeper one is left out. */
	EDU_MAX_NESTING = 100,
};

struct edu {
	struct str type;
	const struct json *content; /**< object */
};

struct transaction {
	const struct json *pdus; /**< values of any shape */
	size_t pdu_count;
	struct edu *edus; /**< those that have the shape of an EDU; in the arena */
	size_t edu_count;
};

/**
 * Reads the body of a transaction. Values that are no EDUs are left out: nobody is told what becomes of EDUs.
 *
 * @param body       object
 * @param out_error  M_BAD_JSON (a list is none), M_TOO_LARGE (more than a transaction may have)
 */
MUST_CHECK bool transaction_read(struct arena *arena, const struct json *body,
	struct transaction *out, struct field_error *out_error);

/** The room that a PDU says it belongs to. @return false when it names none */
MUST_CHECK bool transaction_room_of(const struct json *pdu, struct room_id *out);

#endif
