/**
 * Routes of receipts and read markers.
 */
#ifndef BELFRY_HOMESERVER_RECEIPT_RECEIPT_ROUTES_H
#define BELFRY_HOMESERVER_RECEIPT_RECEIPT_ROUTES_H

#include "http/route.h"

extern const struct route receipt_routes[];
extern const size_t receipt_route_count;

#endif
