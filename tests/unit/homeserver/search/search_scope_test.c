/*
 * Which stretches of a room a user may search, by memberships and history visibilities.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

#include "homeserver/search/search_scope.h"

enum { NOW = 1000, ROWS_MAX = 12 };

/* "j10" joined at 10, "i" invited, "l" left, "b" banned; visibilities "S" shared, "J" joined, "I" invited, "W" world-readable. */
static size_t read_rows(struct arena *arena, const char *text, struct search_scope_row *rows)
{
	static const struct {
		char letter;
		const char *word;
		bool is_membership;
	} words[] = {{'j', "join", true}, {'i', "invite", true}, {'l', "leave", true},
		{'b', "ban", true}, {'S', "shared", false}, {'J', "joined", false}, {'I', "invited", false},
		{'W', "world_readable", false}};
	size_t n = 0;
	struct str rest = str_of(text);
	while (rest.n > 0) {
		struct str word;
		(void)str_split(rest, ' ', &word, &rest);
		int64_t position = 0;
		assert_true(str_to_int(str_slice(word, 1, word.n), 0, NOW, &position));
		rows[n] = (struct search_scope_row){.room_nid = 7, .from_position = position};
		for (size_t i = 0; i < COUNT_OF(words); i++) {
			if (words[i].letter != word.p[0]) {
				continue;
			}
			if (words[i].is_membership) {
				rows[n].membership = str_of(words[i].word);
			} else {
				rows[n].json = str_printf(arena, "{\"content\":{\"history_visibility\":\"%s\"}}",
					words[i].word);
			}
		}
		n++;
	}
	return n;
}

static void check(const char *history, const char *expected)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct search_scope_row rows[ROWS_MAX] = {0};
	struct search_span spans[ROWS_MAX + 1];
	size_t count = read_rows(arena, history, rows);
	size_t n = search_scope_spans(arena, rows, count, NOW, spans);
	struct str all = STR("");
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(spans[i].room_nid, 7);
		all = str_printf(arena, "%.*s%s%d-%d", STR_ARG(all), i == 0 ? "" : " ", (int)spans[i].after,
			(int)spans[i].up_to);
	}
	if (!str_equals(all, str_of(expected))) {
		print_error("%s: %.*s\n", history, STR_ARG(all));
	}
	assert_true(str_equals(all, str_of(expected)));
}

static void spans__joined__by_the_visibility_before(void **state)
{
	(void)state;
	check("j10", "0-1000");
	check("S5 j10", "0-1000");
	check("J5 j10", "0-5 10-1000");
	check("I5 i8 j10", "0-5 8-1000");
	check("W5 j10", "0-1000");
	check("J5 S20 j30", "0-5 20-1000");
}

static void spans__left__nothing_behind(void **state)
{
	(void)state;
	check("j10 l20", "0-20");
	check("j10 b20", "0-20");
	check("W5 j10 l20", "0-20");
	check("J5 j10 l20", "0-5 10-20");
	check("j10 l20 i30", "0-20");
}

static void spans__left_and_back__what_shared_visibility_gives(void **state)
{
	(void)state;
	check("j10 l20 j30", "0-1000");
	check("J5 j10 l20 j30", "0-5 10-20 30-1000");
	check("j10 l20 j30 l40", "0-40");
}

static void spans__never_in__nothing(void **state)
{
	(void)state;
	check("i10", "");
	check("W5", "");
	check("W5 i10 l20", "");
	check("b10", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans__joined__by_the_visibility_before),
		cmocka_unit_test(spans__left__nothing_behind),
		cmocka_unit_test(spans__left_and_back__what_shared_visibility_gives),
		cmocka_unit_test(spans__never_in__nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
