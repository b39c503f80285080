/*
 * Several processes: what users do is said to all, as a line of JSON, and each applies it when it hears it. So all have the same entries and the
 * same serials, and a sync token of one is good at the others. What only the passing of time changes is said by whoever notices it.
 */
#include "homeserver/presence/presence_inner.h"

enum {
	ROOMS_MAX = 300 /* of a user of another server, that are told: more do not fit into a line */
};

static void write_remote(const struct presence_news *news, struct json_out *out)
{
	json_out_key_object(out, "remote");
	json_out_key_int(out, "state", news->state);
	json_out_key_bool(out, "active", news->is_currently_active);
	json_out_key_int(out, "ago", news->last_active_ago_ms);
	json_out_key_array(out, "rooms");
	for (size_t i = 0; i < MIN_OF(news->room_n, (size_t)ROOMS_MAX); i++) {
		json_out_int(out, news->room_nids[i]);
	}
	json_out_end(out);
	json_out_end(out);
}

static void write_profile(const struct presence_profile *profile, struct json_out *out)
{
	json_out_key_object(out, "profile");
	if (profile->displayname.p != NULL) {
		json_out_key_str(out, "name", profile->displayname);
	}
	if (profile->avatar_url.p != NULL) {
		json_out_key_str(out, "picture", profile->avatar_url);
	}
	json_out_end(out);
}

static void write_input(const struct presence_input *input, struct json_out *out)
{
	json_out_object(out);
	json_out_key_str(out, "user", input->user_id);
	if (input->has_device) {
		json_out_key_str(out, "device", input->device_id);
		json_out_key_int(out, "state", input->state);
		json_out_key_int(out, "for", input->for_ms);
	}
	if (input->is_action) {
		json_out_key_bool(out, "acts", true);
	}
	if (input->has_status) {
		json_out_key_str(out, "status", input->status_msg);
	}
	if (input->profile != NULL) {
		write_profile(input->profile, out);
	}
	if (input->remote != NULL) {
		write_remote(input->remote, out);
	}
	json_out_end(out);
}

void presence_say(struct homeserver *hs, const struct presence_input *input, bool waits)
{
	if (!writer_has_peers(hs->writer)) {
		presence_apply(hs, input, 0);
		return;
	}
	struct buf line CLEANUP(buf_fini);
	struct json_out out;
	buf_init(&line, NEWS_LINE_MAX_BYTES);
	json_out_init(&out, &line);
	write_input(input, &out);
	if (!buf_ok(&line)) {
		presence_apply(hs, input, 0); /* so much is shown here only */
	} else if (waits) {
		writer_tell_all(hs->writer, NEWS_PRESENCE, buf_str(&line));
	} else {
		writer_tell(hs->writer, NEWS_PRESENCE, buf_str(&line));
	}
}

/* @return false when it is of a newer version of this server */
static bool read_state(const struct json *object, enum presence_state *out)
{
	int64_t state;
	bool is_good = json_get_int(object, STR("state"), PRESENCE_OFFLINE, PRESENCE_ONLINE, &state);
	*out = is_good ? (enum presence_state)state : PRESENCE_OFFLINE;
	return is_good;
}

static bool read_remote(struct arena *arena, const struct json *remote, struct presence_news *out)
{
	const struct json *rooms = json_at(remote, "rooms");
	if (!json_is(rooms, JSON_ARRAY) || rooms->count == 0 || !read_state(remote, &out->state) ||
		!json_get_int(remote, STR("ago"), -1, INT64_MAX, &out->last_active_ago_ms)) {
		return false;
	}
	out->is_currently_active = json_get_bool(remote, STR("active"), false);
	int64_t *nids = ARENA_NEW_ARRAY(arena, int64_t, rooms->count);
	for (size_t i = 0; i < rooms->count; i++) {
		if (rooms->items[i].type != JSON_INT) {
			return false;
		}
		nids[i] = rooms->items[i].integer;
	}
	out->room_nids = nids;
	out->room_n = rooms->count;
	return true;
}

static bool read_input(struct arena *arena, struct str line, struct presence_news *news,
	struct presence_input *out)
{
	struct json json;
	if (json_parse(arena, line, NULL, &json, NULL) != JSON_OK || json.type != JSON_OBJECT) {
		return false;
	}
	*out = (struct presence_input){
		.user_id = json_get_str(&json, STR("user")),
		.has_device = json_at(&json, "device") != NULL,
		.device_id = json_get_str(&json, STR("device")),
		.is_action = json_get_bool(&json, STR("acts"), false),
		.has_status = json_at(&json, "status") != NULL,
		.status_msg = json_get_str(&json, STR("status")),
	};
	const struct json *profile = json_at(&json, "profile");
	if (profile != NULL) {
		struct presence_profile *changed = ARENA_NEW(arena, struct presence_profile);
		changed->displayname = json_get_str(profile, STR("name"));
		changed->avatar_url = json_get_str(profile, STR("picture"));
		out->profile = changed;
	}
	const struct json *remote = json_at(&json, "remote");
	if (remote != NULL) {
		*news = (struct presence_news){.user_id = out->user_id, .status_msg = out->status_msg};
		out->remote = news;
	}
	return out->user_id.n > 0 && (remote == NULL || read_remote(arena, remote, news)) &&
		(!out->has_device ||
			(read_state(&json, &out->state) &&
				json_get_int(&json, STR("for"), INT64_MIN, INT64_MAX, &out->for_ms)));
}

void presence_heard(struct homeserver *hs, struct str line, int64_t serial)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct presence_news news;
	struct presence_input input;
	if (hs->settings.presence_enabled && read_input(arena, line, &news, &input)) {
		presence_apply(hs, &input, serial);
	}
}
