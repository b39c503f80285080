/*
 * Typing and receipts: what goes out to whom, and what comes back from it.
 */
#include "tests/unit/matrix/sample.h"

#include "matrix/edu.h"
#include "matrix/errcode.h"

static struct receipt receipt_of(const char *user, const char *type, const char *thread,
	const char *event, int64_t ts_ms)
{
	struct receipt receipt = {.user_id = str_of(user),
		.thread_id = str_of(thread),
		.event_id = str_of(event),
		.ts_ms = ts_ms};
	assert_true(receipt_type_parse(str_of(type), &receipt.type));
	return receipt;
}

/* What a viewer gets, as an array. */
static struct str written(struct arena *arena, const struct receipt *receipts, size_t count,
	const char *viewer)
{
	struct receipt *merged;
	size_t n = receipts_merge(arena, receipts, count, str_of(viewer), &merged);
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 1 << 20);
	struct json_out out;
	json_out_init(&out, &buf);
	json_out_array(&out);
	receipts_write(&out, merged, n);
	json_out_end(&out);
	assert_true(buf_ok(&buf));
	return str_dup(arena, buf_str(&buf));
}

static void typing__written_and_read__the_same(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct str users[] = {STR("@a:hs"), STR("@b:hs")};
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 4096);
	struct json_out out;
	json_out_init(&out, &buf);
	edu_typing_write(&out, users, COUNT_OF(users));
	sample_assert_text(arena, buf_str(&buf),
		"{'type':'m.typing','content':{'user_ids':['@a:hs','@b:hs']}}");
	struct json event;
	assert_int_equal(json_parse(arena, buf_str(&buf), NULL, &event, NULL), JSON_OK);
	struct str *read_back;
	assert_int_equal(edu_typing_read(arena, json_at(&event, "content"), &read_back), 2);
	assert_text(read_back[1], "@b:hs");
	assert_int_equal(
		edu_typing_read(arena, sample_json(arena, "{'user_ids':['x',1,'@c:hs']}"), &read_back), 1);
	assert_int_equal(edu_typing_read(arena, sample_json(arena, "{'user_ids':{}}"), &read_back), 0);
	assert_int_equal(edu_typing_read(arena, NULL, &read_back), 0);
}

static void receipts__several_threads__one_event_each(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct receipt receipts[] = {
		receipt_of("@a:hs", "m.read", "main", "$I", 1),
		receipt_of("@a:hs", "m.read", "$A", "$E", 2),
		receipt_of("@a:hs", "m.read", NULL, "$I", 3),
		receipt_of("@b:hs", "m.read", NULL, "$I", 4),
		receipt_of("@c:hs", "m.read", NULL, "$D", 5),
		receipt_of("@c:hs", "m.read.private", NULL, "$I", 6),
	};
	sample_assert_text(arena, written(arena, receipts, COUNT_OF(receipts), "@c:hs"),
		"[{'type':'m.receipt','content':{'$D':{'m.read':{'@c:hs':{'ts':5}}},"
		"'$I':{'m.read':{'@a:hs':{'ts':3},'@b:hs':{'ts':4}},"
		"'m.read.private':{'@c:hs':{'ts':6}}}}},"
		"{'type':'m.receipt','content':{'$E':{'m.read':{'@a:hs':{'thread_id':'$A','ts':2}}}}},"
		"{'type':'m.receipt','content':{'$I':{'m.read':{'@a:hs':{'thread_id':'main','ts':1}}}}}]");
	sample_assert_text(arena, written(arena, receipts, 0, "@c:hs"), "[]");
}

static void receipts__private__only_for_their_user(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct receipt receipts[] = {receipt_of("@a:hs", "m.read.private", NULL, "$I", 1)};
	sample_assert_text(arena, written(arena, receipts, 1, "@b:hs"), "[]");
	sample_assert_text(arena, written(arena, receipts, 1, "@a:hs"),
		"[{'type':'m.receipt','content':{'$I':{'m.read.private':{'@a:hs':{'ts':1}}}}}]");
}

static void receipts__repeated__last_of_the_list_holds(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct receipt receipts[] = {
		receipt_of("@a:hs", "m.read", NULL, "$9", 9),
		receipt_of("@a:hs", "m.read", "main", "$1", 1),
		receipt_of("@a:hs", "m.read", NULL, "$2", 2),
		receipt_of("@a:hs", "m.read.private", NULL, "$3", 3),
	};
	struct receipt *merged;
	size_t n = receipts_merge(arena, receipts, COUNT_OF(receipts), STR("@a:hs"), &merged);
	assert_int_equal(n, 3);
	assert_text(merged[0].event_id, "$2");
	assert_text(merged[1].event_id, "$3");
	assert_text(merged[2].event_id, "$1");
	assert_true(receipt_replaces(&receipts[0], &receipts[2]));
	assert_false(receipt_replaces(&receipts[0], &receipts[1]));
	assert_false(receipt_replaces(&receipts[0], &receipts[3]));
}

