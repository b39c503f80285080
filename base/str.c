/*
 * Functions on borrowed byte views.
 */
#include "base/str.h"

#include "base/arena.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct str str_of(const char *text)
{
	return (struct str){text, text != NULL ? strlen(text) : 0};
}

struct str str_from(const char *p, size_t n)
{
	return (struct str){p, n};
}

bool str_is_empty(struct str s)
{
	return s.n == 0;
}

bool str_equals(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static unsigned char lower_byte(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool str_equals_nocase(struct str a, struct str b)
{
	if (a.n != b.n) {
		return false;
	}
	for (size_t i = 0; i < a.n; i++) {
		if (lower_byte(a.p[i]) != lower_byte(b.p[i])) {
			return false;
		}
	}
	return true;
}

int str_compare(struct str a, struct str b)
{
	size_t n = MIN_OF(a.n, b.n);
	int order = n > 0 ? memcmp(a.p, b.p, n) : 0;
	if (order != 0) {
		return order;
	}
	return a.n < b.n ? -1 : a.n > b.n;
}

bool str_starts_with(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_equals(str_from(s.p, prefix.n), prefix);
}

bool str_ends_with(struct str s, struct str suffix)
{
	return s.n >= suffix.n && str_equals(str_slice(s, s.n - suffix.n, s.n), suffix);
}

bool str_contains(struct str s, struct str needle)
{
	return needle.n == 0 || (s.n >= needle.n && memmem(s.p, s.n, needle.p, needle.n) != NULL);
}

size_t str_find_byte(struct str s, char c)
{
	const char *p = s.n > 0 ? memchr(s.p, c, s.n) : NULL;
	return p != NULL ? (size_t)(p - s.p) : SIZE_MAX;
}

size_t str_find_last_byte(struct str s, char c)
{
	for (size_t i = s.n; i > 0; i--) {
		if (s.p[i - 1] == c) {
			return i - 1;
		}
	}
	return SIZE_MAX;
}

struct str str_slice(struct str s, size_t from, size_t to)
{
	to = MIN_OF(to, s.n);
	from = MIN_OF(from, to);
	return s.p == NULL ? s : str_from(s.p + from, to - from);
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
	while (s.n > 0 && is_space(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_space(s.p[s.n - 1])) {
		s.n--;
	}
	return s;
}

bool str_split(struct str s, char separator, struct str *head, struct str *tail)
{
	size_t at = str_find_byte(s, separator);
	if (at == SIZE_MAX) {
		*head = s;
		*tail = str_from(NULL, 0);
		return false;
	}
	*head = str_slice(s, 0, at);
	*tail = str_slice(s, at + 1, s.n);
	return true;
}

bool str_to_int(struct str s, int64_t min, int64_t max, int64_t *out)
{
	bool negative = s.n > 0 && s.p[0] == '-';
	struct str digits = str_slice(s, negative ? 1 : 0, s.n);
	if (digits.n == 0 || digits.n > 19 || (digits.n > 1 && digits.p[0] == '0')) {
		return false;
	}
	int64_t value = 0;
	for (size_t i = 0; i < digits.n; i++) {
		char c = digits.p[i];
		if (c < '0' || c > '9') {
			return false;
		}
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_sub_overflow(value, (int64_t)(c - '0'), &value)) {
			return false;
		}
	}
	/* Collected as a negative number, since that range is larger by one. */
	if (!negative && __builtin_sub_overflow((int64_t)0, value, &value)) {
		return false;
	}
	if (value < min || value > max) {
		return false;
	}
	*out = value;
	return true;
}

struct str str_dup(struct arena *arena, struct str s)
{
	return str_from(arena_dup(arena, s.p, s.n), s.n);
}

struct str str_dup_within(struct arena *arena, struct str s, struct str from, struct str to)
{
	uintptr_t at = (uintptr_t)s.p - (uintptr_t)from.p; /* wraps around where it lies before */
	if (s.p == NULL) {
		return s;
	}
	return from.p != NULL && at <= from.n && s.n <= from.n - at ? str_from(to.p + at, s.n)
																: str_dup(arena, s);
}

char *str_cstr(struct arena *arena, struct str s)
{
	return arena_dup(arena, s.p, s.n);
}

struct str str_heap(struct str s)
{
	return str_from(mem_dup(s.p, s.n), s.n);
}

void str_free(struct str s)
{
	mem_free((void *)(uintptr_t)s.p);
}

struct str str_lower(struct arena *arena, struct str s)
{
	char *copy = arena_dup(arena, s.p, s.n);
	for (size_t i = 0; i < s.n; i++) {
		copy[i] = (char)lower_byte(copy[i]);
	}
	return str_from(copy, s.n);
}

struct str str_concat(struct arena *arena, const struct str *pieces, size_t count)
{
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		n += pieces[i].n;
	}
	char *p = arena_alloc(arena, n + 1);
	size_t at = 0;
	for (size_t i = 0; i < count; i++) {
		if (pieces[i].n > 0) {
			memcpy(p + at, pieces[i].p, pieces[i].n);
			at += pieces[i].n;
		}
	}
	p[n] = '\0';
	return str_from(p, n);
}

struct str str_printf(struct arena *arena, const char *format, ...)
{
	char small[256];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(small, sizeof(small), format, args);
	va_end(args);
	invariant(length >= 0);
	if ((size_t)length < sizeof(small)) {
		return str_dup(arena, str_from(small, (size_t)length));
	}
	char *p = arena_alloc(arena, (size_t)length + 1);
	va_start(args, format);
	(void)vsnprintf(p, (size_t)length + 1, format, args);
	va_end(args);
	return str_from(p, (size_t)length);
}
