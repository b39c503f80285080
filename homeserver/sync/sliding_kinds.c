/*
 * What lists filter rooms by and is not in memory anyway: type and encryption, by the room's state. Found once, and encryption anew when something happened there.
 */
#include "base/mem.h"
#include "homeserver/sync/sliding_inner.h"
#include "matrix/stripped.h"
#include "storage/state.h"

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
enum err sliding_kinds_load(struct sliding_run *run)
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
