/*
 * belfry notice send --file: what is uploaded for a sender without its server. The bytes go where the server's own uploads go (its folder, or
 * its bucket), and belong to whom the data folder belongs, also when root is at work.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/cmd_notice.h"
#include "base/file.h"
#include "homeserver/homeserver.h"
#include "homeserver/media/media.h"
#include "http/client.h"
#include "notices/notices.h"

/* As much of a server as uploads need. */
static enum err open_media(struct command_line *line, struct desk *desk, struct homeserver *out)
{
	struct conf *conf;
	struct http_client_config client;
	const char *folder = arena_printf(line->ctx->arena, "%s/media", desk->folder.path);
	TRY(command_config(line, &conf));
	config_to_http_client(conf, line->ctx->arena, &client);
	*out = (struct homeserver){.settings = desk->settings,
		.signer.server = desk->settings.server_name,
		.clock = desk->accounts.clock,
		.rng = desk->accounts.rng,
		.db = desk->accounts.db};
	out->http_client = http_client_create(&client);
	out->media = media_create(out, folder, "");
	return media_make_incoming(line->ctx, out->media);
}

static void close_media(struct homeserver *hs)
{
	http_client_stop(hs->http_client);
	media_destroy(hs->media);
	http_client_destroy(hs->http_client);
}

/* --- whose account ------------------------------------------------------------------------------------------- */

/* Root at work in somebody's folder leaves nothing there that its owner could not use. */
static enum err become_owner(struct ctx *ctx, const struct desk *desk)
{
	struct stat status;
	if (geteuid() != 0) {
		return ERR_OK;
	}
	return stat(desk->folder.path, &status) == 0 && setegid(status.st_gid) == 0 &&
			seteuid(status.st_uid) == 0
		? ERR_OK
		: fail(ctx, ERR_STORE, NULL, "cannot act as the owner of %s: %s", desk->folder.given,
			  file_error_text(ctx->arena, errno));
}

static enum err become_self(struct ctx *ctx)
{
	return getuid() != 0 || (seteuid(0) == 0 && setegid(getgid()) == 0)
		? ERR_OK
		: fail(ctx, ERR_STORE, NULL, "cannot be root again: %s",
			  file_error_text(ctx->arena, errno));
}

/* --- uploads --------------------------------------------------------------------------------------------------- */

struct wanted_file {
	struct str name;
	int fd;
};

static enum err open_file(struct ctx *ctx, const char *path, struct wanted_file *out)
{
	const char *slash = strrchr(path, '/');
	out->name = str_of(slash != NULL ? slash + 1 : path);
	out->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer too */
	return out->fd >= 0 ? ERR_OK
						: fail(ctx, ERR_INPUT, NULL, "cannot read %s: %s", path,
							  file_error_text(ctx->arena, errno));
}

static enum err upload_all(struct ctx *ctx, struct homeserver *hs, const struct wanted_file *files,
	size_t count, struct notice_post *post)
{
	struct str *uris = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	post->files = uris;
	for (size_t i = 0; i < count; i++) {
		struct str media_id;
		const struct media_upload labels = {.user_id = post->sender, .file_name = files[i].name};
		TRY(media_upload_copy(ctx, hs, &labels, files[i].fd, &media_id));
		uris[i] = str_printf(ctx->arena, "mxc://%.*s/%.*s", STR_ARG(hs->signer.server.s),
			STR_ARG(media_id));
		post->file_count++;
	}
	return ERR_OK;
}

static enum err upload_as_owner(struct command_line *line, struct desk *desk,
	const struct wanted_file *files, size_t count, struct notice_post *post)
{
	struct homeserver hs;
	TRY(become_owner(line->ctx, desk));
	enum err err = open_media(line, desk, &hs);
	if (err == ERR_OK) {
		err = upload_all(line->ctx, &hs, files, count, post);
		close_media(&hs);
	}
	enum err back = become_self(line->ctx);
	return err != ERR_OK ? err : back;
}

enum err notice_upload_files(struct command_line *line, struct desk *desk, struct notice_post *post)
{
	const char **paths;
	size_t count;
	size_t opened = 0;
	enum err err = ERR_OK;
	command_values(line, "--file", &paths, &count);
	if (count > NOTICE_FILES_MAX) {
		return fail(line->ctx, ERR_INPUT, NULL, "a notice has at most %d files",
			(int)NOTICE_FILES_MAX);
	}
	struct wanted_file *files = ARENA_NEW_ARRAY(line->ctx->arena, struct wanted_file, count);
	while (err == ERR_OK && opened < count) {
		err = open_file(line->ctx, paths[opened], &files[opened]);
		opened += err == ERR_OK ? 1 : 0;
	}
	if (err == ERR_OK && count > 0) {
		err = upload_as_owner(line, desk, files, count, post);
	}
	for (size_t i = 0; i < opened; i++) {
		(void)close(files[i].fd);
	}
	if (err != ERR_OK) {
		notice_drop_files(line, desk, post);
	}
	return err;
}

void notice_drop_files(struct command_line *line, struct desk *desk, const struct notice_post *post)
{
	struct ctx quiet;
	struct server_name origin;
	struct str media_id;
	ctx_init(&quiet, line->ctx->arena);
	for (size_t i = 0; i < post->file_count; i++) {
		if (mxc_parse(post->files[i], &origin, &media_id)) {
			(void)!store_media_delete(&quiet, desk->accounts.db, origin.s, media_id,
				clock_wall_ms(&desk->accounts.clock));
		}
	}
}
