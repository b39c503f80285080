/*
 * Endpoints of key backups: parse, one call, reply.
 */
#include "e2ee/key_backup_routes.h"

#include "e2ee/key_backup.h"

#include <stdio.h>

enum { BACKUP_BODY_BYTES = 16 << 20 };

/* --- versions ------------------------------------------------------------------------------------------- */

static void write_version(struct json_out *out, int64_t version)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%lld", (long long)version);
	json_out_str(out, str_from(text, (size_t)n));
}

static enum err read_version_body(struct call *call, const struct json **out, struct str *algorithm,
	const struct json **auth_data)
{
	TRY(call_json(call, out));
	TRY(body_str(call, *out, "algorithm", algorithm));
	TRY(body_opt_object(call, *out, "auth_data", auth_data));
	return *auth_data != NULL
		? ERR_OK
		: fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'auth_data' is missing");
}

static enum err post_version(struct call *call)
{
	const struct json *body;
	struct str algorithm;
	const struct json *auth_data;
	int64_t version;
	TRY(read_version_body(call, &body, &algorithm, &auth_data));
	TRY(key_backup_create(&call->ctx, hs_of(call), principal_of(call)->user.s, algorithm, auth_data,
		&version));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key(out, STR("version"));
	write_version(out, version);
	json_out_end(out);
	return ERR_OK;
}

static enum err reply_backup(struct call *call, const struct backup_row *row)
{
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "algorithm", row->algorithm);
	json_out_key_raw(out, "auth_data", row->auth_data);
	json_out_key_int(out, "count", row->key_count);
	json_out_key(out, STR("etag"));
	write_version(out, row->etag);
	json_out_key(out, STR("version"));
	write_version(out, row->version);
	json_out_end(out);
	return ERR_OK;
}

static enum err get_newest(struct call *call)
{
	struct backup_row row;
	TRY(key_backup_get(&call->ctx, hs_of(call), principal_of(call)->user.s, BACKUP_NEWEST, &row));
	return reply_backup(call, &row);
}

static enum err get_version(struct call *call)
{
	struct backup_row row;
	int64_t version = key_backup_version(call_path(call, "version"));
	if (version == BACKUP_NEWEST) {
		return fail(&call->ctx, ERR_MISSING, M_NOT_FOUND, "There is no such key backup");
	}
	TRY(key_backup_get(&call->ctx, hs_of(call), principal_of(call)->user.s, version, &row));
	return reply_backup(call, &row);
}

static enum err put_version(struct call *call)
{
	const struct json *body;
	struct str algorithm;
	struct str named;
	const struct json *auth_data;
	struct str version = call_path(call, "version");
	TRY(read_version_body(call, &body, &algorithm, &auth_data));
	TRY(body_opt_str(call, body, "version", &named));
	if (named.p != NULL && !str_equals(named, version)) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "The body names another version");
	}
	TRY(key_backup_update(&call->ctx, hs_of(call), principal_of(call)->user.s,
		key_backup_version(version), algorithm, auth_data));
	return reply_empty(call);
}

static enum err delete_version(struct call *call)
{
	TRY(key_backup_delete(&call->ctx, hs_of(call), principal_of(call)->user.s,
		key_backup_version(call_path(call, "version"))));
	return reply_empty(call);
}

/* --- keys ------------------------------------------------------------------------------------------------- */

static enum err read_span(struct call *call, enum backup_scope scope, struct backup_span *out)
{
	struct str version = call_query(call, "version");
	if (version.p == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'version' is missing");
	}
	*out = (struct backup_span){
		.user_id = principal_of(call)->user.s,
		.version = key_backup_version(version),
	};
	if (scope != BACKUP_ALL) {
		out->room_id = call_path(call, "roomId");
	}
	if (scope == BACKUP_SESSION) {
		out->session_id = call_path(call, "sessionId");
	}
	return ERR_OK;
}

static enum err reply_count(struct call *call, const struct backup_row *row)
{
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_int(out, "count", row->key_count);
	json_out_key(out, STR("etag"));
	write_version(out, row->etag);
	json_out_end(out);
	return ERR_OK;
}

static enum err put_keys(struct call *call, enum backup_scope scope)
{
	const struct json *body;
	struct backup_span span;
	struct backup_key *keys;
	size_t count;
	struct field_error error;
	struct backup_row row;
	TRY(call_json(call, &body));
	TRY(read_span(call, scope, &span));
	if (!backup_keys_read(call->ctx.arena, body, scope, span.room_id, span.session_id, &keys,
			&count, &error)) {
		return fail(&call->ctx, ERR_INPUT, error.errcode, "%.*s %s", STR_ARG(error.field),
			error.text);
	}
	TRY(key_backup_put(&call->ctx, hs_of(call), &span, keys, count, &row));
	return reply_count(call, &row);
}

static void write_key(struct json_out *out, const struct backup_key *key)
{
	json_out_object(out);
	json_out_key_int(out, "first_message_index", key->first_message_index);
	json_out_key_int(out, "forwarded_count", key->forwarded_count);
	json_out_key_bool(out, "is_verified", key->is_verified);
	json_out_key_raw(out, "session_data", key->session_data);
	json_out_end(out);
}

