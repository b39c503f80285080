/**
 * What is posted of an item of a feed, or of an event of a calendar, as Markdown. Pure.
 */
#ifndef BELFRY_NOTICES_SOURCE_TEXT_H
#define BELFRY_NOTICES_SOURCE_TEXT_H

#include "notices/calendar.h"
#include "notices/feed.h"

/** What is told of an event. */
enum source_news {
	SOURCE_NEW,
	SOURCE_CHANGED, /**< people were told another time or place */
	SOURCE_CANCELLED,
};

/** Title with its link, and the beginning of the summary. In the arena. */
struct str source_text_of_item(struct arena *arena, const struct feed_item *item);

/**
 * Title, when, where, and the beginning of the description. In the arena.
 * @param language  of the few words that are ours; empty, or one that they are not in: Traditional Chinese and English
 */
struct str source_text_of_event(struct arena *arena, const struct calendar_item *item,
	enum source_news news, struct str language);

#endif
