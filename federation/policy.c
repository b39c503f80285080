/*
 * What counts lies in memory as a snapshot that never changes; a newer one takes its place when the stored version has
 * moved.
 */
#include "federation/policy.h"

#include <stdatomic.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/refc.h"
#include "federation/outbox.h"
#include "storage/federation_policy.h"

struct snapshot {
	struct refc refc;
	struct arena *arena;
	enum partner_policy policy;
	const struct partner_rule *rules;
	size_t count;
};

struct policy {
	struct lock lock;
	struct snapshot *current; /* guarded by lock; NULL: not read yet, so nobody is let in */
	int64_t version;          /* of `current`; guarded by lock */
	_Atomic int64_t changes;  /* that others told of */
	_Atomic int64_t followed; /* so many of them were read */
};

static void snapshot_unref(struct snapshot *snapshot)
{
	if (snapshot != NULL && refc_drop(&snapshot->refc)) {
		arena_destroy(snapshot->arena);
		mem_free(snapshot);
	}
}

struct policy *policy_create(void)
{
	struct policy *policy = mem_alloc(sizeof(*policy));
	lock_init(&policy->lock, RANK_LEAF);
	return policy;
}

void policy_destroy(struct policy *policy)
{
	if (policy != NULL) {
		snapshot_unref(policy->current);
		lock_fini(&policy->lock);
		mem_free(policy);
	}
}

/* With a reference; NULL: none yet. */
static struct snapshot *current(struct federation *federation)
{
	struct policy *policy = federation->policy;
	LOCK_SCOPE(&policy->lock);
	if (policy->current != NULL) {
		refc_take(&policy->current->refc);
	}
	return policy->current;
}

bool fed_policy_allows(struct federation *federation, struct server_name server)
{
	struct snapshot *snapshot = current(federation);
	bool is_allowed = snapshot != NULL &&
		partner_is_allowed(snapshot->policy, snapshot->rules, snapshot->count, server);
	snapshot_unref(snapshot);
	return is_allowed;
}

bool fed_policy_allows_keys(struct federation *federation)
{
	struct snapshot *snapshot = current(federation);
	bool is_allowed = snapshot != NULL && snapshot->policy != PARTNER_CLOSED;
	snapshot_unref(snapshot);
	return is_allowed;
}

enum err fed_policy_refuse(struct ctx *ctx, struct federation *federation,
	struct server_name server)
{
	if (!fed_policy_allows_keys(federation)) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "This server does not federate");
	}
	return fail(ctx, ERR_DENIED, M_FORBIDDEN, "This server does not federate with %.*s",
		STR_ARG(server.s));
}

/* --- what is stored ----------------------------------------------------------------------------------------- */

enum err fed_policy_read(struct ctx *ctx, struct db *db, const struct federation_settings *settings,
	struct policy_view *out)
{
	struct str stored;
	int64_t version;
	struct federation_server_row *rows;
	size_t row_count;
	TRY(store_federation_policy_find(ctx, db, &stored, &version));
	TRY(store_federation_server_list(ctx, db, &rows, &row_count));
	size_t count = settings->partners.n + row_count;
	struct partner_rule *rules = ARENA_NEW_ARRAY(ctx->arena, struct partner_rule, count);
	bool *are_configured = ARENA_NEW_ARRAY(ctx->arena, bool, count);
	for (size_t i = 0; i < settings->partners.n; i++) {
		rules[i] = (struct partner_rule){settings->partners.items[i], true};
		are_configured[i] = true;
	}
	for (size_t i = 0; i < row_count; i++) {
		rules[settings->partners.n + i] =
			(struct partner_rule){rows[i].pattern, rows[i].is_allowed};
	}
	*out = (struct policy_view){.policy = settings->policy,
		.is_configured = stored.p == NULL,
		.rules = rules,
		.are_configured = are_configured,
		.count = count};
	if (stored.p != NULL && !partner_policy_parse(stored, &out->policy)) {
		return fail_cause(ctx, ERR_STORE, "federation_policy holds '%.*s'", STR_ARG(stored));
	}
	return ERR_OK;
}

