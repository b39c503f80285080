/*
 * Reports are rows that wait for an administrator; nothing is done by itself.
 */
#include "base/metrics.h"
#include "homeserver/report/reports.h"
#include "storage/account.h"
#include "storage/report.h"

static struct metric reports_stored =
	METRIC_COUNTER("belfry_report_stored_total", "Events, rooms and users reported");

static enum err store(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct report_row row)
{
	row.reporter = who->user.s;
	row.created_at_ms = clock_wall_ms(&hs->clock);
	TRY(store_report_insert(ctx, hs->db, &row));
	metric_add(&reports_stored, 1);
	return ERR_OK;
}

static enum err check_reason(struct ctx *ctx, struct str reason)
{
	if (reason.n > REPORT_REASON_MAX_BYTES) {
		return fail_status(ctx, ERR_INPUT, 413, M_TOO_LARGE, "The reason is too long");
	}
	return str_find_byte(reason, '\0') == SIZE_MAX
		? ERR_OK
		: fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The reason must not contain NUL");
}

/* The event, as far as the user may know of it. Errors: MISSING, DENIED when not; STORE */
static enum err find_event(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str room_id, struct str event_id, struct stored_event **out)
{
	struct room *room;
	bool is_visible;
	TRY(rooms_get(ctx, hs, room_id, &room));
	TRY(room_require_joined(ctx, hs, room, who->user.s));
	TRY(room_event(ctx, hs, room, event_id, out));
	TRY(room_is_visible(ctx, hs, room, who->user.s, *out, &is_visible));
	return is_visible ? ERR_OK : ERR_MISSING;
}

enum err report_event(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str room_id, struct str event_id, struct str reason)
{
	struct stored_event *event;
	TRY(check_reason(ctx, reason));
	enum err err = find_event(ctx, hs, who, room_id, event_id, &event);
	if (err == ERR_MISSING || err == ERR_DENIED || err == ERR_INPUT) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND,
			"The event was not found or you are not joined to the room");
	}
	TRY(err);
	const struct report_row row = {
		.room_id = room_id,
		.event_id = event_id,
		.user_id = event->event->sender.s,
		.reason = reason,
		.event_json = event->event->raw,
	};
	return store(ctx, hs, who, row);
}

enum err report_room(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str room_id, struct str reason)
{
	struct room *room;
	TRY(check_reason(ctx, reason));
	enum err err = rooms_get(ctx, hs, room_id, &room);
	if (err == ERR_MISSING || err == ERR_INPUT) {
		return ERR_OK;
	}
	TRY(err);
	return store(ctx, hs, who, (struct report_row){.room_id = room_id, .reason = reason});
}

enum err report_user(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str user_id, struct str reason)
{
	struct user_id parsed;
	struct account_row account;
	TRY(check_reason(ctx, reason));
	if (!user_id_parse(user_id, &parsed)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "Not a user id");
	}
	if (hs_is_local(hs, user_id)) {
		enum err err = store_account_find(ctx, hs->db, user_id, &account);
		if (err == ERR_MISSING) {
			return ERR_OK;
		}
		TRY(err);
	}
	return store(ctx, hs, who, (struct report_row){.user_id = user_id, .reason = reason});
}
