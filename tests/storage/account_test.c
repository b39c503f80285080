/*
 * Accounts, devices, tokens, stages of authentication and registration tokens on a real PostgreSQL.
 */
#include "storage/account.h"

#include "storage/device.h"
#include "storage/registration_token.h"
#include "storage/threepid.h"
#include "storage/token.h"
#include "storage/uia.h"
#include "tests/storage/world.h"

#include <libpq-fe.h>
#include <string.h>

static void add_pair(struct world *world, struct str user_id, struct str device_id,
	const char *access, const char *refresh, bool is_confirmed)
{
	struct token_pair pair = {
		.user_id = user_id,
		.device_id = device_id,
		.token_hash = str_of(access),
		.refresh_hash = refresh != NULL ? str_of(refresh) : (struct str){0},
		.is_confirmed = is_confirmed,
		.now_ms = 5,
	};
	assert_int_equal(IN_TX(world, store_token_insert(&world->ctx, tx, &pair)), ERR_OK);
}

static enum err find_token(struct world *world, const char *access)
{
	struct token_row row;
	return store_token_find(&world->ctx, world->db, str_of(access), &(struct terms_versions){0},
		&row);
}

static enum err find_refresh(struct world *world, const char *refresh)
{
	struct refresh_row row;
	return IN_TX(world, store_refresh_lock(&world->ctx, tx, str_of(refresh), &row));
}

/* --- accounts -------------------------------------------------------------------------------------- */

static void account__inserted__found_and_name_taken(void **state)
{
	struct world *world = *state;
	struct account_row row = {.user_id = STR("@ann:hs1"),
		.password_hash = STR("phc"),
		.is_admin = true,
		.created_at_ms = 42};
	assert_int_equal(IN_TX(world, store_account_insert(&world->ctx, tx, &row)), ERR_OK);
	struct account_row found;
	assert_int_equal(store_account_find(&world->ctx, world->db, row.user_id, &found), ERR_OK);
	assert_true(str_equals(found.password_hash, STR("phc")));
	assert_int_equal(found.state, ACCOUNT_ACTIVE);
	assert_true(found.is_admin);
	assert_false(found.is_guest);
	assert_int_equal(found.created_at_ms, 42);
	assert_int_equal(IN_TX(world, store_account_insert(&world->ctx, tx, &row)), ERR_CONFLICT);
	assert_int_equal(store_account_find(&world->ctx, world->db, STR("@no:hs1"), &found),
		ERR_MISSING);
}

static bool is_among_erased(struct world *world, struct str id)
{
	struct erased_row *rows;
	size_t count;
	assert_int_equal(store_account_erased(&world->ctx, world->db, &rows, &count), ERR_OK);
	for (size_t i = 0; i < count; i++) {
		if (str_equals(rows[i].user_id, id)) {
			return true;
		}
	}
	return false;
}

static void account__deactivated__final(void **state)
{
	struct world *world = *state;
	struct str id = STR("@gone:hs1");
	world_add_account(world, id);
	assert_int_equal(IN_TX(world, store_account_set_admin(&world->ctx, tx, id, true)), ERR_OK);
	assert_int_equal(IN_TX(world, store_account_deactivate(&world->ctx, tx, id, true)), ERR_OK);
	struct account_row found;
	assert_int_equal(store_account_find(&world->ctx, world->db, id, &found), ERR_OK);
	assert_int_equal(found.state, ACCOUNT_DEACTIVATED);
	assert_null(found.password_hash.p);
	assert_false(found.is_admin);
	assert_true(found.is_erased);
	assert_int_equal(IN_TX(world, store_account_set_state(&world->ctx, tx, id, ACCOUNT_ACTIVE)),
		ERR_MISSING);
	assert_int_equal(IN_TX(world, store_account_set_password(&world->ctx, tx, id, STR("new"))),
		ERR_MISSING);
	assert_int_equal(IN_TX(world, store_account_set_admin(&world->ctx, tx, id, true)), ERR_MISSING);
	assert_int_equal(IN_TX(world, store_account_set_suspended(&world->ctx, tx, id, true)),
		ERR_MISSING);
	assert_int_equal(IN_TX(world, store_account_deactivate(&world->ctx, tx, id, false)), ERR_OK);
	assert_int_equal(store_account_find(&world->ctx, world->db, id, &found), ERR_OK);
	assert_true(found.is_erased);
	assert_true(is_among_erased(world, id));
}

