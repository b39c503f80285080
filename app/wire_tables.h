/**
 * Which routes there are, for the server and for who lists them.
 */
#ifndef BELFRY_APP_WIRE_TABLES_H
#define BELFRY_APP_WIRE_TABLES_H

#include "http/route.h"

/** The routes of one domain. */
struct wire_table {
	const char *name; /**< of the domain's file, for the reference page */
	const struct route *rows;
	const size_t *count;
};

/** All of them. Static. */
const struct wire_table *wire_tables(size_t *out_count);

#endif
