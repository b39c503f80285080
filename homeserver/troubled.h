/**
 * Names (of other servers, of application services) that some process of this server could not reach lately. Only who sends to one has
 * pauses for it; whoever hears of one in this set tells that to all processes (storage/writer.h, writer_tell()).
 */
#ifndef BELFRY_HOMESERVER_TROUBLED_H
#define BELFRY_HOMESERVER_TROUBLED_H

#include "base/str.h"

#include <stdbool.h>

enum {
	TROUBLED_MAX = 10000
}; /**< names; further ones are left out: their pauses end by themselves */

struct troubled;

struct troubled *troubled_create(void);
void troubled_destroy(struct troubled *troubled);

/** Any thread; a lock of RANK_LEAF for a moment, like below. The name is copied. */
void troubled_add(struct troubled *troubled, struct str name);
/** Takes a name out. @return whether it was there; without a lock where there is none at all */
bool troubled_take(struct troubled *troubled, struct str name);

#endif
