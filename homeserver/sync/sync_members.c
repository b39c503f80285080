/*
 * Lazy loading of members: with the timeline come the member events of its senders, unless the device has them. What a device
 * has is remembered by the member event's position; an answer counts only once the client has come back with a token that is
 * not older, since until then it may have been lost on the way.
 */
#include "base/cache.h"
#include "base/mem.h"
#include "base/refc.h"
#include "base/vec.h"
#include "homeserver/sync/sync_inner.h"

#include <string.h>

enum { MEMORY_BYTES = 16 << 20, ENTRY_BYTES = 160 };

struct lazy_members {
	struct cache *told; /* device, room and position of a member event → struct told * */
};

/* When a member event was told. Immutable. */
struct told {
	struct refc refc;
	int64_t up_to; /* position of the answer's token */
};

static void told_ref(void *value)
{
	struct told *told = value;
	refc_take(&told->refc);
}

static void told_unref(void *value)
{
	struct told *told = value;
	if (refc_drop(&told->refc)) {
		mem_free(told);
	}
}

struct lazy_members *lazy_members_create(void)
{
	struct lazy_members *lazy = mem_alloc(sizeof(*lazy));
	lazy->told = cache_create("lazy_members", MEMORY_BYTES,
		(struct cache_ops){.ref = told_ref, .unref = told_unref});
	return lazy;
}

void lazy_members_destroy(struct lazy_members *lazy)
{
	if (lazy != NULL) {
		cache_destroy(lazy->told);
		mem_free(lazy);
	}
}

/* The position stands for user and content of the membership: each has its own. */
static struct str key_of(const struct member_reader *reader, struct arena *arena,
	const struct stored_event *member)
{
	const int64_t numbers[2] = {member->room_nid, member->position};
	const struct str pieces[] = {
		str_from((const char *)numbers, sizeof(numbers)),
		reader->user_id,
		STR(" "),
		reader->loop,
	};
	return str_concat(arena, pieces, COUNT_OF(pieces));
}

/* Mostly it is asked for the same one again. */
bool member_reader_has(const struct member_reader *reader, struct arena *arena,
	const struct stored_event *member)
{
	struct known_member *known = reader->known;
	if (known->room_nid != member->room_nid || known->position != member->position) {
		struct told *told =
			cache_get(reader->hs->lazy_members->told, key_of(reader, arena, member));
		if (told == NULL) {
			return false;
		}
		*known = (struct known_member){member->room_nid, member->position, told->up_to};
		told_unref(told);
	}
	return known->told_up_to <= reader->since;
}

void member_reader_remember(const struct member_reader *reader, struct arena *arena,
	const struct event_list *events, int64_t up_to)
{
	for (size_t i = 0; i < events->n; i++) {
		if (!events->p[i]->event->is_state ||
			!str_equals(events->p[i]->event->type, STR("m.room.member")) ||
			member_reader_has(reader, arena, events->p[i])) {
			continue;
		}
		struct told *told = mem_alloc(sizeof(*told));
		refc_init(&told->refc);
		told->up_to = up_to;
		cache_put(reader->hs->lazy_members->told, key_of(reader, arena, events->p[i]), told,
			ENTRY_BYTES);
		told_unref(told);
		*reader->known = (struct known_member){0};
	}
}

static struct member_reader reader_of(const struct sync_run *run)
{
	return (struct member_reader){run->hs, run->who->user.s, run->who->device_id, run->since,
		&run->request->known_member};
}

bool sync_members_has(struct sync_run *run, const struct stored_event *member)
{
	const struct member_reader reader = reader_of(run);
	return member_reader_has(&reader, run->ctx->arena, member);
}

static bool is_lazy(const struct sync_run *run)
{
	return run->request->filter->state.lazy_load_members;
}

void sync_members_remember(struct sync_run *run, const struct room_part *part)
{
	const struct member_reader reader = reader_of(run);
	if (is_lazy(run)) {
		member_reader_remember(&reader, run->ctx->arena, &part->timeline, run->up_to);
		member_reader_remember(&reader, run->ctx->arena, &part->state, run->up_to);
	}
}

struct str_set sync_members_wanted(struct sync_run *run, const struct room_part *part)
{
	size_t most = part->timeline.n + part->summary.hero_n + 1;
	struct str *ids = ARENA_NEW_ARRAY(run->ctx->arena, struct str, most);
	size_t n = 0;
	for (size_t i = 0; i < part->timeline.n; i++) {
		ids[n++] = part->timeline.p[i]->event->sender.s;
	}
	for (size_t i = 0; i < part->summary.hero_n; i++) {
		ids[n++] = part->summary.heroes[i];
	}
	if (part->is_whole) {
		ids[n++] = run->who->user.s;
	}
	return str_set_make(run->ctx->arena, ids, n);
}

static bool holds_member(const struct event_list *events, struct str user_id)
{
	for (size_t i = 0; i < events->n; i++) {
		if (event_is(events->p[i]->event, STR("m.room.member"), user_id)) {
			return true;
		}
	}
	return false;
}

enum err sync_members_add(struct sync_run *run, struct room_part *part,
	const struct str_set *wanted, int64_t position)
{
	if (part->is_whole) {
		return ERR_OK; /* they were listed with the rest of the state */
	}
	bool is_redundant_wanted = run->request->filter->state.include_redundant_members;
	for (size_t i = 0; i < wanted->count; i++) {
		if (holds_member(&part->state, wanted->items[i]) ||
			holds_member(&part->timeline, wanted->items[i])) {
			continue;
		}
		struct stored_event *member;
		TRY(room_state_event(run->ctx, run->hs, part->room, STR("m.room.member"), wanted->items[i],
			position, &member));
		if (member == NULL) {
			continue;
		}
		if (is_redundant_wanted || !sync_members_has(run, member)) {
			VEC_PUSH(run->ctx->arena, &part->state, member);
		} else {
			VEC_PUSH(run->ctx->arena, &part->had_members, member);
		}
	}
	return ERR_OK;
}
