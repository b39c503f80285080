/*
 * YAML as a tree of JSON: values, lines, and what is refused.
 */
#include "base/yaml_json.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#undef fail

static const struct json *read(struct ctx *ctx, const char *text, struct yaml_lines *lines)
{
	const struct json *root = NULL;
	assert_int_equal(yaml_json_read(ctx, str_of(text), "f.yaml", &root, lines), ERR_OK);
	return root;
}

static void yaml__plain_and_quoted_words__have_their_types(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct yaml_lines lines;
	ctx_init(&ctx, arena);
	const struct json *root = read(&ctx,
		"a: 12\nb: '12'\nc: true\nd: \"true\"\ne: ~\nf:\ng: yes\nh: 007\ni: -1.5\nj: [x, 2]\n",
		&lines);
	assert_true(json_is(json_at(root, "a"), JSON_INT));
	assert_true(str_equals(json_get_str(root, STR("b")), STR("12")));
	assert_true(json_get_bool(root, STR("c"), false));
	assert_true(json_is(json_at(root, "d"), JSON_STRING));
	assert_true(json_is(json_at(root, "e"), JSON_NULL));
	assert_true(json_is(json_at(root, "f"), JSON_NULL));
	assert_true(json_is(json_at(root, "g"), JSON_STRING));
	assert_true(str_equals(json_get_str(root, STR("h")), STR("007")));
	assert_true(json_is(json_at(root, "i"), JSON_NUMBER));
	assert_int_equal(json_at(root, "j")->count, 2);
	assert_true(json_is(&json_at(root, "j")->items[1], JSON_INT));
}

static void yaml__value__knows_its_line(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct yaml_lines lines;
	ctx_init(&ctx, arena);
	const struct json *root = read(&ctx, "# c\na: 1\nb:\n  - x\n  - y: 2\n    z: 3\n", &lines);
	const struct json *second = &json_at(root, "b")->items[1];
	assert_int_equal(yaml_line_of(&lines, root), 2);
	assert_int_equal(yaml_line_of(&lines, json_at(root, "a")), 2);
	assert_int_equal(yaml_line_of(&lines, &json_at(root, "b")->items[0]), 4);
	assert_int_equal(yaml_line_of(&lines, json_at(second, "z")), 6);
	assert_int_equal(yaml_line_of(&lines, NULL), 1);
}

static void yaml__anchor__is_the_same_value_again(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct yaml_lines lines;
	ctx_init(&ctx, arena);
	const struct json *root = read(&ctx, "a: &x {b: 1}\nc: *x\n", &lines);
	assert_true(json_equals(json_at(root, "a"), json_at(root, "c")));
}

static void yaml__wrong__refused_with_its_line(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"a: [1", "f.yaml:2: not valid YAML"},
		{"a: 1\nb: 2\na: 3\n", "f.yaml:3: a stands twice"},
		{"a: 1\n[b]: 2\n", "f.yaml:2: a key must be a word"},
		{"a: 1\n---\nb: 2\n", "f.yaml:3: a second document"},
		{"a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
		 "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
		 "e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n",
			"too many values"},
		{"a: &a [*a]\n", "nested too deep"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct ctx ctx;
		struct yaml_lines lines;
		const struct json *root;
		ctx_init(&ctx, arena);
		assert_int_equal(yaml_json_read(&ctx, str_of(cases[i].text), "f.yaml", &root, &lines),
			ERR_INPUT);
		if (!str_contains(ctx.fault.text, str_of(cases[i].says))) {
			print_error("wanted '%s', got '%.*s'\n", cases[i].says, STR_ARG(ctx.fault.text));
			assert_true(false);
		}
	}
}

static void yaml__empty__is_null(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct yaml_lines lines;
	ctx_init(&ctx, arena);
	assert_true(json_is(read(&ctx, "", &lines), JSON_NULL));
	assert_true(json_is(read(&ctx, "# nothing\n", &lines), JSON_NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(yaml__plain_and_quoted_words__have_their_types),
		cmocka_unit_test(yaml__value__knows_its_line),
		cmocka_unit_test(yaml__anchor__is_the_same_value_again),
		cmocka_unit_test(yaml__wrong__refused_with_its_line),
		cmocka_unit_test(yaml__empty__is_null),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
