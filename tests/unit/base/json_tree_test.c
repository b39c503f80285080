/*
 * What is done with a parsed tree: looking up, comparing, copying, changing a copy.
 */
#include "json_check.h"

#include "base/buf.h"
#include "tests/support/cpu_time.h"

static void get__absent_wrong_type_null__defaults(void **state)
{
	(void)state;
	struct json root = good(STR("{\"s\":\"\",\"i\":5,\"f\":1.0}"));
	assert_null(json_at(&root, "x"));
	assert_null(json_get(NULL, STR("x")));
	assert_null(json_get(json_at(&root, "s"), STR("x")));
	assert_non_null(json_get_str(&root, STR("s")).p);
	assert_null(json_get_str(&root, STR("i")).p);
	assert_null(json_get_str(&root, STR("x")).p);
	assert_true(json_get_bool(&root, STR("i"), true));
	int64_t out = 9;
	assert_false(json_get_int(&root, STR("s"), 0, 10, &out));
	assert_false(json_get_int(&root, STR("f"), 0, 10, &out));
	assert_false(json_get_int(&root, STR("i"), 6, 10, &out));
	assert_false(json_get_int(&root, STR("i"), 0, 4, &out));
	assert_true(out == 9);
	assert_true(json_get_int(&root, STR("i"), 5, 5, &out));
	assert_true(out == 5);
	assert_false(json_is(NULL, JSON_NULL));
}

static void equals__pairs__members_in_any_order(void **state)
{
	(void)state;
	static const struct {
		struct str a;
		struct str b;
		bool equal;
	} rows[] = {
		{STR_INIT("{\"a\":1,\"b\":[true]}"), STR_INIT("{ \"b\":[true], \"a\":1 }"), true},
		{STR_INIT("{\"a\":1}"), STR_INIT("{\"a\":1,\"b\":2}"), false},
		{STR_INIT("{\"a\":1}"), STR_INIT("{\"b\":1}"), false},
		{STR_INIT("[1,2]"), STR_INIT("[2,1]"), false},
		{STR_INIT("1"), STR_INIT("1.0"), false},
		{STR_INIT("1.0"), STR_INIT("1.0"), true},
		{STR_INIT("\"A\""), STR_INIT("\"\\u0041\""), true},
		{STR_INIT("null"), STR_INIT("false"), false},
		{STR_INIT("null"), STR_INIT("null"), true},
		{STR_INIT("[]"), STR_INIT("{}"), false},
		{STR_INIT("{\"a\":{\"x\":[1,{\"y\":2}]}}"), STR_INIT("{\"a\":{\"x\":[1,{\"y\":3}]}}"),
			false},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct json a = good(rows[i].a);
		struct json b = good(rows[i].b);
		assert_int_equal(json_equals(&a, &b), rows[i].equal);
		assert_int_equal(json_equals(&b, &a), rows[i].equal);
	}
}

static void with_and_without__member__copy_changed(void **state)
{
	(void)state;
	struct json root = good(STR("{\"a\":1,\"b\":2}"));
	struct json more = json_with(arena, &root, STR("c"), json_integer(3));
	assert_int_equal(more.count, 3);
	assert_int_equal(json_raw(&more).n, 0);
	assert_true(json_at(&more, "c")->integer == 3);
	struct json other = json_with(arena, &root, STR("a"), json_string(STR("x")));
	assert_int_equal(other.count, 2);
	assert_text(other.members[0].key, "a");
	assert_text(json_text(&other.members[0].value), "x");
	assert_true(json_at(&root, "a")->integer == 1);
	struct json less = json_without(arena, &root, STR("a"));
	assert_int_equal(less.count, 1);
	assert_int_equal(json_raw(&less).n, 0);
	struct json unchanged = json_without(arena, &root, STR("x"));
	assert_text(json_raw(&unchanged), "{\"a\":1,\"b\":2}");
	assert_true(json_boolean(true).boolean);
	assert_int_equal(json_object(arena, 0).count, 0);
}

static struct json numbered(int from, int to, int step, int64_t value)
{
	struct json object = json_object(arena, (size_t)((to - from) / step) + 1);
	for (int i = from; i != to; i += step) {
		object.members[object.count++] =
			(struct json_member){str_printf(arena, "%05d", i), json_integer(value)};
	}
	return object;
}

static void merged__two_objects__each_key_once_and_that_of_the_upper(void **state)
{
	(void)state;
	struct json under = good(STR("{\"c\":1,\"a\":1,\"b\":1}"));
	struct json over = good(STR("{\"d\":2,\"b\":2}"));
	struct json wanted = good(STR("{\"a\":1,\"b\":2,\"c\":1,\"d\":2}"));
	struct json merged = json_merged(arena, &under, &over);
	assert_true(json_equals(&merged, &wanted));
	assert_int_equal(json_raw(&merged).n, 0);
	struct json none = json_object(arena, 0);
	merged = json_merged(arena, &none, &under);
	assert_true(json_equals(&merged, &under));
	merged = json_merged(arena, &under, &none);
	assert_true(json_equals(&merged, &under));
	struct json twice = json_object(arena, 2);
	twice.members[twice.count++] = (struct json_member){STR("a"), json_integer(3)};
	twice.members[twice.count++] = twice.members[0];
	assert_int_equal(json_merged(arena, &under, &twice).count, 3);
}

