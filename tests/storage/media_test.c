/*
 * Rows of the content repository, thumbnails and previews on a real PostgreSQL.
 */
#include "storage/media.h"

#include "storage/preview.h"
#include "tests/storage/world.h"

#define HASH STR("0123456789abcdef0123456789abcdef")

static bool was_removed;

static struct media_row file_of(struct str user_id, int64_t size_bytes)
{
	return (struct media_row){.user_id = user_id,
		.content_type = STR("image/png"),
		.file_name = STR("聯絡簿.png"),
		.size_bytes = size_bytes,
		.sha256 = HASH,
		.created_ms = 10,
		.is_open = true};
}

static void media__inserted__found_as_it_was(void **state)
{
	struct world *world = *state;
	const struct media_row row = file_of(STR("@a:hs"), 7);
	struct media_row found;
	assert_int_equal(
		store_media_insert(&world->ctx, world->db, STR("hs"), STR("one"), &row, &was_removed),
		ERR_OK);
	assert_int_equal(
		store_media_insert(&world->ctx, world->db, STR("hs"), STR("one"), &row, &was_removed),
		ERR_CONFLICT);
	assert_int_equal(store_media_find(&world->ctx, world->db, STR("hs"), STR("one"), &found),
		ERR_OK);
	assert_true(str_equals(found.user_id, row.user_id));
	assert_true(str_equals(found.content_type, row.content_type));
	assert_true(str_equals(found.file_name, row.file_name));
	assert_true(str_equals(found.sha256, HASH));
	assert_int_equal(found.size_bytes, 7);
	assert_true(found.is_open);
	assert_false(found.is_quarantined);
	assert_int_equal(store_media_find(&world->ctx, world->db, STR("other"), STR("one"), &found),
		ERR_MISSING);
}

static void media__of_nobody_without_labels__nulls(void **state)
{
	struct world *world = *state;
	const struct media_row row = {.sha256 = HASH};
	struct media_row found;
	assert_int_equal(
		store_media_insert(&world->ctx, world->db, STR("hs"), STR("bare"), &row, &was_removed),
		ERR_OK);
	assert_int_equal(store_media_find(&world->ctx, world->db, STR("hs"), STR("bare"), &found),
		ERR_OK);
	assert_null(found.user_id.p);
	assert_null(found.content_type.p);
	assert_null(found.file_name.p);
}

static void media__reserved__filled_once_by_its_user_in_time(void **state)
{
	struct world *world = *state;
	struct ctx *ctx = &world->ctx;
	const struct str user = STR("@reserve:hs");
	const struct media_row reserved = {.user_id = user, .created_ms = 100, .expires_ms = 200};
	const struct media_row file = file_of(user, 5);
	const struct media_row other = file_of(STR("@other:hs"), 5);
	struct media_row found;
	assert_int_equal(store_media_reserve(ctx, world->db, STR("hs"), STR("r1"), &reserved, 2),
		ERR_OK);
	assert_int_equal(store_media_reserve(ctx, world->db, STR("hs"), STR("r2"), &reserved, 2),
		ERR_OK);
	assert_int_equal(store_media_reserve(ctx, world->db, STR("hs"), STR("r3"), &reserved, 2),
		ERR_LIMIT);
	assert_int_equal(store_media_find(ctx, world->db, STR("hs"), STR("r1"), &found), ERR_OK);
	assert_null(found.sha256.p);
	assert_int_equal(found.expires_ms, 200);
	assert_int_equal(
		store_media_fill(ctx, world->db, STR("hs"), STR("r1"), &other, 150, &was_removed),
		ERR_MISSING);
	assert_int_equal(
		store_media_fill(ctx, world->db, STR("hs"), STR("r1"), &file, 200, &was_removed),
		ERR_MISSING);
	assert_int_equal(
		store_media_fill(ctx, world->db, STR("hs"), STR("r1"), &file, 199, &was_removed), ERR_OK);
	assert_int_equal(
		store_media_fill(ctx, world->db, STR("hs"), STR("r1"), &file, 199, &was_removed),
		ERR_MISSING);
	/* One is free again; expired ones do not count, and go. */
	assert_int_equal(store_media_reserve(ctx, world->db, STR("hs"), STR("r3"), &reserved, 2),
		ERR_OK);
	const struct media_row later = {.user_id = user, .created_ms = 300, .expires_ms = 400};
	assert_int_equal(store_media_reserve(ctx, world->db, STR("hs"), STR("r4"), &later, 1), ERR_OK);
	assert_int_equal(store_media_delete_expired(ctx, world->db, 300), ERR_OK);
	assert_int_equal(store_media_find(ctx, world->db, STR("hs"), STR("r2"), &found), ERR_MISSING);
	assert_int_equal(store_media_find(ctx, world->db, STR("hs"), STR("r4"), &found), ERR_OK);
	assert_int_equal(store_media_find(ctx, world->db, STR("hs"), STR("r1"), &found), ERR_OK);
}

