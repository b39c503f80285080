/*
 * Sessions in memory, by the hash of their token and by user; one lock, since all that is done under it is to look up and
 * copy. The least recently used go when the budget is used up, about: who is found is only marked, since moving it to the list's end would
 * touch its neighbours, which lie anywhere in memory (base/cache.c does likewise).
 *
 * A session is put here by the worker that read it from the database. Between its query and the putting the session may
 * have been ended; `generation` counts endings, and what was read before one is not put. Who asks is found out in authenticate.c.
 *
 * When and where a device was last seen is in its session and stored now and then. A session that leaves the table, or is not put
 * there, stays on `put_away` until that is stored.
 */
#include "homeserver/account/session_inner.h"

#include "base/crypto.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "homeserver/account/consent.h"
#include "homeserver/account/deactivate.h"
#include "homeserver/account/nonce.h"
#include "homeserver/account/oauth/oauth_registration.h"
#include "homeserver/erasure.h"
#include "homeserver/user/users.h"
#include "http/route.h"
#include "storage/device.h"
#include "storage/email_validation.h"
#include "storage/secret.h"
#include "storage/uia.h"
#include "storage/writer.h"

#include <inttypes.h>
#include <string.h>

enum {
	SEEN_INTERVAL_MS = 60 * 1000,
	CLEAN_INTERVAL_MS = 10 * 60 * 1000,
	LEAVING_INTERVAL_MS = 2 * 60 * 1000, /* longer than a request takes */
	SEEN_BATCH = 500,
	ENTRY_OVERHEAD_BYTES = 200, /* two map entries */
	LACKING_MS = 1000,          /* that terms are lacking is believed for so long */
};

static struct metric used_bytes = METRIC_GAUGE("belfry_session_used_bytes", "Memory of sessions");

struct sessions {
	struct nonces *nonces;
	struct lock lock; /* guards all up to the next comment */
	struct map by_key;
	struct map by_user; /* user id → first session */
	struct session *newest, *oldest;
	struct session
		*put_away; /* not in the table, with what is not stored yet; by `older`, a reference each */
	size_t put_away_count;
	size_t used_bytes;
	uint64_t generation;
	/* Housekeeper only. */
	int64_t epoch;
	int64_t next_seen_ms;
	int64_t next_clean_ms;
	int64_t next_leaving_ms;
	struct map leaving; /* whom deactivate_finish() met */
};

struct sessions *sessions_create(struct homeserver *hs)
{
	struct sessions *sessions = mem_alloc(sizeof(*sessions));
	sessions->nonces =
		nonces_create(&hs->rng, str_from((const char *)hs->secrets_key, sizeof(hs->secrets_key)));
	lock_init(&sessions->lock, RANK_SESSION);
	map_init(&sessions->by_key);
	map_init(&sessions->by_user);
	map_init(&sessions->leaving);
	sessions->epoch = -1;
	return sessions;
}

struct nonces *sessions_nonces(struct sessions *sessions)
{
	return sessions->nonces;
}

/* --- the table ------------------------------------------------------------------------------------ */

static size_t session_bytes(const struct session *session)
{
	return sizeof(*session) + session->principal.user.s.n + session->principal.device_id.n +
		session->principal.notices_room_id.n + ENTRY_OVERHEAD_BYTES;
}

static struct str heap_or_none(struct str text)
{
	return text.p != NULL ? str_heap(text) : (struct str){0};
}

struct session *session_create(const struct homeserver *hs, struct str key,
	const struct token_row *row)
{
	struct session *session = mem_alloc(sizeof(*session));
	refc_init(&session->refc);
	memcpy(session->key, key.p, sizeof(session->key));
	bool is_valid = user_id_parse(str_heap(row->user_id), &session->principal.user);
	invariant(is_valid); /* only valid ids become accounts */
	session->principal.device_id = heap_or_none(row->device_id);
	session->principal.device_came_ms = row->device_came_ms;
	session->principal.token_key = str_from(session->key, sizeof(session->key));
	session->principal.is_admin = row->is_admin;
	session->principal.is_guest = row->is_guest;
	session->principal.is_suspended = row->is_suspended;
	session->principal.is_oauth = row->is_oauth;
	session->state = row->state;
	session->expires_at_ms = row->expires_at_ms;
	session->read_mono_ms = clock_mono_ms(&hs->clock);
	session->principal.lacks_terms = row->lacks_terms &&
		consent_is_asked_of(&hs->settings, &hs->ports.appservices, row->user_id);
	session->principal.notices_room_id = str_heap(row->notices_room_id);
	return session;
}

