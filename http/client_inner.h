/**
 * Inside of the outgoing client: a transfer from its making to its end.
 *
 * A transfer is made and set up by whoever asks (transfer_new() and setopts on its handle), given to the thread with
 * client_submit(), and from then on the thread's alone, until its `ended` callback; then it is freed.
 */
#ifndef BELFRY_HTTP_CLIENT_INNER_H
#define BELFRY_HTTP_CLIENT_INNER_H

#include <curl/curl.h>

#include "base/buf.h"
#include "base/vec.h"
#include "http/address.h"
#include "http/client.h"

struct transfer {
	struct http_client *client;
	struct arena *arena; /* of its own: the copy of the request, what is collected */
	CURL *easy;
	struct curl_slist *headers;    /* of the request, or the recipients of a mail */
	struct curl_slist *connect_to; /* may be NULL */
	struct str connect_host;       /* where it connects whatever the URL says; empty: nowhere */
	unsigned connect_port;
	struct curl_slist *addresses; /* of the names that were looked up for it */
	struct str missing_name;      /* libcurl wants its addresses; empty: of none */
	unsigned missing_port;
	int look_ups;
	struct name_look_up *look_up; /* under way; the client's thread's */
	fetch_finished *finished;
	void *data;
	enum err (*sink)(void *data, struct str piece);
	void *sink_data;
	int64_t deadline_ms;
	int64_t started_us;
	size_t body_ceiling;
	struct buf body;
	VEC(struct fetch_header) answer_headers;
	size_t answer_header_bytes;
	size_t packings; /* of the answer's body: gzip and the like */
	bool is_in_head; /* a status line has come, and no empty line since */
	bool is_mail;
	struct str upload; /* of a mail: what is left to send */
	enum err refused;  /* why a callback of ours broke it off; ERR_OK: none did */
	struct str refused_cause;
	bool takes_beginning;
	bool is_cut;            /* as much has come as was wanted */
	bool is_any_address;    /* may be reached */
	bool is_address_denied; /* one of the host's at least */
	struct fetch_way *way;  /* to be noted; NULL: not */
	char curl_text[CURL_ERROR_SIZE];
	struct transfer *next; /* in the queue */
	struct transfer *newer;
	struct transfer *older; /* among those under way */
};

/** With what is common to HTTP and mail set. */
struct transfer *transfer_new(struct http_client *client, int64_t timeout_ms);
void transfer_destroy(struct transfer *transfer);
/** Breaks off; for callbacks. */
void transfer_refuse(struct transfer *transfer, enum err err, const char *cause);
/** Calls `finished` with what libcurl says; counts it. */
void transfer_end(struct transfer *transfer, CURLcode code);

/** Takes over what a request says of its way. */
void way_set_up(struct transfer *transfer, const struct fetch *fetch);
/** Notes it, when the transfer has ended. */
void way_note(struct transfer *transfer, CURLcode code);

/** Makes libcurl break off where it would look up a name by itself: see client_names.c. */
void names_set_up(struct transfer *transfer);
/** Whether it broke off there, so that the name has to be looked up. */
bool names_are_missing(const struct transfer *transfer, CURLcode code);

/** A name that is looked up for a transfer. */
struct name_look_up {
	struct http_client *client;
	struct transfer *transfer; /* NULL: has ended meanwhile; the client's thread's */
	char *entry; /* the addresses as libcurl takes them, on the heap; NULL: none was found */
	struct name_look_up *next;
};
/** Client's thread. client_name_found() follows, maybe before this returns. */
void names_look_up(struct transfer *transfer);
/** The transfer can go on with that, from its beginning, if it is not too late. */
MUST_CHECK bool names_take(struct transfer *transfer, const struct name_look_up *found);
/** Frees. NULL does nothing. */
void names_look_up_free(struct name_look_up *look_up);
/** Gives a look-up that has ended to the client's thread. Any thread. */
void client_name_found(struct http_client *client, struct name_look_up *look_up);

/** Takes the transfer over; ends it at once when the client has stopped. Any thread. */
void client_submit(struct http_client *client, struct transfer *transfer);

/** As it was given, with the defaults filled in; of the client. Any thread. */
const struct http_client_config *client_config(const struct http_client *client);
/** Path of the file with all certificate authorities; NULL: libcurl's own. */
const char *client_ca_path(const struct http_client *client);

/**
 * For those who wait: pass client_wait_finished and the waiter to the transfer, then client_wait(), which copies the answer into
 * the ctx's arena and describes a failure there.
 */
struct client_waiter;
/** In the ctx's arena. */
struct client_waiter *client_waiter_new(struct ctx *ctx);
/** A transfer's callback: wakes who waits. On the client's thread. */
void client_wait_finished(void *waiter, const struct fetch_end *end);
/** Waits to the transfer's end, however it ends. Errors: as http_client_fetch(). */
MUST_CHECK enum err client_wait(struct client_waiter *waiter, struct fetched *out);

/** An answer in another arena, texts and all. */
struct fetched client_copy_answer(struct arena *arena, const struct fetched *from);
/** Describes how a transfer failed to who waits for it, and returns its kind. */
enum err client_fail(struct ctx *ctx, enum err err, struct str cause);

/** Time that is left until the ctx's deadline, at most `timeout_ms`, at least 1. */
int64_t client_time_left_ms(const struct ctx *ctx, int64_t timeout_ms);

#endif
