/*
 * States beside the current one, and their resolution.
 *
 * The state after an event is the room's at its position and a stored difference. As a difference from now it is: what has ended
 * since, brought back; what has begun since, taken away; and the stored difference on top.
 */
#include "homeserver/room/room_fork.h"

#include "base/vec.h"
#include "homeserver/room/room_known.h"
#include "matrix/canonical.h"
#include "matrix/resolve.h"
#include "storage/graph.h"

#include <stdlib.h>

struct step_vec {
	struct state_step *p;
	size_t n;
	size_t capacity;
};

/* --- keys ----------------------------------------------------------------------------------------------------- */

static int compare_keys(const struct state_step *a, const struct state_step *b)
{
	int order = str_compare(a->type, b->type);
	return order != 0 ? order : str_compare(a->state_key, b->state_key);
}

/* Of places in one array: by key; what was put later stands later. */
static int compare_places(const void *a, const void *b)
{
	const struct state_step *left = *(const struct state_step *const *)a;
	const struct state_step *right = *(const struct state_step *const *)b;
	int order = compare_keys(left, right);
	return order != 0 ? order : (left > right) - (left < right);
}

/* Where the event of the current state stands; 0: there is none. Lock held. */
static int64_t current_locked(const struct room *room, struct arena *arena, struct str type,
	struct str state_key)
{
	struct str key = state_slot_key(arena, type, state_key);
	const struct state_slot *slot =
		room->content != NULL ? map_get(&room->content->state, key) : NULL;
	return slot != NULL ? slot->event_position : 0;
}

/* Sorts, keeps the last step of each key, and drops what is so now. The rest is in the arena. */
static struct fork_state normalise(struct arena *arena, struct room *room,
	const struct state_step *steps, size_t count)
{
	struct arena *scratch CLEANUP(arena_cleanup) = arena_create();
	const struct state_step **places = ARENA_NEW_ARRAY(scratch, const struct state_step *, count);
	for (size_t i = 0; i < count; i++) {
		places[i] = &steps[i];
	}
	qsort(places, count, sizeof(*places), compare_places);
	size_t kept = 0;
	lock_take(&room->lock);
	for (size_t i = 0; i < count; i++) {
		const struct state_step *step = places[i];
		bool is_last = i + 1 == count || compare_keys(step, places[i + 1]) != 0;
		bool is_taken = step->event_id.p != NULL && step->event_position == 0;
		int64_t wanted = step->event_id.p != NULL ? step->event_position : 0;
		if (is_last &&
			(is_taken || current_locked(room, scratch, step->type, step->state_key) != wanted)) {
			places[kept++] = step;
		}
	}
	lock_give(&room->lock);
	struct fork_state state = {.steps = ARENA_NEW_ARRAY(arena, struct state_step, kept)};
	for (; state.n < kept; state.n++) {
		state.steps[state.n] = *places[state.n];
	}
	return state;
}

static const struct state_step *find(const struct fork_state *state, struct str type,
	struct str state_key)
{
	const struct state_step probe = {.type = type, .state_key = state_key};
	size_t low = 0;
	size_t high = state->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_keys(&state->steps[middle], &probe);
		if (order == 0) {
			return &state->steps[middle];
		}
		*(order < 0 ? &low : &high) = order < 0 ? middle + 1 : middle;
	}
	return NULL;
}

static struct state_step step_of(const struct event *event, int64_t position)
{
	bool is_member = str_equals(event->type, STR("m.room.member"));
	return (struct state_step){
		.type = event->type,
		.state_key = event->state_key.p != NULL ? event->state_key : STR(""),
		.event_id = event->event_id.s,
		.membership = is_member ? event_membership(event) : str_from(NULL, 0),
		.event_position = position,
	};
}

/* --- states after events ------------------------------------------------------------------------------------ */

/* What has begun since a position: it was not there, unless something that ended was. */
struct begun {
	struct state_step step;
	int64_t from_position;
};
struct begun_vec {
	struct begun *p;
	size_t n;
	size_t capacity;
};

