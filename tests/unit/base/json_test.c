/*
 * The JSON parser: syntax, limits, duplicates, Unicode, numbers, raw spans; then random documents
 * against cJSON.
 */
#include "check.h"

#include <math.h>

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "base/json.h"
#include "tests/support/cpu_time.h"

static struct arena *arena;

static int set_up(void **state)
{
	(void)state;
	arena = arena_create();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_destroy(arena);
	return 0;
}

static enum json_error parse(struct str text, struct json *out)
{
	return json_parse(arena, text, NULL, out, NULL);
}

/* The tree of a text that must be good. */
static struct json good(struct str text)
{
	struct json value = {0};
	if (parse(text, &value) != JSON_OK) {
		fail_msg("refused: %.*s", STR_ARG(text));
	}
	return value;
}

static struct str good_text(struct str text)
{
	struct json value = good(text);
	return json_text(&value);
}

static void parse__every_type__typed(void **state)
{
	(void)state;
	struct json root =
		good(STR(" {\"n\":null,\"t\":true,\"f\":false,\"i\":-12,\"d\":1.5,\"s\":\"x\","
				 "\"a\":[1,[],{}],\"o\":{\"k\":\"v\"}}\n"));
	assert_int_equal(root.type, JSON_OBJECT);
	assert_int_equal(root.count, 8);
	assert_true(json_is(json_at(&root, "n"), JSON_NULL));
	assert_true(json_get_bool(&root, STR("t"), false));
	assert_false(json_get_bool(&root, STR("f"), true));
	assert_true(json_at(&root, "i")->integer == -12);
	assert_int_equal(json_at(&root, "d")->type, JSON_NUMBER);
	assert_text(json_get_str(&root, STR("s")), "x");
	const struct json *array = json_at(&root, "a");
	assert_int_equal(array->count, 3);
	assert_int_equal(array->items[1].type, JSON_ARRAY);
	assert_int_equal(array->items[1].count, 0);
	assert_int_equal(array->items[2].type, JSON_OBJECT);
	assert_text(json_get_str(json_at(&root, "o"), STR("k")), "v");
	assert_text(root.members[3].key, "i");
}

/* What one type has stands in the place of another's: nobody who asks for the wrong one gets a pointer. */
static void text__of_what_has_none__none(void **state)
{
	(void)state;
	struct json root = good(STR("[7,null,true,[1],{\"k\":1},[],\"t\",1.5]"));
	for (size_t i = 0; i < 6; i++) {
		assert_null(json_text(&root.items[i]).p);
		assert_int_equal(json_text(&root.items[i]).n, 0);
	}
	assert_text(json_text(&root.items[6]), "t");
	assert_text(json_text(&root.items[7]), "1.5");
	assert_int_equal(root.items[6].count, 0);
	assert_int_equal(root.items[7].count, 0);
	assert_int_equal(root.items[0].count, 0);
}

/* Others decide how many there are: see docs/security.md. */
static void size__of_values_and_members__small(void **state)
{
	(void)state;
	assert_true(sizeof(struct json) <= 32);
	assert_true(sizeof(struct json_member) <= 48);
}

static const struct json_limits two_levels = {.max_values = 9, .levels = 2};

static void levels__what_is_below__passed_over_and_read_later(void **state)
{
	(void)state;
	struct str text =
		STR("{\"a\":[{\"k\":[1,{}],\"l\":\"}\\\"\"},\"x\",[2,\"]\"],[]],\"b\":{\"c\":{}},\"n\":1}");
	struct json root;
	struct json event;
	assert_int_equal(json_parse(arena, text, &two_levels, &root, NULL), JSON_OK);
	assert_int_equal(root.count, 3);
	const struct json *list = json_at(&root, "a");
	assert_false(list->is_unread);
	assert_int_equal(list->count, 4);
	assert_true(list->items[0].is_unread && list->items[0].type == JSON_OBJECT);
	assert_int_equal(list->items[0].count, 0);
	assert_text(json_raw(&list->items[0]), "{\"k\":[1,{}],\"l\":\"}\\\"\"}");
	assert_text(json_raw(&list->items[2]), "[2,\"]\"]");
	assert_true(json_at(json_at(&root, "b"), "c")->is_unread);
	assert_int_equal(json_read(arena, &list->items[0], NULL, &event), JSON_OK);
	assert_false(event.is_unread);
	assert_int_equal(json_at(&event, "k")->count, 2);
	assert_text(json_get_str(&event, STR("l")), "}\"");
	assert_int_equal(json_read(arena, &list->items[1], NULL, &event), JSON_OK);
	assert_text(json_text(&event), "x");
}