void session_unref(struct session *session)
{
	if (refc_drop(&session->refc)) {
		str_free(session->principal.user.s);
		str_free(session->principal.device_id);
		str_free(session->principal.notices_room_id);
		str_free(session->principal.appservice_id);
		mem_free(session);
	}
}

static void order_remove_locked(struct sessions *sessions, struct session *session)
{
	*(session->newer != NULL ? &session->newer->older : &sessions->newest) = session->older;
	*(session->older != NULL ? &session->older->newer : &sessions->oldest) = session->newer;
}

static void order_add_locked(struct sessions *sessions, struct session *session)
{
	session->newer = NULL;
	session->older = sessions->newest;
	*(sessions->newest != NULL ? &sessions->newest->newer : &sessions->oldest) = session;
	sessions->newest = session;
}

static void user_list_add_locked(struct sessions *sessions, struct session *session)
{
	struct session *first = map_get(&sessions->by_user, session->principal.user.s);
	session->user_previous = NULL;
	session->user_next = first;
	if (first != NULL) {
		first->user_previous = session;
	}
	(void)map_set(&sessions->by_user, session->principal.user.s, session);
}

static void user_list_remove_locked(struct sessions *sessions, struct session *session)
{
	if (session->user_next != NULL) {
		session->user_next->user_previous = session->user_previous;
	}
	if (session->user_previous != NULL) {
		session->user_previous->user_next = session->user_next;
	} else if (session->user_next != NULL) {
		(void)map_set(&sessions->by_user, session->principal.user.s, session->user_next);
	} else {
		(void)map_remove(&sessions->by_user, session->principal.user.s);
	}
}

static bool is_stored(const struct session *session)
{
	return session->principal.device_id.p == NULL ||
		(session->seen.at_ms == session->stored_seen_ms &&
			session->synced_position == session->stored_synced_position);
}

/* Takes the reference over. */
static void put_away_locked(struct sessions *sessions, struct session *session)
{
	atomic_store(&session->is_dropped, true);
	if (is_stored(session)) {
		session_unref(session);
		return;
	}
	session->older = sessions->put_away;
	sessions->put_away = session;
	sessions->put_away_count++;
}

/* Lets go of what was stored since it was put away. */
static void put_away_release(struct sessions *sessions)
{
	LOCK_SCOPE(&sessions->lock);
	for (struct session **at = &sessions->put_away; *at != NULL;) {
		struct session *session = *at;
		if (!is_stored(session)) {
			at = &session->older;
			continue;
		}
		*at = session->older;
		sessions->put_away_count--;
		session_unref(session);
	}
}

static void drop_locked(struct sessions *sessions, struct session *session)
{
	lock_assert_held(&sessions->lock);
	(void)map_remove(&sessions->by_key, session->principal.token_key);
	user_list_remove_locked(sessions, session);
	order_remove_locked(sessions, session);
	sessions->used_bytes -= session_bytes(session);
	put_away_locked(sessions, session);
}

static void drop_all_locked(struct sessions *sessions)
{
	while (sessions->newest != NULL) {
		drop_locked(sessions, sessions->newest);
	}
	sessions->generation++;
}

void sessions_destroy(struct sessions *sessions)
{
	if (sessions == NULL) {
		return;
	}
	lock_take(&sessions->lock);
	drop_all_locked(sessions);
	while (sessions->put_away != NULL) {
		struct session *session = sessions->put_away;
		sessions->put_away = session->older;
		session_unref(session);
	}
	lock_give(&sessions->lock);
	map_fini(&sessions->by_key);
	map_fini(&sessions->by_user);
	map_fini(&sessions->leaving);
	lock_fini(&sessions->lock);
	nonces_destroy(sessions->nonces);
	mem_free(sessions);
}

