/*
 * Administration of files, by the interface that Synapse has for it and tools know.
 */
#include "homeserver/media/media_admin_routes.h"

#include "homeserver/media/media.h"
#include "homeserver/media/media_routes.h"
#include "storage/account.h"

enum { LIST_DEFAULT = 100, LIST_MAX = 1000 };

/* A user of this server, also one that is deactivated. */
static enum err read_user(struct call *call, struct str *out)
{
	struct account_row row;
	*out = call_path(call, "userId");
	enum err err = hs_is_local(hs_of(call), *out)
		? store_account_find(&call->ctx, hs_of(call)->db, *out, &row)
		: ERR_MISSING;
	return err == ERR_MISSING
		? fail(&call->ctx, ERR_MISSING, M_NOT_FOUND, "There is no such user here")
		: err;
}

static void write_deleted(struct call *call, const struct str *ids, size_t count)
{
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_strs(out, "deleted_media", ids, count);
	json_out_key_int(out, "total", (int64_t)count);
	json_out_end(out);
}

static enum err delete_media(struct call *call)
{
	struct server_name origin;
	struct str media_id;
	TRY(media_read_id(call, &origin, &media_id));
	TRY(media_delete(&call->ctx, hs_of(call), origin, media_id));
	write_deleted(call, &media_id, 1);
	return ERR_OK;
}

static enum err delete_media_of_user(struct call *call)
{
	struct str user_id;
	struct str *ids;
	size_t count;
	TRY(read_user(call, &user_id));
	TRY(media_delete_user(&call->ctx, hs_of(call), user_id, &ids, &count));
	write_deleted(call, ids, count);
	return ERR_OK;
}

static enum err set_quarantine(struct call *call, bool is_on)
{
	struct server_name origin;
	struct str media_id;
	const struct json *body; /* has no fields */
	TRY(call_json_optional(call, &body));
	TRY(media_read_id(call, &origin, &media_id));
	TRY(media_quarantine(&call->ctx, hs_of(call), origin, media_id, is_on));
	return reply_empty(call);
}

static enum err post_quarantine(struct call *call)
{
	return set_quarantine(call, true);
}

static enum err post_unquarantine(struct call *call)
{
	return set_quarantine(call, false);
}

static enum err post_quarantine_user(struct call *call)
{
	struct str user_id;
	int64_t count;
	const struct json *body; /* has no fields */
	TRY(call_json_optional(call, &body));
	TRY(read_user(call, &user_id));
	TRY(media_quarantine_user(&call->ctx, hs_of(call), user_id, &count));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_int(out, "num_quarantined", count);
	json_out_end(out);
	return ERR_OK;
}

static void write_listed(struct json_out *out, const struct media_listed *listed)
{
	json_out_object(out);
	json_out_key_str(out, "media_id", listed->media_id);
	json_out_key_int(out, "created_ts", listed->row.created_ms);
	json_out_key_int(out, "media_length", listed->row.size_bytes);
	if (listed->row.content_type.p != NULL) {
		json_out_key_str(out, "media_type", listed->row.content_type);
	}
	if (listed->row.file_name.p != NULL) {
		json_out_key_str(out, "upload_name", listed->row.file_name);
	}
	json_out_key_bool(out, "is_quarantined", listed->row.is_quarantined);
	json_out_end(out);
}

static enum err get_media_of_user(struct call *call)
{
	struct str user_id;
	struct media_listed *listed;
	size_t count;
	int64_t from;
	int64_t limit;
	int64_t files;
	int64_t bytes;
	struct ctx *ctx = &call->ctx;
	TRY(call_query_int(call, "from", 0, INT64_MAX, 0, &from));
	TRY(call_query_int(call, "limit", 1, INT64_MAX, LIST_DEFAULT, &limit));
	TRY(read_user(call, &user_id));
	limit = MIN_OF(limit, (int64_t)LIST_MAX);
	TRY(store_media_usage(ctx, hs_of(call)->db, user_id, &files, &bytes));
	TRY(store_media_list(ctx, hs_of(call)->db, user_id, limit, from, &listed, &count));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_array(out, "media");
	for (size_t i = 0; i < count; i++) {
		write_listed(out, &listed[i]);
	}
	json_out_end(out);
	json_out_key_int(out, "total", files);
	if ((int64_t)count == limit && from + limit < files) {
		json_out_key_int(out, "next_token", from + limit);
	}
	json_out_end(out);
	return ERR_OK;
}

#define ADMIN "/_synapse/admin/v1"

const struct route media_admin_routes[] = {
	{"synapseDeleteMedia", "DELETE", ADMIN "/media/{serverName}/{mediaId}", AUTH_ADMIN, LANE_LOCAL,
		RATE_WRITE, 0, delete_media},
	{"synapseQuarantineMedia", "POST", ADMIN "/media/quarantine/{serverName}/{mediaId}", AUTH_ADMIN,
		LANE_LOCAL, RATE_WRITE, 0, post_quarantine},
	{"synapseUnquarantineMedia", "POST", ADMIN "/media/unquarantine/{serverName}/{mediaId}",
		AUTH_ADMIN, LANE_LOCAL, RATE_WRITE, 0, post_unquarantine},
	{"synapseListUserMedia", "GET", ADMIN "/users/{userId}/media", AUTH_ADMIN, LANE_LOCAL,
		RATE_READ, 0, get_media_of_user},
	{"synapseDeleteUserMedia", "DELETE", ADMIN "/users/{userId}/media", AUTH_ADMIN, LANE_LOCAL,
		RATE_WRITE, 0, delete_media_of_user},
	{"synapseQuarantineUserMedia", "POST", ADMIN "/user/{userId}/media/quarantine", AUTH_ADMIN,
		LANE_LOCAL, RATE_WRITE, 0, post_quarantine_user},
};
const size_t media_admin_route_count = COUNT_OF(media_admin_routes);