static void media__usage__is_the_users_own(void **state)
{
	struct world *world = *state;
	int64_t files = -1;
	int64_t bytes = -1;
	const struct media_row first = file_of(STR("@usage:hs"), 3000000000);
	const struct media_row second = file_of(STR("@usage:hs"), 3000000000);
	const struct media_row other = file_of(STR("@usage2:hs"), 5);
	assert_int_equal(store_media_usage(&world->ctx, world->db, first.user_id, &files, &bytes),
		ERR_OK);
	assert_int_equal(files, 0);
	assert_int_equal(bytes, 0);
	assert_int_equal(
		store_media_insert(&world->ctx, world->db, STR("hs"), STR("u1"), &first, &was_removed),
		ERR_OK);
	assert_int_equal(
		store_media_insert(&world->ctx, world->db, STR("hs"), STR("u2"), &second, &was_removed),
		ERR_OK);
	assert_int_equal(
		store_media_insert(&world->ctx, world->db, STR("hs"), STR("u3"), &other, &was_removed),
		ERR_OK);
	assert_int_equal(store_media_usage(&world->ctx, world->db, first.user_id, &files, &bytes),
		ERR_OK);
	assert_int_equal(files, 2);
	assert_int_equal(bytes, 6000000000);
}

static void media__quarantine__set_and_lifted(void **state)
{
	struct world *world = *state;
	const struct media_row row = file_of(STR("@q:hs"), 1);
	struct media_row found;
	assert_int_equal(
		store_media_insert(&world->ctx, world->db, STR("hs"), STR("q"), &row, &was_removed),
		ERR_OK);
	assert_int_equal(store_media_quarantine(&world->ctx, world->db, STR("hs"), STR("q"), true),
		ERR_OK);
	assert_int_equal(store_media_find(&world->ctx, world->db, STR("hs"), STR("q"), &found), ERR_OK);
	assert_true(found.is_quarantined);
	assert_int_equal(store_media_quarantine(&world->ctx, world->db, STR("hs"), STR("q"), false),
		ERR_OK);
	assert_int_equal(store_media_find(&world->ctx, world->db, STR("hs"), STR("q"), &found), ERR_OK);
	assert_false(found.is_quarantined);
	assert_int_equal(store_media_quarantine(&world->ctx, world->db, STR("hs"), STR("no"), true),
		ERR_MISSING);
}

/* Pages are cut by counting: an order that is open for some would show one twice and leave another out. */
static void media__list__newest_first_and_in_one_order_whatever_came_first(void **state)
{
	struct world *world = *state;
	static const struct str origins[] = {STR_INIT("list3"), STR_INIT("list1"), STR_INIT("list4"),
		STR_INIT("list2")};
	struct media_row row = file_of(STR("@list:hs"), 1);
	row.sha256 = STR("list-of-files-0123456789abcdef01");
	assert_int_equal(
		store_media_insert(&world->ctx, world->db, STR("hs"), STR("b"), &row, &was_removed),
		ERR_OK);
	for (size_t i = 0; i < COUNT_OF(origins); i++) {
		assert_int_equal(
			store_media_insert(&world->ctx, world->db, origins[i], STR("a"), &row, &was_removed),
			ERR_OK);
	}
	row.created_ms = 11;
	assert_int_equal(
		store_media_insert(&world->ctx, world->db, STR("hs"), STR("c"), &row, &was_removed),
		ERR_OK);
	static const char *const wanted[] = {"hs", "list1", "list2", "list3", "list4", "hs"};
	for (size_t from = 0; from < COUNT_OF(wanted); from++) {
		struct media_listed *listed;
		size_t count;
		assert_int_equal(store_media_list(&world->ctx, world->db, row.user_id, 1, (int64_t)from,
							 &listed, &count),
			ERR_OK);
		assert_int_equal(count, 1);
		assert_true(str_equals(listed[0].origin, str_of(wanted[from])));
	}
}

