/*
 * Rules in memory. An entry is made on a request's thread and does not change once it is loaded; a commit puts the next one in its
 * place. An entry stands in the cache, not loaded, before its row is read: a commit in between marks it as overtaken, and
 * then what was read is thrown away.
 */
#include "homeserver/push/push_inner.h"

#include "base/arena_sized.h"
#include "base/cache.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/refc.h"
#include "storage/account_data.h"

enum {
	RULES_BUDGET_BYTES = 128 << 20, /* some 4,000 users with rules of their own */
	ENTRY_BASE_BYTES = 512,
	USER_BYTES = 64,             /* of most user ids; few users have rules of their own beside */
	PREDEFINED_BYTES = 30 << 10, /* parsed; seen */
	TREE_FACTOR = 8,             /* an estimate: parsed rules for each byte of their text */
	CONTENT_CEILING_BYTES = 16 << 20,
	MAX_STORED_VALUES = 4000000,
};

struct push {
	struct cache *entries; /* user id → struct push_entry */
	bool in_text;          /* mentions are looked for in the text too */
};

struct push_entry {
	struct refc refc;
	struct lock lock;  /* guards the two flags */
	bool is_loaded;    /* nothing below changes any more */
	bool is_overtaken; /* a commit came while it was being loaded */
	struct arena *arena;
	struct user_id user;
	int64_t position;
	bool is_generic; /* then `set` is empty */
	struct push_ruleset set;
	size_t size_bytes;
};

/* --- entries ---------------------------------------------------------------------------------------- */

static void ref_entry(void *value)
{
	refc_take(&((struct push_entry *)value)->refc);
}

void push_entry_unref(void *value)
{
	struct push_entry *entry = value;
	if (refc_drop(&entry->refc)) {
		lock_fini(&entry->lock);
		arena_destroy(entry->arena);
		mem_free(entry);
	}
}

static struct push_entry *entry_new(struct user_id user)
{
	struct push_entry *entry = mem_alloc(sizeof(*entry));
	refc_init(&entry->refc);
	lock_init(&entry->lock, RANK_LEAF);
	entry->arena = arena_create_sized(USER_BYTES);
	entry->user.s = str_dup(entry->arena, user.s);
	entry->size_bytes = ENTRY_BASE_BYTES;
	return entry;
}

bool push_stored_parse(struct arena *arena, const struct push *push, struct user_id user,
	struct str stored, struct push_ruleset *out)
{
	static const struct json_limits limits = {.max_values = MAX_STORED_VALUES};
	struct json *json = ARENA_NEW(arena, struct json);
	bool is_json = stored.p == NULL || json_parse(arena, stored, &limits, json, NULL) == JSON_OK;
	*out = push_default_load(arena, user, push->in_text, is_json && stored.p != NULL ? json : NULL);
	return is_json;
}

/* What is stored cannot be wrong; were it so, the user would have the predefined rules. */
static void fill(const struct push *push, struct push_entry *entry, struct str stored)
{
	entry->is_generic = !push->in_text;
	if (stored.p != NULL || push->in_text) {
		struct str text = stored.p != NULL ? str_dup(entry->arena, stored) : stored;
		bool is_good = push_stored_parse(entry->arena, push, entry->user, text, &entry->set);
		entry->is_generic = !push->in_text && (!is_good || push_default_is_unchanged(&entry->set));
		entry->size_bytes += PREDEFINED_BYTES + text.n * TREE_FACTOR;
	}
}

struct push_entry *push_entry_create(const struct push *push, struct user_id user,
	struct str stored)
{
	struct push_entry *entry = entry_new(user);
	fill(push, entry, stored);
	entry->is_loaded = true;
	return entry;
}

void push_entry_committed(struct push *push, struct push_entry *entry, int64_t position)
{
	struct push_entry *before = cache_get(push->entries, entry->user.s);
	if (before != NULL) {
		lock_take(&before->lock);
		before->is_overtaken = true;
		lock_give(&before->lock);
		push_entry_unref(before);
	}
	entry->position = position;
	cache_put(push->entries, entry->user.s, entry, entry->size_bytes);
}

void push_forget_user(struct push *push, struct user_id user)
{
	cache_remove(push->entries, user.s);
}

struct push *push_create(bool in_text)
{
	struct push *push = mem_alloc(sizeof(*push));
	push->in_text = in_text;
	push->entries = cache_create("push_rules", RULES_BUDGET_BYTES,
		(struct cache_ops){.ref = ref_entry, .unref = push_entry_unref});
	return push;
}

void push_destroy(struct push *push)
{
	if (push == NULL) {
		return;
	}
	cache_destroy(push->entries);
	mem_free(push);
}

void push_forget(struct push *push)
{
	cache_clear(push->entries);
}

/* --- reading ---------------------------------------------------------------------------------------- */

static struct push_rules rules_of(const struct push_entry *entry)
{
	return (struct push_rules){
		.position = entry->position,
		.is_generic = entry->is_generic,
		.set = entry->set,
	};
}

struct push_ruleset push_rules_set(struct arena *arena, const struct push_rules *rules,
	struct user_id user)
{
	return rules->is_generic ? push_default_ruleset(arena, user, false) : rules->set;
}

/* The reference ends with the arena. */
static struct push_entry *find_loaded(struct arena *arena, struct push *push, struct user_id user)
{
	struct push_entry *entry = cache_get(push->entries, user.s);
	if (entry == NULL) {
		return NULL;
	}
	arena_on_reset(arena, push_entry_unref, entry);
	LOCK_SCOPE(&entry->lock);
	return entry->is_loaded ? entry : NULL;
}

/* *out_done: false when it was overtaken. */
static enum err load(struct ctx *ctx, struct homeserver *hs, struct push_entry *entry,
	bool *out_done)
{
	struct account_data_row row;
	enum err err = store_account_data_get(ctx, hs->db, entry->user.s, 0, STR("m.push_rules"), &row);
	if (err != ERR_OK && err != ERR_MISSING) {
		return err;
	}
	fill(hs->push, entry, err == ERR_OK ? row.content : str_from(NULL, 0));
	entry->position = err == ERR_OK ? row.position : 0;
	LOCK_SCOPE(&entry->lock);
	*out_done = !entry->is_overtaken;
	entry->is_loaded = *out_done;
	return ERR_OK;
}

enum err push_rules_get(struct ctx *ctx, struct homeserver *hs, struct user_id user,
	struct push_rules *out)
{
	struct push_entry *entry = find_loaded(ctx->arena, hs->push, user);
	while (entry == NULL) {
		struct push_entry *fresh = entry_new(user);
		arena_on_reset(ctx->arena, push_entry_unref, fresh);
		cache_put(hs->push->entries, user.s, fresh, ENTRY_BASE_BYTES);
		bool is_done;
		TRY(load(ctx, hs, fresh, &is_done));
		entry = is_done ? fresh : find_loaded(ctx->arena, hs->push, user);
	}
	*out = rules_of(entry);
	return ERR_OK;
}

struct str push_rules_content(struct arena *arena, const struct push *push, struct user_id user,
	struct str stored)
{
	struct push_ruleset set;
	if (!push_stored_parse(arena, push, user, stored, &set)) {
		set = push_default_ruleset(arena, user, push->in_text);
	}
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, CONTENT_CEILING_BYTES);
	struct json_out out;
	json_out_init(&out, &buf);
	push_default_write_account_data(&out, &set);
	return str_dup(arena, buf_str(&buf));
}
