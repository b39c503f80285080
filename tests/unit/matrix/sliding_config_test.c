/*
 * Configs of sliding sync: what is read and refused, what covers what, what two want together.
 */
#include "tests/unit/matrix/sample.h"

#include "matrix/errcode.h"
#include "matrix/sliding_config.h"

static struct sliding_config parse(struct arena *arena, const char *text)
{
	struct sliding_config config;
	struct field_error error;
	if (!sliding_config_read(arena, sample_json(arena, text), STR("@me:hs"), &config, &error)) {
		fail_msg("%s: %.*s %s", text, STR_ARG(error.field), error.text);
	}
	assert_true(sliding_config_is_well_formed(&config));
	return config;
}

/* Of entries alone: "type/key type/key …", with "lazy" behind them. */
static struct str shown(struct arena *arena, const struct sliding_config *config)
{
	struct str text = STR("");
	for (size_t i = 0; i < config->entry_n; i++) {
		text = str_printf(arena, "%.*s%.*s/%.*s ", STR_ARG(text), STR_ARG(config->entries[i].type),
			STR_ARG(config->entries[i].state_key));
	}
	return str_printf(arena, "%.*s%s", STR_ARG(text), config->loads_lazily ? "lazy" : "");
}

static struct str shown_of(struct arena *arena, const char *required_state)
{
	struct sliding_config config =
		parse(arena, str_cstr(arena, str_printf(arena, "{'required_state':%s}", required_state)));
	return shown(arena, &config);
}

static void read__nothing_given__nothing_wanted(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct sliding_config config = parse(arena, "{'ranges':7}");
	assert_int_equal(config.timeline_limit, 0);
	assert_text(shown(arena, &config), "");
	assert_false(sliding_config_wants(&config, STR("m.room.name"), STR("")));
	const struct sliding_config zeroed = {0};
	assert_int_equal(sliding_config_compare(&config, &zeroed), 0);
}

static void read__limits__cut_at_a_hundred(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	assert_int_equal(parse(arena, "{'timeline_limit':20}").timeline_limit, 20);
	assert_int_equal(parse(arena, "{'timeline_limit':100}").timeline_limit, 100);
	assert_int_equal(parse(arena, "{'timeline_limit':101}").timeline_limit, 100);
	assert_int_equal(parse(arena, "{'timeline_limit':9223372036854775807}").timeline_limit, 100);
}

static void read__me_and_lazy__user_and_flag(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	assert_text(
		shown_of(arena, "[['m.room.member','$LAZY'],['m.room.member','$ME'],['m.room.name','']]"),
		"m.room.member/@me:hs m.room.name/ lazy");
	assert_text(shown_of(arena, "[['m.room.topic','$LAZY'],['m.room.topic','$ME'],['*','$ME']]"),
		"*/@me:hs m.room.topic/$LAZY ");
	assert_text(shown_of(arena, "[['*','$LAZY'],['m.room.member','$LAZY']]"), "*/$LAZY lazy");
	assert_text(shown_of(arena, "[['$ME','$me']]"), "$ME/$me ");
	/* With all members none is loaded lazily. */
	assert_text(shown_of(arena, "[['m.room.member','$LAZY'],['m.room.member','*']]"),
		"m.room.member/* ");
	assert_text(shown_of(arena, "[['*','*'],['m.room.member','$LAZY']]"), "*/* ");
}

static void read__any_order__sorted_each_once(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	assert_text(shown_of(arena, "[['b','2'],['b','1'],['a','x'],['b','2'],['','']]"),
		"/ a/x b/1 b/2 ");
}

static void read__covered_entries__left_out(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	assert_text(shown_of(arena, "[['a','1'],['a','*'],['b','1'],['a','']]"), "a/* b/1 ");
	assert_text(shown_of(arena, "[['a','1'],['*','1'],['b','1'],['b','2']]"), "*/1 b/2 ");
	assert_text(shown_of(arena, "[['a','*'],['*','1']]"), "*/1 a/* ");
	assert_text(shown_of(arena, "[['a','*'],['*','1'],['*','*'],['c','d']]"), "*/* ");
	/* A part of a text is no wildcard. */
	assert_text(shown_of(arena, "[['a.*','1'],['a.b','1']]"), "a.*/1 a.b/1 ");
}

