/*
 * Who may read a room at all: members and those who have left, as far as they have not forgotten it, and anybody where history
 * is world-readable.
 */
#include "homeserver/timeline/reading.h"

#include "homeserver/person/persons.h"
#include "homeserver/user/users.h"
#include "http/memo.h"
#include "storage/state.h"

static enum err require_remembered(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id)
{
	struct member_row member;
	enum err err = store_member_of_room(ctx, hs->db, room_nid(room), user_id, &member);
	if (err == ERR_MISSING || (err == ERR_OK && !member.is_forgotten)) {
		return ERR_OK;
	}
	return err != ERR_OK ? err : fail(ctx, ERR_DENIED, M_FORBIDDEN, "You are not in that room");
}

static enum err load_ignored(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str_set *out)
{
	struct user *user;
	struct str *ids;
	size_t count;
	TRY(users_get(ctx, hs, user_id, &user));
	TRY(ignored_users(ctx, hs, user, &ids, &count));
	*out = str_set_make(ctx->arena, ids, count);
	return ERR_OK;
}

enum err reading_begin(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct room *room, struct reading *out)
{
	*out = (struct reading){.room = room};
	out->viewer = room_viewer_create(ctx, room, who->user.s);
	TRY(room_viewer_horizon(ctx, hs, out->viewer, &out->horizon));
	if (out->horizon != POSITION_NOW) {
		TRY(require_remembered(ctx, hs, room, who->user.s));
	}
	TRY(load_ignored(ctx, hs, who->user.s, &out->ignored));
	out->view = (struct event_view){
		.user_id = who->user.s,
		.device_id = who->device_id,
		.viewer = out->viewer,
		.ignored = out->ignored.count > 0 ? &out->ignored : NULL,
		.up_to = MIN_OF(out->horizon, writer_position(hs->writer)),
		.with_room_id = true,
	};
	return ERR_OK;
}

enum err reading_begin_room(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str room_id, struct reading *out)
{
	struct room *room;
	TRY(rooms_get_for(ctx, hs, room_id, &room));
	TRY(reading_begin(ctx, hs, who, room, out));
	return out->horizon != 0 ? ERR_OK
							 : fail(ctx, ERR_DENIED, M_FORBIDDEN, "You are not in that room");
}

static enum err no_event(struct ctx *ctx)
{
	return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Event not found");
}

enum err reading_find_event(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str room_id, struct str event_id, struct reading *reading, struct stored_event **out)
{
	struct room *room;
	struct event_id parsed;
	if (!event_id_parse(event_id, &parsed)) {
		return no_event(ctx);
	}
	enum err err = rooms_get(ctx, hs, room_id, &room);
	if (err == ERR_OK) {
		err = reading_begin(ctx, hs, who, room, reading);
	}
	if (err == ERR_OK) {
		err = room_event(ctx, hs, room, event_id, out);
	}
	if (err == ERR_OK) {
		err = room_viewer_cover(ctx, hs, reading->viewer, out, 1);
	}
	if (err == ERR_MISSING || err == ERR_DENIED ||
		(err == ERR_OK && !room_viewer_sees(reading->viewer, *out))) {
		return no_event(ctx);
	}
	TRY(err);
	/* Who was only invited may know about what is visible, up to now. */
	reading->view.up_to = MAX_OF(reading->view.up_to, (*out)->position);
	return ERR_OK;
}

bool reading_ignores(const struct reading *reading, const struct stored_event *event)
{
	return !event->event->is_state && str_set_has(&reading->ignored, event->event->sender.s);
}

enum err reading_fill_gap(struct ctx *ctx, struct homeserver *hs, const struct reading *reading,
	int64_t reached, bool *out_goes_on)
{
	const struct history_port *port = &hs->ports.history;
	/* How often: what was filled then, this run does not see. */
	size_t *parked = MEMO_FIND(ctx, STR("gaps"), size_t);
	*out_goes_on = false;
	if (port->fill == NULL || *parked >= READING_GAPS_MAX) {
		return ERR_OK;
	}
	enum err err = port->fill(port->self, ctx, reading->room, reached, out_goes_on);
	*parked += err == ERR_DEFER ? 1 : 0;
	return err;
}

/* Whether others may be asked for an event of a room for this reader: who may not read it at all asks nobody. */
static enum err ask_for(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str room_id, struct str event_id, bool *out_is_news)
{
	const struct history_port *port = &hs->ports.history;
	struct reading reading;
	struct event_id id;
	*out_is_news = false;
	if (port->fetch == NULL || !event_id_parse(event_id, &id)) {
		return ERR_OK;
	}
	enum err err = reading_begin_room(ctx, hs, who, room_id, &reading);
	if (err == ERR_OK) {
		err = port->fetch(port->self, ctx, reading.room, id, out_is_news);
	}
	return err == ERR_DENIED || err == ERR_MISSING ? ERR_OK : err;
}

enum err reading_get_event(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str room_id, struct str event_id, struct reading *reading, struct stored_event **out)
{
	bool is_news = true;
	enum err err = reading_find_event(ctx, hs, who, room_id, event_id, reading, out);
	for (size_t i = 0; err == ERR_MISSING && is_news && i < READING_FETCHES_MAX; i++) {
		TRY(ask_for(ctx, hs, who, room_id, event_id, &is_news));
		if (is_news) {
			ctx->fault = (struct fault){0};
			err = reading_find_event(ctx, hs, who, room_id, event_id, reading, out);
		}
	}
	return err == ERR_MISSING ? no_event(ctx) : err;
}

enum err reading_fetch_near(struct ctx *ctx, struct homeserver *hs, const struct reading *reading,
	const struct history_time *wanted, bool *out_is_news)
{
	const struct history_port *port = &hs->ports.history;
	*out_is_news = false;
	return port->fetch_near == NULL
		? ERR_OK
		: port->fetch_near(port->self, ctx, reading->room, wanted, out_is_news);
}
