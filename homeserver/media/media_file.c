/*
 * Files that the server makes itself: thumbnails, images of previews, what comes from other servers, or lies on this machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "homeserver/media/media_inner.h"
#include "homeserver/media/media_type.h"

enum { NAME_LENGTH = 24, PIECE_BYTES = 65536 };

static enum err fail_io(struct ctx *ctx, const char *action, const char *path)
{
	return fail_cause(ctx, ERR_STORE, "media: %s %s: %s", action, path,
		file_error_text(ctx->arena, errno));
}

enum err media_file_create(struct ctx *ctx, const struct media *media, struct body_file *out)
{
	struct str name = rng_text(&media->hs->rng, ctx->arena, NAME_LENGTH);
	const char *path = arena_printf(ctx->arena, "%s/%.*s", media->incoming.p, STR_ARG(name));
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		return fail_io(ctx, "create", path);
	}
	*out = (struct body_file){.path = path, .fd = fd};
	return ERR_OK;
}

enum err media_file_measure(struct ctx *ctx, struct body_file *file)
{
	struct sha256 *hash = sha256_create();
	char *piece = arena_alloc(ctx->arena, PIECE_BYTES);
	off_t at = 0;
	ssize_t n = pread(file->fd, piece, PIECE_BYTES, at);
	while (n > 0) {
		sha256_add(hash, str_from(piece, (size_t)n));
		at += n;
		n = pread(file->fd, piece, PIECE_BYTES, at);
	}
	sha256_end(hash, file->sha256);
	sha256_destroy(hash);
	file->size_bytes = at;
	return n == 0 ? ERR_OK : fail_io(ctx, "read", file->path);
}

static enum err write_all(struct ctx *ctx, const struct body_file *to, struct str bytes)
{
	while (bytes.n > 0) {
		ssize_t n = write(to->fd, bytes.p, bytes.n);
		if (n < 0 && errno != EINTR) {
			return fail_io(ctx, "write", to->path);
		}
		bytes = str_slice(bytes, n > 0 ? (size_t)n : 0, bytes.n);
	}
	return ERR_OK;
}

enum err media_file_copy(struct ctx *ctx, const struct body_file *from, int64_t begin, int64_t end,
	struct body_file *to)
{
	char *piece = arena_alloc(ctx->arena, PIECE_BYTES);
	while (begin < end) {
		size_t room = (size_t)MIN_OF((int64_t)PIECE_BYTES, end - begin);
		ssize_t n = pread(from->fd, piece, room, (off_t)begin);
		if (n <= 0) {
			return fail_io(ctx, "read", from->path);
		}
		TRY(write_all(ctx, to, str_from(piece, (size_t)n)));
		begin += n;
	}
	return media_file_measure(ctx, to);
}

void media_file_discard(struct body_file *file)
{
	if (file->path != NULL) {
		(void)close(file->fd);
		(void)unlink(file->path);
		file->path = NULL;
	}
}

static struct str guess_type(struct ctx *ctx, const struct body_file *file, struct str name)
{
	char *first = arena_alloc(ctx->arena, MEDIA_SNIFF_BYTES);
	ssize_t n = pread(file->fd, first, MEDIA_SNIFF_BYTES, 0);
	struct str type = media_type_sniff(str_from(first, n > 0 ? (size_t)n : 0));
	return type.p != NULL ? type : media_type_of_name(name);
}

enum err media_upload_copy(struct ctx *ctx, struct homeserver *hs,
	const struct media_upload *labels, int fd, struct str *out_media_id)
{
	struct media_upload upload = *labels;
	const struct body_file from = {.path = str_cstr(ctx->arena, labels->file_name), .fd = fd};
	struct body_file to CLEANUP(media_file_discard) = {.path = NULL};
	struct stat status;
	int64_t limit = hs->settings.media.max_upload_bytes;
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "'%s' is no plain file", from.path);
	}
	if (status.st_size > limit) {
		return fail(ctx, ERR_INPUT, M_TOO_LARGE,
			"'%s' has more than the %lld bytes that media.max_upload_size allows", from.path,
			(long long)limit);
	}
	TRY(media_file_create(ctx, hs->media, &to));
	TRY(media_file_copy(ctx, &from, 0, status.st_size, &to));
	upload.file = &to;
	if (upload.content_type.n == 0) {
		upload.content_type = guess_type(ctx, &to, upload.file_name);
	}
	return media_upload(ctx, hs, &upload, out_media_id);
}
