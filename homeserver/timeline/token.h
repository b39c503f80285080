/**
 * Tokens of /sync and of pagination: "s<position>_<ephemeral>", and of a sync that could not take all messages to its device
 * "s<position>_<ephemeral>_<messages>". A token stands right after an event: forwards from it comes what has a greater
 * position, backwards what has this one or a lower one. It grants nothing. In history from before this server came
 * into a room positions are negative: "h<-position>_<ephemeral>". Behind the token of a sliding sync stands what its connection had told by then:
 * "s<position>_<ephemeral>~<connection>".
 */
#ifndef BELFRY_HOMESERVER_TIMELINE_TOKEN_H
#define BELFRY_HOMESERVER_TIMELINE_TOKEN_H

#include "homeserver/homeserver.h"

struct token {
	int64_t position;   /**< of the one stream */
	int64_t ephemeral;  /**< serial of what is never stored (typing); 0: none of it was seen */
	int64_t messages;   /**< position up to which the device got its messages; 0: as everything */
	int64_t connection; /**< number of the connection's position (storage/sliding.h); 0: none */
};

/** Reads a token. @return false when it is malformed */
MUST_CHECK bool token_parse(struct str text, struct token *out);

/** Its text, in the arena. */
struct str token_text(struct arena *arena, struct token token);

/**
 * Reads a client's token. One that another process gave out a moment ago is waited for.
 * Errors: INPUT M_INVALID_PARAM when malformed, or beyond the present; DEFER; TIMEOUT; STORE
 * Cost: none; of one beyond what this process has heard of, one round trip
 */
MUST_CHECK enum err token_read(struct ctx *ctx, const struct homeserver *hs, struct str text,
	struct token *out);
/** Reads a token of the query, if there is one. Errors: the same */
MUST_CHECK enum err token_query(struct call *call, const char *name, bool *out_has,
	struct token *out);
/**
 * As token_read(), of a sync's `since`, but one beyond the present becomes the beginning: it is of a time that a database restored from a
 * backup has not seen, and whoever shows it has to be told everything anew.
 */
MUST_CHECK enum err token_read_since(struct ctx *ctx, const struct homeserver *hs, struct str text,
	struct token *out);

#endif
