/**
 * A request as received: everything copied out of libmicrohttpd, so that it outlives its connection
 * (a handler may still run when the server has already answered 503 and closed). Inner to http/.
 */
#ifndef BELFRY_HTTP_REQUEST_H
#define BELFRY_HTTP_REQUEST_H

#include "base/buf.h"
#include "base/refc.h"
#include "http/answer.h"
#include "http/body.h"
#include "http/budget.h"
#include "http/head.h"
#include "http/lane.h"
#include "http/router.h"
#include "http/state.h"

/** Why a request is refused without a handler; status 0: it is not. */
struct refusal {
	int status;
	const char *errcode;
	const char *text;
	int64_t retry_after_ms; /**< 0: none */
};

struct io_loop;

enum request_phase {
	REQUEST_HEAD,      /**< the head is being read */
	REQUEST_ADMISSION, /**< a worker finds out whether its body may be sent */
	REQUEST_BODY,      /**< the body is being read */
	REQUEST_RUNNING,   /**< a handler, a lane or a park has it */
	REQUEST_ANSWERED,  /**< the response is queued */
};

/**
 * What a request has in common with the next one of its connection, where that comes with the same headers, as a client's waits do: a held
 * connection keeps it from one to the other. It has one owner, and all that it views is in its own memory.
 */
struct request_head {
	bool is_kept;    /**< a GET that was read without libmicrohttpd */
	struct str rest; /**< of such a one: all behind the request line */
	struct str method;
	struct header *headers;
	size_t header_count;
	struct str path;                  /**< raw; of the first request */
	const struct router_entry *entry; /**< what it leads to, without parameters; NULL: not known */
	char address_text[ADDRESS_TEXT_BYTES];
	size_t address_n;
	char network_text[ADDRESS_TEXT_BYTES];
	size_t network_n;
	bool is_of_proxy; /**< the address is a trusted proxy's own */
	void *principal;  /**< of the last request; NULL: none that could be kept */
	void (*principal_release)(void *principal);
	void *kept; /**< of the last request, for the same route; NULL: none */
	void (*kept_destroy)(void *value);
};

struct request {
	struct refc refs; /**< one for the connection, one for the lane that has it */
	struct http_server *server;
	struct io_loop *loop;         /**< of its connection */
	struct request *next_resumed; /**< the loop's, see io_loop.c */
	struct request *next_waiting; /**< the loop's, see io_loop.c */
	atomic_bool is_leaving;       /**< linked by next_waiting */
	struct MHD_Connection
		*connection; /**< touched by its I/O thread only; NULL: held without one */
	struct conn *conn;
	int fd; /**< of its connection; -1: none left for one that is held. A worker's too: a stop may end `conn` while it runs */
	uint64_t id;
	int64_t started_us; /**< complete, or woken last */
	enum request_phase phase;

	struct str target; /**< as received */
	struct str path;   /**< raw part of target */
	struct str query;  /**< raw part of target */
	struct str method;
	struct header *headers;
	size_t header_count;
	struct request_head *head; /**< holds method, headers, address, and their texts */
	struct str address;
	struct str network; /**< address_network(): to limits, one caller */

	struct router_match match; /**< entry NULL: none */
	struct refusal refusal;    /**< found while reading; answered once all is read */
	bool close_after;          /**< the connection cannot be used for another request */
	bool is_last;              /**< so says the client */
	bool is_chunked;           /**< its body's length is told piece by piece */
	bool is_in_chunks;         /**< that body is being read: its loop counts it */
	uint64_t content_length;   /**< as promised by the head; 0 when it says nothing */
	size_t body_ceiling;
	struct buf body;
	struct budget_claim body_claim;   /**< of server->bodies */
	struct budget_claim answer_claim; /**< of server->answers */
	size_t discarded_bytes;           /**< of a body that nobody wants */
	struct body *streamed;            /**< a body that goes to a file; NULL: it does not */
	int64_t body_begun_ms;

