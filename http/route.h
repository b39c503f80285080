/**
 * A route: one row per endpoint, from which router entry, authentication, lane, limits, metrics label
 * and documentation are derived.
 */
#ifndef BELFRY_HTTP_ROUTE_H
#define BELFRY_HTTP_ROUTE_H

#include "http/call.h"

enum route_auth {
	AUTH_NONE, /**< anybody */
	AUTH_PAGE, /**< anybody, in a browser: what fails by no fault of theirs is told by a page (http_ports.page_of_failure) */
	AUTH_OPTIONAL, /**< a token is looked at when given; a wrong one is refused */
	AUTH_USER,     /**< a valid access token of a user (appservice masquerading included) */
	AUTH_GUEST,    /**< the same, guests allowed */
	AUTH_USER_ACTS, /**< AUTH_USER for what others get to see: who has to accept terms first may not (route_acts) */
	AUTH_GUEST_ACTS,    /**< the same, guests allowed */
	AUTH_USER_RETRACTS, /**< AUTH_USER_ACTS, but who has to accept terms first may take back what is their own: the handler refuses the rest */
	AUTH_APPSERVICE,    /**< an application service's own token */
	AUTH_ADMIN,         /**< a user who is server administrator */
	AUTH_SERVER,        /**< a signed request of another homeserver */
	AUTH_NOTICE,        /**< a token for notices of the school */
	AUTH_NOTICE_HOOK,   /**< the same in the path, as {hookToken} */
};

enum route_lane {
	LANE_INLINE, /**< on the I/O thread, from memory alone; a handler that fails with ERR_DEFER runs again on LANE_LOCAL */
	LANE_LOCAL, /**< database only; a handler that has to ask another server after all (ctx_may_ask) runs again on LANE_REMOTE */
	LANE_SLOW,  /**< processor-bound for tens of milliseconds (password hashes), few workers */
	LANE_REMOTE, /**< may wait for another server */
};

/** Token-bucket classes; capacity and refill come from the configuration. */
enum route_rate {
	RATE_NONE,
	RATE_READ,         /**< cheap reads and syncs */
	RATE_WRITE,        /**< changes of own data */
	RATE_MESSAGE,      /**< sending events */
	RATE_JOIN,         /**< joins, creation of rooms, invites */
	RATE_LOGIN,        /**< by address: log-in attempts, password checks */
	RATE_REGISTER,     /**< by address */
	RATE_SERVER,       /**< by server: questions of another homeserver that cost little */
	RATE_SERVER_HEAVY, /**< by server: states, history, joins; only so many at once */
	RATE_TRANSACTION,  /**< by server: no rate, only so many at once */
	RATE_NOTICE,       /**< by token for notices */
	RATE_UNPROVEN, /**< by address, of no route: what claims to come from a homeserver, until its signature is found right */
	RATE_WRONG_PASSWORD, /**< of no route: passwords that were not right, by whom they were tried for */
	RATE_CLASS_COUNT,
};

/**
 * For route.body_ceiling_bytes: the body goes to a file as it arrives, whatever its type, up to
 * http_config.stream_ceiling_bytes; see call_body_file(). Who asks, and how often, is settled before the first byte of it.
 */
#define BODY_STREAMED SIZE_MAX

typedef enum err route_handler(struct call *call);

struct route {
	const char *id;     /**< operationId of the specification; label in metrics */
	const char *method; /**< "GET" … */
	/**
	 * "/_matrix/client/(r0|v3)/rooms/{roomId}/send/{eventType}/{txnId}": literal segments, `{name}`
	 * for a parameter, `(a|b)` for each of the alternatives. A slash at the end counts; where there
	 * is a row for `/x` and one for `/x/{y}`, a request for `/x/` gets the former.
	 */
	const char *path;
	enum route_auth auth;
	enum route_lane lane;
	enum route_rate rate;
	size_t
		body_ceiling_bytes; /**< 0: the default for JSON (configured, 256 KiB); BODY_STREAMED; no body on GET */
	route_handler *handler;
};

/** Whether it does what others get to see, which needs more than reading does. */
static inline bool route_acts(const struct route *route)
{
	return route->auth == AUTH_USER_ACTS || route->auth == AUTH_GUEST_ACTS ||
		route->auth == AUTH_USER_RETRACTS;
}

/** Whether it matters who asks. */
static inline bool route_asks_who(const struct route *route)
{
	return route->auth != AUTH_NONE && route->auth != AUTH_PAGE;
}

/** Whether it takes tokens of guests. */
static inline bool route_takes_guests(const struct route *route)
{
	return route->auth == AUTH_GUEST || route->auth == AUTH_GUEST_ACTS ||
		route->auth == AUTH_OPTIONAL;
}

struct route_table {
	const struct route *rows;
	size_t count;
	void *service; /**< handed to handlers as call->service */
};

#endif
