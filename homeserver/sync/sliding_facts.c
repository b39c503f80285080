/*
 * What lists filter by, and is not in memory anyway: found once for a user, or a room, and found anew when something of it may have changed.
 */
#include "base/arena_sized.h"
#include "base/mem.h"
#include "base/refc.h"
#include "base/vec.h"
#include "homeserver/sync/sliding_inner.h"
#include "matrix/space_child.h"
#include "matrix/stripped.h"
#include "storage/state.h"

#include <stdlib.h>

enum { FACTS_BYTES = 256 }; /* of a user, mostly */

/* What the state of a room says that hardly ever changes. Immutable. */
struct room_kind {
	struct refc refc;
	bool is_encrypted;
	int64_t seen_at;
	struct str type; /* heap; empty: none */
};

/* Tags of one room. */
struct room_tags {
	int64_t room_nid;
	struct str_set names;
};

/* Immutable once it is in the cache. */
struct sliding_facts {
	struct refc refc;
	struct arena *arena;
	int64_t account_at; /* position up to which the account data are known */
	struct str_set direct;
	int64_t direct_at;
	bool has_tags;
	struct room_tags *tags; /* by room */
	size_t tag_n;
	int64_t left_at; /* newest leaving that was looked at; -1: there was none */
	int64_t *thrown_out;
	size_t thrown_out_n;
};

static void kind_ref(void *value)
{
	struct room_kind *kind = value;
	refc_take(&kind->refc);
}

static void kind_unref(void *value)
{
	struct room_kind *kind = value;
	if (refc_drop(&kind->refc)) {
		str_free(kind->type);
		mem_free(kind);
	}
}

const struct cache_ops sliding_kind_ops = {kind_ref, kind_unref};

static void facts_ref(void *value)
{
	struct sliding_facts *facts = value;
	refc_take(&facts->refc);
}

static void facts_unref(void *value)
{
	struct sliding_facts *facts = value;
	if (refc_drop(&facts->refc)) {
		arena_destroy(facts->arena);
		mem_free(facts);
	}
}

const struct cache_ops sliding_facts_ops = {facts_ref, facts_unref};

/* --- account data ------------------------------------------------------------------------------------------ */

/* Room ids of m.direct: {"@user:server": ["!room:server", …], …}. */
static void read_direct(struct sliding_facts *facts, struct str content)
{
	struct json object;
	VEC(struct str) ids = {0};
	struct str text = str_dup(facts->arena, content);
	if (json_parse(facts->arena, text, NULL, &object, NULL) != JSON_OK ||
		!json_is(&object, JSON_OBJECT)) {
		return;
	}
	for (size_t i = 0; i < object.count; i++) {
		const struct json *rooms = &object.members[i].value;
		for (size_t j = 0; json_is(rooms, JSON_ARRAY) && j < rooms->count; j++) {
			if (json_is(&rooms->items[j], JSON_STRING)) {
				VEC_PUSH(facts->arena, &ids, json_text(&rooms->items[j]));
			}
		}
	}
	facts->direct = str_set_make(facts->arena, ids.p, ids.n);
}

/* Names of m.tag: {"tags": {"m.favourite": {…}, …}}. */
static struct str_set read_tags(struct arena *arena, struct str content)
{
	struct json object;
	struct str text = str_dup(arena, content);
	if (json_parse(arena, text, NULL, &object, NULL) != JSON_OK) {
		return (struct str_set){0};
	}
	const struct json *tags = json_at(&object, "tags");
	if (!json_is(tags, JSON_OBJECT)) {
		return (struct str_set){0};
	}
	struct str *names = ARENA_NEW_ARRAY(arena, struct str, tags->count);
	for (size_t i = 0; i < tags->count; i++) {
		names[i] = tags->members[i].key;
	}
	return str_set_make(arena, names, tags->count);
}

static enum err load_direct(struct sliding_run *run, struct sliding_facts *facts)
{
	struct account_data_item *items;
	size_t n;
	TRY(account_data_changes(run->ctx, run->hs, run->user, 0, 0, run->end.up_to, &items, &n));
	for (size_t i = 0; i < n; i++) {
		if (str_equals(items[i].type, STR("m.direct"))) {
			read_direct(facts, items[i].content);
			facts->direct_at = items[i].position;
		}
	}
	return ERR_OK;
}

static int compare_tags(const void *a, const void *b)
{
	const struct room_tags *x = a;
	const struct room_tags *y = b;
	return (x->room_nid > y->room_nid) - (x->room_nid < y->room_nid);
}

