/*
 * A set is a map by user, type and thread, whose entries are also a list from the newest to the oldest: what a live sync
 * asks for is the head of that list.
 *
 * A set stands in the cache before its rows are read, so that a commit in between reaches it; of two receipts for one key the
 * one whose event is further on stays, as in the database. A set that is thrown out of the cache meanwhile is
 * still right for whoever has it: the rows were read after the position they want to show was published.
 */
#include "homeserver/receipt/receipt_set.h"

#include <string.h>

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "storage/receipt.h"

enum { SETS_BUDGET_BYTES = 64 * 1024 * 1024, SET_BASE_BYTES = 512, ENTRY_BASE_BYTES = 256 };

struct set_entry {
	struct placed_receipt placed; /* texts view `text` */
	struct set_entry *newer;
	struct set_entry *older;
	size_t key_n;
	char text[]; /* user, NUL, type, NUL, thread: the key; then the event id */
};

struct receipt_set {
	struct refc refc;
	struct lock lock; /* guards all below */
	bool is_loaded;
	struct map by_key; /* → struct set_entry * */
	struct set_entry *newest;
	struct set_entry *oldest;
	size_t size_bytes;
	size_t charged_bytes; /* what the cache was told last */
};

static struct str nid_key(const int64_t *room_nid)
{
	return str_from((const char *)room_nid, sizeof(*room_nid));
}

/* --- entries ---------------------------------------------------------------------------------------- */

static size_t put_text(char *at, struct str text)
{
	if (text.n > 0) {
		memcpy(at, text.p, text.n);
	}
	return text.n;
}

/* "user NUL type NUL thread" at `at`, which has room for it. @return its length */
static size_t write_key(char *at, const struct receipt *receipt)
{
	size_t n = put_text(at, receipt->user_id);
	at[n++] = '\0';
	at[n++] = (char)('0' + (int)receipt->type);
	at[n++] = '\0';
	return n + put_text(at + n, receipt->thread_id);
}

static size_t key_size(const struct receipt *receipt)
{
	return receipt->user_id.n + 3 + receipt->thread_id.n;
}

static struct set_entry *entry_create(const struct placed_receipt *placed)
{
	const struct receipt *from = &placed->receipt;
	size_t n = key_size(from);
	struct set_entry *entry = mem_alloc(sizeof(*entry) + n + from->event_id.n);
	entry->placed = *placed;
	entry->key_n = write_key(entry->text, from);
	(void)put_text(entry->text + n, from->event_id);
	struct receipt *to = &entry->placed.receipt;
	to->user_id = str_from(entry->text, from->user_id.n);
	if (from->thread_id.p != NULL) {
		to->thread_id = str_from(entry->text + n - from->thread_id.n, from->thread_id.n);
	}
	to->event_id = str_from(entry->text + n, from->event_id.n);
	return entry;
}

static void list_remove(struct receipt_set *set, struct set_entry *entry)
{
	*(entry->newer != NULL ? &entry->newer->older : &set->newest) = entry->older;
	*(entry->older != NULL ? &entry->older->newer : &set->oldest) = entry->newer;
}

/* From the newest end: a commit's place is the first one. */
static void list_add(struct receipt_set *set, struct set_entry *entry)
{
	struct set_entry *newer = NULL;
	struct set_entry *older = set->newest;
	while (older != NULL && older->placed.position > entry->placed.position) {
		newer = older;
		older = older->older;
	}
	entry->newer = newer;
	entry->older = older;
	*(newer != NULL ? &newer->older : &set->newest) = entry;
	*(older != NULL ? &older->newer : &set->oldest) = entry;
}

static void list_add_oldest(struct receipt_set *set, struct set_entry *entry)
{
	entry->newer = set->oldest;
	entry->older = NULL;
	*(set->oldest != NULL ? &set->oldest->older : &set->newest) = entry;
	set->oldest = entry;
}

/* Unless what stands there is as far on. Lock held. */
static void put_locked(struct receipt_set *set, const struct placed_receipt *placed)
{
	struct set_entry *entry = entry_create(placed);
	struct str key = str_from(entry->text, entry->key_n);
	struct set_entry *before = map_get(&set->by_key, key);
	if (before != NULL && before->placed.event_position >= placed->event_position) {
		mem_free(entry);
		return;
	}
	(void)map_set(&set->by_key, key, entry);
	if (before != NULL) {
		list_remove(set, before);
		mem_free(before);
	} else {
		set->size_bytes += ENTRY_BASE_BYTES + entry->key_n * 2;
	}
	if (set->oldest != NULL && set->oldest->placed.position > placed->position) {
		list_add_oldest(set, entry);
	} else {
		list_add(set, entry);
	}
}

/* --- sets --------------------------------------------------------------------------------------------- */

static void ref_set(void *value)
{
	refc_take(&((struct receipt_set *)value)->refc);
}

static void unref_set(void *value)
{
	struct receipt_set *set = value;
	if (!refc_drop(&set->refc)) {
		return;
	}
	struct set_entry *next;
	for (struct set_entry *entry = set->newest; entry != NULL; entry = next) {
		next = entry->older;
		mem_free(entry);
	}
	map_fini(&set->by_key);
	lock_fini(&set->lock);
	mem_free(set);
}