static int64_t list_begun(struct arena *arena, struct room *room, int64_t after,
	struct begun_vec *out)
{
	LOCK_SCOPE(&room->lock);
	const struct room_content *content = room->content;
	if (content == NULL || content->state_position <= after) {
		return content == NULL ? INT64_MAX : content->state_position;
	}
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&content->state, &i, &key, &value)) {
		const struct state_slot *slot = value;
		if (slot->from_position > after) {
			const struct begun begun = {
				.step = {.type = str_dup(arena, slot->type),
					.state_key = str_dup(arena, slot->state_key)},
				.from_position = slot->from_position,
			};
			VEC_PUSH(arena, out, begun);
		}
	}
	return content->state_position;
}

/* The stored differences of all, with the events that they name. */
struct differences {
	struct event_state_row *rows;
	size_t row_count;
	struct json *lists; /* one each */
	struct map known;   /* event id → struct known_event * */
};

static const struct event_state_row *row_at(const struct differences *all, int64_t position,
	size_t *out_index)
{
	for (size_t i = 0; i < all->row_count; i++) {
		if (all->rows[i].position == position) {
			*out_index = i;
			return &all->rows[i];
		}
	}
	return NULL;
}

static enum err load_named(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct differences *all)
{
	VEC(struct event_id) ids = {0};
	for (size_t i = 0; i < all->row_count; i++) {
		for (size_t k = 0; k < all->lists[i].count; k++) {
			const struct json *entry = &all->lists[i].items[k];
			if (entry->items[2].type == JSON_STRING) {
				const struct event_id id = {json_text(&entry->items[2])};
				VEC_PUSH(ctx->arena, &ids, id);
			}
		}
	}
	if (ids.n == 0) {
		return ERR_OK;
	}
	struct known_event *known = ARENA_NEW_ARRAY(ctx->arena, struct known_event, ids.n);
	TRY(room_known_events(ctx, hs, room, ids.p, ids.n, known));
	for (size_t i = 0; i < ids.n; i++) {
		if (known[i].event != NULL) {
			(void)map_set(&all->known, ids.p[i].s, &known[i]);
		}
	}
	return ERR_OK;
}

static bool is_difference(const struct json *list)
{
	if (list->type != JSON_ARRAY) {
		return false;
	}
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].type != JSON_ARRAY || list->items[i].count != 3) {
			return false;
		}
	}
	return true;
}

static enum err load_differences(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const int64_t *positions, size_t count, struct differences *out)
{
	TRY(store_event_states(ctx, hs->db, room->nid, positions, count, &out->rows, &out->row_count));
	out->lists = ARENA_NEW_ARRAY(ctx->arena, struct json, out->row_count);
	for (size_t i = 0; i < out->row_count; i++) {
		if (json_parse(ctx->arena, out->rows[i].difference, NULL, &out->lists[i], NULL) !=
				JSON_OK ||
			!is_difference(&out->lists[i])) {
			return fail_cause(ctx, ERR_INTERNAL, "a stored state of room %lld is broken",
				(long long)room->nid);
		}
	}
	return load_named(ctx, hs, room, out);
}

static void put_difference(struct arena *arena, const struct differences *all, size_t index,
	struct step_vec *steps)
{
	const struct json *list = &all->lists[index];
	for (size_t i = 0; i < list->count; i++) {
		const struct json *entry = list->items[i].items;
		struct state_step step = {.type = json_text(&entry[0]), .state_key = json_text(&entry[1])};
		if (entry[2].type == JSON_STRING) {
			const struct known_event *known = map_get(&all->known, json_text(&entry[2]));
			if (known == NULL) {
				continue;
			}
			step = step_of(known->event, known->position);
		}
		VEC_PUSH(arena, steps, step);
	}
}

/* What the room's state was at a position. */
static void put_past(struct arena *arena, int64_t position, const struct begun_vec *begun,
	const struct state_interval *ended, size_t ended_count, struct step_vec *steps)
{
	for (size_t i = 0; i < begun->n; i++) {
		if (begun->p[i].from_position > position) {
			VEC_PUSH(arena, steps, begun->p[i].step);
		}
	}
	for (size_t i = 0; i < ended_count; i++) {
		const struct state_row *row = &ended[i].row;
		if (row->from_position <= position && ended[i].to_position > position) {
			const struct state_step step = {
				.type = row->type,
				.state_key = row->state_key,
				.event_id = row->event_id,
				.membership = row->membership,
				.event_position = row->event_position,
			};
			VEC_PUSH(arena, steps, step);
		}
	}
}