/* What is wrong with it is wrong with it alone; where it ends has to be clear. */
static void levels__what_is_below_is_no_json__found_when_it_is_read(void **state)
{
	(void)state;
	static const char *const bad[] = {"[[{\"a\":}],1]", "[[[}],1]", "[[{\"a\":1,\"a\":2}],1]",
		"[[[\"\xff\"]],1]", "[[[nul]],1]"};
	struct json root;
	struct json item;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(json_parse(arena, str_of(bad[i]), &two_levels, &root, NULL), JSON_OK);
		assert_true(root.count == 2 && root.items[0].count == 1);
		assert_int_not_equal(json_read(arena, &root.items[0].items[0], NULL, &item), JSON_OK);
	}
	static const char *const endless[] = {"[[[", "[[[1]", "[[{\"a]]", "[[[\"\\", "[[{{}]]"};
	for (size_t i = 0; i < COUNT_OF(endless); i++) {
		assert_int_equal(json_parse(arena, str_of(endless[i]), &two_levels, &root, NULL),
			JSON_ERROR_SYNTAX);
	}
}

static void parse__scalars_alone__accepted(void **state)
{
	(void)state;
	assert_int_equal(good(STR("null")).type, JSON_NULL);
	assert_true(good(STR("\t\r\n true ")).boolean);
	assert_true(good(STR("0")).integer == 0);
	assert_text(good_text(STR("\"\"")), "");
	assert_int_equal(good(STR("[]")).count, 0);
	assert_int_equal(good(STR("{ }")).count, 0);
}

static void parse__bad_syntax__refused_and_out_untouched(void **state)
{
	(void)state;
	static const struct str texts[] = {STR_INIT(""), STR_INIT(" "), STR_INIT("{"), STR_INIT("}"),
		STR_INIT("["), STR_INIT("]"), STR_INIT("[1"), STR_INIT("[1,"), STR_INIT("[1,]"),
		STR_INIT("[,1]"), STR_INIT("[1 2]"), STR_INIT("[1}"), STR_INIT("{]"), STR_INIT("{\"a\"}"),
		STR_INIT("{\"a\":}"), STR_INIT("{\"a\":1,}"), STR_INIT("{,}"), STR_INIT("{a:1}"),
		STR_INIT("{'a':1}"), STR_INIT("{1:1}"), STR_INIT("{\"a\" 1}"),
		STR_INIT("{\"a\":1 \"b\":2}"), STR_INIT("{\"a\":1]"), STR_INIT("{\"a\"::1}"),
		STR_INIT("1 2"), STR_INIT("[]x"), STR_INIT("nul"), STR_INIT("nulL"), STR_INIT("True"),
		STR_INIT("tru"), STR_INIT("fals"), STR_INIT("NaN"), STR_INIT("Infinity"),
		STR_INIT("-Infinity"), STR_INIT("undefined"), STR_INIT("\""), STR_INIT("\"a"),
		STR_INIT("\"\\"), STR_INIT("\"\\\""), STR_INIT("\"\\x41\""), STR_INIT("\"\\a\""),
		STR_INIT("\"\\'\""), STR_INIT("\"\n\""), STR_INIT("\"\t\""), STR_INIT("\"\0\""),
		STR_INIT("\"\x1f\""), STR_INIT("\"\\u\""), STR_INIT("\"\\u12\""), STR_INIT("\"\\u12g4\""),
		STR_INIT("\"\\u 123\""), STR_INIT("\"\\u-123\""), STR_INIT("\\u0022a\""), STR_INIT("'a'"),
		STR_INIT("/* */1"), STR_INIT("1//"), STR_INIT("\xef\xbb\xbf{}"), STR_INIT("\v1"),
		STR_INIT("\f1"),
		STR_INIT("\xc2\xa0"
				 "1"),
		STR_INIT("1\0"), STR_INIT("\0")};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct json out = {.count = 4711};
		size_t at = SIZE_MAX;
		enum json_error error = json_parse(arena, texts[i], NULL, &out, &at);
		if (error != JSON_ERROR_SYNTAX) {
			fail_msg("%zu: %.*s gives %d", i, STR_ARG(texts[i]), (int)error);
		}
		assert_true(at <= texts[i].n);
		assert_int_equal(out.count, 4711);
	}
}

