/**
 * The private half of struct call, and how calls begin and end. Inner to http/.
 */
#ifndef BELFRY_HTTP_CALL_STATE_H
#define BELFRY_HTTP_CALL_STATE_H

#include "http/call.h"
#include "http/range.h"
#include "http/request.h"

struct reply_header {
	struct reply_header *next;
	const char *name;
	struct str value;
};

/** See handover.h. In the call's arena. */
struct handover {
	struct call *call;
	struct park *park; /**< until handover_done() */
	enum err (*wait)(struct ctx *ctx, void *data);
	void *data;
	atomic_bool is_done_well;
};

struct call_state {
	struct request *request;
	struct arena *arena; /**< the call's own; ctx.arena is another where there is a memo */
	bool is_stopping;    /**< the server was stopping when this run began */
	bool is_known;       /**< authentication is done */
	struct park *park;
	struct handover *handover; /**< what the answer waits for; NULL: nothing */
	bool has_query;            /**< parsed */
	struct uri_pair *query;
	size_t query_count;
	const struct json *body_json; /**< NULL: not parsed yet */

	bool is_replied;
	int status;
	const char *content_type;
	struct buf body;
	struct json_out out;
	bool is_json;
	struct reply_file *file;      /**< what is sent instead of `body`; NULL: that */
	struct range part;            /**< of it */
	struct reply_header *headers; /**< last added first */
};

/**
 * A call for a run of the request's handler, with an arena of its own.
 * Errors: INPUT M_INVALID_PARAM if the query cannot be decoded (described in the call's fault).
 */
MUST_CHECK enum err call_begin(struct request *request, bool is_inline, struct call **out);

/** Gives the arena back. */
void call_end(struct call *call);

/** Makes the call ready to run its handler once more, on a worker. */
void call_rewind(struct call *call);

/** What the handler replied; a reply whose body or headers did not fit their ceiling becomes a 500. */
struct answer reply_answer(struct call *call);

/** The call's fault; logs it. */
struct answer reply_fault(struct call *call);

/** A refusal. @param allow  for 405; NULL: none */
struct answer reply_refusal(const struct refusal *refusal, const char *allow, bool close_after);

/** What OPTIONS gets, on any path. */
struct answer reply_options(void);

#endif
