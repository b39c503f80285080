/*
 * Devices that the server itself runs, on a real PostgreSQL: what is locked is changed by one at a time, what belongs together is there
 * together or not at all, and no index of a session is used by two events.
 */
#include "storage/own_device.h"

#include "base/lock.h"
#include "storage/to_device.h"
#include "tests/storage/world.h"

#include <string.h>

enum { CHANGERS = 6, CHANGES = 20, READERS = 8 };

/* A user of its own with an own device. */
static struct str user_of(struct world *world, const char *name)
{
	struct str user_id = str_printf(world->ctx.arena, "@%s:hs", name);
	world_add_account(world, user_id);
	world_add_device(world, user_id, STR("OWN"));
	assert_int_equal(
		IN_TX(world, store_own_device_insert(&world->ctx, tx, user_id, STR("OWN"), STR("0"))),
		ERR_OK);
	return user_id;
}

static struct own_device_row device_of(struct world *world, struct str user_id)
{
	struct own_device_row row;
	assert_int_equal(store_own_device_find(&world->ctx, world->db, user_id, &row), ERR_OK);
	return row;
}

/* --- the device --------------------------------------------------------------------------------------------------- */

static void own_device__one_for_a_user__the_first_stays(void **state)
{
	struct world *world = *state;
	struct own_device_row row;
	struct str *all;
	size_t count;
	assert_int_equal(store_own_device_find(&world->ctx, world->db, STR("@nobody:hs"), &row),
		ERR_MISSING);
	struct str ann = user_of(world, "ann");
	world_add_device(world, ann, STR("SECOND"));
	assert_int_equal(
		IN_TX(world, store_own_device_insert(&world->ctx, tx, ann, STR("SECOND"), STR("x"))),
		ERR_CONFLICT);
	assert_int_equal(store_own_cross_keys_insert(&world->ctx, world->db, ann, STR("seeds")),
		ERR_OK);
	assert_int_equal(store_own_cross_keys_insert(&world->ctx, world->db, ann, STR("others")),
		ERR_OK);
	row = device_of(world, ann);
	assert_true(str_equals(row.device_id, STR("OWN")) && str_equals(row.account, STR("0")));
	assert_true(str_equals(row.cross_keys, STR("seeds")));
	assert_int_equal(store_own_device_all(&world->ctx, world->db, &all, &count), ERR_OK);
	assert_true(count >= 1);
}

struct changer {
	struct db *db;
	struct str user_id;
};

/* Counts on what the account says, under its lock. */
static enum err count_on(struct ctx *ctx, const struct changer *changer)
{
	struct own_device_row row;
	int64_t before;
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, changer->db, &tx));
	TRY(store_own_device_lock(ctx, tx, changer->user_id, &row));
	assert_true(str_to_int(row.account, 0, INT64_MAX, &before));
	TRY(store_own_device_set_account(ctx, tx, changer->user_id,
		str_printf(ctx->arena, "%lld", (long long)before + 1)));
	return tx_commit(ctx, &tx);
}

static void *change(void *data)
{
	for (int i = 0; i < CHANGES; i++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		ctx_init(&ctx, arena);
		assert_int_equal(count_on(&ctx, data), ERR_OK);
	}
	return NULL;
}

static void own_device__changed_by_many_at_once__one_after_the_other(void **state)
{
	struct world *world = *state;
	pthread_t threads[CHANGERS];
	struct changer changer = {.db = world_connect(CHANGERS), .user_id = user_of(world, "many")};
	for (int i = 0; i < CHANGERS; i++) {
		threads[i] = thread_start("changer", change, &changer);
	}
	for (int i = 0; i < CHANGERS; i++) {
		(void)pthread_join(threads[i], NULL);
	}
	db_destroy(changer.db);
	int64_t counted;
	assert_true(str_to_int(device_of(world, changer.user_id).account, 0, INT64_MAX, &counted));
	assert_int_equal(counted, CHANGERS * CHANGES);
}

/* --- sessions ----------------------------------------------------------------------------------------------------- */

static struct own_session_row session(const char *peer_key, const char *id, int64_t used_at_ms)
{
	return (struct own_session_row){.peer_key = str_of(peer_key),
		.session_id = str_of(id),
		.peer_user = STR("@peer:hs"),
		.run = STR("run"),
		.used_at_ms = used_at_ms,
		.state = str_of(id)};
}

