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
	/**
	 * Lists a room in the directory of a network, or takes it out. Errors: DENIED M_FORBIDDEN when the application service
	 * does not bridge the network; MISSING (unknown room); STORE
	 * @param user_id  of the application service
	 */
	enum err (*set_listed)(void *self, struct ctx *ctx, struct str user_id, struct str network_id,
		struct str room_id, bool is_listed);
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

/** Servers that share rooms, told what is worth something only now. NULL functions: there are none. Called with no lock held; never block. */
struct edu_port {
	void *self;
	/** Somebody began to type, still types, or has ended. What concerns no other server costs a look into memory. */
	void (*typing)(void *self, struct room *room, struct str user_id, bool is_typing);
	/** What others see of a user has changed. */
	void (*presence)(void *self, const struct presence_view *view);
};

struct homeserver_ports {
	struct succession_port succession; /**< always filled */
	struct room_directory_port room_directory;
	struct profile_port profile;
	struct space_port space;
	struct third_party_port third_party;
	struct edu_port edus;
	struct e2ee_port e2ee; /**< always filled */
};

#endif
