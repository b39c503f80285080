/*
 * New rooms, and what is added to a room on a condition, on a real PostgreSQL: an alias that is free, a transaction id that was not there before, a
 * premise that still holds.
 */
#include "base/lock.h"
#include "storage/room.h"
#include "tests/sim/bare_rooms.h"

#include <stdatomic.h>

enum { CREATORS = 6, ROOMS_EACH = 90 };

/* --- new rooms ---------------------------------------------------------------------------------------------------- */

static int64_t frozen_ms(void *self)
{
	(void)self;
	return 1700000000000;
}

static void *create(void *data)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct room *room;
	for (int i = 0; i < ROOMS_EACH; i++) {
		ctx_init(&ctx, arena);
		if (make_room(&ctx, "12", NULL, &room) == ERR_OK) {
			atomic_fetch_add((atomic_int *)data, 1);
		}
		arena_reset(arena);
	}
	return NULL;
}

static void rooms_add_new__same_request_in_one_millisecond__a_room_each(void **state)
{
	(void)state;
	hs.clock.wall_ms = frozen_ms;
	atomic_int made = 0;
	pthread_t threads[CREATORS];
	for (int i = 0; i < CREATORS; i++) {
		threads[i] = thread_start("creator", create, &made);
	}
	for (int i = 0; i < CREATORS; i++) {
		(void)pthread_join(threads[i], NULL);
	}
	/* More than half of the milliseconds of a second. */
	assert_int_equal(atomic_load(&made), CREATORS * ROOMS_EACH);
}

static void rooms_add_new__alias_taken__no_room(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *room;
	assert_int_equal(make_room(&ctx, "11", "#one:hs", &room), ERR_OK);
	bool is_published;
	assert_int_equal(store_room_is_published(&ctx, hs.db, room_nid(room), &is_published), ERR_OK);
	assert_true(is_published);
	int64_t before = ask_number(STR(""), "SELECT count(*) FROM rooms WHERE $1 = ''");
	assert_int_equal(make_room(&ctx, "11", "#one:hs", &room), ERR_INPUT);
	assert_string_equal(ctx.fault.errcode, "M_ROOM_IN_USE");
	assert_int_equal(ask_number(STR(""), "SELECT count(*) FROM rooms WHERE $1 = ''"), before);
}

/* --- transaction ids ---------------------------------------------------------------------------------------------- */

static void room_add__transaction_again_after_restart__same_event(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *room;
	assert_int_equal(make_room(&ctx, "11", NULL, &room), ERR_OK);
	struct str room_id = str_dup(arena, room_id_of(room).s);
	const struct room_intent intent =
		message_intent(arena, 0, "{\"msgtype\":\"m.text\",\"body\":\"once\"}", 77000001);
	struct stored_event *event;
	assert_int_equal(room_add(&ctx, &hs, room, &intent, 1, &event), ERR_OK);
	struct str first = str_heap(event->event->event_id.s);
	assert_int_equal(redact(&ctx, room, 0, first), ERR_OK);
	struct str kept_id = str_heap(room_id);
	arena_reset(arena);
	bare_stop(&hs);
	start();
	assert_int_equal(rooms_get(&ctx, &hs, kept_id, &room), ERR_OK);
	const struct room_intent again =
		message_intent(arena, 0, "{\"msgtype\":\"m.text\",\"body\":\"other\"}", 77000001);
	assert_int_equal(room_add(&ctx, &hs, room, &again, 1, &event), ERR_OK);
	assert_true(str_equals(event->event->event_id.s, first));
	assert_true(str_equals(event->txn_device, STR("MY DEVICE")));
	assert_true(str_equals(event->txn_id, STR("t77000001")));
	str_free(first);
	str_free(kept_id);
}

static void room_add__transaction_of_another_redaction__not_mistaken(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *room;
	assert_int_equal(make_room(&ctx, "11", NULL, &room), ERR_OK);
	struct stored_event *redactions[2];
	for (int i = 0; i < 2; i++) {
		const struct room_intent message =
			message_intent(arena, 0, "{\"msgtype\":\"m.text\",\"body\":\"x\"}", 78000001 + i);
		struct stored_event *event;
		assert_int_equal(room_add(&ctx, &hs, room, &message, 1, &event), ERR_OK);
		struct room_intent intent = message_intent(arena, 0, "{}", 78000010 + i);
		intent.type = STR("m.room.redaction");
		intent.redacts = event->event->event_id.s;
		intent.txn_id = STR("same");
		assert_int_equal(room_add(&ctx, &hs, room, &intent, 1, &redactions[i]), ERR_OK);
	}
	assert_ptr_not_equal(redactions[0], redactions[1]);
}

/* --- premises ------------------------------------------------------------------------------------------------------ */

enum { LISTERS = 6, LISTED = 15 };

