/*
 * When a mail of missed messages goes, and what stands in it. A mail waits until the oldest message has been unread for a while, so that
 * who reads along gets none; after each the next one waits longer, until the user has read something.
 */
#include "homeserver/pusher/pushers_inner.h"

#include "base/backoff.h"
#include "base/vec.h"
#include "http/client_mail.h"
#include "storage/threepid.h"

#include <inttypes.h>

enum {
	WAITING_LIMIT = 300, /* the newest that are looked at */
	ROOMS_SHOWN = 8,
	LINES_SHOWN = 6,
	PAUSE_MAX_MS = 24 * 60 * 60 * 1000,
};

bool push_mail_is_on(const struct homeserver *hs)
{
	return hs->settings.public_base_url.n > 0 && mail_is_on(hs->http_client);
}

enum err push_mail_check_owner(struct ctx *ctx, struct homeserver *hs, struct str address,
	struct str user_id, bool *out_owns)
{
	struct threepid_row row;
	*out_owns = false;
	if (str_find_byte(address, '\0') != SIZE_MAX) {
		return ERR_OK;
	}
	enum err err =
		store_threepid_find(ctx, hs->db, STR("email"), str_lower(ctx->arena, address), &row);
	*out_owns = err == ERR_OK && str_equals(row.user_id, user_id);
	return err == ERR_MISSING ? ERR_OK : err;
}

/* --- when ------------------------------------------------------------------------------------------------- */

/* The oldest of those not read has waited for longest; INT64_MAX when all were read. */
static int64_t oldest_unread_ms(const struct push_waiting *waiting, size_t count)
{
	int64_t oldest_ms = INT64_MAX;
	for (size_t i = 0; i < count; i++) {
		if (!waiting[i].is_read) {
			oldest_ms = MIN_OF(oldest_ms, waiting[i].queued_at_ms);
		}
	}
	return oldest_ms;
}

/* PUSH_MAIL_SEND: as far as the time goes. What would take longer than it may was decided by a clock that was set back since. */
static enum push_mail_next what_next(const struct homeserver *hs, const struct push_due *due,
	const struct push_waiting *waiting, size_t count, int64_t *out_left_ms)
{
	int64_t now_ms = clock_wall_ms(&hs->clock);
	int64_t delay_ms = hs->settings.mail_unread_after_ms;
	int64_t oldest_ms = oldest_unread_ms(waiting, count);
	if (oldest_ms == INT64_MAX) {
		return PUSH_MAIL_NOTHING;
	}
	*out_left_ms = MAX_OF(backoff_left_ms(oldest_ms + delay_ms, now_ms, delay_ms),
		backoff_left_ms(due->mailed_at_ms + due->mail_pause_ms, now_ms, due->mail_pause_ms));
	return *out_left_ms > 0 ? PUSH_MAIL_LATER : PUSH_MAIL_SEND;
}

static int64_t next_pause_ms(const struct homeserver *hs, const struct push_due *due)
{
	int64_t pause_ms = MAX_OF(2 * due->mail_pause_ms, hs->settings.mail_unread_pause_ms);
	return MIN_OF(pause_ms, (int64_t)PAUSE_MAX_MS);
}

/* --- what ------------------------------------------------------------------------------------------------- */

/* Unread messages of one room, newest first. */
struct unread_room {
	struct push_view view;
	VEC(const struct event *) events;
};

/* The one with the newest message first. */
struct unread_rooms {
	struct unread_room *p;
	size_t n;
	size_t capacity;
};

static void add_event(struct arena *arena, struct unread_rooms *rooms, const struct push_view *view,
	const struct event *event)
{
	size_t i = 0;
	while (i < rooms->n && room_nid(rooms->p[i].view.room) != room_nid(view->room)) {
		i++;
	}
	if (i == rooms->n) {
		struct unread_room fresh = {.view = *view};
		VEC_PUSH(arena, rooms, fresh);
	}
	VEC_PUSH(arena, &rooms->p[i].events, event);
}

static enum err collect(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct push_waiting *waiting, size_t count, struct unread_rooms *out)
{
	for (size_t i = 0; i < count; i++) {
		const struct push_waiting *one = &waiting[i];
		struct room *room;
		struct stored_event *event;
		if (one->is_read) {
			continue;
		}
		enum err err =
			push_find_event(ctx, hs, user_id, one->room_nid, one->position, &room, &event);
		if (err == ERR_MISSING) {
			continue;
		}
		TRY(err);
		const struct push_view view = {hs, user_id, room};
		if (event != NULL) {
			add_event(ctx->arena, out, &view, event->event);
		}
	}
	return ERR_OK;
}

