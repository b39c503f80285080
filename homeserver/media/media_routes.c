/*
 * Endpoints of the content repository. Each download has two routes: with authentication, and the older one without, which
 * gives only what came while that was allowed. All run on the remote lane: the store may be far away.
 */
#include "homeserver/media/media_routes.h"

#include <unistd.h>

#include "homeserver/media/media.h"
#include "homeserver/media/media_store.h"
#include "homeserver/media/media_type.h"
#include "homeserver/media/preview.h"
#include "homeserver/media/thumb.h"

/* --- uploads --------------------------------------------------------------------------------------------- */

static struct media_upload read_upload(struct call *call)
{
	return (struct media_upload){
		.user_id = principal_of(call)->user.s,
		.content_type = call_header(call, "Content-Type"),
		.file_name = call_query(call, "filename"),
		.file = call_body_file(call),
	};
}

static enum err refuse_suspended(struct call *call)
{
	return principal_of(call)->is_suspended
		? fail(&call->ctx, ERR_DENIED, M_USER_SUSPENDED, "Your account is suspended")
		: ERR_OK;
}

static void write_uri(struct call *call, struct json_out *out, struct str media_id)
{
	const struct homeserver *hs = hs_of(call);
	json_out_key_str(out, "content_uri",
		str_printf(call->ctx.arena, "mxc://%.*s/%.*s", STR_ARG(hs->signer.server.s),
			STR_ARG(media_id)));
}

static enum err post_upload(struct call *call)
{
	struct str media_id;
	const struct media_upload upload = read_upload(call);
	TRY(refuse_suspended(call));
	TRY(media_upload(&call->ctx, hs_of(call), &upload, &media_id));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	write_uri(call, out, media_id);
	json_out_end(out);
	return ERR_OK;
}

static enum err post_create(struct call *call)
{
	struct str media_id;
	int64_t expires_ms;
	const struct json *body; /* has no fields */
	TRY(call_json_optional(call, &body));
	TRY(refuse_suspended(call));
	TRY(media_reserve(&call->ctx, hs_of(call), principal_of(call)->user.s, &media_id, &expires_ms));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	write_uri(call, out, media_id);
	json_out_key_int(out, "unused_expires_at", expires_ms);
	json_out_end(out);
	return ERR_OK;
}

enum err media_read_id(struct call *call, struct server_name *out_origin, struct str *out_media_id)
{
	*out_media_id = call_path(call, "mediaId");
	if (!server_name_parse(call_path(call, "serverName"), out_origin) ||
		!media_id_is_valid(*out_media_id)) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM,
			"This is no server name and media id of an mxc:// URI");
	}
	return ERR_OK;
}

static enum err put_upload(struct call *call)
{
	struct server_name origin;
	struct str media_id;
	const struct media_upload upload = read_upload(call);
	TRY(media_read_id(call, &origin, &media_id));
	TRY(refuse_suspended(call));
	TRY(media_fill(&call->ctx, hs_of(call), origin, media_id, &upload));
	return reply_empty(call);
}

/* --- downloads ------------------------------------------------------------------------------------------- */

static enum err read_query(struct call *call, struct media_query *out)
{
	*out = (struct media_query){.is_open = call->route->auth == AUTH_NONE, .may_fetch = true};
	TRY(media_read_id(call, &out->origin, &out->media_id));
	if (out->is_open) {
		/* Another server that asks so does not want to be asked in turn. */
		TRY(call_query_bool(call, "allow_remote", true, &out->may_fetch));
		out->may_fetch = out->may_fetch && media_is_all_open(hs_of(call));
	}
	return media_read_timeout(call, &out->timeout_ms);
}

/*
 * What every answer with foreign bytes has, so that they cannot act in the name of this server.
 * Spec: client-server API, "Content repository"
 */
static void add_safety(struct call *call, bool is_open)
{
	reply_header(call, "Content-Security-Policy",
		STR("sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; "
			"style-src 'unsafe-inline'; object-src 'self';"));
	reply_header(call, "X-Content-Type-Options", STR("nosniff"));
	reply_header(call, "Cross-Origin-Resource-Policy", STR("cross-origin"));
	reply_header(call, "Referrer-Policy", STR("no-referrer"));
	/* What stands under a URI never changes. */
	reply_header(call, "Cache-Control",
		is_open ? STR("public, max-age=31536000, immutable")
				: STR("private, max-age=31536000, immutable"));
}

static enum err send_file(struct call *call, const struct media_row *row, struct str file_name,
	bool is_open)
{
	int fd;
	bool is_parked;
	struct arena *arena = call->ctx.arena;
	struct str etag = str_printf(arena, "\"%.*s\"", STR_ARG(media_hash_text(arena, row->sha256)));
	const struct reply_part part = call_wanted_part(call, etag, row->size_bytes);
	TRY(media_open_await(call, row, &part, &fd, &is_parked));
	if (is_parked) {
		return ERR_OK;
	}
	struct str type = row->content_type.p != NULL ? row->content_type : STR(MEDIA_TYPE_UNKNOWN);
	TRY(reply_file(call,
		&(struct reply_file){
			.fd = fd,
			.size_bytes = row->size_bytes,
			.content_type = str_cstr(arena, type),
			.etag = etag,
		}));
	add_safety(call, is_open);
	reply_header(call, "Content-Disposition",
		media_disposition(arena, media_type_is_inline(type), file_name));
	return ERR_OK;
}