/* --- what a token stands for ------------------------------------------------------------------------ */

/* Whether what lets the request be refused has to be read again: its user may have accepted the terms at another process. */
static bool is_doubtful(const struct homeserver *hs, const struct call *call,
	const struct session *session)
{
	return session->principal.lacks_terms && route_acts(call->route) &&
		clock_mono_ms(&hs->clock) - session->read_mono_ms > LACKING_MS;
}

static void note_seen_locked(struct session *session, const struct last_seen *seen)
{
	session->seen = *seen;
	session->is_used = true;
}

/* With a reference; NULL when it is not there. */
struct session *session_find(struct homeserver *hs, struct call *call, struct str key)
{
	struct sessions *sessions = hs->sessions;
	const struct last_seen seen = session_seen_of(hs, call);
	LOCK_SCOPE(&sessions->lock);
	struct session *session = map_get(&sessions->by_key, key);
	if (session == NULL) {
		return NULL;
	}
	if (is_doubtful(hs, call, session)) {
		drop_locked(sessions, session);
		return NULL;
	}
	note_seen_locked(session, &seen);
	refc_take(&session->refc);
	return session;
}

bool session_find_again(struct homeserver *hs, struct call *call, struct session *session)
{
	const struct last_seen seen = session_seen_of(hs, call);
	LOCK_SCOPE(&hs->sessions->lock);
	if (atomic_load(&session->is_dropped) || is_doubtful(hs, call, session)) {
		return false;
	}
	note_seen_locked(session, &seen);
	return true;
}

/* Drops what was not used for longest, but `kept`. */
static void drop_oldest_locked(struct sessions *sessions, const struct session *kept)
{
	struct session *oldest = sessions->oldest;
	while (oldest->is_used || oldest == kept) {
		oldest->is_used = false;
		order_remove_locked(sessions, oldest);
		order_add_locked(sessions, oldest);
		oldest = sessions->oldest;
	}
	drop_locked(sessions, oldest);
}

/* Puts a session that was read at a generation into the table, unless it may have ended since. */
void session_keep(struct homeserver *hs, struct call *call, struct session *session,
	uint64_t generation)
{
	struct sessions *sessions = hs->sessions;
	struct str key = session->principal.token_key;
	session->seen = session_seen_of(hs, call);
	LOCK_SCOPE(&sessions->lock);
	refc_take(&session->refc);
	if (sessions->generation != generation || map_get(&sessions->by_key, key) != NULL) {
		put_away_locked(sessions, session);
		return;
	}
	(void)map_set(&sessions->by_key, key, session);
	user_list_add_locked(sessions, session);
	order_add_locked(sessions, session);
	sessions->used_bytes += session_bytes(session);
	while (sessions->used_bytes > SESSIONS_MEMORY_BYTES && sessions->newest != sessions->oldest) {
		drop_oldest_locked(sessions, session);
	}
	metric_set(&used_bytes, (int64_t)sessions->used_bytes);
}

uint64_t sessions_generation(struct sessions *sessions)
{
	LOCK_SCOPE(&sessions->lock);
	return sessions->generation;
}

/* --- forgetting --------------------------------------------------------------------------------------------- */

/* device_id.p == NULL: all of the user. */
static void forget(struct homeserver *hs, struct str user_id, struct str device_id)
{
	struct sessions *sessions = hs->sessions;
	lock_take(&sessions->lock);
	sessions->generation++;
	struct session *next = NULL;
	for (struct session *session = map_get(&sessions->by_user, user_id); session != NULL;
		 session = next) {
		next = session->user_next;
		if (device_id.p == NULL || str_equals(session->principal.device_id, device_id)) {
			drop_locked(sessions, session);
		}
	}
	metric_set(&used_bytes, (int64_t)sessions->used_bytes);
	lock_give(&sessions->lock);
	if (hs->users != NULL) {
		users_wake_user(hs->users, user_id); /* a request that waits is authenticated anew */
	}
}

