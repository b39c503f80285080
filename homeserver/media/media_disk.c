/*
 * A file per content, two levels of folders. It gets its name after its bytes are on disk, and the name is on disk before
 * success is reported; so what stands under a name is whole.
 */
#include "homeserver/media/media_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault_point.h"
#include "base/file.h"
#include "base/mem.h"

struct media_disk {
	struct str folder;
};

struct str media_hash_text(struct arena *arena, struct str sha256)
{
	static const char digits[] = "0123456789abcdef";
	char *text = arena_alloc(arena, 2 * sha256.n + 1);
	for (size_t i = 0; i < sha256.n; i++) {
		unsigned char byte = (unsigned char)sha256.p[i];
		text[2 * i] = digits[byte >> 4];
		text[2 * i + 1] = digits[byte & 15];
	}
	return str_from(text, 2 * sha256.n);
}

/* FOLDER, FOLDER/ab, FOLDER/ab/cd, FOLDER/ab/cd/ef… */
enum { LEVELS = 4 };

struct place {
	const char *paths[LEVELS];
};

static struct place place_of(const struct media_disk *disk, struct arena *arena, struct str sha256)
{
	struct str hash = media_hash_text(arena, sha256);
	struct place place;
	place.paths[0] = str_cstr(arena, disk->folder);
	place.paths[1] = arena_printf(arena, "%s/%.2s", place.paths[0], hash.p);
	place.paths[2] = arena_printf(arena, "%s/%.2s", place.paths[1], hash.p + 2);
	place.paths[3] = arena_printf(arena, "%s/%.*s", place.paths[2], (int)hash.n - 4, hash.p + 4);
	return place;
}

static enum err fail_io(struct ctx *ctx, const char *action, const char *path)
{
	return fail_cause(ctx, ERR_STORE, "media: %s %s: %s", action, path,
		file_error_text(ctx->arena, errno));
}

static enum err make_folders(struct ctx *ctx, const struct place *place)
{
	for (size_t i = 1; i + 1 < LEVELS; i++) {
		if (mkdir(place->paths[i], 0700) == 0) {
			TRY(file_sync_folder(ctx, place->paths[i - 1]));
		} else if (errno != EEXIST) {
			return fail_io(ctx, "make", place->paths[i]);
		}
	}
	return ERR_OK;
}

static enum err disk_keep(void *self, struct ctx *ctx, const struct body_file *file,
	struct str name)
{
	struct place place = place_of(self, ctx->arena, name);
	struct stat found;
	if (stat(place.paths[3], &found) == 0 && found.st_size == file->size_bytes) {
		return ERR_OK;
	}
	if (FAULT_POINT("media.fsync") || fsync(file->fd) != 0) {
		return fail_io(ctx, "flush", file->path);
	}
	TRY(make_folders(ctx, &place));
	if (FAULT_POINT("media.rename") || rename(file->path, place.paths[3]) != 0) {
		return fail_io(ctx, "rename", file->path);
	}
	return file_sync_folder(ctx, place.paths[2]);
}

static enum err disk_open(void *self, struct ctx *ctx, struct str name, int *out_fd)
{
	struct place place = place_of(self, ctx->arena, name);
	int fd = open(place.paths[3], O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return errno == ENOENT ? ERR_MISSING : fail_io(ctx, "open", place.paths[3]);
	}
	*out_fd = fd;
	return ERR_OK;
}

static enum err disk_remove(void *self, struct ctx *ctx, struct str name)
{
	struct place place = place_of(self, ctx->arena, name);
	if (unlink(place.paths[3]) != 0 && errno != ENOENT) {
		return fail_io(ctx, "remove", place.paths[3]);
	}
	return ERR_OK;
}

static void disk_destroy(void *self)
{
	struct media_disk *disk = self;
	str_free(disk->folder);
	mem_free(disk);
}

struct media_store media_disk_create(const char *folder)
{
	struct media_disk *disk = mem_alloc(sizeof(*disk));
	disk->folder = str_heap(str_of(folder));
	return (struct media_store){.self = disk,
		.keep = disk_keep,
		.open = disk_open,
		.remove = disk_remove,
		.destroy = disk_destroy};
}
