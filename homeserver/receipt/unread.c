/*
 * Keeps the counts of users in rooms in memory while they are asked for.
 *
 * An entry is made from the database and then brought up to date by whoever asks: with the events that came since, which are
 * in the room's recent timeline; so nothing has to be done for each user when an event is committed. Receipts come from their
 * commits. An entry stands in the cache before it is read, so that no receipt is missed; one that comes meanwhile, or
 * that reads only a part of what the entry knows as a whole, makes it stale, and the next to ask reads it anew.
 *
 * Running counts are those of the predefined push rules, of all senders. For a user who changed rules, or ignores somebody who is or
 * was in the room, an entry is judged instead: events after what is read are put to the user's rules, when somebody asks
 * (docs/decisions/0003-unread-own-rules.md).
 */
#include "homeserver/receipt/unread.h"

#include <string.h>

#include "base/cache.h"
#include "base/lock.h"
#include "base/mem.h"
#include "homeserver/person/persons.h"
#include "homeserver/push/push.h"
#include "homeserver/receipt/unread_state.h"
#include "homeserver/user/users.h"
#include "matrix/str_set.h"
#include "storage/event.h"

enum {
	ENTRIES_BUDGET_BYTES = 48 * 1024 * 1024,
	ENTRY_BYTES = 1024, /* an estimate: threads and mentions come and go */
	COUNTS_BUDGET_BYTES = 1024 * 1024,
	COUNTS_BYTES = 128,
	STEPS = 48, /* events that are added one by one; when there are more, the entry is read anew */
	JUDGED_EVENTS = 1000, /* of what is unread: older ones are not counted for who has own rules */
	KEY_BYTES = sizeof(int64_t) + 255,
};

/* What an entry was judged by; all 0: by nothing, it has running counts. */
struct judgement {
	bool by_rules;          /* other ones than running counts go by */
	int64_t rules_position; /* of these */
	uint64_t
		ignored; /* stands for those whom the user ignores, of who is or was in the room; 0: nobody */
};

struct unread_entry {
	struct refc refc;
	struct lock lock; /* guards all below */
	bool is_loaded;
	bool is_stale;
	struct judgement judgement;
	int64_t
		plain_at; /* the user's own position when nothing of the user's called for a judgement; -1: it did */
	struct unread_state state;
};

/* Running counts of a thread before an event; immutable. */
struct thread_counts {
	struct refc refc;
	int64_t notify_seq;
	int64_t highlight_seq;
};

struct unread {
	struct cache *entries;       /* room number and user id → struct unread_entry */
	struct cache *thread_counts; /* room number and position → struct thread_counts */
};

/* One call of unread_counts(). */
struct unread_ask {
	struct ctx *ctx;
	struct homeserver *hs;
	struct unread *unread;
	struct room *room;
	struct user *person;
	struct user_id user;  /* whose id that is */
	int64_t own_position; /* of these */
	bool is_published;    /* this is: what is kept of the user is not older */
	int64_t up_to;
	bool is_plain; /* neither these nor whom the user ignores call for a judgement, in any room */
	struct push_rules rules;
	struct str_set ignored; /* of those who are or were in the room */
	struct judgement judgement;
};

/* --- life ------------------------------------------------------------------------------------------------ */

static void ref_entry(void *value)
{
	refc_take(&((struct unread_entry *)value)->refc);
}

static void unref_entry(void *value)
{
	struct unread_entry *entry = value;
	if (refc_drop(&entry->refc)) {
		unread_state_fini(&entry->state);
		lock_fini(&entry->lock);
		mem_free(entry);
	}
}

static void ref_counts(void *value)
{
	refc_take(&((struct thread_counts *)value)->refc);
}

static void unref_counts(void *value)
{
	struct thread_counts *counts = value;
	if (refc_drop(&counts->refc)) {
		mem_free(counts);
	}
}

struct unread *unread_create(void)
{
	struct unread *unread = mem_alloc(sizeof(*unread));
	unread->entries = cache_create("unread", ENTRIES_BUDGET_BYTES,
		(struct cache_ops){.ref = ref_entry, .unref = unref_entry});
	unread->thread_counts = cache_create("thread_counts", COUNTS_BUDGET_BYTES,
		(struct cache_ops){.ref = ref_counts, .unref = unref_counts});
	return unread;
}

void unread_destroy(struct unread *unread)
{
	cache_destroy(unread->entries);
	cache_destroy(unread->thread_counts);
	mem_free(unread);
}

void unread_forget(struct unread *unread)
{
	cache_clear(unread->entries);
}

