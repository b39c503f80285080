/*
 * Changes of keys: making them known. The newest are kept in memory in the order of their positions, each with the
 * rooms that its user was joined to at the commit. These come from the active user, whom the writer's thread itself keeps up to
 * date, so that no join falls between. Those of a user of another server come from the database before the commit: whoever meets that
 * user in a further room meanwhile hears of it by the join.
 */
#include "e2ee/device_lists.h"

#include "base/lock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "e2ee/device_lists_inner.h"
#include "homeserver/user/users.h"
#include "storage/device_list.h"
#include "storage/state.h"

#include <stdlib.h>

enum { KEPT_CHANGES = 4096, KEPT_ROOMS = 1 << 20, SETTLE_BATCH = 100 };

static struct metric changes_total =
	METRIC_COUNTER("belfry_e2ee_list_changes_total", "Changes of device lists");

struct kept_change {
	int64_t position;
	struct str user_id; /* heap */
	struct str seen_by; /* heap; empty: everybody */
	int64_t *rooms;     /* numbers of the rooms joined, sorted; heap */
	size_t room_n;
};

struct device_lists {
	_Atomic int64_t newest; /* position of the newest change in memory */
	struct lock lock;       /* guards all below */
	struct kept_change kept[KEPT_CHANGES];
	size_t first;
	size_t n;
	size_t rooms;  /* of all together */
	int64_t floor; /* every change after this position is in memory */
};

struct device_lists *device_lists_create(void)
{
	struct device_lists *lists = mem_alloc(sizeof(*lists));
	lock_init(&lists->lock, RANK_LEAF);
	return lists;
}

static void drop_oldest_locked(struct device_lists *lists)
{
	struct kept_change *oldest = &lists->kept[lists->first];
	lists->floor = oldest->position;
	lists->rooms -= oldest->room_n;
	str_free(oldest->user_id);
	str_free(oldest->seen_by);
	mem_free(oldest->rooms);
	*oldest = (struct kept_change){0};
	lists->first = (lists->first + 1) % KEPT_CHANGES;
	lists->n--;
}

static void drop_all_locked(struct device_lists *lists)
{
	while (lists->n > 0) {
		drop_oldest_locked(lists);
	}
}

void device_lists_forget(struct device_lists *lists, int64_t position)
{
	LOCK_SCOPE(&lists->lock);
	drop_all_locked(lists);
	lists->floor = MAX_OF(lists->floor, position);
	atomic_store(&lists->newest, MAX_OF(atomic_load(&lists->newest), position));
}

void device_lists_destroy(struct device_lists *lists)
{
	if (lists == NULL) {
		return;
	}
	lock_take(&lists->lock);
	drop_all_locked(lists);
	lock_give(&lists->lock);
	lock_fini(&lists->lock);
	mem_free(lists);
}

/* --- making a change known ------------------------------------------------------------------------------- */

static void keep(struct device_lists *lists, struct kept_change change)
{
	LOCK_SCOPE(&lists->lock);
	while (
		lists->n == KEPT_CHANGES || (lists->n > 0 && lists->rooms + change.room_n > KEPT_ROOMS)) {
		drop_oldest_locked(lists);
	}
	lists->kept[(lists->first + lists->n) % KEPT_CHANGES] = change;
	lists->n++;
	lists->rooms += change.room_n;
	atomic_store(&lists->newest, change.position);
	metric_add(&changes_total, 1);
}

/* What the writer's thread needs of a change. */
struct pending_change {
	struct list_change change;
	struct user *user; /* whose rooms; NULL: of another server, or only one user sees it */
	int64_t *nids;     /* of another server: the rooms joined, sorted */
	size_t nid_n;
	struct room **rooms; /* those of them that are in memory: who waits there is woken */
	size_t room_n;
};
struct pending_changes {
	struct homeserver *hs;
	struct pending_change *list;
	size_t n;
};

static int compare_numbers(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

int64_t *joined_nids(struct arena *arena, const struct user_room *rooms, size_t count,
	size_t *out_n)
{
	int64_t *nids = ARENA_NEW_ARRAY(arena, int64_t, count + 1);
	*out_n = 0;
	for (size_t i = 0; i < count; i++) {
		if (str_equals(rooms[i].membership, STR("join"))) {
			nids[(*out_n)++] = room_nid(rooms[i].room);
		}
	}
	qsort(nids, *out_n, sizeof(*nids), compare_numbers);
	return nids;
}

static void tell_everybody(struct homeserver *hs, struct user *user, struct kept_change *kept)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct user_room *rooms;
	size_t count;
	user_rooms(user, arena, &rooms, &count);
	int64_t *nids = joined_nids(arena, rooms, count, &kept->room_n);
	kept->rooms = mem_dup((const char *)nids, kept->room_n * sizeof(*nids));
	for (size_t i = 0; i < count; i++) {
		if (str_equals(rooms[i].membership, STR("join"))) {
			users_room_committed(hs->users, rooms[i].room);
		}
	}
	users_news_committed(hs->users, kept->user_id);
}

/* The same for a user of another server. */
static void tell_sharing(struct homeserver *hs, const struct pending_change *pending,
	struct kept_change *kept)
{
	kept->room_n = pending->nid_n;
	kept->rooms = mem_dup((const char *)pending->nids, pending->nid_n * sizeof(*pending->nids));
	for (size_t i = 0; i < pending->room_n; i++) {
		users_room_committed(hs->users, pending->rooms[i]);
	}
}

