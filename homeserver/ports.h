/**
 * What the homeserver's domains need from layers above them: filled by app/wire.c before threads start, const after that.
 * Everything NULL: there is nobody to ask, and the domains answer so.
 */
#ifndef BELFRY_HOMESERVER_PORTS_H
#define BELFRY_HOMESERVER_PORTS_H

#include "base/ctx.h"
#include "base/json.h"
#include "base/json_out.h"
#include "homeserver/e2ee_port.h"
#include "matrix/errcode.h"
#include "matrix/id.h"

/** What a client looks up on a network behind a bridge. */
enum third_party_kind { THIRD_PARTY_LOCATION, THIRD_PARTY_USER };

/**
 * Bridged networks, by application services. All functions may take as long as the slowest of them is allowed to: they
 * are called on the remote lane. They write nothing when they fail.
 */
struct third_party_port {
	void *self;
	/** Writes {"network": protocol, …} of all application services. Errors: REMOTE */
	enum err (*write_protocols)(void *self, struct ctx *ctx, struct json_out *out);
	/** Writes the protocol object of one network. Errors: MISSING (no fault text) when nobody bridges it; REMOTE */
	enum err (
		*write_protocol)(void *self, struct ctx *ctx, struct str protocol, struct json_out *out);
	/**
	 * Writes the array of locations or users that match. Errors: MISSING when there are none; REMOTE
	 * @param query  the fields, as the client sent them: what stands behind the question mark, or empty
	 */
	enum err (*write_matches)(void *self, struct ctx *ctx, enum third_party_kind kind,
		struct str protocol, struct str query, struct json_out *out);
	/** The same of all networks, for a room alias or a user id. Errors: MISSING when there are none; REMOTE */
	enum err (*write_matches_of)(void *self, struct ctx *ctx, enum third_party_kind kind,
		struct str id, struct json_out *out);
};

/** Published rooms of other servers. */
struct room_directory_port {
	void *self;
	/**
	 * Writes a page as the other server gives it: {"chunk":[…],…}. Called on the remote lane; the deadline is the ctx's.
	 * Errors: REMOTE; TIMEOUT; DENIED M_FORBIDDEN (the other server refuses). Nothing is written then.
	 * @param body  as for POST /publicRooms: limit, since, filter, …
	 */
	enum err (*list)(void *self, struct ctx *ctx, struct server_name server,
		const struct json *body, struct json_out *out);
};

/** Profiles of users of other servers. */
struct profile_port {
	void *self;
	/**
	 * All fields, as the user's server gives them and as far as they have the form that they have to have. In the ctx's arena.
	 * From memory for one who was asked about lately.
	 * Errors: MISSING M_NOT_FOUND; DENIED M_FORBIDDEN (the other server refuses); REMOTE; TIMEOUT; DEFER (ctx_may_ask)
	 */
	enum err (*get)(void *self, struct ctx *ctx, struct user_id user, struct json *out);
};

/** Spaces that other servers know. */
struct space_port {
	void *self;
	/**
	 * What another server says of a room and those right below it, unchecked: an object, as of GET /hierarchy/{roomId}. The servers are
	 * asked in turn until one knows. In the ctx's arena; from memory when it was asked lately.
	 * Errors: MISSING (none knows it, or tells); REMOTE; TIMEOUT; SHUTDOWN; DEFER (ctx_may_ask)
	 */
	enum err (*ask)(void *self, struct ctx *ctx, const struct server_name *servers, size_t count,
		struct str room_id, bool suggested_only, int64_t timeout_ms, struct json *out);
};

struct room;

/** An event by its time: the last one before it (or the first after it) that is nearer than the one that is known. */
struct history_time {
	int64_t ts; /**< milliseconds */
	bool is_backwards;
	int64_t from, to; /**< times that are nearer, both ends included; none when from > to */
};

