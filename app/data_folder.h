/**
 * The data folder: one server at a time, its name, its key.
 *
 *     DATA/lock          held while a server (or a command without one) works in the folder; says which process
 *     DATA/server_name   fixed by the first start
 *     DATA/signing.key   "ed25519 VERSION SEED", mode 0600
 *     DATA/secrets.key   seals secrets that the database keeps, base64, mode 0600; without it they cannot be read
 *     DATA/old_keys      keys before it, one a line, "ed25519 VERSION PUBLIC_KEY UNTIL" (milliseconds since 1970)
 *     DATA/belfry.yaml   options, if there; otherwise --config names a file
 *     DATA/media/        uploaded files, by the hash of their content; DATA/media/incoming/ while they arrive
 *     DATA/postgres/     the private database; DATA/postgres.log what it says
 */
#ifndef BELFRY_APP_DATA_FOLDER_H
#define BELFRY_APP_DATA_FOLDER_H

#include "base/crypto.h"
#include "base/ctx.h"
#include "base/rand.h"
#include "matrix/server_keys.h"

#include <sys/types.h>

struct data_folder {
	const char *given; /**< as the user wrote it, for messages */
	const char *path;  /**< absolute */
	int lock_fd;       /**< -1: not locked */
};

/**
 * For who writes more than the lock there: root becomes the account of the server for good, if that is another: who has the folder and
 * all that a server keeps in it. Where nobody has all, or that one could not enter, root stays root.
 *
 * @param folder       may be missing
 * @param out_account  may be NULL; whom root became: its name, or its number where it has none; NULL: nobody
 * Errors: DENIED     Cost: for root in another's folder, a look at each file of that server.
 */
MUST_CHECK enum err data_folder_become_account(struct ctx *ctx, const char *folder,
	const char **out_account);

/** Opens the folder, and makes it if it may. Errors: MISSING if there is none and it may not; DENIED; STORE. */
MUST_CHECK enum err data_folder_open(struct ctx *ctx, const char *given, bool may_create,
	struct data_folder *out);
/** Releases the lock. */
void data_folder_close(struct data_folder *folder);

/** Takes the folder for this process. Errors: CONFLICT when another has it, the text names it; STORE. */
MUST_CHECK enum err data_folder_lock(struct ctx *ctx, struct data_folder *folder);
/** The process that has the folder; 0: unknown. */
pid_t data_folder_holder(struct ctx *ctx, const struct data_folder *folder);

/**
 * The server's name: what the folder remembers; at the first start what is configured, else localhost.
 *
 * @param configured  may be empty
 * @param out_is_new  may be NULL; true when it was fixed just now
 * Errors: CONFLICT when another name is configured than the folder has; STORE
 */
MUST_CHECK enum err data_folder_server_name(struct ctx *ctx, const struct data_folder *folder,
	struct str configured, struct server_name *out, bool *out_is_new);

/**
 * The signing key, made when there is none.
 * @param out  key_id in the arena; `key` is owned by the caller; `server` is left alone
 * Errors: INPUT when the file is not of the right form; STORE
 */
MUST_CHECK enum err data_folder_signing_key(struct ctx *ctx, const struct data_folder *folder,
	const struct rng *rng, struct event_signer *out);

/**
 * The key that seals secrets in the database, made when there is none.
 * Errors: INPUT when the file is not of the right form; STORE
 */
MUST_CHECK enum err data_folder_secrets_key(struct ctx *ctx, const struct data_folder *folder,
	const struct rng *rng, unsigned char out[SEAL_KEY_BYTES]);

/**
 * The public keys that the server signed with before, newest first.
 * @param out  in the arena
 * Errors: INPUT when the file is not of the right form; STORE
 */
MUST_CHECK enum err data_folder_old_keys(struct ctx *ctx, const struct data_folder *folder,
	struct old_key **out, size_t *out_count);

/**
 * Makes a new signing key; the present one becomes an old one that ends now. The folder must be locked: a server that runs goes
 * on signing with the key that it has.
 * Errors: as above
 */
MUST_CHECK enum err data_folder_rotate_key(struct ctx *ctx, const struct data_folder *folder,
	const struct rng *rng, int64_t now_ms);

#endif