static struct str entry_key(int64_t room_nid, struct str user_id, char buffer[static KEY_BYTES])
{
	invariant(user_id.n <= KEY_BYTES - sizeof(room_nid));
	memcpy(buffer, &room_nid, sizeof(room_nid));
	memcpy(buffer + sizeof(room_nid), user_id.p, user_id.n);
	return str_from(buffer, sizeof(room_nid) + user_id.n);
}

void unread_forget_one(struct unread *unread, int64_t room_nid, struct str user_id)
{
	char buffer[KEY_BYTES];
	cache_remove(unread->entries, entry_key(room_nid, user_id, buffer));
}

/* --- receipts ---------------------------------------------------------------------------------------------- */

void unread_receipt_committed(struct unread *unread, struct str user_id,
	const struct stored_event *event, struct str thread_id)
{
	char buffer[KEY_BYTES];
	struct unread_entry *entry =
		cache_get(unread->entries, entry_key(event->room_nid, user_id, buffer));
	if (entry == NULL) {
		return;
	}
	lock_take(&entry->lock);
	entry->is_stale =
		entry->is_stale || !entry->is_loaded || !unread_state_read(&entry->state, event, thread_id);
	lock_give(&entry->lock);
	unref_entry(entry);
}

/* --- adding events ------------------------------------------------------------------------------------------- */

static const struct event *no_state(void *self, struct str type, struct str state_key)
{
	(void)self;
	(void)type;
	(void)state_key;
	return NULL;
}

/* Whether the event names the user; what the room's state would decide is in its running counts already. */
static bool is_mentioned(struct arena *arena, const struct stored_event *stored, struct str user_id)
{
	const struct event *event = stored->event;
	if (stored_event_is_held(stored) || json_at(event->content, "m.mentions") == NULL) {
		return false;
	}
	const struct state_view view = {.get = no_state};
	const struct push_facts facts = {.event = event, .state = &view};
	struct push_generic generic = push_eval_generic(arena, &facts);
	for (size_t i = 0; i < generic.mentioned_count; i++) {
		if (str_equals(generic.mentioned[i].s, user_id)) {
			return true;
		}
	}
	return false;
}

static bool is_own_membership(const struct event *event, struct str user_id)
{
	return event->is_state && str_equals(event->type, STR("m.room.member")) &&
		str_equals(event->state_key, user_id);
}

/* The running counts of an event's thread before it. The same for everybody, so asked once. */
static enum err counts_before(const struct unread_ask *ask, const struct stored_event *event,
	struct thread_counts *out)
{
	int64_t key[2] = {event->room_nid, event->position};
	struct str key_text = str_from((const char *)key, sizeof(key));
	struct thread_counts *counts = cache_get(ask->unread->thread_counts, key_text);
	if (counts == NULL) {
		int64_t notify;
		int64_t highlight;
		TRY(store_counts_at(ask->ctx, ask->hs->db, event->room_nid, event->thread_root,
			event->position - 1, &notify, &highlight));
		counts = mem_alloc(sizeof(*counts));
		refc_init(&counts->refc);
		counts->notify_seq = notify;
		counts->highlight_seq = highlight;
		cache_put(ask->unread->thread_counts, key_text, counts, COUNTS_BYTES);
	}
	out->notify_seq = counts->notify_seq;
	out->highlight_seq = counts->highlight_seq;
	unref_counts(counts);
	return ERR_OK;
}

/* Makes the threads of events known that the entry has not met. */
static enum err know_threads(const struct unread_ask *ask, struct unread_entry *entry,
	const struct timeline *timeline)
{
	for (size_t i = 0; i < timeline->n; i++) {
		const struct stored_event *event = timeline->events[i];
		struct thread_counts counts;
		lock_take(&entry->lock);
		bool needs_counts = unread_state_needs_counts(&entry->state, event);
		lock_give(&entry->lock);
		if (!needs_counts) {
			continue;
		}
		TRY(counts_before(ask, event, &counts));
		LOCK_SCOPE(&entry->lock);
		if (unread_state_needs_counts(&entry->state, event)) {
			unread_state_add_thread(&entry->state, event->thread_root, counts.notify_seq,
				counts.highlight_seq);
		}
	}
	return ERR_OK;
}

/* @return false when the entry has to be read anew */
static bool add_events_locked(const struct unread_ask *ask, struct unread_entry *entry,
	const struct timeline *timeline, const bool *mentions)
{
	struct str user_id = ask->user.s;
	for (size_t i = 0; i < timeline->n && !entry->is_stale; i++) {
		const struct stored_event *event = timeline->events[i];
		bool is_new = event->position > entry->state.applied_position;
		if (is_new &&
			(is_own_membership(event->event, user_id) ||
				unread_state_needs_counts(&entry->state, event))) {
			entry->is_stale = true;
			break;
		}
		unread_state_add(&entry->state, event, str_equals(event->event->sender.s, user_id),
			mentions[i]);
	}
	unread_state_prune(&entry->state);
	return !entry->is_stale;
}

