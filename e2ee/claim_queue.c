/*
 * One statement is at the database at once, so that most claims share one, and beside one of many devices another, so that nobody is held up by such a
 * claim. Who comes meanwhile waits in line; the first who may go on leads, takes all that wait along, and hands out what was found.
 *
 * Who waits may run out of time and go, from the line and from a statement under way: so a leader has copies of what its followers want, and
 * touches what is theirs under the lock only. The keys of who has gone by then are given to nobody.
 */
#include "e2ee/claim_queue.h"

#include "base/lock.h"
#include "base/mem.h"
#include "matrix/errcode.h"

enum {
	STATEMENTS_MAX = 2, /* at once */
	FEW_TRIPLES = 100,  /* of a statement that others wait for */
	TRIPLES_MAX = 500,  /* of a statement, unless one claim alone has more */
};

/*
 * A caller that waits, on its stack. All of it is guarded by the queue's lock. Its ctx is its thread's alone: it may lead a statement
 * without it while another statement brings its keys.
 */
struct waiter {
	struct ctx *ctx;
	const struct key_claim *claim;
	struct claimed_key *keys; /* on the heap, until the waiter takes them */
	size_t key_n;
	size_t first; /* of its triples, in the statement that it is part of */
	enum err err;
	bool is_told; /* the failure is described in its ctx */
	bool is_done;
	struct cond changed;
	struct waiter **list; /* where it stands: in line, or with its leader */
	struct waiter *next;
};

struct claim_queue {
	struct db *db;
	key_claimer *claimer;
	struct lock lock;
	struct waiter *line; /* guarded by lock */
	int leaders;         /* guarded by lock */
	int with_few;        /* of them, with few triples; guarded by lock */
};

struct claim_queue *claim_queue_create(struct db *db, key_claimer *claimer)
{
	struct claim_queue *queue = mem_alloc(sizeof(*queue));
	*queue = (struct claim_queue){.db = db, .claimer = claimer};
	lock_init(&queue->lock, RANK_LEAF);
	return queue;
}

void claim_queue_destroy(struct claim_queue *queue)
{
	if (queue == NULL) {
		return;
	}
	invariant(queue->line == NULL && queue->leaders == 0);
	lock_fini(&queue->lock);
	mem_free(queue);
}

/* --- one statement for several claims ------------------------------------------------------------------- */

/* Takes out of the line who can go together: the first, and as many behind it as there is room for. @return triples */
static size_t take_together_locked(struct claim_queue *queue, struct waiter **out)
{
	size_t n = 0;
	struct waiter **last = out;
	while (queue->line != NULL && (last == out || n + queue->line->claim->count <= TRIPLES_MAX)) {
		struct waiter *waiter = queue->line;
		waiter->first = n;
		waiter->list = out;
		n += waiter->claim->count;
		queue->line = waiter->next;
		*last = waiter;
		last = &waiter->next;
	}
	*last = NULL;
	return n;
}

/* Copies: of who goes away meanwhile nothing may be used. */
static struct key_claim join_claims_locked(struct arena *arena, const struct waiter *waiters,
	size_t n)
{
	struct str *user_ids = ARENA_NEW_ARRAY(arena, struct str, n);
	struct str *device_ids = ARENA_NEW_ARRAY(arena, struct str, n);
	struct str *algorithms = ARENA_NEW_ARRAY(arena, struct str, n);
	size_t at = 0;
	for (const struct waiter *waiter = waiters; waiter != NULL; waiter = waiter->next) {
		for (size_t i = 0; i < waiter->claim->count; i++, at++) {
			user_ids[at] = str_dup(arena, waiter->claim->user_ids[i]);
			device_ids[at] = str_dup(arena, waiter->claim->device_ids[i]);
			algorithms[at] = str_dup(arena, waiter->claim->algorithms[i]);
		}
	}
	return (struct key_claim){user_ids, device_ids, algorithms, n};
}

/* Those keys that are of the waiter's triples. */
static void hand_out_locked(struct waiter *waiter, const struct claimed_key *keys, size_t n)
{
	waiter->keys = mem_alloc(sizeof(*waiter->keys) * (waiter->claim->count + 1));
	for (size_t i = 0; i < n; i++) {
		if (keys[i].index >= waiter->first &&
			keys[i].index - waiter->first < waiter->claim->count) {
			waiter->keys[waiter->key_n++] = (struct claimed_key){
				.index = keys[i].index - waiter->first,
				.key_id = str_heap(keys[i].key_id),
				.key = str_heap(keys[i].key),
			};
		}
	}
}

