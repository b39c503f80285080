/**
 * Events as one reader gets them: what is the same for everybody is spliced from the stored event, `unsigned` is made here.
 * What has to be looked up is looked up for a whole answer at once.
 */
#ifndef BELFRY_HOMESERVER_TIMELINE_EVENT_VIEW_H
#define BELFRY_HOMESERVER_TIMELINE_EVENT_VIEW_H

#include "homeserver/room/rooms.h"
#include "matrix/filter.h"

/** For whom, and how. Lives as long as the batch. */
struct event_view {
	struct str user_id;
	struct str device_id;          /**< gets its transaction ids */
	struct room_viewer *viewer;    /**< covers the events; NULL: no membership is told */
	const struct filter *filter;   /**< event_fields, event_format; NULL: all, for clients */
	const struct str_set *ignored; /**< users whose relations do not count; NULL: none */
	int64_t up_to;                 /**< newest position of which the reader may know */
	const struct str *
		stripped; /**< what each event shows of its room (invites, knocks), a JSON array; NULL: none does */
	const bool
		*childless; /**< of each event: nothing relates to it that is bundled; NULL: not known */
	bool with_room_id;
	bool without_relations; /**< what relates to the events is not told */
	bool is_state; /**< a state section: without what the event replaced and what relates to it */
	/**
	 * The events are all that the reader can see from the oldest of them up to `up_to`: so what relates to them is among
	 * them, and if there is nothing, nothing is looked up.
	 */
	bool is_whole;
};

struct event_batch;

/**
 * Looks up what the events need. At most two round trips, none for new events; two more for a reader who has come after what
 * an event replaced and may not see all of it.
 * @param events  of one room; have to live as long as the batch
 * Errors: STORE
 */
MUST_CHECK enum err event_view_prepare(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event_view *view, struct stored_event *const *events, size_t count,
	struct event_batch **out);

/**
 * Whether all readers who were joined at the events, and have sent none of them, get the same. (There is no state event among them, nothing
 * that relates to one, and the reader is such a one.)
 */
bool event_view_is_common(const struct event_batch *batch);
/** Writes one of the events as a value. */
void event_view_write(const struct event_batch *batch, size_t index, struct json_out *out);
/** All of them, in order: values only, the caller has opened the array. */
void event_view_write_all(const struct event_batch *batch, struct json_out *out);

#endif
