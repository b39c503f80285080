/*
 * Decisions of the content repository. An upload's order: quota, bytes durable in the store, then its row; so a row never
 * names content that is not there. What a crash leaves between the two is content without a row: harmless, and used when
 * the same bytes come again.
 */
#include "homeserver/media/media.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "homeserver/media/media_inner.h"
#include "homeserver/media/media_type.h"
#include "homeserver/media/preview.h"
#include "homeserver/media/thumb.h"
#include "storage/preview.h"

enum {
	OPEN_WAIT_MS = 60 * 1000,
	LEFT_SECONDS = 3600, /* what arrives is written to all the time, and taken at its end */
	OWN_NAME_CHARS = 16,
	HOST_NAME_BYTES = 256,
};

/*
 * What arrives lies in a folder of this process' own, since others may have the same store: named by the path of its data folder, and by the
 * machine.
 */
static struct str incoming_folder(struct arena *arena, const char *folder)
{
	char host[HOST_NAME_BYTES] = "";
	unsigned char hash[SHA256_BYTES];
	(void)gethostname(host, sizeof(host) - 1);
	crypto_sha256(str_printf(arena, "%s %s", host, folder), hash);
	struct str name = media_hash_text(arena, str_from((const char *)hash, sizeof(hash)));
	return str_printf(arena, "%s/incoming/%.*s", folder, OWN_NAME_CHARS, name.p);
}

/* Removes files that were not written to since a time. @return how many */
static size_t sweep_folder(DIR *entries, time_t before)
{
	size_t removed = 0;
	for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
		struct stat status;
		if (fstatat(dirfd(entries), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISREG(status.st_mode) && status.st_mtime < before &&
			unlinkat(dirfd(entries), entry->d_name, 0) == 0) {
			removed++;
		}
	}
	return removed;
}

static void sweep(const char *folder, time_t before)
{
	DIR *entries = opendir(folder);
	if (entries == NULL) {
		return;
	}
	size_t removed = sweep_folder(entries, before);
	(void)closedir(entries);
	if (removed > 0) {
		log_info(0, "media.unfinished_removed", "files=%zu", removed);
	}
}

/* What processes left that are no more: nobody writes to it. */
static void sweep_others(struct arena *arena, const struct media *media)
{
	time_t before = (time_t)(clock_wall_ms(&media->hs->clock) / 1000) - LEFT_SECONDS;
	struct str all = str_slice(media->incoming, 0, str_find_last_byte(media->incoming, '/'));
	DIR *entries = opendir(str_cstr(arena, all));
	if (entries == NULL) {
		return;
	}
	for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
		if (entry->d_name[0] != '.') {
			sweep(arena_printf(arena, "%.*s/%s", STR_ARG(all), entry->d_name), before);
		}
	}
	(void)closedir(entries);
}

enum err media_make_incoming(struct ctx *ctx, const struct media *media)
{
	struct str all = str_slice(media->incoming, 0, str_find_last_byte(media->incoming, '/'));
	TRY(file_make_folder(ctx, str_cstr(ctx->arena, all), 0700));
	return file_make_folder(ctx, media->incoming.p, 0700);
}

struct media *media_create(struct homeserver *hs, const char *folder, const char *helper)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct media *media = mem_alloc(sizeof(*media));
	media->hs = hs;
	media->store = str_is_empty(hs->settings.media.s3.endpoint)
		? media_disk_create(folder)
		: media_s3_create(media, arena_printf(arena, "%s/cache", folder));
	media->thumbs = thumbs_create(helper);
	media->previews = previews_create();
	media->incoming = str_heap(incoming_folder(arena, folder));
	lock_init(&media->lock, RANK_LEAF);
	media_turns_init(&media->fetches, MEDIA_FETCHES_MAX, MEDIA_FETCHES_A_USERS, STR("fetch"));
	/* As many as there are workers. */
	media_turns_init(&media->openings, SIZE_MAX, SIZE_MAX, STR("open"));
	return media;
}

