/*
 * It goes into a file as it arrives, and is looked at only then.
 */
#include "homeserver/media/preview_image.h"

#include <errno.h>
#include <unistd.h>

#include "homeserver/media/media_dimensions.h"
#include "homeserver/media/media_inner.h"
#include "homeserver/media/media_type.h"
#include "http/client.h"

enum { IMAGE_MS = 10000, REDIRECTS = 5, HEADER_BYTES = 65536, ERROR_BYTES = 65536 };

struct arriving {
	int fd;
	int64_t room_bytes;
};

static enum err write_piece(void *data, struct str piece)
{
	struct arriving *arriving = data;
	arriving->room_bytes -= (int64_t)piece.n;
	if (arriving->room_bytes < 0) {
		return ERR_LIMIT;
	}
	while (piece.n > 0) {
		ssize_t n = write(arriving->fd, piece.p, piece.n);
		if (n < 0 && errno != EINTR) {
			return ERR_STORE;
		}
		piece = str_slice(piece, n > 0 ? (size_t)n : 0, piece.n);
	}
	return ERR_OK;
}

static enum err fetch(struct ctx *ctx, struct homeserver *hs, struct str url,
	struct body_file *file)
{
	struct fetched answer;
	const struct fetch_header accept = {STR("Accept"),
		STR("image/jpeg,image/png,image/gif,image/webp")};
	TRY(media_file_create(ctx, hs->media, file));
	struct arriving arriving = {.fd = file->fd,
		.room_bytes = hs->settings.media.preview_image_bytes};
	TRY(http_client_fetch(ctx, hs->http_client,
		&(struct fetch){.method = "GET",
			.url = url,
			.headers = &accept,
			.header_count = 1,
			.answer_ceiling_bytes = ERROR_BYTES,
			.timeout_ms = IMAGE_MS,
			.redirects_allowed = REDIRECTS,
			.sink = write_piece,
			.sink_data = &arriving},
		&answer));
	if (answer.status < 200 || answer.status > 299) {
		return fail_cause(ctx, ERR_REMOTE, "preview: image has status %d", answer.status);
	}
	return media_file_measure(ctx, file);
}

static enum err keep(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct body_file *file, struct preview_image *out)
{
	char *bytes = arena_alloc(ctx->arena, HEADER_BYTES);
	ssize_t n = pread(file->fd, bytes, HEADER_BYTES, 0);
	struct str header = str_from(bytes, n > 0 ? (size_t)n : 0);
	struct str type = media_type_sniff(header);
	struct str media_id;
	if (type.p == NULL) {
		return fail_cause(ctx, ERR_REMOTE, "preview: not an image that is shown");
	}
	TRY(media_upload(ctx, hs,
		&(struct media_upload){.user_id = user_id, .content_type = type, .file = file}, &media_id));
	*out = (struct preview_image){
		.uri = str_printf(ctx->arena, "mxc://%.*s/%.*s", STR_ARG(hs->signer.server.s),
			STR_ARG(media_id)),
		.type = type,
		.size_bytes = file->size_bytes,
	};
	if (!media_dimensions(header, &out->width, &out->height)) {
		out->width = 0;
	}
	return ERR_OK;
}

void preview_image_fetch(struct ctx *ctx, struct homeserver *hs, struct str url, struct str user_id,
	struct preview_image *out)
{
	struct body_file file CLEANUP(media_file_discard) = {0};
	*out = (struct preview_image){0};
	if (fetch(ctx, hs, url, &file) == ERR_OK) {
		(void)keep(ctx, hs, user_id, &file, out);
	}
}