static void sec_5_40__bad_numbers__refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"-", "+1", "01", "-01", "00", "1.", ".5", "-.5", "1.e1",
		"1e", "1e+", "1E-", "0x10", "1_000", "1e1.5", "--1", "1-", "0.", "1 .5", "- 1"};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct json out;
		assert_int_equal(parse(str_of(texts[i]), &out), JSON_ERROR_SYNTAX);
	}
}

static void parse__integers__exact_within_int64(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t value;
	} rows[] = {{"0", 0}, {"-1", -1}, {"9007199254740991", 9007199254740991},
		{"-9007199254740991", -9007199254740991}, {"9007199254740993", 9007199254740993},
		{"9223372036854775807", INT64_MAX}, {"-9223372036854775808", INT64_MIN}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct json value = good(str_of(rows[i].text));
		assert_int_equal(value.type, JSON_INT);
		assert_true(value.integer == rows[i].value);
		assert_true(str_equals(json_raw(&value), str_of(rows[i].text)));
	}
}

static void parse__other_numbers__text_kept(void **state)
{
	(void)state;
	static const char *const texts[] = {"-0", "1.0", "-0.0", "1e5", "1E+5", "0e0", "1.50", "1e-400",
		"1e400", "9223372036854775808", "-9223372036854775809", "123456789012345678901234567890",
		"3.14159265358979323846264338327950288"};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct json value = good(str_of(texts[i]));
		assert_int_equal(value.type, JSON_NUMBER);
		assert_true(str_equals(json_text(&value), str_of(texts[i])));
		int64_t out = 5;
		struct json object = json_with(arena, &(struct json){.type = JSON_OBJECT}, STR("k"), value);
		assert_false(json_get_int(&object, STR("k"), INT64_MIN, INT64_MAX, &out));
		assert_true(out == 5);
	}
}

static void parse__escapes__decoded(void **state)
{
	(void)state;
	assert_text(good_text(STR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"")), "\"\\/\b\f\n\r\t");
	assert_text(good_text(STR("\"\\u0041\\u00e4\\u20AC\\uFFFF\"")),
		"A\xc3\xa4\xe2\x82\xac\xef\xbf\xbf");
	assert_text(good_text(STR("\"\\ud83d\\uDCA9\"")), "\xf0\x9f\x92\xa9");
	assert_text(good_text(STR("\"\\uD800\\uDC00\\udbff\\udfff\"")),
		"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
	assert_text(good_text(STR("\"a\\u0000b\"")), "a\0b");
	assert_text(good(STR("{\"\\u0000\":1}")).members[0].key, "\0");
	assert_text(good_text(STR("\"\x7f\xe2\x80\xa8\"")), "\x7f\xe2\x80\xa8");
}

