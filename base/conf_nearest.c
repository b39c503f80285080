/*
 * The key that was meant: the one with the smallest edit distance, if that is small for its length.
 */
#include "base/conf_inner.h"

enum { MAX_BYTES = 96, LETTERS_PER_SLIP = 3, LEAST_SLIPS = 2 };

/* Levenshtein distance of two texts of at most MAX_BYTES. */
static size_t distance(struct str a, struct str b)
{
	size_t row[MAX_BYTES + 1];
	for (size_t k = 0; k <= b.n; k++) {
		row[k] = k;
	}
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t k = 1; k <= b.n; k++) {
			size_t replaced = diagonal + (a.p[i - 1] == b.p[k - 1] ? 0 : 1);
			diagonal = row[k];
			row[k] = MIN_OF(replaced, MIN_OF(row[k], row[k - 1]) + 1);
		}
	}
	return row[b.n];
}

static void consider(struct str key, struct str candidate, size_t *best, struct str *out)
{
	if (candidate.n > MAX_BYTES) {
		return;
	}
	size_t slips = distance(key, candidate);
	if (slips < *best) {
		*best = slips;
		*out = candidate;
	}
}

/* A key given without its section: "client" for "listen.client". */
static struct str by_last_word(const struct conf *conf, struct str key)
{
	for (size_t i = 0; i < conf->row_count; i++) {
		struct str row_key = str_of(conf->rows[i].key);
		if (row_key.n > key.n && str_ends_with(row_key, key) &&
			row_key.p[row_key.n - key.n - 1] == '.') {
			return row_key;
		}
	}
	return str_from(NULL, 0);
}

struct str conf_nearest(const struct conf *conf, struct str key)
{
	struct str nearest = {0};
	if (key.n == 0 || key.n > MAX_BYTES) {
		return nearest;
	}
	size_t best = MAX_OF(key.n / LETTERS_PER_SLIP, (size_t)LEAST_SLIPS) + 1;
	best = MIN_OF(best, key.n); /* something must be alike */
	for (size_t i = 0; i < conf->row_count; i++) {
		struct str row_key = str_of(conf->rows[i].key);
		for (size_t at = 0; at < row_key.n; at++) {
			if (row_key.p[at] == '.') { /* a section that leads to it */
				consider(key, str_slice(row_key, 0, at), &best, &nearest);
			}
		}
		consider(key, row_key, &best, &nearest);
	}
	return nearest.n > 0 ? nearest : by_last_word(conf, key);
}
