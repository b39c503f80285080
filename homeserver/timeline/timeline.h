/**
 * The timeline's face for other domains: tokens, pages of events, events as clients see them.
 */
#ifndef BELFRY_HOMESERVER_TIMELINE_TIMELINE_H
#define BELFRY_HOMESERVER_TIMELINE_TIMELINE_H

#include "homeserver/timeline/event_erased.h"
#include "homeserver/timeline/event_view.h"
#include "homeserver/timeline/page_fill.h"
#include "homeserver/timeline/reading.h"
#include "homeserver/timeline/token.h"

#endif
