/**
 * What is bundled with events in `m.relations`: newest edit, references, thread. Inner to timeline/.
 * Spec: client-server API, "Aggregations of child events"
 */
#ifndef BELFRY_HOMESERVER_TIMELINE_BUNDLE_H
#define BELFRY_HOMESERVER_TIMELINE_BUNDLE_H

#include "homeserver/timeline/event_view.h"
#include "matrix/relation.h"

/**
 * The bundles of events of one room, in the arena; *out NULL when there are none. Two round trips at most, none when
 * all are childless, or view->is_whole and none of the events relates to another.
 */
MUST_CHECK enum err bundle_load(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event_view *view, struct stored_event *const *events, size_t count,
	const struct relation_bundle **out);

#endif
