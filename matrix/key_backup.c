/*
 * Keys in a key backup.
 */
#include "matrix/key_backup.h"

#include "base/vec.h"
#include "matrix/errcode.h"
#include "matrix/id.h"

static bool is_name(struct str name)
{
	return name.n > 0 && name.n <= BACKUP_NAME_MAX_BYTES && str_find_byte(name, '\0') == SIZE_MAX;
}

/*
 * Reads one KeyBackupData.
 * @param out_error  M_BAD_JSON, M_INVALID_PARAM (identifiers), M_TOO_LARGE
 */
static bool read_key(const struct json *object, struct str room_id, struct str session_id,
	struct backup_key *out, struct field_error *out_error)
{
	struct room_id room;
	if (!room_id_parse(room_id, &room) || !is_name(room_id)) {
		return field_fail(out_error, M_INVALID_PARAM, STR("room id"), "is no room id");
	}
	if (!is_name(session_id)) {
		return field_fail(out_error, M_INVALID_PARAM, STR("session id"),
			"must have 1 to 255 bytes");
	}
	*out = (struct backup_key){.room_id = room_id, .session_id = session_id};
	if (!json_is(object, JSON_OBJECT)) {
		return field_fail(out_error, M_BAD_JSON, STR("key"), "must be an object");
	}
	if (!json_get_int(object, STR("first_message_index"), 0, INT64_MAX,
			&out->first_message_index)) {
		return field_fail(out_error, M_BAD_JSON, STR("first_message_index"),
			"must be an integer from 0");
	}
	if (!json_get_int(object, STR("forwarded_count"), 0, INT64_MAX, &out->forwarded_count)) {
		return field_fail(out_error, M_BAD_JSON, STR("forwarded_count"),
			"must be an integer from 0");
	}
	const struct json *is_verified = json_at(object, "is_verified");
	if (is_verified == NULL || is_verified->type != JSON_BOOL) {
		return field_fail(out_error, M_BAD_JSON, STR("is_verified"), "must be true or false");
	}
	const struct json *session_data = json_at(object, "session_data");
	if (session_data == NULL || session_data->type != JSON_OBJECT) {
		return field_fail(out_error, M_BAD_JSON, STR("session_data"), "must be an object");
	}
	if (json_raw(session_data).n > BACKUP_SESSION_DATA_MAX_BYTES) {
		return field_fail(out_error, M_TOO_LARGE, STR("session_data"), "is too large");
	}
	out->is_verified = is_verified->boolean;
	out->session_data = json_raw(session_data);
	return true;
}

struct key_list {
	struct backup_key *p;
	size_t n;
	size_t capacity;
};

static bool read_room(struct arena *arena, const struct json *room, struct str room_id,
	struct key_list *out, struct field_error *out_error)
{
	const struct json *sessions = json_at(room, "sessions");
	if (sessions == NULL || sessions->type != JSON_OBJECT) {
		return field_fail(out_error, M_BAD_JSON, STR("sessions"), "must be an object");
	}
	for (size_t i = 0; i < sessions->count; i++) {
		struct backup_key key;
		const struct json_member *member = &sessions->members[i];
		if (!read_key(&member->value, room_id, member->key, &key, out_error)) {
			return false;
		}
		VEC_PUSH(arena, out, key);
	}
	return true;
}

static bool read_rooms(struct arena *arena, const struct json *body, struct key_list *out,
	struct field_error *out_error)
{
	const struct json *rooms = json_at(body, "rooms");
	if (rooms == NULL || rooms->type != JSON_OBJECT) {
		return field_fail(out_error, M_BAD_JSON, STR("rooms"), "must be an object");
	}
	for (size_t i = 0; i < rooms->count; i++) {
		if (!read_room(arena, &rooms->members[i].value, rooms->members[i].key, out, out_error)) {
			return false;
		}
	}
	return true;
}

bool backup_keys_read(struct arena *arena, const struct json *body, enum backup_scope scope,
	struct str room_id, struct str session_id, struct backup_key **out, size_t *out_count,
	struct field_error *out_error)
{
	struct key_list list = {0};
	struct backup_key key;
	bool is_good = false;
	switch (scope) {
	case BACKUP_ALL:
		is_good = read_rooms(arena, body, &list, out_error);
		break;
	case BACKUP_ROOM:
		is_good = read_room(arena, body, room_id, &list, out_error);
		break;
	case BACKUP_SESSION:
		is_good = read_key(body, room_id, session_id, &key, out_error);
		if (is_good) {
			VEC_PUSH(arena, &list, key);
		}
		break;
	}
	*out = list.p;
	*out_count = list.n;
	return is_good;
}
