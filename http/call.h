/**
 * One request being handled: what a handler sees of it, and how it answers.
 *
 * A handler is straight-line code on a worker: parse into typed values → one domain call → reply.
 *
 *     static enum err get_whoami(struct call *call)
 *     {
 *     	const struct principal *me = call_principal(call);
 *     	struct json_out *out = reply_json(call, 200);
 *     	json_out_object(out);
 *     	json_out_key_str(out, "user_id", me->user_id);
 *     	json_out_end(out);
 *     	return ERR_OK;
 *     }
 *
 * A handler that returns another value than ERR_OK has described the failure with fail(); the HTTP
 * layer turns call->ctx.fault into status and errcode body, and logs it once if its kind asks for it.
 */
#ifndef BELFRY_HTTP_CALL_H
#define BELFRY_HTTP_CALL_H

#include "base/crypto.h"
#include "base/ctx.h"
#include "base/json.h"
#include "base/json_out.h"

struct route;
struct park;

/** Private part; see call.c. */
struct call_state;

struct call {
	struct ctx ctx;            /**< arena (reset after the reply), deadline, request id, fault */
	const struct route *route; /**< the row that matched */
	void *service;             /**< what the route table was registered with (the homeserver) */
	struct call_state *state;
};

/* --- request ---------------------------------------------------------------------------------- */

/** Decoded path parameter by its name in the template, e.g. "roomId"; the name must exist (invariant). */
struct str call_path(const struct call *call, const char *name);
/** Whether the template has a path parameter of that name. */
bool call_has_path(const struct call *call, const char *name);

/** First query parameter of that name, decoded; p == NULL when absent. */
struct str call_query(const struct call *call, const char *name);

/** All query parameters of that name in order, in the arena. */
struct str *call_query_all(struct call *call, const char *name, size_t *out_n);

/**
 * Integer query parameter.
 * @return `otherwise` in *out when absent. Errors: INPUT M_INVALID_PARAM when no integer in [min, max]
 */
MUST_CHECK enum err call_query_int(struct call *call, const char *name, int64_t min, int64_t max,
	int64_t otherwise, int64_t *out);

/** Boolean query parameter ("true" or "false"). Errors: INPUT M_INVALID_PARAM. */
MUST_CHECK enum err call_query_bool(struct call *call, const char *name, bool otherwise, bool *out);

/** Request header, case-insensitive; p == NULL when absent. */
struct str call_header(const struct call *call, const char *name);

/** Method ("PUT"), and the path and query as received, undecoded (federation signs them). */
struct str call_method(const struct call *call);
struct str call_raw_target(const struct call *call);

/** Address of the client as text (from X-Forwarded-For where the listener trusts its proxy). */
struct str call_client_address(const struct call *call);
/** What limits by address look at: the address, of IPv6 the /64 in which it lies. */
struct str call_client_network(const struct call *call);

/** The body's bytes; empty when there is none. */
struct str call_body(const struct call *call);

/** The body of a BODY_STREAMED route: a file that is complete but not flushed to disk. */
struct body_file {
	const char *path; /**< removed with the request, unless it was renamed by then */
	int fd;           /**< for reading and flushing; closed with the request */
	int64_t size_bytes;
	unsigned char sha256[SHA256_BYTES];
};

/** Only in handlers of BODY_STREAMED routes; an empty body is an empty file. */
const struct body_file *call_body_file(const struct call *call);

/**
 * The body as a JSON object, parsed once.
 * Errors: INPUT M_NOT_JSON (not JSON, not UTF-8, empty); INPUT M_BAD_JSON (no object, duplicate keys, too deep)
 * @param out  borrowed from the call
 */
MUST_CHECK enum err call_json(struct call *call, const struct json **out);
/** The same where the body may be left out: an empty one counts as {}. */
MUST_CHECK enum err call_json_optional(struct call *call, const struct json **out);
/** Puts another object in the place of a body that is there; `body` must live as long as the call's arena. */
void call_set_json(struct call *call, const struct json *body);

/** Who asks: set by the authentication port; NULL on routes without authentication, and before it. */
void *call_principal(const struct call *call);
/**
 * The principal stays with the request: a request that waited still has it when its handler runs again.
 * @param release  called when the request ends or another principal is set; NULL: nothing to do
 */
void call_set_principal(struct call *call, void *principal, void (*release)(void *principal));
/** The same for who follows from the request's headers alone: the connection's next request may find them by call_last_principal(). */
void call_set_principal_of_headers(struct call *call, void *principal,
	void (*release)(void *principal));
/**
 * Who was set so for the last request of this connection, which had the same headers; NULL: nobody, or that is not known. Not who asks now, until
 * it is confirmed: what has become of them meanwhile is the caller's to look at.
 */
void *call_last_principal(const struct call *call);
/** Sets the last principal. */
void call_confirm_principal(struct call *call);

/**
 * Charges more of the route's budget, before anything is done, for a request that does the work of several: as if it
 * had come `tokens` times more, but no more than a full bucket. A run that begins anew is not charged again.
 * Errors: LIMIT M_LIMIT_EXCEEDED
 */
MUST_CHECK enum err call_charge(struct call *call, size_t tokens);

/**
 * Takes one of the guesses at a password that a bucket has (RATE_WRONG_PASSWORD), whoever asks.
 * @param bucket  its key; "" is exempt
 * Errors: LIMIT M_LIMIT_EXCEEDED
 */
