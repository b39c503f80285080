/*
 * Sessions of sign-in by a QR code: parse, one call, reply. Anybody may put bytes there for a while, and whoever opens the address gets them from
 * this server: so they are plain text, which no browser may take for anything else or let act.
 */
#include "homeserver/account/oauth/rendezvous_routes.h"

#include "homeserver/account/oauth/rendezvous.h"
#include "matrix/errcode.h"

static const char text_plain[] = "text/plain";

/* --- requests ---------------------------------------------------------------------------------------------------- */

/* Both headers have to be there; the size is bounded by the route. */
static enum err read_payload(struct call *call, struct str *out)
{
	struct str type = call_header(call, "Content-Type");
	if (type.p == NULL || call_header(call, "Content-Length").p == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM,
			"Content-Type and Content-Length are missing");
	}
	if (!str_equals_nocase(type, str_of(text_plain))) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "Content-Type must be text/plain");
	}
	struct str body = call_body(call);
	*out = body.n > 0 ? body : STR("");
	return ERR_OK;
}

/* One strong ETag. @return without its quotes; p == NULL: it is something else (a weak one, a list, `*`) */
static struct str strong_tag(struct str header)
{
	if (header.n < 2 || header.p[0] != '"' || header.p[header.n - 1] != '"') {
		return (struct str){0};
	}
	struct str tag = str_slice(header, 1, header.n - 1);
	for (size_t i = 0; i < tag.n; i++) {
		if (tag.p[i] <= ' ' || tag.p[i] == '"' || tag.p[i] > '~') {
			return (struct str){0};
		}
	}
	return tag;
}

/* "In this proposal we only accept strong, single-valued ETag values; anything else constitutes a malformed request." */
static enum err read_if_match(struct call *call, struct str *out)
{
	struct str header = call_header(call, "If-Match");
	if (header.p == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "If-Match is missing");
	}
	*out = strong_tag(header);
	return out->p != NULL
		? ERR_OK
		: fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "If-Match must be one strong ETag");
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

/* Of every answer that tells of a session. Caches and compressors on the way would change the etag. */
static struct str add_headers(struct call *call, const struct rendezvous_row *row)
{
	struct str etag = str_printf(call->ctx.arena, "\"%.*s\"", STR_ARG(row->etag));
	reply_header(call, "ETag", etag);
	reply_date(call, "Expires", row->expires_ms);
	reply_last_modified(call, row->modified_ms);
	reply_header(call, "Cache-Control", STR("no-store, no-transform"));
	reply_header(call, "Pragma", STR("no-cache"));
	reply_header(call, "Access-Control-Expose-Headers", STR("ETag"));
	reply_header(call, "Content-Security-Policy",
		STR("sandbox; default-src 'none'; frame-ancestors 'none'"));
	return etag;
}

static enum err post_session(struct call *call)
{
	struct str payload;
	struct str url;
	struct rendezvous_row row;
	TRY(rendezvous_require_on(&call->ctx, hs_of(call)));
	TRY(read_payload(call, &payload));
	TRY(rendezvous_begin(&call->ctx, hs_of(call), payload, &url, &row));
	(void)add_headers(call, &row);
	struct json_out *out = reply_json(call, 201);
	json_out_object(out);
	json_out_key_str(out, "url", url);
	json_out_end(out);
	return ERR_OK;
}

static enum err get_session(struct call *call)
{
	struct rendezvous_row row;
	TRY(rendezvous_require_on(&call->ctx, hs_of(call)));
	TRY(rendezvous_read(&call->ctx, hs_of(call), call_path(call, "rendezvousId"), &row));
	struct str etag = add_headers(call, &row);
	return call_has_etag(call, etag) ? reply_bytes(call, 304, text_plain, STR(""))
									 : reply_bytes(call, 200, text_plain, row.payload);
}

/* An answer without a type loses its ETag in some caches, as Synapse has found. */
static enum err put_session(struct call *call)
{
	struct str payload;
	struct str etag;
	struct rendezvous_row row;
	TRY(rendezvous_require_on(&call->ctx, hs_of(call)));
	TRY(read_payload(call, &payload));
	TRY(read_if_match(call, &etag));
	enum err err = rendezvous_replace(&call->ctx, hs_of(call), call_path(call, "rendezvousId"),
		etag, payload, &row);
	if (err == ERR_OK || err == ERR_CONFLICT) {
		(void)add_headers(call, &row);
	}
	return err == ERR_OK ? reply_bytes(call, 202, text_plain, STR("")) : err;
}

static enum err delete_session(struct call *call)
{
	TRY(rendezvous_require_on(&call->ctx, hs_of(call)));
	TRY(rendezvous_end(&call->ctx, hs_of(call), call_path(call, "rendezvousId")));
	return reply_bytes(call, 204, text_plain, STR(""));
}

/*
 * By address: who begins leaves a row, as with the log-in that follows. Two devices ask once a second each; a client that is refused then
 * forgets which message it has seen, so that a class behind one address has to have room.
 */
const struct route rendezvous_routes[] = {
	{"createRendezvous", "POST", RENDEZVOUS_PATH, AUTH_NONE, LANE_LOCAL, RATE_LOGIN,
		RENDEZVOUS_PAYLOAD_MAX_BYTES, post_session},
	{"getRendezvous", "GET", RENDEZVOUS_PATH "/{rendezvousId}", AUTH_NONE, LANE_LOCAL, RATE_READ, 0,
		get_session},
	{"updateRendezvous", "PUT", RENDEZVOUS_PATH "/{rendezvousId}", AUTH_NONE, LANE_LOCAL,
		RATE_WRITE, RENDEZVOUS_PAYLOAD_MAX_BYTES, put_session},
	{"deleteRendezvous", "DELETE", RENDEZVOUS_PATH "/{rendezvousId}", AUTH_NONE, LANE_LOCAL,
		RATE_WRITE, 0, delete_session},
};
const size_t rendezvous_route_count = COUNT_OF(rendezvous_routes);
