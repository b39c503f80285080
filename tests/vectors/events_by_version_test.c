/*
 * events_by_version.json: for each room version a chain of events with every intermediate step. Each is
 * hashed, redacted, signed and named by the single functions, then parsed, and built anew from its intent.
 */
#include "tests/vectors/spec_vectors.h"

#include "base/b64.h"
#include "matrix/canonical.h"
#include "matrix/redact.h"
#include "matrix/sign.h"

static struct arena *arena;
static const struct json *file;
static struct event_signer signer;
static unsigned char public_key[ED25519_PUBLIC_BYTES];

static int set_up(void **state)
{
	(void)state;
	arena = arena_create();
	file = vectors_read(arena, "events_by_version.json");
	signer = vectors_signer(arena, file);
	ed25519_public(signer.key, public_key);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	vectors_signer_fini(&signer);
	arena_destroy(arena);
	return 0;
}

typedef void check_case(const struct room_version *version, const struct json *item,
	struct str room_id);

static void for_each_event(check_case *check)
{
	const struct json *versions = vectors_get(file, "versions");
	assert_int_equal(versions->count, 12);
	for (size_t v = 0; v < versions->count; v++) {
		const struct room_version *version = room_version_find(versions->members[v].key);
		assert_non_null(version);
		const struct json *events = vectors_get(&versions->members[v].value, "events");
		struct str room_id = vectors_str(&versions->members[v].value, "room_id");
		assert_int_equal(events->count, 6);
		for (size_t i = 0; i < events->count; i++) {
			check(version, &events->items[i], room_id);
		}
	}
}

static struct str encoded(const unsigned char hash[SHA256_BYTES])
{
	return b64_encode(arena, str_from((const char *)hash, SHA256_BYTES));
}

static void check_hashes(const struct room_version *version, const struct json *item,
	struct str room_id)
{
	(void)room_id;
	unsigned char hash[SHA256_BYTES];
	event_content_hash(arena, vectors_get(item, "input"), hash);
	assert_same_text(encoded(hash), vectors_str(item, "content_hash_sha256"));
	const struct json *event = vectors_get(item, "signed");
	assert_true(event_hash_is_valid(arena, event));
	event_reference_hash(arena, version, event, hash);
	assert_same_text(encoded(hash), vectors_str(item, "reference_hash_sha256"));
	/* Redacted, it keeps its id and loses the content hash (unless nothing was taken away). */
	event_reference_hash(arena, version, vectors_get(item, "redacted"), hash);
	assert_same_text(encoded(hash), vectors_str(item, "reference_hash_sha256"));
}

static void hashes__every_event__exact(void **state)
{
	(void)state;
	for_each_event(check_hashes);
}

static void check_redaction(const struct room_version *version, const struct json *item,
	struct str room_id)
{
	(void)room_id;
	struct json once = redact_event(arena, version, vectors_get(item, "signed"));
	assert_same_json(&once, vectors_get(item, "redacted"));
	struct json twice = redact_event(arena, version, &once);
	assert_same_json(&twice, &once);
}

static void redact_event__every_event__exact_and_idempotent(void **state)
{
	(void)state;
	for_each_event(check_redaction);
}

static void check_signature(const struct room_version *version, const struct json *item,
	struct str room_id)
{
	(void)room_id;
	struct str key = str_from((const char *)public_key, sizeof(public_key));
	const struct json *event = vectors_get(item, "signed");
	struct json unsigned_event = json_without(arena, event, STR("signatures"));
	struct json is = event_sign(arena, version, &unsigned_event, &signer);
	assert_same_json(&is, event);
	assert_true(event_verify(arena, version, event, signer.server.s, signer.key_id, key));
	assert_true(event_verify(arena, version, vectors_get(item, "redacted"), signer.server.s,
		signer.key_id, key));
	struct json other = json_with(arena, event, STR("depth"), json_integer(99));
	assert_false(event_verify(arena, version, &other, signer.server.s, signer.key_id, key));
}

static void event_sign__every_event__exact_and_verified(void **state)
{
	(void)state;
	for_each_event(check_signature);
}

static struct str room_of(const struct room_version *version, struct str room_id,
	const struct json *item)
{
	bool creates = version->room_id_is_create_hash &&
		str_equals(vectors_str(vectors_get(item, "input"), "type"), STR("m.room.create"));
	return creates
		? str_printf(arena, "!%.*s", STR_ARG(str_slice(vectors_str(item, "event_id"), 1, SIZE_MAX)))
		: room_id;
}

