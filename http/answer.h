/**
 * An answer that is ready to be sent. Its headers are kept as the text that is sent, so that a held connection (held.h) gets them as they are;
 * libmicrohttpd is told them where it sends. Inner to http/.
 */
#ifndef BELFRY_HTTP_ANSWER_H
#define BELFRY_HTTP_ANSWER_H

#include "base/buf.h"

#include <microhttpd.h>
#include <time.h>

struct answer {
	int status;                /**< 0: none yet */
	bool is_last;              /**< its connection ends with it */
	struct buf headers;        /**< a line each, but for Date and Content-Length */
	struct buf body;           /**< empty once libmicrohttpd has it */
	struct MHD_Response *file; /**< sent instead of `body`; NULL: that is sent */
	uint64_t body_bytes;       /**< of whichever it is */
};

/** Has neither headers nor a body. */
void answer_init(struct answer *answer, int status);
/** Frees; a zeroed one is fine. */
void answer_fini(struct answer *answer);

/** Adds a line. What would forge another one becomes a space; an empty value is not worth sending. */
void answer_add(struct answer *answer, const char *name, struct str value);
/** Adds lines that are right as they are, each with its end. */
void answer_add_lines(struct answer *answer, struct str lines);
/** Says that the connection ends with it. */
void answer_close_after(struct answer *answer);

/** Takes the contents. */
void answer_set_body(struct answer *answer, struct buf *body);

enum { ANSWER_DATE_BYTES = 32 };
/** A date as the header has it. @param text  holds it */
struct str answer_date(time_t now_s, char text[ANSWER_DATE_BYTES]);

/** All that is sent before the body. @param date  as the header has it */
void answer_write_head(const struct answer *answer, struct str date, struct buf *out);

/** Has libmicrohttpd send it, once; only its status and size are left. */
MUST_CHECK enum MHD_Result answer_queue(struct answer *answer, struct MHD_Connection *connection);

#endif
