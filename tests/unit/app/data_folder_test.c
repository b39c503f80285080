/*
 * The data folder: one process at a time, a name for ever, a key that is made once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#undef fail
#undef fail_msg

#include "app/data_folder.h"
#include "app/postgres/tree_copy.h"
#include "base/file.h"

static struct arena *arena;
static struct ctx ctx;
static char root[64];
static struct data_folder folder;

static int set_up(void **state)
{
	(void)state;
	arena = arena_create();
	ctx_init(&ctx, arena);
	(void)snprintf(root, sizeof(root), "/tmp/belfry-data-test-XXXXXX");
	if (mkdtemp(root) == NULL) {
		return 1;
	}
	return data_folder_open(&ctx, arena_printf(arena, "%s/a/b", root), true, &folder) != ERR_OK;
}

static int tear_down(void **state)
{
	(void)state;
	data_folder_close(&folder);
	tree_remove(root);
	arena_destroy(arena);
	return 0;
}

static unsigned mode_of(const char *name)
{
	struct stat status;
	assert_int_equal(stat(arena_printf(arena, "%s/%s", folder.path, name), &status), 0);
	return (unsigned)status.st_mode & 0777U;
}

static void open__missing__refused_unless_it_may_be_made(void **state)
{
	(void)state;
	struct data_folder other;
	const char *path = arena_printf(arena, "%s/none", root);
	assert_int_equal(data_folder_open(&ctx, path, false, &other), ERR_MISSING);
	assert_true(str_contains(ctx.fault.text, str_of(path)));
	assert_int_equal(data_folder_open(&ctx, path, true, &other), ERR_OK);
	assert_int_equal(data_folder_open(&ctx, path, false, &other), ERR_OK);
}

static void lock__taken__second_refused_naming_folder_and_process(void **state)
{
	(void)state;
	struct data_folder second = {.given = folder.given, .path = folder.path, .lock_fd = -1};
	assert_int_equal(data_folder_lock(&ctx, &folder), ERR_OK);
	assert_int_equal(data_folder_lock(&ctx, &second), ERR_CONFLICT);
	assert_true(str_contains(ctx.fault.text, str_of(folder.given)));
	assert_true(str_contains(ctx.fault.text, str_printf(arena, "%d", (int)getpid())));
	assert_int_equal(data_folder_holder(&ctx, &second), getpid());
	data_folder_close(&folder);
	assert_int_equal(data_folder_lock(&ctx, &second), ERR_OK);
	data_folder_close(&second);
}

static void server_name__first_start__remembered(void **state)
{
	(void)state;
	struct server_name name;
	bool is_new = false;
	assert_int_equal(data_folder_server_name(&ctx, &folder, STR("school.example"), &name, &is_new),
		ERR_OK);
	assert_true(is_new);
	assert_int_equal(data_folder_server_name(&ctx, &folder, STR(""), &name, &is_new), ERR_OK);
	assert_false(is_new);
	assert_true(str_equals(name.s, STR("school.example")));
	assert_int_equal(data_folder_server_name(&ctx, &folder, STR("other.example"), &name, &is_new),
		ERR_CONFLICT);
	assert_true(str_contains(ctx.fault.text, STR("school.example")));
}

static void server_name__none_given__localhost(void **state)
{
	(void)state;
	struct server_name name;
	assert_int_equal(data_folder_server_name(&ctx, &folder, STR(""), &name, NULL), ERR_OK);
	assert_true(str_equals(name.s, STR("localhost")));
}

static void sec_5_45__signing_key__random_and_made_once(void **state)
{
	(void)state;
	struct rng rng = rng_os();
	struct event_signer first = {0};
	struct event_signer second = {0};
	assert_int_equal(data_folder_signing_key(&ctx, &folder, &rng, &first), ERR_OK);
	assert_int_equal(mode_of("signing.key"), 0600);
	assert_int_equal(data_folder_signing_key(&ctx, &folder, &rng, &second), ERR_OK);
	unsigned char a[ED25519_PUBLIC_BYTES];
	unsigned char b[ED25519_PUBLIC_BYTES];
	ed25519_public(first.key, a);
	ed25519_public(second.key, b);
	assert_memory_equal(a, b, sizeof(a));
	assert_true(str_equals(first.key_id, second.key_id));
	ed25519_key_destroy((struct ed25519_key *)(uintptr_t)second.key);
	/* Made anew it is another: nothing predictable stands in for it. */
	assert_int_equal(unlink(arena_printf(arena, "%s/signing.key", folder.path)), 0);
	assert_int_equal(data_folder_signing_key(&ctx, &folder, &rng, &second), ERR_OK);
	ed25519_public(second.key, b);
	assert_memory_not_equal(a, b, sizeof(a));
	ed25519_key_destroy((struct ed25519_key *)(uintptr_t)first.key);
	ed25519_key_destroy((struct ed25519_key *)(uintptr_t)second.key);
}