/* {"sessions": {…}} of the room that the keys begin with. @return how many that were */
static size_t write_room(struct json_out *out, const struct backup_key *keys, size_t count)
{
	size_t n = 0;
	json_out_object(out);
	json_out_key_object(out, "sessions");
	for (; n < count && str_equals(keys[n].room_id, keys[0].room_id); n++) {
		json_out_key(out, keys[n].session_id);
		write_key(out, &keys[n]);
	}
	json_out_end(out);
	json_out_end(out);
	return n;
}

static void write_rooms(struct json_out *out, const struct backup_key *keys, size_t count)
{
	json_out_object(out);
	json_out_key_object(out, "rooms");
	for (size_t i = 0; i < count;) {
		json_out_key(out, keys[i].room_id);
		i += write_room(out, keys + i, count - i);
	}
	json_out_end(out);
	json_out_end(out);
}

static enum err get_keys(struct call *call, enum backup_scope scope)
{
	struct backup_span span;
	struct backup_key *keys;
	size_t count;
	TRY(read_span(call, scope, &span));
	TRY(key_backup_keys(&call->ctx, hs_of(call), &span, &keys, &count));
	struct json_out *out = reply_json(call, 200);
	switch (scope) {
	case BACKUP_ALL:
		write_rooms(out, keys, count);
		break;
	case BACKUP_ROOM:
		(void)write_room(out, keys, count);
		break;
	case BACKUP_SESSION:
		write_key(out, &keys[0]);
		break;
	}
	return ERR_OK;
}

static enum err delete_keys(struct call *call, enum backup_scope scope)
{
	struct backup_span span;
	struct backup_row row;
	TRY(read_span(call, scope, &span));
	TRY(key_backup_clear(&call->ctx, hs_of(call), &span, &row));
	return reply_count(call, &row);
}

#define BACKUP_HANDLERS(name, scope) \
	static enum err put_##name(struct call *call) \
	{ \
		return put_keys(call, scope); \
	} \
	static enum err get_##name(struct call *call) \
	{ \
		return get_keys(call, scope); \
	} \
	static enum err delete_##name(struct call *call) \
	{ \
		return delete_keys(call, scope); \
	}
BACKUP_HANDLERS(all, BACKUP_ALL)
BACKUP_HANDLERS(room, BACKUP_ROOM)
BACKUP_HANDLERS(session, BACKUP_SESSION)

/* Older clients still say `unstable`. */
#define BACKUP "/_matrix/client/(r0|v3|unstable)/room_keys"

const struct route key_backup_routes[] = {
	{"postRoomKeysVersion", "POST", BACKUP "/version", AUTH_USER, LANE_LOCAL, RATE_WRITE, 0,
		post_version},
	{"getRoomKeysVersionCurrent", "GET", BACKUP "/version", AUTH_USER, LANE_LOCAL, RATE_READ, 0,
		get_newest},
	{"getRoomKeysVersion", "GET", BACKUP "/version/{version}", AUTH_USER, LANE_LOCAL, RATE_READ, 0,
		get_version},
	{"putRoomKeysVersion", "PUT", BACKUP "/version/{version}", AUTH_USER, LANE_LOCAL, RATE_WRITE, 0,
		put_version},
	{"deleteRoomKeysVersion", "DELETE", BACKUP "/version/{version}", AUTH_USER, LANE_LOCAL,
		RATE_WRITE, 0, delete_version},
	{"putRoomKeys", "PUT", BACKUP "/keys", AUTH_USER, LANE_LOCAL, RATE_WRITE, BACKUP_BODY_BYTES,
		put_all},
	{"getRoomKeys", "GET", BACKUP "/keys", AUTH_USER, LANE_LOCAL, RATE_READ, 0, get_all},
	{"deleteRoomKeys", "DELETE", BACKUP "/keys", AUTH_USER, LANE_LOCAL, RATE_WRITE, 0, delete_all},
	{"putRoomKeysByRoomId", "PUT", BACKUP "/keys/{roomId}", AUTH_USER, LANE_LOCAL, RATE_WRITE,
		BACKUP_BODY_BYTES, put_room},
	{"getRoomKeysByRoomId", "GET", BACKUP "/keys/{roomId}", AUTH_USER, LANE_LOCAL, RATE_READ, 0,
		get_room},
	{"deleteRoomKeysByRoomId", "DELETE", BACKUP "/keys/{roomId}", AUTH_USER, LANE_LOCAL, RATE_WRITE,
		0, delete_room},
	{"putRoomKeyBySessionId", "PUT", BACKUP "/keys/{roomId}/{sessionId}", AUTH_USER, LANE_LOCAL,
		RATE_WRITE, 0, put_session},
	{"getRoomKeyBySessionId", "GET", BACKUP "/keys/{roomId}/{sessionId}", AUTH_USER, LANE_LOCAL,
		RATE_READ, 0, get_session},
	{"deleteRoomKeyBySessionId", "DELETE", BACKUP "/keys/{roomId}/{sessionId}", AUTH_USER,
		LANE_LOCAL, RATE_WRITE, 0, delete_session},
};
const size_t key_backup_route_count = COUNT_OF(key_backup_routes);