static bool is_leaving(struct world *world, struct str id)
{
	struct str *ids;
	size_t count;
	assert_int_equal(store_account_leaving(&world->ctx, world->db, STR(""), 100, &ids, &count),
		ERR_OK);
	for (size_t i = 0; i < count; i++) {
		if (str_equals(ids[i], id)) {
			return true;
		}
	}
	return false;
}

static void accounts__leaving__one_after_the_other(void **state)
{
	struct world *world = *state;
	struct str *ids;
	size_t count;
	struct str names[] = {STR("@leaver-a:hs1"), STR("@leaver-b:hs1")};
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		world_add_account(world, names[i]);
		assert_int_equal(IN_TX(world, store_account_deactivate(&world->ctx, tx, names[i], false)),
			ERR_OK);
	}
	assert_int_equal(store_account_leaving(&world->ctx, world->db, names[0], 1, &ids, &count),
		ERR_OK);
	assert_int_equal(count, 1);
	assert_true(str_equals(ids[0], names[1]));
}

static void account__deactivated__leaving_until_left(void **state)
{
	struct world *world = *state;
	struct str id = STR("@leaver:hs1");
	world_add_account(world, id);
	assert_false(is_leaving(world, id));
	assert_int_equal(IN_TX(world, store_account_deactivate(&world->ctx, tx, id, false)), ERR_OK);
	assert_true(is_leaving(world, id));
	assert_int_equal(store_account_left(&world->ctx, world->db, id), ERR_OK);
	assert_false(is_leaving(world, id));
}

static void account__changed__as_set(void **state)
{
	struct world *world = *state;
	struct str id = STR("@changed:hs1");
	world_add_account(world, id);
	assert_int_equal(IN_TX(world, store_account_set_state(&world->ctx, tx, id, ACCOUNT_LOCKED)),
		ERR_OK);
	assert_int_equal(IN_TX(world, store_account_set_admin(&world->ctx, tx, id, true)), ERR_OK);
	assert_int_equal(IN_TX(world, store_account_set_password(&world->ctx, tx, id, STR("new"))),
		ERR_OK);
	struct account_row found;
	assert_int_equal(IN_TX(world, store_account_lock(&world->ctx, tx, id, &found)), ERR_OK);
	assert_int_equal(found.state, ACCOUNT_LOCKED);
	assert_true(found.is_admin);
	assert_true(str_equals(found.password_hash, STR("new")));
}

static void account_list__after_one__next_in_order(void **state)
{
	struct world *world = *state;
	world_add_account(world, STR("@list1:hs1"));
	world_add_account(world, STR("@list2:hs1"));
	world_add_account(world, STR("@list3:hs1"));
	struct account_row *rows;
	size_t count;
	assert_int_equal(
		store_account_list(&world->ctx, world->db, STR("@list1:hs1"), 1, &rows, &count), ERR_OK);
	assert_int_equal(count, 1);
	assert_true(str_equals(rows[0].user_id, STR("@list2:hs1")));
}

static void account_state__unknown_word__lets_nobody_in(void **state)
{
	(void)state;
	assert_int_equal(account_state_parse(STR("locked")), ACCOUNT_LOCKED);
	assert_int_equal(account_state_parse(STR("frozen")), ACCOUNT_DEACTIVATED);
}

static void session_epoch__moved__greater(void **state)
{
	struct world *world = *state;
	int64_t before;
	int64_t after;
	assert_int_equal(store_session_epoch(&world->ctx, world->db, &before), ERR_OK);
	assert_int_equal(IN_TX(world, store_session_epoch_next(&world->ctx, tx)), ERR_OK);
	assert_int_equal(store_session_epoch(&world->ctx, world->db, &after), ERR_OK);
	assert_int_equal(after, before + 1);
}

/* --- devices --------------------------------------------------------------------------------------- */

static void device__known_again__keeps_its_name(void **state)
{
	struct world *world = *state;
	struct str id = STR("@dev:hs1");
	world_add_account(world, id);
	world_add_device(world, id, STR("D1"));
	struct device_row again = {.device_id = STR("D1"),
		.display_name = STR("Other"),
		.last_seen_ms = 20,
		.last_seen_ip = STR("127.0.0.1")};
	assert_int_equal(IN_TX(world, store_device_upsert(&world->ctx, tx, id, &again)), ERR_OK);
	struct device_row found;
	assert_int_equal(store_device_find(&world->ctx, world->db, id, STR("D1"), &found), ERR_OK);
	assert_true(str_equals(found.display_name, STR("Phone")));
	assert_int_equal(found.last_seen_ms, 20);
	assert_true(str_equals(found.last_seen_ip, STR("127.0.0.1")));
}

