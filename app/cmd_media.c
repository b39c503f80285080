/*
 * belfry media
 */
#include <stdio.h>

#include "app/command.h"
#include "app/desk.h"
#include "app/show.h"
#include "storage/media.h"

enum { DEFAULT_LIMIT = 50, MAX_LIMIT = 100000 };

static const struct conf_row numbers[] = {
	{.key = "--limit", .type = CONF_INT, .fallback = "1", .min = 1, .max = MAX_LIMIT, .help = ""},
};

static enum err read_limit(struct command_line *line, int64_t *out)
{
	const char *text = command_value(line, "--limit");
	*out = DEFAULT_LIMIT;
	if (text != NULL) {
		struct conf *conf = conf_create(line->ctx->arena, numbers, COUNT_OF(numbers));
		TRY(conf_set(line->ctx, conf, arena_printf(line->ctx->arena, "--limit=%s", text)));
		*out = conf_int(conf, "--limit");
	}
	return ERR_OK;
}

/* mxc://SERVER/ID */
static enum err read_uri(struct command_line *line, struct server_name *out_origin,
	struct str *out_media_id)
{
	struct str text = str_of(command_argument(line, 1));
	struct str prefix = STR("mxc://");
	struct str origin;
	if (!str_starts_with(text, prefix) ||
		!str_split(str_slice(text, prefix.n, text.n), '/', &origin, out_media_id) ||
		out_media_id->n == 0 || !server_name_parse(origin, out_origin)) {
		return fail(line->ctx, ERR_INPUT, NULL, "'%.*s' is no mxc:// URI", STR_ARG(text));
	}
	return ERR_OK;
}

static void print_listed(struct arena *arena, const struct media_listed *listed)
{
	const struct media_row *row = &listed->row;
	struct str user = row->user_id.p != NULL ? row->user_id : STR("-");
	struct str type = row->content_type.p != NULL ? show_text(arena, row->content_type) : STR("-");
	struct str name = row->file_name.p != NULL ? show_text(arena, row->file_name) : STR("");
	(void)printf("mxc://%.*s/%.*s  %s  %lld bytes  %.*s  %.*s%s  %.*s\n", STR_ARG(listed->origin),
		STR_ARG(listed->media_id), show_time(arena, row->created_ms), (long long)row->size_bytes,
		STR_ARG(user), STR_ARG(type), row->is_quarantined ? "  in quarantine" : "", STR_ARG(name));
}

static enum err list(struct command_line *line, struct desk *desk)
{
	struct ctx *ctx = line->ctx;
	struct media_listed *listed;
	size_t count;
	int64_t limit;
	struct str user_id = {0};
	const char *name = command_value(line, "--user");
	if (name != NULL) {
		user_id = name[0] == '@'
			? str_of(name)
			: str_printf(ctx->arena, "@%s:%.*s", name, STR_ARG(desk->settings.server_name.s));
	}
	TRY(read_limit(line, &limit));
	TRY(store_media_list(ctx, desk->accounts.db, user_id, limit, 0, &listed, &count));
	if (count == 0) {
		(void)printf("There are no files.\n");
	}
	for (size_t i = 0; i < count; i++) {
		print_listed(ctx->arena, &listed[i]);
	}
	return ERR_OK;
}

static enum err or_missing(struct command_line *line, enum err err)
{
	return err == ERR_MISSING
		? fail(line->ctx, ERR_MISSING, NULL, "there is no file %s", command_argument(line, 1))
		: err;
}

static enum err remove_file(struct command_line *line, struct desk *desk)
{
	struct server_name origin;
	struct str media_id;
	TRY(read_uri(line, &origin, &media_id));
	TRY(or_missing(line,
		store_media_delete(line->ctx, desk->accounts.db, origin.s, media_id,
			clock_wall_ms(&desk->accounts.clock))));
	(void)printf("Deleted. Its content leaves the store with the server's next tidying.\n");
	return ERR_OK;
}

static enum err set_quarantine(struct command_line *line, struct desk *desk, bool is_on)
{
	struct server_name origin;
	struct str media_id;
	TRY(read_uri(line, &origin, &media_id));
	TRY(or_missing(line,
		store_media_quarantine(line->ctx, desk->accounts.db, origin.s, media_id, is_on)));
	(void)printf(is_on ? "In quarantine: nobody gets it, nor any copy of it.\n"
					   : "No longer in quarantine.\n");
	return ERR_OK;
}

static enum err quarantine(struct command_line *line, struct desk *desk)
{
	return set_quarantine(line, desk, true);
}

static enum err unquarantine(struct command_line *line, struct desk *desk)
{
	return set_quarantine(line, desk, false);
}

static const struct desk_action actions[] = {{"list", 0, list}, {"delete", 1, remove_file},
	{"quarantine", 1, quarantine}, {"unquarantine", 1, unquarantine}};

static int run(struct command_line *line)
{
	return desk_run(line, actions, COUNT_OF(actions), "list, delete, quarantine or unquarantine?");
}

const struct command cmd_media = {
	.name = "media",
	.summary = "Lists, deletes and quarantines files.",
	.usage =
		"usage: belfry media list [--user NAME] [--limit N]\n"
		"       belfry media delete mxc://SERVER/ID\n"
		"       belfry media quarantine|unquarantine mxc://SERVER/ID\n"
		"\n"
		"A deleted file is gone, with its thumbnails. One in quarantine is kept, as evidence, but\n"
		"nobody gets it, nor any other file with the same content, also if it is uploaded again.\n"
		"A deleted file of another server may be fetched again; quarantine keeps it away.\n"
		"\n"
		"  --user NAME        only what this user has uploaded\n"
		"  --limit N          how many are listed, newest first; 50\n"
		"  --data FOLDER      the server's data folder; ./data\n"
		"  --config FILE      its options; FOLDER/belfry.yaml if it is there\n"
		"  --set KEY=VALUE    one option\n"
		"\n"
		"examples:\n"
		"  belfry media list --user lin\n"
		"  belfry media quarantine mxc://school.example/AbCdEf --data /var/lib/belfry\n",
	.options = {{"--user", true}, {"--limit", true}},
	.run = run,
};
