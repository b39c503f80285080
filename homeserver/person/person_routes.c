/*
 * Profiles, account data, tags, filters.
 */
#include "homeserver/person/person_routes.h"

#include "homeserver/person/account_data.h"
#include "homeserver/person/filters.h"
#include "homeserver/person/profile.h"
#include "http/handover.h"
#include "http/memo.h"
#include "matrix/account_data.h"
#include "matrix/profile_field.h"

static enum err field_fault(struct call *call, int status, const struct field_error *error)
{
	return fail_status(&call->ctx, ERR_INPUT, status, error->errcode, "%.*s %s",
		STR_ARG(error->field), error->text);
}

/* What is the user's own may be touched by nobody else. */
static enum err require_self(struct call *call)
{
	if (!str_equals(call_path(call, "userId"), principal_of(call)->user.s)) {
		return fail(&call->ctx, ERR_DENIED, M_FORBIDDEN, "That belongs to another user");
	}
	return ERR_OK;
}

/* --- profile --------------------------------------------------------------------------------------------- */

static enum err get_profile(struct call *call)
{
	struct json profile;
	call_begin_memo(call);
	TRY(profile_get(&call->ctx, hs_of(call), call_path(call, "userId"), &profile));
	json_out_value(reply_json(call, 200), &profile);
	return ERR_OK;
}

static enum err get_profile_field(struct call *call)
{
	struct json profile;
	struct str key = call_path(call, "keyName");
	call_begin_memo(call);
	TRY(profile_get(&call->ctx, hs_of(call), call_path(call, "userId"), &profile));
	const struct json *value = json_get(&profile, key);
	if (value == NULL) {
		return fail(&call->ctx, ERR_MISSING, M_NOT_FOUND, "The profile has no such field");
	}
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key(out, key);
	json_out_value(out, value);
	json_out_end(out);
	return ERR_OK;
}

static enum err require_own_profile(struct call *call)
{
	struct user_id user;
	if (!user_id_parse(call_path(call, "userId"), &user)) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "Not a user id");
	}
	return require_self(call);
}

static enum err put_profile_field(struct call *call)
{
	const struct json *body;
	const struct json *value;
	struct field_error error;
	call_begin_memo(call);
	struct str key = call_path(call, "keyName");
	TRY(require_own_profile(call));
	TRY(call_json(call, &body));
	if (!profile_body_read(key, body, &value, &error)) {
		return field_fault(call, 400, &error);
	}
	TRY(profile_set(&call->ctx, hs_of(call), principal_of(call), key, value));
	return reply_empty(call);
}

static enum err delete_profile_field(struct call *call)
{
	struct field_error error;
	call_begin_memo(call);
	struct str key = call_path(call, "keyName");
	TRY(require_own_profile(call));
	if (!profile_key_check(key, &error)) {
		return field_fault(call, 400, &error);
	}
	TRY(profile_set(&call->ctx, hs_of(call), principal_of(call), key, NULL));
	return reply_empty(call);
}

/* --- account data -------------------------------------------------------------------------------------------- */

/*
 * The room of the path. Whoever never had to do with it is told the same as of a room that does not exist: what rooms there are is
 * nobody's business, and what is kept hangs on the room's row. The specification names no such error; Synapse keeps data for any id that
 * has the form of one, also of rooms that never were.
 */
static enum err path_room(struct call *call, int64_t *out_nid)
{
	struct room_id room_id;
	struct room *room;
	struct str membership;
	if (!room_id_parse(call_path(call, "roomId"), &room_id)) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "Not a room id");
	}
	TRY(rooms_get(&call->ctx, hs_of(call), room_id.s, &room));
	TRY(room_membership(&call->ctx, hs_of(call), room, principal_of(call)->user.s, &membership));
	if (membership.n == 0) {
		return fail(&call->ctx, ERR_MISSING, M_NOT_FOUND, "Unknown room");
	}
	*out_nid = room_nid(room);
	return ERR_OK;
}

static enum err reply_account_data(struct call *call, int64_t room_nid)
{
	struct str content;
	TRY(account_data_get(&call->ctx, hs_of(call), principal_of(call)->user, room_nid,
		call_path(call, "type"), &content));
	json_out_raw(reply_json(call, 200), content);
	return ERR_OK;
}

static enum err get_account_data(struct call *call)
{
	TRY(require_self(call));
	return reply_account_data(call, 0);
}

static enum err get_room_account_data(struct call *call)
{
	int64_t room_nid;
	TRY(require_self(call));
	TRY(path_room(call, &room_nid));
	return reply_account_data(call, room_nid);
}

static enum err store_account_data_of(struct call *call, int64_t room_nid)
{
	const struct json *body;
	struct field_error error;
	struct str type = call_path(call, "type");
	TRY(call_json(call, &body));
	if (!account_data_type_check(type, &error)) {
		return field_fault(call, account_data_is_servers(type) ? 405 : 400, &error);
	}
	struct str content = json_raw(body).n > 0 ? json_raw(body) : STR("{}");
	call_begin_handover(call);
	TRY(account_data_put(&call->ctx, hs_of(call), principal_of(call)->user.s, room_nid, type,
		content));
	return reply_empty(call);
}

