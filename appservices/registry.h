/**
 * The application services that are registered. Truth is the database; every process keeps a snapshot in memory, which never
 * changes, and looks now and then whether there is a newer one.
 *
 *     struct appservice_set *set = appservices_hold(hs->appservices);
 *     const struct appservice *service = appservice_by_id(set, id);
 *     …
 *     appservice_set_release(set);
 */
#ifndef BELFRY_APPSERVICES_REGISTRY_H
#define BELFRY_APPSERVICES_REGISTRY_H

#include "appservices/registration.h"
#include "base/crypto.h"
#include "base/refc.h"
#include "homeserver/homeserver.h"

struct appservices;

/** Immutable; lives as long as its set. */
struct appservice {
	struct registration reg; /**< its as_token is not known, its hs_token is */
	struct user_id sender;
	struct str as_token_hash; /**< as token_hash() makes it */
	int64_t added_ms;         /**< wall clock, milliseconds */
	int64_t changed_ms;
};

/** A snapshot, reference counted. */
struct appservice_set {
	struct refc refc;
	struct arena *arena;
	int64_t version;                /**< grows with every change; 0: not read yet */
	const struct appservice *items; /**< by id */
	size_t count;
	const struct str
		*senders; /**< of notices: users that the server itself speaks as, and nobody else */
	size_t sender_count;
};

/** Kept in hs->appservices; nobody is registered until the first appservices_follow(). */
struct appservices *appservices_create(struct db *db, struct server_name server);
void appservices_destroy(struct appservices *appservices);

/**
 * Reads what is stored, if it changed since. At the start, and every few seconds by the housekeeper. Any thread.
 * Errors: STORE. Cost: one round trip, two more when it changed
 */
MUST_CHECK enum err appservices_follow(struct ctx *ctx, struct appservices *appservices);

/** How the homeserver's domains ask for it (homeserver/ports.h). */
struct appservice_port appservices_port(struct appservices *appservices);

/** The newest snapshot; never NULL. Any thread. Cost: a short lock. */
struct appservice_set *appservices_hold(struct appservices *appservices);
void appservice_set_release(struct appservice_set *set);
/** For CLEANUP(appservice_set_cleanup). */
void appservice_set_cleanup(struct appservice_set **set);

/** NULL when there is none. */
const struct appservice *appservice_by_id(const struct appservice_set *set, struct str id);
/** @param hash  of an access token, as token_hash() makes it */
const struct appservice *appservice_of_token(const struct appservice_set *set, struct str hash);

/** Whether a user of this server is one of the service's: its sender, or in its namespace. Users of other servers never are. */
bool appservice_has_user(const struct appservice *service, struct user_id user);
/** Whether nobody else may have it: the sender, or in an exclusive part of the namespace. */
bool appservice_claims_user(const struct appservice *service, struct user_id user);
bool appservice_has_alias(const struct appservice *service, struct room_alias alias);
bool appservice_claims_alias(const struct appservice *service, struct room_alias alias);
bool appservice_has_room(const struct appservice *service, struct str room_id);

/** The first, by id, that claims it; NULL: nobody does. */
const struct appservice *appservice_claiming_user(const struct appservice_set *set,
	struct user_id user);

/** Builds a set by hand, as of version `version`; for commands and tests. Registrations are copied by their JSON. */
struct appservice_row;
MUST_CHECK enum err appservice_set_create(struct ctx *ctx, struct server_name server,
	const struct appservice_row *rows, size_t count, int64_t version, struct appservice_set **out);

#endif
