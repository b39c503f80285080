/*
 * A snapshot is made anew when the stored version has moved, and takes the place of the one before; who holds that one keeps it.
 */
#include "appservices/registry.h"

#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "storage/appservice.h"
#include "storage/notice.h"

#include <inttypes.h>

struct appservices {
	struct db *db;
	struct server_name server;
	struct lock lock;
	struct appservice_set *current; /* guarded by lock; never NULL */
};

/* --- sets --------------------------------------------------------------------------------------------------- */

static struct appservice_set *set_new(int64_t version)
{
	struct appservice_set *set = mem_alloc(sizeof(*set));
	refc_init(&set->refc);
	set->arena = arena_create();
	set->version = version;
	return set;
}

void appservice_set_release(struct appservice_set *set)
{
	if (set != NULL && refc_drop(&set->refc)) {
		arena_destroy(set->arena);
		mem_free(set);
	}
}

void appservice_set_cleanup(struct appservice_set **set)
{
	appservice_set_release(*set);
}

/* Everything of the service lies in the ctx's arena. */
static enum err read_service(struct ctx *ctx, struct server_name server,
	const struct appservice_row *row, struct appservice *out)
{
	struct arena *arena = ctx->arena;
	TRY(registration_from_json(ctx, row->registration, &out->reg));
	out->reg.hs_token = str_dup(arena, row->hs_token);
	out->as_token_hash = str_dup(arena, row->as_token_hash);
	out->added_ms = row->added_ms;
	out->changed_ms = row->changed_ms;
	struct str sender =
		str_printf(arena, "@%.*s:%.*s", STR_ARG(out->reg.sender_localpart), STR_ARG(server.s));
	return user_id_parse(sender, &out->sender)
		? ERR_OK
		: fail(ctx, ERR_INPUT, NULL, "sender_localpart is too long");
}

enum err appservice_set_create(struct ctx *ctx, struct server_name server,
	const struct appservice_row *rows, size_t count, int64_t version, struct appservice_set **out)
{
	struct appservice_set *set CLEANUP(appservice_set_cleanup) = set_new(version);
	struct appservice *items = ARENA_NEW_ARRAY(set->arena, struct appservice, count);
	struct ctx inner;
	ctx_init(&inner, set->arena);
	for (size_t i = 0; i < count; i++) {
		if (read_service(&inner, server, &rows[i], &items[i]) != ERR_OK) {
			return fail_cause(ctx, ERR_STORE, "application service '%.*s': %.*s",
				STR_ARG(rows[i].id), STR_ARG(inner.fault.text));
		}
	}
	set->items = items;
	set->count = count;
	*out = set;
	set = NULL; /* NOLINT(clang-analyzer-deadcode.DeadStores): not released here */
	return ERR_OK;
}

/* Tells a set that is being built of the senders; they are copied. */
static void set_senders(struct appservice_set *set, const struct str *senders, size_t count)
{
	struct str *copies = ARENA_NEW_ARRAY(set->arena, struct str, count);
	for (size_t i = 0; i < count; i++) {
		copies[i] = str_dup(set->arena, senders[i]);
	}
	set->senders = copies;
	set->sender_count = count;
}

/* --- the newest --------------------------------------------------------------------------------------------- */

struct appservices *appservices_create(struct db *db, struct server_name server)
{
	struct appservices *appservices = mem_alloc(sizeof(*appservices));
	appservices->db = db;
	appservices->server = server;
	lock_init(&appservices->lock, RANK_LEAF);
	appservices->current = set_new(0);
	return appservices;
}

void appservices_destroy(struct appservices *appservices)
{
	if (appservices != NULL) {
		appservice_set_release(appservices->current);
		lock_fini(&appservices->lock);
		mem_free(appservices);
	}
}

struct appservice_set *appservices_hold(struct appservices *appservices)
{
	LOCK_SCOPE(&appservices->lock);
	refc_take(&appservices->current->refc);
	return appservices->current;
}

static int64_t current_version(struct appservices *appservices)
{
	LOCK_SCOPE(&appservices->lock);
	return appservices->current->version;
}

/* Puts a set in the place of an older one. Another thread may have put a newer one meanwhile. */
static void publish(struct appservices *appservices, struct appservice_set *set)
{
	lock_take(&appservices->lock);
	struct appservice_set *older = appservices->current;
	if (set->version > older->version) {
		appservices->current = set;
	} else {
		older = set;
	}
	lock_give(&appservices->lock);
	appservice_set_release(older);
}

/* The version is read first: a change in between is noticed by the next look. */
enum err appservices_follow(struct ctx *ctx, struct appservices *appservices)
{
	int64_t version;
	struct appservice_row *rows;
	size_t count;
	struct appservice_set *set;
	struct str *senders;
	size_t sender_count;
	TRY(store_appservice_version(ctx, appservices->db, &version));
	if (version <= current_version(appservices)) {
		return ERR_OK;
	}
	TRY(store_appservice_list(ctx, appservices->db, &rows, &count));
	TRY(store_notice_sender_list(ctx, appservices->db, &senders, &sender_count));
	TRY(appservice_set_create(ctx, appservices->server, rows, count, version, &set));
	set_senders(set, senders, sender_count);
	publish(appservices, set);
	log_info(0, "appservice.registry", "version=%" PRId64 " services=%zu", version, count);
	return ERR_OK;
}

