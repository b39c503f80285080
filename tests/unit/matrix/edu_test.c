/*
 * Typing and receipts: what is written, and what a request may say.
 */
#include "tests/unit/matrix/sample.h"

#include "matrix/edu.h"
#include "matrix/errcode.h"

static void typing__written__one_event(void **state)
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
		cmocka_unit_test(typing__written__one_event),
		cmocka_unit_test(thread_id__of_a_request__checked),
	};
	return RUN_ALL(tests);
}