MUST_CHECK enum err call_take_guess(struct call *call, struct str bucket);
/** Puts it back: it was right. */
void call_give_guess(struct call *call, struct str bucket);

/* --- typed body fields; all errors INPUT M_BAD_JSON (wrong type) or M_MISSING_PARAM (absent) ------------ */

/** Required string. */
MUST_CHECK enum err body_str(struct call *call, const struct json *object, const char *key,
	struct str *out);
/** Optional string: p == NULL when absent (or null). */
MUST_CHECK enum err body_opt_str(struct call *call, const struct json *object, const char *key,
	struct str *out);
/** Optional boolean. */
MUST_CHECK enum err body_opt_bool(struct call *call, const struct json *object, const char *key,
	bool otherwise, bool *out);
/** Optional integer in [min, max]. */
MUST_CHECK enum err body_opt_int(struct call *call, const struct json *object, const char *key,
	int64_t min, int64_t max, int64_t otherwise, int64_t *out);
/** Optional object / array: NULL when absent (or null). */
MUST_CHECK enum err body_opt_object(struct call *call, const struct json *object, const char *key,
	const struct json **out);
MUST_CHECK enum err body_opt_array(struct call *call, const struct json *object, const char *key,
	const struct json **out);

/* --- reply -------------------------------------------------------------------------------------- */

/** A JSON writer for the body of an answer with this status. Called once per call. */
struct json_out *reply_json(struct call *call, int status);

/** The usual empty answer: 200 {}. */
enum err reply_empty(struct call *call);

/** A body that is ready; `body` is copied. */
enum err reply_bytes(struct call *call, int status, const char *content_type, struct str body);

/** A file, or what a client asks of it. */
struct reply_file {
	int fd; /**< closed once the answer is sent, or when it is not; -1: nothing of it is sent */
	int64_t size_bytes; /**< of the whole */
	const char *content_type;
	struct str etag; /**< with its quotes; never the same for other bytes; p == NULL: none */
	struct str before,
		after; /**< sent around it; if there are any, all of it is sent, whatever is asked */
};

/**
 * Sends a file without reading it into memory: 200 with all of it, 206 with the one range that is asked for, 304 when
 * the client has it (If-None-Match), 416 when the range lies outside. Several ranges get all of it. For GETs of routes that are not inline
 * alone: of others it is a 500 (request_may_get_file()).
 * Spec: RFC 9110, 13 and 14
 */
enum err reply_file(struct call *call, const struct reply_file *file);

/** Bytes of a file, from `begin` to before `end`. */
struct reply_part {
	int64_t begin, end;
};

/**
 * What reply_file() would send of a file with this etag, for who has to fetch it first; empty when the client has it, or asks for
 * what is not there.
 */
struct reply_part call_wanted_part(const struct call *call, struct str etag, int64_t size_bytes);

/** Whether the client says that it has what this etag stands for, given with its quotes (If-None-Match). Spec: RFC 9110, 13.1.2 */
bool call_has_etag(const struct call *call, struct str etag);

/** Adds a response header (both copied). */
void reply_header(struct call *call, const char *name, struct str value);
/** The same with a moment, of which the header has the seconds. @param wall_ms  milliseconds since 1970 */
void reply_date(struct call *call, const char *name, int64_t wall_ms);
/** Adds Last-Modified, which is never later than the answer's own Date. @param wall_ms  as above. Spec: RFC 9110, 8.8.2.1 */
void reply_last_modified(struct call *call, int64_t wall_ms);

/* --- lanes and parking -------------------------------------------------------------------------------- */

/** Whether the handler runs on an I/O thread: what it calls may not wait (call->ctx.may_not_wait). */
bool call_is_inline(const struct call *call);

/**
 * Leaves the request waiting without a thread. The handler returns ERR_OK right after; when somebody
 * calls park_wake(), or at the deadline, the handler runs again as a fresh call on its lane (new arena, same
 * request, call_is_resumed() true).
 *
 * @param deadline_mono_ms  monotonic milliseconds; then it is woken in any case
 * @return a reference for the waker; give it back with park_unref()
 */
struct park *call_park(struct call *call, int64_t deadline_mono_ms);

/**
 * Whether the authentication port parked this request before and let it wait (see http/ports.h). To its handler it comes for the
 * first time all the same.
 */
bool call_waited_for_admission(const struct call *call);

/** Wakes a parked request; any thread, any number of times, also before the handler has returned. */
void park_wake(struct park *park);
/** The same for many requests of one server; much cheaper than one by one. */
void park_wake_many(struct park *const *parks, size_t count);
/** Whether the request was woken or answered: waking it does nothing any more. */
bool park_is_over(const struct park *park);
void park_ref(struct park *park);
void park_unref(struct park *park);

/** Whether the handler runs again, after it was parked. */
bool call_is_resumed(const struct call *call);
/** When the request was complete, or was woken last; monotonic milliseconds. */
int64_t call_began_ms(const struct call *call);
/** True when the server is stopping: answer at once instead of parking. */
bool call_is_stopping(const struct call *call);

/** A value that survives parking (parsed filter, deadline); destroyed with the request. */
void *call_kept(const struct call *call);
void call_keep(struct call *call, void *value, void (*destroy)(void *value));
/** What is kept may be left to the connection's next request, if that has the same path and headers: its query may be another. */
void call_keep_on(struct call *call);
/** What the last request has left so, which is the caller's from now on; NULL: nothing. */
void *call_take_left(struct call *call);

#endif
