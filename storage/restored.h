/**
 * What has to be done to a database that came back from a backup, before a server runs on it.
 */
#ifndef BELFRY_STORAGE_RESTORED_H
#define BELFRY_STORAGE_RESTORED_H

#include "storage/db.h"

/**
 * No position is given out a second time: clients and other servers would take what is new for what they have. And one-time keys go, since
 * a device that used one up after the backup was made cannot use it again; it makes new ones, and until then its fallback key serves.
 * May be repeated. Errors: STORE.
 */
MUST_CHECK enum err store_restored(struct ctx *ctx, struct db *db);

#endif
