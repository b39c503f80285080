/*
 * Relations: reading what clients send, threads over several hops, edits, bundles.
 */
#include "tests/unit/matrix/sample.h"

#include "matrix/relation.h"

static struct relation read_relation(struct arena *arena, const char *relates_to, bool *out_any)
{
	struct relation relation;
	const char *content = arena_printf(arena, "{'m.relates_to':%s}", relates_to);
	*out_any = relation_read(sample_json(arena, content), &relation);
	return relation;
}

static void read__well_formed__every_member(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	bool any;
	struct relation r = read_relation(arena,
		"{'rel_type':'m.thread','event_id':'$root','is_falling_back':true,"
		"'m.in_reply_to':{'event_id':'$target'}}",
		&any);
	assert_true(any);
	assert_true(relation_is(&r, STR("m.thread")));
	assert_text(r.event_id, "$root");
	assert_text(r.in_reply_to, "$target");
	assert_true(r.is_falling_back);
	r = read_relation(arena, "{'rel_type':'m.annotation','event_id':'$e','key':'+1'}", &any);
	assert_true(any);
	assert_text(r.key, "+1");
	r = read_relation(arena, "{'m.in_reply_to':{'event_id':'$target'}}", &any);
	assert_true(any);
	assert_null(r.rel_type.p);
	assert_text(r.in_reply_to, "$target");
	assert_false(relation_is(&r, STR("")));
}

static void read__malformed__ignored(void **state)
{
	(void)state;
	static const char *const rows[] = {"null", "[]", "'x'", "{}", "{'rel_type':'m.thread'}",
		"{'event_id':'$e'}", "{'rel_type':1,'event_id':'$e'}", "{'rel_type':'','event_id':'$e'}",
		"{'rel_type':'m.thread','event_id':'e'}", "{'rel_type':'m.thread','event_id':{}}",
		"{'rel_type':'m.annotation','event_id':'$e'}",
		"{'rel_type':'m.annotation','event_id':'$e','key':1}",
		"{'rel_type':'m.\\u0000','event_id':'$e'}", "{'m.in_reply_to':'$e'}",
		"{'m.in_reply_to':{'event_id':'@e'}}", "{'is_falling_back':true}"};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool any;
		struct relation r = read_relation(arena, rows[i], &any);
		if (any || r.rel_type.p != NULL || r.event_id.p != NULL || r.is_falling_back) {
			fail_msg("taken: %s", rows[i]);
		}
	}
	struct relation r;
	assert_false(relation_read(NULL, &r));
	char long_type[RELATION_MAX_TYPE_BYTES + 2];
	memset(long_type, 'a', sizeof(long_type) - 1);
	long_type[sizeof(long_type) - 1] = '\0';
	bool any;
	(void)read_relation(arena, arena_printf(arena, "{'rel_type':'%s','event_id':'$e'}", long_type),
		&any);
	assert_false(any);
}

/* A chain: $1 → $2 → … ; $n is in the thread of $root when `thread_at` is n. */
struct chain {
	struct arena *arena;
	int thread_at; /* 0: never */
	int known_at;  /* its thread is stored; 0: never */
	int length;    /* 0: endless */
	size_t asked;
};

static bool chain_get(void *self, struct str event_id, struct relation *out,
	struct str *out_thread_root)
{
	struct chain *chain = self;
	chain->asked++;
	int64_t n;
	if (!str_to_int(str_slice(event_id, 1, event_id.n), 1, 1000, &n) ||
		(chain->length > 0 && n > chain->length)) {
		return false;
	}
	if (n == chain->known_at) {
		*out_thread_root = STR("$root");
		return true;
	}
	bool is_thread = n == chain->thread_at;
	*out = (struct relation){.rel_type = is_thread ? STR("m.thread") : STR("m.reference"),
		.event_id = is_thread ? STR("$root") : str_printf(chain->arena, "$%d", (int)n + 1)};
	return true;
}

static bool is_in_thread(struct chain *chain)
{
	const struct relation_source source = {.get = chain_get, .self = chain};
	const struct relation first = {.rel_type = STR("m.annotation"), .event_id = STR("$1")};
	chain->asked = 0;
	struct str root = relation_thread_root(&first, &source);
	assert_true(root.p == NULL || str_equals(root, STR("$root")));
	return root.p != NULL;
}

static void thread__over_parents__three_hops_at_most(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (int at = 1; at <= 6; at++) {
		struct chain chain = {.arena = arena, .thread_at = at};
		assert_true(is_in_thread(&chain) == (at <= RELATION_MAX_HOPS));
		assert_true(chain.asked <= RELATION_MAX_HOPS);
	}
	struct chain known = {.arena = arena, .known_at = 2};
	assert_true(is_in_thread(&known));
	struct chain ends = {.arena = arena, .length = 1};
	assert_false(is_in_thread(&ends));
	const struct relation_source source = {.get = chain_get, .self = &ends};
	const struct relation direct = {.rel_type = STR("m.thread"), .event_id = STR("$root")};
	assert_text(relation_thread_root(&direct, &source), "$root");
	const struct relation reply = {.in_reply_to = STR("$1")};
	assert_null(relation_thread_root(&reply, &source).p);
}

static void thread_root__of_relation__refused(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	assert_true(relation_check_thread_root(sample_json(arena, "{'body':'x'}")).allowed);
	assert_true(relation_check_thread_root(
		sample_json(arena, "{'m.relates_to':{'m.in_reply_to':{'event_id':'$e'}}}"))
					.allowed);
	struct verdict verdict = relation_check_thread_root(
		sample_json(arena, "{'m.relates_to':{'rel_type':'m.reference','event_id':'$e'}}"));
	assert_false(verdict.allowed);
	assert_string_equal(verdict.rule, "relation.thread.nested");
}

