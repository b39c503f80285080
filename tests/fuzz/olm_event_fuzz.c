/*
 * What comes to own devices from outside: envelopes and plaintexts of Olm messages, answers to key queries, session keys and messages. Any
 * bytes are read without harm; what is taken is for whom and from whom it says.
 */
#include "e2ee/olm_event.h"
#include "e2ee/peer_devices.h"

#define KEY "O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik"

static void read_envelope(struct arena *arena, const struct json *json)
{
	struct olm_envelope envelope;
	if (olm_envelope_read(arena, json, STR(KEY), &envelope)) {
		invariant(envelope.sender_key.n == 43 && envelope.body.n > 0);
		invariant(envelope.type == RATCHET_PRE_KEY || envelope.type == RATCHET_NORMAL);
	}
}

static void read_plaintext(struct arena *arena, struct str text)
{
	const struct olm_expectation expected = {
		.sender = STR("@a:b"),
		.sender_key = STR(KEY),
		.recipient = STR("@c:d"),
		.recipient_ed25519 = STR(KEY),
	};
	struct olm_event event;
	if (olm_event_read(arena, text, &expected, &event)) {
		invariant(event.type.p != NULL && json_is(event.content, JSON_OBJECT));
		invariant(event.sender_ed25519.n == 43);
	}
}

static void read_answer(struct arena *arena, const struct json *json)
{
	struct peer_devices peers;
	peer_devices_read(arena, json, &peers);
	for (size_t i = 0; i < peers.n; i++) {
		invariant(peers.p[i].curve25519.n == 43 && peers.p[i].ed25519.n == 43);
		(void)peer_devices_failed(&peers, peers.p[i].user_id);
	}
}

static void read_megolm(struct arena *arena, struct str text)
{
	struct megolm_in *session;
	struct str plain;
	uint32_t index;
	if (megolm_in_create(text, &session) == RATCHET_OK) {
		(void)!megolm_in_decrypt(arena, session, text, &plain, &index);
		megolm_in_destroy(session);
	}
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str text = str_from((const char *)data, size);
	struct json json;
	if (json_parse(arena, text, NULL, &json, NULL) == JSON_OK) {
		read_envelope(arena, &json);
		read_answer(arena, &json);
	}
	read_plaintext(arena, text);
	read_megolm(arena, text);
	return 0;
}