enum err room_fork_states(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const int64_t *positions, size_t count, struct fork_state *out)
{
	struct arena *arena = ctx->arena;
	struct differences all = {0};
	struct map *known = &all.known;
	enum err err = load_differences(ctx, hs, room, positions, count, &all);
	int64_t *bases = ARENA_NEW_ARRAY(arena, int64_t, count);
	size_t *indexes = ARENA_NEW_ARRAY(arena, size_t, count);
	int64_t oldest = INT64_MAX;
	for (size_t i = 0; i < count && err == ERR_OK; i++) {
		const struct event_state_row *row = row_at(&all, positions[i], &indexes[i]);
		bases[i] = row != NULL ? row->base_position : positions[i];
		indexes[i] = row != NULL ? indexes[i] : SIZE_MAX;
		oldest = MIN_OF(oldest, bases[i]);
	}
	struct begun_vec begun = {0};
	struct state_interval *ended = NULL;
	size_t ended_count = 0;
	if (err == ERR_OK && list_begun(arena, room, oldest, &begun) > oldest) {
		err = store_state_ended(ctx, hs->db, room->nid, oldest, &ended, &ended_count);
	}
	for (size_t i = 0; i < count && err == ERR_OK; i++) {
		struct step_vec steps = {0};
		put_past(arena, bases[i], &begun, ended, ended_count, &steps);
		if (indexes[i] != SIZE_MAX) {
			put_difference(arena, &all, indexes[i], &steps);
		}
		out[i] = normalise(arena, room, steps.p, steps.n);
	}
	map_fini(known);
	return err;
}

struct fork_state room_fork_of_events(struct arena *arena, struct room *room,
	const struct known_event *events, size_t count)
{
	lock_take(&room->lock);
	size_t current = room->content != NULL ? room->content->state.n : 0;
	struct arena *scratch CLEANUP(arena_cleanup) = arena_create();
	struct state_step *steps = ARENA_NEW_ARRAY(scratch, struct state_step, current + count);
	size_t n = 0;
	size_t i = 0;
	struct str key;
	void *value;
	while (room->content != NULL && map_next(&room->content->state, &i, &key, &value)) {
		const struct state_slot *slot = value;
		steps[n++] = (struct state_step){
			.type = str_dup(arena, slot->type),
			.state_key = str_dup(arena, slot->state_key),
		};
	}
	lock_give(&room->lock);
	for (i = 0; i < count; i++) {
		if (events[i].event->is_state) {
			steps[n++] = step_of(events[i].event, events[i].position);
		}
	}
	return normalise(arena, room, steps, n);
}

struct fork_state room_fork_with(struct arena *arena, const struct fork_state *before,
	const struct event *event)
{
	if (!event->is_state) {
		return *before;
	}
	struct fork_state state = {.steps = ARENA_NEW_ARRAY(arena, struct state_step, before->n + 1)};
	const struct state_step own = step_of(event, 0);
	size_t i = 0;
	for (; i < before->n && compare_keys(&before->steps[i], &own) < 0; i++) {
		state.steps[state.n++] = before->steps[i];
	}
	state.steps[state.n++] = own;
	if (i < before->n && compare_keys(&before->steps[i], &own) == 0) {
		i++;
	}
	for (; i < before->n; i++) {
		state.steps[state.n++] = before->steps[i];
	}
	return state;
}

static bool is_same_step(const struct state_step *a, const struct state_step *b)
{
	return compare_keys(a, b) == 0 && str_equals(a->event_id, b->event_id);
}

bool room_fork_equals(const struct fork_state *a, const struct fork_state *b)
{
	if (a->n != b->n) {
		return false;
	}
	for (size_t i = 0; i < a->n; i++) {
		if (!is_same_step(&a->steps[i], &b->steps[i])) {
			return false;
		}
	}
	return true;
}

enum err room_fork_event(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct fork_state *state, struct str type, struct str state_key, const struct event **out)
{
	const struct state_step *step = find(state, type, state_key);
	struct stored_event *stored = NULL;
	if (step == NULL) {
		TRY(room_state_event(ctx, hs, room, type, state_key, POSITION_NOW, &stored));
	} else if (step->event_id.p != NULL) {
		TRY(room_event_at(ctx, hs, room, step->event_position, &stored));
	}
	*out = stored != NULL ? stored->event : NULL;
	return ERR_OK;
}

