/**
 * Endpoints of key backups.
 */
#ifndef BELFRY_E2EE_KEY_BACKUP_ROUTES_H
#define BELFRY_E2EE_KEY_BACKUP_ROUTES_H

#include "http/route.h"

/** call->service is the struct homeserver. */
extern const struct route key_backup_routes[];
extern const size_t key_backup_route_count;

#endif
