/**
 * Bodies of requests to the API of notices, read strictly: a field that is not known is refused by its name, since a program that
 * writes `expire` for `expires` is not to learn of it from guardians.
 */
#ifndef BELFRY_NOTICES_NOTICE_REQUEST_H
#define BELFRY_NOTICES_NOTICE_REQUEST_H

#include "homeserver/homeserver.h"
#include "notices/notices.h"

/** For functions that need no more than the database. */
struct account_desk notice_desk(const struct homeserver *hs);

/**
 * The body as an object with fields of a list only.
 * @param fields  names with spaces between them
 * Errors: those of call_json_optional(); INPUT M_BAD_JSON, which names the field and those that there are
 */
MUST_CHECK enum err notice_request_body(struct call *call, struct str fields,
	const struct json **out);

/**
 * A notice to be taken, in the name of the request's token:
 *
 *     text, lang | texts [{lang, text}]
 *     targets [alias or id | {target, languages []}]; without: all of the token's
 *     start, zone, rule, except [], expires, draft, pin, files [mxc URI], request_key
 *
 * Errors: INPUT M_BAD_JSON, M_MISSING_PARAM
 */
MUST_CHECK enum err notice_request_post(struct call *call, struct notice_post *out);

/**
 * Other texts of a notice: text, lang | texts, later. Errors: INPUT M_BAD_JSON, M_MISSING_PARAM
 * @param out_is_later  for what has not gone out alone
 */
MUST_CHECK enum err notice_request_texts(struct call *call, struct notice_post *out,
	bool *out_is_later);

/** The number in the path. Errors: MISSING M_NOT_FOUND when it is none */
MUST_CHECK enum err notice_request_id(struct call *call, int64_t *out);

#endif
