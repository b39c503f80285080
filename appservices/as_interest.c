/*
 * Rooms in a map under a lock. What was read from the database is entered only while memory is still as of the position that it was
 * read at; who came too late uses it once. A change of the registrations empties the map, and so does one walk that failed.
 */
#include "appservices/as_interest.h"

#include <stdlib.h>

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "matrix/str_set.h"
#include "storage/state.h"

enum { MAX_ROOMS = 20000, MAX_COUNTS = 1000000 };

/* Joined users of each service, by its place in the set. */
struct counted_room {
	int64_t nid;
	uint32_t *joined;
};

struct as_interest {
	struct homeserver *hs;
	struct lock lock;
	struct map
		rooms; /* bytes of the number → struct counted_room *; guarded by lock, like all below */
	int64_t version;  /* of the set that the counts belong to */
	int64_t position; /* that they are as of; -1: they are being changed */
};

struct as_walk {
	struct ctx *ctx;
	struct as_interest *interest;
	const struct appservice_set *set;
	struct map rooms; /* the walk's own counts, in the arena: number → struct counted_room * */
	uint32_t *before; /* counts of a room before an event */
	const struct appservice_member *aliases;
	size_t alias_n;
};

static struct str nid_key(const int64_t *nid)
{
	return str_from((const char *)nid, sizeof(*nid));
}

static void room_destroy(struct counted_room *room)
{
	mem_free(room->joined);
	mem_free(room);
}

static void forget_locked(struct as_interest *interest)
{
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&interest->rooms, &i, &key, &value)) {
		room_destroy(value);
	}
	map_clear(&interest->rooms);
}

struct as_interest *as_interest_create(struct homeserver *hs)
{
	struct as_interest *interest = mem_alloc(sizeof(*interest));
	interest->hs = hs;
	interest->position = -1;
	lock_init(&interest->lock, RANK_LEAF);
	map_init(&interest->rooms);
	return interest;
}

void as_interest_destroy(struct as_interest *interest)
{
	if (interest == NULL) {
		return;
	}
	lock_take(&interest->lock);
	forget_locked(interest);
	lock_give(&interest->lock);
	map_fini(&interest->rooms);
	lock_fini(&interest->lock);
	mem_free(interest);
}

/* --- counting ------------------------------------------------------------------------------------------------ */

bool as_has_user(const struct appservice *service, struct str user_id)
{
	struct user_id user;
	return as_is_listening(service) && user_id_parse(user_id, &user) &&
		appservice_has_user(service, user);
}

static void count_user(const struct appservice_set *set, struct counted_room *room,
	struct str user_id, bool is_joined)
{
	for (size_t i = 0; i < set->count; i++) {
		if (!as_has_user(&set->items[i], user_id)) {
			continue;
		}
		if (is_joined) {
			room->joined[i]++;
		} else if (room->joined[i] > 0) {
			room->joined[i]--;
		}
	}
}

static struct counted_room *arena_room(struct arena *arena, const struct appservice_set *set,
	int64_t nid)
{
	struct counted_room *room = ARENA_NEW(arena, struct counted_room);
	room->nid = nid;
	room->joined = ARENA_NEW_ARRAY(arena, uint32_t, set->count);
	return room;
}

static void copy_counts(const struct appservice_set *set, const struct counted_room *from,
	struct counted_room *to)
{
	for (size_t i = 0; i < set->count; i++) {
		to->joined[i] = from->joined[i];
	}
}

/* Counts rooms as of a position, into `rooms`, which belongs to the arena but for its table. */
static enum err count_rooms(struct ctx *ctx, struct as_interest *interest,
	const struct appservice_set *set, const int64_t *nids, size_t count, int64_t position,
	struct map *rooms)
{
	struct appservice_member *members;
	size_t member_n;
	if (count == 0) {
		return ERR_OK;
	}
	TRY(store_appservice_members(ctx, interest->hs->db, interest->hs->signer.server.s, nids, count,
		position, &members, &member_n));
	for (size_t i = 0; i < count; i++) {
		(void)map_set(rooms, nid_key(&nids[i]), arena_room(ctx->arena, set, nids[i]));
	}
	for (size_t i = 0; i < member_n; i++) {
		count_user(set, map_get(rooms, nid_key(&members[i].room_nid)), members[i].id, true);
	}
	return ERR_OK;
}

/* --- memory ---------------------------------------------------------------------------------------------------- */

static void keep_locked(struct as_interest *interest, const struct appservice_set *set,
	const struct counted_room *room)
{
	if (interest->rooms.n >= MAX_ROOMS || interest->rooms.n * set->count >= MAX_COUNTS) {
		forget_locked(interest);
	}
	struct counted_room *kept = map_get(&interest->rooms, nid_key(&room->nid));
	if (kept == NULL) {
		kept = mem_alloc(sizeof(*kept));
		kept->nid = room->nid;
		kept->joined = mem_alloc_array(set->count, sizeof(*kept->joined));
		(void)map_set(&interest->rooms, nid_key(&room->nid), kept);
	}
	copy_counts(set, room, kept);
}

