/*
 * Which destinations get the places of transactions, and in which order: nobody who fails, is silent or slow keeps all of them.
 */
#include "federation/outbox_inner.h"

bool outbox_is_probe(const struct destination *destination)
{
	return destination->failures > 0 || destination->is_open || destination->missed_n > 0;
}

/* It failed, and was not heard of since (then it has no interval), nor does an administrator want it tried (then no time). */
bool outbox_is_guess(const struct destination *destination)
{
	return destination->failures > 0 && destination->interval_ms > 0 &&
		destination->retry_at_ms > 0;
}

/* Or it speaks, but took the last transaction and kept it: so it may do again, and however often it speaks. */
static bool is_doubtful(const struct destination *destination)
{
	return outbox_is_guess(destination) || (destination->failures > 0 && destination->is_slow);
}

static int compare(int64_t x, int64_t y)
{
	return (x > y) - (x < y);
}

/*
 * Whoever is not doubtful, then who failed least often, so that very many that are gone for good are in nobody's way; of equals the one that
 * was not tried for longest, so that no number of those that are slow keeps the others' turn.
 */
int outbox_compare_due(const void *a, const void *b)
{
	const struct destination *x = *(struct destination *const *)a;
	const struct destination *y = *(struct destination *const *)b;
	int order = compare(is_doubtful(x) ? x->failures : 0, is_doubtful(y) ? y->failures : 0);
	return order != 0 ? order : compare(x->tried_at_ms, y->tried_at_ms);
}

_Static_assert(OUTBOX_FLIGHTS_MAX / OUTBOX_PLACES_OF_PROBE >= 2 * OUTBOX_PROBES_MAX,
	"half of all flights are no probes");

int64_t outbox_place_ms(const struct outbox *outbox)
{
	int64_t timeout_ms = outbox->hs->settings.federation.transaction_timeout_ms;
	return MAX_OF((int64_t)OUTBOX_PLACE_MS, timeout_ms / OUTBOX_PLACES_OF_PROBE);
}

void outbox_place_count(struct places *places, const struct flight *flight, int64_t now_mono_ms)
{
	if (flight->is_probe && now_mono_ms - flight->begun_mono_ms < outbox_place_ms(flight->outbox)) {
		places->probing++;
		places->guessing += flight->is_guess ? 1 : 0;
		places->doubting += flight->is_guess || flight->is_slow ? 1 : 0;
	}
	places->slow += flight->is_slow ? 1 : 0;
	places->slow_bytes += flight->is_slow ? flight->body_bytes : 0;
}

/* How large a transaction is shows when it is written: the last one may go beyond the budget. */
static bool has_memory_locked(const struct outbox *outbox, const struct destination *destination,
	const struct places *places)
{
	size_t budget = outbox->hs->settings.federation.transaction_budget_bytes;
	return outbox->flying_bytes < budget &&
		!(destination->is_slow && places->slow_bytes >= budget / 2);
}

bool outbox_has_place_locked(const struct outbox *outbox, const struct destination *destination,
	const struct places *places)
{
	return outbox->flying < OUTBOX_FLIGHTS_MAX &&
		!(outbox_is_probe(destination) && places->probing >= OUTBOX_PROBES_MAX) &&
		!(outbox_is_guess(destination) && places->guessing >= OUTBOX_GUESSES_MAX) &&
		!(is_doubtful(destination) && places->doubting >= OUTBOX_DOUBTS_MAX) &&
		!(destination->is_slow && places->slow >= OUTBOX_SLOW_MAX) &&
		has_memory_locked(outbox, destination, places);
}