/* It looks at eight bytes at once: every byte at every place of a string of every length up to three words, at the text's end or not. */
static void parse__every_byte_at_every_place__string_ends_at_its_quote(void **state)
{
	(void)state;
	enum { LONGEST = 24 };
	for (unsigned c = 0; c < 256; c++) {
		bool is_plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
		for (size_t n = 1; n <= LONGEST; n++) {
			for (size_t at = 0; at < n; at++) {
				char text[LONGEST + 4];
				memset(text, '!',
					sizeof(text)); /* the least byte behind white space that is plain */
				text[0] = text[n + 1] = '"';
				text[1 + at] = (char)c;
				struct json out;
				enum json_error error = parse(str_from(text, n + 2), &out);
				assert_int_equal(error, is_plain ? JSON_OK : JSON_ERROR_SYNTAX);
				assert_true(!is_plain || str_equals(json_text(&out), str_from(text + 1, n)));
				text[n + 1] = '!'; /* it has no end */
				assert_int_equal(parse(str_from(text, n + 2), &out), JSON_ERROR_SYNTAX);
				text[n + 1] = '"';
				text[n + 2] = text[n + 3] = ' ';
				assert_int_equal(parse(str_from(text, n + 4), &out), error);
			}
		}
	}
}

static void sec_5_40__lone_surrogates__refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"\"\\ud800\"", "\"\\udc00\"", "\"\\udfff\"",
		"\"\\ud800\\ud800\"", "\"\\udc00\\ud800\"", "\"\\ud800a\"", "\"\\ud800\\n\"",
		"\"\\ud800\\u0041\"", "\"\\ud800\\u\"", "\"\\ud800\\udc0\"", "\"\\ud800\\\"",
		"{\"\\ud800\":1}"};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct json out;
		assert_int_equal(parse(str_of(texts[i]), &out), JSON_ERROR_SYNTAX);
	}
}

static void sec_5_40__invalid_utf8__refused(void **state)
{
	(void)state;
	static const struct str texts[] = {STR_INIT("\"\xff\""), STR_INIT("\"\xc3\""),
		STR_INIT("\"\xc0\x80\""), STR_INIT("\"\xed\xa0\x80\""), STR_INIT("\"\xf4\x90\x80\x80\""),
		STR_INIT("{\"\x80\":1}"), STR_INIT("\xff"), STR_INIT("\"\xe2\x82\\u0041\""),
		STR_INIT("\"\xc3\\\xa4\""), STR_INIT("\"\\\xc3\xa4\"")};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct json out;
		assert_int_equal(parse(texts[i], &out), JSON_ERROR_SYNTAX);
	}
}

static void sec_5_40__duplicate_keys__refused(void **state)
{
	(void)state;
	struct json out;
	assert_int_equal(parse(STR("{\"a\":1,\"a\":1}"), &out), JSON_ERROR_DUPLICATE);
	assert_int_equal(parse(STR("{\"a\":1,\"b\":2,\"\\u0061\":3}"), &out), JSON_ERROR_DUPLICATE);
	assert_int_equal(parse(STR("[{\"x\":{\"\":1,\"\":2}}]"), &out), JSON_ERROR_DUPLICATE);
	assert_int_equal(parse(STR("{\"a\":{\"a\":1},\"b\":{\"a\":1}}"), &out), JSON_OK);
	assert_int_equal(parse(STR("{\"a\":1,\"A\":1,\"a\\u0000\":1}"), &out), JSON_OK);
}

/* An object of `count` keys; key number `twice` stands at the end again. */
static struct str many_keys(int count, int twice)
{
	struct buf buf;
	buf_init(&buf, 1 << 20);
	buf_add_byte(&buf, '{');
	for (int i = 0; i < count; i++) {
		buf_printf(&buf, "\"key%d\":%d,", i, i);
	}
	buf_printf(&buf, "\"key%d\":0}", twice);
	struct str copy = str_dup(arena, buf_str(&buf));
	buf_fini(&buf);
	return copy;
}

static void parse__duplicate_among_many_keys__refused(void **state)
{
	(void)state;
	for (int count = 1; count < 40; count++) {
		struct json out;
		for (int twice = 0; twice < count; twice++) {
			assert_int_equal(parse(many_keys(count, twice), &out), JSON_ERROR_DUPLICATE);
		}
		assert_int_equal(parse(many_keys(count, count), &out), JSON_OK);
		assert_int_equal(out.count, count + 1);
		for (int i = 0; i < count; i++) { /* source order stays */
			assert_true(out.members[i].value.integer == i);
		}
	}
	struct json out;
	assert_int_equal(parse(many_keys(20000, 10000), &out), JSON_ERROR_DUPLICATE);
}