static struct str repeated(struct arena *arena, const char *item, size_t count)
{
	struct str text = STR("");
	for (size_t i = 0; i < count; i++) {
		text = str_printf(arena, "%.*s%s%s", STR_ARG(text), i > 0 ? "," : "", item);
	}
	return text;
}

static void read__texts_longer_than_of_any_event__left_out(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const char *longest = repeated(arena, "abcdefghi", 102).p; /* 102 × 10 - 1 */
	struct sliding_config config = parse(arena,
		arena_printf(arena, "{'required_state':[['%s1','%s2'],['%s12','x'],['y','%s12']]}", longest,
			longest, longest, longest));
	assert_int_equal(config.entry_n, 1);
	assert_int_equal(config.entries[0].type.n, 1020);
	assert_int_equal(config.entries[0].state_key.n, 1020);
}

static void read__wrong__refused_with_the_field(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const char *many =
		arena_printf(arena, "{'required_state':[%s]}", repeated(arena, "['a','b']", 201).p);
	const struct {
		const char *text;
		const char *errcode;
		const char *field;
	} cases[] = {
		{"[]", M_BAD_JSON, "room config"},
		{"{'timeline_limit':null}", M_BAD_JSON, "timeline_limit"},
		{"{'timeline_limit':'1'}", M_BAD_JSON, "timeline_limit"},
		{"{'timeline_limit':1.5}", M_BAD_JSON, "timeline_limit"},
		{"{'timeline_limit':-1}", M_INVALID_PARAM, "timeline_limit"},
		{"{'required_state':null}", M_BAD_JSON, "required_state"},
		{"{'required_state':{}}", M_BAD_JSON, "required_state"},
		{"{'required_state':['a','b']}", M_BAD_JSON, "required_state"},
		{"{'required_state':[['a']]}", M_BAD_JSON, "required_state"},
		{"{'required_state':[['a','b','c']]}", M_BAD_JSON, "required_state"},
		{"{'required_state':[['a',1]]}", M_BAD_JSON, "required_state"},
		{"{'required_state':[[null,'b']]}", M_BAD_JSON, "required_state"},
		{"{'required_state':[['a','b'],{}]}", M_BAD_JSON, "required_state"},
		{many, M_TOO_LARGE, "required_state"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct sliding_config config;
		struct field_error error;
		if (sliding_config_read(arena, sample_json(arena, cases[i].text), STR("@me:hs"), &config,
				&error)) {
			fail_msg("taken: %s", cases[i].text);
		}
		assert_string_equal(error.errcode, cases[i].errcode);
		assert_true(str_equals(error.field, str_of(cases[i].field)));
	}
	const char *most =
		arena_printf(arena, "{'required_state':[%s]}", repeated(arena, "['a','b']", 200).p);
	assert_int_equal(parse(arena, most).entry_n, 1);
}

static void wants__exact_and_wildcards__as_given(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct sliding_config config = parse(arena,
		"{'required_state':[['m.room.name',''],['m.space.child','*'],['*','k'],"
		"['m.room.member','$LAZY'],['m.room.member','$ME']]}");
	assert_true(sliding_config_wants(&config, STR("m.room.name"), STR("")));
	assert_false(sliding_config_wants(&config, STR("m.room.name"), STR("x")));
	assert_false(sliding_config_wants(&config, STR("m.room.topic"), STR("")));
	assert_true(sliding_config_wants(&config, STR("m.space.child"), STR("!a")));
	assert_true(sliding_config_wants(&config, STR("m.space.child"), STR("")));
	assert_true(sliding_config_wants(&config, STR("anything"), STR("k")));
	assert_true(sliding_config_wants(&config, STR("m.room.member"), STR("@me:hs")));
	assert_false(sliding_config_wants(&config, STR("m.room.member"), STR("@you:hs")));
	assert_false(sliding_config_wants_members(&config));
	config = parse(arena, "{'required_state':[['m.room.member','*']]}");
	assert_true(sliding_config_wants_members(&config));
	assert_true(sliding_config_wants(&config, STR("m.room.member"), STR("@you:hs")));
	config = parse(arena, "{'required_state':[['*','*']]}");
	assert_true(sliding_config_wants_members(&config));
	assert_true(sliding_config_wants(&config, STR("x"), STR("y")));
}

static struct sliding_config join(struct arena *arena, const struct sliding_config *a,
	const struct sliding_config *b)
{
	const struct sliding_config *both[] = {a, b};
	return sliding_config_join(arena, both, COUNT_OF(both));
}

static void join__two__all_that_either_wants(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct sliding_config a = parse(arena,
		"{'timeline_limit':1,'required_state':[['m.room.name',''],['b','1'],['m.room.member',"
		"'$LAZY']]}");
	struct sliding_config b =
		parse(arena, "{'timeline_limit':20,'required_state':[['b','*'],['m.room.name','']]}");
	struct sliding_config both = join(arena, &a, &b);
	assert_int_equal(both.timeline_limit, 20);
	assert_text(shown(arena, &both), "b/* m.room.name/ lazy");
	struct sliding_config turned = join(arena, &b, &a);
	assert_int_equal(sliding_config_compare(&both, &turned), 0);
	struct sliding_config all = parse(arena, "{'required_state':[['m.room.member','*']]}");
	both = join(arena, &a, &all);
	assert_text(shown(arena, &both), "b/1 m.room.member/* m.room.name/ ");
	struct sliding_config again = join(arena, &a, &a);
	assert_int_equal(sliding_config_compare(&a, &again), 0);
}

static void join__any_number__all_that_any_wants(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct sliding_config a = parse(arena, "{'required_state':[['a','']]}");
	struct sliding_config b = parse(arena, "{'timeline_limit':2,'required_state':[['b','']]}");
	struct sliding_config c = parse(arena, "{'required_state':[['a',''],['c','']]}");
	const struct sliding_config *all[] = {&a, &b, &c};
	struct sliding_config joined = sliding_config_join(arena, all, COUNT_OF(all));
	assert_int_equal(joined.timeline_limit, 2);
	assert_text(shown(arena, &joined), "a/ b/ c/ ");
	joined = sliding_config_join(arena, all, 0);
	assert_int_equal(joined.entry_n, 0);
}

static void dup__the_first_is_gone__the_copy_is_whole(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct arena *first = arena_create();
	struct sliding_config config =
		parse(first, "{'timeline_limit':2,'required_state':[['a','b'],['m.room.member','$LAZY']]}");
	struct sliding_config copy = sliding_config_dup(arena, &config);
	assert_int_equal(sliding_config_compare(&config, &copy), 0);
	arena_destroy(first);
	assert_text(shown(arena, &copy), "a/b lazy");
}

static void compare__each_difference__counts(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const char *texts[] = {"{}", "{'timeline_limit':1}", "{'required_state':[['a','b']]}",
		"{'required_state':[['a','c']]}", "{'required_state':[['ab','']]}",
		"{'required_state':[['m.room.member','$LAZY']]}",
		"{'required_state':[['a','b'],['a','c']]}"};
	struct sliding_config configs[COUNT_OF(texts)];
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		configs[i] = parse(arena, texts[i]);
	}
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct sliding_config same = parse(arena, texts[i]);
		assert_int_equal(sliding_config_compare(&configs[i], &same), 0);
		for (size_t j = 0; j < i; j++) {
			assert_int_not_equal(sliding_config_compare(&configs[i], &configs[j]), 0);
			assert_true((sliding_config_compare(&configs[i], &configs[j]) < 0) ==
				(sliding_config_compare(&configs[j], &configs[i]) > 0));
		}
	}
}