/** History of rooms that other servers have. */
struct history_port {
	void *self;
	/**
	 * For who reads backwards and ends right before the event at a gap: asks others for what was there, and takes it in. Others who
	 * come to a gap of the same room meanwhile wait for the same answer.
	 * @param reached      position at which one ended
	 * @param out_goes_on  whether to read anew: there is more of history now, or nobody had any, and the gap is passed over for a while
	 * Errors: STORE; SHUTDOWN; DEFER (ctx_may_ask), nothing was done. Cost: none where there is no gap; else one round trip, and requests
	 */
	enum err (
		*fill)(void *self, struct ctx *ctx, struct room *room, int64_t reached, bool *out_goes_on);
	/**
	 * For who wants an event that is not in the timeline: asks others for it and takes it in, where it belongs, if history is missing
	 * there; of a partial room once it is whole. One that nobody had is not asked for again within a minute.
	 * @param out_is_news  whether to look again: it is in the timeline now, or somebody else asked meanwhile
	 * Errors: STORE; SHUTDOWN; DEFER (ctx_may_ask), nothing was done. Cost: none in a room without gaps; else one round trip, and
	 * requests: one where it is near what is known, else a second for the state before it
	 */
	enum err (*fetch)(void *self, struct ctx *ctx, struct room *room, struct event_id event_id,
		bool *out_is_news);
	/**
	 * The same for an event by its time, where history of that time may be missing.
	 * Cost: none in a room without gaps; else one round trip, and one request for the event's id besides the above
	 */
	enum err (*fetch_near)(void *self, struct ctx *ctx, struct room *room,
		const struct history_time *wanted, bool *out_is_news);
};

struct room_intent;

/** A membership that a local user wants in a room of others. */
struct membership_wish {
	struct user_id user;
	struct str room_id;
	const struct json *content; /**< of the m.room.member event: membership, profile, reason */
	/** Who may be in the room, to be asked in this order; never this server, none twice. */
	const struct server_name *servers;
	size_t server_count;
};

/**
 * Memberships that need another server's help. All functions fail with DEFER, before anything was changed, where ctx_may_ask() says so.
 * What another server refuses comes through as its errcode where the specification lets it: DENIED M_FORBIDDEN, M_INVITE_BLOCKED;
 * INPUT M_INCOMPATIBLE_ROOM_VERSION (with room_version; of an invite M_UNSUPPORTED_ROOM_VERSION), M_UNABLE_TO_AUTHORISE_JOIN, M_UNABLE_TO_GRANT_JOIN; MISSING M_NOT_FOUND.
 * Other errors of all: REMOTE (nobody could be asked); TIMEOUT; STORE; SHUTDOWN.
 */
struct membership_port {
	void *self;
	/**
	 * Asks the alias's server. Errors: MISSING M_NOT_FOUND; REMOTE
	 * @param out_room_id, out_servers  in the ctx's arena; those that it says are in the room
	 */
	enum err (*find_alias)(void *self, struct ctx *ctx, struct room_alias alias,
		struct str *out_room_id, struct server_name **out_servers, size_t *out_count);
	/**
	 * Comes into a room. On success the join is in it, and the room is resident here.
	 * Errors: CONFLICT (another user's join was first: this server is in the room by now, so join there)
	 */
	enum err (*join)(void *self, struct ctx *ctx, const struct membership_wish *wish);
	/** Knocks at a room in which this server is not. */
	enum err (*knock)(void *self, struct ctx *ctx, const struct membership_wish *wish);
	/**
	 * Rejects an invite to a room in which this server is not, or takes a knock back. Whatever others say, or whether they can be
	 * reached: the user is out of it then. Errors: DEFER, STORE and SHUTDOWN only; CONFLICT (this server is in the room by now)
	 */
	enum err (*leave)(void *self, struct ctx *ctx, const struct membership_wish *wish);
	/**
	 * Invites a user of another server, who has to be told first and signs too; then adds the invite to the room, if it is still
	 * allowed there. The caller has no turn. Errors: as room_add() too
	 * @param out_event_id  in the ctx's arena; may be NULL
	 */
	enum err (*invite)(void *self, struct ctx *ctx, struct room *room,
		const struct room_intent *intent, struct str *out_event_id);
	/**
	 * A user of ours shows the identity server's signature for an invite that the room has promised to a mail address or phone number: it is
	 * checked, and the invite added to the room, or asked for at the server of who promised it.
	 * Errors: INPUT M_INVALID_PARAM (not of this user); MISSING M_NOT_FOUND (no such promise); DENIED M_FORBIDDEN (signature, or its key is
	 * not valid any more)
	 */
	enum err (*redeem)(void *self, struct ctx *ctx, struct str room_id, struct str user_id,
		const struct json *signature);
};

/** What users take along to a room that has taken the place of another. */
struct succession_port {
	void *self;
	/**
	 * Called when a local user has come into a room, after the commit: copies what the user had set for the room's predecessor, if
	 * there is one. Never fails. Cost: none for a room without predecessor, else one round trip, and two commits at most.
	 */
	void (*carry_over)(void *self, struct ctx *ctx, struct room *room, struct user_id user);
};

struct presence_view;

/** Others who are told what is worth something only now. */
enum edu_listener {
	EDU_SERVERS,     /**< other servers that share rooms */
	EDU_APPSERVICES, /**< application services that are interested */
	EDU_LISTENERS,
};

