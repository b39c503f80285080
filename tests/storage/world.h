/**
 * What the tests of storage/ share: a migrated database, and for each test a context and connections.
 */
#ifndef BELFRY_TESTS_STORAGE_WORLD_H
#define BELFRY_TESTS_STORAGE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

/* cmocka's macro would replace base/ctx.h's function. */
#include <cmocka.h>
#undef fail

#include "storage/db.h"
#include "storage/write.h"

/** One per test. */
struct world {
	struct ctx ctx;
	struct db *db;
};

/** The database of this program of tests. */
extern struct str world_url;

/** For cmocka's group: migrates. */
int world_set_up_all(void **state);
/** For each test: *state is a world. */
int world_set_up(void **state);
int world_tear_down(void **state);

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

/** More connections to the same database. */
struct db *world_connect(int pool_size);

/** Breaks all connections of the program, as a crash of the database would. */
void world_kill_backends(void);

/** Runs `call`, which uses `tx`, in a transaction of its own; gives what it returned. */
#define IN_TX(world, call) \
	__extension__({ \
		struct tx *tx CLEANUP(tx_cleanup) = NULL; \
		assert_int_equal(tx_begin(&(world)->ctx, (world)->db, &tx), ERR_OK); \
		enum err result_ = (call); \
		if (result_ == ERR_OK) { \
			assert_int_equal(tx_commit(&(world)->ctx, &tx), ERR_OK); \
		} \
		result_; \
	})

/** A write that takes one position: a client's transaction id `key`. */
void world_add_transaction(struct write *write, struct ctx *ctx, const char *key);
/** Whether it was committed. */
bool world_has_transaction(const char *key);

void world_add_account(struct world *world, struct str user_id);
/** "Phone" of an account. */
void world_add_device(struct world *world, struct str user_id, struct str device_id);

#endif