/* Few texts, so that wildcards, doubles and what they cover come often. */
static struct sliding_config random_config(struct arena *arena, uint64_t *seed)
{
	static const char *const texts[] = {"*", "m.room.member", "a", "b", "$LAZY", "$ME", ""};
	struct str list = STR("");
	for (size_t n = next_random(seed) % 6; n > 0; n--) {
		list = str_printf(arena, "%.*s['%s','%s']%s", STR_ARG(list),
			texts[next_random(seed) % COUNT_OF(texts)], texts[next_random(seed) % COUNT_OF(texts)],
			n > 1 ? "," : "");
	}
	return parse(arena,
		arena_printf(arena, "{'timeline_limit':%u,'required_state':[%.*s]}",
			(unsigned)next_random(seed) % 3, STR_ARG(list)));
}

static void join__random__wants_what_either_wants(void **state)
{
	(void)state;
	static const char *const texts[] = {"m.room.member", "a", "b", "c", "@me:hs", ""};
	uint64_t seed = 4186;
	for (int round = 0; round < 3000; round++) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct sliding_config a = random_config(arena, &seed);
		struct sliding_config b = random_config(arena, &seed);
		struct sliding_config both = join(arena, &a, &b);
		assert_true(sliding_config_is_well_formed(&both));
		for (size_t i = 0; i < COUNT_OF(texts) * COUNT_OF(texts); i++) {
			struct str type = str_of(texts[i / COUNT_OF(texts)]);
			struct str key = str_of(texts[i % COUNT_OF(texts)]);
			assert_int_equal(sliding_config_wants(&both, type, key),
				sliding_config_wants(&a, type, key) || sliding_config_wants(&b, type, key));
		}
		assert_int_equal(both.loads_lazily,
			(a.loads_lazily || b.loads_lazily) && !sliding_config_wants_members(&both));
	}
}