static enum err put_account_data(struct call *call)
{
	TRY(require_self(call));
	return store_account_data_of(call, 0);
}

static enum err put_room_account_data(struct call *call)
{
	int64_t room_nid;
	TRY(require_self(call));
	TRY(path_room(call, &room_nid));
	return store_account_data_of(call, room_nid);
}

/* --- tags ---------------------------------------------------------------------------------------------------- */

static enum err get_tags(struct call *call)
{
	int64_t room_nid;
	struct str tags;
	TRY(require_self(call));
	TRY(path_room(call, &room_nid));
	TRY(tags_get(&call->ctx, hs_of(call), principal_of(call)->user.s, room_nid, &tags));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_raw(out, "tags", tags);
	json_out_end(out);
	return ERR_OK;
}

static enum err change_tag(struct call *call, const struct json *content)
{
	int64_t room_nid;
	struct field_error error;
	struct str tag = call_path(call, "tag");
	TRY(require_self(call));
	TRY(path_room(call, &room_nid));
	if (!tag_name_check(tag, &error) || (content != NULL && !tag_content_check(content, &error))) {
		return field_fault(call, 400, &error);
	}
	call_begin_handover(call);
	TRY(tag_change(&call->ctx, hs_of(call), principal_of(call)->user.s, room_nid, tag, content));
	return reply_empty(call);
}

static enum err put_tag(struct call *call)
{
	const struct json *body;
	TRY(call_json(call, &body));
	return change_tag(call, body);
}

static enum err delete_tag(struct call *call)
{
	return change_tag(call, NULL);
}

/* --- filters --------------------------------------------------------------------------------------------------- */

static enum err post_filter(struct call *call)
{
	const struct json *body;
	struct str filter_id;
	TRY(require_self(call));
	TRY(call_json(call, &body));
	TRY(filter_store(&call->ctx, hs_of(call), principal_of(call)->user.s, body, &filter_id));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "filter_id", filter_id);
	json_out_end(out);
	return ERR_OK;
}

static enum err get_filter(struct call *call)
{
	struct shared_filter *filter;
	TRY(require_self(call));
	TRY(filter_load(&call->ctx, hs_of(call), principal_of(call)->user.s,
		call_path(call, "filterId"), &filter));
	json_out_raw(reply_json(call, 200), filter->definition);
	shared_filter_unref(filter);
	return ERR_OK;
}

#define CLIENT "/_matrix/client/(r0|v3)"
#define USER_PATH CLIENT "/user/{userId}"

const struct route person_routes[] = {
	{"getUserProfile", "GET", CLIENT "/profile/{userId}", AUTH_NONE, LANE_LOCAL, RATE_READ, 0,
		get_profile},
	{"getProfileField", "GET", CLIENT "/profile/{userId}/{keyName}", AUTH_NONE, LANE_LOCAL,
		RATE_READ, 0, get_profile_field},
	{"setProfileField", "PUT", CLIENT "/profile/{userId}/{keyName}", AUTH_GUEST_ACTS, LANE_LOCAL,
		RATE_WRITE, 0, put_profile_field},
	{"deleteProfileField", "DELETE", CLIENT "/profile/{userId}/{keyName}", AUTH_GUEST, LANE_LOCAL,
		RATE_WRITE, 0, delete_profile_field},
	{"getAccountData", "GET", USER_PATH "/account_data/{type}", AUTH_USER, LANE_LOCAL, RATE_READ, 0,
		get_account_data},
	{"setAccountData", "PUT", USER_PATH "/account_data/{type}", AUTH_USER, LANE_LOCAL, RATE_WRITE,
		0, put_account_data},
	{"getAccountDataPerRoom", "GET", USER_PATH "/rooms/{roomId}/account_data/{type}", AUTH_USER,
		LANE_LOCAL, RATE_READ, 0, get_room_account_data},
	{"setAccountDataPerRoom", "PUT", USER_PATH "/rooms/{roomId}/account_data/{type}", AUTH_USER,
		LANE_LOCAL, RATE_WRITE, 0, put_room_account_data},
	{"getRoomTags", "GET", USER_PATH "/rooms/{roomId}/tags", AUTH_USER, LANE_LOCAL, RATE_READ, 0,
		get_tags},
	{"setRoomTag", "PUT", USER_PATH "/rooms/{roomId}/tags/{tag}", AUTH_USER, LANE_LOCAL, RATE_WRITE,
		0, put_tag},
	{"deleteRoomTag", "DELETE", USER_PATH "/rooms/{roomId}/tags/{tag}", AUTH_USER, LANE_LOCAL,
		RATE_WRITE, 0, delete_tag},
	{"defineFilter", "POST", USER_PATH "/filter", AUTH_USER, LANE_LOCAL, RATE_WRITE, 0,
		post_filter},
	{"getFilter", "GET", USER_PATH "/filter/{filterId}", AUTH_USER, LANE_LOCAL, RATE_READ, 0,
		get_filter},
};
const size_t person_route_count = COUNT_OF(person_routes);
