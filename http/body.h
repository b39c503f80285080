/**
 * A request's body on its way into a file: gathered, hashed and written as it arrives, in pieces of 128 KiB, two of
 * which are all the memory that an upload of any size takes. Writes go to the page cache; who keeps the file flushes it, on a worker.
 * Used by the connection's I/O thread until it is complete, then by the handler. Inner to http/.
 */
#ifndef BELFRY_HTTP_BODY_H
#define BELFRY_HTTP_BODY_H

#include "http/body_writer.h"
#include "http/call.h"

struct body;

/**
 * Begins a file of a new name in the folder.
 * @return NULL (logged) when the file system refuses
 */
struct body *body_create(struct body_writer *writer, const char *folder, uint64_t request_id);

/** Closes the file, and removes it when it still has its name. NULL does nothing. */
void body_destroy(struct body *body);

/** @return false (logged) when it cannot be written, as on a full disk */
MUST_CHECK bool body_add(struct body *body, struct str piece);

/** All is there: the hash is final. Once. @return as body_add() */
MUST_CHECK bool body_end(struct body *body);

/** Bytes added so far. */
int64_t body_size(const struct body *body);
/** The file, its size and hash; of the body. After body_end(). */
const struct body_file *body_file(const struct body *body);

#endif