static void set_sessions(struct world *world, struct str user_id,
	const struct own_session_row *rows, size_t count)
{
	assert_int_equal(IN_TX(world, store_own_session_set(&world->ctx, tx, user_id, rows, count)),
		ERR_OK);
}

/* Ids of the sessions with one device, in order, with a space behind each. */
static struct str ids_with(struct world *world, struct str user_id, const char *peer_key)
{
	struct own_session_row *rows;
	size_t count;
	struct str ids = STR("");
	const struct str key = str_of(peer_key);
	assert_int_equal(
		store_own_session_list(&world->ctx, world->db, user_id, &key, 1, &rows, &count), ERR_OK);
	for (size_t i = 0; i < count; i++) {
		ids = str_printf(world->ctx.arena, "%.*s%.*s%s ", STR_ARG(ids), STR_ARG(rows[i].session_id),
			rows[i].run.n > 0 ? "" : "!");
	}
	return ids;
}

static void own_sessions__used_last_comes_first__and_stays_when_trimmed(void **state)
{
	struct world *world = *state;
	struct str user_id = user_of(world, "sessions");
	const struct own_session_row rows[] = {session("K1", "a", 10), session("K1", "b", 30),
		session("K1", "c", 20), session("K2", "d", 5)};
	set_sessions(world, user_id, rows, COUNT_OF(rows));
	assert_true(str_equals(ids_with(world, user_id, "K1"), STR("b c a ")));
	const struct own_session_row later[] = {session("K1", "a", 40), session("K1", "b", 0)};
	set_sessions(world, user_id, later, COUNT_OF(later)); /* without a time it is not used */
	assert_true(str_equals(ids_with(world, user_id, "K1"), STR("a b c ")));
	const struct own_session_limits two = {.of_device = 2, .of_user = 10};
	assert_int_equal(IN_TX(world, store_own_session_trim(&world->ctx, tx, user_id, rows, 1, &two)),
		ERR_OK);
	assert_true(str_equals(ids_with(world, user_id, "K1"), STR("a b ")));
	const struct own_session_limits user = {.of_device = 10, .of_user = 2};
	assert_int_equal(IN_TX(world, store_own_session_trim(&world->ctx, tx, user_id, rows, 1, &user)),
		ERR_OK);
	assert_true(str_equals(ids_with(world, user_id, "K1"), STR("a b ")));
	assert_int_equal(ids_with(world, user_id, "K2").n, 0);
}

static void own_sessions__same_millisecond_or_a_clock_set_back__used_last_comes_first(void **state)
{
	struct world *world = *state;
	struct str user_id = user_of(world, "set back");
	const struct own_session_row used[] = {session("K1", "b", 30), session("K1", "c", 30),
		session("K1", "a", 30), session("K1", "c", 30), session("K1", "b", 10)};
	const char *const newest_first[] = {"b ", "c b ", "a c b ", "c a b ", "b c a "};
	for (size_t i = 0; i < COUNT_OF(used); i++) {
		set_sessions(world, user_id, &used[i], 1);
		assert_true(str_equals(ids_with(world, user_id, "K1"), str_of(newest_first[i])));
	}
}

static void own_sessions__forgotten__of_that_owner_alone_and_read_still(void **state)
{
	struct world *world = *state;
	struct str user_id = user_of(world, "forget");
	const struct own_session_row rows[] = {session("K1", "a", 10)};
	set_sessions(world, user_id, rows, 1);
	assert_int_equal(
		IN_TX(world,
			store_own_session_forget(&world->ctx, tx, user_id, STR("K1"), STR("@other:hs"))),
		ERR_OK);
	assert_true(str_equals(ids_with(world, user_id, "K1"), STR("a ")));
	assert_int_equal(
		IN_TX(world,
			store_own_session_forget(&world->ctx, tx, user_id, STR("K1"), STR("@peer:hs"))),
		ERR_OK);
	assert_true(str_equals(ids_with(world, user_id, "K1"), STR("a! ")));
}

