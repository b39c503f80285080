/*
 * PDUs of others: the first byte chooses the room version, the rest is JSON. What event_parse() allows must
 * load again the same, keep its id when redacted, and give stripped state that is JSON.
 */
#include "base/arena.h"
#include "matrix/canonical.h"
#include "matrix/event.h"
#include "matrix/redact.h"
#include "matrix/sign.h"
#include "matrix/stripped.h"

static void check_loaded(struct arena *arena, const struct event *event)
{
	const struct event *loaded =
		event_load(arena, event->version, event->raw, event->event_id, event->room_id);
	invariant(str_equals(loaded->type, event->type));
	invariant(str_equals(loaded->sender.s, event->sender.s));
	invariant(loaded->is_state == event->is_state);
	invariant(str_equals(loaded->state_key, event->state_key));
	invariant(str_equals(loaded->redacts, event->redacts));
	invariant(loaded->depth == event->depth);
	invariant(loaded->origin_server_ts == event->origin_server_ts);
	invariant(loaded->prev_count == event->prev_count);
	invariant(loaded->auth_count == event->auth_count);
	invariant(str_equals(canonical_text(arena, loaded->tree), event->raw));
	const struct event *compact = event_compact(arena, loaded);
	invariant(str_equals(compact->type, event->type));
	invariant(str_equals(canonical_text(arena, event_json(arena, compact)), event->raw));
	invariant(json_equals(compact->content, event->content));
}

static void check_redacted(struct arena *arena, const struct event *event)
{
	struct json redacted = redact_event(arena, event->version, event->tree);
	struct event *again = NULL;
	struct verdict verdict = event_parse(arena, event->version, &redacted, &again);
	/* A redaction takes keys away, never one that is required. */
	invariant(verdict.allowed);
	invariant(str_equals(again->event_id.s, event->event_id.s));
	invariant(str_equals(again->room_id.s, event->room_id.s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0) {
		return 0;
	}
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	size_t count;
	const struct room_version *version = &room_versions_all(&count)[0];
	version += data[0] % count;
	const struct json_limits limits = {.max_depth = 1000};
	struct json json;
	struct event *event = NULL;
	if (json_parse(arena, str_from((const char *)data + 1, size - 1), &limits, &json, NULL) !=
		JSON_OK) {
		return 0;
	}
	struct event *const *stripped = NULL;
	if (event_parse(arena, version, &json, &event).allowed) {
		struct required_signer *signers;
		invariant(event->raw.n <= EVENT_MAX_BYTES);
		check_loaded(arena, event);
		check_redacted(arena, event);
		(void)event_required_signers(arena, event, &signers);
		stripped = &event;
	}
	(void)event_hash_is_valid(arena, &json);
	(void)event_verify(arena, version, &json, STR("a"), STR("ed25519:1"),
		STR("12345678901234567890123456789012"));
	struct json list = {.type = JSON_ARRAY, .items = &json, .count = 1};
	struct json again;
	struct str text = stripped_state_prune(arena, &list);
	invariant(json_parse(arena, text, &limits, &again, NULL) == JSON_OK && again.count <= 1);
	if (stripped != NULL && event->is_state) {
		text = stripped_state_text(arena, (const struct event *const *)stripped, 1);
		invariant(json_parse(arena, text, &limits, &again, NULL) == JSON_OK && again.count == 1);
	}
	return 0;
}
