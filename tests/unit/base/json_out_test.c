/*
 * The JSON writer: commas, escapes, splicing, and that what it writes is read back equal.
 */
#include "check.h"

#include "base/json_out.h"

static void write__nested__commas_where_due(void **state)
{
	(void)state;
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 10000);
	struct json_out out;
	json_out_init(&out, &buf);
	json_out_object(&out);
	json_out_key_str(&out, "s", STR("x"));
	json_out_key_int(&out, "i", -5);
	json_out_key_bool(&out, "b", true);
	json_out_key(&out, STR("n"));
	json_out_null(&out);
	json_out_key_raw(&out, "r", STR("{ \"raw\" : 1.0 }"));
	json_out_key_array(&out, "a");
	json_out_int(&out, 1);
	json_out_array(&out);
	json_out_end(&out);
	json_out_object(&out);
	json_out_end(&out);
	json_out_str(&out, STR(""));
	json_out_bool(&out, false);
	json_out_end(&out);
	json_out_key_object(&out, "o");
	json_out_end(&out);
	const struct str texts[] = {STR("1"), STR("\"")};
	json_out_key_strs(&out, "t", texts, COUNT_OF(texts));
	json_out_key_strs(&out, "none", NULL, 0);
	json_out_end(&out);
	assert_int_equal(out.depth, 0);
	assert_text(buf_str(&buf),
		"{\"s\":\"x\",\"i\":-5,\"b\":true,\"n\":null,\"r\":{ \"raw\" : 1.0 },"
		"\"a\":[1,[],{},\"\",false],\"o\":{},\"t\":[\"1\",\"\\\"\"],\"none\":[]}");
}

static void escape__every_byte_that_needs_it__canonical_form(void **state)
{
	(void)state;
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 10000);
	json_escape(&buf, STR("\"\\/\b\f\n\r\t\0\x01\x0b\x1f\x7f \xc3\xa4\xe2\x80\xa8"));
	assert_text(buf_str(&buf),
		"\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u0001\\u000b\\u001f\x7f "
		"\xc3\xa4\xe2\x80\xa8\"");
}

/* It looks at eight bytes at once: every byte at every place of a text of every length up to three words. */
static void escape__every_byte_at_every_place__only_it_is_escaped(void **state)
{
	(void)state;
	enum { LONGEST = 24 };
	char text[LONGEST];
	for (unsigned c = 0; c < 256; c++) {
		struct buf one CLEANUP(buf_fini);
		buf_init(&one, 100);
		json_escape(&one, str_from(&(char){(char)c}, 1));
		const struct str escaped = str_slice(buf_str(&one), 1, one.n - 1);
		assert_true((escaped.n == 1) == (c >= 0x20 && c != '"' && c != '\\'));
		for (size_t n = 1; n <= LONGEST; n++) {
			for (size_t at = 0; at < n; at++) {
				memset(text, '!', n); /* the least byte behind white space that is plain */
				text[at] = (char)c;
				struct buf buf CLEANUP(buf_fini);
				buf_init(&buf, 100);
				json_escape(&buf, str_from(text, n));
				assert_int_equal(buf.n, n + 1 + escaped.n);
				assert_memory_equal(buf.p + 1 + at, escaped.p, escaped.n);
				for (size_t i = 0; i < buf.n; i++) {
					bool is_inside = i > at && i <= at + escaped.n;
					assert_true(is_inside || buf.p[i] == (i == 0 || i == buf.n - 1 ? '"' : '!'));
				}
			}
		}
	}
}

static void key__to_be_escaped__with_comma_and_colon(void **state)
{
	(void)state;
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 1000);
	struct json_out out;
	json_out_init(&out, &buf);
	json_out_object(&out);
	json_out_key(&out, STR("a\n"));
	json_out_str(&out, STR("1\""));
	json_out_key_str(&out, "b", STR("2"));
	json_out_key(&out, STR("\\c"));
	json_out_array(&out);
	json_out_str(&out, STR("3"));
	json_out_str(&out, STR("\t"));
	json_out_end(&out);
	json_out_end(&out);
	assert_text(buf_str(&buf), "{\"a\\n\":\"1\\\"\",\"b\":\"2\",\"\\\\c\":[\"3\",\"\\t\"]}");
}

