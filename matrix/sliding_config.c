/*
 * Entries are sorted, and none stands that another one covers: whether an entry of the state is wanted takes four searches by halves
 * however many there are, and what is wanted is the same when it is written the same.
 */
#include "matrix/sliding_config.h"

#include <stdlib.h>

#include "matrix/errcode.h"
#include "matrix/event.h"

/* No event's type or state key is longer: they have so many code points at the most. */
enum { ENTRY_TEXT_MAX_BYTES = 4 * EVENT_MAX_KEY_BYTES };

static const struct str any = STR_INIT("*");
static const struct str member_type = STR_INIT("m.room.member");

static int compare_entries(const void *a, const void *b)
{
	const struct sliding_entry *x = a;
	const struct sliding_entry *y = b;
	int order = str_compare(x->type, y->type);
	return order != 0 ? order : str_compare(x->state_key, y->state_key);
}

static bool has(const struct sliding_config *config, struct str type, struct str state_key)
{
	const struct sliding_entry entry = {type, state_key};
	return config->entry_n > 0 &&
		bsearch(&entry, config->entries, config->entry_n, sizeof(entry), compare_entries) != NULL;
}

bool sliding_config_wants(const struct sliding_config *config, struct str type,
	struct str state_key)
{
	return has(config, type, state_key) || has(config, type, any) || has(config, any, state_key) ||
		has(config, any, any);
}

bool sliding_config_wants_members(const struct sliding_config *config)
{
	return sliding_config_wants(config, member_type, any);
}

/* Whether another entry, with more wildcards, stands for this one, too. */
static bool is_covered(const struct sliding_config *all, const struct sliding_entry *entry)
{
	bool is_any_type = str_equals(entry->type, any);
	bool is_any_key = str_equals(entry->state_key, any);
	return (!is_any_key && has(all, entry->type, any)) ||
		(!is_any_type && has(all, any, entry->state_key)) ||
		(!(is_any_type && is_any_key) && has(all, any, any));
}

/* Brings entries in any order, which may be changed, into a config's form. */
static struct sliding_config make(struct arena *arena, struct sliding_entry *entries, size_t count,
	int64_t timeline_limit, bool loads_lazily)
{
	struct sliding_config all = {.entries = entries};
	if (count > 0) {
		qsort(entries, count, sizeof(*entries), compare_entries);
	}
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || compare_entries(&entries[i], &entries[all.entry_n - 1]) != 0) {
			entries[all.entry_n++] = entries[i];
		}
	}
	struct sliding_entry *kept = ARENA_NEW_ARRAY(arena, struct sliding_entry, all.entry_n + 1);
	struct sliding_config config = {.timeline_limit = timeline_limit, .entries = kept};
	for (size_t i = 0; i < all.entry_n; i++) {
		if (!is_covered(&all, &entries[i])) {
			kept[config.entry_n++] = entries[i];
		}
	}
	config.loads_lazily = loads_lazily && !sliding_config_wants_members(&config);
	return config;
}

/* --- reading -------------------------------------------------------------------------------------------------------- */

static bool read_limit(const struct json *object, int64_t *out, struct field_error *out_error)
{
	const struct json *value = json_at(object, "timeline_limit");
	if (value == NULL) {
		*out = 0;
		return true;
	}
	if (value->type != JSON_INT) {
		return field_fail(out_error, M_BAD_JSON, STR("timeline_limit"), "must be an integer");
	}
	if (value->integer < 0) {
		return field_fail(out_error, M_INVALID_PARAM, STR("timeline_limit"),
			"must not be negative");
	}
	*out = MIN_OF(value->integer, SLIDING_TIMELINE_MAX);
	return true;
}

static bool is_pair_of_texts(const struct json *value)
{
	return value->type == JSON_ARRAY && value->count == 2 &&
		json_is(&value->items[0], JSON_STRING) && json_is(&value->items[1], JSON_STRING);
}

static bool check_required_state(const struct json *list, struct field_error *out_error)
{
	const struct str field = STR("required_state");
	if (list->type != JSON_ARRAY) {
		return field_fail(out_error, M_BAD_JSON, field, "must be an array");
	}
	if (list->count > SLIDING_ENTRIES_MAX) {
		return field_fail(out_error, M_TOO_LARGE, field, "must not have more than 200 entries");
	}
	for (size_t i = 0; i < list->count; i++) {
		if (!is_pair_of_texts(&list->items[i])) {
			return field_fail(out_error, M_BAD_JSON, field,
				"must contain only pairs of a type and a state key");
		}
	}
	return true;
}

