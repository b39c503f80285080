/*
 * The shape of transactions: limits, what is left out, and the ids of PDUs that are wrong.
 */
#include "tests/unit/matrix/sample.h"

#include "matrix/errcode.h"
#include "matrix/event.h"
#include "matrix/transaction.h"

static const char *list_of(struct arena *arena, const char *item, size_t count)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 65536);
	for (size_t i = 0; i < count; i++) {
		buf_printf(&buf, "%s%s", i > 0 ? "," : "", item);
	}
	return str_cstr(arena, buf_str(&buf));
}

static void read__parts_that_are_wrong__others_are_there(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct transaction t;
	struct field_error error;
	assert_true(transaction_read(arena,
		sample_json(arena,
			"{'pdus':[{},7,null],'edus':[{'edu_type':'m.a','content':{}},{'edu_type':'m.b'},7,"
			"{'edu_type':1,'content':{}},{'edu_type':'m.c','content':[]},"
			"{'edu_type':'m.d','content':{'x':1}}]}"),
		&t, &error));
	assert_int_equal(t.pdu_count, 3);
	assert_int_equal(t.edu_count, 2);
	assert_text(t.edus[0].type, "m.a");
	assert_text(t.edus[1].type, "m.d");
	assert_int_equal(t.edus[1].content->count, 1);
	assert_true(transaction_read(arena, sample_json(arena, "{}"), &t, &error));
	assert_int_equal(t.pdu_count + t.edu_count, 0);
}

static void read__too_many_or_no_list__refused(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct transaction t;
	struct field_error error;
	const char *pdus = list_of(arena, "{}", TRANSACTION_MAX_PDUS);
	const char *edus = list_of(arena, "{'edu_type':'m.a','content':{}}", TRANSACTION_MAX_EDUS);
	assert_true(transaction_read(arena,
		sample_json(arena, arena_printf(arena, "{'pdus':[%s],'edus':[%s]}", pdus, edus)), &t,
		&error));
	assert_int_equal(t.pdu_count, TRANSACTION_MAX_PDUS);
	assert_int_equal(t.edu_count, TRANSACTION_MAX_EDUS);
	assert_false(transaction_read(arena,
		sample_json(arena, arena_printf(arena, "{'pdus':[%s,1]}", pdus)), &t, &error));
	assert_string_equal(error.errcode, M_TOO_LARGE);
	assert_false(transaction_read(arena,
		sample_json(arena, arena_printf(arena, "{'edus':[%s,1]}", edus)), &t, &error));
	assert_string_equal(error.errcode, M_TOO_LARGE);
	assert_false(transaction_read(arena, sample_json(arena, "{'pdus':{}}"), &t, &error));
	assert_string_equal(error.errcode, M_BAD_JSON);
	assert_text(error.field, "pdus");
}

/* How many EDUs are taken of one with a type and a content (as text) of so many bytes. */
static size_t taken_of_size(size_t type_bytes, size_t content_bytes)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct transaction t;
	struct field_error error;
	assert_true(transaction_read(arena,
		sample_json(arena,
			arena_printf(arena, "{'edus':[{'edu_type':'%0*d','content':{'x':'%0*d'}}]}",
				(int)type_bytes, 0, (int)(content_bytes - sizeof("{'x':''}") + 1), 0)),
		&t, &error));
	return t.edu_count;
}

static void read__edu_as_large_as_may_be_and_larger__taken_and_left_out(void **state)
{
	(void)state;
	assert_int_equal(taken_of_size(ID_MAX_BYTES, EDU_MAX_BYTES), 1);
	assert_int_equal(taken_of_size(ID_MAX_BYTES + 1, 100), 0);
	assert_int_equal(taken_of_size(5, EDU_MAX_BYTES + 1), 0);
}

static void room_of__only_room_ids__told(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct room_id room;
	assert_true(transaction_room_of(sample_json(arena, "{'room_id':'!a:b'}"), &room));
	assert_text(room.s, "!a:b");
	assert_false(transaction_room_of(sample_json(arena, "{'room_id':'#a:b'}"), &room));
	assert_false(transaction_room_of(sample_json(arena, "{'room_id':7}"), &room));
	assert_false(transaction_room_of(sample_json(arena, "{}"), &room));
	assert_false(transaction_room_of(sample_json(arena, "7"), &room));
}

static void id_find__malformed__its_hash_or_what_it_says(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct event_id id;
	struct event_id other;
	const struct room_version *old = room_version_find(STR("1"));
	const struct room_version *new = room_version_find(STR("11"));
	const struct json *pdu = sample_json(arena, "{'event_id':'$a:b','type':7,'unsigned':{}}");
	assert_true(event_id_find(arena, old, pdu, &id));
	assert_text(id.s, "$a:b");
	assert_true(event_id_find(arena, new, pdu, &id));
	assert_int_equal(id.s.n, 44);
	/* What is no part of an event does not change its id. */
	assert_true(event_id_find(arena, new, sample_json(arena, "{'type':7}"), &other));
	assert_true(str_equals(id.s, other.s));
	assert_false(event_id_find(arena, old, sample_json(arena, "{'event_id':'a'}"), &id));
	assert_false(event_id_find(arena, new, sample_json(arena, "[]"), &id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read__parts_that_are_wrong__others_are_there),
		cmocka_unit_test(read__too_many_or_no_list__refused),
		cmocka_unit_test(read__edu_as_large_as_may_be_and_larger__taken_and_left_out),
		cmocka_unit_test(room_of__only_room_ids__told),
		cmocka_unit_test(id_find__malformed__its_hash_or_what_it_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