/* `depth` brackets around a 1. */
static struct str nested(size_t depth, bool objects)
{
	struct buf buf;
	buf_init(&buf, 8 << 20);
	for (size_t i = 0; i < depth; i++) {
		buf_add(&buf, objects ? STR("{\"a\":") : STR("["));
	}
	buf_add_byte(&buf, '1');
	for (size_t i = 0; i < depth; i++) {
		buf_add_byte(&buf, objects ? '}' : ']');
	}
	struct str copy = str_dup(arena, buf_str(&buf));
	buf_fini(&buf);
	return copy;
}

static void sec_5_40__deep_nesting__limit_is_exact(void **state)
{
	(void)state;
	for (int objects = 0; objects < 2; objects++) {
		struct json out;
		assert_int_equal(parse(nested(100, objects), &out), JSON_OK);
		assert_int_equal(parse(nested(101, objects), &out), JSON_ERROR_LIMIT);
		assert_int_equal(parse(nested(200, objects), &out), JSON_ERROR_LIMIT);
		assert_int_equal(parse(nested(1000000, objects), &out), JSON_ERROR_LIMIT);
		const struct json_limits deep = {.max_depth = 200};
		assert_int_equal(json_parse(arena, nested(200, objects), &deep, &out, NULL), JSON_OK);
		assert_int_equal(json_parse(arena, nested(201, objects), &deep, &out, NULL),
			JSON_ERROR_LIMIT);
	}
}

static void parse__many_values__limit_is_exact(void **state)
{
	(void)state;
	const struct json_limits few = {.max_values = 4};
	struct json out;
	assert_int_equal(json_parse(arena, STR("[1,2,3,4]"), &few, &out, NULL), JSON_OK);
	assert_int_equal(json_parse(arena, STR("[1,2,3,4,5]"), &few, &out, NULL), JSON_ERROR_LIMIT);
	assert_int_equal(json_parse(arena, STR("{\"a\":[[],1,2],\"b\":3}"), &few, &out, NULL),
		JSON_ERROR_LIMIT);
}

static void parse__error__offset_points_at_it(void **state)
{
	(void)state;
	struct json out;
	size_t at;
	assert_int_equal(json_parse(arena, STR("[1, x]"), NULL, &out, &at), JSON_ERROR_SYNTAX);
	assert_int_equal(at, 4);
	assert_int_equal(json_parse(arena, STR("{} {}"), NULL, &out, &at), JSON_ERROR_SYNTAX);
	assert_int_equal(at, 3);
	for (int error = JSON_OK; error <= JSON_ERROR_LIMIT; error++) {
		assert_true(strlen(json_error_text((enum json_error)error)) > 0);
	}
}

static void raw__every_value__its_span_of_the_source(void **state)
{
	(void)state;
	struct json root = good(STR(" { \"a\" : [ 1.0 , \"\\u0041\" , { } ] , \"b\":  true }  "));
	assert_text(json_raw(&root), "{ \"a\" : [ 1.0 , \"\\u0041\" , { } ] , \"b\":  true }");
	const struct json *array = json_at(&root, "a");
	assert_text(json_raw(array), "[ 1.0 , \"\\u0041\" , { } ]");
	assert_text(json_raw(&array->items[0]), "1.0");
	assert_text(json_raw(&array->items[1]), "\"\\u0041\"");
	assert_text(json_raw(&array->items[2]), "{ }");
	assert_text(json_raw(json_at(&root, "b")), "true");
}

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

/* Random documents */

static uint64_t seed = 42;

