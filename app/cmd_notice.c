/*
 * belfry notice
 */
#include <stdio.h>
#include <string.h>

#include "app/cmd_notice.h"
#include "app/show.h"
#include "base/vec.h"
#include "base/zone.h"
#include "notices/notice_seen.h"
#include "notices/notices.h"
#include "storage/alias.h"
#include "storage/notice_follow_up.h"

enum { LISTED = 100, DELIVERIES_SHOWN = 200 };

void notice_split_commas(struct arena *arena, const char *text, struct str **out, size_t *out_count)
{
	VEC(struct str) pieces = {0};
	struct str rest = str_of(text);
	while (rest.n > 0) {
		struct str piece;
		(void)str_split(rest, ',', &piece, &rest);
		piece = str_trim(piece);
		if (piece.n > 0) {
			VEC_PUSH(arena, &pieces, piece);
		}
	}
	*out = pieces.p;
	*out_count = pieces.n;
}

const char *notice_show_time(struct arena *arena, struct str zone, int64_t at_ms)
{
	struct zone *clock;
	if (at_ms == 0 || !zone_open(arena, zone, &clock)) {
		return show_time(arena, at_ms);
	}
	return arena_printf(arena, "%.*s %.*s", STR_ARG(notice_time_text(arena, clock, at_ms)),
		STR_ARG(zone));
}

const char *notice_word(const struct command_line *line, size_t index)
{
	return command_argument(line, index + 1);
}

enum err notice_read_id(struct command_line *line, int64_t *out)
{
	const char *word = notice_word(line, 0);
	return str_to_int(str_of(word), 1, INT64_MAX, out)
		? ERR_OK
		: fail(line->ctx, ERR_INPUT, NULL, "'%s' is no number of one; see the list", word);
}

/* --- senders and tokens ------------------------------------------------------------------------------------ */

static enum err make_sender(struct command_line *line, struct desk *desk)
{
	struct str user_id;
	TRY(notice_sender_make(line->ctx, &desk->accounts, str_of(notice_word(line, 0)),
		str_of(command_value(line, "--name")), &user_id));
	(void)printf("%.*s\n", STR_ARG(user_id));
	return ERR_OK;
}

static enum err list_senders(struct command_line *line, struct desk *desk)
{
	struct str *senders;
	size_t count;
	TRY(store_notice_sender_list(line->ctx, desk->accounts.db, &senders, &count));
	if (count == 0) {
		(void)printf("There are no senders.\n");
	}
	for (size_t i = 0; i < count; i++) {
		(void)printf("%.*s\n", STR_ARG(senders[i]));
	}
	return ERR_OK;
}

static enum err make_token_of(struct command_line *line, struct desk *desk,
	struct notice_token_wish *wish, struct str *out)
{
	struct str *targets;
	notice_split_commas(line->ctx->arena, notice_word(line, 1), &targets, &wish->target_count);
	wish->sender = str_of(notice_word(line, 0));
	wish->targets = targets;
	wish->name =
		command_value(line, "--name") != NULL ? str_of(command_value(line, "--name")) : STR("");
	return notice_token_make(line->ctx, &desk->accounts, wish, out);
}

static enum err make_token(struct command_line *line, struct desk *desk)
{
	struct notice_token_wish wish = {0};
	struct str token;
	TRY(make_token_of(line, desk, &wish, &token));
	(void)printf("%.*s\n", STR_ARG(token));
	return ERR_OK;
}

static enum err make_hook(struct command_line *line, struct desk *desk)
{
	struct notice_token_wish wish = {
		.is_hook = true,
		.is_signed = command_value(line, "--signed") != NULL,
	};
	struct str token;
	unsigned char key[SEAL_KEY_BYTES];
	struct str base = desk->settings.public_base_url;
	TRY(data_folder_secrets_key(line->ctx, &desk->folder, &desk->accounts.rng, key));
	TRY(make_token_of(line, desk, &wish, &token));
	(void)printf("%.*s/_belfry/notices/v1/hooks/%.*s\n", STR_ARG(base), STR_ARG(token));
	if (wish.is_signed) {
		struct str secret = notice_hook_secret(line->ctx->arena, key, token);
		(void)printf("secret: %.*s\n", STR_ARG(secret));
	}
	if (base.n == 0) {
		(void)printf(
			"Put the address of this server in front of the path: option public_base_url does not say it.\n");
	}
	crypto_wipe(key, sizeof(key));
	return ERR_OK;
}

