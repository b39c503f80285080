/*
 * Who makes which thumbnail: each once, as many at a time as there are processors, the rest waits without a thread. What
 * cannot be made is remembered too, so that a hostile file costs its time once.
 */
#include "homeserver/media/thumb.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/thumbnail_status.h"
#include "homeserver/media/media_inner.h"
#include "homeserver/media/media_turn.h"
#include "homeserver/media/media_type.h"
#include "homeserver/media/thumb_run.h"

enum {
	WAIT_MS = 40000,
	MAX_HELPERS = 8,
	ORDINARY_SIDE = 1600,
	SMALL_BYTES = 1 << 20,
};

static struct metric made_counter =
	METRIC_COUNTER("belfry_media_thumbnails_made_total", "Thumbnails made");
static struct metric failed_counter = METRIC_COUNTER("belfry_media_thumbnails_failed_total",
	"Images of which no thumbnail could be made");

struct thumbs {
	struct str helper;
	struct media_turns turns;
};

struct thumbs *thumbs_create(const char *helper)
{
	struct thumbs *thumbs = mem_alloc(sizeof(*thumbs));
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	thumbs->helper = str_heap(str_of(helper));
	media_turns_init(&thumbs->turns, (size_t)MIN_OF(MAX_OF(processors, 1L), (long)MAX_HELPERS),
		SIZE_MAX, STR("thumbnails"));
	return thumbs;
}

void thumbs_destroy(struct thumbs *thumbs)
{
	if (thumbs == NULL) {
		return;
	}
	media_turns_fini(&thumbs->turns);
	str_free(thumbs->helper);
	mem_free(thumbs);
}

void thumbs_check(const struct thumbs *thumbs)
{
	if (access(thumbs->helper.p, X_OK) != 0) {
		log_warn(0, "media.no_thumbnails", "missing=%s", thumbs->helper.p);
	}
}

/* --- making -------------------------------------------------------------------------------------------------- */

static struct str sniff(int fd, char *bytes)
{
	ssize_t n = pread(fd, bytes, MEDIA_SNIFF_BYTES, 0);
	return n > 0 ? media_type_sniff(str_from(bytes, (size_t)n)) : (struct str){0};
}

/*
 * Of few bytes, such as those of a page in black and white, a large thumbnail can be hundreds of times as many, and nobody's quota counts it.
 * Who asks for more than an ordinary screen shows is better off with the file then.
 */
static bool is_out_of_proportion(const struct media_row *source, const struct thumb_wish *wish,
	const struct body_file *result)
{
	return MAX_OF(wish->size.width, wish->size.height) > ORDINARY_SIDE &&
		result->size_bytes > MAX_OF(source->size_bytes * 4, (int64_t)SMALL_BYTES);
}

/* Takes the helper's result into the store. */
static enum err keep(struct ctx *ctx, struct media *media, const struct media_row *source,
	const struct thumb_wish *wish, struct body_file *result, struct thumbnail_row *out)
{
	char bytes[MEDIA_SNIFF_BYTES];
	TRY(media_file_measure(ctx, result));
	if (is_out_of_proportion(source, wish, result)) {
		out->is_too_large = true;
		return ERR_OK;
	}
	struct str type = sniff(result->fd, bytes);
	if (type.p == NULL) {
		return fail_cause(ctx, ERR_INTERNAL, "a thumbnail is no image");
	}
	struct str name = str_dup(ctx->arena, str_from((const char *)result->sha256, SHA256_BYTES));
	if (source->is_remote) {
		name = media_own_name(ctx->arena, name, source->sha256); /* goes with the copy */
	}
	TRY(media->store.keep(media->store.self, ctx, result, name));
	*out = (struct thumbnail_row){.content_type = type,
		.size_bytes = result->size_bytes,
		.sha256 = name};
	return ERR_OK;
}

/* One that cannot be made to move, or not within the limits, may yet have a first frame. */
static enum err run_helper(struct ctx *ctx, struct thumb_run *run, enum thumbnail_status *out)
{
	TRY(thumb_run(ctx, run, out));
	if (run->is_animated && *out == THUMBNAIL_IMPOSSIBLE) {
		run->is_animated = false;
		return thumb_run(ctx, run, out);
	}
	return ERR_OK;
}

