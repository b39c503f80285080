/*
 * Presence as clients and other servers write it.
 */
#include "homeserver/presence/presence.h"

bool presence_state_parse(struct str text, enum presence_state *out)
{
	static const struct str words[] = {STR_INIT("offline"), STR_INIT("unavailable"),
		STR_INIT("online")};
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (str_equals(text, words[i])) {
			*out = (enum presence_state)i;
			return true;
		}
	}
	return false;
}

static void write_text(struct json_out *out, const char *key, struct str text)
{
	if (text.p != NULL) {
		json_out_key(out, str_of(key));
		json_out_str(out, text);
	}
}

void presence_write_members(const struct presence_view *view, struct json_out *out)
{
	static const char *const words[] = {"offline", "unavailable", "online"};
	json_out_key_str(out, "presence", str_of(words[view->state]));
	if (view->last_active_ago_ms >= 0) {
		json_out_key_int(out, "last_active_ago", view->last_active_ago_ms);
	}
	if (view->state == PRESENCE_ONLINE) {
		json_out_key_bool(out, "currently_active", view->is_currently_active);
	}
	write_text(out, "status_msg", view->status_msg);
}

void presence_write(const struct presence_view *view, struct json_out *out)
{
	json_out_object(out);
	presence_write_members(view, out);
	json_out_end(out);
}

void presence_write_event(const struct presence_view *view, struct json_out *out)
{
	json_out_object(out);
	json_out_key_object(out, "content");
	presence_write_members(view, out);
	write_text(out, "displayname", view->profile.displayname);
	write_text(out, "avatar_url", view->profile.avatar_url);
	json_out_end(out);
	json_out_key_str(out, "sender", view->user_id);
	json_out_key_str(out, "type", STR("m.presence"));
	json_out_end(out);
}
