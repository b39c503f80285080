/*
 * The heap's pages, with the machine's own heap.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/heap.h"
#include "base/mem.h"
#include "base/str.h"

enum { PIECES = 256, PIECE_BYTES = 64 * 1024, SMALL_BYTES = 100, UNWRITTEN_BYTES = 64 << 20 };

/* Anonymous pages of this process. */
static size_t anonymous_bytes(void)
{
	static const struct str field = STR_INIT("RssAnon:");
	char line[256];
	char *end = NULL;
	long kib = 0;
	FILE *file = fopen("/proc/self/status", "re");
	assert_non_null(file);
	while (kib == 0 && fgets(line, sizeof(line), file) != NULL) {
		if (str_starts_with(str_of(line), field)) {
			kib = strtol(line + field.n, &end, 10);
		}
	}
	(void)fclose(file);
	assert_true(kib > 0);
	return (size_t)kib * 1024;
}

/* 16 MiB are used for a moment, between what stays. */
static void use_for_a_moment(void)
{
	static char *stay[PIECES];
	char *pieces[PIECES];
	for (size_t i = 0; i < PIECES; i++) {
		pieces[i] = mem_alloc(PIECE_BYTES);
		memset(pieces[i], 1, PIECE_BYTES);
		if (stay[i] == NULL) {
			stay[i] = mem_alloc(SMALL_BYTES);
		}
	}
	for (size_t i = 0; i < PIECES; i++) {
		mem_free(pieces[i]);
	}
}

static void expect_given_back(struct heap_watch *watch)
{
	bool is_counted = heap_tend(watch).used > 0; /* not by a sanitizer, whose heap is another */
	use_for_a_moment();
	size_t before = anonymous_bytes();
	struct heap_bytes heap = heap_tend(watch);
	size_t after = anonymous_bytes();
	if (is_counted) {
		assert_true(heap.unused >= (size_t)PIECES * PIECE_BYTES / 2);
		assert_true(after + (size_t)PIECES * PIECE_BYTES * 3 / 4 < before);
	}
}

static void tend__holes_that_are_used_again_and_again__given_back_each_time(void **state)
{
	(void)state;
	struct heap_watch watch = {0};
	for (int round = 0; round < 3; round++) {
		expect_given_back(&watch);
	}
}

static void tend__much_was_never_written_to__holes_given_back(void **state)
{
	(void)state;
	struct heap_watch watch = {0};
	char *unwritten = mem_alloc(UNWRITTEN_BYTES);
	expect_given_back(&watch);
	mem_free(unwritten);
}

static void tend__little_is_unused__stays(void **state)
{
	(void)state;
	struct heap_watch watch = {0};
	(void)heap_tend(&watch);
	char *stays = mem_alloc(SMALL_BYTES);
	char *piece = mem_alloc(PIECE_BYTES);
	char *top = mem_alloc(SMALL_BYTES);
	memset(piece, 1, PIECE_BYTES);
	mem_free(piece);
	size_t before = anonymous_bytes();
	(void)heap_tend(&watch);
	assert_true(anonymous_bytes() + PIECE_BYTES / 2 > before);
	mem_free(stays);
	mem_free(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tend__holes_that_are_used_again_and_again__given_back_each_time),
		cmocka_unit_test(tend__much_was_never_written_to__holes_given_back),
		cmocka_unit_test(tend__little_is_unused__stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