static void generate_string(struct buf *out)
{
	static const char *const pieces[] = {"a", "key", "\\n", "\\\"", "\\\\", "\\/", "\\u0041",
		"\\u00e4", "\\ud83d\\udca9", "\xc3\xa4", "\xf0\x9f\x92\xa9", " ", "\x7f", "z", "{", "]",
		",", ":"};
	buf_add_byte(out, '"');
	for (uint32_t n = next_random(&seed) % 6; n > 0; n--) {
		buf_add(out, str_of(pieces[next_random(&seed) % COUNT_OF(pieces)]));
	}
	/* A number makes most keys differ. */
	buf_printf(out, "%u\"", next_random(&seed) % 1000);
}

static void generate_space(struct buf *out)
{
	static const char *const spaces[] = {"", "", "", " ", "\n", "\t\r"};
	buf_add(out, str_of(spaces[next_random(&seed) % COUNT_OF(spaces)]));
}

static void generate(struct buf *out, int depth)
{
	static const char *const scalars[] = {"null", "true", "false", "0", "-0", "1", "-17", "1.0",
		"0.5e-3", "1E+2", "9007199254740993", "123456789012345678901234567890", "1e300"};
	generate_space(out);
	uint32_t kind = next_random(&seed) % (depth > 0 ? 5 : 3);
	if (kind < 2) {
		buf_add(out, str_of(scalars[next_random(&seed) % COUNT_OF(scalars)]));
	} else if (kind == 2) {
		generate_string(out);
	} else {
		buf_add_byte(out, kind == 3 ? '[' : '{');
		uint32_t count = next_random(&seed) % 5;
		for (uint32_t i = 0; i < count; i++) {
			buf_add(out, i > 0 ? STR(",") : STR(""));
			if (kind == 4) {
				generate_space(out);
				generate_string(out);
				generate_space(out);
				buf_add_byte(out, ':');
			}
			generate(out, depth - 1);
		}
		buf_add_byte(out, kind == 3 ? ']' : '}');
	}
	generate_space(out);
}

static bool same_as_cjson(const struct json *ours, const cJSON *theirs);

static bool same_children(const struct json *ours, const cJSON *theirs)
{
	const cJSON *child = theirs->child;
	for (size_t i = 0; i < ours->count; i++) {
		const struct json *value =
			ours->type == JSON_ARRAY ? &ours->items[i] : &ours->members[i].value;
		if (child == NULL || !same_as_cjson(value, child)) {
			return false;
		}
		if (ours->type == JSON_OBJECT && !str_equals(ours->members[i].key, str_of(child->string))) {
			return false;
		}
		child = child->next;
	}
	return child == NULL;
}

static bool same_as_cjson(const struct json *ours, const cJSON *theirs)
{
	switch (ours->type) {
	case JSON_NULL:
		return cJSON_IsNull(theirs);
	case JSON_BOOL:
		return ours->boolean ? cJSON_IsTrue(theirs) : cJSON_IsFalse(theirs);
	case JSON_INT:
		return cJSON_IsNumber(theirs) && !(fabs(theirs->valuedouble - (double)ours->integer) > 0);
	case JSON_NUMBER:
		return cJSON_IsNumber(theirs) &&
			!(fabs(theirs->valuedouble - strtod(str_cstr(arena, json_text(ours)), NULL)) > 0);
	case JSON_STRING:
		return cJSON_IsString(theirs) && str_equals(json_text(ours), str_of(theirs->valuestring));
	case JSON_ARRAY:
		return cJSON_IsArray(theirs) && same_children(ours, theirs);
	case JSON_OBJECT:
		return cJSON_IsObject(theirs) && same_children(ours, theirs);
	}
	return false;
}

static void sec_5_41__grammatical_documents__same_tree_as_cjson(void **state)
{
	(void)state;
	size_t accepted = 0;
	for (int i = 0; i < 20000; i++) {
		struct buf text CLEANUP(buf_fini);
		buf_init(&text, 1 << 20);
		generate(&text, 5);
		struct json ours;
		enum json_error error = parse(buf_str(&text), &ours);
		if (error == JSON_ERROR_DUPLICATE) { /* cJSON takes these */
			continue;
		}
		assert_int_equal(error, JSON_OK);
		accepted++;
		cJSON *theirs = cJSON_ParseWithLength(text.p, text.n);
		if (theirs == NULL || !same_as_cjson(&ours, theirs)) {
			fail_msg("differs: %.*s", STR_ARG(buf_str(&text)));
		}
		cJSON_Delete(theirs);
		arena_reset(arena);
	}
	assert_true(accepted > 15000);
}

