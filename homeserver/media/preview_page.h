/**
 * What a web page says of itself: Open Graph, Twitter cards, its title and description, its oEmbed document. Pure.
 */
#ifndef BELFRY_HOMESERVER_MEDIA_PREVIEW_PAGE_H
#define BELFRY_HOMESERVER_MEDIA_PREVIEW_PAGE_H

#include "base/arena.h"
#include "base/str.h"

enum { PREVIEW_PAGE_PROPERTIES = 40 };

/** An Open Graph property: "og:site_name". */
struct preview_property {
	struct str name;
	struct str value;
};

struct preview_page {
	struct str title; /**< og:title, twitter:title, <title>, the first heading; p == NULL: none */
	struct str
		description;   /**< og:description, twitter:description, the page's, its first paragraph */
	struct str image;  /**< absolute URL: og:image, twitter:image, <link rel="image_src"> */
	struct str oembed; /**< absolute URL of its JSON document */
	struct preview_property properties[PREVIEW_PAGE_PROPERTIES]; /**< the other og: properties */
	size_t property_count;
};

/**
 * Reads a page of any quality. Bounded in depth, number of elements and lengths: what lies beyond is left out.
 *
 * @param html  valid UTF-8
 * @param base  the page's URL, for relative ones
 * @param out   texts in the arena, in one line each, without control characters
 */
void preview_page_read(struct arena *arena, struct str html, struct str base,
	struct preview_page *out);

/** `reference` as seen from `base`; p == NULL when that is no http(s) URL. */
struct str preview_resolve(struct arena *arena, struct str base, struct str reference);

/** In one line, at most `limit` characters, without control characters; p == NULL when nothing is left. */
struct str preview_clean(struct arena *arena, struct str text, size_t limit);

#endif
