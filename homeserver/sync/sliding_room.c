/*
 * One room as a client is told of it: what is new of timeline and state since it was told last, or the newest of it to who knows nothing yet.
 */
#include "base/vec.h"
#include "homeserver/sync/sliding_inner.h"
#include "storage/state.h"

#include <stdlib.h>

enum { BUMPS_LOOKED_AT = 16 };

static bool is_member_event(const struct state_item *item)
{
	return str_equals(item->type, STR("m.room.member"));
}

/* --- which span ---------------------------------------------------------------------------------------- */

static enum err was_joined(struct sliding_run *run, struct room *room, int64_t position, bool *out)
{
	return sync_was_joined(run->ctx, run->hs, room, run->who->user.s, position, out);
}

/* Who came into the room since it was told, or heard of its members only now, is told all of it anew. */
static enum err plan_joined(struct sliding_run *run, const struct sliding_place *place,
	struct sliding_part *part)
{
	bool stayed = true;
	part->after = place->told;
	if (place->told != SLIDING_NEVER && place->entry.position > place->told) {
		TRY(was_joined(run, part->room, place->told, &stayed));
	}
	int64_t whole_at = room_whole_at(part->room);
	bool has_become_whole = whole_at > part->after && whole_at <= run->end.up_to;
	part->is_initial = place->told == SLIDING_NEVER || !stayed || has_become_whole;
	part->up_to = run->end.up_to;
	return ERR_OK;
}

/* Who was kicked and then banned sees nothing of what lies between. */
enum err sliding_left_at(struct sliding_run *run, const struct sliding_place *place,
	bool *out_was_never_joined, int64_t *out)
{
	struct state_row last_join;
	int64_t left_at = place->entry.position;
	enum err err = store_state_last_join(run->ctx, run->hs->db, room_nid(place->entry.room),
		run->who->user.s, left_at, &last_join);
	*out_was_never_joined = err == ERR_MISSING;
	if (!*out_was_never_joined) {
		TRY(err);
		left_at = MIN_OF(left_at, last_join.to_position);
	}
	*out = left_at;
	return ERR_OK;
}

/*
 * The room is told as it was when the user was in it last, and the own membership as it is. Of a room that was never joined (a refused invite) nothing is told but the own membership.
 */
static enum err plan_left(struct sliding_run *run, const struct sliding_place *place,
	struct sliding_part *part)
{
	TRY(sliding_left_at(run, place, &part->was_never_joined, &part->up_to));
	part->is_left = true;
	part->after = MIN_OF(place->told, part->up_to);
	part->is_initial = place->told == SLIDING_NEVER;
	return ERR_OK;
}

/* --- timeline -------------------------------------------------------------------------------------------- */

static void count_live(const struct sliding_run *run, struct sliding_part *part)
{
	if (!run->request->has_pos) {
		return;
	}
	for (size_t i = part->timeline.n; i > 0; i--) {
		if (part->timeline.p[i - 1]->position <= run->since) {
			return;
		}
		part->live_n++;
	}
}

/* A client that wants more events than it did last is given them with the first news, also those that it may have. */
static bool is_expanded(const struct sliding_place *place, const struct sliding_part *part)
{
	return !part->is_initial && place->had != NULL &&
		place->had->timeline_limit < place->config->timeline_limit;
}

