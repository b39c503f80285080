/**
 * The one thread that tidies up: what was not used for long leaves the memory, what is over leaves the
 * database.
 */
#ifndef BELFRY_APP_HOUSEKEEPER_H
#define BELFRY_APP_HOUSEKEEPER_H

#include "homeserver/homeserver.h"

struct housekeeper;

struct http_server;

/** No thread yet. Both stay until the destruction. */
struct housekeeper *housekeeper_create(struct homeserver *hs, struct http_server *http);
/** Starts the thread; the homeserver is whole. */
void housekeeper_start(struct housekeeper *housekeeper);

/** Looks at the sessions now instead of within seconds. Any thread. */
void housekeeper_poke(struct housekeeper *housekeeper);

/** Whether the database answered when it was last asked. Any thread, from memory. */
bool housekeeper_is_healthy(const struct housekeeper *housekeeper);

/** Does the sessions' last round if it was started, and ends the thread: the HTTP server may go. NULL does nothing. */
void housekeeper_stop(struct housekeeper *housekeeper);
/** When nobody pokes any more. NULL does nothing. */
void housekeeper_destroy(struct housekeeper *housekeeper);

#endif
