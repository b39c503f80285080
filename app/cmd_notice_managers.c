/*
 * belfry notice allow, disallow, managers
 */
#include <stdio.h>

#include "app/cmd_notice.h"
#include "notices/notice_commands.h"
#include "notices/notices.h"
#include "storage/notice_command.h"

static enum err allow(struct command_line *line, struct desk *desk)
{
	TRY(notice_manager_allow(line->ctx, &desk->accounts, str_of(notice_word(line, 0)),
		str_of(notice_word(line, 1))));
	(void)printf("Allowed. Let them write “help” to the sender, in a direct room.\n");
	return ERR_OK;
}

static enum err disallow(struct command_line *line, struct desk *desk)
{
	TRY(notice_manager_disallow(line->ctx, &desk->accounts, str_of(notice_word(line, 0)),
		str_of(notice_word(line, 1))));
	(void)printf("No longer allowed.\n");
	return ERR_OK;
}

static enum err list_managers(struct command_line *line, struct desk *desk)
{
	struct str sender;
	struct str *users;
	size_t count;
	TRY(notice_sender_find(line->ctx, &desk->accounts, str_of(notice_word(line, 0)), &sender));
	TRY(store_notice_manager_list(line->ctx, desk->accounts.db, sender, &users, &count));
	if (count == 0) {
		(void)printf("Nobody may command this sender.\n");
	}
	for (size_t i = 0; i < count; i++) {
		(void)printf("%.*s\n", STR_ARG(users[i]));
	}
	return ERR_OK;
}

const struct notice_action notice_manager_actions[] = {
	{"allow", 2, 2, allow},
	{"disallow", 2, 2, disallow},
	{"managers", 1, 1, list_managers},
};
const size_t notice_manager_action_count = COUNT_OF(notice_manager_actions);