/** One of them. NULL functions: there is none. Called with no lock held; never block. */
struct edu_port {
	void *self;
	/** Somebody began to type, still types, or has ended. What concerns nobody there costs a look into memory. */
	void (*typing)(void *self, struct room *room, struct str user_id, bool is_typing);
	/** What others see of a user has changed. */
	void (*presence)(void *self, const struct presence_view *view);
};

struct event;

/** Servers that rooms have chosen to look at events before everybody else (m.room.policy). */
struct policy_port {
	void *self;
	/**
	 * Asks a policy server to sign an event. Waits some seconds at the most; one that does not answer is left alone for a while, and is
	 * never asked by more than a few at once. With a memo the request is parked, and finds the answer by the address of `event`.
	 * Errors: DENIED, INPUT, MISSING (it refuses: errcode, text and status are its own, as far as clients may see them); LIMIT
	 * M_LIMIT_EXCEEDED (it, or this server, has too much to do); REMOTE, TIMEOUT (no answer); SHUTDOWN; DEFER
	 * @param out  the body of its answer; in the ctx's arena
	 */
	enum err (*sign)(void *self, struct ctx *ctx, struct server_name server,
		const struct event *event, struct json *out);
};

/** An application service, as far as the domains have to know it. */
struct appservice_view {
	struct str id; /**< p == NULL: none */
	struct user_id sender;
	bool is_rate_limited; /**< whether its users are; its sender never is */
};

/**
 * Application services: who asks by a service's token, and what they have for themselves. All from memory, on any thread; costs a short
 * lock, and where names are compared, the expressions of their namespaces. Who asks for a person gives an id with p == NULL.
 */
struct appservice_port {
	void *self;
	/** Whose access token it is. @return false: none's. @param out  in the arena */
	bool (*of_token)(void *self, struct arena *arena, struct str token_hash,
		struct appservice_view *out);
	/** Whether the service may act as a user of this server: as its sender, and as who is in its namespace. */
	bool (*has_user)(void *self, struct str id, struct user_id user);
	bool (*has_alias)(void *self, struct str id, struct room_alias alias);
	/** Whether another than the service has the name for itself, so that it is not to be had. */
	bool (*is_user_claimed)(void *self, struct str id, struct user_id user);
	bool (*is_alias_claimed)(void *self, struct str id, struct room_alias alias);
};

/** What application services say of a user or an alias that there is not. */
enum query_answer {
	QUERY_UNKNOWN,    /**< none makes it */
	QUERY_MADE,       /**< one says that it has made it: look again */
	QUERY_UNANSWERED, /**< none makes it, and one that might does not answer */
};

/** Users and aliases of this server that there are not, and that an application service may make when they are wanted. */
struct query_port {
	void *self;
	/**
	 * Asks the services in whose namespace a user is, if there is no such account.
	 * Errors: STORE; DEFER (ctx_may_ask). Cost: none outside of all namespaces; else one round trip, and requests if there is none
	 */
	enum err (*user)(void *self, struct ctx *ctx, struct user_id user, enum query_answer *out);
	/** The same for an alias that there is not. */
	enum err (*alias)(void *self, struct ctx *ctx, struct room_alias alias, enum query_answer *out);
};

/** What to tell whoever wanted what QUERY_UNANSWERED is said of. Spec: application-service API, "Querying" */
static inline enum err query_fail_unanswered(struct ctx *ctx)
{
	return fail_status(ctx, ERR_TIMEOUT, 408, M_CONNECTION_TIMEOUT,
		"The application service that may have it does not answer; try again later");
}

struct homeserver;
struct principal;

/** Terms that have to be accepted before one acts: account/ knows of them, which stands above the rooms. */
struct consent_port {
	/** As consent_require() (account/consent.h), for what a handler finds to be acting. NULL: nothing has to be. */
	enum err (*require)(struct ctx *ctx, const struct homeserver *hs, const struct principal *who,
		struct str room_id);
};

struct homeserver_ports {
	struct succession_port succession; /**< always filled */
	struct membership_port membership; /**< always filled */
	struct room_directory_port room_directory;
	struct profile_port profile;
	struct space_port space;
	struct history_port history;
	struct third_party_port third_party;
	struct edu_port edus[EDU_LISTENERS];
	struct policy_port policy;          /**< always filled */
	struct appservice_port appservices; /**< always filled */
	struct query_port query;
	struct e2ee_port e2ee; /**< always filled */
	struct consent_port consent;
};

#endif
