/**
 * What PostgreSQL knows about the tables, by which it plans.
 */
#ifndef BELFRY_STORAGE_STATISTICS_H
#define BELFRY_STORAGE_STATISTICS_H

#include "storage/db.h"

/**
 * Has tables looked at that have doubled since they last were, so that no plan rests on less than half of what there is (tests/plans). For the
 * housekeeper, every few seconds. One round trip for each such table, sixteen at the most, and one; a look takes up to a second, a few times in a
 * table's life. Errors: as db_query().
 */
MUST_CHECK enum err store_statistics_renew(struct ctx *ctx, struct db *db);

#endif
