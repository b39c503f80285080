/**
 * Our side of the handshakes by which a user comes into, knocks at, or leaves a room in which this server is not: another server's
 * template, our event, and its way back.
 *
 * Nothing of a template is signed as it stands: the event is built of what the user asked for; of the template only the event's place in the
 * room is taken (prev_events, auth_events, depth), and who lets the user into a restricted room.
 * Spec: server-server API, "Joining Rooms", "Knocking upon a room", "Leaving Rooms"
 */
#ifndef BELFRY_FEDERATION_HANDSHAKE_H
#define BELFRY_FEDERATION_HANDSHAKE_H

#include "federation/refusal.h"
#include "matrix/event_build.h"

enum handshake_kind {
	HANDSHAKE_JOIN,
	HANDSHAKE_KNOCK,
	HANDSHAKE_LEAVE,
};

struct handshake {
	enum handshake_kind kind;
	const struct membership_wish *wish;
	struct server_name server; /**< who is asked */
	const struct room_version *version;
	const struct event *event;     /**< ours, signed */
	struct room_id room_id;        /**< parsed from the wish */
	struct user_id authorised_via; /**< who lets ours in; s.p == NULL: nobody needs to */
	bool takes_no_members;         /**< of a join: the answer may leave the room's members out */
};

/**
 * A handshake with one of several servers, tried in their order. In the arena of a call, and found again by the next run of one with a memo,
 * which goes on where the last one was.
 */
struct handshakes {
	struct federation *federation;
	enum handshake_kind kind;
	struct membership_wish wish; /**< of the first run */
	int64_t deadline_ms;         /**< of the whole; monotonic clock */
	bool takes_no_members;
	size_t at;            /**< whose turn it is among wish.servers */
	struct handshake now; /**< with that one; `event` NULL: it has given no template yet */
	bool is_answered;     /**< it has taken the event */
	struct json answer;
	struct held_text *answer_text;     /**< as that of struct fed_answer */
	const struct room_import *checked; /**< what a join's answer brought; NULL: not checked yet */
	struct refusal_best best;          /**< of those before */
};

/** The call's: new, or as the run before left them. @param limit_ms  from the first run on, for all servers together */
struct handshakes *handshakes_of(struct ctx *ctx, struct federation *federation,
	enum handshake_kind kind, const struct membership_wish *wish, int64_t limit_ms);
/** They have ended: the next ones of the call are new. */
void handshakes_end(struct ctx *ctx);
/** Whether there is another server to try, in time. Sets ctx's deadline. */
bool handshakes_go_on(struct ctx *ctx, struct federation *federation,
	const struct handshakes *shakes);
/** Makes and sends the event, as far as that is not done: `now` and `answer` are filled. Errors: as above; DEFER (parked) */
MUST_CHECK enum err handshakes_do(struct ctx *ctx, struct federation *federation,
	struct handshakes *shakes);
/** The one whose turn it was has failed, or its answer cannot be used: for the log, and for the client if nobody else does better. */
void handshakes_failed(struct ctx *ctx, struct handshakes *shakes, enum err err);

/** What another server said cannot be used: for the log, and for the client. @return ERR_REMOTE */
enum err handshake_malformed(struct ctx *ctx, struct server_name server, const char *what);

#ifdef __clang_analyzer__
/* As in base/ctx.h. */
#define handshake_malformed(ctx, server, what) \
	((void)(handshake_malformed)((ctx), (server), (what)), ERR_REMOTE)
#endif

/**
 * Builds and signs an event at the place in the room that a template gives: its prev_events, auth_events and depth; nothing else of
 * it. Fills the intent's place, time and explicit id.
 * @return false when the template has none that could be used
 */
MUST_CHECK bool fed_build_at(struct arena *arena, const struct homeserver *hs,
	const struct json *template, struct event_intent *intent, struct event **out,
	struct verdict *out_verdict);

/** A path of /_matrix/federation: "v1/make_join" and two segments, which are encoded. In the arena. */
struct str fed_path(struct arena *arena, const char *endpoint, struct str a, struct str b);

/** "$opaque:server" for room versions whose events carry their id; p == NULL for others. In the arena. */
struct str fed_explicit_event_id(struct arena *arena, const struct homeserver *hs,
	const struct room_version *version);

#endif
