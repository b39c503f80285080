/*
 * Devices in memory. An entry stands in the table before its numbers are read, so that no commit falls between; what changed
 * while they were read is read again.
 */
#include "e2ee/device_state.h"

#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"

#include <string.h>

static struct metric devices_known =
	METRIC_GAUGE("belfry_e2ee_devices_active", "Devices whose keys and messages are in memory");

struct entry {
	bool is_known;          /* the texts are what the database has, and newest_message counts all */
	uint64_t changes;       /* device_states.changes when it came or its keys changed last */
	struct str counts;      /* heap */
	struct str fallbacks;   /* heap */
	struct str ed25519;     /* heap; what it was when it was read last */
	int64_t newest_message; /* at least what was committed since the entry is there */
	int64_t last_used_ms;
};

struct device_states {
	struct homeserver *hs;
	struct lock lock;   /* guards all below */
	struct map entries; /* user, NUL, device → struct entry * */
	uint64_t
		changes; /* counts entries that came, too: what was read for one that is gone is not kept in the next */
};

struct device_states *device_states_create(struct homeserver *hs)
{
	struct device_states *states = mem_alloc(sizeof(*states));
	states->hs = hs;
	lock_init(&states->lock, RANK_LEAF);
	map_init(&states->entries);
	return states;
}

static void entry_destroy(struct entry *entry)
{
	str_free(entry->counts);
	str_free(entry->fallbacks);
	str_free(entry->ed25519);
	mem_free(entry);
}

void device_states_destroy(struct device_states *states)
{
	if (states == NULL) {
		return;
	}
	device_states_tidy(states, INT64_MAX);
	map_fini(&states->entries);
	lock_fini(&states->lock);
	mem_free(states);
}

/* Whose key begins with a text. */
static void forget(struct device_states *states, struct str prefix)
{
	LOCK_SCOPE(&states->lock);
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&states->entries, &i, &key, &value)) {
		if (str_starts_with(key, prefix)) {
			(void)map_remove(&states->entries, key);
			entry_destroy(value);
		}
	}
	metric_set(&devices_known, (int64_t)states->entries.n);
}

void device_states_forget(struct device_states *states)
{
	forget(states, STR(""));
}

/* Both ids have at most ID_MAX_BYTES. */
struct entry_key {
	char bytes[2 * ID_MAX_BYTES + 1];
};

static struct str make_key(struct entry_key *key, struct str user_id, struct str device_id)
{
	invariant(user_id.n <= ID_MAX_BYTES && device_id.n <= ID_MAX_BYTES);
	memcpy(key->bytes, user_id.p, user_id.n);
	key->bytes[user_id.n] = '\0';
	memcpy(key->bytes + user_id.n + 1, device_id.p, device_id.n);
	return str_from(key->bytes, user_id.n + 1 + device_id.n);
}

void device_states_forget_user(struct device_states *states, struct str user_id)
{
	struct entry_key key;
	forget(states, make_key(&key, user_id, STR("")));
}

static struct entry *find_locked(struct device_states *states, struct str user_id,
	struct str device_id)
{
	struct entry_key key;
	return map_get(&states->entries, make_key(&key, user_id, device_id));
}

/* --- reading ---------------------------------------------------------------------------------------- */

/* The entry, made when there is none. */
static struct entry *find_or_add_locked(struct device_states *states, struct str user_id,
	struct str device_id)
{
	struct entry *entry = find_locked(states, user_id, device_id);
	if (entry == NULL) {
		struct entry_key key;
		entry = mem_alloc(sizeof(*entry));
		entry->changes = ++states->changes;
		(void)map_set(&states->entries, make_key(&key, user_id, device_id), entry);
		metric_set(&devices_known, (int64_t)states->entries.n);
	}
	entry->last_used_ms = clock_about_ms(&states->hs->clock);
	return entry;
}

/* @return whether the entry is known; *out_changes tells a reader what it may keep */
static bool recall(struct device_states *states, struct arena *arena, struct str user_id,
	struct str device_id, struct device_state *out, uint64_t *out_changes)
{
	LOCK_SCOPE(&states->lock);
	const struct entry *entry = find_or_add_locked(states, user_id, device_id);
	*out_changes = entry->changes;
	if (entry->is_known) {
		*out = (struct device_state){
			.one_time_counts = str_dup(arena, entry->counts),
			.unused_fallbacks = str_dup(arena, entry->fallbacks),
			.newest_message = entry->newest_message,
		};
	}
	return entry->is_known;
}

static void remember(struct device_states *states, struct str user_id, struct str device_id,
	struct device_state *state, uint64_t changes)
{
	LOCK_SCOPE(&states->lock);
	struct entry *entry = find_locked(states, user_id, device_id);
	if (entry == NULL) {
		return;
	}
	entry->newest_message = MAX_OF(entry->newest_message, state->newest_message);
	state->newest_message = entry->newest_message;
	if (entry->changes == changes) {
		str_free(entry->counts);
		str_free(entry->fallbacks);
		entry->counts = str_heap(state->one_time_counts);
		entry->fallbacks = str_heap(state->unused_fallbacks);
		entry->is_known = true;
	}
}

