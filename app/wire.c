/*
 * What depends on what:
 *
 *     db ← writer ← rooms ⇄ users ← sessions, typing ← handlers (http) ; housekeeper and consumers beside them
 *
 * The writer comes before rooms and users, which it calls back once something is committed; nothing is before the listeners are open. At the
 * end it has finished its queue before these two go. The outgoing client (http_client) needs nobody; at the end it is stopped first.
 */
#include "app/wire.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "app/first_start.h"
#include "app/housekeeper.h"
#include "app/wire_tables.h"
#include "appservices/as_query.h"
#include "appservices/as_queue.h"
#include "appservices/as_third_party.h"
#include "appservices/manage.h"
#include "appservices/registry.h"
#include "base/log.h"
#include "base/mem.h"
#include "e2ee/e2ee.h"
#include "e2ee/own_inbox.h"
#include "federation/fed_auth.h"
#include "federation/federation.h"
#include "federation/outbox.h"
#include "federation/policy.h"
#include "federation/processes.h"
#include "homeserver/account/consent.h"
#include "homeserver/account/nonce.h"
#include "homeserver/account/session.h"
#include "homeserver/account/sso/sso.h"
#include "homeserver/consumer.h"
#include "homeserver/directory/directory.h"
#include "homeserver/erasure.h"
#include "homeserver/media/media.h"
#include "homeserver/person/persons.h"
#include "homeserver/presence/presence.h"
#include "homeserver/push/push.h"
#include "homeserver/pusher/pushers.h"
#include "homeserver/receipt/receipts.h"
#include "homeserver/room/room_delayed.h"
#include "homeserver/room/rooms.h"
#include "homeserver/search/search.h"
#include "homeserver/succession/succession.h"
#include "homeserver/sync/sliding.h"
#include "homeserver/sync/sync.h"
#include "homeserver/typing/typing.h"
#include "homeserver/user/users.h"
#include "homeserver/web_page.h"
#include "http/client.h"
#include "notices/notice_commands.h"
#include "notices/notice_job.h"
#include "notices/notice_token.h"
#include "notices/notice_upkeep.h"

enum {
	WRITER_QUEUE = 4096,
	WRITER_GROUP = 256,
	FLUSH_MS = 200,
	PUSH_PAUSE_MS = 100,
	OUTBOX_DEVICES_PAUSE_MS = 100,
	OWN_INBOX_PAUSE_MS = 250,
};

struct wire {
	struct homeserver hs;
	struct http_ports ports;
	struct http_server *http;
	struct housekeeper *_Atomic housekeeper;
	struct str appservices_folder; /* empty: none */
	struct arena *arena;           /* of the HTTP configuration's lists */
	atomic_bool is_draining;
};

static bool is_for_notices(const struct call *call)
{
	return call->route->auth == AUTH_NOTICE || call->route->auth == AUTH_NOTICE_HOOK;
}

static enum err authenticate(void *self, struct call *call)
{
	struct wire *wire = self;
	if (call->route->auth == AUTH_SERVER) {
		return fed_authenticate(call);
	}
	if (is_for_notices(call)) {
		return notice_authenticate(call);
	}
	TRY(sessions_authenticate(&wire->hs, call));
	presence_note_request(&wire->hs, call);
	const struct principal *who = call_principal(call);
	if (who != NULL && who->appservice_id.p != NULL) {
		as_queue_heard_of(wire->hs.as_queue, who->appservice_id);
	}
	return ERR_OK;
}

static struct str rate_key(void *self, struct call *call)
{
	struct wire *wire = self;
	if (call->route->auth == AUTH_SERVER) {
		return fed_rate_key(call);
	}
	if (is_for_notices(call)) {
		return notice_rate_key(call);
	}
	return sessions_rate_key(&wire->hs, call);
}

static enum err page_of_failure(void *self, struct call *call, int status)
{
	(void)self;
	return web_page_failure(call, status);
}

static bool is_healthy(void *self)
{
	const struct wire *wire = self;
	return !atomic_load(&wire->is_draining) && wire->housekeeper != NULL &&
		housekeeper_is_healthy(wire->housekeeper);
}

