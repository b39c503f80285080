/*
 * Bodies of transactions: the first byte chooses the room version, the rest is JSON. Whatever can be read is within the limits, and
 * what one PDU is like never keeps the others from being told apart.
 */
#include "base/arena.h"
#include "matrix/event.h"
#include "matrix/transaction.h"

static void check_pdu(struct arena *arena, const struct room_version *version,
	const struct json *pdu)
{
	struct room_id room;
	struct event_id found;
	struct event *event = NULL;
	bool has_id = event_id_find(arena, version, pdu, &found);
	if (transaction_room_of(pdu, &room)) {
		invariant(room.s.n <= ID_MAX_BYTES && room.s.p[0] == '!');
	}
	if (event_parse(arena, version, pdu, &event).allowed) {
		invariant(has_id && str_equals(found.s, event->event_id.s));
	}
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
	const struct json_limits limits = {.max_depth = 65536};
	struct json body;
	struct transaction transaction;
	struct field_error error;
	if (json_parse(arena, str_from((const char *)data + 1, size - 1), &limits, &body, NULL) !=
			JSON_OK ||
		!transaction_read(arena, &body, &transaction, &error)) {
		return 0;
	}
	invariant(transaction.pdu_count <= TRANSACTION_MAX_PDUS);
	invariant(transaction.edu_count <= TRANSACTION_MAX_EDUS);
	for (size_t i = 0; i < transaction.pdu_count; i++) {
		check_pdu(arena, version, &transaction.pdus[i]);
	}
	for (size_t i = 0; i < transaction.edu_count; i++) {
		invariant(transaction.edus[i].content->type == JSON_OBJECT);
	}
	return 0;
}
