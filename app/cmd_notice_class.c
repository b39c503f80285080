/*
 * belfry notice class: rooms for classes, whose creator is a sender
 */
#include <stdio.h>
#include <string.h>

#include "app/cmd_notice.h"
#include "app/show.h"
#include "base/vec.h"
#include "notices/notice_class.h"
#include "notices/notices.h"

struct people {
	VEC(struct notice_class_person) list;
};

static void add_people(struct command_line *line, const char *list, const char *role,
	struct people *people)
{
	struct str *names;
	size_t count;
	notice_split_commas(line->ctx->arena, list, &names, &count);
	for (size_t i = 0; i < count; i++) {
		const struct notice_class_person person = {.user_id = names[i], .role = str_of(role)};
		VEC_PUSH(line->ctx->arena, &people->list, person);
	}
}

/* Guardians are members: what they are in a class is the school's, not the room's. */
static void read_people(struct command_line *line, struct people *people)
{
	add_people(line, command_value(line, "--staff"), "staff", people);
	add_people(line, command_value(line, "--members"), "member", people);
	add_people(line, command_value(line, "--guardians"), "member", people);
}

static enum err say_when(struct command_line *line, struct desk *desk)
{
	(void)printf("%s; see: belfry notice class show %s%s\n",
		desk->server != 0 ? "The server sees to it" : "The server sees to it when it starts",
		notice_word(line, 1), command_same_server(line));
	return ERR_OK;
}

static enum err create(struct command_line *line, struct desk *desk)
{
	struct people people = {0};
	struct notice_class_wish wish = {.alias = str_of(notice_word(line, 1)),
		.template_name = str_of(command_value(line, "--template")),
		.name = str_of(command_value(line, "--name")),
		.is_encrypted = command_value(line, "--encrypted") != NULL,
		.space = str_of(command_value(line, "--space"))};
	if (command_value(line, "--sender") == NULL) {
		return fail(line->ctx, ERR_INPUT, NULL, "whose room is it? --sender office");
	}
	read_people(line, &people);
	wish.people = people.list.p;
	wish.people_count = people.list.n;
	TRY(notice_sender_find(line->ctx, &desk->accounts, str_of(command_value(line, "--sender")),
		&wish.sender));
	TRY(notice_class_want(line->ctx, &desk->accounts, &wish));
	return say_when(line, desk);
}

static enum err change_people(struct command_line *line, struct desk *desk,
	const struct people *people)
{
	if (people->list.n == 0) {
		return fail(line->ctx, ERR_INPUT, NULL,
			"who? class add NAME --staff @a --members @b,@c, or class remove NAME @a,@b");
	}
	TRY(notice_class_people_want(line->ctx, &desk->accounts, str_of(notice_word(line, 1)),
		people->list.p, people->list.n));
	return say_when(line, desk);
}

static enum err add(struct command_line *line, struct desk *desk)
{
	struct people people = {0};
	read_people(line, &people);
	return change_people(line, desk, &people);
}

static enum err remove_people(struct command_line *line, struct desk *desk)
{
	struct people people = {0};
	add_people(line, notice_word(line, 2), "gone", &people);
	return change_people(line, desk, &people);
}

static void print_class(struct ctx *ctx, const struct notice_class_row *class)
{
	(void)printf("%.*s  %s  %.*s  %.*s%s  %.*s\n", STR_ARG(class->alias),
		class->next_try_ms != 0
			? (class->failures > 0 ? "cannot be made yet" : "waits for the server")
			: class->reason.p != NULL ? "is there, but for what follows"
									  : "is as wanted",
		STR_ARG(class->sender), STR_ARG(class->template_name),
		class->is_encrypted ? ", encrypted" : "", STR_ARG(class->room_id));
	if (class->reason.p != NULL) {
		(void)printf("     %.*s\n", STR_ARG(show_text(ctx->arena, class->reason)));
	}
}

static enum err list(struct command_line *line, struct desk *desk)
{
	struct notice_class_row *classes;
	size_t count;
	TRY(store_notice_class_list(line->ctx, desk->accounts.db, &classes, &count));
	if (count == 0) {
		(void)printf("There are no classes.\n");
	}
	for (size_t i = 0; i < count; i++) {
		print_class(line->ctx, &classes[i]);
	}
	return ERR_OK;
}

static enum err show(struct command_line *line, struct desk *desk)
{
	struct ctx *ctx = line->ctx;
	struct notice_class_row class;
	struct notice_class_person *people;
	size_t count;
	TRY(notice_class_get(ctx, &desk->accounts, str_of(notice_word(line, 1)), &class));
	TRY(store_notice_class_people(ctx, desk->accounts.db, class.class_id, &people, &count));
	print_class(ctx, &class);
	for (size_t i = 0; i < count; i++) {
		(void)printf("     %-6.*s %.*s\n", STR_ARG(people[i].role), STR_ARG(people[i].user_id));
	}
	return ERR_OK;
}

/* --- the command ---------------------------------------------------------------------------------------------- */

static enum err run_class(struct command_line *line, struct desk *desk)
{
	static const struct {
		const char *name;
		enum err (*run)(struct command_line *line, struct desk *desk);
	} actions[] = {{"create", create}, {"add", add}, {"remove", remove_people}, {"show", show}};
	const char *name = notice_word(line, 0);
	for (size_t i = 0; i < COUNT_OF(actions); i++) {
		if (strcmp(name, actions[i].name) == 0) {
			return actions[i].run(line, desk);
		}
	}
	return fail(line->ctx, ERR_INPUT, NULL,
		"class create, add, remove or show? '%s' is none of them", name);
}

const struct notice_action notice_class_actions[] = {
	{"class", 2, 3, run_class},
	{"classes", 0, 0, list},
};
const size_t notice_class_action_count = COUNT_OF(notice_class_actions);
