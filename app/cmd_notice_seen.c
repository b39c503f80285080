/*
 * belfry notice seen, remind
 */
#include <stdio.h>

#include "app/cmd_notice.h"
#include "app/show.h"
#include "notices/notice_remind.h"

enum { OCCURRENCES_MAX = 1000000 };

/* --not: who has not reached it. */
static enum err read_below(struct command_line *line, enum notice_level *out)
{
	const char *word = command_value(line, "--not");
	*out = NOTICE_LEVEL_COUNT;
	return word == NULL || notice_level_parse(str_of(word), out)
		? ERR_OK
		: fail(line->ctx, ERR_INPUT, NULL, "--not is delivered, read or confirmed, but not '%s'",
			  word);
}

static enum err read_occurrence(struct command_line *line, size_t *out)
{
	int64_t number = 0;
	const char *word = notice_word(line, 1);
	if (word != NULL && !str_to_int(str_of(word), 1, OCCURRENCES_MAX, &number)) {
		return fail(line->ctx, ERR_INPUT, NULL,
			"'%s' is no number of an occurrence: 1 is the first that was sent", word);
	}
	*out = (size_t)number;
	return ERR_OK;
}

static void print_person(struct ctx *ctx, const struct notice_seen *seen,
	const struct notice_person *person, bool has_ids)
{
	struct str room = show_text(ctx->arena, has_ids ? person->room_id : person->room);
	struct str user = show_text(ctx->arena, person->user_id);
	struct str name =
		str_equals(person->name, person->user_id) ? STR("") : show_text(ctx->arena, person->name);
	(void)printf("%-9.*s %-16.*s %.*s  %.*s  %.*s%s\n", STR_ARG(notice_level_name(person->level)),
		STR_ARG(notice_time_text(ctx->arena, seen->clock, person->since_ms)), STR_ARG(room),
		STR_ARG(user), STR_ARG(name), person->is_earlier ? "  (before it was edited)" : "");
}

static void print_totals(struct ctx *ctx, const struct notice_seen *seen)
{
	(void)printf("notice %lld, occurrence %zu of %zu, due %.*s, in %lld of %lld room(s)\n"
				 "%zu people:",
		(long long)seen->notice_id, seen->occurrence, seen->occurrence_count,
		STR_ARG(notice_time_text(ctx->arena, seen->clock, seen->due_at_ms)),
		(long long)seen->rooms_sent, (long long)seen->rooms, seen->count);
	for (enum notice_level level = NOTICE_LEVEL_COUNT; level-- > 0;) {
		(void)printf(" %zu %.*s%s", seen->totals[level], STR_ARG(notice_level_name(level)),
			level > 0 ? "," : "\n");
	}
}

static enum err show_seen(struct command_line *line, struct desk *desk)
{
	struct ctx *ctx = line->ctx;
	int64_t notice_id;
	size_t occurrence;
	enum notice_level below;
	struct notice_seen seen;
	TRY(notice_read_id(line, &notice_id));
	TRY(read_occurrence(line, &occurrence));
	TRY(read_below(line, &below));
	TRY(notice_seen_list(ctx, desk->accounts.db, notice_id, (struct str){0}, occurrence, &seen));
	if (command_value(line, "--csv") != NULL) {
		struct buf table CLEANUP(buf_fini) = {0};
		buf_init(&table, SIZE_MAX);
		notice_seen_csv(ctx->arena, &seen, below, command_value(line, "--bom") != NULL, &table);
		(void)fwrite(table.p, 1, table.n, stdout);
		return ERR_OK;
	}
	print_totals(ctx, &seen);
	bool has_ids = command_value(line, "--ids") != NULL;
	for (size_t i = 0; i < seen.count; i++) {
		if (seen.persons[i].level < below) {
			print_person(ctx, &seen, &seen.persons[i], has_ids);
		}
	}
	return ERR_OK;
}

static enum err remind(struct command_line *line, struct desk *desk)
{
	int64_t notice_id;
	size_t occurrence;
	enum notice_level level;
	struct notice_reminded reminded;
	TRY(notice_read_id(line, &notice_id));
	TRY(read_occurrence(line, &occurrence));
	TRY(read_below(line, &level));
	if (level == NOTICE_LEVEL_COUNT) {
		level = NOTICE_READ;
	}
	if (level == NOTICE_DELIVERED) {
		return fail(line->ctx, ERR_INPUT, NULL,
			"people are reminded to read or to confirm: --not read, --not confirmed");
	}
	TRY(notice_remind(line->ctx, &desk->accounts, notice_id, (struct str){0}, occurrence, level,
		&reminded));
	(void)printf("%zu reminded\n", reminded.reminded);
	if (reminded.spared > 0) {
		(void)printf("%zu were reminded less than %d minutes ago, and are not again\n",
			reminded.spared, NOTICE_REMIND_PAUSE_MS / 60000);
	}
	return ERR_OK;
}

const struct notice_action notice_seen_actions[] = {
	{"remind", 1, 2, remind},
	{"seen", 1, 2, show_seen},
};
const size_t notice_seen_action_count = COUNT_OF(notice_seen_actions);