static enum err load_timeline(struct sliding_run *run, const struct sliding_place *place,
	struct sliding_part *part)
{
	size_t limit = (size_t)place->config->timeline_limit;
	part->start = part->up_to;
	part->is_expanded = is_expanded(place, part);
	part->has_timeline = limit > 0 && !part->was_never_joined;
	if (!part->has_timeline) {
		return ERR_OK;
	}
	bool is_from_newest = part->is_initial || part->is_expanded;
	const struct page_query query = {
		.viewer = part->viewer,
		.user_id = run->who->user.s,
		.ignored = run->ignored.count > 0 ? &run->ignored : NULL,
		.after = is_from_newest ? ROOM_OUTLIERS : part->after,
		.up_to = part->up_to,
		.is_backwards = true,
		.limit = limit + 1,
		.scan_limit = SYNC_SCAN_LIMIT,
		.shows_own_changes = part->is_left,
	};
	struct page page;
	TRY(page_fill(run->ctx, run->hs, part->room, &query, &page));
	size_t n = MIN_OF(page.n, limit);
	part->is_limited = page.n > limit || !page.is_end;
	part->start = page.n > limit ? page.events[n - 1]->position - 1 : page.reached;
	for (size_t i = n; i > 0; i--) {
		VEC_PUSH(run->ctx->arena, &part->timeline, page.events[i - 1]);
	}
	part->is_expanded = part->is_expanded && n > 0 && part->timeline.p[0]->position <= part->after;
	count_live(run, part);
	return ERR_OK;
}

/* --- state ------------------------------------------------------------------------------------------------ */

static void put_state(struct sliding_run *run, struct sliding_part *part,
	struct stored_event *event)
{
	VEC_PUSH(run->ctx->arena, &part->state, event);
}

static int by_position(const void *a, const void *b)
{
	struct stored_event *const *x = a;
	struct stored_event *const *y = b;
	return ((*x)->position > (*y)->position) - ((*x)->position < (*y)->position);
}

/* An event that is told for several reasons is told once. */
static void tell_once(struct sliding_part *part)
{
	size_t n = 0;
	if (part->state.n > 1) {
		qsort(part->state.p, part->state.n, sizeof(struct stored_event *), by_position);
	}
	for (size_t i = 0; i < part->state.n; i++) {
		if (n == 0 || part->state.p[n - 1]->position != part->state.p[i]->position) {
			part->state.p[n++] = part->state.p[i];
		}
	}
	part->state.n = n;
}

/* Of all of the state what is wanted, and was not before. */
static enum err add_wanted(struct sliding_run *run, const struct sliding_config *config,
	const struct sliding_config *before, struct sliding_part *part)
{
	struct state_item *items;
	size_t n;
	struct str *members = ARENA_NEW_ARRAY(run->ctx->arena, struct str, config->entry_n);
	struct state_query query = {
		.without_members = !sliding_config_wants_members(config),
		.members = members,
	};
	for (size_t i = 0; i < config->entry_n; i++) {
		if (!str_equals(config->entries[i].state_key, STR("*"))) {
			members[query.member_count++] = config->entries[i].state_key;
		}
	}
	TRY(room_state_list(run->ctx, run->hs, part->room, part->up_to, &query, &items, &n));
	for (size_t i = 0; i < n; i++) {
		bool is_new =
			before == NULL || !sliding_config_wants(before, items[i].type, items[i].state_key);
		if (is_new && items[i].event != NULL &&
			sliding_config_wants(config, items[i].type, items[i].state_key)) {
			put_state(run, part, items[i].event);
		}
	}
	return ERR_OK;
}

/* Members change without a gap being told: then who loads lazily is told all of them, and may keep a list. */
static void add_changes(struct sliding_run *run, const struct sliding_config *config,
	const struct state_item *changes, size_t count, struct sliding_part *part)
{
	for (size_t i = 0; i < count; i++) {
		bool is_lazy = config->loads_lazily && is_member_event(&changes[i]) && !part->is_limited;
		if (changes[i].event != NULL &&
			(is_lazy || sliding_config_wants(config, changes[i].type, changes[i].state_key))) {
			put_state(run, part, changes[i].event);
		}
	}
}

static struct member_reader reader_of(struct sliding_run *run)
{
	return (struct member_reader){run->hs, run->who->user.s, run->loop, run->since,
		&run->request->known_member};
}

static enum err find_member(struct sliding_run *run, const struct sliding_part *part,
	struct str user_id, struct stored_event **out)
{
	return room_state_event(run->ctx, run->hs, part->room, STR("m.room.member"), user_id,
		part->up_to, out);
}

