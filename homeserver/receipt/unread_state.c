/*
 * Unread counts as differences of running counts.
 *
 * A mark is a position and the counts there. The position may be ahead of the events that were added: then the mark's counts
 * go along with those of each event that it covers.
 */
#include "homeserver/receipt/unread_state.h"

#include "base/mem.h"

enum { THREADS_PRUNED_AT = 256 };

/* --- parts ------------------------------------------------------------------------------------------- */

static void drop_mentions(struct unread_part *part)
{
	size_t kept = 0;
	for (size_t i = 0; i < part->mention_n; i++) {
		if (part->mentions[i].position > part->mark_position) {
			part->mentions[kept++] = part->mentions[i];
		}
	}
	part->mention_n = kept;
}

static void add_mention(struct unread_part *part, struct unread_mention mention)
{
	if (part->mention_n == part->mention_capacity) {
		part->mention_capacity = part->mention_capacity == 0 ? 4 : part->mention_capacity * 2;
		part->mentions =
			mem_realloc(part->mentions, part->mention_capacity * sizeof(struct unread_mention));
	}
	part->mentions[part->mention_n++] = mention;
}

static void part_init(struct unread_part *part, const struct unread_part_row *row)
{
	*part = (struct unread_part){
		.last_position = row->last_position,
		.mark_position = row->mark_position,
		.now_notify = row->now_notify,
		.now_highlight = row->now_highlight,
		.mark_notify = row->mark_notify,
		.mark_highlight = row->mark_highlight,
	};
}

static void part_destroy(struct unread_part *part)
{
	mem_free(part->mentions);
	mem_free(part);
}

static void mark_is_now(struct unread_part *part)
{
	part->mark_notify = part->now_notify;
	part->mark_highlight = part->now_highlight;
}

static int64_t highlights_of(const struct unread_part *part)
{
	int64_t count = MAX_OF(part->now_highlight - part->mark_highlight, 0);
	for (size_t i = 0; i < part->mention_n; i++) {
		count += part->mentions[i].is_highlight;
	}
	return count;
}

static int64_t notifications_of(const struct unread_part *part)
{
	int64_t count = MAX_OF(part->now_notify - part->mark_notify, 0);
	for (size_t i = 0; i < part->mention_n; i++) {
		count += !part->mentions[i].is_counted;
	}
	return count;
}

static struct unread_part *part_of(struct unread_state *state, struct str root)
{
	return root.p == NULL ? &state->main : map_get(&state->threads, root);
}

/* --- the state ---------------------------------------------------------------------------------------- */

void unread_state_init(struct unread_state *state, const struct unread_row *row)
{
	*state = (struct unread_state){
		.applied_position = row->room_position,
		.read_position = row->read_position,
	};
	part_init(&state->main, &row->main);
	for (size_t i = 0; i < row->thread_count; i++) {
		struct unread_part *part = mem_alloc(sizeof(*part));
		part_init(part, &row->threads[i]);
		(void)map_set(&state->threads, row->threads[i].root, part);
	}
	for (size_t i = row->mention_count; i > 0; i--) { /* they come newest first */
		const struct unread_mention_row *mention = &row->mentions[i - 1];
		struct unread_part *part = part_of(state, mention->root);
		if (part != NULL && mention->position > part->mark_position) {
			add_mention(part,
				(struct unread_mention){mention->position, mention->is_counted, true});
		}
	}
}

void unread_state_fini(struct unread_state *state)
{
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&state->threads, &i, &key, &value)) {
		part_destroy(value);
	}
	map_fini(&state->threads);
	mem_free(state->main.mentions);
	*state = (struct unread_state){0};
}

bool unread_state_needs_counts(const struct unread_state *state, const struct stored_event *event)
{
	return event->thread_root.p != NULL && event->position > state->applied_position &&
		map_get(&state->threads, event->thread_root) == NULL;
}

void unread_state_prune(struct unread_state *state)
{
	if (state->threads.n < THREADS_PRUNED_AT) {
		return;
	}
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&state->threads, &i, &key, &value)) {
		struct unread_part *part = value;
		if (notifications_of(part) == 0 && highlights_of(part) == 0 &&
			MAX_OF(part->mark_position, state->read_position) <= state->applied_position) {
			(void)map_remove(&state->threads, key);
			part_destroy(part);
		}
	}
}

void unread_state_add_thread(struct unread_state *state, struct str root, int64_t notify_seq,
	int64_t highlight_seq)
{
	struct unread_part *part = mem_alloc(sizeof(*part));
	*part = (struct unread_part){
		.mark_position = state->read_position,
		.now_notify = notify_seq,
		.now_highlight = highlight_seq,
		.mark_notify = notify_seq,
		.mark_highlight = highlight_seq,
	};
	(void)map_set(&state->threads, root, part);
}