static enum err load_tags(struct sliding_run *run, struct sliding_facts *facts)
{
	struct account_data_item *items;
	size_t n;
	TRY(account_data_rooms_changed(run->ctx, run->hs, run->user, 0, run->end.up_to, &items, &n));
	facts->tags = ARENA_NEW_ARRAY(facts->arena, struct room_tags, n);
	for (size_t i = 0; i < n; i++) {
		if (str_equals(items[i].type, STR("m.tag"))) {
			facts->tags[facts->tag_n++] =
				(struct room_tags){items[i].room_nid, read_tags(facts->arena, items[i].content)};
		}
	}
	if (facts->tag_n > 1) {
		qsort(facts->tags, facts->tag_n, sizeof(*facts->tags), compare_tags);
	}
	facts->has_tags = true;
	return ERR_OK;
}

static bool asks_tags(const struct sliding_request *request)
{
	for (size_t i = 0; i < request->list_n; i++) {
		const struct sliding_filter *filter = &request->lists[i].filter;
		if (filter->tags.is_given || filter->not_tags.set.count > 0) {
			return true;
		}
	}
	return false;
}

bool sliding_is_direct(const struct sliding_run *run, struct str room_id)
{
	return str_set_has(&run->facts->direct, room_id);
}

int64_t sliding_direct_at(const struct sliding_run *run)
{
	return run->facts->direct_at;
}

static const struct str_set *tags_of(const struct sliding_facts *facts, int64_t room_nid)
{
	static const struct str_set none;
	const struct room_tags key = {.room_nid = room_nid};
	const struct room_tags *found = facts->tag_n > 0
		? bsearch(&key, facts->tags, facts->tag_n, sizeof(key), compare_tags)
		: NULL;
	return found != NULL ? &found->names : &none;
}

/* --- who was put out --------------------------------------------------------------------------------------- */

static int64_t newest_leaving(const struct sliding_run *run)
{
	int64_t newest = -1;
	for (size_t i = 0; i < run->place_n; i++) {
		const struct user_room *entry = &run->places[i].entry;
		newest = sync_is_left(entry) ? MAX_OF(newest, entry->position) : newest;
	}
	return newest;
}

static enum err load_left(struct sliding_run *run, struct sliding_facts *facts)
{
	int64_t *found;
	size_t n;
	if (facts->left_at < 0) {
		return ERR_OK;
	}
	TRY(store_member_thrown_out(run->ctx, run->hs->db, run->who->user.s, run->end.up_to,
		SYNC_THROWN_OUT_MAX, SYNC_LEFT_LOOKED_AT, &found, &n));
	facts->thrown_out = ARENA_NEW_ARRAY(facts->arena, int64_t, n);
	for (size_t i = 0; i < n; i++) {
		facts->thrown_out[i] = found[i];
	}
	facts->thrown_out_n = n;
	return ERR_OK;
}

bool sliding_is_thrown_out(const struct sliding_run *run, int64_t room_nid)
{
	const struct sliding_facts *facts = run->facts;
	for (size_t i = 0; i < facts->thrown_out_n; i++) {
		if (facts->thrown_out[i] == room_nid) {
			return true;
		}
	}
	return false;
}

/* --- kinds of rooms ---------------------------------------------------------------------------------------- */

static bool asks_state(const struct sliding_request *request, bool *out_encrypted)
{
	bool is_any = false;
	*out_encrypted = false;
	for (size_t i = 0; i < request->list_n; i++) {
		is_any = is_any || request->lists[i].filter.asks_state;
		*out_encrypted = *out_encrypted || request->lists[i].filter.encrypted != SLIDING_ANY;
	}
	return is_any;
}

static struct str kind_key(const int64_t *nid)
{
	return str_from((const char *)nid, sizeof(*nid));
}

/* Until the ctx's arena is reset; NULL: it is not known. */
static const struct room_kind *kind_of(struct sliding_run *run, int64_t room_nid)
{
	struct room_kind *kind = cache_get(run->hs->sliding->kinds, kind_key(&room_nid));
	if (kind != NULL) {
		arena_on_reset(run->ctx->arena, kind_unref, kind);
	}
	return kind;
}

static struct str type_of(struct arena *arena, struct str create)
{
	struct json event;
	if (json_parse(arena, create, NULL, &event, NULL) != JSON_OK) {
		return STR("");
	}
	struct str type = json_get_str(json_at(&event, "content"), STR("type"));
	return type.p != NULL ? type : STR("");
}

