/**
 * Signed requests between servers: the Authorization header of scheme X-Matrix and the bytes that its
 * signature covers.
 * Spec: server-server API, "Request Authentication"; RFC 9110, 11.4
 */
#ifndef BELFRY_MATRIX_X_MATRIX_H
#define BELFRY_MATRIX_X_MATRIX_H

#include "matrix/event_build.h"

/** What a header says. */
struct x_matrix {
	struct server_name origin;
	struct str destination; /**< as sent; p == NULL: absent (old servers) */
	struct str key_id;      /**< "ed25519:abc" */
	struct str signature;   /**< base64, not decoded */
};

/** What is signed of a request. */
struct x_matrix_request {
	struct str method; /**< "GET" */
	struct str uri;    /**< the target exactly as sent: path and query, percent-encoded */
	struct server_name origin;
	struct server_name destination; /**< the receiving server's name, whatever the header says */
	const struct json *content;     /**< the parsed body; NULL: there is none */
};

/**
 * Reads the header's value. Lenient as the specification asks: names without regard to case, spaces
 * around commas, quotes or none, backslash escapes, unknown parameters.
 *
 * @return false when it is of another scheme, malformed, or lacks origin, key or sig; when one of the
 *         four stands twice; when origin or key id is none
 * Ownership: views the text, or lies in the arena.
 */
MUST_CHECK bool x_matrix_parse(struct arena *arena, struct str header, struct x_matrix *out);

/**
 * Whether the request is meant for this server: no destination in the header, or this server's name.
 * Otherwise it is answered 401.
 */
bool x_matrix_is_for(const struct x_matrix *header, struct server_name own);

/** Whether the header's signature covers the request. @param public_key  32 raw bytes of header->key_id */
MUST_CHECK bool x_matrix_verify(struct arena *arena, const struct x_matrix *header,
	const struct x_matrix_request *request, struct str public_key);

/** The bytes that are signed: canonical JSON. */
struct str x_matrix_signed_text(struct arena *arena, const struct x_matrix_request *request);

/** The header's value for a request of ours; request->origin is the signer's server. */
struct str x_matrix_sign(struct arena *arena, const struct x_matrix_request *request,
	const struct event_signer *signer);

#endif