static enum err list_tokens(struct command_line *line, struct desk *desk)
{
	struct notice_token_row *tokens;
	size_t count;
	TRY(store_notice_token_list(line->ctx, desk->accounts.db, &tokens, &count));
	if (count == 0) {
		(void)printf("There are no tokens and no hooks.\n");
	}
	for (size_t i = 0; i < count; i++) {
		(void)printf("%-4lld %-6s %.*s → %.*s  since %s  %.*s\n", (long long)tokens[i].token_id,
			!tokens[i].is_hook        ? "token"
				: tokens[i].is_signed ? "signed"
									  : "hook",
			STR_ARG(tokens[i].sender), STR_ARG(tokens[i].targets),
			show_time(line->ctx->arena, tokens[i].created_at_ms), STR_ARG(tokens[i].name));
	}
	return ERR_OK;
}

static enum err revoke_token(struct command_line *line, struct desk *desk)
{
	int64_t token_id;
	TRY(notice_read_id(line, &token_id));
	TRY(notice_token_revoke(line->ctx, desk->accounts.db, token_id));
	(void)printf("The token is revoked.\n");
	return ERR_OK;
}

/* --- notices ------------------------------------------------------------------------------------------------ */

enum err notice_read_texts(struct command_line *line, size_t first, struct notice_post *post)
{
	struct arena *arena = line->ctx->arena;
	struct str *languages;
	size_t count;
	size_t text_count = line->argument_count - first - 1;
	struct notice_text *texts = ARENA_NEW_ARRAY(arena, struct notice_text, text_count);
	notice_split_commas(arena, command_value(line, "--lang"), &languages, &count);
	if (count > text_count || (text_count > 1 && count != text_count)) {
		return fail(line->ctx, ERR_INPUT, NULL,
			"there are %zu text(s) and %zu language(s) in --lang", text_count, count);
	}
	for (size_t i = 0; i < text_count; i++) {
		texts[i].lang = i < count ? languages[i] : STR("");
		texts[i].markdown = str_of(notice_word(line, first + i));
	}
	post->texts = texts;
	post->text_count = text_count;
	return ERR_OK;
}

/* "#class-3b=zh-Hant+en": a target and its languages. What stands behind '=' and is none belongs to the name. */
static struct notice_target read_target(struct arena *arena, struct str text)
{
	struct str lang;
	size_t at = str_find_last_byte(text, '=');
	struct str rest = at != SIZE_MAX ? str_slice(text, at + 1, text.n) : STR("");
	struct notice_target target = {.target = text, .languages = STR("")};
	if (rest.n == 0) {
		return target;
	}
	struct str languages = STR("");
	while (rest.n > 0) {
		(void)str_split(rest, '+', &lang, &rest);
		if (!notice_lang_read(arena, lang, &lang)) {
			return target;
		}
		languages = str_printf(arena, "%.*s %.*s", STR_ARG(languages), STR_ARG(lang));
	}
	return (struct notice_target){.target = str_slice(text, 0, at), .languages = languages};
}

static void read_targets(struct command_line *line, struct notice_post *post)
{
	struct str *names;
	notice_split_commas(line->ctx->arena, notice_word(line, 1), &names, &post->target_count);
	struct notice_target *targets =
		ARENA_NEW_ARRAY(line->ctx->arena, struct notice_target, post->target_count);
	for (size_t i = 0; i < post->target_count; i++) {
		targets[i] = read_target(line->ctx->arena, names[i]);
	}
	post->targets = targets;
}