/* Writing what was read gives the same; the one with the empty thread cannot occur. */
static void receipts__random__read_of_written_is_equal(void **state)
{
	(void)state;
	static const char *const users[] = {"@a:hs", "@b:hs", "@c:hs"};
	static const char *const threads[] = {NULL, "main", "$A", "$B"};
	static const char *const events[] = {"$1", "$2", "$3"};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	uint64_t random = 88172645463325252U;
	for (size_t round = 0; round < 500; round++) {
		arena_reset(arena);
		struct receipt receipts[20];
		size_t count = next_random(&random) % COUNT_OF(receipts);
		for (size_t i = 0; i < count; i++) {
			receipts[i] = receipt_of(users[next_random(&random) % COUNT_OF(users)],
				next_random(&random) % 2 == 0 ? "m.read" : "m.read.private",
				threads[next_random(&random) % COUNT_OF(threads)],
				events[next_random(&random) % COUNT_OF(events)], (int64_t)i);
		}
		struct str first = written(arena, receipts, count, "@a:hs");
		struct json json;
		assert_int_equal(json_parse(arena, first, NULL, &json, NULL), JSON_OK);
		struct receipt again[60];
		size_t n = 0;
		for (size_t i = 0; i < json.count; i++) {
			struct receipt *part;
			size_t part_n = receipts_read(arena, json_at(&json.items[i], "content"), &part);
			memcpy(again + n, part, part_n * sizeof(*part));
			n += part_n;
		}
		struct str second = written(arena, again, n, "@a:hs");
		assert_true(str_equals(first, second));
	}
}

static void receipts__malformed__left_out(void **state)
{
	(void)state;
	static const char *const rows[] = {"[]", "{'e':{'m.read':{'@a:b':{}}}}",
		"{'$e':{'m.read':{'a':{}}}}", "{'$e':{'m.read':{'@a:b':7}}}", "{'$e':{'m.read':[]}}",
		"{'$e':{'m.other':{'@a:b':{}}}}", "{'$e':{'m.read':{'@a:b':{'thread_id':7}}}}",
		"{'$e':{'m.read':{'@a:b':{'thread_id':'x'}}}}"};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct receipt *receipts;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (receipts_read(arena, sample_json(arena, rows[i]), &receipts) != 0) {
			fail_msg("taken: %s", rows[i]);
		}
	}
	assert_int_equal(receipts_read(arena,
						 sample_json(arena, "{'$e':{'m.read':{'@a:b':{'ts':'x'}}}}"), &receipts),
		1);
	assert_int_equal(receipts[0].ts_ms, 0);
}

static void thread_id__of_a_request__checked(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		bool is_marker;
		bool allowed;
	} rows[] = {{"{}", false, true}, {"{}", true, true}, {"{'thread_id':'main'}", false, true},
		{"{'thread_id':'$root'}", false, true}, {"{'thread_id':'main'}", true, false},
		{"{'thread_id':''}", false, false}, {"{'thread_id':1}", false, false},
		{"{'thread_id':null}", false, false}, {"{'thread_id':'other'}", false, false}};
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct str thread;
		struct field_error error = {.errcode = M_INVALID_PARAM};
		if (receipt_thread_read(sample_json(arena, rows[i].body), rows[i].is_marker, &thread,
				&error) != rows[i].allowed) {
			fail_msg("%s", rows[i].body);
		}
		assert_string_equal(error.errcode, M_INVALID_PARAM);
	}
	enum receipt_type type;
	assert_false(receipt_type_parse(STR("m.fully_read"), &type));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(typing__written_and_read__the_same),
		cmocka_unit_test(receipts__several_threads__one_event_each),
		cmocka_unit_test(receipts__private__only_for_their_user),
		cmocka_unit_test(receipts__repeated__last_of_the_list_holds),
		cmocka_unit_test(receipts__random__read_of_written_is_equal),
		cmocka_unit_test(receipts__malformed__left_out),
		cmocka_unit_test(thread_id__of_a_request__checked),
	};
	return RUN_ALL(tests);
}
