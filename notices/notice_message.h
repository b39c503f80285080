/**
 * What a notice says, in one or more languages, as one message that today's clients show. Pure.
 * Spec: client-server API, "m.room.message"; RFC 5646, RFC 4647 (languages)
 */
#ifndef BELFRY_NOTICES_NOTICE_MESSAGE_H
#define BELFRY_NOTICES_NOTICE_MESSAGE_H

#include "base/json.h"
#include "notices/notice_text.h"

enum {
	NOTICE_LANGUAGES_MAX = 8,       /**< texts of one notice */
	NOTICE_LANGUAGE_MAX_BYTES = 35, /**< of a tag */
	NOTICE_MESSAGE_MAX_BYTES =
		60000, /**< of a message's content: the rest of an event's 64 KiB is the server's */
};

/** A text and its language. */
struct notice_text {
	struct str lang; /**< as notice_lang_read() writes it; empty: not said */
	struct str markdown;
};

/**
 * A language tag as it is usually written: zh-Hant-TW.
 * @return false when it is none; then *out is unchanged
 */
MUST_CHECK bool notice_lang_read(struct arena *arena, struct str tag, struct str *out);

/**
 * The text for who wants a language: the same, else one with fewer subtags (zh-Hant-TW, zh-Hant, zh), else one with the same
 * script, where the place implies it (zh-TW is zh-Hant), else another of the same language.
 * @return index, or SIZE_MAX when there is none in that language
 */
size_t notice_lang_find(const struct notice_text *texts, size_t count, struct str wanted);

/** A message to be made. */
struct notice_message {
	const struct notice_text *texts;
	size_t count;             /**< at least 1 */
	const struct str *wanted; /**< languages to be shown, in this order; none: all, as they stand */
	size_t wanted_count;
	struct str late_since; /**< when it was due, for people; empty: it is in time */
};

/**
 * The content of the m.room.message. Of wanted languages each text is shown once; when the notice has none of them, its first. Mentions
 * nobody.
 *
 * @param out  object in the ctx's arena
 * Errors: as notice_text_render(); INPUT M_TOO_LARGE (all together)
 */
MUST_CHECK enum err notice_message_compose(struct ctx *ctx, const struct notice_message *message,
	struct json *out);

#endif
