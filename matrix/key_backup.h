/**
 * Keys in a key backup as clients upload them. What they protect is encrypted; only the outside is looked at.
 * Spec: client-server API, "Server-side key backups"
 */
#ifndef BELFRY_MATRIX_KEY_BACKUP_H
#define BELFRY_MATRIX_KEY_BACKUP_H

#include "base/json.h"
#include "matrix/field_error.h"

enum {
	BACKUP_SESSION_DATA_MAX_BYTES = 65536,
	BACKUP_AUTH_DATA_MAX_BYTES = 65536,
	BACKUP_NAME_MAX_BYTES = 255, /**< of a room id, a session id, an algorithm */
};

/** A room key in a backup. Views the text that was parsed. */
struct backup_key {
	struct str room_id;
	struct str session_id;
	int64_t first_message_index;
	int64_t forwarded_count;
	bool is_verified;
	struct str session_data; /**< JSON object as the client wrote it */
};

/** How much of a backup a request is about. */
enum backup_scope { BACKUP_ALL, BACKUP_ROOM, BACKUP_SESSION };

/**
 * Reads the body of a PUT: of all rooms {"rooms": {…}}, of one room {"sessions": {…}}, or of one session.
 *
 * @param room_id, session_id  of the path, as far as the scope goes
 * @param out  in the arena
 */
MUST_CHECK bool backup_keys_read(struct arena *arena, const struct json *body,
	enum backup_scope scope, struct str room_id, struct str session_id, struct backup_key **out,
	size_t *out_count, struct field_error *out_error);

#endif
