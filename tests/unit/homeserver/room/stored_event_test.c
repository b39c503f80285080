/*
 * Events in memory: how much of it one takes, for rooms have many.
 */
#include "homeserver/room/stored_event.h"

#include "base/arena_sized.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail

static const char json[] =
	"{\"auth_events\":[\"$Hs5bMpwFNOHWlCDvSpCpvnWB4pvXkAEUNMGS3G5BLEM\","
	"\"$N2p0f4DDXHk6sjfm2Zi5oRcM3tUZrWRSfxlLXtBFo6s\",\"$YqbQ6BrsL4TX2rOqB5Gyi6k4mFA3UvSIBPXbRNWSVKI\"],"
	"\"content\":{\"displayname\":\"Anna\",\"membership\":\"join\"},\"depth\":12,"
	"\"hashes\":{\"sha256\":\"zBqF9x8ey5uJkqTUFVqXPJYJkyWd/y9BtLo9M5v2aUE\"},"
	"\"origin_server_ts\":1700000000000,"
	"\"prev_events\":[\"$dJhJ5bpXKjKqFKpWGXJ6YvTlTq1VQeuoZPHWSSMOpiA\"],"
	"\"room_id\":\"!room:school.example\",\"sender\":\"@anna:school.example\","
	"\"signatures\":{\"school.example\":{\"ed25519:1\":"
	"\"2h5ZVRdIh8yVH3kVLZ3fzWCxvVJnGUjTj5mGBQJEQKxq8jKyNrxjBPkKmbQzrPZXhVZC1FfZlX2YnYzY3xXWDg\"}},"
	"\"state_key\":\"@anna:school.example\",\"type\":\"m.room.member\"}";

/* Besides its text there is what clients get, half of it, and what its fields say; no tree of what nobody asks for. */
static void member__in_memory__little_more_than_its_texts(void **state)
{
	(void)state;
	const struct event_row row = {.room_nid = 1,
		.position = 7,
		.event_id = STR("$mE0lRr5mXZyuvj4xPvDsXR8gZfnx9P3Nn8mEGZpyVfE"),
		.json = str_of(json),
		.thread_root = STR("$root"),
		.txn = STR("DEVICE\x1Ftxn")};
	struct stored_event *event =
		stored_event_create(room_version_find(STR("11")), STR("!room:school.example"), &row);
	assert_true(str_equals(event->event->raw, str_of(json)));
	assert_true(str_equals(event->thread_root, STR("$root")));
	assert_true(str_equals(event_membership(event->event), STR("join")));
	size_t texts = row.json.n + event->client_members.n;
	assert_true(event->size_bytes < texts + 900);
	assert_int_equal(event->size_bytes, arena_held_bytes(event->arena));
	assert_true(arena_held_bytes(event->arena) - arena_used_bytes(event->arena) < 100);
	stored_event_unref(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(member__in_memory__little_more_than_its_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