static enum err send_named(struct call *call, struct str file_name)
{
	struct media_query query;
	struct media_row row;
	bool is_parked;
	TRY(read_query(call, &query));
	TRY(media_await(call, &query, &row, &is_parked));
	if (is_parked) {
		return ERR_OK;
	}
	return send_file(call, &row, file_name.p != NULL ? file_name : row.file_name, query.is_open);
}

static enum err get_download(struct call *call)
{
	return send_named(call, (struct str){0});
}

static enum err get_download_named(struct call *call)
{
	struct str name = call_path(call, "fileName");
	if (name.n > MEDIA_NAME_MAX_BYTES) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "The file name is too long");
	}
	return send_named(call, name);
}

/* --- thumbnails ------------------------------------------------------------------------------------------ */

static enum err get_thumbnail(struct call *call)
{
	struct media_query query;
	struct media_row row;
	bool is_parked;
	TRY(read_query(call, &query));
	TRY(thumb_await(call, &query, &row, &is_parked));
	return is_parked ? ERR_OK : send_file(call, &row, row.file_name, query.is_open);
}

static enum err get_config(struct call *call)
{
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_int(out, "m.upload.size", hs_of(call)->settings.media.max_upload_bytes);
	json_out_end(out);
	return ERR_OK;
}

static enum err get_preview(struct call *call)
{
	struct str answer;
	int64_t at_ms; /* the newest is always at hand, so it is not used */
	bool is_parked;
	struct str url = call_query(call, "url");
	if (!hs_of(call)->settings.media.previews_enabled) {
		return fail(&call->ctx, ERR_MISSING, M_UNRECOGNIZED, "This server makes no URL previews");
	}
	if (url.p == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'url' is missing");
	}
	TRY(call_query_int(call, "ts", 0, INT64_MAX, 0, &at_ms));
	TRY(preview_await(call, url, &answer, &is_parked));
	if (!is_parked) {
		json_out_raw(reply_json(call, 200), answer);
	}
	return ERR_OK;
}

#define AUTHED "/_matrix/client/v1/media"
#define OPEN "/_matrix/media/(r0|v1|v3)"
#define UPLOAD "/_matrix/media/(r0|v3)/upload"

const struct route media_routes[] = {
	{"uploadContent", "POST", UPLOAD, AUTH_USER_ACTS, LANE_REMOTE, RATE_WRITE, BODY_STREAMED,
		post_upload},
	{"createContent", "POST", "/_matrix/media/v1/create", AUTH_USER_ACTS, LANE_LOCAL, RATE_WRITE, 0,
		post_create},
	{"uploadContentToMXC", "PUT", "/_matrix/media/v3/upload/{serverName}/{mediaId}", AUTH_USER_ACTS,
		LANE_REMOTE, RATE_WRITE, BODY_STREAMED, put_upload},
	{"getContentAuthed", "GET", AUTHED "/download/{serverName}/{mediaId}", AUTH_GUEST, LANE_REMOTE,
		RATE_READ, 0, get_download},
	{"getContentOverrideNameAuthed", "GET", AUTHED "/download/{serverName}/{mediaId}/{fileName}",
		AUTH_GUEST, LANE_REMOTE, RATE_READ, 0, get_download_named},
	{"getContentThumbnailAuthed", "GET", AUTHED "/thumbnail/{serverName}/{mediaId}", AUTH_GUEST,
		LANE_REMOTE, RATE_READ, 0, get_thumbnail},
	{"getContentThumbnail", "GET", OPEN "/thumbnail/{serverName}/{mediaId}", AUTH_NONE, LANE_REMOTE,
		RATE_READ, 0, get_thumbnail},
	{"getUrlPreviewAuthed", "GET", AUTHED "/preview_url", AUTH_USER, LANE_REMOTE, RATE_READ, 0,
		get_preview},
	{"getUrlPreview", "GET", OPEN "/preview_url", AUTH_USER, LANE_REMOTE, RATE_READ, 0,
		get_preview},
	{"getConfigAuthed", "GET", AUTHED "/config", AUTH_USER, LANE_INLINE, RATE_READ, 0, get_config},
	{"getContent", "GET", OPEN "/download/{serverName}/{mediaId}", AUTH_NONE, LANE_REMOTE,
		RATE_READ, 0, get_download},
	{"getContentOverrideName", "GET", OPEN "/download/{serverName}/{mediaId}/{fileName}", AUTH_NONE,
		LANE_REMOTE, RATE_READ, 0, get_download_named},
	{"getConfig", "GET", OPEN "/config", AUTH_USER, LANE_INLINE, RATE_READ, 0, get_config},
};
const size_t media_route_count = COUNT_OF(media_routes);