/* --- resolution --------------------------------------------------------------------------------------------- */

struct found_event {
	const struct event *event;
	int64_t position;
	bool is_rejected;
};

/* Where resolution finds events. What is not at hand is read with its whole auth chain. */
struct fork_source {
	struct ctx *ctx;
	struct homeserver *hs;
	struct room *room;
	struct map found; /* event id → struct found_event * */
	enum err
		err; /* of reading; what could not be read counts as unknown, and the result is thrown away */
};

static void put_found(struct fork_source *source, const struct event *event, int64_t position,
	bool is_rejected)
{
	struct found_event *found = ARENA_NEW(source->ctx->arena, struct found_event);
	*found = (struct found_event){event, position, is_rejected};
	(void)map_set(&source->found, event->event_id.s, found);
}

static enum err read_chain(struct fork_source *source, const struct str *ids, size_t count)
{
	struct event_row *rows;
	size_t n;
	int64_t redactions = room_redactions(source->room);
	TRY(store_auth_chain(source->ctx, source->hs->db, source->room->nid, ids, count, &rows, &n));
	for (size_t i = 0; i < n; i++) {
		if (map_get(&source->found, rows[i].event_id) == NULL) {
			const struct stored_event *stored =
				room_load_row(source->ctx, source->hs, source->room, &rows[i], redactions);
			put_found(source, stored->event, stored->position, stored->fate == ROW_REJECTED);
		}
	}
	return ERR_OK;
}

static const struct event *source_get(void *self, struct event_id id)
{
	struct fork_source *source = self;
	struct found_event *found = map_get(&source->found, id.s);
	bool may_be_stored = !str_has_nul(id.s);
	if (found == NULL && source->err == ERR_OK && may_be_stored) {
		source->err = read_chain(source, &id.s, 1);
		found = map_get(&source->found, id.s);
	}
	return found != NULL ? found->event : NULL;
}

static bool source_is_rejected(void *self, struct event_id id)
{
	const struct fork_source *source = self;
	const struct found_event *found = map_get(&source->found, id.s);
	return found != NULL && found->is_rejected;
}

/* All events that the states name, with their auth chains. */
static enum err read_named(struct fork_source *source, const struct fork_state *states,
	size_t count, const struct event *taken)
{
	VEC(struct str) ids = {0};
	struct arena *arena = source->ctx->arena;
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < states[i].n; k++) {
			const struct state_step *step = &states[i].steps[k];
			if (step->event_id.p != NULL && step->event_position != 0) {
				VEC_PUSH(arena, &ids, step->event_id);
			}
		}
	}
	for (size_t i = 0; taken != NULL && i < taken->auth_count; i++) {
		VEC_PUSH(arena, &ids, taken->auth_events[i].s);
	}
	return read_chain(source, ids.p, ids.n);
}

static void make_set(struct fork_source *source, const struct state_item *items, size_t item_count,
	const struct fork_state *state, struct state_map *out)
{
	state_map_init(out, source->ctx->arena);
	for (size_t i = 0; i < item_count; i++) {
		(void)state_map_put(out, items[i].event->event);
	}
	for (size_t i = 0; i < state->n; i++) {
		const struct state_step *step = &state->steps[i];
		const struct found_event *found =
			step->event_id.p != NULL ? map_get(&source->found, step->event_id) : NULL;
		if (found != NULL) {
			(void)state_map_put(out, found->event);
		} else {
			(void)state_map_remove(out, step->type, step->state_key);
		}
	}
}

/* The resolved state as a difference from the current one. */
static struct fork_state difference_of(struct fork_source *source, const struct state_item *items,
	size_t item_count, const struct state_map *resolved)
{
	struct arena *arena = source->ctx->arena;
	struct step_vec steps = {0};
	for (size_t i = 0; i < item_count; i++) {
		if (state_map_get(resolved, items[i].type, items[i].state_key) == NULL) {
			const struct state_step absent = {
				.type = items[i].type,
				.state_key = items[i].state_key,
			};
			VEC_PUSH(arena, &steps, absent);
		}
	}
	size_t at = 0;
	const struct event *event;
	while ((event = state_map_next(resolved, &at)) != NULL) {
		const struct found_event *found = map_get(&source->found, event->event_id.s);
		invariant(found != NULL);
		const struct state_step step = step_of(event, found->position);
		VEC_PUSH(arena, &steps, step);
	}
	return normalise(arena, source->room, steps.p, steps.n);
}