static enum err sender_name(struct ctx *ctx, const struct push_view *view,
	const struct event *event, struct str *out)
{
	TRY(push_state_text(ctx, view, STR("m.room.member"), event->sender.s, "displayname", out));
	*out = out->n > 0 ? *out : event->sender.s;
	return ERR_OK;
}

/* A room without a name or alias is a talk with whoever wrote. */
static enum err room_name(struct ctx *ctx, const struct unread_room *unread, struct str *out)
{
	const struct push_view *view = &unread->view;
	TRY(push_state_text(ctx, view, STR("m.room.name"), STR(""), "name", out));
	if (out->n == 0) {
		TRY(push_state_text(ctx, view, STR("m.room.canonical_alias"), STR(""), "alias", out));
	}
	return out->n > 0 ? ERR_OK : sender_name(ctx, view, unread->events.p[0], out);
}

static enum err show_room(struct ctx *ctx, const struct unread_room *unread,
	struct push_mail_room *out)
{
	size_t n = MIN_OF(unread->events.n, (size_t)LINES_SHOWN);
	out->unread = unread->events.n;
	out->line_n = n;
	out->lines = ARENA_NEW_ARRAY(ctx->arena, struct push_mail_line, n);
	for (size_t i = 0; i < n; i++) {
		const struct event *event = unread->events.p[n - 1 - i];
		TRY(sender_name(ctx, &unread->view, event, &out->lines[i].sender));
		out->lines[i].text = push_mail_line_text(ctx->arena, event);
	}
	return room_name(ctx, unread, &out->name);
}

static enum err show(struct ctx *ctx, struct homeserver *hs, const struct push_due *due,
	const struct unread_rooms *rooms, struct push_mail_content *out)
{
	struct str base = hs->settings.public_base_url;
	out->server_name = hs->settings.server_name.s;
	out->unsubscribe_url =
		str_printf(ctx->arena, "%.*s" PUSHER_UNSUBSCRIBE_PATH "?pusher=%" PRId64 "&token=%.*s",
			STR_ARG(base), due->pusher_nid, STR_ARG(due->unsubscribe_token));
	out->room_n = MIN_OF(rooms->n, (size_t)ROOMS_SHOWN);
	out->left_out = rooms->n - out->room_n;
	out->rooms = ARENA_NEW_ARRAY(ctx->arena, struct push_mail_room, out->room_n);
	for (size_t i = 0; i < out->room_n; i++) {
		TRY(show_room(ctx, &rooms->p[i], &out->rooms[i]));
	}
	for (size_t i = 0; i < rooms->n; i++) {
		out->unread += rooms->p[i].events.n;
	}
	return ERR_OK;
}

enum err push_mail_write(struct ctx *ctx, struct homeserver *hs, const struct push_due *due,
	struct push_mail *out)
{
	struct push_waiting *waiting;
	size_t count;
	bool may_send;
	*out = (struct push_mail){.next = PUSH_MAIL_NOTHING, .position = due->position};
	TRY(store_push_waiting(ctx, hs->db, due->pusher_nid, WAITING_LIMIT, &waiting, &count));
	if (count == 0) {
		return ERR_OK;
	}
	out->position = waiting[0].position;
	out->next = what_next(hs, due, waiting, count, &out->left_ms);
	if (out->next != PUSH_MAIL_SEND) {
		return ERR_OK;
	}
	struct unread_rooms rooms = {0};
	/* An address that is the user's no more gets nothing, also while the pusher's end is on its way. */
	TRY(push_mail_check_owner(ctx, hs, due->pushkey, due->user_id, &may_send));
	if (may_send) {
		TRY(collect(ctx, hs, due->user_id, waiting, count, &rooms));
	}
	if (rooms.n == 0) {
		out->next = PUSH_MAIL_NOTHING;
		return ERR_OK;
	}
	struct push_mail_content content = {.has_more = count == WAITING_LIMIT};
	TRY(show(ctx, hs, due, &rooms, &content));
	out->pause_ms = next_pause_ms(hs, due);
	out->mail = (struct mail){
		.to = due->pushkey,
		.id = str_printf(ctx->arena, "push%" PRId64 "x%" PRId64, due->pusher_nid, out->position),
		.date_ms = clock_wall_ms(&hs->clock),
		.unsubscribe_url = content.unsubscribe_url,
	};
	push_mail_text(ctx->arena, &content, &out->mail);
	return ERR_OK;
}