static void published(void *self, int64_t position, uint32_t kinds)
{
	const struct homeserver *hs = wire_homeserver(self);
	users_published(hs->users);
	consumers_published(hs->consumers, position, kinds);
}

/* All that is kept in memory of what the writer writes. */
static void forget_all(const struct homeserver *hs, int64_t position)
{
	rooms_forget(hs->rooms);
	receipts_forget(hs->receipts);
	push_forget(hs->push);
	e2ee_forget(hs->e2ee, position);
	users_forget(hs->users);
}

static void overtaken(void *self, int64_t position)
{
	forget_all(wire_homeserver(self), position);
}

static void told_one(const struct homeserver *hs, const struct news *news,
	const struct news_group *group)
{
	int64_t position = group->position;
	switch (news->kind) {
	case NEWS_MESSAGE:
	case NEWS_ROOM:
	case NEWS_REWRITTEN:
		rooms_told(hs->rooms, news->room_nid, position, news->kind);
		break;
	case NEWS_RECEIPTS:
		receipts_told(hs->receipts, news->room_nid, group);
		rooms_told_receipts(hs->rooms, news->room_nid, position);
		break;
	case NEWS_USER:
		push_forget_user(hs->push, (struct user_id){news->user_id});
		users_told(hs->users, news->user_id);
		break;
	case NEWS_OWN:
		users_own_committed(hs->users, news->user_id, position);
		break;
	case NEWS_DEVICE:
		e2ee_told_device(hs->e2ee, news->user_id);
		break;
	case NEWS_KEYS:
		e2ee_told_lists(hs->e2ee, position);
		break;
	case NEWS_EVERYTHING:
		forget_all(hs, position);
		break;
	case NEWS_TYPING:
	case NEWS_PRESENCE:
	case NEWS_SESSION:
	case NEWS_NONCE:
	case NEWS_MEDIA:
	case NEWS_PUSH:
	case NEWS_DELAYED:
	case NEWS_ERASED:
	case NEWS_FEDERATION:
	case NEWS_APPSERVICE:
	case NEWS_LOOK:
		break; /* no commit says these */
	}
}

/* The same, of what another process has committed. */
static void told(void *self, const struct news_group *group)
{
	for (size_t i = 0; i < group->count; i++) {
		told_one(wire_homeserver(self), &group->list[i], group);
	}
}

/* The writer hears others before all services are there, and after the first of them have ended. */
static bool is_whole(const struct wire *wire)
{
	return wire->housekeeper != NULL;
}

/* What a process has said, this one included. */
static void heard(void *self, const struct news *news, int64_t serial)
{
	struct homeserver *hs = wire_homeserver(self);
	switch ((int)news->kind) {
	case NEWS_TYPING:
		typing_heard(hs, news->text, serial);
		break;
	case NEWS_PRESENCE:
		presence_heard(hs, news->text, serial);
		break;
	case NEWS_SESSION:
		sessions_heard(hs, news->text);
		break;
	case NEWS_NONCE:
		nonce_note_used(sessions_nonces(hs->sessions), news->text, clock_wall_ms(&hs->clock));
		break;
	case NEWS_MEDIA:
		media_heard(hs->media, news->text);
		break;
	case NEWS_PUSH:
		pushers_wake(hs->pushers);
		break;
	case NEWS_DELAYED:
		room_delayed_heard(hs->delayed, news->text);
		break;
	case NEWS_ERASED:
		erasure_heard(hs->erasure, news->text);
		break;
	case NEWS_FEDERATION:
		if (is_whole(self)) {
			processes_heard(hs->federation, news->text);
		}
		break;
	case NEWS_APPSERVICE:
		if (is_whole(self)) {
			as_queue_heard(hs->as_queue, news->text);
		}
		break;
	case NEWS_LOOK:
		wire_poke(self);
		break;
	case NEWS_USER:
		users_heard(hs->users, news->user_id);
		break;
	case NEWS_DEVICE:
		e2ee_heard_device(hs->e2ee, news->user_id);
		break;
	default:
		told_one(hs, news, &(struct news_group){.what = NEWS_TELL});
		break;
	}
}