enum { STATE_CEILING = 65536 };

static struct str counts_text(struct arena *arena, const struct algorithm_count *left, size_t n)
{
	struct buf buf CLEANUP(buf_fini);
	struct json_out out;
	buf_init(&buf, STATE_CEILING);
	json_out_init(&out, &buf);
	json_out_object(&out);
	bool has_usual = false;
	for (size_t i = 0; i < n; i++) {
		json_out_key(&out, left[i].algorithm);
		json_out_int(&out, left[i].count);
		has_usual = has_usual || str_equals(left[i].algorithm, STR("signed_curve25519"));
	}
	if (!has_usual) { /* clients take what is absent for unchanged */
		json_out_key_int(&out, "signed_curve25519", 0);
	}
	json_out_end(&out);
	return str_dup(arena, buf_str(&buf));
}

static struct str fallbacks_text(struct arena *arena, const struct device_key_state *row)
{
	struct buf buf CLEANUP(buf_fini);
	struct json_out out;
	buf_init(&buf, STATE_CEILING);
	json_out_init(&out, &buf);
	json_out_strs(&out, row->unused_fallback, row->unused_fallback_n);
	return str_dup(arena, buf_str(&buf));
}

enum err device_state_get(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str device_id, struct device_state *out)
{
	struct device_states *states = hs->e2ee->states;
	uint64_t changes;
	struct device_key_state row;
	if (recall(states, ctx->arena, user_id, device_id, out, &changes)) {
		return ERR_OK;
	}
	TRY(store_one_time_key_state(ctx, hs->db, user_id, device_id, &row));
	*out = (struct device_state){
		.one_time_counts = counts_text(ctx->arena, row.one_time, row.one_time_n),
		.unused_fallbacks = fallbacks_text(ctx->arena, &row),
		.newest_message = row.newest_message,
	};
	remember(states, user_id, device_id, out, changes);
	return ERR_OK;
}

int64_t device_state_newest_message(struct device_states *states, struct str user_id,
	struct str device_id)
{
	LOCK_SCOPE(&states->lock);
	const struct entry *entry = find_locked(states, user_id, device_id);
	return entry != NULL ? entry->newest_message : INT64_MAX;
}

/* --- changes ------------------------------------------------------------------------------------------ */

void device_state_keys_changed(struct device_states *states, struct str user_id,
	struct str device_id)
{
	LOCK_SCOPE(&states->lock);
	struct entry *entry = find_locked(states, user_id, device_id);
	if (entry != NULL) {
		entry->changes = ++states->changes;
		entry->is_known = false;
	}
}

uint64_t device_state_changes(struct device_states *states, struct str user_id,
	struct str device_id)
{
	LOCK_SCOPE(&states->lock);
	const struct entry *entry = find_locked(states, user_id, device_id);
	return entry != NULL ? entry->changes : 0;
}

struct str device_state_keys_added(struct device_states *states, struct arena *arena,
	struct str user_id, struct str device_id, const struct keys_added *added, uint64_t changes)
{
	struct str counts = counts_text(arena, added->left, added->left_n);
	LOCK_SCOPE(&states->lock);
	struct entry *entry = find_locked(states, user_id, device_id);
	if (entry != NULL) {
		entry->is_known = entry->is_known && entry->changes == changes;
		entry->changes = ++states->changes; /* what is being read now is from before */
		str_free(entry->counts);
		entry->counts = str_heap(counts);
	}
	return counts;
}

struct str device_state_identity(struct device_states *states, struct arena *arena,
	struct str user_id, struct str device_id)
{
	LOCK_SCOPE(&states->lock);
	const struct entry *entry = find_locked(states, user_id, device_id);
	return entry != NULL && entry->ed25519.n > 0 ? str_dup(arena, entry->ed25519)
												 : str_from(NULL, 0);
}

void device_state_identity_read(struct device_states *states, struct str user_id,
	struct str device_id, struct str ed25519)
{
	LOCK_SCOPE(&states->lock);
	struct entry *entry = find_or_add_locked(states, user_id, device_id);
	str_free(entry->ed25519);
	entry->ed25519 = str_heap(ed25519);
}

void device_state_message_committed(struct device_states *states, struct str user_id,
	struct str device_id, int64_t position)
{
	LOCK_SCOPE(&states->lock);
	struct entry *entry = find_locked(states, user_id, device_id);
	if (entry != NULL) {
		entry->newest_message = MAX_OF(entry->newest_message, position);
	}
}

void device_state_messages_gone(struct device_states *states, struct str user_id,
	struct str device_id, int64_t up_to)
{
	LOCK_SCOPE(&states->lock);
	struct entry *entry = find_locked(states, user_id, device_id);
	if (entry != NULL && entry->newest_message <= up_to) {
		entry->newest_message = 0;
	}
}

void device_states_tidy(struct device_states *states, int64_t before_ms)
{
	LOCK_SCOPE(&states->lock);
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&states->entries, &i, &key, &value)) {
		struct entry *entry = value;
		if (entry->last_used_ms < before_ms) {
			(void)map_remove(&states->entries, key);
			entry_destroy(entry);
		}
	}
	metric_set(&devices_known, (int64_t)states->entries.n);
}
