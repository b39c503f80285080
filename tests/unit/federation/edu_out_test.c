/*
 * EDUs of the moment: what takes the place of what, and how notes become EDUs.
 */
#include "federation/edu_out.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#undef fail

static struct edu_note *receipt(const char *room, const char *user, const char *thread,
	const char *event)
{
	return edu_note_receipt(&(struct outbox_receipt){.room_id = str_of(room),
		.user_id = str_of(user),
		.thread_id = str_of(thread),
		.event_id = str_of(event),
		.ts_ms = 5});
}

static void drop(struct edu_note **notes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		edu_note_unref(notes[i]);
	}
}

static const char *written(struct arena *arena, struct edu_note *const *notes, size_t count,
	size_t wanted_edus)
{
	struct buf buf CLEANUP(buf_fini);
	struct json_out out;
	buf_init(&buf, 1 << 20);
	json_out_init(&out, &buf);
	json_out_array(&out);
	assert_int_equal(edu_notes_write(arena, &out, notes, count), wanted_edus);
	json_out_end(&out);
	return str_cstr(arena, buf_str(&buf));
}

static void note__same_user_and_room__newer_takes_the_place(void **state)
{
	(void)state;
	struct edu_note *notes[] = {edu_note_typing(STR("!a"), STR("@u:x"), true),
		edu_note_typing(STR("!a"), STR("@u:x"), false),
		edu_note_typing(STR("!b"), STR("@u:x"), true), receipt("!a", "@u:x", "", "$1"),
		receipt("!a", "@u:x", "main", "$1")};
	assert_true(edu_note_replaces(notes[1], notes[0]));
	assert_false(edu_note_replaces(notes[2], notes[0]));
	assert_false(edu_note_replaces(notes[3], notes[0]));
	assert_false(edu_note_replaces(notes[4], notes[3]));
	drop(notes, COUNT_OF(notes));
}

static void receipts__of_several_users_and_threads__one_edu_for_each_layer(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct edu_note *notes[] = {receipt("!a", "@u:x", "", "$1"), receipt("!b", "@u:x", "", "$2"),
		receipt("!a", "@v:x", "", "$3"), receipt("!a", "@u:x", "main", "$4")};
	assert_string_equal(written(arena, notes, COUNT_OF(notes), 2),
		"[{\"edu_type\":\"m.receipt\",\"content\":{\"!a\":{\"m.read\":{"
		"\"@u:x\":{\"data\":{\"ts\":5},\"event_ids\":[\"$1\"]},"
		"\"@v:x\":{\"data\":{\"ts\":5},\"event_ids\":[\"$3\"]}}},"
		"\"!b\":{\"m.read\":{\"@u:x\":{\"data\":{\"ts\":5},\"event_ids\":[\"$2\"]}}}}},"
		"{\"edu_type\":\"m.receipt\",\"content\":{\"!a\":{\"m.read\":{"
		"\"@u:x\":{\"data\":{\"thread_id\":\"main\",\"ts\":5},\"event_ids\":[\"$4\"]}}}}}]");
	drop(notes, COUNT_OF(notes));
}

static void presence_and_typing__written__presence_together(void **state)
{
	(void)state;
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct edu_note *notes[] = {edu_note_presence(STR("@u:x"), STR("{\"user_id\":\"@u:x\"}")),
		edu_note_typing(STR("!a"), STR("@u:x"), true),
		edu_note_presence(STR("@v:x"), STR("{\"user_id\":\"@v:x\"}"))};
	assert_string_equal(written(arena, notes, COUNT_OF(notes), 2),
		"[{\"edu_type\":\"m.typing\",\"content\":{\"room_id\":\"!a\",\"typing\":true,\"user_id\":\"@u:x\"}},"
		"{\"edu_type\":\"m.presence\",\"content\":{\"push\":[{\"user_id\":\"@u:x\"},{\"user_id\":\"@v:x\"}]}}]");
	drop(notes, COUNT_OF(notes));
}

static void fit__places_are_few__counts_edus_not_notes(void **state)
{
	(void)state;
	struct edu_note *notes[] = {receipt("!a", "@u:x", "", "$1"), receipt("!a", "@v:x", "", "$1"),
		edu_note_presence(STR("@u:x"), STR("{}")), edu_note_presence(STR("@v:x"), STR("{}")),
		edu_note_typing(STR("!a"), STR("@u:x"), true), receipt("!a", "@u:x", "main", "$1")};
	assert_int_equal(edu_notes_that_fit(notes, COUNT_OF(notes), 0), 0);
	assert_int_equal(edu_notes_that_fit(notes, COUNT_OF(notes), 1), 2);
	assert_int_equal(edu_notes_that_fit(notes, COUNT_OF(notes), 2), 4);
	assert_int_equal(edu_notes_that_fit(notes, COUNT_OF(notes), 3), 5);
	assert_int_equal(edu_notes_that_fit(notes, COUNT_OF(notes), 4), 6);
	drop(notes, COUNT_OF(notes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(note__same_user_and_room__newer_takes_the_place),
		cmocka_unit_test(receipts__of_several_users_and_threads__one_edu_for_each_layer),
		cmocka_unit_test(presence_and_typing__written__presence_together),
		cmocka_unit_test(fit__places_are_few__counts_edus_not_notes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