static void thumbnail__first_stays__also_a_failure(void **state)
{
	struct world *world = *state;
	const struct thumbnail_row made = {.content_type = STR("image/jpeg"),
		.size_bytes = 9,
		.sha256 = HASH};
	const struct thumbnail_row failed = {.is_too_large = true};
	struct thumbnail_row found;
	const struct media_row source = file_of(STR("@t:hs"), 1);
	assert_int_equal(
		store_media_insert(&world->ctx, world->db, STR("hs"), STR("t"), &source, &was_removed),
		ERR_OK);
	assert_int_equal(store_thumbnail_find(&world->ctx, world->db, HASH, STR("a"), &found),
		ERR_MISSING);
	assert_int_equal(
		store_thumbnail_insert(&world->ctx, world->db, HASH, STR("a"), &made, 1, &was_removed),
		ERR_OK);
	assert_int_equal(
		store_thumbnail_insert(&world->ctx, world->db, HASH, STR("a"), &failed, 1, &was_removed),
		ERR_OK);
	assert_int_equal(
		store_thumbnail_insert(&world->ctx, world->db, HASH, STR("b"), &failed, 1, &was_removed),
		ERR_OK);
	assert_int_equal(store_thumbnail_find(&world->ctx, world->db, HASH, STR("a"), &found), ERR_OK);
	assert_true(str_equals(found.content_type, made.content_type));
	assert_true(str_equals(found.sha256, HASH));
	assert_int_equal(found.size_bytes, 9);
	assert_false(found.is_too_large);
	assert_int_equal(store_thumbnail_find(&world->ctx, world->db, HASH, STR("b"), &found), ERR_OK);
	assert_null(found.sha256.p);
	assert_true(found.is_too_large);
}

/* --- garbage --------------------------------------------------------------------------------------- */

/* Takes what is next and says what became of it; *out_hash: its first byte. ERR_MISSING when there is none. */
static enum err collect(struct world *world, char *out_hash, bool *out_is_wanted)
{
	struct ctx *ctx = &world->ctx;
	struct str sha256;
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, world->db, &tx));
	TRY(store_media_garbage_take(ctx, tx, 50, &sha256, out_is_wanted));
	*out_hash = sha256.p[0];
	TRY(store_media_garbage_done(ctx, tx, sha256, *out_is_wanted, 50));
	return tx_commit(ctx, &tx);
}

#define CONTENT(letter) \
	STR(letter letter letter letter letter letter letter letter "________________________")

static void insert(struct world *world, const char *media_id, struct str sha256)
{
	struct media_row row = file_of(STR("@g:hs"), 1);
	row.sha256 = sha256;
	assert_int_equal(
		store_media_insert(&world->ctx, world->db, STR("hs"), str_of(media_id), &row, &was_removed),
		ERR_OK);
}

static void garbage__last_file_of_a_content_deleted__with_its_thumbnails(void **state)
{
	struct world *world = *state;
	struct ctx *ctx = &world->ctx;
	struct thumbnail_row thumbnail = {.content_type = STR("image/png"), .sha256 = CONTENT("T")};
	char hash = 0;
	bool is_wanted = false;
	insert(world, "g1", CONTENT("A"));
	insert(world, "g2", CONTENT("A"));
	assert_int_equal(
		store_thumbnail_insert(ctx, world->db, CONTENT("A"), STR("v"), &thumbnail, 1, &was_removed),
		ERR_OK);
	assert_int_equal(store_media_delete(ctx, world->db, STR("hs"), STR("g1"), 10), ERR_OK);
	assert_int_equal(store_media_delete(ctx, world->db, STR("hs"), STR("g1"), 10), ERR_MISSING);
	assert_int_equal(collect(world, &hash, &is_wanted), ERR_OK);
	assert_true(is_wanted); /* by g2 */
	assert_int_equal(collect(world, &hash, &is_wanted), ERR_MISSING);
	assert_int_equal(store_media_delete(ctx, world->db, STR("hs"), STR("g2"), 20), ERR_OK);
	assert_int_equal(collect(world, &hash, &is_wanted), ERR_OK);
	assert_int_equal(hash, 'A');
	assert_false(is_wanted);
	assert_int_equal(store_thumbnail_find(ctx, world->db, CONTENT("A"), STR("v"), &thumbnail),
		ERR_MISSING);
	assert_int_equal(collect(world, &hash, &is_wanted), ERR_OK);
	assert_int_equal(hash, 'T');
	assert_false(is_wanted);
	assert_int_equal(collect(world, &hash, &is_wanted), ERR_MISSING);
}

static void garbage__removed__who_stores_it_again_is_told(void **state)
{
	struct world *world = *state;
	struct ctx *ctx = &world->ctx;
	char hash = 0;
	bool is_wanted = false;
	insert(world, "r", CONTENT("B"));
	assert_false(was_removed);
	assert_int_equal(store_media_delete(ctx, world->db, STR("hs"), STR("r"), 10), ERR_OK);
	insert(world, "again", CONTENT("B"));
	assert_false(was_removed); /* it is there still, and stays */
	assert_int_equal(collect(world, &hash, &is_wanted), ERR_MISSING);
	assert_int_equal(store_media_delete(ctx, world->db, STR("hs"), STR("again"), 10), ERR_OK);
	assert_int_equal(collect(world, &hash, &is_wanted), ERR_OK);
	insert(world, "once more", CONTENT("B"));
	assert_true(was_removed);
	insert(world, "and again", CONTENT("B"));
	assert_false(was_removed);
	assert_int_equal(store_media_garbage_forget(ctx, world->db, 1000), ERR_OK);
}

