/*
 * Files: reading, atomic replacement and its failures, folders. The fault list is read at the first
 * use, so main() sets it: the first passing of each point fails.
 */
#include "check.h"

#include <sys/stat.h>

#include "base/file.h"

static struct arena *arena;
static struct ctx ctx;
static char folder[64];

static const char *path_of(const char *name)
{
	return arena_printf(arena, "%s/%s", folder, name);
}

static int set_up(void **state)
{
	(void)state;
	arena = arena_create();
	ctx_init(&ctx, arena);
	(void)snprintf(folder, sizeof(folder), "/tmp/belfry-file-test-XXXXXX");
	return mkdtemp(folder) == NULL;
}

static int tear_down(void **state)
{
	(void)state;
	static const char *const names[] = {"a", "b", "secret", "x/y/z", "x/y", "x", "empty", "listed"};
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		(void)remove(path_of(names[i]));
	}
	int left = rmdir(folder); /* fails when a temporary file was forgotten */
	arena_destroy(arena);
	return left;
}

#ifndef NDEBUG
static void write_atomic__each_step_fails__old_contents_stay_and_nothing_is_left(void **state)
{
	(void)state;
	const char *path = path_of("a");
	struct str text;
	/* write, fsync and rename fail in turn; see main(). */
	for (int step = 0; step < 3; step++) {
		assert_int_equal(file_write_atomic(&ctx, path, STR("new"), 0600), ERR_STORE);
		assert_true(str_contains(ctx.fault.cause, str_of(path)));
		assert_false(str_contains(ctx.fault.text, str_of(path)));
		assert_false(file_exists(path));
	}
	assert_int_equal(file_write_atomic(&ctx, path, STR("new"), 0600), ERR_OK);
	assert_int_equal(file_read(&ctx, path, 100, &text), ERR_STORE);
	assert_int_equal(file_read(&ctx, path, 100, &text), ERR_OK);
	assert_text(text, "new");
}
#endif

static void write_atomic__twice__replaced_with_mode(void **state)
{
	(void)state;
	const char *path = path_of("secret");
	struct str text;
	struct stat status;
	assert_int_equal(file_write_atomic(&ctx, path, STR("one"), 0600), ERR_OK);
	assert_int_equal(file_write_atomic(&ctx, path, STR("t\0wo"), 0640), ERR_OK);
	assert_int_equal(file_read(&ctx, path, 100, &text), ERR_OK);
	assert_text(text, "t\0wo");
	assert_int_equal(text.p[text.n], '\0');
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0640);
}

static void write_atomic__no_such_folder__store(void **state)
{
	(void)state;
	assert_int_equal(file_write_atomic(&ctx, path_of("none/a"), STR("x"), 0600), ERR_STORE);
	assert_true(str_contains(ctx.fault.cause, STR("No such file or directory")));
}

static void read__ceiling__exact(void **state)
{
	(void)state;
	const char *path = path_of("b");
	char *contents = arena_alloc(arena, 200000);
	memset(contents, 'x', 200000);
	assert_int_equal(file_write_atomic(&ctx, path, str_from(contents, 200000), 0600), ERR_OK);
	struct str text = STR("untouched");
	assert_int_equal(file_read(&ctx, path, 199999, &text), ERR_LIMIT);
	assert_text(text, "untouched");
	assert_int_equal(file_read(&ctx, path, 200000, &text), ERR_OK);
	assert_int_equal(text.n, 200000);
	assert_memory_equal(text.p, contents, 200000);
}

static void read__empty_missing_folder__as_named(void **state)
{
	(void)state;
	struct str text = STR("x");
	assert_int_equal(file_write_atomic(&ctx, path_of("empty"), str_from(NULL, 0), 0600), ERR_OK);
	assert_int_equal(file_read(&ctx, path_of("empty"), 0, &text), ERR_OK);
	assert_int_equal(text.n, 0);
	assert_int_equal(file_read(&ctx, path_of("none"), 100, &text), ERR_MISSING);
	assert_int_equal(file_read(&ctx, path_of("empty/x"), 100, &text), ERR_MISSING);
	assert_int_equal(file_read(&ctx, folder, 100, &text), ERR_STORE);
	assert_true(str_contains(ctx.fault.cause, STR("Is a directory")));
}

static void make_folder__nested_and_again__there(void **state)
{
	(void)state;
	struct stat status;
	assert_int_equal(file_make_folder(&ctx, path_of("x/y/z"), 0700), ERR_OK);
	assert_int_equal(file_make_folder(&ctx, path_of("x/y/z/"), 0700), ERR_OK);
	assert_int_equal(file_make_folder(&ctx, path_of("x//y"), 0700), ERR_OK);
	assert_int_equal(stat(path_of("x/y/z"), &status), 0);
	assert_true(S_ISDIR(status.st_mode));
	assert_int_equal(status.st_mode & 0777, 0700);
	assert_true(file_exists(path_of("x")));
	assert_false(file_exists(path_of("w")));
}

static void make_folder__file_in_the_way__store(void **state)
{
	(void)state;
	assert_int_equal(file_write_atomic(&ctx, path_of("b"), STR("x"), 0600), ERR_OK);
	assert_int_equal(file_make_folder(&ctx, path_of("b"), 0700), ERR_STORE);
	assert_int_equal(file_make_folder(&ctx, path_of("b/c"), 0700), ERR_STORE);
}

static void list_folder__names__sorted_without_hidden_ones_up_to_a_ceiling(void **state)
{
	(void)state;
	struct str *names;
	size_t count;
	const char *listed = path_of("listed");
	assert_int_equal(file_make_folder(&ctx, listed, 0700), ERR_OK);
	assert_int_equal(file_list_folder(&ctx, listed, 2, &names, &count), ERR_OK);
	assert_int_equal(count, 0);
	static const char *const made[] = {"listed/b", "listed/.hidden", "listed/a"};
	for (size_t i = 0; i < COUNT_OF(made); i++) {
		assert_int_equal(file_write_atomic(&ctx, path_of(made[i]), STR(""), 0600), ERR_OK);
	}
	assert_int_equal(file_list_folder(&ctx, listed, 2, &names, &count), ERR_OK);
	assert_int_equal(count, 2);
	assert_text(names[0], "a");
	assert_text(names[1], "b");
	assert_int_equal(file_list_folder(&ctx, listed, 1, &names, &count), ERR_LIMIT);
	assert_int_equal(file_list_folder(&ctx, path_of("nowhere"), 1, &names, &count), ERR_MISSING);
	assert_int_equal(file_list_folder(&ctx, path_of("listed/a"), 1, &names, &count), ERR_STORE);
	for (size_t i = 0; i < COUNT_OF(made); i++) {
		assert_int_equal(remove(path_of(made[i])), 0);
	}
}

int main(void)
{
	(void)setenv("BELFRY_FAULTS", "file.write:1,file.fsync:1,file.rename:1,file.read:1", 1);
	const struct CMUnitTest tests[] = {
#ifndef NDEBUG
		cmocka_unit_test(write_atomic__each_step_fails__old_contents_stay_and_nothing_is_left),
#endif
		cmocka_unit_test(write_atomic__twice__replaced_with_mode),
		cmocka_unit_test(write_atomic__no_such_folder__store),
		cmocka_unit_test(read__ceiling__exact),
		cmocka_unit_test(read__empty_missing_folder__as_named),
		cmocka_unit_test(make_folder__nested_and_again__there),
		cmocka_unit_test(make_folder__file_in_the_way__store),
		cmocka_unit_test(list_folder__names__sorted_without_hidden_ones_up_to_a_ceiling),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