struct lister {
	struct str room_id;
	int number;
};

/* Adds a name to a list that others add to, too; only over what it has read. @return CONFLICT when it has changed since */
static enum err add_name(struct ctx *ctx, struct str room_id, const char *name)
{
	struct room *room;
	struct stored_event *base;
	struct str list = STR("");
	struct room_premise as_read = {.type = STR("org.example.list"), .state_key = STR("")};
	TRY(rooms_get(ctx, &hs, room_id, &room));
	TRY(room_state_event(ctx, &hs, room, as_read.type, as_read.state_key, POSITION_NOW, &base));
	if (base != NULL) {
		list = json_get_str(base->event->content, STR("names"));
		as_read.position = base->position;
	}
	struct room_intent intent = state_intent(ctx->arena, user_of(ctx->arena, 0), "org.example.list",
		STR(""), arena_printf(ctx->arena, "{\"names\":\"%.*s %s\"}", STR_ARG(list), name));
	intent.premise = &as_read;
	return room_add(ctx, &hs, room, &intent, 1, NULL);
}

static void *add_names(void *data)
{
	const struct lister *lister = data;
	for (int i = 0; i < LISTED; i++) {
		enum err err = ERR_CONFLICT;
		while (err == ERR_CONFLICT) {
			struct arena *arena CLEANUP(arena_cleanup) = arena_create();
			struct ctx ctx;
			ctx_init(&ctx, arena);
			err =
				add_name(&ctx, lister->room_id, arena_printf(arena, "<%d.%d>", lister->number, i));
			assert_true(err != ERR_CONFLICT || strcmp(ctx.fault.errcode, M_BAD_STATE) == 0);
		}
		assert_int_equal(err, ERR_OK);
	}
	return NULL;
}

static void room_add__premise__many_change_a_list_and_nothing_is_lost(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *room;
	struct lister listers[LISTERS];
	pthread_t threads[LISTERS];
	assert_int_equal(make_room(&ctx, "12", NULL, &room), ERR_OK);
	struct str room_id = str_dup(arena, room_id_of(room).s);
	for (int i = 0; i < LISTERS; i++) {
		listers[i] = (struct lister){.room_id = room_id, .number = i};
		threads[i] = thread_start("lister", add_names, &listers[i]);
	}
	for (int i = 0; i < LISTERS; i++) {
		(void)pthread_join(threads[i], NULL);
	}
	struct stored_event *last;
	assert_int_equal(
		room_state_event(&ctx, &hs, room, STR("org.example.list"), STR(""), POSITION_NOW, &last),
		ERR_OK);
	struct str names = json_get_str(last->event->content, STR("names"));
	for (int i = 0; i < LISTERS * LISTED; i++) {
		assert_true(str_contains(names, str_printf(arena, "<%d.%d>", i / LISTED, i % LISTED)));
	}
}

static void room_add__premise_that_is_gone__nothing_is_added(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct room *room;
	struct stored_event *event;
	assert_int_equal(make_room(&ctx, "11", NULL, &room), ERR_OK);
	const struct room_premise in_clear = {.type = STR("m.room.encryption"), .state_key = STR("")};
	struct room_intent intent =
		message_intent(arena, 0, "{\"msgtype\":\"m.text\",\"body\":\"x\"}", 79000001);
	intent.premise = &in_clear;
	assert_int_equal(room_add(&ctx, &hs, room, &intent, 1, &event), ERR_OK);
	const struct room_intent encrypts = state_intent(arena, user_of(arena, 0), "m.room.encryption",
		STR(""), "{\"algorithm\":\"m.megolm.v1.aes-sha2\"}");
	assert_int_equal(room_add(&ctx, &hs, room, &encrypts, 1, NULL), ERR_OK);
	/* What was said under the key stays said; anything else is refused. */
	struct stored_event *again;
	assert_int_equal(room_add(&ctx, &hs, room, &intent, 1, &again), ERR_OK);
	assert_true(str_equals(again->event->event_id.s, event->event->event_id.s));
	intent.txn_key = transaction_key(arena, 79000002);
	intent.txn_id = STR("other");
	int64_t last = room_last_position(room);
	assert_int_equal(room_add(&ctx, &hs, room, &intent, 1, &event), ERR_CONFLICT);
	assert_int_equal(room_last_position(room), last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVER_TEST(rooms_add_new__same_request_in_one_millisecond__a_room_each),
		SERVER_TEST(rooms_add_new__alias_taken__no_room),
		SERVER_TEST(room_add__transaction_again_after_restart__same_event),
		SERVER_TEST(room_add__transaction_of_another_redaction__not_mistaken),
		SERVER_TEST(room_add__premise__many_change_a_list_and_nothing_is_lost),
		SERVER_TEST(room_add__premise_that_is_gone__nothing_is_added),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