static void is_well_formed__not_as_made_here__false(void **state)
{
	(void)state;
	const struct sliding_entry wrong[][2] = {{{STR("b"), STR("")}, {STR("a"), STR("")}},
		{{STR("a"), STR("")}, {STR("a"), STR("")}}, {{STR("a"), STR("*")}, {STR("a"), STR("b")}},
		{{STR("*"), STR("x")}, {STR("b"), STR("x")}}, {{STR("*"), STR("*")}, {STR("b"), STR("*")}},
		{{STR("a"), STR("!")}, {STR("a"), STR("*")}}};
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		assert_false(sliding_config_is_well_formed(
			&(struct sliding_config){.entries = wrong[i], .entry_n = 2}));
	}
	const struct sliding_entry members = {STR("m.room.member"), STR("*")};
	struct sliding_config config = {.entries = &members, .entry_n = 1};
	assert_true(sliding_config_is_well_formed(&config));
	config.loads_lazily = true;
	assert_false(sliding_config_is_well_formed(&config));
	assert_false(sliding_config_is_well_formed(&(struct sliding_config){.timeline_limit = 101}));
	assert_false(sliding_config_is_well_formed(&(struct sliding_config){.timeline_limit = -1}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read__nothing_given__nothing_wanted),
		cmocka_unit_test(read__limits__cut_at_a_hundred),
		cmocka_unit_test(read__me_and_lazy__user_and_flag),
		cmocka_unit_test(read__any_order__sorted_each_once),
		cmocka_unit_test(read__covered_entries__left_out),
		cmocka_unit_test(read__texts_longer_than_of_any_event__left_out),
		cmocka_unit_test(read__wrong__refused_with_the_field),
		cmocka_unit_test(wants__exact_and_wildcards__as_given),
		cmocka_unit_test(join__two__all_that_either_wants),
		cmocka_unit_test(join__any_number__all_that_any_wants),
		cmocka_unit_test(dup__the_first_is_gone__the_copy_is_whole),
		cmocka_unit_test(compare__each_difference__counts),
		cmocka_unit_test(join__random__wants_what_either_wants),
		cmocka_unit_test(is_well_formed__not_as_made_here__false),
	};
	return RUN_ALL(tests);
}
