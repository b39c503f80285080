/*
 * Log lines: their shape, levels, and that nothing from outside can forge a line.
 */
#include "check.h"

#include "base/log.h"

static char captured[8192];

/* Runs `write_lines` with standard error going to `captured`. */
static void capture(void (*write_lines)(void))
{
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	int saved = dup(STDERR_FILENO);
	(void)dup2(ends[1], STDERR_FILENO);
	write_lines();
	(void)dup2(saved, STDERR_FILENO);
	(void)close(saved);
	(void)close(ends[1]);
	size_t n = 0;
	ssize_t got;
	while ((got = read(ends[0], captured + n, sizeof(captured) - 1 - n)) > 0) {
		n += (size_t)got;
	}
	captured[n] = '\0';
	(void)close(ends[0]);
}

/* What follows the time of the first line. */
static const char *after_time(void)
{
	const char *space = strchr(captured, ' ');
	assert_non_null(space);
	return space + 1;
}

static void write_one(void)
{
	log_info(0x7f, "room.created", "version=%s members=%d", "12", 3);
}

static void line__all_parts__in_order(void **state)
{
	(void)state;
	capture(write_one);
	assert_string_equal(after_time(), "info req=7f room.created version=12 members=3\n");
	/* 2026-11-24T02:07:17.123Z */
	assert_int_equal(strchr(captured, ' ') - captured, 24);
	assert_int_equal(captured[10], 'T');
	assert_int_equal(captured[19], '.');
	assert_int_equal(captured[23], 'Z');
}

static void write_without(void)
{
	log_error(0, "db.lost", "%s", "");
}

static void line__no_request_no_pairs__short(void **state)
{
	(void)state;
	capture(write_without);
	assert_string_equal(after_time(), "error req=- db.lost\n");
}

static void write_forged(void)
{
	log_warn(0, "a.b", "x=%s",
		"1\n2026 error\r\t\x1b[31m\x7f\xc2\x85\xff\xe2\x80\xa8 \xc3\xa4\xef\xbf\xbd");
}

static void line__control_bytes__escaped(void **state)
{
	(void)state;
	capture(write_forged);
	assert_string_equal(after_time(),
		"warn req=- a.b x=1\\x0a2026 error\\x0d\\x09\\x1b[31m\\x7f\\xc2\\x85\\xff\\xe2\\x80\\xa8 "
		"\xc3\xa4\xef\xbf\xbd\n");
}

static void write_long(void)
{
	static char text[10000];
	memset(text, '\n', sizeof(text) - 1);
	log_info(0, "a.b", "x=%s", text);
	memset(text, 'y', sizeof(text) - 1);
	log_info(0, "a.b", "x=%s", text);
}

static void line__too_long__cut_and_still_one_line(void **state)
{
	(void)state;
	capture(write_long);
	const char *end = strchr(captured, '\n');
	assert_non_null(end);
	assert_true(end - captured < 4096);
	assert_memory_equal(end - 3, "...", 3);
	const char *second_end = strchr(end + 1, '\n');
	assert_non_null(second_end);
	assert_int_equal(second_end[1], '\0');
}

static void write_levels(void)
{
	log_error(0, "l", "n=%d", 0);
	log_warn(0, "l", "n=%d", 1);
	log_info(0, "l", "n=%d", 2);
	log_debug(0, "l", "n=%d", 3);
}

static size_t lines(void)
{
	size_t n = 0;
	for (const char *p = captured; *p != '\0'; p++) {
		n += *p == '\n';
	}
	return n;
}

static void level__each__drops_what_is_above(void **state)
{
	(void)state;
	static const enum log_level levels[] = {LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG};
	for (size_t i = 0; i < COUNT_OF(levels); i++) {
		log_set_level(levels[i]);
		capture(write_levels);
		assert_int_equal(lines(), i + 1);
		assert_true(log_is_on(levels[i]));
	}
	log_set_level(LOG_INFO);
	assert_false(log_is_on(LOG_DEBUG));
}

static void level_parse__words__known_only(void **state)
{
	(void)state;
	enum log_level level = LOG_WARN;
	assert_true(log_level_parse("debug", &level));
	assert_int_equal(level, LOG_DEBUG);
	assert_true(log_level_parse("error", &level));
	assert_int_equal(level, LOG_ERROR);
	assert_false(log_level_parse("Error", &level));
	assert_false(log_level_parse("", &level));
	assert_int_equal(level, LOG_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line__all_parts__in_order),
		cmocka_unit_test(line__no_request_no_pairs__short),
		cmocka_unit_test(line__control_bytes__escaped),
		cmocka_unit_test(line__too_long__cut_and_still_one_line),
		cmocka_unit_test(level__each__drops_what_is_above),
		cmocka_unit_test(level_parse__words__known_only),
	};
	return RUN_ALL(tests);
}