	bool
		is_admission; /**< its job in the lane is dispatch_admit()'s; written before the push, and by the lane */
	bool is_counted; /**< in server->under_way */
	bool is_of_held; /**< it was read without libmicrohttpd */
	struct held_answer
		*begun;        /**< of such a one: what the worker has sent of its answer; NULL: nothing */
	bool may_be_held;  /**< its connection, see held.h; this and the next four: the I/O thread's */
	bool is_suspended; /**< libmicrohttpd has to be told to go on */
	bool
		is_let_out; /**< libmicrohttpd goes on with it so that it can be taken, and has not shown it yet */
	bool is_ready; /**< goes on since it was woken or answered */
	bool is_completed;
	bool is_unproven;          /**< a token of its address was taken, until it is proven who asks */
	bool is_rated;             /**< its token was taken */
	bool is_charged;           /**< call_charge() took more */
	bool is_admitted;          /**< its handler may run */
	bool waited_for_admission; /**< was parked by the authentication */
	bool is_resumed;           /**< was parked and woken */
	bool run_inline;           /**< woken: the I/O thread runs the handler again */
	bool is_moved; /**< its handler has to ask another server: it belongs to the remote lane */
	struct at_once_group *group; /**< it is under way in it; NULL: in none */
	uint64_t turn_tag;           /**< of the group in which it has waited; 0: in none */
	int64_t turn_until_ms;       /**< so long it waits for its turn; 0: it has not waited yet */
	struct call *call; /**< begun on the I/O thread, goes on on a worker; NULL: begin anew */
	struct call *
		handed_over; /**< has handed over what its answer waits for, and ends with the request; NULL: none */
	struct lane_job job;
	void *kept; /**< call_keep() */
	void (*kept_destroy)(void *value);
	bool is_kept_on; /**< call_keep_on() */
	void *principal; /**< call_set_principal() */
	void (*principal_release)(void *principal);
	bool is_principal_of_headers; /**< call_set_principal_of_headers() */

	atomic_bool is_answered; /**< whoever sets it first has set (or will set) `answer` */
	struct answer answer;
	char *path_scratch; /**< for decoding; follows in the same block, as does the target */
};

/** A request whose request line has been read. */
struct request *request_create(struct io_loop *loop, struct MHD_Connection *connection,
	struct conn *conn, struct str target);
void request_ref(struct request *request);
void request_unref(struct request *request);

/** Forgets who asks. */
void request_drop_principal(struct request *request);

/**
 * Copies method and headers; sets refusal and close_after when its framing is ambiguous, or where to it was sent.
 *
 * @param method   libmicrohttpd's own pointer, where the head begins
 * @param version  likewise, "HTTP/1.1"
 */
void request_read_head(struct request *request, const char *method, const char *version);
/** The same, of a head that was read without libmicrohttpd. */
void request_take_head(struct request *request, const struct head *head);
/** The same, with the head of the request before, where only the target can be another. Takes it over. */
void request_take_last_head(struct request *request, struct request_head *last);

/**
 * The head of a request that was answered, for the connection's next one; NULL: it cannot be kept. On the I/O thread, before
 * request_complete().
 */
struct request_head *request_leave_head(struct request *request);
/** NULL does nothing. */
void request_head_destroy(struct request_head *head);

/** Finds the route, unless it has it already, or sets refusal (400, 404, 405). */
void request_route(struct request *request, const struct router *router);

/** Adds bytes of the body; sets refusal when a ceiling or the budget is hit. */
void request_add_body(struct request *request, struct str bytes);

/** Whether its body goes to a file. */
bool request_is_streamed(const struct request *request);

/**
 * Whether its answer may be a file: libmicrohttpd alone sends those, so the connection of such a request is never held (held.h), before its
 * answer or while it waits.
 */
bool request_may_get_file(const struct request *request);

/** A body in chunks is not being read any more, if it was. On the I/O thread. */
void request_end_chunks(struct request *request);
/** Begins the file; sets refusal when that fails. */
void request_open_body(struct request *request);
/** Ends it, if there is one; sets refusal when that fails. */
void request_end_body(struct request *request);

/** Its answer begins to be sent: so much time for it. On the I/O thread. */
void request_begin_sending(struct request *request);

/** It is answered, or its connection broken: the connection's next one may come. On the I/O thread; drops its reference. */
void request_complete(struct request *request);

/** Header by name without case; p == NULL when absent. */
struct str request_header(const struct request *request, struct str name);

#endif
