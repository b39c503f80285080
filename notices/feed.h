/**
 * Feeds: RSS 2.0 (and 0.9x), RSS 1.0, Atom. Pure: nothing is fetched.
 * Spec: RFC 4287 (Atom); rssboard.org/rss-specification; web.resource.org/rss/1.0
 */
#ifndef BELFRY_NOTICES_FEED_H
#define BELFRY_NOTICES_FEED_H

#include "base/ctx.h"

enum {
	FEED_MAX_BYTES = 8 * 1024 * 1024,
	FEED_ITEMS_MAX = 500, /**< the others are left out */
	FEED_ID_MAX_BYTES = 1000,
	FEED_LINK_MAX_BYTES = 2000,
	FEED_TITLE_MAX_BYTES = 600,
	FEED_SUMMARY_MAX_BYTES = 4000,
};

/** Texts are valid UTF-8 without control characters (the summary has line feeds); cut at their ceiling; empty: none. */
struct feed_item {
	struct str id; /**< the feed's own, else the link, else the title; never empty */
	struct str title;
	struct str link;    /**< http or https, else empty */
	struct str summary; /**< plain text, whatever the feed has */
	int64_t at_ms; /**< when it was published, else updated; milliseconds since 1970; 0: not said */
};

struct feed {
	struct str title;
	struct feed_item *items; /**< in the feed's order */
	size_t count;
	bool is_cut; /**< it has more than FEED_ITEMS_MAX */
};

/**
 * Reads one. The encoding is what its declaration or its first bytes say, as far as iconv knows it.
 *
 * @param out  in the ctx's arena
 * Errors: INPUT M_TOO_LARGE; INPUT M_BAD_JSON: no XML (with the line), no feed, wrong encoding, entities of its own (which
 *         could grow without end), nested too deeply
 * Cost: about 20 ms a MiB
 */
MUST_CHECK enum err feed_read(struct ctx *ctx, struct str bytes, struct feed *out);

/** HTML as plain text, one line for each block. In the arena; cut after `limit` bytes, with "…". */
struct str feed_html_to_text(struct arena *arena, struct str html, size_t limit);

/** A date of RFC 822 (with the years and zones of its followers) or RFC 3339. @return milliseconds since 1970; 0: it is none */
int64_t feed_date_read(struct str text);

#endif