static void own_peers__told_once_until_there_is_a_session__renewed_now_and_then(void **state)
{
	struct world *world = *state;
	struct str user_id = user_of(world, "peers");
	const struct str keys[] = {STR("K1"), STR("K2")};
	struct str *told;
	size_t count;
	bool may;
	struct ctx *ctx = &world->ctx;
	assert_int_equal(store_own_peer_tell(ctx, world->db, user_id, keys, 1, &told, &count), ERR_OK);
	assert_int_equal(count, 1);
	assert_int_equal(store_own_peer_tell(ctx, world->db, user_id, keys, 2, &told, &count), ERR_OK);
	assert_true(count == 1 && str_equals(told[0], STR("K2")));
	const struct own_session_row row = session("K1", "a", 10);
	set_sessions(world, user_id, &row, 1);
	assert_int_equal(store_own_peer_tell(ctx, world->db, user_id, keys, 2, &told, &count), ERR_OK);
	assert_true(count == 1 && str_equals(told[0], STR("K1")));
	assert_int_equal(IN_TX(world, store_own_peer_renew(ctx, tx, user_id, STR("K3"), 100, 50, &may)),
		ERR_OK);
	assert_true(may);
	assert_int_equal(IN_TX(world, store_own_peer_renew(ctx, tx, user_id, STR("K3"), 120, 70, &may)),
		ERR_OK);
	assert_false(may);
	assert_int_equal(
		IN_TX(world, store_own_peer_renew(ctx, tx, user_id, STR("K3"), 170, 120, &may)), ERR_OK);
	assert_true(may);
}

/* --- what comes ---------------------------------------------------------------------------------------------------- */

static void send_to(struct world *world, struct str user_id, const char *message)
{
	struct writer *writer = writer_create(
		&(struct writer_config){.url = world_url, .queue_limit = 100, .group_limit = 10});
	struct write *write = write_new(&world->ctx);
	write_set_positions(write, 1);
	store_to_device_add(write, user_id, STR("OWN"), str_of(message));
	assert_int_equal(writer_commit(&world->ctx, writer, write, NULL), ERR_OK);
	writer_destroy(writer);
}

/* The user's messages that wait. */
static size_t waiting(struct world *world, struct str user_id, struct own_message_row *out)
{
	struct own_message_row *rows;
	size_t count;
	size_t n = 0;
	assert_int_equal(store_own_message_next(&world->ctx, world->db, INT64_MAX, 100, &rows, &count),
		ERR_OK);
	for (size_t i = 0; i < count; i++) {
		if (str_equals(rows[i].user_id, user_id)) {
			*out = n++ == 0 ? rows[i] : *out;
		}
	}
	return n;
}

/* A message, and the session that came of it. */
static enum err take_in(struct world *world, struct tx *tx, const struct own_message_row *message)
{
	struct own_device_row device;
	const struct own_session_row row = session("K1", "came", 10);
	TRY(store_own_device_lock(&world->ctx, tx, message->user_id, &device));
	TRY(store_own_session_set(&world->ctx, tx, message->user_id, &row, 1));
	TRY(store_own_device_set_account(&world->ctx, tx, message->user_id, STR("used")));
	return store_own_message_delete(&world->ctx, tx, message);
}

static void own_message__taken_in__all_of_it_or_nothing(void **state)
{
	struct world *world = *state;
	struct str user_id = user_of(world, "inbox");
	struct own_message_row message = {0};
	send_to(world, user_id, "first");
	send_to(world, user_id, "second");
	assert_int_equal(waiting(world, user_id, &message), 2);
	assert_true(str_equals(message.message, STR("first")));
	struct tx *broken = NULL;
	assert_int_equal(tx_begin(&world->ctx, world->db, &broken), ERR_OK);
	assert_int_equal(take_in(world, broken, &message), ERR_OK);
	world_kill_backends(); /* before the commit */
	tx_cleanup(&broken);
	db_destroy(world->db);
	world->db = world_connect(2);
	assert_int_equal(waiting(world, user_id, &message), 2);
	assert_int_equal(ids_with(world, user_id, "K1").n, 0);
	assert_true(str_equals(device_of(world, user_id).account, STR("0")));
	assert_int_equal(IN_TX(world, take_in(world, tx, &message)), ERR_OK);
	assert_int_equal(waiting(world, user_id, &message), 1);
	assert_true(str_equals(message.message, STR("second")));
	assert_true(str_equals(ids_with(world, user_id, "K1"), STR("came ")));
}