static void device__renamed_and_seen__shown(void **state)
{
	struct world *world = *state;
	struct str id = STR("@ren:hs1");
	world_add_account(world, id);
	world_add_device(world, id, STR("D1"));
	assert_int_equal(store_device_rename(&world->ctx, world->db, id, STR("D1"), STR("Kitchen")),
		ERR_OK);
	assert_int_equal(store_device_rename(&world->ctx, world->db, id, STR("NO"), STR("x")),
		ERR_MISSING);
	struct str users[] = {id, id};
	struct str devices[] = {STR("D1"), STR("NO")};
	struct str ips[] = {STR("::1"), STR("::2")};
	int64_t at_ms[] = {99, 99};
	struct str agents[] = {STR("Bell/1"), STR("")};
	int64_t synced[] = {7, 7};
	struct device_seen seen = {users, devices, at_ms, ips, agents, synced, 2};
	assert_int_equal(store_device_seen(&world->ctx, world->db, &seen), ERR_OK);
	at_ms[0] = 50; /* older: does not count */
	seen.count = 1;
	assert_int_equal(store_device_seen(&world->ctx, world->db, &seen), ERR_OK);
	struct device_row *rows;
	size_t count;
	assert_int_equal(store_device_list(&world->ctx, world->db, id, &rows, &count), ERR_OK);
	assert_int_equal(count, 1);
	assert_true(str_equals(rows[0].display_name, STR("Kitchen")));
	assert_int_equal(rows[0].last_seen_ms, 99);
	assert_true(str_equals(rows[0].last_seen_ip, STR("::1")));
	assert_true(str_equals(rows[0].last_seen_user_agent, STR("Bell/1")));
}

static void assert_synced(struct world *world, const char *expected)
{
	PGconn *conn = PQconnectdb(str_cstr(world->ctx.arena, world_url));
	PGresult *result =
		PQexec(conn, "SELECT synced_position FROM devices WHERE user_id = '@far:hs1'");
	assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
	assert_string_equal(PQgetvalue(result, 0, 0), expected);
	PQclear(result);
	PQfinish(conn);
}

/* Each process writes what it saw: one the later request, another the sync that got further. */
static void device__seen_by_two_processes__the_newest_of_each_stays(void **state)
{
	struct world *world = *state;
	struct str id = STR("@far:hs1");
	world_add_account(world, id);
	world_add_device(world, id, STR("D1"));
	struct str device = STR("D1");
	struct str ip = STR("::1");
	struct str agent = STR("Bell/1");
	int64_t at_ms = 99;
	int64_t synced = 0;
	struct device_seen seen = {&id, &device, &at_ms, &ip, &agent, &synced, 1};
	assert_int_equal(store_device_seen(&world->ctx, world->db, &seen), ERR_OK);
	at_ms = 50;
	synced = 9;
	ip = STR("::2");
	agent = STR("Bell/2");
	assert_int_equal(store_device_seen(&world->ctx, world->db, &seen), ERR_OK);
	assert_synced(world, "9");
	struct device_row found;
	assert_int_equal(store_device_find(&world->ctx, world->db, id, STR("D1"), &found), ERR_OK);
	assert_int_equal(found.last_seen_ms, 99);
	assert_true(str_equals(found.last_seen_ip, STR("::1")));
	assert_true(str_equals(found.last_seen_user_agent, STR("Bell/1")));
	at_ms = 120;
	synced = 3;
	assert_int_equal(store_device_seen(&world->ctx, world->db, &seen), ERR_OK);
	assert_synced(world, "9");
}

