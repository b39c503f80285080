/*
 * Canonical JSON: order, escapes, numbers, deep and wide trees, and random trees that must survive being
 * written and read: canonical(parse(canonical(x))) = canonical(x), whatever the order of the members.
 */
#include "tests/unit/base/check.h"

#include "base/json_out.h"
#include "matrix/canonical.h"

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

static struct json parsed(struct str text)
{
	struct json value;
	const struct json_limits limits = {.max_depth = 100000};
	if (json_parse(arena, text, &limits, &value, NULL) != JSON_OK) {
		fail_msg("not JSON: %.*s", STR_ARG(text));
	}
	return value;
}

static struct str canonical(struct str text)
{
	struct json value = parsed(text);
	return canonical_text(arena, &value);
}

static void assert_canonical(const char *text, const char *expected)
{
	struct str is = canonical(str_of(text));
	if (!str_equals(is, str_of(expected))) {
		fail_msg("%s gives %.*s", text, STR_ARG(is));
	}
}

static void keys__any_order__by_code_point(void **state)
{
	(void)state;
	assert_canonical("{\"b\":1,\"a\":2,\"\":3,\"aa\":4,\"B\":5}",
		"{\"\":3,\"B\":5,\"a\":2,\"aa\":4,\"b\":1}");
	/* U+FF61 stands before U+1F600 by code point, behind it in UTF-16. */
	assert_canonical("{\"\\uD83D\\uDE00\":1,\"\\uFF61\":2,\"\\u007f\":3,\"\\u0080\":4}",
		"{\"\x7f\":3,\"\xc2\x80\":4,\"｡\":2,\"😀\":1}");
	assert_canonical("[{\"b\":[],\"a\":{}},{\"z\":{\"y\":1,\"x\":2}}]",
		"[{\"a\":{},\"b\":[]},{\"z\":{\"x\":2,\"y\":1}}]");
}

static void sec_5_41__every_control_byte__shortest_escape(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 0x20; c++) {
		static const char shorts[] = "........btn.fr..................";
		struct str given = str_printf(arena, "\"\\u%04X\"", c);
		struct str expected = shorts[c] != '.' ? str_printf(arena, "\"\\%c\"", shorts[c])
											   : str_printf(arena, "\"\\u%04x\"", c);
		assert_true(str_equals(canonical(given), expected));
	}
	assert_canonical("\"\\/\\\\\\\"\\u007f\\u2028<>&'\"", "\"/\\\\\\\"\x7f\xe2\x80\xa8<>&'\"");
	struct json nul = parsed(STR("\"a\\u0000b\""));
	assert_text(canonical_text(arena, &nul), "\"a\\u0000b\"");
}

static void numbers__every_form__integers_or_as_they_stand(void **state)
{
	(void)state;
	assert_canonical("[0,-0,1,-1,9007199254740991,-9007199254740991]",
		"[0,0,1,-1,9007199254740991,-9007199254740991]");
	assert_canonical("[9223372036854775807,-9223372036854775808,9223372036854775808]",
		"[9223372036854775807,-9223372036854775808,9223372036854775808]");
	assert_canonical("[1e0,1E2,-2e+3,0e9,-0e5,12e01,9e15,1e0000000000000000000002]",
		"[1,100,-2000,0,0,120,9000000000000000,100]");
	/* Not integers of the strict range: other servers hash them as they stand. */
	assert_canonical("[1e16,-1e16,1e400,1e-2,10e-1,1.0,1.50,-0.0,1.5e1,1e99999999999999999999]",
		"[1e16,-1e16,1e400,1e-2,10e-1,1.0,1.50,-0.0,1.5e1,1e99999999999999999999]");
}

static void sec_5_40__strict_numbers__only_safe_integers(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool strict;
	} cases[] = {
		{"{\"a\":[1,{\"b\":9007199254740991}]}", true},
		{"-9007199254740991", true},
		{"[true,null,\"1.5\",{},[]]", true},
		{"{\"a\":[1,{\"b\":9007199254740992}]}", false},
		{"[-9007199254740992]", false},
		{"9223372036854775808", false},
		{"[[[1.5]]]", false},
		{"1.0", false},
		{"1e2", false},
		{"{\"a\":-0}", false},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct json value = parsed(str_of(cases[i].text));
		if (canonical_is_strict(&value) != cases[i].strict) {
			fail_msg("%s", cases[i].text);
		}
	}
}

static struct str nested(size_t levels, char open, const char *inner, char close)
{
	char *text = arena_alloc(arena, levels * 8 + 64);
	size_t n = 0;
	for (size_t i = 0; i < levels; i++) {
		text[n++] = open;
		for (const char *key = open == '{' ? "\"b\":" : ""; *key != '\0'; key++) {
			text[n++] = *key;
		}
	}
	for (; *inner != '\0'; inner++) {
		text[n++] = *inner;
	}
	for (size_t i = 0; i < levels; i++) {
		text[n++] = close;
	}
	return str_from(text, n);
}

static void nests_at_most__each_limit__counts_containers(void **state)
{
	(void)state;
	struct json scalar = json_integer(1);
	assert_true(canonical_nests_at_most(&scalar, 0));
	static const size_t levels[] = {1, 2, 31, 32, 33, 100, 1000};
	for (size_t i = 0; i < COUNT_OF(levels); i++) {
		struct json arrays = parsed(nested(levels[i], '[', "1", ']'));
		struct json objects = parsed(nested(levels[i], '{', "1", '}'));
		assert_true(canonical_nests_at_most(&arrays, levels[i]));
		assert_false(canonical_nests_at_most(&arrays, levels[i] - 1));
		assert_true(canonical_nests_at_most(&objects, levels[i]));
		assert_false(canonical_nests_at_most(&objects, levels[i] - 1));
	}
}