static void check_parse(const struct room_version *version, const struct json *item,
	struct str room_id)
{
	const struct json *json = vectors_get(item, "signed");
	struct event *event = NULL;
	struct verdict verdict = event_parse(arena, version, json, &event);
	if (!verdict.allowed) {
		fail_msg("%s: %s", verdict.rule, verdict.text);
	}
	assert_same_text(event->event_id.s, vectors_str(item, "event_id"));
	assert_same_text(event->room_id.s, room_of(version, room_id, item));
	struct json expected = json_without(arena, json, STR("unsigned"));
	assert_same_text(event->raw, canonical_text(arena, &expected));
	/* What is stored is read back the same. */
	const struct event *loaded =
		event_load(arena, version, event->raw, event->event_id, event->room_id);
	assert_same_text(loaded->type, event->type);
	assert_same_text(loaded->sender.s, event->sender.s);
	assert_same_text(loaded->state_key, event->state_key);
	assert_same_text(loaded->redacts, event->redacts);
	assert_int_equal(loaded->is_state, event->is_state);
	assert_true(loaded->depth == event->depth);
	assert_true(loaded->origin_server_ts == event->origin_server_ts);
	assert_int_equal(loaded->prev_count, event->prev_count);
	assert_int_equal(loaded->auth_count, event->auth_count);
	for (size_t i = 0; i < event->prev_count; i++) {
		assert_same_text(loaded->prev_events[i].s, event->prev_events[i].s);
	}
	for (size_t i = 0; i < event->auth_count; i++) {
		assert_same_text(loaded->auth_events[i].s, event->auth_events[i].s);
	}
	assert_same_json(loaded->content, event->content);
	assert_same_json(loaded->tree, event->tree);
}

static void event_parse__every_event__ids_exact_and_loads_again(void **state)
{
	(void)state;
	for_each_event(check_parse);
}

/* The vectors' event pairs carry hashes, ours {}: with them built events of 1 and 2 differ in that only. */
static void check_build(const struct room_version *version, const struct json *item,
	struct str room_id)
{
	(void)room_id;
	const struct json *json = vectors_get(item, "signed");
	struct event *parsed = NULL;
	assert_true(event_parse(arena, version, json, &parsed).allowed);
	struct event_intent intent = {
		.version = version,
		.room_id = {json_get_str(json, STR("room_id"))},
		.sender = parsed->sender,
		.type = parsed->type,
		.is_state = parsed->is_state,
		.state_key = parsed->state_key,
		.content = parsed->content,
		.redacts = parsed->redacts,
		.origin_server_ts = parsed->origin_server_ts,
		.depth = parsed->depth,
		.prev_events = parsed->prev_events,
		.prev_count = parsed->prev_count,
		.auth_events = parsed->auth_events,
		.auth_count = parsed->auth_count,
		.explicit_event_id = parsed->event_id.s,
	};
	struct event *built = NULL;
	assert_true(event_build(arena, &intent, &signer, &built).allowed);
	assert_same_text(built->event_id.s, parsed->event_id.s);
	assert_same_text(built->room_id.s, parsed->room_id.s);
	bool has_pairs = version->event_format == EVENT_FORMAT_V1 && parsed->prev_count > 0;
	if (!has_pairs) {
		assert_same_text(built->raw, parsed->raw);
	}
	assert_same_text(canonical_text(arena, built->tree), built->raw);
	assert_same_text(canonical_text(arena, built->content), json_raw(built->content));
	/* What was built is what others would parse. */
	struct event *again = NULL;
	assert_true(event_parse(arena, version, built->tree, &again).allowed);
	assert_same_text(again->raw, built->raw);
	assert_same_text(again->event_id.s, built->event_id.s);
	assert_true(event_hash_is_valid(arena, built->tree));
	assert_true(event_verify(arena, version, built->tree, signer.server.s, signer.key_id,
		str_from((const char *)public_key, sizeof(public_key))));
}

static void event_build__every_event__same_bytes(void **state)
{
	(void)state;
	for_each_event(check_build);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes__every_event__exact),
		cmocka_unit_test(redact_event__every_event__exact_and_idempotent),
		cmocka_unit_test(event_sign__every_event__exact_and_verified),
		cmocka_unit_test(event_parse__every_event__ids_exact_and_loads_again),
		cmocka_unit_test(event_build__every_event__same_bytes),
	};
	return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