static void garbage__thumbnail_of_a_deleted_file__not_kept(void **state)
{
	struct world *world = *state;
	struct ctx *ctx = &world->ctx;
	struct thumbnail_row thumbnail = {.content_type = STR("image/png"), .sha256 = CONTENT("U")};
	char hash = 0;
	bool is_wanted = false;
	assert_int_equal(
		store_thumbnail_insert(ctx, world->db, CONTENT("C"), STR("v"), &thumbnail, 1, &was_removed),
		ERR_OK);
	assert_int_equal(store_thumbnail_find(ctx, world->db, CONTENT("C"), STR("v"), &thumbnail),
		ERR_MISSING);
	assert_int_equal(collect(world, &hash, &is_wanted), ERR_OK);
	assert_int_equal(hash, 'U');
	assert_false(is_wanted);
}

static void quarantine__of_a_content__all_its_files_also_later_ones(void **state)
{
	struct world *world = *state;
	struct ctx *ctx = &world->ctx;
	struct media_row found;
	int64_t count = 0;
	insert(world, "q1", CONTENT("D"));
	insert(world, "q2", CONTENT("D"));
	insert(world, "q3", CONTENT("E"));
	assert_int_equal(store_media_quarantine(ctx, world->db, STR("hs"), STR("q1"), true), ERR_OK);
	insert(world, "q4", CONTENT("D"));
	static const struct {
		const char *media_id;
		bool is_quarantined;
	} wanted[] = {{"q1", true}, {"q2", true}, {"q3", false}, {"q4", true}};
	for (size_t i = 0; i < COUNT_OF(wanted); i++) {
		assert_int_equal(
			store_media_find(ctx, world->db, STR("hs"), str_of(wanted[i].media_id), &found),
			ERR_OK);
		assert_int_equal(found.is_quarantined, wanted[i].is_quarantined);
	}
	assert_int_equal(store_media_quarantine_user(ctx, world->db, STR("@g:hs"), &count), ERR_OK);
	assert_true(count >= 1);
	assert_int_equal(store_media_find(ctx, world->db, STR("hs"), STR("q3"), &found), ERR_OK);
	assert_true(found.is_quarantined);
}

static void preview__newest_counts__until_it_expires(void **state)
{
	struct world *world = *state;
	struct ctx *ctx = &world->ctx;
	struct str answer;
	assert_int_equal(store_preview_find(ctx, world->db, HASH, 5, &answer), ERR_MISSING);
	assert_int_equal(store_preview_set(ctx, world->db, HASH, (struct str){0}, 10), ERR_OK);
	assert_int_equal(store_preview_find(ctx, world->db, HASH, 9, &answer), ERR_OK);
	assert_null(answer.p);
	assert_int_equal(store_preview_set(ctx, world->db, HASH, STR("{}"), 20), ERR_OK);
	assert_int_equal(store_preview_find(ctx, world->db, HASH, 19, &answer), ERR_OK);
	assert_true(str_equals(answer, STR("{}")));
	assert_int_equal(store_preview_find(ctx, world->db, HASH, 20, &answer), ERR_MISSING);
	assert_int_equal(store_preview_delete_expired(ctx, world->db, 21), ERR_OK);
	assert_int_equal(store_preview_find(ctx, world->db, HASH, 0, &answer), ERR_MISSING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(media__inserted__found_as_it_was),
		TEST(media__of_nobody_without_labels__nulls),
		TEST(media__reserved__filled_once_by_its_user_in_time),
		TEST(media__usage__is_the_users_own),
		TEST(media__quarantine__set_and_lifted),
		TEST(media__list__newest_first_and_in_one_order_whatever_came_first),
		TEST(thumbnail__first_stays__also_a_failure),
		TEST(garbage__last_file_of_a_content_deleted__with_its_thumbnails),
		TEST(garbage__removed__who_stores_it_again_is_told),
		TEST(garbage__thumbnail_of_a_deleted_file__not_kept),
		TEST(quarantine__of_a_content__all_its_files_also_later_ones),
		TEST(preview__newest_counts__until_it_expires),
	};
	return cmocka_run_group_tests(tests, world_set_up_all, NULL);
}