struct cache *receipt_sets_create(void)
{
	return cache_create("receipts", SETS_BUDGET_BYTES,
		(struct cache_ops){.ref = ref_set, .unref = unref_set});
}

/*
 * What it will hold is guessed from the number of members: only a commit, which knows that the set in the cache is the one with
 * all commits, may put it there again with another size.
 */
static struct receipt_set *set_create(int64_t member_count)
{
	struct receipt_set *set = mem_alloc(sizeof(*set));
	refc_init(&set->refc);
	lock_init(&set->lock, RANK_LEAF);
	set->size_bytes = SET_BASE_BYTES;
	set->charged_bytes = SET_BASE_BYTES + (size_t)member_count * ENTRY_BASE_BYTES;
	return set;
}

static enum err load(struct ctx *ctx, struct homeserver *hs, int64_t room_nid,
	struct receipt_set *set)
{
	struct receipt_row *rows;
	size_t count;
	TRY(store_receipts_of_room(ctx, hs->db, room_nid, &rows, &count));
	LOCK_SCOPE(&set->lock);
	for (size_t i = 0; i < count; i++) {
		const struct receipt_row *row = &rows[i];
		struct placed_receipt placed = {
			.receipt = {.user_id = row->user_id,
				.thread_id = row->thread_id,
				.event_id = row->event_id,
				.ts_ms = row->ts_ms},
			.event_position = row->event_position,
			.position = row->position,
		};
		if (receipt_type_parse(row->receipt_type, &placed.receipt.type)) {
			put_locked(set, &placed);
		}
	}
	set->is_loaded = true;
	return ERR_OK;
}

static bool is_loaded(struct receipt_set *set)
{
	LOCK_SCOPE(&set->lock);
	return set->is_loaded;
}

enum err receipt_set_get(struct ctx *ctx, struct homeserver *hs, struct cache *sets,
	struct room *room, struct receipt_set **out)
{
	int64_t nid = room_nid(room);
	struct receipt_set *set = cache_get(sets, nid_key(&nid));
	if (set != NULL) {
		arena_on_reset(ctx->arena, unref_set, set);
		if (is_loaded(set)) {
			*out = set;
			return ERR_OK;
		}
	}
	/* Whoever else is loading it has a set of its own; the last one stays. One that was not loaded is made anew. */
	set = set_create(room_member_counts(room).joined);
	arena_on_reset(ctx->arena, unref_set, set);
	cache_put(sets, nid_key(&nid), set, set->charged_bytes);
	TRY(load(ctx, hs, nid, set));
	*out = set;
	return ERR_OK;
}

void receipt_set_forget(struct cache *sets, int64_t room_nid)
{
	cache_remove(sets, nid_key(&room_nid));
}

void receipt_set_committed(struct cache *sets, int64_t room_nid,
	const struct placed_receipt *receipt)
{
	struct receipt_set *set = cache_get(sets, nid_key(&room_nid));
	if (set == NULL) {
		return;
	}
	lock_take(&set->lock);
	put_locked(set, receipt);
	size_t size_bytes = set->size_bytes;
	bool has_grown = set->is_loaded && size_bytes > set->charged_bytes;
	if (has_grown) {
		set->charged_bytes = size_bytes + size_bytes / 8;
		size_bytes = set->charged_bytes;
	}
	lock_give(&set->lock);
	if (has_grown) {
		cache_put(sets, nid_key(&room_nid), set, size_bytes);
	}
	unref_set(set);
}

/* --- reading ----------------------------------------------------------------------------------------------- */

int64_t receipt_set_find(struct receipt_set *set, struct arena *arena,
	const struct receipt *receipt)
{
	char *key = arena_alloc(arena, key_size(receipt));
	size_t n = write_key(key, receipt);
	LOCK_SCOPE(&set->lock);
	const struct set_entry *entry = map_get(&set->by_key, str_from(key, n));
	return entry != NULL ? entry->placed.event_position : INT64_MIN;
}

static struct receipt copy_receipt(struct arena *arena, const struct receipt *from)
{
	struct receipt to = *from;
	to.user_id = str_dup(arena, from->user_id);
	to.event_id = str_dup(arena, from->event_id);
	if (from->thread_id.p != NULL) {
		to.thread_id = str_dup(arena, from->thread_id);
	}
	return to;
}

size_t receipt_set_between(struct receipt_set *set, struct arena *arena, struct str viewer,
	int64_t after, int64_t up_to, struct receipt **out)
{
	VEC(struct receipt) found = {0};
	LOCK_SCOPE(&set->lock);
	for (const struct set_entry *entry = set->newest; entry != NULL; entry = entry->older) {
		if (entry->placed.position <= after) {
			break;
		}
		const struct receipt *receipt = &entry->placed.receipt;
		bool may_see =
			receipt->type != RECEIPT_READ_PRIVATE || str_equals(receipt->user_id, viewer);
		if (entry->placed.position <= up_to && may_see) {
			VEC_PUSH(arena, &found, copy_receipt(arena, receipt));
		}
	}
	*out = found.p;
	return found.n;
}
