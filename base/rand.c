/*
 * getrandom(2) and texts drawn from it. Characters are drawn by rejection, so that each is equally
 * likely.
 */
#include "base/rand.h"

#include <errno.h>
#include <sys/random.h>

static void fill_from_os(void *self, void *out, size_t size_bytes)
{
	(void)self;
	unsigned char *at = out;
	while (size_bytes > 0) {
		ssize_t got = getrandom(at, size_bytes, 0);
		if (got < 0 && errno == EINTR) {
			continue;
		}
		invariant(got > 0);
		at += got;
		size_bytes -= (size_t)got;
	}
}

struct rng rng_os(void)
{
	return (struct rng){.fill = fill_from_os};
}

void rng_fill(const struct rng *rng, void *out, size_t size_bytes)
{
	rng->fill(rng->self, out, size_bytes);
}

uint64_t rng_u64(const struct rng *rng)
{
	uint64_t value;
	rng_fill(rng, &value, sizeof(value));
	return value;
}

static struct str draw(const struct rng *rng, struct arena *arena, size_t length,
	struct str alphabet)
{
	char *text = arena_alloc(arena, length + 1);
	size_t limit = 256 - 256 % alphabet.n;
	size_t n = 0;
	while (n < length) {
		unsigned char bytes[64];
		rng_fill(rng, bytes, sizeof(bytes));
		for (size_t i = 0; i < sizeof(bytes) && n < length; i++) {
			if (bytes[i] < limit) {
				text[n++] = alphabet.p[bytes[i] % alphabet.n];
			}
		}
	}
	return str_from(text, length);
}

struct str rng_text(const struct rng *rng, struct arena *arena, size_t length)
{
	return draw(rng, arena, length,
		STR("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"));
}

struct str rng_upper(const struct rng *rng, struct arena *arena, size_t length)
{
	return draw(rng, arena, length, STR("ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
}
