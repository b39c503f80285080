/**
 * Why a server can or cannot be reached: the way that requests take, step by step, each with what was seen and what to do about it. It asks what
 * fed_client asks and decides by the same rules, but keeps nothing, and goes on to where it cannot go on.
 * Spec: server-server API, "Resolving server names", "Retrieving server keys"
 */
#ifndef BELFRY_FEDERATION_REACH_H
#define BELFRY_FEDERATION_REACH_H

#include "http/client.h"
#include "matrix/event_build.h"

enum reach_mark {
	REACH_GOOD,
	REACH_ASIDE, /**< worth knowing; others go on without it */
	REACH_BAD,
};

/** One step; borrowed. */
struct reach_note {
	enum reach_mark mark;
	const char *step;   /**< "address"; static */
	struct str seen;    /**< may hold what others wrote */
	const char *advice; /**< what to do; NULL: nothing. As the next in two languages, static */
	const char *advice_zh;
};

struct reach_wish {
	struct server_name server;
	struct http_client *client;
	int64_t now_ms; /**< wall clock */
	bool is_own; /**< this server itself, which may well have an address of its own network here */
	/** Asks something that is signed too, which shows whether that server knows and takes this one. NULL: it does not. */
	const struct event_signer *signer;
	void (*tell)(void *data, const struct reach_note *note);
	void *data;
};

/**
 * Looks, and tells each step as it ends. Waits, at most ten seconds for each question.
 * @return whether the server is reached and everything is as it should be
 */
bool fed_reach(struct arena *arena, const struct reach_wish *wish);

#endif
