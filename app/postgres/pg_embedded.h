/**
 * The private database in the data folder: made at the first start, run with the server, on a Unix socket
 * only, by an account that is not root.
 */
#ifndef BELFRY_APP_POSTGRES_PG_EMBEDDED_H
#define BELFRY_APP_POSTGRES_PG_EMBEDDED_H

#include "app/postgres/pg_postmaster.h"

struct pg_embedded_config {
	const char *data; /**< absolute path of the data folder, whose lock the caller holds */
	size_t shared_buffers_bytes;
	int connections;
	struct str digest; /**< see pg_template.h */
	enum err (*prepare)(struct ctx *ctx, struct str url);
	struct signals *signals;
};

/** Starts it, after making it if there is none. Errors: MISSING, DENIED, STORE, SHUTDOWN; the text says what to do. */
MUST_CHECK enum err pg_embedded_start(struct ctx *ctx, const struct pg_embedded_config *config,
	struct pg_postmaster **out);

/** Folder of the cluster in a data folder; in the arena. */
const char *pg_embedded_folder(struct arena *arena, const char *data);

#endif