/* A typing mistake would else be seen by who looks, later. It may also be a room that is made before the time comes. */
static enum err warn_of_missing(struct ctx *ctx, struct desk *desk, const struct notice_post *post)
{
	for (size_t i = 0; i < post->target_count; i++) {
		struct str target;
		struct room_alias alias;
		struct alias_row row;
		TRY(notice_target_read(ctx, &desk->accounts, post->targets[i].target, &target));
		if (!room_alias_parse(target, &alias) ||
			!server_name_equals(room_alias_server(alias), desk->settings.server_name)) {
			continue;
		}
		enum err err = store_alias_find(ctx, desk->accounts.db, target, &row);
		if (err == ERR_MISSING) {
			(void)fprintf(stderr,
				"There is no room %.*s: nothing goes there unless there is one by then. belfry notice class create makes one.\n",
				STR_ARG(target));
			continue;
		}
		TRY(err);
	}
	return ERR_OK;
}

static enum err post(struct command_line *line, struct desk *desk, bool is_scheduled)
{
	struct ctx *ctx = line->ctx;
	struct notice_post post = {
		.start = str_of(is_scheduled ? notice_word(line, 2) : NULL),
		.zone = str_of(command_value(line, "--zone")),
		.rule = str_of(command_value(line, "--rule")),
		.expires = str_of(command_value(line, "--expires")),
		.is_draft = command_value(line, "--draft") != NULL,
		.is_pinned = command_value(line, "--pin") != NULL,
	};
	struct str *except;
	struct notice_row row;
	int64_t notice_id;
	notice_split_commas(ctx->arena, command_value(line, "--except"), &except, &post.except_count);
	post.except = except;
	read_targets(line, &post);
	TRY(notice_sender_find(ctx, &desk->accounts, str_of(notice_word(line, 0)), &post.sender));
	TRY(notice_read_texts(line, is_scheduled ? 3 : 2, &post));
	TRY(notice_upload_files(line, desk, &post));
	enum err err = notices_post(ctx, &desk->accounts, &post, &notice_id);
	if (err != ERR_OK) {
		notice_drop_files(line, desk, &post);
		return err;
	}
	TRY(store_notice_get(ctx, desk->accounts.db, notice_id, &row));
	(void)printf("notice %lld: %s%s; see: belfry notice show %lld%s\n", (long long)notice_id,
		post.is_draft           ? "a draft; somebody has to release it"
			: is_scheduled      ? notice_show_time(ctx->arena, row.zone, row.next_at_ms)
			: desk->server != 0 ? "on its way"
								: "waits for the server's start",
		is_scheduled && !post.is_draft && row.rule.p != NULL ? ", the first time" : "",
		(long long)notice_id, command_same_server(line));
	return warn_of_missing(ctx, desk, &post);
}

static enum err send(struct command_line *line, struct desk *desk)
{
	return post(line, desk, false);
}

static enum err schedule(struct command_line *line, struct desk *desk)
{
	return post(line, desk, true);
}

/* The first line of the first text. */
static struct str title_of(struct ctx *ctx, const struct notice_row *row)
{
	struct notice_text *texts;
	size_t count;
	return notice_texts_read(ctx, row->texts, &texts, &count) == ERR_OK
		? notice_title(ctx->arena, texts[0].markdown, SIZE_MAX)
		: STR("?");
}

static enum err list(struct command_line *line, struct desk *desk)
{
	struct ctx *ctx = line->ctx;
	struct notice_row *rows;
	size_t count;
	const struct notice_query query = {.before = INT64_MAX, .limit = LISTED};
	TRY(store_notice_list(ctx, desk->accounts.db, &query, &rows, &count));
	if (count == 0) {
		(void)printf("There are no notices.\n");
	}
	for (size_t i = 0; i < count; i++) {
		const char *given_up = rows[i].given_up == 0
			? ""
			: arena_printf(ctx->arena, "  (not sent to %lld; see: show)",
				  (long long)rows[i].given_up);
		(void)printf("%-4lld %-9.*s next: %-29s %.*s: %.*s%s\n", (long long)rows[i].notice_id,
			STR_ARG(rows[i].state), notice_show_time(ctx->arena, rows[i].zone, rows[i].next_at_ms),
			STR_ARG(rows[i].sender), STR_ARG(show_text(ctx->arena, title_of(ctx, &rows[i]))),
			given_up);
	}
	return ERR_OK;
}

