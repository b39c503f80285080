/*
 * Hashes of events, and the ids made of them. The content hash covers everything that the sender wrote;
 * the reference hash only what a redaction leaves (with the content hash in it), so that a redacted event
 * keeps its id.
 */
#include "matrix/event_inner.h"

#include "base/b64.h"
#include "matrix/canonical.h"
#include "matrix/redact.h"
#include "matrix/sign.h"

struct json event_without(struct arena *arena, const struct json *object, const struct str *keys,
	size_t count)
{
	size_t given = object->type == JSON_OBJECT ? object->count : 0;
	struct json copy = json_object(arena, given);
	for (size_t i = 0; i < given; i++) {
		bool keep = true;
		for (size_t k = 0; k < count && keep; k++) {
			keep = !str_equals(object->members[i].key, keys[k]);
		}
		if (keep) {
			copy.members[copy.count++] = object->members[i];
		}
	}
	return copy;
}

struct str event_essential_text(struct arena *arena, const struct room_version *version,
	const struct json *event)
{
	static const struct str unsigned_keys[] = {STR_INIT("signatures"), STR_INIT("unsigned")};
	struct json redacted = redact_event(arena, version, event);
	struct json essential = event_without(arena, &redacted, unsigned_keys, COUNT_OF(unsigned_keys));
	return canonical_text(arena, &essential);
}

void event_content_hash(struct arena *arena, const struct json *event,
	unsigned char out[SHA256_BYTES])
{
	static const struct str not_covered[] = {STR_INIT("hashes"), STR_INIT("signatures"),
		STR_INIT("unsigned")};
	struct json covered = event_without(arena, event, not_covered, COUNT_OF(not_covered));
	crypto_sha256(canonical_text(arena, &covered), out);
}

bool event_hash_is_valid(struct arena *arena, const struct json *event)
{
	struct str encoded = json_get_str(json_at(event, "hashes"), STR("sha256"));
	struct str claimed;
	if (encoded.p == NULL || !b64_decode(arena, encoded, &claimed)) {
		return false;
	}
	unsigned char hash[SHA256_BYTES];
	event_content_hash(arena, event, hash);
	return str_equals(claimed, str_from((const char *)hash, sizeof(hash)));
}

void event_reference_hash(struct arena *arena, const struct room_version *version,
	const struct json *event, unsigned char out[SHA256_BYTES])
{
	crypto_sha256(event_essential_text(arena, version, event), out);
}

struct event_id event_id_of_hash(struct arena *arena, const struct room_version *version,
	const unsigned char hash[SHA256_BYTES])
{
	invariant(version->event_id_encoding != EVENT_ID_EXPLICIT);
	struct str bytes = str_from((const char *)hash, SHA256_BYTES);
	struct str text = version->event_id_encoding == EVENT_ID_URL ? b64_encode_url(arena, bytes)
																 : b64_encode(arena, bytes);
	return (struct event_id){str_printf(arena, "$%.*s", STR_ARG(text))};
}

struct room_id event_room_of_create(struct arena *arena, struct event_id create)
{
	char *text = arena_dup(arena, create.s.p, create.s.n);
	text[0] = '!';
	return (struct room_id){str_from(text, create.s.n)};
}
