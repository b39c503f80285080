/*
 * A caller has an entry as long as it holds something, so there are never more entries than claims.
 */
#include "http/budget.h"

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"

enum { SHARES = 4 };

struct holder {
	uint64_t caller; /* its key in the map */
	size_t bytes;
};

struct budget {
	struct budget_limits limits;
	struct lock lock;   /* guards all below */
	size_t bytes;       /* of all */
	struct map holders; /* caller → struct holder */
};

struct budget *budget_create(const struct budget_limits *limits)
{
	struct budget *budget = mem_alloc(sizeof(*budget));
	budget->limits = *limits;
	lock_init(&budget->lock, RANK_LEAF);
	map_init(&budget->holders);
	return budget;
}

void budget_destroy(struct budget *budget)
{
	if (budget == NULL) {
		return;
	}
	invariant(budget->bytes == 0 && budget->holders.n == 0);
	map_fini(&budget->holders);
	lock_fini(&budget->lock);
	mem_free(budget);
}

static struct str key_of(const uint64_t *caller)
{
	return str_from((const char *)caller, sizeof(*caller));
}

/* Beside what others hold, if there are any. */
static bool fits(size_t of_others, size_t bytes, size_t limit)
{
	return of_others == 0 || (of_others <= limit && bytes <= limit - of_others);
}

static void add_locked(struct budget *budget, int64_t more)
{
	budget->bytes += (size_t)more;
	if (budget->limits.held != NULL) {
		metric_add(budget->limits.held, more);
	}
}

static void add_to_holder_locked(struct budget *budget, struct holder *holder, uint64_t caller,
	size_t more)
{
	if (holder == NULL) {
		holder = mem_alloc(sizeof(*holder));
		holder->caller = caller;
		(void)map_set(&budget->holders, key_of(&holder->caller), holder);
	}
	holder->bytes += more;
}

bool budget_hold(struct budget *budget, struct budget_claim *claim, struct str caller, size_t bytes)
{
	if (bytes < budget->limits.small_bytes || bytes <= claim->bytes) {
		return true;
	}
	uint64_t tag = caller.n > 0 ? hash_bytes(caller) | 1 : 0;
	invariant(claim->bytes == 0 || claim->caller == tag);
	LOCK_SCOPE(&budget->lock);
	struct holder *holder = tag != 0 ? map_get(&budget->holders, key_of(&tag)) : NULL;
	size_t own = holder != NULL ? holder->bytes - claim->bytes : 0;
	if (!fits(budget->bytes - claim->bytes, bytes, budget->limits.all_bytes) ||
		!fits(own, bytes, budget->limits.all_bytes / SHARES)) {
		return false;
	}
	size_t more = bytes - claim->bytes;
	if (tag != 0) {
		add_to_holder_locked(budget, holder, tag, more);
	}
	add_locked(budget, (int64_t)more);
	*claim = (struct budget_claim){.caller = tag, .bytes = bytes};
	return true;
}

void budget_release(struct budget *budget, struct budget_claim *claim)
{
	if (claim->bytes == 0) {
		return;
	}
	LOCK_SCOPE(&budget->lock);
	if (claim->caller != 0) {
		struct holder *holder = map_get(&budget->holders, key_of(&claim->caller));
		invariant(holder != NULL && holder->bytes >= claim->bytes);
		holder->bytes -= claim->bytes;
		if (holder->bytes == 0) {
			(void)map_remove(&budget->holders, key_of(&claim->caller));
			mem_free(holder);
		}
	}
	add_locked(budget, -(int64_t)claim->bytes);
	*claim = (struct budget_claim){0};
}