static void without_all__names__gone_whether_there_or_named_twice(void **state)
{
	(void)state;
	struct json object = good(STR("{\"c\":1,\"a\":1,\"b\":1,\"e\":1}"));
	struct json names = json_object(arena, 4);
	struct str keys[] = {STR("b"), STR("d"), STR("b"), STR("a")};
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		names.members[names.count++] = (struct json_member){.key = keys[i]};
	}
	struct json rest = json_without_all(arena, &object, &names);
	struct json wanted = good(STR("{\"c\":1,\"e\":1}"));
	assert_true(json_equals(&rest, &wanted));
	rest = json_without_all(arena, &object, &object);
	assert_int_equal(rest.count, 0);
}

static void merged__thousands__memory_as_of_one_copy(void **state)
{
	(void)state;
	enum { MANY = 20000 };
	struct json up = numbered(0, MANY, 1, 1);
	struct json down = numbered(MANY - 1, -1, -1, 2);
	size_t before = arena_used_bytes(arena);
	struct json merged = json_merged(arena, &up, &down);
	assert_int_equal(merged.count, MANY);
	assert_true(merged.members[MANY / 2].value.integer == 2);
	assert_true(arena_used_bytes(arena) - before < sizeof(struct json_member) * MANY * 3);
	struct json other = json_without_all(arena, &up, &down);
	assert_int_equal(other.count, 0);
	struct json back = numbered(MANY - 1, -1, -1, 1);
	assert_true(json_equals(&up, &back));
	assert_false(json_equals(&up, &down));
}

/* An object of so many members whose keys are numbers, up or down, as text. */
static struct str written(int count, bool is_down)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 1 << 24);
	buf_add_byte(&buf, '{');
	for (int i = 0; i < count; i++) {
		buf_printf(&buf, "%s\"%07d\":%d", i > 0 ? "," : "", is_down ? count - 1 - i : i, i);
	}
	buf_add_byte(&buf, '}');
	return str_dup(arena, buf_str(&buf));
}

static void get__few_and_many_in_any_order__each_found_and_no_other(void **state)
{
	(void)state;
	for (int count = 0; count < 200; count++) {
		struct json parsed = good(written(count, count % 2 == 0));
		struct json trees[] = {parsed, json_dup(arena, &parsed)};
		for (size_t t = 0; t < COUNT_OF(trees); t++) {
			for (int i = 0; i < count; i++) {
				const struct json *value = json_get(&trees[t], str_printf(arena, "%07d", i));
				assert_true(json_is(value, JSON_INT));
				assert_true(value->integer == (count % 2 == 0 ? count - 1 - i : i));
			}
			assert_null(json_get(&trees[t], STR("")));
			assert_null(json_get(&trees[t], STR("0000000x")));
			assert_null(json_get(&trees[t], STR("x")));
		}
	}
}

/* Whoever looks up many keys in somebody's object pays for each, not for each times all. */
static void get__each_of_thousands__costs_no_more_than_parsing_a_few_times(void **state)
{
	(void)state;
	enum { MANY = 30000 };
	struct str *keys = ARENA_NEW_ARRAY(arena, struct str, MANY);
	for (int i = 0; i < MANY; i++) {
		keys[i] = str_printf(arena, "%07d", i);
	}
	struct str text = written(MANY, true);
	int64_t start_us = cpu_time_us();
	struct json object = good(text);
	int64_t parsed_us = cpu_time_us();
	for (int i = 0; i < MANY; i++) {
		assert_non_null(json_get(&object, keys[i]));
	}
	int64_t found_us = cpu_time_us();
	assert_true(found_us - parsed_us < (parsed_us - start_us + 1000) * 10);
}

static void dup__source_gone__copy_whole(void **state)
{
	(void)state;
	static const char text[] = "{\"k\":[\"x\",1.5,\"\\n\"],\"o\":{}}";
	char *source = strdup(text);
	struct arena *first = arena_create();
	struct json root;
	assert_int_equal(json_parse(first, str_of(source), NULL, &root, NULL), JSON_OK);
	struct json copy = json_dup(arena, &root);
	arena_destroy(first);
	memset(source, 'x', strlen(source));
	free(source);
	struct json expected = good(str_of(text));
	assert_true(json_equals(&copy, &expected));
	assert_true(str_equals(json_raw(&copy), str_of(text)));
	assert_text(json_raw(&json_at(&copy, "k")->items[1]), "1.5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(get__absent_wrong_type_null__defaults),
		cmocka_unit_test(equals__pairs__members_in_any_order),
		cmocka_unit_test(with_and_without__member__copy_changed),
		cmocka_unit_test(merged__two_objects__each_key_once_and_that_of_the_upper),
		cmocka_unit_test(without_all__names__gone_whether_there_or_named_twice),
		cmocka_unit_test(merged__thousands__memory_as_of_one_copy),
		cmocka_unit_test(get__few_and_many_in_any_order__each_found_and_no_other),
		cmocka_unit_test(get__each_of_thousands__costs_no_more_than_parsing_a_few_times),
		cmocka_unit_test(dup__source_gone__copy_whole),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