static void write__over_ceiling__error_in_buffer(void **state)
{
	(void)state;
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 10);
	struct json_out out;
	json_out_init(&out, &buf);
	json_out_object(&out);
	for (int i = 0; i < 100; i++) {
		json_out_key_str(&out, "key", STR("value"));
	}
	json_out_end(&out);
	assert_false(buf_ok(&buf));
}

static void value__parsed_trees__raw_text_spliced(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct json tree;
	static const char text[] = "{ \"a\" : [ 1.0, -0, 1e5 ], \"b\" : \"\\u0041\" }";
	assert_int_equal(json_parse(arena, str_of(text), NULL, &tree, NULL), JSON_OK);
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 10000);
	struct json_out out;
	json_out_init(&out, &buf);
	json_out_value(&out, &tree);
	assert_text(buf_str(&buf), "{ \"a\" : [ 1.0, -0, 1e5 ], \"b\" : \"\\u0041\" }");
}

/* Without raw text, so that the writer has to write it. */
static void strip_raw(struct json *value)
{
	json_set_raw(value, str_from(NULL, 0));
	for (size_t i = 0; i < value->count; i++) {
		strip_raw(value->type == JSON_ARRAY ? &value->items[i] : &value->members[i].value);
	}
}

static void value__trees_without_raw__compact_and_equal_when_read(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	static const struct {
		struct str text;
		struct str compact;
	} rows[] = {
		{STR_INIT(" [ 1 , 2.50 , -0 , null , true , false ] "),
			STR_INIT("[1,2.50,-0,null,true,false]")},
		{STR_INIT("{ \"z\" : { } , \"a\" : [ ] }"), STR_INIT("{\"z\":{},\"a\":[]}")},
		{STR_INIT("\"\\u0000\\ud83d\\udca9\\/\""), STR_INIT("\"\\u0000\xf0\x9f\x92\xa9/\"")},
		{STR_INIT("-9223372036854775808"), STR_INIT("-9223372036854775808")},
		{STR_INIT("{\"a\\n\":{\"b\":[[[\"c\"]]]}}"), STR_INIT("{\"a\\n\":{\"b\":[[[\"c\"]]]}}")},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct json tree;
		struct json again;
		assert_int_equal(json_parse(arena, rows[i].text, NULL, &tree, NULL), JSON_OK);
		strip_raw(&tree);
		struct buf buf CLEANUP(buf_fini);
		buf_init(&buf, 10000);
		struct json_out out;
		json_out_init(&out, &buf);
		json_out_value(&out, &tree);
		assert_true(str_equals(buf_str(&buf), rows[i].compact));
		assert_int_equal(json_parse(arena, buf_str(&buf), NULL, &again, NULL), JSON_OK);
		assert_true(json_equals(&tree, &again));
	}
}

static void end_nothing(void *data)
{
	struct buf buf;
	(void)data;
	buf_init(&buf, 100);
	struct json_out out;
	json_out_init(&out, &buf);
	json_out_end(&out);
}

static void open_too_many(void *data)
{
	struct buf buf;
	(void)data;
	buf_init(&buf, 1000);
	struct json_out out;
	json_out_init(&out, &buf);
	for (int i = 0; i <= JSON_OUT_MAX_DEPTH; i++) {
		json_out_array(&out);
	}
}

static void depth__misused__ends_process(void **state)
{
	(void)state;
	assert_true(ends_process(end_nothing, NULL));
	assert_true(ends_process(open_too_many, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(write__nested__commas_where_due),
		cmocka_unit_test(escape__every_byte_that_needs_it__canonical_form),
		cmocka_unit_test(escape__every_byte_at_every_place__only_it_is_escaped),
		cmocka_unit_test(key__to_be_escaped__with_comma_and_colon),
		cmocka_unit_test(write__over_ceiling__error_in_buffer),
		cmocka_unit_test(value__parsed_trees__raw_text_spliced),
		cmocka_unit_test(value__trees_without_raw__compact_and_equal_when_read),
		cmocka_unit_test(depth__misused__ends_process),
	};
	return RUN_ALL(tests);
}