static enum err add_member(struct sliding_run *run, struct sliding_part *part, struct str user_id)
{
	const struct member_reader reader = reader_of(run);
	struct stored_event *member;
	TRY(find_member(run, part, user_id, &member));
	bool is_told =
		member != NULL && !part->is_initial && member_reader_has(&reader, run->ctx->arena, member);
	if (member != NULL && !is_told) {
		put_state(run, part, member);
	}
	return ERR_OK;
}

/* Of who is not in the room any more, as it is now and also where it was told before: clients take a room for joined of which they are told without it. */
static enum err set_own(struct sliding_run *run, const struct sliding_place *place,
	struct sliding_part *part)
{
	struct str user_id = run->who->user.s;
	struct stored_event *member;
	size_t n = 0;
	TRY(room_state_event(run->ctx, run->hs, part->room, STR("m.room.member"), user_id,
		place->entry.position, &member));
	for (size_t i = 0; i < part->state.n; i++) {
		const struct event *event = part->state.p[i]->event;
		bool is_own =
			str_equals(event->type, STR("m.room.member")) && str_equals(event->state_key, user_id);
		if (!is_own) {
			part->state.p[n++] = part->state.p[i];
		}
	}
	part->state.n = n;
	if (member != NULL) {
		put_state(run, part, member);
	}
	return ERR_OK;
}

/* Those by whom the timeline's events are, and whom they are about. */
static enum err add_members(struct sliding_run *run, struct sliding_part *part)
{
	for (size_t i = 0; i < part->timeline.n; i++) {
		const struct event *event = part->timeline.p[i]->event;
		TRY(add_member(run, part, event->sender.s));
		if (event->is_state && str_equals(event->type, STR("m.room.member"))) {
			TRY(add_member(run, part, event->state_key));
		}
	}
	return ERR_OK;
}

static bool wants_more_state(const struct sliding_config *before,
	const struct sliding_config *config)
{
	for (size_t i = 0; i < config->entry_n; i++) {
		if (!sliding_config_wants(before, config->entries[i].type, config->entries[i].state_key)) {
			return true;
		}
	}
	return false;
}

static enum err load_state(struct sliding_run *run, const struct sliding_place *place,
	const struct state_item *changes, size_t count, struct sliding_part *part)
{
	const struct sliding_config *config = place->config;
	if (part->was_never_joined) {
		return set_own(run, place, part);
	}
	if (part->is_initial) {
		TRY(add_wanted(run, config, NULL, part));
	} else {
		add_changes(run, config, changes, count, part);
		if (place->had != NULL && wants_more_state(place->had, config)) {
			TRY(add_wanted(run, config, place->had, part));
		}
	}
	if (config->loads_lazily) {
		TRY(add_members(run, part));
	}
	if (part->is_left) {
		TRY(set_own(run, place, part));
	}
	tell_once(part);
	return ERR_OK;
}

/* --- what it is called ------------------------------------------------------------------------------------- */

static enum err state_text(struct sliding_run *run, const struct sliding_part *part,
	struct str type, struct str field, struct str *out)
{
	struct stored_event *event;
	TRY(room_state_event(run->ctx, run->hs, part->room, type, STR(""), part->up_to, &event));
	struct str text =
		event != NULL ? json_get_str(event->event->content, field) : str_from(NULL, 0);
	*out = text.n > 0 ? text : str_from(NULL, 0);
	return ERR_OK;
}

static enum err load_heroes(struct sliding_run *run, struct sliding_part *part)
{
	TRY(room_heroes(run->ctx, run->hs, part->room, run->who->user.s, &part->heroes, &part->hero_n));
	part->hero_members = ARENA_NEW_ARRAY(run->ctx->arena, struct stored_event *, part->hero_n);
	for (size_t i = 0; i < part->hero_n; i++) {
		TRY(room_state_event(run->ctx, run->hs, part->room, STR("m.room.member"), part->heroes[i],
			part->up_to, &part->hero_members[i]));
	}
	return ERR_OK;
}

