/*
 * What is read of a room, on a real PostgreSQL: members and lists of state, and what another process has rewritten.
 */
#include "tests/sim/bare_rooms.h"

/* Messages, so that what was before them is read by itself. */
enum { BEYOND_RECENT = 60 };

/* --- lists --------------------------------------------------------------------------------------------------------- */

static void room_state_list__chosen_members__each_once(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *room;
	assert_int_equal(make_room(&ctx, "11", NULL, &room), ERR_OK);
	assert_int_equal(join(&ctx, room, 1), ERR_OK);
	const struct str members[] = {STR("@u1:hs"), STR("@u1:hs"), STR("@nobody:hs")};
	struct state_query query = {.without_members = true,
		.only_members = true,
		.members = members,
		.member_count = COUNT_OF(members)};
	for (int i = 0; i < 2; i++) {
		struct state_item *items;
		size_t count;
		assert_int_equal(room_state_list(&ctx, &hs, room, POSITION_NOW, &query, &items, &count),
			ERR_OK);
		assert_int_equal(count, 1);
		assert_true(str_equals(items[0].state_key, STR("@u1:hs")));
		rooms_tidy(hs.rooms, INT64_MAX); /* once more, from the database */
	}
	int64_t horizon;
	struct room_viewer *viewer = room_viewer_create(&ctx, room, STR("@u1:hs"));
	assert_int_equal(room_viewer_horizon(&ctx, &hs, viewer, &horizon), ERR_OK);
	assert_int_equal(horizon, POSITION_NOW);
}

static void room_roster__a_member_changes__nothing_that_was_read_before_is_kept(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *room;
	struct str text;
	int64_t before;
	int64_t serial;
	assert_int_equal(make_room(&ctx, "11", NULL, &room), ERR_OK);
	room_roster_find(&ctx, room, &text, &before);
	assert_null(text.p);
	assert_int_equal(join(&ctx, room, 1), ERR_OK);
	room_roster_keep(room, before, STR("one"));
	room_roster_find(&ctx, room, &text, &serial);
	assert_null(text.p);
	room_roster_keep(room, serial, STR("two"));
	const struct room_intent message =
		message_intent(arena, 0, "{\"msgtype\":\"m.text\",\"body\":\"x\"}", 79000003);
	assert_int_equal(room_add(&ctx, &hs, room, &message, 1, NULL), ERR_OK);
	room_roster_find(&ctx, room, &text, &serial);
	assert_true(str_equals(text, STR("two")));
	/* Who has the text may go on with it. */
	assert_int_equal(join(&ctx, room, 2), ERR_OK);
	assert_true(str_equals(text, STR("two")));
	struct str after;
	room_roster_find(&ctx, room, &after, &before);
	assert_null(after.p);
	/* Put away and loaded anew: what was read before may be older than what was loaded. */
	rooms_tidy(hs.rooms, INT64_MAX);
	room_roster_keep(room, before, STR("three"));
	room_roster_find(&ctx, room, &after, &serial);
	assert_null(after.p);
	assert_int_not_equal(before, serial);
}

/* --- rewritten by another process ----------------------------------------------------------------------------------- */

static void read_member(struct room *room, struct arena *arena, const struct event **out)
{
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *loaded;
	struct stored_event *member;
	assert_int_equal(rooms_get_nid(&ctx, &hs, room_nid(room), &loaded), ERR_OK);
	assert_int_equal(room_state_event(&ctx, &hs, loaded, STR("m.room.member"), STR("@u0:hs"),
						 POSITION_NOW, &member),
		ERR_OK);
	*out = member->event;
}

/* Somebody who is woken by what another process told, and reads at once. */
static void on_told(void *self, struct room *room)
{
	(void)self;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct event *member;
	read_member(room, arena, &member);
	assert_true(str_contains(member->raw, STR("after")));
}

static void rooms_told__of_another_text__whoever_is_woken_reads_and_keeps_that(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *room;
	const struct event *member;
	const struct room_intent names = state_intent(arena, user_of(arena, 0), "m.room.member",
		user_of(arena, 0).s, "{\"membership\":\"join\",\"displayname\":\"before\"}");
	assert_int_equal(make_room(&ctx, "11", NULL, &room), ERR_OK);
	assert_int_equal(room_add(&ctx, &hs, room, &names, 1, NULL), ERR_OK);
	for (int i = 0; i < BEYOND_RECENT; i++) {
		const struct room_intent message =
			message_intent(arena, 0, "{\"msgtype\":\"m.text\",\"body\":\"x\"}", 79000004 + i);
		assert_int_equal(room_add(&ctx, &hs, room, &message, 1, NULL), ERR_OK);
	}
	rooms_tidy(hs.rooms, INT64_MAX);
	read_member(room, arena, &member);
	assert_true(str_contains(member->raw, STR("before")));
	assert_int_equal(
		ask_number(room_id_of(room).s,
			"UPDATE events e SET json = replace(json, 'before', 'after') FROM rooms r "
			"WHERE r.room_id = $1 AND e.room_nid = r.room_nid AND e.json LIKE '%before%' RETURNING 1"),
		1);
	const struct room_observer observer = {.room_committed = on_told};
	rooms_observe(hs.rooms, &observer);
	rooms_told(hs.rooms, room_nid(room), room_last_position(room), NEWS_REWRITTEN);
	read_member(room, arena, &member);
	assert_true(str_contains(member->raw, STR("after")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVER_TEST(room_state_list__chosen_members__each_once),
		SERVER_TEST(room_roster__a_member_changes__nothing_that_was_read_before_is_kept),
		SERVER_TEST(rooms_told__of_another_text__whoever_is_woken_reads_and_keeps_that),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
