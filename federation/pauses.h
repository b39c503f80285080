/**
 * Servers that failed lately, and how long each is left alone: the pause doubles with every failure in a row.
 */
#ifndef BELFRY_FEDERATION_PAUSES_H
#define BELFRY_FEDERATION_PAUSES_H

#include "base/rand.h"
#include "base/str.h"

#include <stdbool.h>

struct pauses;

/** @param first_ms, longest_ms  of a pause; a third of it is chance, so that many do not end at once */
struct pauses *pauses_create(const struct rng *rng, int64_t first_ms, int64_t longest_ms);
void pauses_destroy(struct pauses *pauses);

/** Milliseconds until the server may be asked again; 0: at once. */
int64_t pauses_left_ms(struct pauses *pauses, struct str server, int64_t now_mono_ms);
/**
 * @param at_least_ms  what the server asked for (Retry-After); 0: nothing
 * @return whether a pause begins: of several requests that fail together one counts
 */
bool pauses_failed(struct pauses *pauses, struct str server, int64_t now_mono_ms,
	int64_t at_least_ms);
/** The server answers, or was heard: its failures are forgotten. */
void pauses_ended(struct pauses *pauses, struct str server);

#endif
