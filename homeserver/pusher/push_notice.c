/*
 * A notification as the push gateway gets it.
 */
#include "homeserver/pusher/pushers_inner.h"

#include "homeserver/person/persons.h"
#include "homeserver/receipt/receipts.h"
#include "homeserver/user/users.h"
#include "matrix/stripped.h"

enum { NOTICE_CEILING_BYTES = 256 * 1024 };

/* All unread messages of the user. */
static enum err count_unread(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	int64_t *out)
{
	struct user *user;
	struct user_room *rooms;
	size_t count;
	TRY(users_get(ctx, hs, user_id, &user));
	user_rooms(user, ctx->arena, &rooms, &count);
	*out = 0;
	for (size_t i = 0; i < count; i++) {
		if (!str_equals(rooms[i].membership, STR("join"))) {
			continue;
		}
		struct unread_result unread;
		TRY(unread_counts(ctx, hs, rooms[i].room, user, POSITION_NOW, &unread));
		*out += unread.notification_count;
		for (size_t k = 0; k < unread.thread_count; k++) {
			*out += unread.threads[k].notification_count;
		}
	}
	return ERR_OK;
}

/* What the user's invite shows of a room; *out is NULL when it shows no such state. */
static enum err find_stripped(struct ctx *ctx, const struct push_view *view, struct str type,
	struct str state_key, const struct json **out)
{
	struct user *user;
	struct user_room entry;
	struct json *list = ARENA_NEW(ctx->arena, struct json);
	*out = NULL;
	TRY(users_get(ctx, view->hs, view->user_id, &user));
	bool is_list = user_room_find(user, ctx->arena, room_nid(view->room), &entry) &&
		entry.stripped.p != NULL && stripped_state_read(ctx->arena, entry.stripped, list);
	for (size_t i = 0; is_list && i < list->count; i++) {
		const struct json *item = &list->items[i];
		if (str_equals(json_get_str(item, STR("type")), type) &&
			str_equals(json_get_str(item, STR("state_key")), state_key)) {
			*out = json_at(item, "content");
		}
	}
	return ERR_OK;
}

enum err push_state_text(struct ctx *ctx, const struct push_view *view, struct str type,
	struct str state_key, const char *field, struct str *out)
{
	const struct json *content = NULL;
	struct stored_event *event = NULL;
	if (room_is_resident(view->room)) {
		TRY(room_state_event(ctx, view->hs, view->room, type, state_key, POSITION_NOW, &event));
		content = event != NULL ? event->event->content : NULL;
	} else {
		TRY(find_stripped(ctx, view, type, state_key, &content));
	}
	*out = json_get_str(content, str_of(field));
	return ERR_OK;
}

static enum err write_state_text(struct ctx *ctx, const struct push_view *view, struct str type,
	struct str state_key, const char *field, struct json_out *out, const char *name)
{
	struct str text;
	TRY(push_state_text(ctx, view, type, state_key, field, &text));
	if (text.n > 0) {
		json_out_key(out, str_of(name));
		json_out_str(out, text);
	}
	return ERR_OK;
}

static enum err write_event(struct ctx *ctx, struct homeserver *hs, const struct push_due *due,
	struct room *room, const struct event *event, struct json_out *out)
{
	const struct push_view view = {hs, due->user_id, room};
	json_out_key_str(out, "type", event->type);
	json_out_key_str(out, "sender", event->sender.s);
	TRY(write_state_text(ctx, &view, STR("m.room.member"), event->sender.s, "displayname", out,
		"sender_display_name"));
	TRY(write_state_text(ctx, &view, STR("m.room.name"), STR(""), "name", out, "room_name"));
	TRY(write_state_text(ctx, &view, STR("m.room.canonical_alias"), STR(""), "alias", out,
		"room_alias"));
	if (event->is_state && str_equals(event->type, STR("m.room.member"))) {
		json_out_key_bool(out, "user_is_target", str_equals(event->state_key, due->user_id));
	}
	/* What is encrypted the gateway need not carry. */
	if (!str_equals(event->type, STR("m.room.encrypted"))) {
		json_out_key_value(out, "content", event->content);
	}
	return ERR_OK;
}

static void write_device(const struct push_due *due, const struct json *data, struct json_out *out)
{
	json_out_key_array(out, "devices");
	json_out_object(out);
	json_out_key_str(out, "app_id", due->app_id);
	json_out_key_str(out, "pushkey", due->pushkey);
	json_out_key_int(out, "pushkey_ts", due->set_at_ms / 1000);
	json_out_key_object(out, "data");
	for (size_t i = 0; i < data->count; i++) {
		if (!str_equals(data->members[i].key, STR("url"))) {
			json_out_key(out, data->members[i].key);
			json_out_value(out, &data->members[i].value);
		}
	}
	json_out_end(out);
	if (due->tweaks.p != NULL) {
		json_out_key_raw(out, "tweaks", due->tweaks);
	}
	json_out_end(out);
	json_out_end(out);
}