static void sec_5_40__deep_unsorted_tree__no_recursion(void **state)
{
	(void)state;
	enum { LEVELS = 50000 };
	struct str arrays = nested(LEVELS, '[', "0", ']');
	assert_true(str_equals(canonical(arrays), arrays));
	/* Each level is out of order, so that each needs its own sorted members. */
	struct json inner = json_integer(0);
	for (size_t i = 0; i < LEVELS; i++) {
		struct json object = json_object(arena, 2);
		object.members[0] = (struct json_member){STR("b"), inner};
		object.members[1] = (struct json_member){STR("a"), json_integer(1)};
		object.count = 2;
		inner = object;
	}
	struct str text = canonical_text(arena, &inner);
	assert_int_equal(text.n, LEVELS * (sizeof("{\"a\":1,\"b\":}") - 1) + 1);
	assert_true(str_starts_with(text, STR("{\"a\":1,\"b\":{\"a\":1,\"b\":{")));
	struct json again = parsed(text);
	assert_true(str_equals(canonical_text(arena, &again), text));
}

static void write__wide_object__sorted(void **state)
{
	(void)state;
	enum { KEYS = 5000 };
	struct json object = json_object(arena, KEYS);
	for (size_t i = 0; i < KEYS; i++) {
		object.members[i].key = str_printf(arena, "%05zu", (i * 7919) % KEYS);
		object.members[i].value = json_integer((int64_t)i);
	}
	object.count = KEYS;
	struct json again = parsed(canonical_text(arena, &object));
	assert_int_equal(again.count, KEYS);
	for (size_t i = 0; i < KEYS; i++) {
		assert_true(str_equals(again.members[i].key, str_printf(arena, "%05zu", i)));
	}
}

static void write__ceiling__stops_with_overflow(void **state)
{
	(void)state;
	struct json value = parsed(STR("{\"a\":[1,2,3],\"b\":\"xxxxxxxxxxxxxxxxxxxx\"}"));
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 20);
	canonical_write(&buf, &value);
	assert_false(buf_ok(&buf));
}

/* --- random trees ------------------------------------------------------------------------------ */

static struct str random_text(uint64_t *seed)
{
	static const char *const pieces[] = {"a", "b", "\"", "\\", "\n", "\x01", "é", "😀", "｡", "/",
		"m.", "\x7f", "0"};
	struct str text = STR("");
	for (uint32_t n = next_random(seed) % 5; n > 0; n--) {
		text = str_printf(arena, "%.*s%s", STR_ARG(text),
			pieces[next_random(seed) % COUNT_OF(pieces)]);
	}
	return text;
}

static struct json random_number(uint64_t *seed)
{
	static const char *const forms[] = {"-0", "1e3", "1.5", "-7E+2", "1e99", "0.0", "1E-3"};
	if (next_random(seed) % 2 == 0) {
		return json_integer((int64_t)(((uint64_t)next_random(seed) << 32) | next_random(seed)));
	}
	struct json number = json_string(str_of(forms[next_random(seed) % COUNT_OF(forms)]));
	number.type = JSON_NUMBER;
	return number;
}

static struct json random_tree(uint64_t *seed, unsigned levels)
{
	uint32_t kind = next_random(seed) % (levels > 0 ? 7 : 4);
	size_t room = next_random(seed) % 20;
	struct json value = {0};
	if (kind == 1) {
		return random_number(seed);
	}
	if (kind == 2) {
		return json_string(random_text(seed));
	}
	if (kind == 3) {
		return json_boolean(next_random(seed) % 2 == 0);
	}
	if (kind == 4) {
		value = json_array_of(ARENA_NEW_ARRAY(arena, struct json, room), room);
		for (size_t i = 0; i < room; i++) {
			value.items[i] = random_tree(seed, levels - 1);
		}
	} else if (kind > 4) {
		value = json_object(arena, 0);
		for (size_t i = 0; i < room; i++) {
			value = json_with(arena, &value, random_text(seed), random_tree(seed, levels - 1));
		}
	}
	return value;
}

/* Shuffles the members of all objects. */
static void shuffle(struct json *value, uint64_t *seed)
{
	for (size_t i = 0; i < value->count; i++) {
		if (value->type == JSON_ARRAY) {
			shuffle(&value->items[i], seed);
			continue;
		}
		size_t other = i + next_random(seed) % (value->count - i);
		struct json_member swapped = value->members[i];
		value->members[i] = value->members[other];
		value->members[other] = swapped;
		shuffle(&value->members[i].value, seed);
	}
}

static void canonical__random_trees__fixed_point_in_any_order(void **state)
{
	(void)state;
	uint64_t seed = 0x1234567;
	for (int round = 0; round < 400; round++) {
		struct json tree = random_tree(&seed, 4);
		struct str text = canonical_text(arena, &tree);
		struct json again = parsed(text);
		assert_true(str_equals(canonical_text(arena, &again), text));
		shuffle(&tree, &seed);
		assert_true(str_equals(canonical_text(arena, &tree), text));
		arena_reset(arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys__any_order__by_code_point),
		cmocka_unit_test(sec_5_41__every_control_byte__shortest_escape),
		cmocka_unit_test(numbers__every_form__integers_or_as_they_stand),
		cmocka_unit_test(sec_5_40__strict_numbers__only_safe_integers),
		cmocka_unit_test(nests_at_most__each_limit__counts_containers),
		cmocka_unit_test(sec_5_40__deep_unsorted_tree__no_recursion),
		cmocka_unit_test(write__wide_object__sorted),
		cmocka_unit_test(write__ceiling__stops_with_overflow),
		cmocka_unit_test(canonical__random_trees__fixed_point_in_any_order),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
