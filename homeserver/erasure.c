/*
 * One map, made anew by each load.
 */
#include "homeserver/erasure.h"

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "storage/account.h"

#include <stdatomic.h>

struct erasure {
	_Atomic size_t count;
	struct lock lock; /* guards all below */
	struct map users; /* user id → int64_t *, its position; heap */
};

struct erasure *erasure_create(void)
{
	struct erasure *erasure = mem_alloc(sizeof(*erasure));
	lock_init(&erasure->lock, RANK_LEAF);
	return erasure;
}

static void users_fini(struct map *users)
{
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(users, &i, &key, &value)) {
		mem_free(value);
	}
	map_fini(users);
}

void erasure_destroy(struct erasure *erasure)
{
	if (erasure == NULL) {
		return;
	}
	users_fini(&erasure->users);
	lock_fini(&erasure->lock);
	mem_free(erasure);
}

enum err erasure_load(struct ctx *ctx, struct homeserver *hs)
{
	struct erasure *erasure = hs->erasure;
	struct erased_row *rows;
	size_t count;
	struct map users = {0};
	TRY(store_account_erased(ctx, hs->db, &rows, &count));
	for (size_t i = 0; i < count; i++) {
		int64_t *position = mem_alloc(sizeof(*position));
		*position = rows[i].position;
		(void)map_set(&users, rows[i].user_id, position);
	}
	lock_take(&erasure->lock);
	struct map before = erasure->users;
	erasure->users = users;
	atomic_store(&erasure->count, count);
	lock_give(&erasure->lock);
	users_fini(&before);
	return ERR_OK;
}

bool erasure_is_empty(const struct erasure *erasure)
{
	return atomic_load(&erasure->count) == 0;
}

int64_t erasure_position(struct erasure *erasure, struct str user_id)
{
	if (erasure_is_empty(erasure)) {
		return 0;
	}
	struct erasure *locked = (struct erasure *)(uintptr_t)erasure; /* for the lock only */
	LOCK_SCOPE(&locked->lock);
	const int64_t *position = map_get(&erasure->users, user_id);
	return position != NULL ? *position : 0;
}
