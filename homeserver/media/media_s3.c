/*
 * Objects named as the files of media_disk are. What was put or fetched lately also lies in a folder of this machine, up to a
 * limit, so that a picture that a whole class looks at is fetched once. A range of something else is fetched alone, and not kept; from a
 * service that knows no ranges, all of it once for everybody, and kept. Only
 * what the service has acknowledged is kept; the folder may be removed at any time.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/vec.h"
#include "homeserver/media/media_inner.h"
#include "http/client_s3.h"

static struct metric hits = METRIC_COUNTER("belfry_media_s3_cache_hits_total",
	"Files that were at hand when they were wanted");
static struct metric misses =
	METRIC_COUNTER("belfry_media_s3_cache_misses_total", "Files that were fetched from the bucket");

struct media_s3 {
	struct media *media;
	struct s3_bucket bucket; /* texts of the configuration */
	struct str folder;       /* of what is at hand */
	int64_t max_bytes;       /* there */
	_Atomic int64_t bytes;   /* there, roughly: a race costs a scan, no more */
	atomic_flag is_tidying;
	atomic_bool ignores_ranges; /* the service gives all of an object, whatever part is asked for */
};

static struct str key_of(struct arena *arena, struct str name)
{
	struct str hash = media_hash_text(arena, name);
	return str_printf(arena, "%.2s/%.2s/%.*s", hash.p, hash.p + 2, (int)hash.n - 4, hash.p + 4);
}

static const char *path_of(const struct media_s3 *s3, struct arena *arena, struct str name)
{
	return arena_printf(arena, "%s/%.*s", s3->folder.p, STR_ARG(media_hash_text(arena, name)));
}

/* --- what is at hand --------------------------------------------------------------------------------------- */

struct at_hand {
	const char *name;
	int64_t used_ms;
	int64_t bytes;
};

static int by_age(const void *a, const void *b)
{
	const struct at_hand *first = a;
	const struct at_hand *second = b;
	return (first->used_ms > second->used_ms) - (first->used_ms < second->used_ms);
}

/* Removes what was used longest ago, until a quarter is free. */
static void tidy(struct media_s3 *s3)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	VEC(struct at_hand) files = {0};
	int64_t bytes = 0;
	DIR *entries = opendir(s3->folder.p);
	if (entries == NULL) {
		return;
	}
	for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
		struct stat found;
		if (entry->d_name[0] != '.' && fstatat(dirfd(entries), entry->d_name, &found, 0) == 0) {
			struct at_hand file = {str_cstr(arena, str_of(entry->d_name)),
				(int64_t)found.st_mtim.tv_sec * 1000 + found.st_mtim.tv_nsec / 1000000,
				found.st_size};
			VEC_PUSH(arena, &files, file);
			bytes += file.bytes;
		}
	}
	if (files.n > 0) {
		qsort(files.p, files.n, sizeof(*files.p), by_age);
	}
	for (size_t i = 0; i < files.n && bytes > s3->max_bytes / 4 * 3; i++) {
		if (unlinkat(dirfd(entries), files.p[i].name, 0) == 0) {
			bytes -= files.p[i].bytes;
		}
	}
	(void)closedir(entries);
	atomic_store(&s3->bytes, bytes);
}

/* A file that the service has; it may stay where it is as well. */
static void put_at_hand(struct media_s3 *s3, struct ctx *ctx, const struct body_file *file,
	struct str name)
{
	if (rename(file->path, path_of(s3, ctx->arena, name)) != 0) {
		return;
	}
	int64_t bytes = atomic_fetch_add(&s3->bytes, file->size_bytes) + file->size_bytes;
	if (bytes > s3->max_bytes && !atomic_flag_test_and_set(&s3->is_tidying)) {
		tidy(s3);
		atomic_flag_clear(&s3->is_tidying);
	}
}

/* --- the store ---------------------------------------------------------------------------------------------- */

/* For a client it is our storage that is away, whoever runs it. */
static enum err as_store(struct ctx *ctx, enum err err)
{
	if (err == ERR_OK || err == ERR_MISSING || err == ERR_CONFLICT || err == ERR_SHUTDOWN) {
		return err;
	}
	struct str cause = ctx->fault.cause;
	return fail_cause(ctx, ERR_STORE, "media: %.*s", STR_ARG(cause));
}