/* Name, avatar, size and heroes, where they may have changed. */
static enum err load_summary(struct sliding_run *run, const struct state_item *changes,
	size_t count, struct sliding_part *part)
{
	part->tells_name = part->tells_avatar = part->tells_members = part->is_initial;
	for (size_t i = 0; i < count; i++) {
		bool is_common = changes[i].state_key.n == 0;
		part->tells_name =
			part->tells_name || (is_common && str_equals(changes[i].type, STR("m.room.name")));
		part->tells_avatar =
			part->tells_avatar || (is_common && str_equals(changes[i].type, STR("m.room.avatar")));
		part->tells_members = part->tells_members || is_member_event(&changes[i]);
	}
	TRY(state_text(run, part, STR("m.room.name"), STR("name"), &part->name));
	if (part->tells_avatar) {
		TRY(state_text(run, part, STR("m.room.avatar"), STR("url"), &part->avatar));
	}
	/* Whoever is not in it any more is not told who came later. */
	part->tells_members = part->tells_members && !part->is_left;
	if (part->tells_members) {
		part->counts = room_member_counts(part->room);
	}
	bool has_heroes = (part->tells_members || part->tells_name) && !part->is_left;
	return has_heroes && part->name.p == NULL ? load_heroes(run, part) : ERR_OK;
}

/* --- activity ---------------------------------------------------------------------------------------------- */

/* What happened, by which clients sort rooms. */
static const struct str bump_types[] = {
	STR_INIT("m.room.create"),
	STR_INIT("m.room.message"),
	STR_INIT("m.room.encrypted"),
	STR_INIT("m.sticker"),
	STR_INIT("m.call.invite"),
	STR_INIT("m.poll.start"),
	STR_INIT("org.matrix.msc3381.poll.start"),
	STR_INIT("m.beacon_info"),
	STR_INIT("org.matrix.msc3672.beacon_info"),
};

static bool is_bump(const struct event *event)
{
	for (size_t i = 0; i < COUNT_OF(bump_types); i++) {
		if (str_equals(event->type, bump_types[i])) {
			return true;
		}
	}
	return false;
}

/*
 * The newest event that bumps; mostly one of the newest of all, which are in memory. Among many that do not it is not looked for on end: then the oldest that was looked at counts, which is the
 * same each time. @param out  0: there is none
 */
static enum err find_bump(struct sliding_run *run, const struct sliding_part *part,
	bool *out_is_found, int64_t *out)
{
	const struct event_span span = {
		.room_nid = room_nid(part->room),
		.after = part->is_initial ? ROOM_OUTLIERS : part->after,
		.up_to = part->up_to,
		.limit = SYNC_SCAN_LIMIT,
	};
	struct timeline newest;
	TRY(room_timeline(run->ctx, run->hs, part->room, span.after, span.up_to, true, BUMPS_LOOKED_AT,
		&newest));
	*out = 0;
	*out_is_found = false;
	for (size_t i = 0; i < newest.n && !*out_is_found; i++) {
		*out_is_found = is_bump(newest.events[i]->event);
		*out = newest.events[i]->position;
	}
	if (*out_is_found || !newest.has_more) {
		return ERR_OK;
	}
	enum err err = store_event_newest_of(run->ctx, run->hs->db, &span, bump_types,
		COUNT_OF(bump_types), out_is_found, out);
	return err == ERR_MISSING ? ERR_OK : err;
}

static enum err load_bump(struct sliding_run *run, const struct sliding_place *place,
	struct sliding_part *part)
{
	int64_t position;
	bool is_found;
	TRY(find_bump(run, part, &is_found, &position));
	if (position != 0 && (is_found || part->is_initial)) {
		/* History that was fetched from others is older than all that happened here, where the own membership came first. */
		part->bump_stamp = position > 0 ? position : place->entry.position;
	}
	return ERR_OK;
}

/* --- the whole --------------------------------------------------------------------------------------------- */