static void device__deleted__tokens_gone_too(void **state)
{
	struct world *world = *state;
	struct str id = STR("@del:hs1");
	world_add_account(world, id);
	world_add_device(world, id, STR("D1"));
	world_add_device(world, id, STR("D2"));
	world_add_device(world, id, STR("D3"));
	add_pair(world, id, STR("D1"), "del-a1", "del-r1", true);
	add_pair(world, id, STR("D2"), "del-a2", NULL, true);
	add_pair(world, id, STR("D3"), "del-a3", NULL, true);
	struct str ids[] = {STR("D1"), STR("NO")};
	assert_int_equal(store_device_delete(&world->ctx, world->db, id, ids, 2), ERR_OK);
	assert_int_equal(find_token(world, "del-a1"), ERR_MISSING);
	assert_int_equal(find_refresh(world, "del-r1"), ERR_MISSING);
	assert_int_equal(find_token(world, "del-a2"), ERR_OK);
	assert_int_equal(IN_TX(world, store_device_delete_but(&world->ctx, tx, id, STR("D3"))), ERR_OK);
	assert_int_equal(find_token(world, "del-a2"), ERR_MISSING);
	assert_int_equal(find_token(world, "del-a3"), ERR_OK);
	assert_int_equal(IN_TX(world, store_device_delete_but(&world->ctx, tx, id, (struct str){0})),
		ERR_OK);
	assert_int_equal(find_token(world, "del-a3"), ERR_MISSING);
}

/* --- tokens ---------------------------------------------------------------------------------------- */

static void token__found__with_its_account(void **state)
{
	struct world *world = *state;
	struct str id = STR("@tok:hs1");
	world_add_account(world, id);
	world_add_device(world, id, STR("D1"));
	add_pair(world, id, STR("D1"), "tok-a", "tok-r", true);
	struct token_row row;
	assert_int_equal(
		store_token_find(&world->ctx, world->db, STR("tok-a"), &(struct terms_versions){0}, &row),
		ERR_OK);
	assert_true(str_equals(row.user_id, id));
	assert_true(str_equals(row.device_id, STR("D1")));
	assert_true(str_equals(row.refresh_hash, STR("tok-r")));
	assert_true(row.is_confirmed);
	assert_int_equal(row.state, ACCOUNT_ACTIVE);
	assert_int_equal(find_token(world, "tok-r"), ERR_MISSING);
}

static void token__pair_confirmed__all_others_of_the_device_end(void **state)
{
	struct world *world = *state;
	struct str id = STR("@pair:hs1");
	struct str device = STR("D1");
	world_add_account(world, id);
	world_add_device(world, id, device);
	world_add_device(world, id, STR("D2"));
	add_pair(world, id, device, "pair-a1", "pair-r1", true);
	add_pair(world, id, device, "pair-a2", "pair-r2", false);
	add_pair(world, id, device, "pair-a3", "pair-r3", false);
	add_pair(world, id, STR("D2"), "pair-other", NULL, true);
	assert_int_equal(IN_TX(world, store_token_confirm(&world->ctx, tx, id, device, STR("pair-r2"))),
		ERR_OK);
	assert_int_equal(find_token(world, "pair-a1"), ERR_MISSING);
	assert_int_equal(find_refresh(world, "pair-r1"), ERR_MISSING);
	assert_int_equal(find_token(world, "pair-a3"), ERR_MISSING);
	assert_int_equal(find_refresh(world, "pair-r3"), ERR_MISSING);
	assert_int_equal(find_token(world, "pair-other"), ERR_OK);
	struct token_row row;
	struct refresh_row refresh;
	assert_int_equal(
		store_token_find(&world->ctx, world->db, STR("pair-a2"), &(struct terms_versions){0}, &row),
		ERR_OK);
	assert_true(row.is_confirmed);
	assert_int_equal(IN_TX(world, store_refresh_lock(&world->ctx, tx, STR("pair-r2"), &refresh)),
		ERR_OK);
	assert_true(refresh.is_confirmed);
	assert_int_equal(IN_TX(world, store_token_confirm(&world->ctx, tx, id, device, STR("pair-r3"))),
		ERR_MISSING);
	assert_int_equal(find_token(world, "pair-a2"), ERR_OK);
}

/* Of two refreshes at once the second has to see what the first has ended. */
static void refresh__in_a_transaction__nobody_else_has_token_or_device(void **state)
{
	struct world *world = *state;
	struct str id = STR("@held:hs1");
	struct refresh_row refresh;
	world_add_account(world, id);
	world_add_device(world, id, STR("D1"));
	add_pair(world, id, STR("D1"), "held-a", "held-r", true);
	PGconn *conn = PQconnectdb(arena_printf(world->ctx.arena, "%.*s", STR_ARG(world_url)));
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	assert_int_equal(tx_begin(&world->ctx, world->db, &tx), ERR_OK);
	assert_int_equal(store_refresh_lock(&world->ctx, tx, STR("held-r"), &refresh), ERR_OK);
	const char *const others[] = {
		"SELECT 1 FROM refresh_tokens WHERE user_id = '@held:hs1' FOR UPDATE SKIP LOCKED",
		"SELECT 1 FROM devices WHERE user_id = '@held:hs1' FOR UPDATE SKIP LOCKED",
	};
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		PGresult *result = PQexec(conn, others[i]);
		assert_string_equal(PQresultErrorMessage(result), "");
		assert_int_equal(PQntuples(result), 0);
		PQclear(result);
	}
	PQfinish(conn);
}