static void put_kind(struct sliding_run *run, struct sliding_place *place,
	const struct kind_row *row)
{
	const int64_t nid = room_nid(place->entry.room);
	struct room_kind *kind = mem_alloc(sizeof(*kind));
	refc_init(&kind->refc);
	kind->type = str_heap(type_of(run->ctx->arena, row->create));
	kind->is_encrypted = row->is_encrypted;
	kind->seen_at = run->end.up_to;
	cache_put(run->hs->sliding->kinds, kind_key(&nid), kind, sizeof(*kind) + kind->type.n);
	arena_on_reset(run->ctx->arena, kind_unref, kind);
	place->kind = kind;
}

/* What the stripped state of an invite or a knock says. */
static const struct room_kind *stripped_kind(struct arena *arena, const struct user_room *entry)
{
	struct room_kind *kind = ARENA_NEW(arena, struct room_kind);
	struct json state;
	kind->type = STR("");
	if (entry->stripped.p == NULL || !stripped_state_read(arena, entry->stripped, &state)) {
		return kind;
	}
	for (size_t i = 0; i < state.count; i++) {
		struct str type = json_get_str(&state.items[i], STR("type"));
		if (str_equals(type, STR("m.room.create"))) {
			struct str room_type = json_get_str(json_at(&state.items[i], "content"), STR("type"));
			kind->type = room_type.p != NULL ? room_type : STR("");
		}
		kind->is_encrypted = kind->is_encrypted || str_equals(type, STR("m.room.encryption"));
	}
	return kind;
}

/* Types never change, and a room is not encrypted only as long as nothing happens in it. */
static enum err load_kinds(struct sliding_run *run)
{
	bool asks_encrypted;
	size_t n = 0;
	size_t row_n;
	struct kind_row *rows;
	if (!asks_state(run->request, &asks_encrypted)) {
		return ERR_OK;
	}
	int64_t *nids = ARENA_NEW_ARRAY(run->ctx->arena, int64_t, run->place_n);
	struct sliding_place **asked =
		ARENA_NEW_ARRAY(run->ctx->arena, struct sliding_place *, run->place_n);
	for (size_t i = 0; i < run->place_n; i++) {
		struct sliding_place *place = &run->places[i];
		if (sync_is_outside(&place->entry)) {
			place->kind = stripped_kind(run->ctx->arena, &place->entry);
			continue;
		}
		place->kind = kind_of(run, room_nid(place->entry.room));
		bool may_differ = place->kind != NULL && asks_encrypted && !place->kind->is_encrypted &&
			room_last_position(place->entry.room) > place->kind->seen_at;
		if (place->kind == NULL || may_differ) {
			asked[n] = place;
			nids[n++] = room_nid(place->entry.room);
		}
	}
	if (n == 0) {
		return ERR_OK;
	}
	TRY(store_state_kinds(run->ctx, run->hs->db, nids, n, &rows, &row_n));
	for (size_t i = 0; i < row_n; i++) {
		put_kind(run, asked[rows[i].index], &rows[i]);
	}
	return ERR_OK;
}

/* --- the whole --------------------------------------------------------------------------------------------- */

static bool is_current(const struct sliding_run *run, const struct sliding_facts *facts)
{
	return facts->account_at >= user_own_position(run->user) &&
		facts->left_at == newest_leaving(run) && (facts->has_tags || !asks_tags(run->request));
}

static enum err fill(struct sliding_run *run, struct sliding_facts *facts)
{
	facts->account_at = run->end.up_to;
	facts->left_at = newest_leaving(run);
	TRY(load_direct(run, facts));
	if (asks_tags(run->request)) {
		TRY(load_tags(run, facts));
	}
	return load_left(run, facts);
}

static enum err load_facts(struct sliding_run *run)
{
	struct cache *cache = run->hs->sliding->facts;
	struct sliding_facts *facts = cache_get(cache, run->who->user.s);
	if (facts != NULL) {
		arena_on_reset(run->ctx->arena, facts_unref, facts);
		run->facts = facts;
		if (is_current(run, facts)) {
			return ERR_OK;
		}
	}
	facts = mem_alloc(sizeof(*facts));
	refc_init(&facts->refc);
	facts->arena = arena_create_sized(FACTS_BYTES);
	arena_on_reset(run->ctx->arena, facts_unref, facts);
	run->facts = facts;
	TRY(fill(run, facts));
	cache_put(cache, run->who->user.s, facts, sizeof(*facts) + arena_held_bytes(facts->arena));
	return ERR_OK;
}

enum err sliding_facts_load(struct sliding_run *run)
{
	TRY(load_facts(run));
	return load_kinds(run);
}