static void differential__damaged_documents__what_we_take_cjson_takes(void **state)
{
	(void)state;
	static const char bytes[] = "{}[]\",:\\u0123456789abcdefE+-. \n\t\x01\x80\xc3\xff";
	size_t accepted = 0;
	for (int i = 0; i < 60000; i++) {
		struct buf text CLEANUP(buf_fini);
		buf_init(&text, 1 << 20);
		generate(&text, 3);
		for (uint32_t n = 1 + next_random(&seed) % 2; n > 0; n--) {
			size_t at = next_random(&seed) % text.n;
			text.p[at] = bytes[next_random(&seed) % (sizeof(bytes) - 1)];
		}
		struct json ours;
		if (parse(buf_str(&text), &ours) == JSON_OK) {
			accepted++;
			cJSON *theirs = cJSON_ParseWithLength(text.p, text.n);
			/* A NUL cuts cJSON's strings short. */
			if ((theirs == NULL || !same_as_cjson(&ours, theirs)) &&
				!str_contains(buf_str(&text), STR("\\u0000"))) {
				fail_msg("differs: %.*s", STR_ARG(buf_str(&text)));
			}
			cJSON_Delete(theirs);
		}
		arena_reset(arena);
	}
	assert_true(accepted > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__every_type__typed),
		cmocka_unit_test(text__of_what_has_none__none),
		cmocka_unit_test(size__of_values_and_members__small),
		cmocka_unit_test(levels__what_is_below__passed_over_and_read_later),
		cmocka_unit_test(levels__what_is_below_is_no_json__found_when_it_is_read),
		cmocka_unit_test(parse__scalars_alone__accepted),
		cmocka_unit_test(parse__bad_syntax__refused_and_out_untouched),
		cmocka_unit_test(sec_5_40__bad_numbers__refused),
		cmocka_unit_test(parse__integers__exact_within_int64),
		cmocka_unit_test(parse__other_numbers__text_kept),
		cmocka_unit_test(parse__escapes__decoded),
		cmocka_unit_test(parse__every_byte_at_every_place__string_ends_at_its_quote),
		cmocka_unit_test(sec_5_40__lone_surrogates__refused),
		cmocka_unit_test(sec_5_40__invalid_utf8__refused),
		cmocka_unit_test(sec_5_40__duplicate_keys__refused),
		cmocka_unit_test(parse__duplicate_among_many_keys__refused),
		cmocka_unit_test(sec_5_40__deep_nesting__limit_is_exact),
		cmocka_unit_test(parse__many_values__limit_is_exact),
		cmocka_unit_test(parse__error__offset_points_at_it),
		cmocka_unit_test(raw__every_value__its_span_of_the_source),
		cmocka_unit_test(get__absent_wrong_type_null__defaults),
		cmocka_unit_test(equals__pairs__members_in_any_order),
		cmocka_unit_test(with_and_without__member__copy_changed),
		cmocka_unit_test(merged__two_objects__each_key_once_and_that_of_the_upper),
		cmocka_unit_test(without_all__names__gone_whether_there_or_named_twice),
		cmocka_unit_test(merged__thousands__memory_as_of_one_copy),
		cmocka_unit_test(get__few_and_many_in_any_order__each_found_and_no_other),
		cmocka_unit_test(get__each_of_thousands__costs_no_more_than_parsing_a_few_times),
		cmocka_unit_test(dup__source_gone__copy_whole),
		cmocka_unit_test(sec_5_41__grammatical_documents__same_tree_as_cjson),
		cmocka_unit_test(differential__damaged_documents__what_we_take_cjson_takes),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