bool sliding_config_read(struct arena *arena, const struct json *object, struct str user_id,
	struct sliding_config *out, struct field_error *out_error)
{
	if (object->type != JSON_OBJECT) {
		return field_fail(out_error, M_BAD_JSON, STR("room config"), "must be an object");
	}
	const struct json *list = json_at(object, "required_state");
	int64_t limit;
	if (!read_limit(object, &limit, out_error) ||
		(list != NULL && !check_required_state(list, out_error))) {
		return false;
	}
	size_t given = list != NULL ? list->count : 0;
	struct sliding_entry *entries = ARENA_NEW_ARRAY(arena, struct sliding_entry, given + 1);
	size_t count = 0;
	bool loads_lazily = false;
	for (size_t i = 0; i < given; i++) {
		struct str type = json_text(&list->items[i].items[0]);
		struct str state_key = json_text(&list->items[i].items[1]);
		if (str_equals(type, member_type) && str_equals(state_key, STR("$LAZY"))) {
			loads_lazily = true;
			continue;
		}
		if (str_equals(state_key, STR("$ME"))) {
			state_key = user_id;
		}
		if (type.n <= ENTRY_TEXT_MAX_BYTES && state_key.n <= ENTRY_TEXT_MAX_BYTES) {
			entries[count++] = (struct sliding_entry){type, state_key};
		}
	}
	*out = make(arena, entries, count, limit, loads_lazily);
	return true;
}

bool sliding_config_is_well_formed(const struct sliding_config *config)
{
	for (size_t i = 0; i < config->entry_n; i++) {
		const struct sliding_entry *entry = &config->entries[i];
		if ((i > 0 && compare_entries(entry - 1, entry) >= 0) || is_covered(config, entry)) {
			return false;
		}
	}
	return config->timeline_limit >= 0 && config->timeline_limit <= SLIDING_TIMELINE_MAX &&
		!(config->loads_lazily && sliding_config_wants_members(config));
}

/* --- several of them ---------------------------------------------------------------------------------------------------- */

struct sliding_config sliding_config_join(struct arena *arena,
	const struct sliding_config *const *configs, size_t count)
{
	size_t entry_n = 0;
	int64_t limit = 0;
	bool loads_lazily = false;
	for (size_t i = 0; i < count; i++) {
		entry_n += configs[i]->entry_n;
		limit = MAX_OF(limit, configs[i]->timeline_limit);
		loads_lazily = loads_lazily || configs[i]->loads_lazily;
	}
	struct sliding_entry *entries = ARENA_NEW_ARRAY(arena, struct sliding_entry, entry_n + 1);
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < configs[i]->entry_n; j++) {
			entries[n++] = configs[i]->entries[j];
		}
	}
	return make(arena, entries, n, limit, loads_lazily);
}

struct sliding_config sliding_config_dup(struct arena *arena, const struct sliding_config *config)
{
	struct sliding_config copy = *config;
	struct sliding_entry *entries =
		ARENA_NEW_ARRAY(arena, struct sliding_entry, config->entry_n + 1);
	for (size_t i = 0; i < config->entry_n; i++) {
		entries[i].type = str_dup(arena, config->entries[i].type);
		entries[i].state_key = str_dup(arena, config->entries[i].state_key);
	}
	copy.entries = entries;
	return copy;
}

int sliding_config_compare(const struct sliding_config *a, const struct sliding_config *b)
{
	if (a == b) {
		return 0;
	}
	int order = (a->timeline_limit > b->timeline_limit) - (a->timeline_limit < b->timeline_limit);
	order = order != 0 ? order : a->loads_lazily - b->loads_lazily;
	order = order != 0 ? order : (a->entry_n > b->entry_n) - (a->entry_n < b->entry_n);
	for (size_t i = 0; order == 0 && i < a->entry_n; i++) {
		order = compare_entries(&a->entries[i], &b->entries[i]);
	}
	return order;
}
