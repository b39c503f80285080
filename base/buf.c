/*
 * Doubling heap buffer; see buf.h.
 */
#include "base/buf.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_BYTES = 256 };

void buf_init(struct buf *buf, size_t ceiling_bytes)
{
	*buf = (struct buf){.ceiling = ceiling_bytes};
}

void buf_fini(struct buf *buf)
{
	mem_free(buf->p);
	*buf = (struct buf){.ceiling = buf->ceiling};
}

void buf_clear(struct buf *buf)
{
	buf->n = 0;
	buf->overflow = false;
}

void buf_reserve(struct buf *buf, size_t capacity_bytes)
{
	size_t capacity = MIN_OF(capacity_bytes, buf->ceiling);
	if (capacity > buf->capacity) {
		buf->p = mem_realloc(buf->p, capacity);
		buf->capacity = capacity;
	}
}

char *buf_extend_more(struct buf *buf, size_t size_bytes)
{
	if (buf->overflow || size_bytes > buf->ceiling - buf->n) {
		buf->overflow = true;
		return NULL;
	}
	size_t need = buf->n + size_bytes;
	if (need > buf->capacity || buf->p == NULL) {
		buf_reserve(buf, MAX_OF(need, MAX_OF(buf->capacity * 2, (size_t)FIRST_BYTES)));
	}
	char *at = buf->p + buf->n;
	buf->n = need;
	return at;
}

void buf_add(struct buf *buf, struct str s)
{
	if (s.n == 0) {
		return;
	}
	char *at = buf_extend(buf, s.n);
	if (at != NULL) {
		memcpy(at, s.p, s.n);
	}
}

void buf_add_int(struct buf *buf, int64_t value)
{
	char digits[24];
	size_t at = sizeof(digits);
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0) {
		digits[--at] = '-';
	}
	buf_add(buf, str_from(digits + at, sizeof(digits) - at));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	char small[256];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(small, sizeof(small), format, args);
	va_end(args);
	invariant(length >= 0);
	if ((size_t)length < sizeof(small)) {
		buf_add(buf, str_from(small, (size_t)length));
		return;
	}
	/* Not in place: vsnprintf's NUL may be the one byte too many for the ceiling. */
	char *text = mem_alloc((size_t)length + 1);
	va_start(args, format);
	(void)vsnprintf(text, (size_t)length + 1, format, args);
	va_end(args);
	buf_add(buf, str_from(text, (size_t)length));
	mem_free(text);
}

bool buf_ok(const struct buf *buf)
{
	return !buf->overflow;
}

struct str buf_str(const struct buf *buf)
{
	return str_from(buf->p, buf->n);
}

char *buf_take(struct buf *buf, size_t *out_n)
{
	char *p = buf->p;
	*out_n = buf->n;
	*buf = (struct buf){.ceiling = buf->ceiling};
	return p;
}