enum err media_start(struct ctx *ctx, struct media *media)
{
	TRY(media_make_incoming(ctx, media));
	sweep(media->incoming.p, INT64_MAX); /* what a crash cut off: nobody else has this folder */
	sweep_others(ctx->arena, media);
	if (media->store.start != NULL) {
		TRY(media->store.start(media->store.self, ctx));
	}
	thumbs_check(media->thumbs);
	return ERR_OK;
}

void media_destroy(struct media *media)
{
	if (media == NULL) {
		return;
	}
	invariant(media->waits == NULL);
	media->store.destroy(media->store.self);
	thumbs_destroy(media->thumbs);
	previews_destroy(media->previews);
	str_free(media->incoming);
	media_turns_fini(&media->fetches);
	media_turns_fini(&media->openings);
	lock_fini(&media->lock);
	mem_free(media);
}

void media_add_icon(struct media *media, struct str uri)
{
	if (media->icon_count < MEDIA_ICONS_MAX) {
		media->icons[media->icon_count++] = uri;
	}
}

void media_set_ports(struct media *media, const struct media_ports *ports)
{
	media->ports = ports;
}

const char *media_incoming_folder(const struct media *media)
{
	return media->incoming.p;
}

/* --- uploads --------------------------------------------------------------------------------------------- */

static enum err check_quota(struct ctx *ctx, struct homeserver *hs,
	const struct media_upload *upload)
{
	const struct media_settings *settings = &hs->settings.media;
	int64_t files = 0;
	int64_t bytes = 0;
	if (upload->user_id.p == NULL) {
		return ERR_OK;
	}
	TRY(store_media_usage(ctx, hs->db, upload->user_id, &files, &bytes));
	if (files >= settings->files_per_user) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "You have uploaded as many files as you may");
	}
	if (bytes > settings->quota_per_user_bytes - upload->file->size_bytes) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN,
			"Your files would take more room than each user has");
	}
	return ERR_OK;
}

/* Name and type as they are kept. */
static enum err read_labels(struct ctx *ctx, const struct media_upload *upload,
	struct media_row *row)
{
	if (upload->file_name.n > MEDIA_NAME_MAX_BYTES) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The file name has more than %d bytes",
			MEDIA_NAME_MAX_BYTES);
	}
	if (str_find_byte(upload->file_name, '\0') != SIZE_MAX) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The file name has a NUL");
	}
	row->file_name = upload->file_name.n > 0 ? upload->file_name : (struct str){0};
	row->content_type =
		upload->content_type.n > 0 ? media_type_clean(upload->content_type) : (struct str){0};
	return ERR_OK;
}

/* Everything of an upload but its row in the database. */
static enum err keep(struct ctx *ctx, struct homeserver *hs, const struct media_upload *upload,
	struct media_row *out)
{
	*out = (struct media_row){
		.user_id = upload->user_id,
		.size_bytes = upload->file->size_bytes,
		.sha256 = str_from((const char *)upload->file->sha256, SHA256_BYTES),
		.created_ms = clock_wall_ms(&hs->clock),
		.is_open = media_is_all_open(hs),
	};
	TRY(read_labels(ctx, upload, out));
	TRY(check_quota(ctx, hs, upload));
	return hs->media->store.keep(hs->media->store.self, ctx, upload->file, out->sha256);
}

/* Its content may have been removed as garbage just before its row was there: then it is kept once more. */
static enum err insert(struct ctx *ctx, struct homeserver *hs, struct str origin,
	struct str media_id, const struct body_file *file, const struct media_row *row)
{
	bool was_removed;
	TRY(store_media_insert(ctx, hs->db, origin, media_id, row, &was_removed));
	return was_removed ? hs->media->store.keep(hs->media->store.self, ctx, file, row->sha256)
					   : ERR_OK;
}