/* --- judged one by one --------------------------------------------------------------------------------------- */

static bool is_judged(const struct unread_ask *ask)
{
	return ask->judgement.by_rules || ask->judgement.ignored != 0;
}

/* Those of the ignored who were never in the room cannot have sent anything. */
static enum err find_ignored(struct unread_ask *ask)
{
	struct str *ids;
	size_t count;
	TRY(ignored_users(ask->ctx, ask->hs, ask->person, &ids, &count));
	ask->is_plain = ask->is_published && ask->rules.is_generic && count == 0;
	if (count == 0) {
		return ERR_OK;
	}
	TRY(rooms_load(ask->ctx, ask->hs, ask->room));
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		struct str membership;
		TRY(room_membership(ask->ctx, ask->hs, ask->room, ids[i], &membership));
		if (membership.n > 0) {
			ids[kept++] = ids[i];
		}
	}
	ask->ignored = str_set_make(ask->ctx->arena, ids, kept);
	return ERR_OK;
}

/* A number that stands for a list of users; 0: for nobody. */
static uint64_t stands_for(const struct str_set *users)
{
	unsigned char hash[SHA256_BYTES];
	uint64_t number;
	if (users->count == 0) {
		return 0;
	}
	struct sha256 *sha256 = sha256_create();
	for (size_t i = 0; i < users->count; i++) {
		sha256_add(sha256, users->items[i]);
		sha256_add(sha256, STR(" "));
	}
	sha256_end(sha256, hash);
	sha256_destroy(sha256);
	memcpy(&number, hash, sizeof(number));
	return number | 1;
}

static enum err find_judgement(struct unread_ask *ask)
{
	TRY(find_ignored(ask));
	ask->judgement = (struct judgement){
		.by_rules = !ask->rules.is_generic,
		.rules_position = ask->rules.is_generic ? 0 : ask->rules.position,
		.ignored = stands_for(&ask->ignored),
	};
	return ERR_OK;
}

static enum err judge_all(const struct unread_ask *ask, const struct timeline *timeline,
	struct push_result **out)
{
	struct push_scene scene;
	TRY(push_scene_init(ask->ctx, ask->hs, ask->room, &scene));
	*out = ARENA_NEW_ARRAY(ask->ctx->arena, struct push_result, timeline->n);
	for (size_t i = 0; i < timeline->n; i++) {
		if (!str_set_has(&ask->ignored, timeline->events[i]->event->sender.s)) {
			TRY(push_judge(ask->ctx, ask->hs, &scene, &ask->rules, ask->user, timeline->events[i],
				&(*out)[i]));
		}
	}
	return ERR_OK;
}

/* Lock held, if others know the entry. `backwards`: how the timeline is ordered. */
static void add_judged(const struct unread_ask *ask, struct unread_entry *entry,
	const struct timeline *timeline, const struct push_result *results, bool backwards)
{
	for (size_t k = 0; k < timeline->n; k++) {
		size_t i = backwards ? timeline->n - 1 - k : k;
		const struct stored_event *event = timeline->events[i];
		bool is_own = str_equals(event->event->sender.s, ask->user.s);
		bool is_new = event->position > entry->state.applied_position;
		if (is_own_membership(event->event, ask->user.s)) {
			entry->is_stale = entry->is_stale || (is_new && !backwards);
			is_own = false;
		}
		unread_state_add_judged(&entry->state, event, is_own,
			results[i].notify && event->redacted_by == 0, results[i].highlight);
	}
	unread_state_prune(&entry->state);
}

/* After the entry's row was read: what came after its marks. */
static enum err load_judged(const struct unread_ask *ask, const struct unread_row *row,
	struct unread_entry *entry)
{
	struct timeline timeline;
	struct push_result *results;
	TRY(room_timeline(ask->ctx, ask->hs, ask->room, row->read_position, row->room_position, true,
		JUDGED_EVENTS, &timeline));
	TRY(judge_all(ask, &timeline, &results));
	LOCK_SCOPE(&entry->lock);
	unread_state_init(&entry->state, row);
	unread_state_judge(&entry->state);
	add_judged(ask, entry, &timeline, results, true);
	entry->state.applied_position = MAX_OF(entry->state.applied_position, row->room_position);
	entry->is_loaded = true;
	return ERR_OK;
}

static enum err catch_up_judged(const struct unread_ask *ask, struct unread_entry *entry,
	const struct timeline *timeline, bool *out_done)
{
	struct push_result *results;
	TRY(judge_all(ask, timeline, &results));
	LOCK_SCOPE(&entry->lock);
	add_judged(ask, entry, timeline, results, false);
	*out_done = !entry->is_stale;
	return ERR_OK;
}