static void print_outcome(struct ctx *ctx, struct str zone,
	const struct notice_outcome_row *outcome)
{
	const char *what = outcome->event_id.p != NULL ? "sent"
		: outcome->next_try_ms != 0                ? "waits"
												   : "not sent";
	(void)printf("  %s  %-8s %.*s %.*s%.*s\n",
		notice_show_time(ctx->arena, zone, outcome->due_at_ms), what, STR_ARG(outcome->room_id),
		STR_ARG(outcome->event_id), STR_ARG(show_text(ctx->arena, outcome->reason)));
}

static enum err print_follow_ups(struct ctx *ctx, struct db *db, int64_t notice_id)
{
	struct notice_follow_up_outcome *rows;
	size_t count;
	TRY(store_notice_follow_up_list(ctx, db, notice_id, DELIVERIES_SHOWN, &rows, &count));
	for (size_t i = 0; i < count; i++) {
		const char *what = rows[i].done_at_ms != 0 ? "done"
			: rows[i].next_try_ms != 0             ? "waits"
												   : "not done";
		(void)printf("  %.*s: %-8s %.*s %.*s\n", STR_ARG(rows[i].kind), what,
			STR_ARG(rows[i].room_id), STR_ARG(show_text(ctx->arena, rows[i].reason)));
	}
	return ERR_OK;
}

static enum err show(struct command_line *line, struct desk *desk)
{
	struct ctx *ctx = line->ctx;
	int64_t notice_id;
	struct notice_row row;
	struct notice_outcome_row *outcomes;
	size_t count;
	TRY(notice_read_id(line, &notice_id));
	enum err err = store_notice_get(ctx, desk->accounts.db, notice_id, &row);
	if (err == ERR_MISSING) {
		return fail(ctx, err, NULL, "there is no notice %lld", (long long)notice_id);
	}
	TRY(err);
	TRY(store_notice_delivery_list(ctx, desk->accounts.db, notice_id, DELIVERIES_SHOWN, &outcomes,
		&count));
	(void)printf("%.*s by %.*s, next: %s\n%.*s\n", STR_ARG(row.state), STR_ARG(row.sender),
		notice_show_time(ctx->arena, row.zone, row.next_at_ms), STR_ARG(row.texts));
	if (row.start_at.p != NULL) {
		(void)printf("%.*s %.*s %.*s\n", STR_ARG(row.start_at), STR_ARG(row.zone),
			STR_ARG(row.rule));
	}
	for (size_t i = 0; i < count; i++) {
		print_outcome(ctx, row.zone, &outcomes[i]);
	}
	return print_follow_ups(ctx, desk->accounts.db, notice_id);
}

static enum err cancel(struct command_line *line, struct desk *desk)
{
	int64_t notice_id;
	TRY(notice_read_id(line, &notice_id));
	TRY(notices_cancel(line->ctx, &desk->accounts, notice_id, str_from(NULL, 0)));
	(void)printf("Nothing more of notice %lld is sent.\n", (long long)notice_id);
	return ERR_OK;
}

/* --- the command ---------------------------------------------------------------------------------------------- */

static const struct notice_action actions[] = {
	{"send", 3, 2 + NOTICE_LANGUAGES_MAX, send},
	{"schedule", 4, 3 + NOTICE_LANGUAGES_MAX, schedule},
	{"list", 0, 0, list},
	{"show", 1, 1, show},
	{"cancel", 1, 1, cancel},
	{"sender", 1, 1, make_sender},
	{"senders", 0, 0, list_senders},
	{"token", 2, 2, make_token},
	{"hook", 2, 2, make_hook},
	{"tokens", 0, 0, list_tokens},
	{"revoke", 1, 1, revoke_token},
};