void unread_state_add(struct unread_state *state, const struct stored_event *event, bool is_own,
	bool is_mentioned)
{
	if (event->position <= state->applied_position) {
		return;
	}
	struct unread_part *part = part_of(state, event->thread_root);
	invariant(part != NULL);
	bool is_counted = event->notify_seq > part->now_notify;
	bool highlights_for_all = event->highlight_seq > part->now_highlight;
	part->now_notify = event->notify_seq;
	part->now_highlight = event->highlight_seq;
	part->last_position = event->position;
	state->applied_position = event->position;
	if (is_own) {
		part->mark_position = MAX_OF(part->mark_position, event->position);
	}
	if (event->position <= MAX_OF(part->mark_position, state->read_position)) {
		mark_is_now(part);
		drop_mentions(part);
	} else if (is_mentioned && !highlights_for_all) {
		add_mention(part, (struct unread_mention){event->position, is_counted, true});
	}
}

/* --- judged ------------------------------------------------------------------------------------------- */

static void judge_part(struct unread_part *part)
{
	part->is_judged = true;
	part->now_notify = part->mark_notify = 0;
	part->now_highlight = part->mark_highlight = 0;
	part->mention_n = 0;
}

void unread_state_judge(struct unread_state *state)
{
	size_t i = 0;
	struct str root;
	void *part;
	state->is_judged = true;
	state->applied_position = state->read_position;
	judge_part(&state->main);
	while (map_next(&state->threads, &i, &root, &part)) {
		judge_part(part);
	}
}

void unread_state_add_judged(struct unread_state *state, const struct stored_event *event,
	bool is_own, bool notifies, bool is_highlight)
{
	if (event->position <= state->applied_position) {
		return;
	}
	if (unread_state_needs_counts(state, event)) {
		unread_state_add_thread(state, event->thread_root, 0, 0);
	}
	struct unread_part *part = part_of(state, event->thread_root);
	part->is_judged = true;
	part->last_position = event->position;
	state->applied_position = event->position;
	if (is_own) {
		part->mark_position = MAX_OF(part->mark_position, event->position);
	}
	if (event->position <= MAX_OF(part->mark_position, state->read_position)) {
		drop_mentions(part);
	} else if (notifies) {
		add_mention(part, (struct unread_mention){event->position, false, is_highlight});
	}
}

/* --- reading ------------------------------------------------------------------------------------------ */

static bool read_part(struct unread_part *part, const struct stored_event *event, bool is_its)
{
	if (event->position <= part->mark_position) {
		return true;
	}
	if (part->is_judged || part->last_position <= event->position) {
		mark_is_now(part);
	} else if (is_its) {
		part->mark_notify = event->notify_seq;
		part->mark_highlight = event->highlight_seq;
	} else {
		return false;
	}
	part->mark_position = event->position;
	drop_mentions(part);
	return true;
}

bool unread_state_read(struct unread_state *state, const struct stored_event *event,
	struct str thread_id)
{
	bool is_main = event->thread_root.p == NULL;
	if (thread_id.p != NULL && str_equals(thread_id, STR("main"))) {
		return read_part(&state->main, event, is_main);
	}
	if (thread_id.p != NULL) {
		struct unread_part *part = map_get(&state->threads, thread_id);
		if (part == NULL) {
			/* Nothing unread is known of it; but events on their way would have to know the mark. */
			return event->position <= state->applied_position;
		}
		return read_part(part, event, str_equals(event->thread_root, thread_id));
	}
	state->read_position = MAX_OF(state->read_position, event->position);
	bool known = read_part(&state->main, event, is_main);
	size_t i = 0;
	struct str root;
	void *value;
	while (known && map_next(&state->threads, &i, &root, &value)) {
		known = read_part(value, event, str_equals(event->thread_root, root));
	}
	return known;
}

void unread_state_result(const struct unread_state *state, struct arena *arena,
	struct unread_result *out)
{
	*out = (struct unread_result){
		.notification_count = notifications_of(&state->main),
		.highlight_count = highlights_of(&state->main),
		.threads = ARENA_NEW_ARRAY(arena, struct unread_thread, state->threads.n),
	};
	size_t i = 0;
	struct str root;
	void *value;
	while (map_next(&state->threads, &i, &root, &value)) {
		struct unread_thread thread = {
			.notification_count = notifications_of(value),
			.highlight_count = highlights_of(value),
		};
		if (thread.notification_count > 0 || thread.highlight_count > 0) {
			thread.root = str_dup(arena, root);
			out->threads[out->thread_count++] = thread;
		}
	}
}
