/**
 * From what another server sent to an event that may be looked at: whatever way it came, in a transaction, as state, as an
 * auth event, as history, or in a handshake.
 *
 * What comes out is well-formed for the room's version, of the room that it should be of, and signed by all who have to; where its
 * content hash is wrong it is redacted. Authorisation is room_accept()'s affair.
 * Spec: server-server API, "Checks performed on receipt of a PDU", 1 to 3
 */
#ifndef BELFRY_FEDERATION_PDU_CHECK_H
#define BELFRY_FEDERATION_PDU_CHECK_H

#include "federation/federation.h"
#include "matrix/event.h"

struct room;

/** A PDU of another server. In the arena; that of pdu_read() views the JSON that it was read from. */
struct pdu {
	const struct event *event; /**< NULL: dropped */
	struct event_id event_id;  /**< s.p == NULL: it has none that could be told */
	const char *error;         /**< why it was dropped; static; NULL: it was not */
	bool is_bad_json;  /**< dropped, because it has no canonical form in its room's version */
	bool is_redacted;  /**< its content hash was wrong */
	bool is_undecided; /**< dropped, because a key could not be fetched: it may be good */
};

/**
 * What is kept of a list's events may take so much of memory beyond twice their texts, all together, and so may the tree of one while it is
 * read. Events take one to two times their text; one that has a value in every other byte of its content sixteen times. So 100 of such still
 * come in; of more the last ones are dropped, and of others none.
 */
enum { PDU_SPARE_BYTES = 96 << 20 };

/** Which room events have to be of. */
struct pdu_room {
	const struct room_version *version;
	struct room_id room_id;
	bool is_history; /**< what GET /backfill answered: event_parse_history() */
};

/** Format, sizes, room, content hash. Pure: no I/O. `is not dropped` says nothing about signatures. */
void pdu_read(struct arena *arena, const struct pdu_room *room, const struct json *json,
	struct pdu *out);

/**
 * The same for a PDU in a list of an answer, which was passed over when that was parsed (fed_request.is_of_events). What comes out views nothing
 * of the answer and has no tree (event_json() parses it anew): of a room's whole state the trees alone would be several times its text.
 * @param spare_bytes  what is left of PDU_SPARE_BYTES for this list
 */
void pdu_read_listed(struct arena *arena, const struct pdu_room *room, const struct json *json,
	size_t *spare_bytes, struct pdu *out);

/**
 * Refuses a request for what is wrong with its event, which was dropped.
 * Errors: INPUT M_BAD_JSON (no canonical form; rooms/v6, "Canonical JSON"), M_INVALID_PARAM
 */
MUST_CHECK static inline enum err pdu_refuse(struct ctx *ctx, const struct pdu *pdu)
{
	return fail(ctx, ERR_INPUT, pdu->is_bad_json ? M_BAD_JSON : M_INVALID_PARAM, "%s", pdu->error);
}

/**
 * Drops those that are not signed by all who have to. Keys that are not known are asked for, of all servers side by side.
 * @param pdus  dropped ones among them are left alone
 * Errors: STORE, TIMEOUT (nothing is decided)     Cost: keyring_check_events()
 */
MUST_CHECK enum err pdu_check_signatures(struct ctx *ctx, struct federation *federation,
	struct pdu *pdus, size_t count);

/**
 * pdu_read_listed() and signatures, for a list of PDUs such as answers hold: `pdus` of backfill, state, auth chains.
 * @param list  an array, or NULL (then there are none); whatever is no PDU in it is dropped
 * @param out   one for each element, in their order
 * Errors: STORE, TIMEOUT
 */
MUST_CHECK enum err pdu_check_list(struct ctx *ctx, struct federation *federation,
	const struct pdu_room *room, const struct json *list, struct pdu **out, size_t *out_count);

/**
 * Whether an event may come into a room by way of a server: neither that server nor the sender's is shut out by the room's
 * access list. From memory. Errors: STORE
 * Spec: server-server API, "Server Access Control Lists (ACLs)"
 */
MUST_CHECK enum err pdu_is_let_in(struct ctx *ctx, struct federation *federation, struct room *room,
	struct server_name origin, const struct event *event, bool *out);

#endif