static void on_committed(void *data, int64_t first_position)
{
	const struct pending_changes *changes = data;
	struct homeserver *hs = changes->hs;
	for (size_t i = 0; i < changes->n; i++) {
		const struct pending_change *pending = &changes->list[i];
		struct kept_change kept = {
			.position = first_position,
			.user_id = str_heap(pending->change.user_id),
			.seen_by = str_heap(pending->change.seen_by),
		};
		if (pending->user != NULL) {
			tell_everybody(hs, pending->user, &kept);
		} else if (pending->change.seen_by.n == 0) {
			tell_sharing(hs, pending, &kept);
		} else {
			users_news_committed(hs->users, pending->change.seen_by);
		}
		keep(hs->e2ee->lists, kept);
	}
}

/* Where a user of another server is joined. */
static enum err find_rooms(struct ctx *ctx, struct homeserver *hs, struct pending_change *pending)
{
	struct joined_row *rows;
	TRY(store_member_joined(ctx, hs->db, &pending->change.user_id, 1, &rows, &pending->nid_n));
	pending->nids = ARENA_NEW_ARRAY(ctx->arena, int64_t, pending->nid_n);
	pending->rooms = ARENA_NEW_ARRAY(ctx->arena, struct room *, pending->nid_n);
	for (size_t i = 0; i < pending->nid_n; i++) {
		pending->nids[i] = rows[i].room_nid;
		struct room *room = rooms_find(ctx, hs, rows[i].room_nid);
		if (room != NULL) {
			pending->rooms[pending->room_n++] = room;
		}
	}
	return ERR_OK;
}

enum err device_lists_commit(struct ctx *ctx, struct homeserver *hs, struct write *write,
	const struct list_change *changes, size_t count)
{
	struct pending_changes *pending = ARENA_NEW(ctx->arena, struct pending_changes);
	pending->hs = hs;
	pending->list = ARENA_NEW_ARRAY(ctx->arena, struct pending_change, count);
	pending->n = count;
	for (size_t i = 0; i < count; i++) {
		pending->list[i].change = changes[i];
		if (changes[i].seen_by.n == 0 && !hs_is_local(hs, changes[i].user_id)) {
			TRY(find_rooms(ctx, hs, &pending->list[i]));
		} else if (changes[i].seen_by.n == 0) {
			TRY(users_get(ctx, hs, changes[i].user_id, &pending->list[i].user));
		}
		store_device_list_change(write, changes[i].user_id, changes[i].seen_by, 0);
	}
	write_set_positions(write, 1);
	write_on_commit(write, on_committed, pending);
	return writer_commit(ctx, hs->writer, write, NULL);
}

/* --- devices that ended ------------------------------------------------------------------------------------ */

static enum err settle(struct ctx *ctx, struct homeserver *hs, const struct str *user_ids,
	size_t count)
{
	struct write *write = write_new(ctx);
	struct list_change *changes = ARENA_NEW_ARRAY(ctx->arena, struct list_change, count);
	for (size_t i = 0; i < count; i++) {
		changes[i].user_id = user_ids[i];
		changes[i].seen_by = STR("");
		store_device_list_settle(write, user_ids[i]);
	}
	return device_lists_commit(ctx, hs, write, changes, count);
}

enum err device_lists_settle(struct ctx *ctx, struct homeserver *hs)
{
	struct str *user_ids;
	size_t count;
	do {
		TRY(store_device_list_pending(ctx, hs->db, SETTLE_BATCH, &user_ids, &count));
		if (count > 0) {
			TRY(settle(ctx, hs, user_ids, count));
		}
	} while (count == SETTLE_BATCH);
	return ERR_OK;
}

void device_lists_devices_changed(struct ctx *ctx, struct homeserver *hs, struct str user_id)
{
	bool is_pending = false;
	enum err err = store_device_list_is_pending(ctx, hs->db, user_id, &is_pending);
	if (err == ERR_OK && is_pending) {
		err = settle(ctx, hs, &user_id, 1);
	}
	if (err != ERR_OK) {
		ctx->fault = (struct fault){0}; /* it stays pending; the housekeeper comes by */
	}
}

/* --- asking --------------------------------------------------------------------------------------------------- */

bool device_lists_has_more(const struct device_lists *lists, int64_t position)
{
	return atomic_load(&lists->newest) > position;
}

bool device_lists_are_quiet(struct device_lists *lists, int64_t position)
{
	LOCK_SCOPE(&lists->lock);
	return position >= lists->floor && !device_lists_has_more(lists, position);
}

static bool share_a_room(const struct kept_change *kept, const int64_t *nids, size_t count)
{
	size_t i = 0;
	size_t k = 0;
	while (i < kept->room_n && k < count) {
		if (kept->rooms[i] == nids[k]) {
			return true;
		}
		if (kept->rooms[i] < nids[k]) {
			i++;
		} else {
			k++;
		}
	}
	return false;
}

static bool is_seen(const struct kept_change *kept, const struct list_span *span,
	const int64_t *nids, size_t count)
{
	if (kept->seen_by.n > 0) {
		return str_equals(kept->seen_by, span->user_id);
	}
	return str_equals(kept->user_id, span->user_id) || share_a_room(kept, nids, count);
}

bool device_lists_recall(struct device_lists *lists, struct arena *arena,
	const struct list_span *span, const int64_t *nids, size_t count, struct user_list *out)
{
	LOCK_SCOPE(&lists->lock);
	if (span->since < lists->floor) {
		return false;
	}
	for (size_t i = lists->n; i > 0; i--) {
		const struct kept_change *kept = &lists->kept[(lists->first + i - 1) % KEPT_CHANGES];
		if (kept->position <= span->since) {
			break;
		}
		if (kept->position <= span->up_to && is_seen(kept, span, nids, count)) {
			VEC_PUSH(arena, out, str_dup(arena, kept->user_id));
		}
	}
	return true;
}