/* Others may have said what was not heard. Who types, and who is there, is said again soon, or runs out. */
static void deaf(void *self)
{
	struct homeserver *hs = wire_homeserver(self);
	sessions_forget_all(hs);
	users_heard_all(hs->users);
	e2ee_deaf(hs->e2ee);
	if (is_whole(self)) {
		processes_deaf(hs->federation);
		as_queue_deaf(hs->as_queue);
	}
	wire_poke(self);
}

/* A program that is installed beside this one. */
static const char *sibling_program(struct arena *arena, const char *name)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self));
	struct str path = n > 0 ? str_from(self, (size_t)n) : STR("");
	size_t slash = str_find_last_byte(path, '/');
	struct str folder = slash != SIZE_MAX ? str_slice(path, 0, slash) : STR(".");
	return arena_printf(arena, "%.*s/%s", STR_ARG(folder), name);
}

static void create_services(struct wire *wire, const struct wire_config *config)
{
	struct homeserver *hs = &wire->hs;
	struct db_config db;
	config_to_db(config->conf, &db);
	db.url = config->database_url;
	hs->settings = *config->settings;
	hs->signer = config->signer;
	hs->old_keys = config->old_keys;
	hs->old_key_count = config->old_key_count;
	memcpy(hs->secrets_key, config->secrets_key, sizeof(hs->secrets_key));
	hs->clock = clock_os();
	hs->rng = rng_os();
	hs->db = db_create(&db);
	hs->rooms = rooms_create(hs);
	hs->users = users_create(hs);
	hs->presence = presence_create(hs);
	hs->persons = persons_create();
	hs->push = push_create(hs->settings.mentions_in_text);
	hs->receipts = receipts_create(hs);
	hs->consumers = consumers_create(hs);
	hs->e2ee = e2ee_create(hs);
	hs->sessions = sessions_create(hs);
	hs->typing = typing_create(hs);
	hs->erasure = erasure_create();
	hs->media = media_create(hs, arena_printf(wire->arena, "%s/media", config->data_folder),
		sibling_program(wire->arena, "belfry-thumbnail"));
	hs->pushers = pushers_create(hs);
	hs->delayed = room_delayed_create(hs);
	hs->writer = writer_create(&(struct writer_config){
		.url = config->database_url,
		.db = hs->db,
		.queue_limit = WRITER_QUEUE,
		.group_limit = WRITER_GROUP,
		.published = published,
		.overtaken = overtaken,
		.told = told,
		.heard = heard,
		.deaf = deaf,
		.self = wire,
	});
	if (hs->writer == NULL) {
		return;
	}
	e2ee_forget(hs->e2ee, writer_position(hs->writer));
	hs->sso = sso_create();
	hs->lazy_members = lazy_members_create();
	hs->shown_rooms = shown_rooms_create();
	hs->sliding = sliding_memory_create();
	struct http_client_config client;
	config_to_http_client(config->conf, wire->arena, &client);
	client.user_agent = str_printf(wire->arena, "Belfry/%s", app_version());
	hs->http_client = http_client_create(&client);
	hs->ports.consent.require = consent_require;
	hs->ports.succession = succession_port(hs);
	(void)federation_create(hs);
	hs->notices = notice_job_create(hs);
	hs->notice_upkeep = notice_upkeep_create(hs);
	hs->appservices = appservices_create(hs->db, hs->signer.server);
	hs->ports.appservices = appservices_port(hs->appservices);
	hs->as_queue = as_queue_create(hs);
	hs->as_query = as_query_create(hs);
	hs->as_third_party = as_third_party_create(hs);
}

