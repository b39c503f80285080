/**
 * One kept HTTP/1.1 connection to a server on this machine, for one request after the other, without waiting.
 */
#ifndef BELFRY_BENCH_LOAD_CONNECTION_H
#define BELFRY_BENCH_LOAD_CONNECTION_H

#include "base/buf.h"

/** A line of a plan: METHOD, target, token, body, separated by tabs; the last two may be empty. */
struct request {
	struct str method, target, token, body;
};

struct connection {
	int fd;
	size_t line;    /**< of the plan: what is asked */
	bool is_busy;   /**< asked, not yet answered */
	struct buf out; /**< the request; what is before `sent` is gone */
	size_t sent;
	struct buf in;     /**< the answer; chunks are put together behind the head */
	size_t head_bytes; /**< 0 until the head is whole */
	size_t body_bytes; /**< of the body, so far */
	size_t left_bytes; /**< of the body or chunk */
	bool is_chunked;
	int status;
	int64_t begun_us, first_us; /**< when the request went, when the first byte came */
	struct buf since; /**< for follow-up requests: the newest `next_batch`, percent-encoded */
	int64_t seen;     /**< load: for the caller */
};

/** To 127.0.0.1, the first time or again. Ends the process, with a text, when there is nobody. */
void connection_open(struct connection *c, uint16_t port);

/** Whether the server has ended it, nothing being asked or left to be read. */
bool connection_is_ended(const struct connection *c);

/**
 * Begins to send. In target and body "{n}" becomes `number`; in the target "{since}" becomes nothing or, once an answer had a
 * `next_batch`, "&since=…".
 */
void connection_ask(struct connection *c, const struct request *request, int64_t number,
	int64_t now_us);

/** Sends what is left. @return whether all is sent */
bool connection_flush(struct connection *c);

/** Reads what has come. @return whether the answer is whole; ends the process when the connection breaks */
bool connection_read(struct connection *c, int64_t now_us);

/** Of a whole answer, until the next request. */
struct str connection_body(const struct connection *c);

/** Keeps the answer's `next_batch`, if it has one. */
void connection_keep_since(struct connection *c);

#endif