static void keep_all_locked(struct as_interest *interest, const struct appservice_set *set,
	const struct map *rooms)
{
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(rooms, &i, &key, &value)) {
		keep_locked(interest, set, value);
	}
}

/* Copies what is known of some rooms; *out_unknown gets the others. */
static void copy_known_locked(struct as_interest *interest, struct arena *arena,
	const struct appservice_set *set, const int64_t *nids, size_t count, struct map *rooms,
	int64_t *out_unknown, size_t *out_unknown_n)
{
	*out_unknown_n = 0;
	for (size_t i = 0; i < count; i++) {
		const struct counted_room *known = map_get(&interest->rooms, nid_key(&nids[i]));
		if (known == NULL) {
			out_unknown[(*out_unknown_n)++] = nids[i];
			continue;
		}
		struct counted_room *copy = arena_room(arena, set, nids[i]);
		copy_counts(set, known, copy);
		(void)map_set(rooms, nid_key(&nids[i]), copy);
	}
}

static bool wants_aliases(const struct appservice_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		if (as_is_listening(&set->items[i]) && set->items[i].reg.aliases.count > 0) {
			return true;
		}
	}
	return false;
}

static enum err load_aliases(struct as_walk *walk, const int64_t *nids, size_t count)
{
	struct appservice_member *aliases;
	if (count == 0 || !wants_aliases(walk->set)) {
		return ERR_OK;
	}
	TRY(store_appservice_aliases(walk->ctx, walk->interest->hs->db, nids, count, &aliases,
		&walk->alias_n));
	walk->aliases = aliases;
	return ERR_OK;
}

static void walk_over(void *data)
{
	struct map *rooms = data;
	map_fini(rooms);
}

static struct as_walk *walk_new(struct ctx *ctx, struct as_interest *interest,
	const struct appservice_set *set)
{
	struct as_walk *walk = ARENA_NEW(ctx->arena, struct as_walk);
	*walk = (struct as_walk){.ctx = ctx, .interest = interest, .set = set};
	walk->before = ARENA_NEW_ARRAY(ctx->arena, uint32_t, set->count);
	map_init(&walk->rooms);
	arena_on_reset(ctx->arena, walk_over, &walk->rooms);
	return walk;
}

/* --- walking --------------------------------------------------------------------------------------------------- */

enum err as_walk_begin(struct ctx *ctx, struct as_interest *interest,
	const struct appservice_set *set, int64_t after, const int64_t *room_nids, size_t count,
	struct as_walk **out)
{
	struct as_walk *walk = walk_new(ctx, interest, set);
	int64_t *unknown = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	size_t unknown_n;
	lock_take(&interest->lock);
	if (interest->position != after || interest->version != set->version) {
		forget_locked(interest);
		interest->version = set->version;
	}
	interest->position = -1;
	copy_known_locked(interest, ctx->arena, set, room_nids, count, &walk->rooms, unknown,
		&unknown_n);
	lock_give(&interest->lock);
	TRY(count_rooms(ctx, interest, set, unknown, unknown_n, after, &walk->rooms));
	TRY(load_aliases(walk, room_nids, count));
	*out = walk;
	return ERR_OK;
}

static bool has_alias(const struct as_walk *walk, const struct appservice *service, int64_t nid)
{
	for (size_t i = 0; i < walk->alias_n && service->reg.aliases.count > 0; i++) {
		struct room_alias alias;
		if (walk->aliases[i].room_nid == nid && room_alias_parse(walk->aliases[i].id, &alias) &&
			appservice_has_alias(service, alias)) {
			return true;
		}
	}
	return false;
}

static bool wants_room(const struct as_walk *walk, size_t place, int64_t nid, struct str room_id)
{
	const struct appservice *service = &walk->set->items[place];
	const struct counted_room *room = map_get(&walk->rooms, nid_key(&nid));
	return as_is_listening(service) &&
		(room->joined[place] > 0 || (room_id.p != NULL && appservice_has_room(service, room_id)) ||
			has_alias(walk, service, nid));
}

static void note_before(struct as_walk *walk, int64_t nid)
{
	const struct counted_room *room = map_get(&walk->rooms, nid_key(&nid));
	for (size_t i = 0; i < walk->set->count; i++) {
		walk->before[i] = room->joined[i];
	}
}

static struct as_crossing crossing_of(const struct appservice_event *event, bool had, bool has)
{
	return (struct as_crossing){
		.came = had && has && event->is_joined && !event->was_joined,
		.all_came = has && (!had || event->is_resolved),
		.went = had && has && (event->is_resolved || (event->was_joined && !event->is_joined)),
		.all_went = had && !has,
	};
}

static void tell_crossings(const struct as_walk *walk, const struct appservice_event *event,
	struct as_crossing *out)
{
	const struct counted_room *room = map_get(&walk->rooms, nid_key(&event->room_nid));
	for (size_t i = 0; i < walk->set->count; i++) {
		out[i] = crossing_of(event, walk->before[i] > 0, room->joined[i] > 0);
	}
}