/* --- filters ----------------------------------------------------------------------------------------------- */

static bool is_wished(enum sliding_wish wish, bool is_so)
{
	return wish == SLIDING_ANY || is_so == (wish == SLIDING_ONLY);
}

enum err sliding_filter_prepare(struct sliding_run *run, struct sliding_window *window)
{
	const struct str_set *ids = &window->list->filter.spaces.set;
	window->spaces = ARENA_NEW_ARRAY(run->ctx->arena, struct sliding_place *, ids->count);
	for (size_t i = 0; i < ids->count; i++) {
		struct sliding_place *space = sliding_place_find(run, ids->items[i]);
		if (space != NULL && str_equals(space->entry.membership, STR("join"))) {
			TRY(rooms_load(run->ctx, run->hs, space->entry.room));
			window->spaces[window->space_n++] = space;
		}
	}
	return ERR_OK;
}

/* Whether a space has the room as a child. Subspaces are not gone into. */
static enum err is_in_space(struct sliding_run *run, struct room *space, struct str room_id,
	bool *out)
{
	struct stored_event *event;
	struct space_child child;
	TRY(room_state_event(run->ctx, run->hs, space, STR("m.space.child"), room_id, run->end.up_to,
		&event));
	*out = event != NULL &&
		space_child_read(event->event->state_key, event->event->sender.s, 0, event->event->content,
			&child);
	return ERR_OK;
}

static enum err is_in_spaces(struct sliding_run *run, const struct sliding_window *window,
	struct str room_id, bool *out)
{
	*out = false;
	for (size_t i = 0; i < window->space_n && !*out; i++) {
		TRY(is_in_space(run, window->spaces[i]->entry.room, room_id, out));
	}
	return ERR_OK;
}

static bool has_any(const struct str_set *names, const struct str_set *wanted)
{
	for (size_t i = 0; i < wanted->count; i++) {
		if (str_set_has(names, wanted->items[i])) {
			return true;
		}
	}
	return false;
}

static bool allows_tags(const struct sliding_run *run, const struct sliding_filter *filter,
	int64_t room_nid)
{
	if (!filter->tags.is_given && filter->not_tags.set.count == 0) {
		return true;
	}
	const struct str_set *names = tags_of(run->facts, room_nid);
	return (!filter->tags.is_given || has_any(names, &filter->tags.set)) &&
		!has_any(names, &filter->not_tags.set);
}

/* Who is not in a room any more is not shown that it was encrypted later. */
static enum err is_seen_encrypted(struct sliding_run *run, const struct sliding_place *place,
	const struct room_kind *kind, bool *out)
{
	struct stored_event *event;
	*out = kind->is_encrypted;
	if (!*out || !sync_is_left(&place->entry)) {
		return ERR_OK;
	}
	TRY(rooms_load(run->ctx, run->hs, place->entry.room));
	TRY(room_state_event(run->ctx, run->hs, place->entry.room, STR("m.room.encryption"), STR(""),
		place->entry.position, &event));
	*out = event != NULL;
	return ERR_OK;
}

/* Of a room whose state is not known nothing that is asked holds. */
static enum err allows_kind(struct sliding_run *run, const struct sliding_filter *filter,
	const struct sliding_place *place, bool *out)
{
	const struct room_kind *kind = place->kind;
	*out = kind != NULL &&
		(!filter->types.is_given || str_set_has(&filter->types.set, kind->type)) &&
		!str_set_has(&filter->not_types.set, kind->type);
	if (*out && filter->encrypted != SLIDING_ANY) {
		bool is_encrypted;
		TRY(is_seen_encrypted(run, place, kind, &is_encrypted));
		*out = is_wished(filter->encrypted, is_encrypted);
	}
	return ERR_OK;
}

enum err sliding_filter_allows(struct sliding_run *run, const struct sliding_window *window,
	const struct sliding_place *place, bool *out)
{
	const struct sliding_filter *filter = &window->list->filter;
	struct str room_id = room_id_of(place->entry.room).s;
	bool is_invite = str_equals(place->entry.membership, STR("invite"));
	*out = is_wished(filter->invited, is_invite) &&
		is_wished(filter->direct, sliding_is_direct(run, room_id)) &&
		allows_tags(run, filter, room_nid(place->entry.room));
	if (*out && filter->asks_state) {
		TRY(allows_kind(run, filter, place, out));
	}
	return *out && filter->spaces.is_given ? is_in_spaces(run, window, room_id, out) : ERR_OK;
}