/* Adds what has come since. *out_done: false when the entry has to be read anew. */
static enum err catch_up(const struct unread_ask *ask, struct unread_entry *entry, bool *out_done)
{
	struct ctx *ctx = ask->ctx;
	lock_take(&entry->lock);
	bool is_usable = entry->is_loaded && !entry->is_stale &&
		entry->judgement.by_rules == ask->judgement.by_rules &&
		entry->judgement.rules_position == ask->judgement.rules_position &&
		entry->judgement.ignored == ask->judgement.ignored;
	int64_t applied = entry->state.applied_position;
	lock_give(&entry->lock);
	*out_done = is_usable;
	if (!is_usable || MIN_OF(room_last_position(ask->room), ask->up_to) <= applied) {
		return ERR_OK;
	}
	struct timeline timeline;
	TRY(room_timeline(ctx, ask->hs, ask->room, applied, ask->up_to, false, STEPS, &timeline));
	if (timeline.has_more) {
		*out_done = false;
		return ERR_OK;
	}
	if (is_judged(ask)) {
		return catch_up_judged(ask, entry, &timeline, out_done);
	}
	bool *mentions = ARENA_NEW_ARRAY(ctx->arena, bool, timeline.n);
	for (size_t i = 0; i < timeline.n; i++) {
		mentions[i] = is_mentioned(ctx->arena, timeline.events[i], ask->user.s);
	}
	TRY(know_threads(ask, entry, &timeline));
	LOCK_SCOPE(&entry->lock);
	*out_done = add_events_locked(ask, entry, &timeline, mentions);
	return ERR_OK;
}

/* --- reading -------------------------------------------------------------------------------------------------- */

/* A fresh entry, for the cache and this call. */
static enum err load(const struct unread_ask *ask, struct str key, struct unread_entry **out)
{
	struct unread_entry *entry = mem_alloc(sizeof(*entry));
	refc_init(&entry->refc);
	lock_init(&entry->lock, RANK_LEAF);
	entry->judgement = ask->judgement;
	entry->plain_at = -1;
	arena_on_reset(ask->ctx->arena, unref_entry, entry);
	cache_put(ask->unread->entries, key, entry, ENTRY_BYTES);
	struct unread_row row;
	TRY(store_unread(ask->ctx, ask->hs->db, room_nid(ask->room), ask->user.s, &row));
	*out = entry;
	if (is_judged(ask)) {
		return load_judged(ask, &row, entry);
	}
	LOCK_SCOPE(&entry->lock);
	unread_state_init(&entry->state, &row);
	entry->is_loaded = true;
	return ERR_OK;
}

/* Rules and whom the user ignores are account data: they are what they were while the user's own position has not moved. */
static bool is_still_plain(const struct unread_ask *ask, struct unread_entry *entry)
{
	LOCK_SCOPE(&entry->lock);
	return entry->plain_at == ask->own_position;
}

static enum err count(struct unread_ask *ask, struct str key, struct unread_entry *entry,
	struct unread_result *out)
{
	bool is_done = false;
	if (entry != NULL) {
		TRY(catch_up(ask, entry, &is_done));
	}
	if (!is_done) {
		TRY(load(ask, key, &entry));
	}
	LOCK_SCOPE(&entry->lock);
	entry->plain_at = ask->is_plain ? ask->own_position : -1;
	unread_state_result(&entry->state, ask->ctx->arena, out);
	return ERR_OK;
}

enum err unread_counts(struct ctx *ctx, struct homeserver *hs, struct room *room, struct user *user,
	int64_t up_to, struct unread_result *out)
{
	struct unread *unread = receipts_unread(hs->receipts);
	struct unread_ask ask = {
		.ctx = ctx,
		.hs = hs,
		.unread = unread,
		.room = room,
		.person = user,
		.user = {user_id_of(user)},
		.own_position = user_own_position(user),
		.up_to = up_to,
	};
	/* Who was just read from the database may be ahead of the rules in memory. */
	ask.is_published = ask.own_position <= writer_position(hs->writer);
	char buffer[KEY_BYTES];
	struct str key = entry_key(room_nid(room), ask.user.s, buffer);
	struct unread_entry *entry = cache_get(unread->entries, key);
	if (entry != NULL) {
		arena_on_reset(ctx->arena, unref_entry, entry);
		ask.is_plain = is_still_plain(&ask, entry);
	}
	if (!ask.is_plain) {
		TRY(push_rules_get(ctx, hs, ask.user, &ask.rules));
		if (push_rules_are_silent(&ask.rules, room_id_of(room).s)) {
			*out = (struct unread_result){0};
			return ERR_OK;
		}
		TRY(find_judgement(&ask));
	}
	return count(&ask, key, entry, out);
}
