/*
 * A line is put together on the stack and written with one write(2), so that lines of several
 * threads do not mix and no lock is needed. What the pairs contain may come from outside: bytes that
 * could forge a line or steer a terminal are escaped.
 */
#include "base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "base/utf8.h"

enum { LINE_BYTES = 4096, PAIRS_BYTES = 3072, ESCAPE_BYTES = 4, CUT_BYTES = 3 };

static _Atomic int current_level = LOG_INFO;
static const char *const level_words[] =
	{[LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

bool log_is_on(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

bool log_level_parse(const char *word, enum log_level *out)
{
	for (size_t i = 0; i < COUNT_OF(level_words); i++) {
		if (strcmp(word, level_words[i]) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

struct line {
	char text[LINE_BYTES];
	size_t n;
};

/* "2026-11-24T02:07:17.123Z info req=7f name " */
static void add_head(struct line *line, enum log_level level, uint64_t request_id, const char *name)
{
	struct timespec now = {0};
	(void)clock_gettime(CLOCK_REALTIME, &now);
	struct tm utc = {0};
	(void)gmtime_r(&now.tv_sec, &utc);
	char id[24] = "-";
	if (request_id != 0) {
		(void)snprintf(id, sizeof(id), "%" PRIx64, request_id);
	}
	int n = snprintf(line->text, LINE_BYTES / 4, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s req=%s %s",
		utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
		(int)(now.tv_nsec / 1000000), level_words[level], id, name);
	line->n = n < 0 ? 0 : MIN_OF((size_t)n, (size_t)LINE_BYTES / 4 - 1);
}

/* Whether the code point just read from `p` may stand in a line as it is. */
static bool is_plain(uint32_t code_point, const char *p)
{
	if (code_point == 0xFFFD) { /* written as such, or what an invalid byte gives */
		return (unsigned char)p[0] == 0xEF;
	}
	return code_point >= 0x20 && (code_point < 0x7F || code_point > 0x9F) && code_point != 0x2028 &&
		code_point != 0x2029;
}

static void add_escaped(struct line *line, struct str pairs)
{
	static const char hex[] = "0123456789abcdef";
	for (size_t at = 0; at < pairs.n;) {
		size_t start = at;
		uint32_t code_point = utf8_next(pairs, &at);
		size_t need =
			is_plain(code_point, pairs.p + start) ? at - start : (at - start) * ESCAPE_BYTES;
		if (need > LINE_BYTES - CUT_BYTES - 1 - line->n) {
			memcpy(line->text + line->n, "...", CUT_BYTES);
			line->n += CUT_BYTES;
			return;
		}
		if (need == at - start) {
			memcpy(line->text + line->n, pairs.p + start, need);
			line->n += need;
			continue;
		}
		for (; start < at; start++) {
			unsigned char byte = (unsigned char)pairs.p[start];
			const char escape[ESCAPE_BYTES] = {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
			memcpy(line->text + line->n, escape, ESCAPE_BYTES);
			line->n += ESCAPE_BYTES;
		}
	}
}

void log_line(enum log_level level, uint64_t request_id, const char *name, const char *format, ...)
{
	if (!log_is_on(level)) {
		return;
	}
	struct line line = {.n = 0};
	add_head(&line, level, request_id, name);
	char pairs[PAIRS_BYTES];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(pairs, sizeof(pairs), format, args);
	va_end(args);
	if (length > 0) {
		line.text[line.n++] = ' ';
		add_escaped(&line, str_from(pairs, MIN_OF((size_t)length, sizeof(pairs) - 1)));
	}
	line.text[line.n++] = '\n';
	/* Nobody could be told that the log cannot be written. */
	ssize_t ignored = write(STDERR_FILENO, line.text, line.n);
	(void)ignored;
}
