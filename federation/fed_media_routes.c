/*
 * A file goes out as the second part of a multipart body, read as it is sent. Only files of this server: nobody can make it
 * fetch from a third.
 */
#include "federation/fed_media_routes.h"

#include "homeserver/media/media.h"
#include "homeserver/media/media_type.h"
#include "homeserver/media/thumb.h"

enum { BOUNDARY_CHARS = 40 };

static enum err read_query(struct call *call, struct media_query *out)
{
	const struct homeserver *hs = hs_of(call);
	*out =
		(struct media_query){.origin = hs->signer.server, .media_id = call_path(call, "mediaId")};
	if (!media_id_is_valid(out->media_id)) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "This is no media id");
	}
	return media_read_timeout(call, &out->timeout_ms);
}

static enum err send_parts(struct call *call, const struct media_row *row, struct str file_name)
{
	int fd;
	bool is_parked;
	struct homeserver *hs = hs_of(call);
	struct arena *arena = call->ctx.arena;
	const struct reply_part all = {.end = row->size_bytes};
	TRY(media_open_await(call, row, &all, &fd, &is_parked));
	if (is_parked) {
		return ERR_OK;
	}
	struct str type = row->content_type.p != NULL ? row->content_type : STR(MEDIA_TYPE_UNKNOWN);
	/* Nobody can guess it, so no file can have it inside. */
	struct str boundary = rng_text(&hs->rng, arena, BOUNDARY_CHARS);
	struct str disposition = media_disposition(arena, media_type_is_inline(type), file_name);
	return reply_file(call,
		&(struct reply_file){
			.fd = fd,
			.size_bytes = row->size_bytes,
			.content_type =
				arena_printf(arena, "multipart/mixed; boundary=%.*s", STR_ARG(boundary)),
			.before = str_printf(arena,
				"--%.*s\r\nContent-Type: application/json\r\n\r\n{}\r\n"
				"--%.*s\r\nContent-Type: %.*s\r\nContent-Disposition: %.*s\r\n\r\n",
				STR_ARG(boundary), STR_ARG(boundary), STR_ARG(type), STR_ARG(disposition)),
			.after = str_printf(arena, "\r\n--%.*s--\r\n", STR_ARG(boundary)),
		});
}

static enum err get_download(struct call *call)
{
	struct media_query query;
	struct media_row row;
	bool is_parked;
	TRY(read_query(call, &query));
	TRY(media_await(call, &query, &row, &is_parked));
	return is_parked ? ERR_OK : send_parts(call, &row, row.file_name);
}

static enum err get_thumbnail(struct call *call)
{
	struct media_query query;
	struct media_row row;
	bool is_parked;
	TRY(read_query(call, &query));
	TRY(thumb_await(call, &query, &row, &is_parked));
	return is_parked ? ERR_OK : send_parts(call, &row, row.file_name);
}

#define MEDIA "/_matrix/federation/v1/media"

const struct route fed_media_routes[] = {
	{"getContent", "GET", MEDIA "/download/{mediaId}", AUTH_SERVER, LANE_REMOTE, RATE_SERVER, 0,
		get_download},
	{"getContentThumbnail", "GET", MEDIA "/thumbnail/{mediaId}", AUTH_SERVER, LANE_REMOTE,
		RATE_SERVER_HEAVY, 0, get_thumbnail},
};
const size_t fed_media_route_count = COUNT_OF(fed_media_routes);