/* NULL: nothing is called so. */
static const struct notice_action *find_action(const char *name)
{
	const struct {
		const struct notice_action *rows;
		size_t count;
	} groups[] = {
		{actions, COUNT_OF(actions)},
		{notice_change_actions, notice_change_action_count},
		{notice_seen_actions, notice_seen_action_count},
		{notice_source_actions, notice_source_action_count},
		{notice_class_actions, notice_class_action_count},
		{notice_manager_actions, notice_manager_action_count},
	};
	for (size_t i = 0; i < COUNT_OF(groups); i++) {
		for (size_t j = 0; j < groups[i].count; j++) {
			if (strcmp(name, groups[i].rows[j].name) == 0) {
				return &groups[i].rows[j];
			}
		}
	}
	return NULL;
}

static int run(struct command_line *line)
{
	const char *name = command_argument(line, 0);
	if (name == NULL) {
		return command_misused(line,
			"send, schedule, list, show, seen, cancel, sender, token, source or class?");
	}
	const struct notice_action *action = find_action(name);
	if (action == NULL) {
		return command_misused(line, "cannot do '%s'", name);
	}
	size_t words = line->argument_count - 1;
	if (words < action->least || words > action->most) {
		return command_misused(line, "'%s' wants other words behind it", name);
	}
	notice_text_start();
	return desk_do(line, action->run);
}

static void print_examples(void)
{
	(void)fputs(
		"\n"
		"examples:\n"
		"  belfry notice sender office --name '校務處 · Office'\n"
		"  belfry notice send office '#class-3b' '明天**停課**' 'No school tomorrow' --lang zh-Hant,en\n"
		"  belfry notice send office '#class-3b' '請填寫附件' --file form.pdf --file map.png\n"
		"  belfry notice schedule office '#class-3b,#class-3c' 2026-11-30T07:00 '記得帶水壺' \\\n"
		"      --rule 'FREQ=WEEKLY;BYDAY=MO;COUNT=10' --except 2026-12-07\n"
		"  belfry notice token office '#class-3b' --name 'timetable program'\n"
		"  belfry notice source add office '#school' https://school.example/calendar.ics --lang zh-Hant\n"
		"  belfry notice class create class-3b --sender office --name '三年乙班' --staff @lin --space '#school'\n",
		stdout);
}