enum err push_find_event(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	int64_t room_nid, int64_t position, struct room **out_room, struct stored_event **out)
{
	struct str membership;
	struct stored_event *event;
	bool is_ignored;
	*out = NULL;
	TRY(rooms_get_nid(ctx, hs, room_nid, out_room));
	TRY(room_membership(ctx, hs, *out_room, user_id, &membership));
	bool is_joined = str_equals(membership, STR("join"));
	if (!is_joined && !str_equals(membership, STR("invite"))) {
		return ERR_OK;
	}
	enum err err = room_event_at(ctx, hs, *out_room, position, &event);
	if (err == ERR_MISSING && !is_joined) {
		/* The invite to a room of others, which is not in the stream: the one of that position, for another may have come since. */
		ctx->fault = (struct fault){0};
		err = room_state_event(ctx, hs, *out_room, STR("m.room.member"), user_id, position, &event);
	}
	TRY(err);
	if (event == NULL) {
		return ERR_OK;
	}
	TRY(user_ignores(ctx, hs, user_id, event->event->sender.s, &is_ignored));
	/* An invite that was accepted is no news. */
	bool is_over = is_joined && event_is(event->event, STR("m.room.member"), user_id);
	if (event->redacted_by == 0 && !is_ignored && !is_over) {
		*out = event;
	}
	return ERR_OK;
}

/* Whether it is worth waking the device for: a sound or highlight, or what only the device can tell. */
static bool is_urgent(const struct push_due *due, const struct event *event)
{
	return event != NULL &&
		((due->tweaks.p != NULL && !str_equals(due->tweaks, STR("{}"))) ||
			str_equals(event->type, STR("m.room.encrypted")));
}

static enum err write(struct ctx *ctx, struct homeserver *hs, const struct push_due *due,
	const struct json *data, int64_t badge, struct room *room, const struct event *event,
	struct json_out *out)
{
	bool is_short = str_equals(json_get_str(data, STR("format")), STR("event_id_only"));
	json_out_object(out);
	json_out_key_object(out, "notification");
	if (event != NULL) {
		json_out_key_str(out, "event_id", event->event_id.s);
		json_out_key_str(out, "room_id", room_id_of(room).s);
	}
	if (event != NULL && !is_short) {
		TRY(write_event(ctx, hs, due, room, event, out));
	}
	json_out_key_str(out, "prio", is_urgent(due, event) ? STR("high") : STR("low"));
	json_out_key_object(out, "counts");
	/* Zeros are left out beside an event; alone, they are what there is to tell. */
	if (badge > 0 || event == NULL) {
		json_out_key_int(out, "unread", badge);
	}
	json_out_end(out);
	write_device(due, data, out);
	json_out_end(out);
	json_out_end(out);
	return ERR_OK;
}

enum err push_notice_write(struct ctx *ctx, struct homeserver *hs, const struct push_due *due,
	struct push_notice *out)
{
	struct room *room = NULL;
	struct stored_event *event = NULL;
	struct json data;
	*out = (struct push_notice){.badge = -1};
	if (json_parse(ctx->arena, due->data, NULL, &data, NULL) != JSON_OK) {
		return fail_cause(ctx, ERR_INTERNAL, "stored pusher data are not JSON");
	}
	if (due->room_nid != 0 && !due->is_read) {
		enum err err =
			push_find_event(ctx, hs, due->user_id, due->room_nid, due->position, &room, &event);
		if (err != ERR_OK && err != ERR_MISSING) {
			return err;
		}
	}
	if (due->room_nid != 0 && event == NULL) {
		return ERR_OK;
	}
	int64_t badge;
	TRY(count_unread(ctx, hs, due->user_id, &badge));
	if (event == NULL && badge == MAX_OF(due->badge, 0)) {
		return ERR_OK;
	}
	struct buf buf CLEANUP(buf_fini);
	struct json_out json;
	buf_init(&buf, NOTICE_CEILING_BYTES);
	json_out_init(&json, &buf);
	TRY(write(ctx, hs, due, &data, badge, room, event != NULL ? event->event : NULL, &json));
	out->url = json_get_str(&data, STR("url"));
	out->body = str_dup(ctx->arena, buf_str(&buf));
	out->badge = badge;
	return ERR_OK;
}
