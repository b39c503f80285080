/**
 * Policy servers: which one a room has chosen, what it has to sign, and its signatures.
 *
 * Its word is no authorisation rule: who sends an event asks first, who gets one without it asks too, and what it refuses is
 * soft-failed.
 * Spec: server-server API, "Policy Servers"; client-server API, "m.room.policy"
 */
#ifndef BELFRY_MATRIX_POLICY_SERVER_H
#define BELFRY_MATRIX_POLICY_SERVER_H

#include "matrix/event.h"

/** The name under which a policy server's signature stands, whatever its key. */
#define POLICY_SERVER_KEY_ID "ed25519:policy_server"

/** A room's choice. */
struct policy_server {
	struct server_name via;
	struct str
		public_key; /**< 32 raw bytes; empty: what stands there is no key, so nothing counts as signed */
};

/**
 * Reads the content of an m.room.policy event.
 * @param out  views `content`; the key lies in the arena
 * @return     false when it names none. Whether any user of the server is in the room, on which its use depends, is not looked at.
 */
MUST_CHECK bool policy_server_read(struct arena *arena, const struct json *content,
	struct policy_server *out);

/** Whether an event needs no policy server's word: m.room.policy itself, so that a room gets rid of one that is gone. */
bool policy_server_exempts(struct str type, bool is_state, struct str state_key);

/** Whether an event carries the policy server's signature. */
MUST_CHECK bool policy_server_has_signed(struct arena *arena, const struct policy_server *server,
	const struct event *event);

/**
 * The event with the signature that /sign gave, beside those that it has.
 *
 * @param answer  the body of the answer; nothing else than the one signature is taken of it
 * @param out     in the arena; may view `answer`
 * @return        not allowed: "policy_server.unsigned" (the answer has no valid signature); "event.size…"
 */
MUST_CHECK struct verdict policy_server_add_signature(struct arena *arena,
	const struct policy_server *server, const struct event *event, const struct json *answer,
	const struct event **out);

#endif