const struct command cmd_notice = {
	.name = "notice",
	.summary = "Posts notices of the school into rooms, at once or when they are due.",
	.usage =
		"usage: belfry notice sender NAME [--name DISPLAY]\n"
		"       belfry notice send SENDER TARGETS TEXT... [--file PATH]... [--lang LANGS]\n"
		"              [--expires TIME] [--pin] [--draft]\n"
		"       belfry notice schedule SENDER TARGETS TIME TEXT... [--rule RRULE] [--zone ZONE]\n"
		"              [--except DATES] [--file PATH]... [--lang LANGS] [--expires TIME] [--pin]\n"
		"              [--draft]\n"
		"       belfry notice list | show ID | cancel ID | senders\n"
		"       belfry notice move ID TIME | release ID [TIME]\n"
		"       belfry notice edit ID TEXT... [--lang LANGS] [--later]\n"
		"       belfry notice seen ID [OCCURRENCE] [--not LEVEL] [--ids] [--csv [--bom]]\n"
		"       belfry notice remind ID [OCCURRENCE] [--not read|confirmed]\n"
		"       belfry notice allow SENDER USER | disallow SENDER USER | managers SENDER\n"
		"       belfry notice token SENDER TARGETS [--name TEXT] | tokens | revoke ID\n"
		"       belfry notice hook SENDER TARGETS [--name TEXT] [--signed]\n"
		"       belfry notice source add SENDER TARGETS URL [--every 15m] [--lang LANG]\n"
		"              [--days-before 1] [--at 07:00]\n"
		"       belfry notice source show ID | check ID-OR-URL | ask ID | remove ID | sources\n"
		"       belfry notice class create ALIAS --sender SENDER [--name TEXT] [--staff USERS]\n"
		"              [--members USERS] [--guardians USERS] [--template NAME] [--encrypted]\n"
		"              [--space ALIAS]\n"
		"       belfry notice class add ALIAS [--staff USERS] [--members USERS] [--guardians USERS]\n"
		"       belfry notice class remove ALIAS USERS | show ALIAS | classes\n"
		"\n"
		"A sender is an account of its own, such as @office, that nobody can log in to; invite it to\n"
		"rooms that are not open to all. TARGETS are rooms and spaces, by alias or id, with commas\n"
		"between them; a space stands for the rooms in it; '#exchange=en' gets English alone, and\n"
		"'#office=zh-Hant+en' two languages. TEXT is Markdown; several languages are\n"
		"shown one below the other. Works beside a running server; without one, notices are sent at\n"
		"the next start, and say that they are late. A token lets a program post by HTTP, as this\n"
		"sender, to these targets; a hook is an address for programs that know webhooks: as it is, or\n"
		"with /slack or /github behind it. A source is a feed (RSS, Atom) or a calendar (iCalendar):\n"
		"each new item, and each event some days before it, becomes a notice; `check` shows what it has.\n"
		"A class is a room that the sender makes and stays the creator of, so that it is never without its\n"
		"head; the same command again changes what differs.\n"
		"\n"
		"  --file PATH        a file that is sent behind the text; up to 10, each with its own --file\n"
		"  --lang LANGS       languages of the texts, in their order: zh-Hant,en\n"
		"  --rule RRULE       repeats it, by a rule of iCalendar: FREQ=WEEKLY;BYDAY=MO\n"
		"  --zone ZONE        time zone of all times; notices.time_zone\n"
		"  --except DATES     dates that are left out: 2026-12-25,2027-01-01\n"
		"  --expires TIME     from then on nothing of it is sent\n"
		"  --pin              it stands among the pinned messages until it expires or is cancelled\n"
		"  --draft            it waits until somebody releases it\n"
		"  --later            what was sent stays as it is; only what is still to come gets the new text\n"
		"  --name TEXT        name that people see\n"
		"  --not LEVEL        only who has not: delivered, read or confirmed\n"
		"  --ids              rooms by id, not by name; --csv has both\n"
		"  --csv              a table for other programs; --bom: for Excel\n"
		"  --every TIME       how often a source is asked: 1h, 1d; 15m\n"
		"  --days-before N    events of a calendar are announced so many days before; 1\n"
		"  --at TIME          at this time of that day; 07:00\n"
		"  --staff USERS      who has power 50 in the class: @lin,@chen\n"
		"  --members USERS, --guardians USERS   who else is invited\n"
		"  --template NAME    class (all talk), notices (staff talks), space; class\n"
		"  --encrypted        the room is encrypted\n"
		"  --space ALIAS      the space in which it is\n"
		"  --signed           the hook takes only what is signed with its secret, which is printed\n"
		"  --data FOLDER      the server's data folder; ./data\n"
		"  --config FILE      its options; FOLDER/belfry.yaml if it is there\n"
		"  --set KEY=VALUE    one option\n",
	.more_help = print_examples,
	.options = {{"--lang", true}, {"--rule", true}, {"--zone", true}, {"--except", true},
		{"--expires", true}, {"--name", true}, {"--not", true}, {"--ids", false}, {"--csv", false},
		{"--bom", false}, {"--signed", false}, {"--every", true}, {"--days-before", true},
		{"--at", true}, {"--sender", true}, {"--staff", true}, {"--members", true},
		{"--guardians", true}, {"--template", true}, {"--encrypted", false}, {"--space", true},
		{"--pin", false}, {"--draft", false}, {"--file", true}, {"--later", false}},
	.run = run,
};