static void token__expired_long_ago__forgotten_unless_refreshable(void **state)
{
	struct world *world = *state;
	struct str id = STR("@exp:hs1");
	world_add_account(world, id);
	world_add_device(world, id, STR("D1"));
	world_add_device(world, id, STR("D2"));
	struct token_pair alone = {.user_id = id,
		.device_id = STR("D1"),
		.token_hash = STR("exp-a"),
		.expires_at_ms = 100,
		.is_confirmed = true};
	struct token_pair pair = alone;
	pair.device_id = STR("D2");
	pair.token_hash = STR("exp-b");
	pair.refresh_hash = STR("exp-r");
	assert_int_equal(IN_TX(world, store_token_insert(&world->ctx, tx, &alone)), ERR_OK);
	assert_int_equal(IN_TX(world, store_token_insert(&world->ctx, tx, &pair)), ERR_OK);
	assert_int_equal(store_token_delete_old(&world->ctx, world->db, 200), ERR_OK);
	assert_int_equal(find_token(world, "exp-a"), ERR_MISSING);
	assert_int_equal(find_token(world, "exp-b"), ERR_OK);
}

/* --- user-interactive authentication ---------------------------------------------------------------- */

static void uia__session__used_up_once(void **state)
{
	struct world *world = *state;
	struct uia_row row = {.user_id = STR("@u:hs1"),
		.binding = STR("\x01\0\x02"),
		.expires_at_ms = 1000};
	struct str hash = STR("uia-1");
	assert_int_equal(store_uia_insert(&world->ctx, world->db, hash, &row), ERR_OK);
	struct uia_row found;
	assert_int_equal(store_uia_find(&world->ctx, world->db, hash, &found), ERR_OK);
	assert_true(str_equals(found.user_id, row.user_id));
	assert_true(str_equals(found.binding, row.binding));
	assert_int_equal(found.completed.n, 0);
	struct uia_row after = {.completed = STR("m.login.dummy"), .registration_token = STR("t")};
	assert_int_equal(store_uia_set_completed(&world->ctx, world->db, hash, found.completed, &after),
		ERR_OK);
	assert_int_equal(store_uia_set_completed(&world->ctx, world->db, hash, found.completed, &after),
		ERR_MISSING);
	assert_int_equal(store_uia_find(&world->ctx, world->db, hash, &found), ERR_OK);
	assert_true(str_equals(found.completed, STR("m.login.dummy")));
	assert_true(str_equals(found.registration_token, STR("t")));
	assert_int_equal(store_uia_delete(&world->ctx, world->db, hash), ERR_OK);
	assert_int_equal(store_uia_delete(&world->ctx, world->db, hash), ERR_MISSING);
}

static void uia__old__deleted(void **state)
{
	struct world *world = *state;
	struct uia_row row = {.binding = STR("b"), .expires_at_ms = 1000};
	assert_int_equal(store_uia_insert(&world->ctx, world->db, STR("uia-old"), &row), ERR_OK);
	row.expires_at_ms = 3000;
	assert_int_equal(store_uia_insert(&world->ctx, world->db, STR("uia-new"), &row), ERR_OK);
	assert_int_equal(store_uia_delete_old(&world->ctx, world->db, 2000), ERR_OK);
	struct uia_row found;
	assert_int_equal(store_uia_find(&world->ctx, world->db, STR("uia-old"), &found), ERR_MISSING);
	assert_int_equal(store_uia_find(&world->ctx, world->db, STR("uia-new"), &found), ERR_OK);
}

/* --- registration tokens ------------------------------------------------------------------------------ */

static enum err use(struct world *world, struct str token, int64_t now_ms)
{
	return IN_TX(world, store_registration_token_use(&world->ctx, tx, token, now_ms));
}

