/*
 * A few claims are at the database at once. Who comes when there are more waits in line; the first who may go on leads, takes all that wait along,
 * and hands out what was found. A statement gives no triple two keys, so who wants a key of a device that somebody before in
 * line wants too goes with a later one.
 */
#include "e2ee/claim_queue.h"

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"

enum {
	STATEMENTS_MAX = 4, /* at once */
	TRIPLES_MAX = 500,  /* of a statement, unless one claim alone has more */
};

/* A caller that waits, on its stack. */
struct waiter {
	struct ctx *ctx; /* its arena is the leader's to use until is_done */
	const struct key_claim *claim;
	struct claimed_key *keys;
	size_t key_n;
	enum err err;
	bool is_taken; /* out of the line, by a leader */
	bool is_told;  /* the failure is described in its ctx */
	bool is_done;
	struct cond changed;
	struct waiter *next;
};

struct claim_queue {
	struct db *db;
	struct lock lock;
	struct waiter *first; /* guarded by lock, as all waiters in it */
	int leaders;          /* guarded by lock */
};

struct claim_queue *claim_queue_create(struct db *db)
{
	struct claim_queue *queue = mem_alloc(sizeof(*queue));
	*queue = (struct claim_queue){.db = db};
	lock_init(&queue->lock, RANK_LEAF);
	return queue;
}

void claim_queue_destroy(struct claim_queue *queue)
{
	if (queue == NULL) {
		return;
	}
	invariant(queue->first == NULL && queue->leaders == 0);
	lock_fini(&queue->lock);
	mem_free(queue);
}

/* --- one statement for several claims ------------------------------------------------------------------- */

static struct str triple_text(struct arena *arena, const struct key_claim *claim, size_t i)
{
	return str_printf(arena, "%.*s\n%.*s\n%.*s", STR_ARG(claim->user_ids[i]),
		STR_ARG(claim->device_ids[i]), STR_ARG(claim->algorithms[i]));
}

static bool is_apart(struct arena *arena, const struct key_claim *claim, const struct map *triples)
{
	for (size_t i = 0; i < claim->count; i++) {
		if (map_get(triples, triple_text(arena, claim, i)) != NULL) {
			return false;
		}
	}
	return true;
}

/* Takes out of the queue who can go together: the first, and of those behind it whose triples nobody before wants. @return triples */
static size_t take_together_locked(struct claim_queue *queue, struct arena *arena,
	struct waiter **out)
{
	struct map triples;
	map_init(&triples);
	size_t n = 0;
	struct waiter **last = out;
	for (struct waiter **at = &queue->first; *at != NULL;) {
		struct waiter *waiter = *at;
		const struct key_claim *claim = waiter->claim;
		bool has_room = last == out || n + claim->count <= TRIPLES_MAX;
		bool goes = has_room && is_apart(arena, claim, &triples);
		for (size_t i = 0; i < claim->count; i++) {
			(void)map_set(&triples, triple_text(arena, claim, i), waiter);
		}
		if (goes) {
			n += claim->count;
			waiter->is_taken = true;
			*at = waiter->next;
			*last = waiter;
			last = &waiter->next;
		} else {
			at = &waiter->next;
		}
	}
	*last = NULL;
	map_fini(&triples);
	return n;
}

static struct key_claim join_claims(struct arena *arena, const struct waiter *waiters, size_t n)
{
	struct str *user_ids = ARENA_NEW_ARRAY(arena, struct str, n);
	struct str *device_ids = ARENA_NEW_ARRAY(arena, struct str, n);
	struct str *algorithms = ARENA_NEW_ARRAY(arena, struct str, n);
	size_t at = 0;
	for (const struct waiter *waiter = waiters; waiter != NULL; waiter = waiter->next) {
		for (size_t i = 0; i < waiter->claim->count; i++, at++) {
			user_ids[at] = waiter->claim->user_ids[i];
			device_ids[at] = waiter->claim->device_ids[i];
			algorithms[at] = waiter->claim->algorithms[i];
		}
	}
	return (struct key_claim){user_ids, device_ids, algorithms, n};
}

/* Those keys that are of triples from `first` on. */
static void hand_out(struct waiter *waiter, size_t first, const struct claimed_key *keys, size_t n)
{
	struct arena *arena = waiter->ctx->arena;
	waiter->keys = ARENA_NEW_ARRAY(arena, struct claimed_key, waiter->claim->count);
	for (size_t i = 0; i < n; i++) {
		if (keys[i].index >= first && keys[i].index - first < waiter->claim->count) {
			waiter->keys[waiter->key_n++] = (struct claimed_key){
				.index = keys[i].index - first,
				.key_id = str_dup(arena, keys[i].key_id),
				.key = str_dup(arena, keys[i].key),
			};
		}
	}
}

static void take_all(struct ctx *ctx, struct db *db, struct waiter *waiters, size_t n)
{
	const struct key_claim claim = join_claims(ctx->arena, waiters, n);
	struct claimed_key *keys = NULL;
	size_t key_n = 0;
	enum err err = store_one_time_key_claim(ctx, db, &claim, &keys, &key_n);
	size_t first = 0;
	for (struct waiter *waiter = waiters; waiter != NULL; waiter = waiter->next) {
		waiter->err = err;
		waiter->is_told = waiter->ctx == ctx;
		hand_out(waiter, first, keys, key_n);
		first += waiter->claim->count;
	}
}

/* --- taking turns ----------------------------------------------------------------------------------------- */

static void lead_locked(struct ctx *ctx, struct claim_queue *queue)
{
	struct waiter *together;
	size_t n = take_together_locked(queue, ctx->arena, &together);
	queue->leaders++;
	lock_give(&queue->lock);
	take_all(ctx, queue->db, together, n);
	lock_take(&queue->lock);
	queue->leaders--;
	for (struct waiter *next; together != NULL; together = next) {
		next = together->next;
		together->is_done = true;
		cond_signal(&together->changed);
	}
	if (queue->first != NULL) {
		cond_signal(&queue->first->changed);
	}
}

static void stand_in_line_locked(struct claim_queue *queue, struct waiter *waiter)
{
	struct waiter **last = &queue->first;
	while (*last != NULL) {
		last = &(*last)->next;
	}
	*last = waiter;
}

enum err claim_queue_take(struct ctx *ctx, struct claim_queue *queue, const struct key_claim *claim,
	struct claimed_key **out, size_t *out_count)
{
	struct waiter waiter = {.ctx = ctx, .claim = claim};
	cond_init(&waiter.changed);
	lock_take(&queue->lock);
	stand_in_line_locked(queue, &waiter);
	while (!waiter.is_done) {
		if (!waiter.is_taken && queue->leaders < STATEMENTS_MAX) {
			lead_locked(ctx,
				queue); /* takes the first in line, and this one unless it has to go later */
		} else {
			cond_wait(&waiter.changed, &queue->lock);
		}
	}
	lock_give(&queue->lock);
	cond_fini(&waiter.changed);
	if (waiter.err != ERR_OK && !waiter.is_told) {
		/* It failed with its leader's statement, maybe for want of the leader's time alone. */
		return store_one_time_key_claim(ctx, queue->db, claim, out, out_count);
	}
	*out = waiter.keys;
	*out_count = waiter.key_n;
	return waiter.err;
}