/* Who hears of commits, see homeserver/consumer.h. */
static void add_consumers(struct homeserver *hs)
{
	consumers_add(hs->consumers,
		&(struct consumer_def){.name = SEARCH_CONSUMER,
			.follows = NEWS_EVENTS,
			.run = search_index_run,
			.saves_itself = true,
			.pause_ms = 1000});
	consumers_add(hs->consumers,
		&(struct consumer_def){.name = DIRECTORY_CONSUMER,
			.follows = NEWS_BIT(NEWS_ROOM) | NEWS_BIT(NEWS_REWRITTEN),
			.run = directory_index_run,
			.saves_itself = true,
			.pause_ms = 1000});
	consumers_add(hs->consumers,
		&(struct consumer_def){.name = "pushers",
			.follows = NEWS_EVENTS | NEWS_BIT(NEWS_RECEIPTS),
			.run = pushers_consume,
			.self = hs->pushers,
			.saves_itself = true,
			.from_now = true,
			.pause_ms = PUSH_PAUSE_MS});
	consumers_add(hs->consumers,
		&(struct consumer_def){.name = OUTBOX_CONSUMER,
			.follows = NEWS_ALL, /* who looks for changed keys waits until it has come as far */
			.run = outbox_consume,
			.self = hs->federation->outbox,
			.saves_itself = true,
			.from_now = true,
			.pause = outbox_rounds_pause_ms});
	consumers_add(hs->consumers,
		&(struct consumer_def){.name = OUTBOX_DEVICES_CONSUMER,
			.follows = NEWS_BIT(NEWS_KEYS),
			.run = outbox_consume_devices,
			.self = hs->federation->outbox,
			.saves_itself = true,
			.from_now = true,
			.pause_ms = OUTBOX_DEVICES_PAUSE_MS});
	consumers_add(hs->consumers,
		&(struct consumer_def){.name = APPSERVICE_CONSUMER,
			.follows = NEWS_ALL,
			.run = as_queue_consume,
			.self = hs->as_queue,
			.saves_itself = true,
			.from_now = true,
			.pause = as_queue_pause_ms});
	consumers_add(hs->consumers,
		&(struct consumer_def){.name = OWN_INBOX_CONSUMER,
			.follows = NEWS_BIT(NEWS_DEVICE),
			.run = own_inbox_consume,
			.saves_itself = true,
			.from_now = true,
			.pause_ms = OWN_INBOX_PAUSE_MS});
	consumers_add(hs->consumers,
		&(struct consumer_def){.name = NOTICE_COMMANDS_CONSUMER,
			.follows = NEWS_EVENTS,
			.run = notice_commands_consume,
			.saves_itself = true,
			.from_now = true,
			.pause_ms = NOTICE_COMMANDS_PAUSE_MS});
}

struct wire *wire_create(const struct wire_config *config)
{
	struct wire *wire = mem_alloc(sizeof(*wire));
	wire->arena = arena_create();
	wire->appservices_folder = str_dup(wire->arena, conf_str(config->conf, "appservices.folder"));
	create_services(wire, config);
	if (wire->hs.writer == NULL) {
		return NULL; /* the process ends, and what there is with it */
	}
	wire->ports = (struct http_ports){
		.self = wire,
		.authenticate = authenticate,
		.rate_key = rate_key,
		.page_of_failure = page_of_failure,
		.is_healthy = is_healthy,
	};
	struct http_config http;
	config_to_http(config->conf, wire->arena, &http);
	http.ports = &wire->ports;
	http.stream_folder = media_incoming_folder(wire->hs.media);
	wire->http = http_server_create(&http);
	size_t table_count;
	const struct wire_table *tables = wire_tables(&table_count);
	for (size_t i = 0; i < table_count; i++) {
		http_server_add_table(wire->http,
			&(struct route_table){.rows = tables[i].rows,
				.count = *tables[i].count,
				.service = &wire->hs});
	}
	add_consumers(&wire->hs);
	consumers_start(wire->hs.consumers);
	pushers_start(wire->hs.pushers);
	room_delayed_start(wire->hs.delayed);
	notice_job_start(wire->hs.notices);
	notice_upkeep_start(wire->hs.notice_upkeep);
	wire->housekeeper = housekeeper_create(&wire->hs, wire->http);
	return wire;
}

/* Those of the folder that is configured. */
static enum err add_appservices(struct ctx *ctx, struct wire *wire)
{
	const struct homeserver *hs = &wire->hs;
	const struct account_desk desk = {.db = hs->db,
		.settings = &hs->settings,
		.clock = hs->clock,
		.rng = hs->rng};
	return wire->appservices_folder.n > 0
		? as_add_folder(ctx, &desk, str_cstr(ctx->arena, wire->appservices_folder))
		: ERR_OK;
}

static void add_icons(struct wire *wire)
{
	_Static_assert((int)PROVIDERS_MAX <= (int)MEDIA_ICONS_MAX, "each provider may have one");
	for (size_t i = 0; i < sso_count(&wire->hs); i++) {
		media_add_icon(wire->hs.media, sso_provider(&wire->hs, i)->icon);
	}
}