static enum err prepare_views(struct sliding_run *run, struct sliding_part *part)
{
	part->timeline_view = (struct event_view){
		.user_id = run->who->user.s,
		.device_id = run->who->device_id,
		.viewer = part->viewer,
		.ignored = run->ignored.count > 0 ? &run->ignored : NULL,
		.up_to = part->up_to,
		.is_whole = true,
	};
	part->state_view = part->timeline_view;
	part->state_view.is_state = true;
	part->state_view.viewer = NULL;
	TRY(event_view_prepare(run->ctx, run->hs, part->room, &part->timeline_view, part->timeline.p,
		part->timeline.n, &part->timeline_batch));
	return event_view_prepare(run->ctx, run->hs, part->room, &part->state_view, part->state.p,
		part->state.n, &part->state_batch);
}

const struct sliding_growth *sliding_place_growth(struct sliding_run *run,
	const struct sliding_place *place)
{
	const struct sliding_config *before = place->had;
	const struct sliding_config *config = place->config;
	if (run->grown.before != before || run->grown.config != config) {
		run->grown = (struct sliding_growth){.before = before, .config = config};
		run->grown.is_more = before != NULL &&
			(config->timeline_limit > before->timeline_limit || wants_more_state(before, config));
		run->grown.is_same = before != NULL && sliding_config_compare(before, config) == 0;
	}
	return &run->grown;
}

static enum err load_inside(struct sliding_run *run, const struct sliding_place *place,
	struct sliding_part *part)
{
	struct state_item *changes = NULL;
	size_t change_n = 0;
	TRY(rooms_load(run->ctx, run->hs, part->room));
	TRY(sync_is_member(&place->entry) ? plan_joined(run, place, part)
									  : plan_left(run, place, part));
	if (part->is_initial || sliding_place_growth(run, place)->is_more) {
		TRY(ctx_may_wait(run->ctx)); /* a large room would keep other connections waiting */
	}
	part->viewer = room_viewer_create(run->ctx, part->room, run->who->user.s);
	TRY(load_timeline(run, place, part));
	if (!part->is_initial) {
		TRY(room_state_changes(run->ctx, run->hs, part->room, part->after, part->up_to, &changes,
			&change_n));
	}
	TRY(load_state(run, place, changes, change_n, part));
	if (!part->was_never_joined) {
		TRY(load_summary(run, changes, change_n, part));
	}
	if (part->is_left) {
		part->bump_stamp = place->entry.position;
	} else {
		TRY(load_bump(run, place, part));
		TRY(unread_counts(run->ctx, run->hs, part->room, run->user, part->up_to, &part->unread));
	}
	return prepare_views(run, part);
}

static bool is_empty(const struct sliding_part *part)
{
	return !part->is_outside && !part->is_initial && !part->tells_direct && part->timeline.n == 0 &&
		!part->is_limited && part->state.n == 0 && !part->tells_name && !part->tells_avatar &&
		!part->tells_members;
}

/* Whether anything can be new of it. From memory. */
static bool is_stirred(struct sliding_run *run, const struct sliding_place *place)
{
	return place->told == SLIDING_NEVER || sliding_place_has_news(run, place, place->told) ||
		sliding_place_growth(run, place)->is_more;
}

enum err sliding_room_load(struct sliding_run *run, struct sliding_place *place)
{
	if (!is_stirred(run, place)) {
		return ERR_OK;
	}
	struct sliding_part *part = ARENA_NEW(run->ctx->arena, struct sliding_part);
	part->room = place->entry.room;
	part->is_outside = sync_is_outside(&place->entry);
	part->is_direct = sliding_is_direct(run, room_id_of(part->room).s);
	if (part->is_outside) {
		part->tells_direct = part->is_direct;
		part->is_initial = true;
		part->bump_stamp = place->entry.position;
		bool is_new = place->told == SLIDING_NEVER || place->entry.position > place->told;
		place->part = is_new ? part : NULL;
		return ERR_OK;
	}
	TRY(load_inside(run, place, part));
	part->tells_direct = part->is_initial ? part->is_direct : sliding_direct_at(run) > place->told;
	place->part = is_empty(part) ? NULL : part;
	return ERR_OK;
}

void sliding_room_remember(struct sliding_run *run, const struct sliding_part *part)
{
	const struct member_reader reader = reader_of(run);
	member_reader_remember(&reader, run->ctx->arena, &part->state, run->end.up_to);
}
