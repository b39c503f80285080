/*
 * Bodies on their way into files: whatever pieces they come in, and however many come at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/mem.h"
#include "http/body.h"

enum { BYTES = 20 << 20, THREADS = 4, ROUNDS = 3 };

struct world {
	struct body_writer *writer;
	char folder[64];
	char *bytes; /* BYTES of them, no two pages alike */
};

static int set_up(void **state)
{
	struct world *world = mem_alloc(sizeof(*world));
	(void)snprintf(world->folder, sizeof(world->folder), "/tmp/belfry-body-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	world->writer = body_writer_create();
	world->bytes = mem_realloc(NULL, BYTES);
	uint32_t random = 1;
	for (size_t i = 0; i < BYTES; i++) {
		random = random * 1664525 + 1013904223;
		world->bytes[i] = (char)(random >> 24);
	}
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;
	body_writer_destroy(world->writer);
	assert_int_equal(rmdir(world->folder), 0); /* nothing is left in it */
	mem_free(world->bytes);
	mem_free(world);
	return 0;
}

/* Pieces of all sizes around those that are handed over. */
static struct body *filled(const struct world *world, size_t n, uint32_t seed)
{
	struct body *body = body_create(world->writer, world->folder, 1);
	assert_non_null(body);
	for (size_t at = 0; at < n;) {
		seed = seed * 1664525 + 1013904223;
		size_t piece = MIN_OF(1 + (seed >> 8) % (seed % 7 == 0 ? 300000 : 6000), n - at);
		assert_true(body_add(body, str_from(world->bytes + at, piece)));
		at += piece;
	}
	return body;
}

static void check(const struct world *world, const struct body_file *file, size_t n)
{
	unsigned char sha256[SHA256_BYTES];
	char *found = mem_realloc(NULL, n + 1);
	crypto_sha256(str_from(world->bytes, n), sha256);
	assert_memory_equal(file->sha256, sha256, SHA256_BYTES);
	assert_int_equal(file->size_bytes, n);
	assert_int_equal(pread(file->fd, found, n + 1, 0), n);
	assert_memory_equal(found, world->bytes, n);
	mem_free(found);
}

static void body__any_size__bytes_and_hash_in_order(void **state)
{
	const struct world *world = *state;
	const size_t sizes[] = {0, 1, 131071, 131072, 131073, 262144, 1000000, BYTES};
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		struct body *body = filled(world, sizes[i], (uint32_t)i);
		assert_true(body_end(body));
		check(world, body_file(body), sizes[i]);
		body_destroy(body);
	}
}

static void *many(void *data)
{
	const struct world *world = data;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct body *body = filled(world, BYTES / 4, i);
		struct body *given_up = filled(world, 131072 + i, i);
		body_destroy(given_up);
		assert_true(body_end(body));
		check(world, body_file(body), BYTES / 4);
		body_destroy(body);
	}
	return NULL;
}

static void body__several_at_once__each_its_own(void **state)
{
	pthread_t threads[THREADS];
	for (size_t i = 0; i < THREADS; i++) {
		threads[i] = thread_start("body-test", many, *state);
	}
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
}

static void body__unwritable__the_next_piece_says_so(void **state)
{
	const struct world *world = *state;
	struct body *body = body_create(world->writer, world->folder, 1);
	const struct body_file *file = body_file(body);
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(full >= 0);
	assert_true(dup2(full, file->fd) >= 0); /* as a disk that is full */
	(void)close(full);
	bool is_good = true;
	for (size_t i = 0; is_good && i < 4; i++) {
		is_good = body_add(body, str_from(world->bytes, 131072));
	}
	assert_false(is_good && body_end(body));
	body_destroy(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(body__any_size__bytes_and_hash_in_order),
		cmocka_unit_test(body__several_at_once__each_its_own),
		cmocka_unit_test(body__unwritable__the_next_piece_says_so),
	};
	return cmocka_run_group_tests_name("body", tests, set_up, tear_down);
}
