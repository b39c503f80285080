/**
 * Simplified sliding sync: a client says of which of its rooms it wants what (a window of a list, or one room by its id), and is told of these alone, of each
 * since it was told of it last. Other data come as extensions.
 *
 * A position of a connection says what its client knows (matrix/sliding_state.h). It is stored when an answer changes that, and never changes itself: who comes back
 * with the same one gets the same again. A message in a room that the client follows changes nothing of it, and asks the database nothing.
 * Spec: MSC4186; extensions MSC3884, MSC3885, MSC3959, MSC3960, MSC3961
 */
#ifndef BELFRY_HOMESERVER_SYNC_SLIDING_H
#define BELFRY_HOMESERVER_SYNC_SLIDING_H

#include "homeserver/homeserver.h"

struct sliding_request;

/**
 * What the client asked: parsed at the first run of a call, and kept with it while it waits.
 * Errors: INPUT M_INVALID_PARAM, M_BAD_JSON, M_NOT_JSON, M_TOO_LARGE, M_UNKNOWN_POS (400); DEFER; STORE
 */
MUST_CHECK enum err sliding_request_of(struct call *call, struct sliding_request **out);

/** Answers, or parks the call until there is something or its time is over. Errors: INPUT M_UNKNOWN_POS (400); DENIED M_UNKNOWN_TOKEN (401) if the device has ended; DEFER; STORE */
MUST_CHECK enum err sliding_serve(struct call *call, struct sliding_request *request);

/** What is remembered of what clients know and lists filter by; bounded. */
struct sliding_memory;
struct sliding_memory *sliding_memory_create(void);
/** NULL does nothing. */
void sliding_memory_destroy(struct sliding_memory *memory);

#endif
