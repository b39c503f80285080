/*
 * What was visible to somebody before the erasure stays so; the redacted form is made for one answer.
 */
#include "homeserver/timeline/event_erased.h"

#include "homeserver/erasure.h"
#include "matrix/canonical.h"
#include "matrix/redact.h"

static struct stored_event *redacted_form(struct ctx *ctx, const struct stored_event *from)
{
	const struct event *event = from->event;
	struct json redacted = redact_event(ctx->arena, event->version, event_json(ctx->arena, event));
	struct event_row row = {
		.room_nid = from->room_nid,
		.position = from->position,
		.event_id = event->event_id.s,
		.json = canonical_text(ctx->arena, &redacted),
		.replaces_position = from->replaces_position,
		.thread_root = from->thread_root,
		.redacted_by = from->redacted_by,
	};
	struct stored_event *made = stored_event_create(event->version, event->room_id.s, &row);
	stored_event_until_reset(ctx->arena, made);
	return made;
}

enum err erased_hide(struct ctx *ctx, struct homeserver *hs, struct room_viewer *viewer,
	struct stored_event **events, size_t count)
{
	if (viewer == NULL || erasure_is_empty(hs->erasure)) {
		return ERR_OK;
	}
	for (size_t i = 0; i < count; i++) {
		if (events[i] == NULL) {
			continue;
		}
		int64_t erased_at = erasure_position(hs->erasure, events[i]->event->sender.s);
		if (erased_at == 0) {
			continue;
		}
		bool is_known;
		TRY(room_viewer_saw(ctx, hs, viewer, events[i], erased_at, &is_known));
		if (!is_known) {
			events[i] = redacted_form(ctx, events[i]);
		}
	}
	return ERR_OK;
}
