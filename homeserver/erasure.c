/*
 * One map, made anew by each load. What another process says is added to it; a load that was under way then, and did not find it, is followed
 * by another one at the housekeeper's next round (the epoch of sessions has changed).
 */
#include "homeserver/erasure.h"

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "storage/account.h"

#include <inttypes.h>
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

static void add_locked(struct erasure *erasure, struct str user_id, int64_t position)
{
	int64_t *kept = mem_alloc(sizeof(*kept));
	*kept = position;
	mem_free(map_set(&erasure->users, user_id, kept));
	atomic_store(&erasure->count, erasure->users.n);
}

/* "<position> <user>" */
void erasure_tell(struct arena *arena, struct homeserver *hs, struct str user_id)
{
	if (writer_has_peers(hs->writer)) {
		int64_t position = erasure_position(hs->erasure, user_id);
		writer_tell_all(hs->writer, NEWS_ERASED,
			str_printf(arena, "%" PRId64 " %.*s", position, STR_ARG(user_id)));
	}
}

void erasure_heard(struct erasure *erasure, struct str line)
{
	struct str word;
	int64_t position;
	(void)str_split(line, ' ', &word, &line);
	if (str_to_int(word, 0, INT64_MAX, &position) && line.n > 0) {
		LOCK_SCOPE(&erasure->lock);
		add_locked(erasure, line, position);
	}
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
