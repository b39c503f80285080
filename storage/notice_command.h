/**
 * Messages to senders of notices (notices/notice_commands.h), and who may command one. One round trip each.
 */
#ifndef BELFRY_STORAGE_NOTICE_COMMAND_H
#define BELFRY_STORAGE_NOTICE_COMMAND_H

#include "storage/db.h"

/** Lets a user command a sender; again changes nothing. Errors: STORE. */
MUST_CHECK enum err store_notice_manager_insert(struct ctx *ctx, struct db *db, struct str sender,
	struct str user_id);
/** Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_notice_manager_delete(struct ctx *ctx, struct db *db, struct str sender,
	struct str user_id);
/** By name. */
MUST_CHECK enum err store_notice_manager_list(struct ctx *ctx, struct db *db, struct str sender,
	struct str **out, size_t *out_count);
/** Whether a user may: is listed, or an administrator of the server. */
MUST_CHECK enum err store_notice_manager_find(struct ctx *ctx, struct db *db, struct str sender,
	struct str user_id, bool *out);

/** Queues what the stream has for senders: after < position <= reached. @param out_count  how many */
MUST_CHECK enum err store_notice_commands_take(struct ctx *ctx, struct tx *tx, int64_t after,
	int64_t reached, int64_t now_ms, size_t *out_count);

struct notice_command_row {
	struct str event_id;
	struct str sender; /**< to whom */
	struct str room_id;
	struct str user_id; /**< by whom */
	bool is_invite;     /**< else a message */
	int64_t queued_at_ms;
};
/** Up to `limit` to be looked at, longest first; what is new, in the order in which it was sent. */
MUST_CHECK enum err store_notice_commands_due(struct ctx *ctx, struct db *db, int64_t now_ms,
	int64_t limit, struct notice_command_row **out, size_t *out_count);
MUST_CHECK enum err store_notice_commands_later(struct ctx *ctx, struct db *db,
	const struct notice_command_row *row, int64_t next_try_ms);
MUST_CHECK enum err store_notice_commands_done(struct ctx *ctx, struct db *db,
	const struct notice_command_row *row);

/** The notice that a command has made before. Errors: MISSING (no fault text); STORE. */
MUST_CHECK enum err store_notice_command_find(struct ctx *ctx, struct db *db, struct str sender,
	struct str request_key, int64_t *out_notice_id);

#endif