static struct snapshot *snapshot_of(const struct policy_view *view)
{
	struct snapshot *snapshot = mem_alloc(sizeof(*snapshot));
	refc_init(&snapshot->refc);
	snapshot->arena = arena_create();
	snapshot->policy = view->policy;
	struct partner_rule *rules = ARENA_NEW_ARRAY(snapshot->arena, struct partner_rule, view->count);
	for (size_t i = 0; i < view->count; i++) {
		rules[i] = view->rules[i];
		rules[i].pattern = str_dup(snapshot->arena, view->rules[i].pattern);
	}
	snapshot->rules = rules;
	snapshot->count = view->count;
	return snapshot;
}

static int64_t current_version(struct policy *policy)
{
	LOCK_SCOPE(&policy->lock);
	return policy->version;
}

/* Another thread may have put a newer one there meanwhile. */
static void publish(struct policy *policy, struct snapshot *snapshot, int64_t version)
{
	lock_take(&policy->lock);
	struct snapshot *older = snapshot;
	if (policy->current == NULL || version > policy->version) {
		older = policy->current;
		policy->current = snapshot;
		policy->version = version;
	}
	lock_give(&policy->lock);
	snapshot_unref(older);
}

/* The version is read first: a change in between is noticed by the next look. */
enum err fed_policy_follow(struct ctx *ctx, struct federation *federation)
{
	struct policy *policy = federation->policy;
	struct homeserver *hs = federation->hs;
	struct str stored;
	int64_t version;
	struct policy_view view;
	TRY(store_federation_policy_find(ctx, hs->db, &stored, &version));
	if (version == current_version(policy)) {
		return ERR_OK;
	}
	TRY(fed_policy_read(ctx, hs->db, &hs->settings.federation, &view));
	publish(policy, snapshot_of(&view), version);
	outbox_policy_changed(federation->outbox);
	log_info(0, "fed.policy", "policy=%.*s patterns=%zu", STR_ARG(partner_policy_name(view.policy)),
		view.count);
	return ERR_OK;
}

void fed_policy_changed(struct federation *federation)
{
	atomic_fetch_add(&federation->policy->changes, 1);
}

enum err fed_policy_refresh(struct ctx *ctx, struct federation *federation)
{
	struct policy *policy = federation->policy;
	int64_t changes = atomic_load(&policy->changes);
	if (changes == atomic_load(&policy->followed)) {
		return ERR_OK;
	}
	TRY(fed_policy_follow(ctx, federation));
	atomic_store(&policy->followed, changes);
	return ERR_OK;
}

/* --- changes ------------------------------------------------------------------------------------------------- */

enum err fed_policy_put_server(struct ctx *ctx, struct db *db, struct str pattern, bool is_allowed)
{
	if (!partner_pattern_is_valid(pattern)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"'%.*s' is no server name or pattern like *.school.example", STR_ARG(pattern));
	}
	return store_federation_server_put(ctx, db,
		&(struct federation_server_row){.pattern = pattern, .is_allowed = is_allowed});
}

enum err fed_policy_remove_server(struct ctx *ctx, struct db *db, struct str pattern)
{
	enum err err = partner_pattern_is_valid(pattern)
		? store_federation_server_delete(ctx, db, pattern)
		: ERR_MISSING;
	return err == ERR_MISSING
		? fail(ctx, err, M_NOT_FOUND, "There is no rule for '%.*s'", STR_ARG(pattern))
		: err;
}

enum err fed_policy_set(struct ctx *ctx, struct db *db, struct str policy)
{
	enum partner_policy parsed;
	if (policy.p != NULL && !partner_policy_parse(policy, &parsed)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The policy is open, partners or closed");
	}
	return store_federation_policy_set(ctx, db, policy);
}
