/**
 * belfry notice: its words, by subject. A file for each group of them.
 */
#ifndef BELFRY_APP_CMD_NOTICE_H
#define BELFRY_APP_CMD_NOTICE_H

#include "app/command.h"
#include "app/desk.h"

/** A word such as `send`, and what stands behind it. */
struct notice_action {
	const char *name;
	size_t least, most; /**< words behind it */
	desk_work *run;
};

/** What stands behind the action's name; NULL when there are fewer. */
const char *notice_word(const struct command_line *line, size_t index);
/** The first of them as the number of a notice or token. Errors: INPUT. */
MUST_CHECK enum err notice_read_id(struct command_line *line, int64_t *out);

/** Pieces between commas; none for NULL. */
void notice_split_commas(struct arena *arena, const char *text, struct str **out,
	size_t *out_count);
/** "2026-11-30 07:00 Asia/Taipei", in the arena; "-" for 0, which stands for never. */
const char *notice_show_time(struct arena *arena, struct str zone, int64_t at_ms);
struct notice_post;
/** Texts stand behind `first`; their languages in --lang, in the same order. Errors: INPUT */
MUST_CHECK enum err notice_read_texts(struct command_line *line, size_t first,
	struct notice_post *post);

/* --- cmd_notice_file.c ---------------------------------------------------------------------------------------- */

/** The files of --file as uploads of the sender, in order; texts in the ctx's arena. Errors: INPUT, MISSING; DENIED (quota); STORE */
MUST_CHECK enum err notice_upload_files(struct command_line *line, struct desk *desk,
	struct notice_post *post);
/** Nothing came of the notice: its files go too. The fault stays. */
void notice_drop_files(struct command_line *line, struct desk *desk,
	const struct notice_post *post);

/* --- cmd_notice_change.c -------------------------------------------------------------------------------------- */

extern const struct notice_action notice_change_actions[];
extern const size_t notice_change_action_count;

/* --- cmd_notice_seen.c ---------------------------------------------------------------------------------------- */

extern const struct notice_action notice_seen_actions[];
extern const size_t notice_seen_action_count;

/* --- cmd_notice_source.c -------------------------------------------------------------------------------------- */

extern const struct notice_action notice_source_actions[];
extern const size_t notice_source_action_count;

/* --- cmd_notice_class.c --------------------------------------------------------------------------------------- */

extern const struct notice_action notice_class_actions[];
extern const size_t notice_class_action_count;

/* --- cmd_notice_managers.c ------------------------------------------------------------------------------------ */

extern const struct notice_action notice_manager_actions[];
extern const size_t notice_manager_action_count;

#endif
