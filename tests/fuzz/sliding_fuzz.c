/*
 * Sliding sync: any config is read or refused with a field, and joined with itself the same; any bytes are a state, which is written as it was read, or
 * none.
 */
#include "base/arena.h"
#include "matrix/sliding_state.h"

static void read_config(struct arena *arena, struct str text)
{
	struct json json;
	struct sliding_config config;
	struct field_error error = {0};
	if (json_parse(arena, text, NULL, &json, NULL) != JSON_OK) {
		return;
	}
	if (!sliding_config_read(arena, &json, STR("@a:b"), &config, &error)) {
		invariant(error.errcode != NULL && error.field.n > 0 && error.text != NULL);
		return;
	}
	invariant(sliding_config_is_well_formed(&config));
	const struct sliding_config *twice[] = {&config, &config};
	struct sliding_config again = sliding_config_join(arena, twice, COUNT_OF(twice));
	invariant(sliding_config_compare(&config, &again) == 0);
	for (size_t i = 0; i < config.entry_n; i++) {
		invariant(
			sliding_config_wants(&config, config.entries[i].type, config.entries[i].state_key));
	}
}

static void read_state(struct arena *arena, struct str bytes)
{
	struct sliding_state state;
	if (!sliding_state_read(arena, bytes, &state) || !sliding_state_is_well_formed(&state)) {
		return;
	}
	invariant(str_equals(sliding_state_write(arena, &state), bytes));
	struct sliding_change *change = sliding_change_begin(arena, &state);
	for (size_t i = 0; i < state.room_n; i++) {
		invariant(sliding_state_room(&state, state.rooms[i].room_nid) == &state.rooms[i]);
		sliding_change_missed(change, state.rooms[i].room_nid, SLIDING_EVENTS, 7);
		sliding_change_told(change, state.rooms[i].room_nid / 2 + 1, SLIDING_EVENTS);
	}
	struct sliding_state after = sliding_change_end(change);
	struct sliding_state again;
	invariant(sliding_state_read(arena, sliding_state_write(arena, &after), &again));
	invariant(sliding_state_is_well_formed(&again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str bytes = str_from((const char *)data, size);
	read_config(arena, bytes);
	read_state(arena, bytes);
	return 0;
}
