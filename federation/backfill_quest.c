/*
 * However many readers come to a room's gap, one of them has others asked, and the others wait for the answer. The servers are asked in turn,
 * first the one whose event stands at the gap, since it knows what stands behind it; what one of them fails at is passed over. So all of it is
 * an errand, and whoever reads is parked meanwhile.
 */
#include "federation/backfill_inner.h"

#include "base/log.h"
#include "federation/errand.h"
#include "http/memo.h"

enum { SERVERS_MAX = 5 };

/* --- one at a time ------------------------------------------------------------------------------------------------ */

static struct str key_of(const int64_t *room_nid)
{
	return str_from((const char *)room_nid, sizeof(*room_nid));
}

bool backfill_is_general(enum err err)
{
	return err == ERR_STORE || err == ERR_SHUTDOWN;
}

/* What others do not have or cannot show is no error. */
static enum err run(struct ctx *ctx, void *data)
{
	struct quest *quest = data;
	struct federation *federation = quest->backfill->federation;
	struct room *room;
	bool is_news = false;
	TRY(rooms_get_nid(ctx, federation->hs, quest->room_nid, &room));
	enum err err = quest->ask(ctx, federation, room, quest, &is_news);
	quest->is_news = is_news;
	if (err != ERR_OK && !backfill_is_general(err)) {
		log_debug(0, "fed.backfill.not_found", "kind=%s", err_name(err));
		ctx->fault = (struct fault){0};
		return ERR_OK;
	}
	return err;
}

static void drop(void *data)
{
	struct quest *quest = data;
	LOCK_SCOPE(&quest->backfill->lock);
	(void)map_remove(&quest->backfill->rooms, key_of(&quest->room_nid));
}

static struct quest *keep(struct arena *arena, const struct quest *quest, struct quest *out)
{
	struct event_id *prevs = ARENA_NEW_ARRAY(arena, struct event_id, quest->gap.prev_count);
	for (size_t i = 0; i < quest->gap.prev_count; i++) {
		prevs[i].s = str_dup(arena, quest->gap.prevs[i].s);
	}
	*out = *quest;
	out->gap.prevs = prevs;
	out->first.s = str_dup(arena, quest->first.s);
	out->id.s = str_dup(arena, quest->id.s);
	return out;
}

/* What a request has found out about its asking. */
struct asker {
	struct errand *errand; /* NULL: others asked until now */
	const struct quest *quest;
	int64_t deadline_ms; /* so long it waits for others who ask */
};

/* Begins the asker's own, unless somebody asks in that room. @return what is to be waited for */
static struct errand *begin(struct ctx *ctx, struct asker *asker, const struct quest *wanted)
{
	static const struct errand_task task = {run, drop};
	struct backfill *backfill = wanted->backfill;
	int64_t now_ms = clock_mono_ms(&backfill->federation->hs->clock);
	void *data;
	lock_take(&backfill->lock);
	struct errand *errand = map_get(&backfill->rooms, key_of(&wanted->room_nid));
	bool is_first = errand == NULL;
	if (is_first) {
		errand = errand_create(ctx, &task, wanted->first,
			now_ms + BACKFILL_ALL_MS + BACKFILL_STORE_MS, sizeof(struct quest), &data);
		asker->errand = errand;
		asker->quest = keep(errand_arena(errand), wanted, data);
		(void)map_set(&backfill->rooms, key_of(&wanted->room_nid), errand);
	} else {
		errand_share(ctx, errand);
	}
	lock_give(&backfill->lock);
	if (is_first) {
		errand_begin(backfill->federation->errands, errand);
	}
	return errand;
}

enum err backfill_await(struct ctx *ctx, const struct quest *wanted, struct str key,
	bool *out_is_news)
{
	struct backfill *backfill = wanted->backfill;
	struct asker *asker = MEMO_FIND(ctx, key, struct asker);
	int64_t now_ms = clock_mono_ms(&backfill->federation->hs->clock);
	if (asker->deadline_ms == 0) {
		asker->deadline_ms = now_ms + BACKFILL_ALL_MS;
	}
	*out_is_news = false;
	struct errand *errand = asker->errand;
	if (errand == NULL) {
		if (now_ms >= asker->deadline_ms) {
			return ERR_OK;
		}
		errand = begin(ctx, asker, wanted);
	}
	enum err err = errand_await(ctx, errand);
	if (err == ERR_DEFER || backfill_is_general(err)) {
		return err;
	}
	ctx->fault = (struct fault){0};
	*out_is_news = errand != asker->errand || (err == ERR_OK && asker->quest->is_news);
	return ERR_OK;
}

/* --- who is asked ---------------------------------------------------------------------------------------------------- */

enum err backfill_choose_servers(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct server_name first, struct server_name **out, size_t *out_count)
{
	TRY(room_servers(ctx, hs, room, out, out_count));
	for (size_t i = 1; i < *out_count; i++) {
		if (server_name_equals((*out)[i], first)) {
			(*out)[i] = (*out)[0];
			(*out)[0] = first;
		}
	}
	*out_count = MIN_OF(*out_count, (size_t)SERVERS_MAX);
	return ERR_OK;
}

enum err backfill_choose_first(struct ctx *ctx, struct homeserver *hs, struct room *room,
	int64_t below, struct server_name *out)
{
	struct stored_event *at;
	struct server_name *servers;
	size_t count;
	*out = (struct server_name){0};
	enum err err = room_event_at_place(ctx, hs, room, below, &at);
	if (err == ERR_OK) {
		*out = user_id_server(at->event->sender);
	} else if (err != ERR_MISSING) {
		return err;
	}
	TRY(backfill_choose_servers(ctx, hs, room, *out, &servers, &count));
	if (count > 0) {
		*out = servers[0];
	}
	return ERR_OK;
}

bool backfill_has_time(const struct ctx *ctx, const struct federation *federation)
{
	return clock_mono_ms(&federation->hs->clock) < ctx->deadline_ms - BACKFILL_STORE_MS;
}

void backfill_pass_over(struct ctx *ctx, struct server_name server, enum err err)
{
	if (err != ERR_OK) {
		log_debug(ctx->request_id, "fed.backfill.failed", "server=%.*s kind=%s", STR_ARG(server.s),
			err_name(err));
		ctx->fault = (struct fault){0};
	}
}

enum err backfill_await_whole(struct ctx *ctx, struct homeserver *hs, struct room *room,
	bool *out_is_whole)
{
	struct room *loaded;
	enum err err = room_await_whole(ctx, hs, room);
	if (err == ERR_OK) {
		err = rooms_get_nid(ctx, hs, room_nid(room), &loaded);
	}
	if (err == ERR_DEFER || backfill_is_general(err)) {
		return err;
	}
	*out_is_whole = err == ERR_OK;
	if (!*out_is_whole) {
		ctx->fault = (struct fault){0};
	}
	return ERR_OK;
}