/* "<length of the user id> <user><device>" */
static void tell(struct homeserver *hs, struct str user_id, struct str device_id)
{
	if (writer_has_peers(hs->writer)) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		writer_tell_all(hs->writer, NEWS_SESSION,
			str_printf(arena, "%zu %.*s%.*s", user_id.n, STR_ARG(user_id), STR_ARG(device_id)));
	}
}

void sessions_heard(struct homeserver *hs, struct str line)
{
	struct str word;
	int64_t length;
	(void)str_split(line, ' ', &word, &line);
	if (!str_to_int(word, 0, (int64_t)line.n, &length)) {
		sessions_forget_all(hs);
		return;
	}
	struct str device_id = str_slice(line, (size_t)length, line.n);
	forget(hs, str_slice(line, 0, (size_t)length), device_id.n > 0 ? device_id : (struct str){0});
}

void sessions_forget_device(struct homeserver *hs, struct str user_id, struct str device_id)
{
	invariant(device_id.p != NULL);
	forget(hs, user_id, device_id);
	tell(hs, user_id, device_id);
}

void sessions_forget_user(struct homeserver *hs, struct str user_id)
{
	forget(hs, user_id, (struct str){0});
	tell(hs, user_id, STR(""));
}

void sessions_forget_all(struct homeserver *hs)
{
	LOCK_SCOPE(&hs->sessions->lock);
	drop_all_locked(hs->sessions);
}

/* --- last seen ------------------------------------------------------------------------------------------------ */

void sessions_note_synced(struct homeserver *hs, struct call *call, int64_t position)
{
	struct principal *who = call_principal(call);
	if (who->token_key.p == NULL || who->device_id.p == NULL) {
		return;
	}
	struct session *session = session_of(who);
	LOCK_SCOPE(&hs->sessions->lock);
	session->synced_position = MAX_OF(session->synced_position, position);
}

static void take_later(struct last_seen *out, const struct session *session, struct str device_id)
{
	if (str_equals(session->principal.device_id, device_id) && session->seen.at_ms > out->at_ms) {
		*out = session->seen;
	}
}

bool sessions_last_seen(struct homeserver *hs, struct str user_id, struct str device_id,
	struct last_seen *out)
{
	struct sessions *sessions = hs->sessions;
	*out = (struct last_seen){0};
	LOCK_SCOPE(&sessions->lock);
	for (struct session *session = map_get(&sessions->by_user, user_id); session != NULL;
		 session = session->user_next) {
		take_later(out, session, device_id);
	}
	for (struct session *session = sessions->put_away; session != NULL; session = session->older) {
		if (str_equals(session->principal.user.s, user_id)) {
			take_later(out, session, device_id);
		}
	}
	return out->at_ms > 0;
}

/* What has been seen since it was last stored, copied out. */
struct seen_batch {
	struct str user_ids[SEEN_BATCH];
	struct str device_ids[SEEN_BATCH];
	int64_t at_ms[SEEN_BATCH];
	struct str addresses[SEEN_BATCH];
	struct str user_agents[SEEN_BATCH];
	int64_t synced_positions[SEEN_BATCH];
	size_t n;
};

static void collect_seen(struct arena *arena, struct session *first, struct seen_batch *batch)
{
	for (struct session *session = first; session != NULL && batch->n < SEEN_BATCH;
		 session = session->older) {
		if (is_stored(session)) {
			continue;
		}
		session->stored_seen_ms = session->seen.at_ms;
		session->stored_synced_position = session->synced_position;
		batch->user_ids[batch->n] = str_dup(arena, session->principal.user.s);
		batch->device_ids[batch->n] = str_dup(arena, session->principal.device_id);
		batch->at_ms[batch->n] = session->seen.at_ms;
		batch->addresses[batch->n] = str_dup(arena, str_of(session->seen.address));
		batch->user_agents[batch->n] = str_dup(arena, str_of(session->seen.user_agent));
		batch->synced_positions[batch->n] = session->synced_position;
		batch->n++;
	}
}