enum err media_upload(struct ctx *ctx, struct homeserver *hs, const struct media_upload *upload,
	struct str *out_media_id)
{
	struct media_row row;
	TRY(keep(ctx, hs, upload, &row));
	*out_media_id = rng_text(&hs->rng, ctx->arena, MEDIA_ID_LENGTH);
	return insert(ctx, hs, hs->signer.server.s, *out_media_id, upload->file, &row);
}

enum err media_reserve(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str *out_media_id, int64_t *out_expires_ms)
{
	const struct media_settings *settings = &hs->settings.media;
	int64_t now_ms = clock_wall_ms(&hs->clock);
	const struct media_row row = {
		.user_id = user_id,
		.created_ms = now_ms,
		.expires_ms = now_ms + settings->pending_lifetime_ms,
		.is_open = media_is_all_open(hs),
	};
	*out_media_id = rng_text(&hs->rng, ctx->arena, MEDIA_ID_LENGTH);
	*out_expires_ms = row.expires_ms;
	enum err err = store_media_reserve(ctx, hs->db, hs->signer.server.s, *out_media_id, &row,
		settings->pending_per_user);
	if (err == ERR_LIMIT) {
		(void)fail(ctx, err, M_LIMIT_EXCEEDED,
			"Upload the files that you announced before you announce more");
	}
	return err;
}

/* Whether the id may be filled, as far as can be told before its bytes are kept. */
static enum err check_reserved(struct ctx *ctx, struct homeserver *hs, struct server_name origin,
	struct str media_id, struct str user_id)
{
	struct media_row row;
	enum err err = store_media_find(ctx, hs->db, origin.s, media_id, &row);
	bool is_ours = server_name_equals(origin, hs->signer.server);
	if (err == ERR_MISSING || (err == ERR_OK && !is_ours)) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such media id");
	}
	TRY(err);
	if (row.user_id.p == NULL || !str_equals(row.user_id, user_id)) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "This media id belongs to somebody else");
	}
	if (row.sha256.p != NULL) {
		return fail(ctx, ERR_CONFLICT, M_CANNOT_OVERWRITE_MEDIA,
			"This media id has its content already");
	}
	if (row.expires_ms <= clock_wall_ms(&hs->clock)) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "This media id has expired");
	}
	return ERR_OK;
}

enum err media_fill(struct ctx *ctx, struct homeserver *hs, struct server_name origin,
	struct str media_id, const struct media_upload *upload)
{
	struct media_row row;
	TRY(check_reserved(ctx, hs, origin, media_id, upload->user_id));
	TRY(keep(ctx, hs, upload, &row));
	bool was_removed;
	enum err err = store_media_fill(ctx, hs->db, origin.s, media_id, &row,
		clock_wall_ms(&hs->clock), &was_removed);
	if (err == ERR_MISSING) {
		/* Another upload was faster, or the time ran out meanwhile. */
		TRY(check_reserved(ctx, hs, origin, media_id, upload->user_id));
		return fail(ctx, ERR_CONFLICT, M_CANNOT_OVERWRITE_MEDIA, "This media id is being filled");
	}
	TRY(err);
	if (was_removed) {
		TRY(hs->media->store.keep(hs->media->store.self, ctx, upload->file, row.sha256));
	}
	media_wake_for_upload(ctx, hs, origin, media_id);
	return ERR_OK;
}

/* --- downloads ------------------------------------------------------------------------------------------- */

static enum err refuse_missing(struct ctx *ctx)
{
	return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such file");
}

bool media_is_all_open(const struct homeserver *hs)
{
	return hs->settings.media.unauthenticated == MEDIA_UNAUTHENTICATED_ALL;
}

static bool may_give_open(const struct homeserver *hs)
{
	return hs->settings.media.unauthenticated != MEDIA_UNAUTHENTICATED_OFF;
}

static bool is_icon(struct arena *arena, const struct media *media, const struct media_query *query)
{
	struct str uri =
		str_printf(arena, "mxc://%.*s/%.*s", STR_ARG(query->origin.s), STR_ARG(query->media_id));
	for (size_t i = 0; i < media->icon_count; i++) {
		if (str_equals(media->icons[i], uri)) {
			return true;
		}
	}
	return false;
}

