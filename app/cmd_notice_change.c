/*
 * belfry notice move, edit, release
 */
#include <stdio.h>

#include "app/cmd_notice.h"
#include "notices/notice_change.h"

static enum err print_next(struct command_line *line, struct desk *desk, int64_t notice_id)
{
	struct notice_row row;
	TRY(notices_get(line->ctx, &desk->accounts, notice_id, NULL, &row));
	(void)printf("notice %lld: %s\n", (long long)notice_id,
		notice_show_time(line->ctx->arena, row.zone, row.next_at_ms));
	return ERR_OK;
}

static enum err move(struct command_line *line, struct desk *desk)
{
	int64_t notice_id;
	TRY(notice_read_id(line, &notice_id));
	TRY(notices_move(line->ctx, &desk->accounts, notice_id, str_of(notice_word(line, 1))));
	return print_next(line, desk, notice_id);
}

static enum err release(struct command_line *line, struct desk *desk)
{
	int64_t notice_id;
	TRY(notice_read_id(line, &notice_id));
	TRY(notices_release(line->ctx, &desk->accounts, notice_id, str_of(notice_word(line, 1)), NULL));
	return print_next(line, desk, notice_id);
}

/* Without --lang the texts have the languages of those that they replace. */
static void read_plain_texts(struct command_line *line, struct notice_post *post)
{
	post->text_count = line->argument_count - 2;
	struct notice_text *texts =
		ARENA_NEW_ARRAY(line->ctx->arena, struct notice_text, post->text_count);
	for (size_t i = 0; i < post->text_count; i++) {
		texts[i] =
			(struct notice_text){.lang = STR(""), .markdown = str_of(notice_word(line, i + 1))};
	}
	post->texts = texts;
}

static enum err edit(struct command_line *line, struct desk *desk)
{
	int64_t notice_id;
	struct notice_post post = {0};
	TRY(notice_read_id(line, &notice_id));
	if (command_value(line, "--lang") == NULL) {
		read_plain_texts(line, &post);
	} else {
		TRY(notice_read_texts(line, 1, &post));
	}
	bool is_later = command_value(line, "--later") != NULL;
	TRY(notices_edit(line->ctx, &desk->accounts, notice_id, post.texts, post.text_count, is_later));
	(void)printf("notice %lld says that from now on%s.\n", (long long)notice_id,
		is_later ? "; what was sent stays" : ", also where it was sent last");
	return ERR_OK;
}

const struct notice_action notice_change_actions[] = {
	{"move", 2, 2, move},
	{"edit", 2, 1 + NOTICE_LANGUAGES_MAX, edit},
	{"release", 1, 2, release},
};
const size_t notice_change_action_count = COUNT_OF(notice_change_actions);
