/*
 * Dot-separated property paths: the published vectors, odd ends, walking.
 */
#include "tests/unit/matrix/sample.h"

#include "base/ctx.h"
#include "base/file.h"
#include "matrix/property_path.h"
#include "matrix/str_set.h"

static void assert_segments(struct arena *arena, struct str text, const struct json *expected)
{
	struct property_path path = property_path_parse(arena, text);
	bool equal = path.count == expected->count;
	for (size_t i = 0; equal && i < path.count; i++) {
		equal = str_equals(path.segments[i], json_text(&expected->items[i]));
	}
	if (!equal) {
		fail_msg("%.*s", STR_ARG(text));
	}
}

static void parse__published_vectors__equal(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const char *folder = getenv("BELFRY_SPEC_VECTORS");
	if (folder == NULL) {
		skip();
	}
	struct ctx ctx;
	ctx_init(&ctx, arena);
	struct str text;
	struct json root;
	const char *file = arena_printf(arena, "%s/globs_and_paths.json", folder);
	assert_int_equal(file_read(&ctx, file, 1 << 20, &text), ERR_OK);
	assert_int_equal(json_parse(arena, text, NULL, &root, NULL), JSON_OK);
	const struct json *paths = json_at(&root, "paths");
	assert_true(json_is(paths, JSON_ARRAY) && paths->count > 0);
	for (size_t i = 0; i < paths->count; i++) {
		assert_segments(arena, json_get_str(&paths->items[i], STR("path")),
			json_at(&paths->items[i], "segments"));
	}
}

static void parse__odd_paths__every_text_is_one(void **state)
{
	(void)state;
	static const struct {
		const char *path;
		const char *segments;
	} rows[] = {{"", "['']"}, {".", "['','']"}, {"a.", "['a','']"}, {".a", "['','a']"},
		{"a..b", "['a','','b']"}, {"\\", "['\\\\']"}, {"a\\", "['a\\\\']"}, {"\\.", "['.']"},
		{"\\\\", "['\\\\']"}, {"\\\\.a", "['\\\\','a']"}, {"\\\\\\.a", "['\\\\.a']"},
		{"a\\b\\.c.d", "['a\\\\b.c','d']"}, {"\xc3\xa4.b", "['\xc3\xa4','b']"}};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_segments(arena, str_of(rows[i].path), sample_json(arena, rows[i].segments));
	}
}

static void walk__through_objects_only(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct json *root = sample_json(arena, "{'a':{'b':{'':7}},'l':[{'a':1}]}");
	struct property_path path = property_path_parse(arena, STR("a.b."));
	assert_int_equal(property_path_walk(root, path.segments, path.count)->integer, 7);
	assert_ptr_equal(property_path_walk(root, path.segments, 0), root);
	path = property_path_parse(arena, STR("a.b.c"));
	assert_null(property_path_walk(root, path.segments, path.count));
	path = property_path_parse(arena, STR("l.a"));
	assert_null(property_path_walk(root, path.segments, path.count));
	assert_null(property_path_walk(NULL, path.segments, path.count));
}

static void set__of_texts__sorted_and_unique(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct str texts[] = {STR("b"), STR("a"), STR("b"), STR("ab"), STR("")};
	struct str_set set = str_set_make(arena, texts, COUNT_OF(texts));
	assert_int_equal(set.count, 4);
	assert_text(set.items[0], "");
	assert_text(set.items[3], "b");
	assert_int_equal(str_set_index(&set, STR("ab")), 2);
	assert_true(str_set_has(&set, STR("a")));
	assert_false(str_set_has(&set, STR("c")));
	struct str_set empty = str_set_make(arena, NULL, 0);
	assert_false(str_set_has(&empty, STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__published_vectors__equal),
		cmocka_unit_test(parse__odd_paths__every_text_is_one),
		cmocka_unit_test(walk__through_objects_only),
		cmocka_unit_test(set__of_texts__sorted_and_unique),
	};
	return RUN_ALL(tests);
}
