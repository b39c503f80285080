/**
 * Copies and removes folders.
 */
#ifndef BELFRY_APP_POSTGRES_TREE_COPY_H
#define BELFRY_APP_POSTGRES_TREE_COPY_H

#include "app/postgres/pg_account.h"
#include "base/ctx.h"

/**
 * Copies the contents of a folder (regular files and folders, nothing else) into another that is made for it
 * with mode 0700, all owned by the account. Shares the blocks where the file system can. Nothing is flushed: tree_flush().
 * Errors: STORE; what was copied so far stays.
 */
MUST_CHECK enum err tree_copy(struct ctx *ctx, const char *from, const char *to,
	const struct pg_account *account);

/** Waits until everything on the folder's file system is on disk: one flush instead of one for each file. */
MUST_CHECK enum err tree_flush(struct ctx *ctx, const char *folder);

/** Renames a folder, and flushes the folder it stands in. Errors: CONFLICT if `to` is there and not empty; STORE. */
MUST_CHECK enum err tree_rename(struct ctx *ctx, const char *from, const char *to);

/** Removes a folder with its contents; one that is missing is fine. */
void tree_remove(const char *folder);

#endif
