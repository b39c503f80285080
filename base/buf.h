/**
 * A growing byte buffer with a ceiling and a sticky error: append freely, check once with buf_ok().
 */
#ifndef BELFRY_BASE_BUF_H
#define BELFRY_BASE_BUF_H

#include "base/defs.h"
#include "base/str.h"

struct buf {
	char *p;
	size_t n;        /**< bytes used */
	size_t capacity; /**< bytes allocated */
	size_t ceiling;  /**< never grows beyond */
	bool overflow;   /**< the ceiling was hit; contents are incomplete */
};

/** Empty buffer that grows up to `ceiling_bytes`; owns heap memory, free with buf_fini(). */
void buf_init(struct buf *buf, size_t ceiling_bytes);
/** Makes room for so many bytes at once, as far as the ceiling allows. */
void buf_reserve(struct buf *buf, size_t capacity_bytes);

/** Frees; a zeroed buffer is fine. Usable with CLEANUP(buf_fini). */
void buf_fini(struct buf *buf);

/** Forgets contents and error, keeps the memory. */
void buf_clear(struct buf *buf);

/** Appends. Beyond the ceiling nothing is added, from then on, and buf_ok() says false; so with all that append. */
void buf_add(struct buf *buf, struct str s);
/** For literals: buf_add_lit(buf, "abc"). */
#define buf_add_lit(buf, literal) buf_add((buf), STR(literal))
/** In decimal. */
void buf_add_int(struct buf *buf, int64_t value);
/** As printf. */
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

/** buf_extend() where the memory has to grow, or the ceiling is hit. */
char *buf_extend_more(struct buf *buf, size_t size_bytes);

/**
 * Room for `size_bytes` more, uninitialised and counted as used. Inline: text is put together from many small pieces.
 * @return where to write, or NULL when the ceiling is hit
 */
static inline char *buf_extend(struct buf *buf, size_t size_bytes)
{
	if (buf->overflow || buf->p == NULL || size_bytes > buf->capacity - buf->n) {
		return buf_extend_more(buf, size_bytes);
	}
	char *at = buf->p + buf->n;
	buf->n += size_bytes;
	return at;
}

static inline void buf_add_byte(struct buf *buf, char c)
{
	char *at = buf_extend(buf, 1);
	if (at != NULL) {
		*at = c;
	}
}

/** False once anything did not fit. */
MUST_CHECK bool buf_ok(const struct buf *buf);

/** View of the contents; valid until the next append. */
struct str buf_str(const struct buf *buf);

/**
 * Hands the heap memory to the caller (free with mem_free()); the buffer is empty afterwards.
 * @param out_n  bytes
 */
char *buf_take(struct buf *buf, size_t *out_n);

#endif