/* From the heap into the waiter's arena, on its own thread. */
static struct claimed_key *take_keys(struct waiter *waiter)
{
	struct arena *arena = waiter->ctx->arena;
	struct claimed_key *keys = ARENA_NEW_ARRAY(arena, struct claimed_key, waiter->key_n);
	for (size_t i = 0; i < waiter->key_n; i++) {
		struct claimed_key *key = &waiter->keys[i];
		keys[i] =
			(struct claimed_key){key->index, str_dup(arena, key->key_id), str_dup(arena, key->key)};
		str_free(key->key_id);
		str_free(key->key);
	}
	mem_free(waiter->keys);
	return keys;
}

/* --- taking turns ----------------------------------------------------------------------------------------- */

static bool may_lead_locked(const struct claim_queue *queue)
{
	return queue->with_few == 0 && queue->leaders < STATEMENTS_MAX;
}

/* Who is first in line may lead, if there is room for one more. */
static void call_next_locked(struct claim_queue *queue)
{
	if (queue->line != NULL && may_lead_locked(queue)) {
		cond_signal(&queue->line->changed);
	}
}

/* What was taken before a failure is used up, so it is given. */
static enum err outcome(enum err err, size_t keys)
{
	return keys > 0 ? ERR_OK : err;
}

static void lead_locked(struct ctx *ctx, struct claim_queue *queue)
{
	struct waiter **together = ARENA_NEW(ctx->arena, struct waiter *);
	struct claimed_key *keys = NULL;
	size_t key_n = 0;
	size_t n = take_together_locked(queue, together);
	const struct key_claim claim = join_claims_locked(ctx->arena, *together, n);
	int is_few = n <= FEW_TRIPLES ? 1 : 0;
	queue->leaders++;
	queue->with_few += is_few;
	call_next_locked(queue); /* for whom there was no room in this one */
	lock_give(&queue->lock);
	enum err err = queue->claimer(ctx, queue->db, &claim, &keys, &key_n);
	lock_take(&queue->lock);
	queue->leaders--;
	queue->with_few -= is_few;
	for (struct waiter *waiter = *together; waiter != NULL; waiter = waiter->next) {
		hand_out_locked(waiter, keys, key_n);
		waiter->err = outcome(err, waiter->key_n);
		waiter->is_told = waiter->ctx == ctx;
		waiter->is_done = true;
		waiter->list = NULL;
		cond_signal(&waiter->changed);
	}
	call_next_locked(queue);
}

static void stand_in_line_locked(struct claim_queue *queue, struct waiter *waiter)
{
	struct waiter **last = &queue->line;
	while (*last != NULL) {
		last = &(*last)->next;
	}
	*last = waiter;
	waiter->list = &queue->line;
}

/* @return false when the waiter's time is over */
static bool wait_locked(struct claim_queue *queue, struct waiter *waiter)
{
	if (waiter->ctx->deadline_ms == 0) {
		cond_wait(&waiter->changed, &queue->lock);
		return true;
	}
	return cond_wait_until(&waiter->changed, &queue->lock, waiter->ctx->deadline_ms);
}

static void go_away_locked(struct claim_queue *queue, struct waiter *waiter)
{
	struct waiter **at = waiter->list;
	while (*at != waiter) {
		at = &(*at)->next;
	}
	*at = waiter->next;
	call_next_locked(queue); /* it may have been the one who was called */
}

/* @return false when the waiter's time was over before it got an answer */
static bool take_turns(struct claim_queue *queue, struct waiter *waiter)
{
	LOCK_SCOPE(&queue->lock);
	stand_in_line_locked(queue, waiter);
	while (!waiter->is_done) {
		if (waiter->list == &queue->line && may_lead_locked(queue)) {
			/* Takes the first in line, and this one unless there is no room for it. */
			lead_locked(waiter->ctx, queue);
		} else if (!wait_locked(queue, waiter) && !waiter->is_done) {
			go_away_locked(queue, waiter);
			return false;
		}
	}
	return true;
}

enum err claim_queue_take(struct ctx *ctx, struct claim_queue *queue, const struct key_claim *claim,
	struct claimed_key **out, size_t *out_count)
{
	struct waiter waiter = {.ctx = ctx, .claim = claim};
	cond_init(&waiter.changed);
	bool is_answered = take_turns(queue, &waiter);
	cond_fini(&waiter.changed);
	if (!is_answered) {
		return fail(ctx, ERR_TIMEOUT, M_UNKNOWN, "The server is busy; try again");
	}
	struct claimed_key *keys = take_keys(&waiter);
	if (waiter.err != ERR_OK && !waiter.is_told) {
		/* It failed with its leader's statement, maybe for want of the leader's time alone. */
		waiter.err = queue->claimer(ctx, queue->db, claim, out, out_count);
		return outcome(waiter.err, *out_count);
	}
	*out = keys;
	*out_count = waiter.key_n;
	return waiter.err;
}

size_t claim_queue_length(struct claim_queue *queue)
{
	LOCK_SCOPE(&queue->lock);
	size_t n = 0;
	for (const struct waiter *waiter = queue->line; waiter != NULL; waiter = waiter->next) {
		n++;
	}
	return n;
}
