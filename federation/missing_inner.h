/**
 * Inside of missing: what missing.c (what is fetched, and when), missing_closure.c (events with all that they rest on) and
 * missing_ask.c (requests) share.
 */
#ifndef BELFRY_FEDERATION_MISSING_INNER_H
#define BELFRY_FEDERATION_MISSING_INNER_H

#include "federation/fed_client.h"
#include "federation/missing.h"
#include "federation/pdu_check.h"

enum { MISSING_SERVERS = 4 /**< that are asked for one event: who sent it, and others */ };

/** A server that may be asked. */
struct asked_server {
	struct server_name name;
	/** One failure says nothing about the next question: the pause that it was given for that does not count. */
	bool was_asked;
	/** So often it let others wait and gave nothing: it is asked after the others, and not for ever. */
	int waits;
};

/** Everything that is done for one event. */
struct search {
	struct ctx *ctx;
	struct federation *federation;
	const struct missing_case *missing;
	struct pdu_room room;
	struct asked_server
		*servers; /**< to be asked, in this order, but who lets others wait comes last */
	size_t server_n;
	int64_t requests_left;
	int64_t states_left; /**< states that may still be fetched */
};

/** Whether a failure is no answer's fault: nothing can be done now. */
bool missing_is_general(enum err err);

/**
 * Asks the servers in turn until one answers with an object. Errors: MISSING (none does, or enough were asked); SHUTDOWN
 * @param body  NULL: GET
 */
MUST_CHECK enum err missing_ask(struct search *search, struct str target, const struct json *body,
	size_t ceiling_bytes, struct json *out);

/**
 * Asks for events by their ids, side by side, of the first server that has them. @param out  those that came, checked, in no
 * order; others are left out. Errors: STORE, TIMEOUT, SHUTDOWN
 */
MUST_CHECK enum err missing_ask_events(struct search *search, const struct event_id *ids,
	size_t count, const struct event ***out, size_t *out_count);

/** Events that are not known, by id; and which are wanted. */
struct closure;

struct closure *closure_create(struct search *search);
/** Offers an event that came in an answer; taken when it is wanted or something wanted rests on it. */
void closure_offer(struct closure *closure, const struct event *event);
/** An event that has to be known in the end, with all on which it rests. */
void closure_want(struct closure *closure, struct event_id id);
/**
 * Fetches what is wanted and neither known nor offered, and stores all of it as outliers.
 * Errors: MISSING (something cannot be had); STORE, TIMEOUT, SHUTDOWN
 */
MUST_CHECK enum err closure_settle(struct closure *closure);

#endif