/* --- look-ups ------------------------------------------------------------------------------------------------ */

const struct appservice *appservice_by_id(const struct appservice_set *set, struct str id)
{
	for (size_t i = 0; i < set->count; i++) {
		if (str_equals(set->items[i].reg.id, id)) {
			return &set->items[i];
		}
	}
	return NULL;
}

const struct appservice *appservice_of_token(const struct appservice_set *set, struct str hash)
{
	for (size_t i = 0; i < set->count; i++) {
		if (str_equals(set->items[i].as_token_hash, hash)) {
			return &set->items[i];
		}
	}
	return NULL;
}

static bool is_local(const struct appservice *service, struct user_id user)
{
	return server_name_equals(user_id_server(user), user_id_server(service->sender));
}

bool appservice_has_user(const struct appservice *service, struct user_id user)
{
	return str_equals(service->sender.s, user.s) ||
		(is_local(service, user) && namespace_has(&service->reg.users, user.s));
}

bool appservice_claims_user(const struct appservice *service, struct user_id user)
{
	return str_equals(service->sender.s, user.s) ||
		(is_local(service, user) && namespace_has_exclusively(&service->reg.users, user.s));
}

bool appservice_has_alias(const struct appservice *service, struct room_alias alias)
{
	return namespace_has(&service->reg.aliases, alias.s);
}

bool appservice_claims_alias(const struct appservice *service, struct room_alias alias)
{
	return namespace_has_exclusively(&service->reg.aliases, alias.s);
}

bool appservice_has_room(const struct appservice *service, struct str room_id)
{
	return namespace_has(&service->reg.rooms, room_id);
}

const struct appservice *appservice_claiming_user(const struct appservice_set *set,
	struct user_id user)
{
	for (size_t i = 0; i < set->count; i++) {
		if (appservice_claims_user(&set->items[i], user)) {
			return &set->items[i];
		}
	}
	return NULL;
}

/* Whether a user is a sender of notices (notices/notices.h), whose name no service and no person can have. */
static bool has_sender(const struct appservice_set *set, struct user_id user)
{
	for (size_t i = 0; i < set->sender_count; i++) {
		if (str_equals(set->senders[i], user.s)) {
			return true;
		}
	}
	return false;
}

/* --- the port -------------------------------------------------------------------------------------------------- */

static bool port_of_token(void *self, struct arena *arena, struct str token_hash,
	struct appservice_view *out)
{
	struct appservice_set *set CLEANUP(appservice_set_cleanup) = appservices_hold(self);
	const struct appservice *service = appservice_of_token(set, token_hash);
	if (service == NULL) {
		return false;
	}
	struct appservice_view view = {.id = str_dup(arena, service->reg.id),
		.is_rate_limited = service->reg.is_rate_limited};
	bool is_valid = user_id_parse(str_dup(arena, service->sender.s), &view.sender);
	invariant(is_valid);
	*out = view;
	return true;
}

static bool port_has_user(void *self, struct str id, struct user_id user)
{
	struct appservice_set *set CLEANUP(appservice_set_cleanup) = appservices_hold(self);
	const struct appservice *service = appservice_by_id(set, id);
	return service != NULL && appservice_has_user(service, user) && !has_sender(set, user);
}

static bool port_has_alias(void *self, struct str id, struct room_alias alias)
{
	struct appservice_set *set CLEANUP(appservice_set_cleanup) = appservices_hold(self);
	const struct appservice *service = appservice_by_id(set, id);
	return service != NULL && appservice_has_alias(service, alias);
}

/* Whether a service is another than the one that asks, if one does. */
static bool is_other(const struct appservice *service, struct str id)
{
	return id.p == NULL || !str_equals(service->reg.id, id);
}

static bool port_is_user_claimed(void *self, struct str id, struct user_id user)
{
	struct appservice_set *set CLEANUP(appservice_set_cleanup) = appservices_hold(self);
	if (has_sender(set, user)) {
		return true;
	}
	for (size_t i = 0; i < set->count; i++) {
		if (is_other(&set->items[i], id) && appservice_claims_user(&set->items[i], user)) {
			return true;
		}
	}
	return false;
}

static bool port_is_alias_claimed(void *self, struct str id, struct room_alias alias)
{
	struct appservice_set *set CLEANUP(appservice_set_cleanup) = appservices_hold(self);
	for (size_t i = 0; i < set->count; i++) {
		if (is_other(&set->items[i], id) && appservice_claims_alias(&set->items[i], alias)) {
			return true;
		}
	}
	return false;
}

struct appservice_port appservices_port(struct appservices *appservices)
{
	return (struct appservice_port){
		.self = appservices,
		.of_token = port_of_token,
		.has_user = port_has_user,
		.has_alias = port_has_alias,
		.is_user_claimed = port_is_user_claimed,
		.is_alias_claimed = port_is_alias_claimed,
	};
}
