/**
 * The homeserver's services in one place. app/wire.c makes them in order and destroys them in
 * reverse; after that the struct is const. Handlers find it in call->service.
 */
#ifndef BELFRY_HOMESERVER_HOMESERVER_H
#define BELFRY_HOMESERVER_HOMESERVER_H

#include "base/clock.h"
#include "base/crypto.h"
#include "base/rand.h"
#include "homeserver/ports.h"
#include "homeserver/settings.h"
#include "http/call.h"
#include "matrix/errcode.h"
#include "matrix/event_build.h"
#include "matrix/server_keys.h"
#include "storage/db.h"
#include "storage/writer.h"

struct rooms;
struct users;
struct sessions;
struct sso;
struct persons;
struct receipts;
struct typing;
struct presence;
struct lazy_members;
struct shown_rooms;
struct sliding_memory;
struct media;
struct consumers;
struct http_client;
struct notice_job;
struct notice_upkeep;
struct push;
struct e2ee;
struct erasure;
struct pushers;
struct room_delayed;
struct federation;
struct appservices;
struct as_queue;
struct as_query;
struct as_third_party;

struct homeserver {
	struct settings settings;
	struct homeserver_ports ports;
	struct event_signer signer;     /**< server name and signing key */
	const struct old_key *old_keys; /**< keys that the server signed with before; borrowed */
	size_t old_key_count;
	unsigned char
		secrets_key[SEAL_KEY_BYTES]; /**< seals secrets that the database keeps (e2ee/vault.h) */
	struct clock clock;
	struct rng rng;
	struct db *db;
	struct writer *writer;
	struct rooms *rooms;                 /**< loaded rooms (room/rooms.h) */
	struct users *users;                 /**< active local users and who waits (user/users.h) */
	struct sessions *sessions;           /**< access tokens (account/session.h) */
	struct sso *sso;                     /**< identity providers (account/sso/sso.h) */
	struct persons *persons;             /**< stored filters in memory (person/persons.h) */
	struct receipts *receipts;           /**< receipts and unread counts (receipt/receipts.h) */
	struct typing *typing;               /**< who types where (typing/typing.h) */
	struct presence *presence;           /**< who is there (presence/presence.h) */
	struct lazy_members *lazy_members;   /**< members that devices have (sync/sync.h) */
	struct shown_rooms *shown_rooms;     /**< written for many (sync/sync.h) */
	struct sliding_memory *sliding;      /**< what clients know (sync/sliding.h) */
	struct media *media;                 /**< files (media/media.h) */
	struct consumers *consumers;         /**< stream consumers (consumer.h) */
	struct http_client *http_client;     /**< outgoing requests and mails (http/client.h) */
	struct notice_job *notices;          /**< of the notices' layer (notices/notice_job.h) */
	struct notice_upkeep *notice_upkeep; /**< the same (notices/notice_upkeep.h) */
	struct push *push;                   /**< users' push rules (push/push.h) */
	struct erasure *erasure;             /**< whose events are hidden (erasure.h) */
	struct e2ee *e2ee;                   /**< of the encryption layer (e2ee/e2ee.h) */
	struct pushers *pushers;             /**< who is notified outside of syncs (pusher/pushers.h) */
	struct room_delayed *delayed;    /**< events that are to be sent later (room/room_delayed.h) */
	struct federation *federation;   /**< of the federation layer (federation/federation.h) */
	struct appservices *appservices; /**< who is registered (appservices/registry.h) */
	struct as_queue *as_queue;       /**< what they are told (appservices/as_queue.h) */
	struct as_query *as_query;       /**< what they may make (appservices/as_query.h) */
	struct as_third_party
		*as_third_party; /**< networks behind them (appservices/as_third_party.h) */
};

/** The server that a handler works for. */
static inline struct homeserver *hs_of(const struct call *call)
{
	return call->service;
}

/** Whether a user belongs to this server. */
static inline bool hs_is_local(const struct homeserver *hs, struct str user_id)
{
	struct user_id id;
	return user_id_parse(user_id, &id) && server_name_equals(user_id_server(id), hs->signer.server);
}

/** An address of this server as clients reach it, which `public_base_url` says; in the arena. */
static inline struct str hs_public_url(struct arena *arena, const struct homeserver *hs,
	const char *path)
{
	return str_printf(arena, "%.*s%s", STR_ARG(hs->settings.public_base_url), path);
}

/** Who asks: made by the authentication port, in the call's arena. */
struct principal {
	struct user_id user;
	struct str device_id;   /**< p == NULL for appservices without one */
	int64_t device_came_ms; /**< one that comes under the name of another has another time */
	struct str token_key;   /**< hash of the access token; for "log out this session" */
	bool is_admin;
	bool is_guest;
	bool is_suspended;
	bool is_oauth;              /**< the device logged in by the OAuth 2.0 API */
	bool lacks_terms;           /**< has not accepted the newest terms; see account/consent.h */
	struct str notices_room_id; /**< of who lacks terms: where they are told; empty: none */
	struct str
		appservice_id; /**< of the application service that acts as the user; p == NULL: none */
	bool is_rate_exempt;
};

static inline const struct principal *principal_of(const struct call *call)
{
	return call_principal(call);
}

#endif