enum err as_walk_event(struct as_walk *walk, const struct appservice_event *event, bool *out_wants,
	struct as_crossing *out_crossing)
{
	const struct appservice_set *set = walk->set;
	note_before(walk, event->room_nid);
	if (event->is_resolved) {
		TRY(count_rooms(walk->ctx, walk->interest, set, &event->room_nid, 1, event->position,
			&walk->rooms));
	} else if (event->is_joined != event->was_joined) {
		count_user(set, map_get(&walk->rooms, nid_key(&event->room_nid)), event->target,
			event->is_joined);
	}
	tell_crossings(walk, event, out_crossing);
	for (size_t i = 0; i < set->count; i++) {
		out_wants[i] = wants_room(walk, i, event->room_nid, event->room_id) ||
			as_has_user(&set->items[i], event->sender) ||
			(event->target.p != NULL && as_has_user(&set->items[i], event->target));
	}
	return ERR_OK;
}

void as_walk_end(struct as_walk *walk, int64_t reached)
{
	struct as_interest *interest = walk->interest;
	LOCK_SCOPE(&interest->lock);
	keep_all_locked(interest, walk->set, &walk->rooms);
	interest->position = reached;
}

void as_interest_forget(struct as_interest *interest)
{
	LOCK_SCOPE(&interest->lock);
	interest->position = -1;
}

enum err as_interest_now(struct ctx *ctx, struct as_interest *interest,
	const struct appservice_set *set, const int64_t *room_nids, const struct str *room_ids,
	size_t count, bool **out_wants)
{
	struct as_walk *walk = walk_new(ctx, interest, set);
	int64_t *unknown = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	size_t unknown_n = count;
	lock_take(&interest->lock);
	bool is_same = interest->version == set->version && interest->position >= 0;
	int64_t position = interest->position;
	if (is_same) {
		copy_known_locked(interest, ctx->arena, set, room_nids, count, &walk->rooms, unknown,
			&unknown_n);
	}
	lock_give(&interest->lock);
	TRY(count_rooms(ctx, interest, set, is_same ? unknown : room_nids, unknown_n,
		is_same ? position : writer_position(interest->hs->writer), &walk->rooms));
	TRY(load_aliases(walk, room_nids, room_ids != NULL ? count : 0));
	lock_take(&interest->lock);
	if (is_same && interest->version == set->version && interest->position == position) {
		keep_all_locked(interest, set, &walk->rooms);
	}
	lock_give(&interest->lock);
	*out_wants = ARENA_NEW_ARRAY(ctx->arena, bool, count * set->count);
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < set->count; k++) {
			(*out_wants)[i * set->count + k] = wants_room(walk, k, room_nids[i],
				room_ids != NULL ? room_ids[i] : str_from(NULL, 0));
		}
	}
	return ERR_OK;
}

static int compare_nids(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* Each once: a room that were counted for two of its users would have everybody twice. */
static size_t rooms_of(struct arena *arena, const struct joined_row *joined, size_t count,
	int64_t **out)
{
	int64_t *nids = ARENA_NEW_ARRAY(arena, int64_t, count);
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		nids[i] = joined[i].room_nid;
	}
	qsort(nids, count, sizeof(*nids), compare_nids);
	for (size_t i = 0; i < count; i++) {
		if (n == 0 || nids[i] != nids[n - 1]) {
			nids[n++] = nids[i];
		}
	}
	*out = nids;
	return n;
}

enum err as_interest_in_users(struct ctx *ctx, struct as_interest *interest,
	const struct appservice_set *set, const struct str *user_ids, size_t count, bool **out_wants)
{
	struct joined_row *joined;
	size_t joined_n;
	int64_t *nids;
	bool *by_room;
	struct str_set users = str_set_make(ctx->arena, user_ids, count);
	TRY(store_member_joined(ctx, interest->hs->db, users.items, users.count, &joined, &joined_n));
	size_t nid_n = rooms_of(ctx->arena, joined, joined_n, &nids);
	TRY(as_interest_now(ctx, interest, set, nids, NULL, nid_n, &by_room));
	bool *by_user = ARENA_NEW_ARRAY(ctx->arena, bool, users.count * set->count);
	for (size_t r = 0; r < joined_n; r++) {
		const int64_t *nid = bsearch(&joined[r].room_nid, nids, nid_n, sizeof(*nids), compare_nids);
		size_t room = (size_t)(nid - nids);
		size_t user = str_set_index(&users, joined[r].user_id);
		for (size_t k = 0; k < set->count; k++) {
			by_user[user * set->count + k] |= by_room[room * set->count + k];
		}
	}
	*out_wants = ARENA_NEW_ARRAY(ctx->arena, bool, count * set->count);
	for (size_t i = 0; i < count; i++) {
		size_t user = str_set_index(&users, user_ids[i]);
		for (size_t k = 0; k < set->count; k++) {
			(*out_wants)[i * set->count + k] =
				by_user[user * set->count + k] || as_has_user(&set->items[k], user_ids[i]);
		}
	}
	return ERR_OK;
}
