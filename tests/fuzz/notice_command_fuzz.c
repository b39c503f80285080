/*
 * Commands: whatever somebody writes, what is read of it is whole.
 */
#include "notices/notice_command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct notice_command command;
	notice_command_read(arena, str_from((const char *)data, size), &command);
	invariant((command.kind == NOTICE_COMMAND_NONE) == (command.lacks != NOTICE_LACKS_NOTHING));
	invariant(command.target_count <= NOTICE_COMMAND_TARGETS_MAX);
	invariant(command.text_count <= NOTICE_LANGUAGES_MAX);
	for (size_t i = 0; i < command.target_count; i++) {
		invariant(command.targets[i].n > 0 && command.targets[i].n <= size);
	}
	for (size_t i = 0; i < command.text_count; i++) {
		invariant(command.texts[i].markdown.n <= size);
	}
	bool posts = command.kind == NOTICE_COMMAND_SEND || command.kind == NOTICE_COMMAND_SCHEDULE;
	invariant(!posts || (command.target_count > 0 && command.text_count > 0));
	invariant(command.kind != NOTICE_COMMAND_CANCEL || command.notice_id > 0);
	return 0;
}