static enum err resolve(struct fork_source *source, const struct fork_state *states, size_t count,
	const struct event *taken, struct fork_state *out)
{
	struct ctx *ctx = source->ctx;
	const struct state_query all = {0};
	struct state_item *items;
	size_t item_count;
	TRY(room_state_list(ctx, source->hs, source->room, POSITION_NOW, &all, &items, &item_count));
	for (size_t i = 0; i < item_count; i++) {
		put_found(source, items[i].event->event, items[i].event_position, false);
	}
	if (taken != NULL) {
		put_found(source, taken, 0, false);
	}
	TRY(read_named(source, states, count, taken));
	struct state_map *sets = ARENA_NEW_ARRAY(ctx->arena, struct state_map, count);
	for (size_t i = 0; i < count; i++) {
		make_set(source, items, item_count, &states[i], &sets[i]);
	}
	const struct event_source events = {source_get, source_is_rejected, source};
	struct state_map resolved;
	resolve_state(ctx->arena, source->room->version, sets, count, &events, &resolved);
	TRY(source->err);
	*out = difference_of(source, items, item_count, &resolved);
	return ERR_OK;
}

static size_t distinct(const struct fork_state *states, size_t count, struct fork_state *out)
{
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		bool is_known = false;
		for (size_t k = 0; k < n && !is_known; k++) {
			is_known = room_fork_equals(&out[k], &states[i]);
		}
		if (!is_known) {
			out[n++] = states[i];
		}
	}
	return n;
}

enum err room_fork_resolve(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct fork_state *states, size_t count, const struct event *taken,
	struct fork_state *out)
{
	struct fork_state *different = ARENA_NEW_ARRAY(ctx->arena, struct fork_state, count + 1);
	size_t n = distinct(states, count, different);
	if (n <= 1) {
		*out = n == 1 ? different[0] : (struct fork_state){0};
		return ERR_OK;
	}
	struct fork_source source = {.ctx = ctx, .hs = hs, .room = room};
	enum err err = resolve(&source, different, n, taken, out);
	map_fini(&source.found);
	return err;
}

/* --- what is stored ------------------------------------------------------------------------------------------- */

static void put_entry(struct arena *arena, const struct state_step *step, struct str event_id,
	struct json *out)
{
	struct json *items = ARENA_NEW_ARRAY(arena, struct json, 3);
	items[0] = json_string(step->type);
	items[1] = json_string(step->state_key);
	items[2] = event_id.p != NULL ? json_string(event_id) : (struct json){.type = JSON_NULL};
	*out = (struct json){.type = JSON_ARRAY, .count = 3, .items = items};
}

enum err room_fork_difference(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct fork_state *after, const struct fork_state *now, struct str *out)
{
	struct json *entries = ARENA_NEW_ARRAY(ctx->arena, struct json, after->n + now->n + 1);
	size_t n = 0;
	for (size_t i = 0; i < after->n; i++) {
		const struct state_step *other = find(now, after->steps[i].type, after->steps[i].state_key);
		if (other == NULL || !is_same_step(other, &after->steps[i])) {
			put_entry(ctx->arena, &after->steps[i], after->steps[i].event_id, &entries[n++]);
		}
	}
	for (size_t i = 0; i < now->n; i++) {
		const struct state_step *step = &now->steps[i];
		if (find(after, step->type, step->state_key) == NULL) {
			struct stored_event *current;
			TRY(room_state_event(ctx, hs, room, step->type, step->state_key, POSITION_NOW,
				&current));
			put_entry(ctx->arena, step,
				current != NULL ? current->event->event_id.s : str_from(NULL, 0), &entries[n++]);
		}
	}
	const struct json list = json_array_of(entries, n);
	*out = n > 0 ? canonical_text(ctx->arena, &list) : str_from(NULL, 0);
	return ERR_OK;
}