static void registration_token__uses__counted_to_the_end(void **state)
{
	struct world *world = *state;
	struct registration_token_row row = {.token = STR("two"),
		.uses_allowed = 2,
		.created_at_ms = 1};
	assert_int_equal(store_registration_token_insert(&world->ctx, world->db, &row), ERR_OK);
	assert_int_equal(store_registration_token_insert(&world->ctx, world->db, &row), ERR_CONFLICT);
	assert_int_equal(use(world, row.token, 10), ERR_OK);
	assert_int_equal(use(world, row.token, 10), ERR_OK);
	assert_int_equal(use(world, row.token, 10), ERR_MISSING);
	struct registration_token_row found;
	assert_int_equal(store_registration_token_find(&world->ctx, world->db, row.token, &found),
		ERR_OK);
	assert_int_equal(found.use_count, 2);
}

static void registration_token__without_limit_but_time__ends_then(void **state)
{
	struct world *world = *state;
	struct registration_token_row row = {.token = STR("timed"),
		.uses_allowed = -1,
		.expires_at_ms = 100,
		.created_at_ms = 1};
	assert_int_equal(store_registration_token_insert(&world->ctx, world->db, &row), ERR_OK);
	assert_int_equal(use(world, row.token, 99), ERR_OK);
	assert_int_equal(use(world, row.token, 100), ERR_MISSING);
	struct registration_token_row *rows;
	size_t count;
	assert_int_equal(store_registration_token_list(&world->ctx, world->db, &rows, &count), ERR_OK);
	assert_true(count > 0);
	assert_int_equal(store_registration_token_delete(&world->ctx, world->db, row.token), ERR_OK);
	assert_int_equal(store_registration_token_delete(&world->ctx, world->db, row.token),
		ERR_MISSING);
	assert_int_equal(use(world, row.token, 1), ERR_MISSING);
}

/* --- what identity servers publish -------------------------------------------------------------------- */

static struct threepid_bind_row bind_of(const char *address, const char *id_server)
{
	return (struct threepid_bind_row){STR("email"), str_of(address), str_of(id_server)};
}

static void threepid_bind__server_in_other_case__taken_back(void **state)
{
	struct world *world = *state;
	const struct account_row account = {.user_id = STR("@bound:hs1"), .created_at_ms = 1};
	assert_int_equal(IN_TX(world, store_account_insert(&world->ctx, tx, &account)), ERR_OK);
	const struct threepid_bind_row rows[] = {bind_of("a@post", "id.example"),
		bind_of("a@post", "ID.example"), bind_of("a@post", "other.example"),
		bind_of("b@post", "id.example")};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(
			store_threepid_bind_insert(&world->ctx, world->db, account.user_id, &rows[i]), ERR_OK);
	}
	const struct threepid_bind_row named = bind_of("a@post", "Id.Example");
	assert_int_equal(store_threepid_bind_delete(&world->ctx, world->db, account.user_id, &named),
		ERR_OK);
	struct threepid_bind_row *left;
	size_t count;
	assert_int_equal(
		store_threepid_bind_list(&world->ctx, world->db, account.user_id, &left, &count), ERR_OK);
	assert_int_equal(count, 2);
	assert_true(str_equals(left[0].id_server, STR("other.example")));
	assert_true(str_equals(left[1].address, STR("b@post")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(account__inserted__found_and_name_taken),
		TEST(account__deactivated__final),
		TEST(accounts__leaving__one_after_the_other),
		TEST(account__deactivated__leaving_until_left),
		TEST(account__changed__as_set),
		TEST(account_list__after_one__next_in_order),
		TEST(account_state__unknown_word__lets_nobody_in),
		TEST(session_epoch__moved__greater),
		TEST(device__known_again__keeps_its_name),
		TEST(device__renamed_and_seen__shown),
		TEST(device__seen_by_two_processes__the_newest_of_each_stays),
		TEST(device__deleted__tokens_gone_too),
		TEST(token__found__with_its_account),
		TEST(token__pair_confirmed__all_others_of_the_device_end),
		TEST(refresh__in_a_transaction__nobody_else_has_token_or_device),
		TEST(token__expired_long_ago__forgotten_unless_refreshable),
		TEST(uia__session__used_up_once),
		TEST(uia__old__deleted),
		TEST(threepid_bind__server_in_other_case__taken_back),
		TEST(registration_token__uses__counted_to_the_end),
		TEST(registration_token__without_limit_but_time__ends_then),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
