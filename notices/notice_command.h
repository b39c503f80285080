/**
 * What people write to a sender: commands, in English and in Chinese. Pure.
 *
 *     send #class-3b,#class-3c No school tomorrow        發送 #class-3b 明天停課
 *     schedule #class-3b 2026-11-30 07:00 Bring water    排程 #class-3b 2026-11-30 07:00 記得帶水壺
 *     list · show 12 · seen 12 · remind 12 · cancel 12   列表 · 顯示 12 · 已讀 12 · 提醒 12 · 取消 12
 *
 * Between a time and the text may stand an iCalendar rule ("FREQ=WEEKLY;BYDAY=MO"). A text in several languages has a line such as
 * "[en]" before each. What input methods for Chinese make of spaces and commas is taken too.
 */
#ifndef BELFRY_NOTICES_NOTICE_COMMAND_H
#define BELFRY_NOTICES_NOTICE_COMMAND_H

#include "notices/notice_message.h"

enum notice_command_kind {
	NOTICE_COMMAND_NONE, /**< no command, or what it needs is missing: see `lacks` */
	NOTICE_COMMAND_HELP,
	NOTICE_COMMAND_SEND,
	NOTICE_COMMAND_SCHEDULE,
	NOTICE_COMMAND_LIST,
	NOTICE_COMMAND_SHOW,
	NOTICE_COMMAND_SEEN,
	NOTICE_COMMAND_REMIND,
	NOTICE_COMMAND_CANCEL,
};

/** What is missing. */
enum notice_command_lack {
	NOTICE_LACKS_NOTHING,
	NOTICE_LACKS_COMMAND, /**< the first word is none */
	NOTICE_LACKS_NUMBER,
	NOTICE_LACKS_TARGET,
	NOTICE_LACKS_TIME,
	NOTICE_LACKS_TEXT,
	NOTICE_LACKS_LANGUAGE, /**< too many languages */
};

enum { NOTICE_COMMAND_TARGETS_MAX = 100 };

struct notice_command {
	enum notice_command_kind kind;
	enum notice_command_lack lacks;
	bool is_chinese; /**< how it is answered */
	int64_t notice_id;
	bool is_confirmed; /**< seen, remind: it is about confirmations ("confirmed", "確認") */
	struct str *targets;
	size_t target_count;
	struct str time; /**< "2026-11-30T07:00" */
	struct str rule; /**< p == NULL: none */
	struct notice_text *texts;
	size_t text_count;
};

/** Reads a message. Never fails: see `lacks`. All texts are views of `body` or in the arena. */
void notice_command_read(struct arena *arena, struct str body, struct notice_command *out);

#endif
