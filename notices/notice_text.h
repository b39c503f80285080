/**
 * Markdown as the two texts of a message: HTML, and plain. Pure.
 * Spec: client-server API, "m.room.message msgtypes" (org.matrix.custom.html); CommonMark
 */
#ifndef BELFRY_NOTICES_NOTICE_TEXT_H
#define BELFRY_NOTICES_NOTICE_TEXT_H

#include "base/ctx.h"

enum {
	NOTICE_TEXT_MAX_BYTES = 16384, /**< Markdown of one language */
};

/** One text, twice. */
struct notice_markup {
	struct str plain; /**< lines; never empty */
	struct str
		html; /**< of tags and attributes that the specification lets through, and balanced */
};

/**
 * Reads CommonMark with tables and strikethrough. A line's end is a line's end (`<br>`); raw HTML is shown as the text that it is;
 * links lead to http, https and mailto, others are their text alone; an image is one only from mxc://, else a link.
 *
 * @param out  in the ctx's arena
 * Errors: INPUT M_BAD_JSON (no UTF-8, control characters, nothing to see, nested too deeply); INPUT M_TOO_LARGE
 */
MUST_CHECK enum err notice_text_render(struct ctx *ctx, struct str markdown,
	struct notice_markup *out);

/** Once per process, before threads start. */
void notice_text_start(void);

#endif