enum err wire_start(struct ctx *ctx, struct wire *wire)
{
	TRY(consumers_place(ctx, wire->hs.consumers));
	TRY(presence_load(ctx, &wire->hs));
	TRY(sso_load(ctx, &wire->hs));
	add_icons(wire);
	TRY(media_start(ctx, wire->hs.media));
	TRY(erasure_load(ctx, &wire->hs));
	TRY(add_appservices(ctx, wire));
	TRY(appservices_follow(ctx, wire->hs.appservices));
	TRY(federation_start(ctx, wire->hs.federation));
	as_queue_start(wire->hs.as_queue);
	TRY(http_server_start(wire->http, ctx));
	/* Its first round begins at once, and divides the limits that the listeners have. */
	housekeeper_start(wire->housekeeper);
	return ERR_OK;
}

uint16_t wire_port(const struct wire *wire)
{
	return http_server_port(wire->http, 0);
}

struct homeserver *wire_homeserver(struct wire *wire)
{
	return &wire->hs;
}

void wire_reload_tls(struct wire *wire)
{
	http_server_reload_tls(wire->http);
}

void wire_drain(struct wire *wire)
{
	atomic_store(&wire->is_draining, true);
}

void wire_poke(struct wire *wire)
{
	struct housekeeper *housekeeper = wire->housekeeper;
	if (housekeeper == NULL) {
		return; /* it begins with a look */
	}
	fed_policy_changed(wire->hs.federation);
	housekeeper_poke(housekeeper);
	notice_job_wake(wire->hs.notices);
	notice_upkeep_wake(wire->hs.notice_upkeep);
}

/* What devices did last is written now and then; the rest of it now. */
static void flush_sessions(struct homeserver *hs)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	ctx.deadline_ms = clock_mono_ms(&hs->clock) + FLUSH_MS;
	if (sessions_flush(&ctx, hs) != ERR_OK) {
		log_warn(0, "sessions.not_flushed", "cause=%.*s", STR_ARG(ctx.fault.cause));
	}
}

bool wire_destroy(struct wire *wire)
{
	struct homeserver *hs = &wire->hs;
	pushers_stop(hs->pushers);
	as_queue_stop(hs->as_queue);
	http_client_stop(hs->http_client);
	federation_stop(hs->federation);
	room_delayed_stop(hs->delayed); /* it may have been waiting for another server until now */
	notice_upkeep_stop(hs->notice_upkeep);
	notice_job_stop(hs->notices);
	if (!http_server_stop(wire->http)) {
		return false;
	}
	housekeeper_stop(wire->housekeeper); /* it looks at the HTTP server */
	http_server_destroy(wire->http);
	lazy_members_destroy(hs->lazy_members);
	shown_rooms_destroy(hs->shown_rooms);
	sliding_memory_destroy(hs->sliding);
	flush_sessions(hs);
	sso_destroy(hs->sso);
	consumers_stop(hs->consumers);
	writer_destroy(hs->writer); /* until then it brings to these what others say */
	housekeeper_destroy(wire->housekeeper);
	typing_destroy(hs->typing);
	sessions_destroy(hs->sessions);
	erasure_destroy(hs->erasure);
	media_destroy(hs->media);
	consumers_destroy(hs->consumers);
	notice_upkeep_destroy(hs->notice_upkeep);
	notice_job_destroy(hs->notices);
	room_delayed_destroy(hs->delayed);
	pushers_destroy(hs->pushers);
	http_client_destroy(hs->http_client);
	as_third_party_destroy(hs->as_third_party);
	as_query_destroy(hs->as_query);
	as_queue_destroy(hs->as_queue);
	appservices_destroy(hs->appservices);
	federation_destroy(hs->federation);
	e2ee_destroy(hs->e2ee);
	receipts_destroy(hs->receipts);
	push_destroy(hs->push);
	persons_destroy(hs->persons);
	presence_destroy(hs->presence);
	users_destroy(hs->users);
	rooms_destroy(hs->rooms);
	db_destroy(hs->db);
	crypto_wipe(hs->secrets_key, sizeof(hs->secrets_key));
	arena_destroy(wire->arena);
	mem_free(wire);
	return true;
}
