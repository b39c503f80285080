/*
 * The JSON parser: syntax, limits, duplicates, Unicode, numbers, raw spans; then random documents
 * against cJSON.
 */
#include "json_check.h"

#include <math.h>

#include <cjson/cJSON.h>

#include "base/buf.h"

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
		cmocka_unit_test(sec_5_41__grammatical_documents__same_tree_as_cjson),
		cmocka_unit_test(differential__damaged_documents__what_we_take_cjson_takes),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