static enum err make(struct ctx *ctx, struct homeserver *hs, const struct media_row *source,
	const struct thumb_wish *wish, struct body_file *result, struct thumbnail_row *out)
{
	struct media *media = hs->media;
	char bytes[MEDIA_SNIFF_BYTES];
	int fd CLEANUP(file_cleanup) = -1;
	TRY(media_open(ctx, hs, source, &fd));
	struct str type = sniff(fd, bytes);
	*out = (struct thumbnail_row){0};
	if (type.p == NULL) {
		return ERR_OK;
	}
	TRY(media_file_create(ctx, media, result));
	enum thumbnail_status status = THUMBNAIL_BAD_CALL;
	TRY(run_helper(ctx,
		&(struct thumb_run){.helper = media->thumbs->helper.p,
			.type = type.p,
			.size = wish->size,
			.is_animated = wish->is_animated,
			.source_fd = fd,
			.result_fd = result->fd},
		&status));
	metric_add(status == THUMBNAIL_IMPOSSIBLE ? &failed_counter : &made_counter, 1);
	switch (status) {
	case THUMBNAIL_MADE:
		return keep(ctx, media, source, wish, result, out);
	case THUMBNAIL_IS_ORIGINAL:
		*out = (struct thumbnail_row){.content_type = type,
			.size_bytes = source->size_bytes,
			.sha256 = source->sha256};
		return ERR_OK;
	case THUMBNAIL_TOO_LARGE:
		out->is_too_large = true;
		return ERR_OK;
	case THUMBNAIL_IMPOSSIBLE:
	case THUMBNAIL_BAD_CALL:
		return ERR_OK;
	}
	return ERR_OK;
}

static enum err judge(struct ctx *ctx, const struct media_row *source,
	const struct thumbnail_row *row)
{
	if (row->is_too_large) {
		return fail_status(ctx, ERR_LIMIT, source->is_remote ? 502 : 413, M_TOO_LARGE,
			"The image is too large for a thumbnail");
	}
	return row->sha256.p != NULL
		? ERR_OK
		: fail(ctx, ERR_INPUT, M_UNKNOWN, "No thumbnail can be made of this file");
}

/* Makes it, unless somebody has done so between our look and our turn. */
static enum err find_or_make(struct ctx *ctx, struct homeserver *hs, const struct media_row *source,
	const struct thumb_wish *wish, struct str variant, struct thumbnail_row *out)
{
	struct body_file result CLEANUP(media_file_discard) = {0};
	enum err err = store_thumbnail_find(ctx, hs->db, source->sha256, variant, out);
	if (err != ERR_MISSING) {
		return err;
	}
	bool was_removed;
	TRY(make(ctx, hs, source, wish, &result, out));
	TRY(store_thumbnail_insert(ctx, hs->db, source->sha256, variant, out, clock_wall_ms(&hs->clock),
		&was_removed));
	bool is_own = was_removed && result.path != NULL;
	return is_own ? hs->media->store.keep(hs->media->store.self, ctx, &result, out->sha256)
				  : ERR_OK;
}

/* From the database, else made now, in turn. */
static enum err await(struct call *call, const struct media_row *source,
	const struct thumb_wish *wish, struct thumbnail_row *out, bool *out_is_parked)
{
	struct ctx *ctx = &call->ctx;
	struct homeserver *hs = hs_of(call);
	struct media_turns *turns = &hs->media->thumbs->turns;
	struct str variant = str_printf(ctx->arena, "%dx%d-%s%s", wish->size.width, wish->size.height,
		wish->size.is_crop ? "crop" : "scale", wish->is_animated ? "-animated" : "");
	struct str hash = media_hash_text(ctx->arena, source->sha256);
	struct media_turn turn = {
		.key = str_printf(ctx->arena, "%.*s %.*s", STR_ARG(hash), STR_ARG(variant))};
	*out_is_parked = false;
	enum err err = store_thumbnail_find(ctx, hs->db, source->sha256, variant, out);
	if (err == ERR_MISSING) {
		TRY(media_turn_await(call, turns, &turn, WAIT_MS, out_is_parked));
		if (*out_is_parked) {
			return ERR_OK;
		}
		err = find_or_make(ctx, hs, source, wish, variant, out);
		media_turn_end(hs->media, turns, &turn);
	}
	return err;
}

enum err thumb_await(struct call *call, const struct media_query *query, struct media_row *out,
	bool *out_is_parked)
{
	struct thumb_wish wish;
	struct media_row source;
	struct thumbnail_row thumbnail;
	TRY(thumb_read_wish(call, &wish));
	TRY(media_await(call, query, &source, out_is_parked));
	if (*out_is_parked) {
		return ERR_OK;
	}
	TRY(await(call, &source, &wish, &thumbnail, out_is_parked));
	if (*out_is_parked) {
		return ERR_OK;
	}
	TRY(judge(&call->ctx, &source, &thumbnail));
	*out = (struct media_row){.content_type = thumbnail.content_type,
		.file_name = thumb_file_name(call->ctx.arena, thumbnail.content_type),
		.size_bytes = thumbnail.size_bytes,
		.sha256 = thumbnail.sha256,
		.is_remote = source.is_remote};
	return ERR_OK;
}
