/*
 * What lists ask of a user and is not in memory anyway: direct chats, tags, and who was put out. Found once, and anew when something of it may have changed.
 */
#include "base/arena_sized.h"
#include "base/mem.h"
#include "base/refc.h"
#include "base/vec.h"
#include "homeserver/sync/sliding_inner.h"
#include "storage/state.h"

#include <stdlib.h>

enum { FACTS_BYTES = 256 }; /* of a user, mostly */

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

const struct str_set *sliding_tags_of(const struct sliding_run *run, int64_t room_nid)
{
	const struct sliding_facts *facts = run->facts;
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
	/* "Rooms the user has been banned from, but never joined, should not be part of the list" (MSC4186, "Lists"). */
	const struct thrown_out_query query = {run->who->user.s, run->end.up_to, SYNC_THROWN_OUT_MAX,
		SYNC_LEFT_LOOKED_AT, false};
	TRY(store_member_thrown_out(run->ctx, run->hs->db, &query, &found, &n));
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

enum err sliding_facts_load(struct sliding_run *run)
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