static enum err s3_keep(void *self, struct ctx *ctx, const struct body_file *file, struct str name)
{
	struct media_s3 *s3 = self;
	struct str sha256 = str_from((const char *)file->sha256, SHA256_BYTES);
	TRY(as_store(ctx,
		s3_put(ctx, s3->media->hs->http_client, &s3->bucket, key_of(ctx->arena, name), file->fd,
			file->size_bytes, media_hash_text(ctx->arena, sha256))));
	put_at_hand(s3, ctx, file, name);
	return ERR_OK;
}

static enum err s3_open(void *self, struct ctx *ctx, struct str name, int *out_fd)
{
	struct media_s3 *s3 = self;
	*out_fd = open(path_of(s3, ctx->arena, name), O_RDONLY | O_CLOEXEC);
	if (*out_fd < 0) {
		return ERR_MISSING;
	}
	metric_add(&hits, 1);
	(void)futimens(*out_fd, NULL); /* used now */
	return ERR_OK;
}

/* All of it has arrived: is it what was put there? */
static enum err check(struct ctx *ctx, struct body_file *file, const struct media_content *content)
{
	TRY(media_file_measure(ctx, file));
	struct str sha256 = str_from((const char *)file->sha256, SHA256_BYTES);
	bool is_same = file->size_bytes == content->size_bytes &&
		(!content->is_named_by_hash || str_equals(sha256, content->name));
	return is_same
		? ERR_OK
		: fail_cause(ctx, ERR_STORE, "media: the bucket gives other content than was put there");
}

static enum err s3_fetch(void *self, struct ctx *ctx, const struct media_content *content,
	int *out_fd)
{
	struct media_s3 *s3 = self;
	struct body_file file CLEANUP(media_file_discard) = {0};
	bool is_whole = content->begin == 0 && content->end == content->size_bytes;
	metric_add(&misses, 1);
	TRY(media_file_create(ctx, s3->media, &file));
	enum err err = as_store(ctx,
		s3_get(ctx, s3->media->hs->http_client, &s3->bucket, key_of(ctx->arena, content->name),
			&(struct s3_piece){file.fd, content->begin, content->end, is_whole}));
	if (err == ERR_CONFLICT && !atomic_exchange(&s3->ignores_ranges, true)) {
		log_warn(ctx->request_id, "media.s3_ignores_ranges", "endpoint=%.*s",
			STR_ARG(s3->bucket.endpoint));
	}
	TRY(err);
	if (is_whole) {
		TRY(check(ctx, &file, content));
	}
	*out_fd = fcntl(file.fd, F_DUPFD_CLOEXEC, 0);
	if (*out_fd < 0) {
		return fail_cause(ctx, ERR_STORE, "media: %s", file_error_text(ctx->arena, errno));
	}
	if (is_whole) {
		put_at_hand(s3, ctx, &file, content->name);
	}
	return ERR_OK;
}

static bool s3_gives_parts(void *self)
{
	struct media_s3 *s3 = self;
	return !atomic_load(&s3->ignores_ranges);
}

static enum err s3_remove(void *self, struct ctx *ctx, struct str name)
{
	struct media_s3 *s3 = self;
	(void)unlink(path_of(s3, ctx->arena, name));
	return as_store(ctx,
		s3_delete(ctx, s3->media->hs->http_client, &s3->bucket, key_of(ctx->arena, name)));
}

static enum err s3_start(void *self, struct ctx *ctx)
{
	struct media_s3 *s3 = self;
	TRY(file_make_folder(ctx, s3->folder.p, 0700));
	tidy(s3);
	return ERR_OK;
}

static void s3_destroy(void *self)
{
	struct media_s3 *s3 = self;
	str_free(s3->folder);
	mem_free(s3);
}

struct media_store media_s3_create(struct media *media, const char *folder)
{
	const struct media_s3_settings *settings = &media->hs->settings.media.s3;
	struct media_s3 *s3 = mem_alloc(sizeof(*s3));
	s3->media = media;
	s3->bucket = (struct s3_bucket){.endpoint = settings->endpoint,
		.region = settings->region,
		.bucket = settings->bucket,
		.access_key = settings->access_key,
		.secret_key = settings->secret_key};
	while (str_ends_with(s3->bucket.endpoint, STR("/"))) {
		s3->bucket.endpoint.n--;
	}
	s3->folder = str_heap(str_of(folder));
	s3->max_bytes = settings->cache_bytes;
	return (struct media_store){.self = s3,
		.start = s3_start,
		.keep = s3_keep,
		.open = s3_open,
		.fetch = s3_fetch,
		.gives_parts = s3_gives_parts,
		.remove = s3_remove,
		.destroy = s3_destroy};
}