/* To somebody without a token. */
static bool is_given_to_all(struct arena *arena, const struct homeserver *hs,
	const struct media_query *query, const struct media_row *row)
{
	if (row->is_remote && !row->is_open) {
		return media_is_all_open(hs);
	}
	return may_give_open(hs) && (row->is_open || is_icon(arena, hs->media, query));
}

enum err media_find(struct ctx *ctx, struct homeserver *hs, const struct media_query *query,
	struct media_row *out)
{
	enum err err = store_media_find(ctx, hs->db, query->origin.s, query->media_id, out);
	if (err == ERR_MISSING) {
		return refuse_missing(ctx);
	}
	TRY(err);
	bool is_closed = query->is_open && !is_given_to_all(ctx->arena, hs, query, out);
	bool is_expired = out->sha256.p == NULL && out->expires_ms <= clock_wall_ms(&hs->clock);
	return out->is_quarantined || is_closed || is_expired ? refuse_missing(ctx) : ERR_OK;
}

static struct media_content content_of(const struct media_row *row)
{
	return (struct media_content){.name = row->sha256,
		.size_bytes = row->size_bytes,
		.is_named_by_hash = !row->is_remote,
		.end = row->size_bytes};
}

/* Here, else from afar. */
static enum err open_content(struct ctx *ctx, const struct media_store *store,
	const struct media_content *content, int *out_fd)
{
	enum err err = store->open(store->self, ctx, content->name, out_fd);
	if (err == ERR_MISSING && store->fetch != NULL) {
		err = store->fetch(store->self, ctx, content, out_fd);
	}
	if (err == ERR_MISSING) {
		log_error(ctx->request_id, "media.content_lost", "sha256=%.*s",
			STR_ARG(media_hash_text(ctx->arena, content->name)));
		return refuse_missing(ctx);
	}
	return err;
}

enum err media_open(struct ctx *ctx, struct homeserver *hs, const struct media_row *row,
	int *out_fd)
{
	const struct media_content content = content_of(row);
	return open_content(ctx, &hs->media->store, &content, out_fd);
}

enum err media_open_await(struct call *call, const struct media_row *row,
	const struct reply_part *part, int *out_fd, bool *out_is_parked)
{
	struct ctx *ctx = &call->ctx;
	struct media *media = hs_of(call)->media;
	struct media_content content = content_of(row);
	struct media_turn turn = {.key = media_hash_text(ctx->arena, content.name)};
	content.begin = part->begin;
	content.end = part->end;
	*out_is_parked = false;
	enum err err = media->store.open(media->store.self, ctx, content.name, out_fd);
	if (err != ERR_MISSING) {
		return err;
	}
	if (media->store.fetch != NULL && content.begin == content.end) {
		*out_fd = -1;
		return ERR_OK;
	}
	bool is_part = content.begin > 0 || content.end < content.size_bytes;
	if (is_part && media->store.fetch != NULL && media->store.gives_parts(media->store.self)) {
		err = open_content(ctx, &media->store, &content, out_fd); /* is not kept for others */
		if (err != ERR_CONFLICT) {
			return err;
		}
	}
	content = content_of(row);
	TRY(media_turn_await(call, &media->openings, &turn, OPEN_WAIT_MS, out_is_parked));
	if (*out_is_parked) {
		return ERR_OK;
	}
	err = open_content(ctx, &media->store, &content, out_fd); /* it may have come just now */
	media_turn_end(media, &media->openings, &turn);
	return err;
}

enum err media_tidy(struct ctx *ctx, struct homeserver *hs)
{
	int64_t now_ms = clock_wall_ms(&hs->clock);
	sweep_others(ctx->arena, hs->media);
	TRY(store_preview_delete_expired(ctx, hs->db, now_ms));
	TRY(media_remote_tidy(ctx, hs));
	return store_media_delete_expired(ctx, hs->db, now_ms);
}