static void signing_key__malformed__refused_without_showing_it(void **state)
{
	(void)state;
	static const char *const wrong[] = {"", "ed25519", "ed25519 a_1", "ed25519 a_1 c2hvcnQ",
		"rsa a_1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"ed25519 a-1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"ed25519 a_1 *AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
	struct rng rng = rng_os();
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		const char *path = arena_printf(arena, "%s/signing.key", folder.path);
		assert_int_equal(file_write_atomic(&ctx, path, str_of(wrong[i]), 0600), ERR_OK);
		struct event_signer signer = {0};
		assert_int_equal(data_folder_signing_key(&ctx, &folder, &rng, &signer), ERR_INPUT);
		assert_false(str_contains(ctx.fault.text, STR("AAAA")));
	}
}

static void sec_5_44__leaked_signing_key__refused(void **state)
{
	(void)state;
	const struct str known = STR("ed25519 a_1 AZT9wvov/MBB0/8SBFtzyG5P+V/2YqXu6Cq99EotC3U\n");
	struct rng rng = rng_os();
	struct event_signer signer = {0};
	const char *path = arena_printf(arena, "%s/signing.key", folder.path);
	assert_int_equal(file_write_atomic(&ctx, path, known, 0600), ERR_OK);
	assert_int_equal(data_folder_signing_key(&ctx, &folder, &rng, &signer), ERR_INPUT);
	assert_false(str_contains(ctx.fault.text, STR("AZT9")));
}

static void secrets_key__random_and_made_once__malformed_refused(void **state)
{
	(void)state;
	struct rng rng = rng_os();
	unsigned char first[SEAL_KEY_BYTES];
	unsigned char second[SEAL_KEY_BYTES];
	const unsigned char zero[SEAL_KEY_BYTES] = {0};
	assert_int_equal(data_folder_secrets_key(&ctx, &folder, &rng, first), ERR_OK);
	assert_int_equal(mode_of("secrets.key"), 0600);
	assert_memory_not_equal(first, zero, sizeof(first));
	assert_int_equal(data_folder_secrets_key(&ctx, &folder, &rng, second), ERR_OK);
	assert_memory_equal(first, second, sizeof(first));
	const char *path = arena_printf(arena, "%s/secrets.key", folder.path);
	assert_int_equal(file_write_atomic(&ctx, path, STR("c2hvcnQ\n"), 0600), ERR_OK);
	assert_int_equal(data_folder_secrets_key(&ctx, &folder, &rng, second), ERR_INPUT);
}

static void tree_copy__folder__same_files_private(void **state)
{
	(void)state;
	const char *from = arena_printf(arena, "%s/from", root);
	const char *to = arena_printf(arena, "%s/to", root);
	assert_int_equal(file_make_folder(&ctx, arena_printf(arena, "%s/x/y", from), 0755), ERR_OK);
	const char *deep = arena_printf(arena, "%s/x/y/file", from);
	char *large = arena_alloc(arena, 200000);
	memset(large, 'z', 200000);
	assert_int_equal(file_write_atomic(&ctx, deep, str_from(large, 200000), 0644), ERR_OK);
	struct pg_account self = {.uid = geteuid(), .gid = getegid()};
	assert_int_equal(tree_copy(&ctx, from, to, &self), ERR_OK);
	assert_int_equal(tree_flush(&ctx, to), ERR_OK);
	struct str copied;
	assert_int_equal(file_read(&ctx, arena_printf(arena, "%s/x/y/file", to), 1 << 20, &copied),
		ERR_OK);
	assert_true(str_equals(copied, str_from(large, 200000)));
	struct stat status;
	assert_int_equal(stat(to, &status), 0);
	assert_int_equal(status.st_mode & 0777U, 0700);
	assert_int_equal(tree_copy(&ctx, from, to, &self), ERR_STORE);
	assert_int_equal(tree_rename(&ctx, to, from), ERR_CONFLICT);
	tree_remove(from);
	assert_int_equal(tree_rename(&ctx, to, from), ERR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(open__missing__refused_unless_it_may_be_made, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(lock__taken__second_refused_naming_folder_and_process,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(server_name__first_start__remembered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(server_name__none_given__localhost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sec_5_45__signing_key__random_and_made_once, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(signing_key__malformed__refused_without_showing_it, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(sec_5_44__leaked_signing_key__refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(secrets_key__random_and_made_once__malformed_refused,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(tree_copy__folder__same_files_private, set_up, tear_down),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}