/* --- room keys ------------------------------------------------------------------------------------------------------ */

static void add_key(struct world *world, struct str user_id, const char *id, int64_t received_at_ms,
	int64_t kept)
{
	const struct own_room_key_row row = {.session_id = str_of(id),
		.room_id = STR("!room:hs"),
		.sender = STR("@lin:hs"),
		.sender_key = STR("curve"),
		.sender_ed25519 = STR("ed"),
		.received_at_ms = received_at_ms,
		.state = str_of(id)};
	assert_int_equal(IN_TX(world, store_own_room_key_set(&world->ctx, tx, user_id, &row, kept)),
		ERR_OK);
}

static enum err find_key(struct world *world, struct str user_id, const char *id,
	struct own_room_key_row *out)
{
	return store_own_room_key_find(&world->ctx, world->db, user_id, str_of(id), out);
}

static void own_room_keys__too_many_of_a_sender__the_newest_stay(void **state)
{
	struct world *world = *state;
	struct str user_id = user_of(world, "keys");
	struct own_room_key_row row;
	static const char *const ids[] = {"s0", "s1", "s2", "s3"};
	for (size_t i = 0; i < COUNT_OF(ids); i++) {
		add_key(world, user_id, ids[i], (int64_t)i, 2);
	}
	assert_int_equal(find_key(world, user_id, "s0", &row), ERR_MISSING);
	assert_int_equal(find_key(world, user_id, "s3", &row), ERR_OK);
	assert_true(str_equals(row.state, STR("s3")) && str_equals(row.room_id, STR("!room:hs")));
	assert_int_equal(find_key(world, user_id, "s1", &row), ERR_OK); /* besides the newest: two */
}

struct reader {
	struct db *db;
	struct str user_id;
	int number;
	struct arena *arena;
	struct str first; /* the event that has the index */
};

static void *read_message(void *data)
{
	struct reader *reader = data;
	struct ctx ctx;
	ctx_init(&ctx, reader->arena);
	assert_int_equal(store_own_room_message_add(&ctx, reader->db, reader->user_id, STR("s"), 7,
						 str_printf(reader->arena, "$%d", reader->number), &reader->first),
		ERR_OK);
	return NULL;
}

static void own_room_messages__same_index_by_many_events__one_has_it(void **state)
{
	struct world *world = *state;
	struct reader readers[READERS];
	pthread_t threads[READERS];
	struct str user_id = user_of(world, "index");
	struct str event_id;
	struct db *db = world_connect(READERS);
	add_key(world, user_id, "s", 1, 10);
	for (int i = 0; i < READERS; i++) {
		readers[i] =
			(struct reader){.db = db, .user_id = user_id, .number = i, .arena = arena_create()};
		threads[i] = thread_start("reader", read_message, &readers[i]);
	}
	for (int i = 0; i < READERS; i++) {
		(void)pthread_join(threads[i], NULL);
	}
	assert_int_equal(store_own_room_message_add(&world->ctx, world->db, user_id, STR("s"), 7,
						 STR("$late"), &event_id),
		ERR_OK);
	for (int i = 0; i < READERS; i++) {
		assert_true(str_equals(readers[i].first, event_id));
		arena_destroy(readers[i].arena);
	}
	db_destroy(db);
	assert_int_equal(store_own_room_message_add(&world->ctx, world->db, user_id, STR("gone"), 7,
						 STR("$x"), &event_id),
		ERR_MISSING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(own_device__one_for_a_user__the_first_stays),
		TEST(own_device__changed_by_many_at_once__one_after_the_other),
		TEST(own_sessions__used_last_comes_first__and_stays_when_trimmed),
		TEST(own_sessions__same_millisecond_or_a_clock_set_back__used_last_comes_first),
		TEST(own_sessions__forgotten__of_that_owner_alone_and_read_still),
		TEST(own_peers__told_once_until_there_is_a_session__renewed_now_and_then),
		TEST(own_message__taken_in__all_of_it_or_nothing),
		TEST(own_room_keys__too_many_of_a_sender__the_newest_stay),
		TEST(own_room_messages__same_index_by_many_events__one_has_it),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