static void collect_all_seen(struct arena *arena, struct sessions *sessions,
	struct seen_batch *batch)
{
	batch->n = 0;
	LOCK_SCOPE(&sessions->lock);
	collect_seen(arena, sessions->put_away, batch);
	collect_seen(arena, sessions->newest, batch);
}

enum err sessions_flush(struct ctx *ctx, struct homeserver *hs)
{
	struct seen_batch *batch = ARENA_NEW(ctx->arena, struct seen_batch);
	do {
		collect_all_seen(ctx->arena, hs->sessions, batch);
		if (batch->n > 0) {
			TRY(store_device_seen(ctx, hs->db,
				&(struct device_seen){.user_ids = batch->user_ids,
					.device_ids = batch->device_ids,
					.at_ms = batch->at_ms,
					.ips = batch->addresses,
					.user_agents = batch->user_agents,
					.synced_positions = batch->synced_positions,
					.count = batch->n}));
		}
	} while (batch->n == SEEN_BATCH);
	put_away_release(hs->sessions);
	return ERR_OK;
}

/* --- housekeeping ----------------------------------------------------------------------------------------------- */

static bool is_empty(struct sessions *sessions)
{
	LOCK_SCOPE(&sessions->lock);
	return sessions->newest == NULL && sessions->put_away == NULL;
}

static bool many_put_away(struct sessions *sessions)
{
	LOCK_SCOPE(&sessions->lock);
	return sessions->put_away_count >= SEEN_BATCH;
}

/* What a command changed makes all sessions in memory doubtful, and what is kept of their devices. */
static enum err follow_epoch(struct ctx *ctx, struct homeserver *hs)
{
	struct sessions *sessions = hs->sessions;
	int64_t epoch = 0;
	TRY(store_session_epoch(ctx, hs->db, &epoch));
	if (epoch == sessions->epoch) {
		return ERR_OK;
	}
	sessions_forget_all(hs);
	hs->ports.e2ee.devices_doubtful(hs);
	TRY(erasure_load(ctx, hs));
	TRY(deactivate_finish(ctx, hs, &sessions->leaving, false));
	sessions->epoch = epoch;
	return ERR_OK;
}

static enum err clean(struct ctx *ctx, struct homeserver *hs)
{
	int64_t now_ms = clock_wall_ms(&hs->clock);
	TRY(store_uia_delete_old(ctx, hs->db, now_ms));
	TRY(store_secret_delete_old(ctx, hs->db, now_ms));
	TRY(store_email_validation_delete_old(ctx, hs->db, now_ms));
	TRY(oauth_clean(ctx, hs));
	return store_token_delete_old(ctx, hs->db, now_ms);
}

static enum err tidy(struct ctx *ctx, struct homeserver *hs)
{
	struct sessions *sessions = hs->sessions;
	int64_t now_ms = clock_mono_ms(&hs->clock);
	if (is_empty(sessions)) {
		return ERR_OK;
	}
	TRY(follow_epoch(ctx, hs));
	if (now_ms >= sessions->next_seen_ms || many_put_away(sessions)) {
		sessions->next_seen_ms = now_ms + SEEN_INTERVAL_MS;
		TRY(sessions_flush(ctx, hs));
	}
	if (now_ms >= sessions->next_leaving_ms) {
		sessions->next_leaving_ms = now_ms + LEAVING_INTERVAL_MS;
		TRY(deactivate_finish(ctx, hs, &sessions->leaving, true));
	}
	if (now_ms >= sessions->next_clean_ms) {
		sessions->next_clean_ms = now_ms + CLEAN_INTERVAL_MS;
		TRY(clean(ctx, hs));
	}
	return ERR_OK;
}

void sessions_tidy(struct ctx *ctx, struct homeserver *hs)
{
	enum err err = tidy(ctx, hs);
	if (err != ERR_OK && err != ERR_SHUTDOWN) {
		log_warn(ctx->request_id, "session.tidy.failed", "kind=%s cause=%.*s", err_name(err),
			STR_ARG(ctx->fault.cause));
	}
	ctx->fault = (struct fault){0};
}