static void edit__each_rule__refuses_alone(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct json *plain = sample_json(arena, "{'body':'x'}");
	const struct json *edit_content = sample_json(arena,
		"{'body':'* y','m.new_content':{'body':'y'},"
		"'m.relates_to':{'rel_type':'m.replace','event_id':'$o'}}");
	const struct json *no_new_content =
		sample_json(arena, "{'m.relates_to':{'rel_type':'m.replace','event_id':'$o'}}");
	const struct relation_edit_facts original = {.room_id = STR("!r:b"),
		.sender = STR("@a:b"),
		.type = STR("m.room.message"),
		.content = plain};
	struct relation_edit_facts edit = original;
	edit.content = edit_content;
	assert_true(relation_check_edit(&original, STR("$o"), &edit).allowed);

	struct relation_edit_facts changed = edit;
	changed.room_id = STR("!s:b");
	assert_string_equal(relation_check_edit(&original, STR("$o"), &changed).rule,
		"relation.edit.room");
	changed = edit;
	changed.sender = STR("@c:b");
	assert_string_equal(relation_check_edit(&original, STR("$o"), &changed).rule,
		"relation.edit.sender");
	changed = edit;
	changed.type = STR("m.sticker");
	assert_string_equal(relation_check_edit(&original, STR("$o"), &changed).rule,
		"relation.edit.type");
	changed = edit;
	changed.is_state = true;
	assert_string_equal(relation_check_edit(&original, STR("$o"), &changed).rule,
		"relation.edit.state");
	changed = original;
	changed.is_state = true;
	assert_string_equal(relation_check_edit(&changed, STR("$o"), &edit).rule,
		"relation.edit.state");
	changed = original;
	changed.content = edit_content;
	assert_string_equal(relation_check_edit(&changed, STR("$o"), &edit).rule,
		"relation.edit.nested");
	assert_string_equal(relation_check_edit(&original, STR("$p"), &edit).rule,
		"relation.edit.target");
	changed = edit;
	changed.content = plain;
	assert_string_equal(relation_check_edit(&original, STR("$o"), &changed).rule,
		"relation.edit.target");
	changed.content = no_new_content;
	assert_string_equal(relation_check_edit(&original, STR("$o"), &changed).rule,
		"relation.edit.new_content");
	struct relation_edit_facts encrypted = original;
	encrypted.type = STR("m.room.encrypted");
	changed.type = STR("m.room.encrypted");
	assert_true(relation_check_edit(&encrypted, STR("$o"), &changed).allowed);
}

static void edit__facts_of_events__decide_alike(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct event *original = sample_event(arena, "11",
		sample_json(arena,
			"{'type':'m.room.message','sender':'@a:b','room_id':'!r:b','content':{'body':'x'}}"));
	const struct event *edit = sample_event(arena, "11",
		sample_json(arena,
			"{'type':'m.room.message','sender':'@a:b','room_id':'!r:b','content':"
			"{'m.new_content':{},'m.relates_to':{'rel_type':'m.replace','event_id':'$o'}}}"));
	struct relation_edit_facts before = relation_edit_facts_of(original);
	struct relation_edit_facts after = relation_edit_facts_of(edit);
	assert_true(relation_check_edit(&before, STR("$o"), &after).allowed);
	assert_false(relation_check_edit(&after, STR("$o"), &after).allowed);
}

static void edit__newest__by_time_then_id(void **state)
{
	(void)state;
	assert_true(relation_edit_is_newer(2, STR("$a"), 1, STR("$z")));
	assert_false(relation_edit_is_newer(1, STR("$z"), 2, STR("$a")));
	assert_true(relation_edit_is_newer(1, STR("$b"), 1, STR("$a")));
	assert_false(relation_edit_is_newer(1, STR("$a"), 1, STR("$a")));
}

static void bundle__all_parts__as_the_specification_prints_it(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct str references[] = {STR("$one"), STR("$two")};
	struct relation_bundle bundle = {0};
	assert_true(relation_bundle_is_empty(&bundle));
	bundle = (struct relation_bundle){.edit = STR("{\"event_id\":\"$edit\"}"),
		.references = references,
		.reference_count = COUNT_OF(references),
		.thread_count = 7,
		.thread_latest = STR("{\"event_id\":\"$message\"}"),
		.participated = true};
	assert_false(relation_bundle_is_empty(&bundle));
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 4096);
	struct json_out out;
	json_out_init(&out, &buf);
	relation_bundle_write(&out, &bundle);
	sample_assert_text(arena, buf_str(&buf),
		"{'m.reference':{'chunk':[{'event_id':'$one'},{'event_id':'$two'}]},"
		"'m.replace':{'event_id':'$edit'},"
		"'m.thread':{'count':7,'current_user_participated':true,"
		"'latest_event':{'event_id':'$message'}}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read__well_formed__every_member),
		cmocka_unit_test(read__malformed__ignored),
		cmocka_unit_test(thread__over_parents__three_hops_at_most),
		cmocka_unit_test(thread_root__of_relation__refused),
		cmocka_unit_test(edit__each_rule__refuses_alone),
		cmocka_unit_test(edit__facts_of_events__decide_alike),
		cmocka_unit_test(edit__newest__by_time_then_id),
		cmocka_unit_test(bundle__all_parts__as_the_specification_prints_it),
	};
	return RUN_ALL(tests);
}
