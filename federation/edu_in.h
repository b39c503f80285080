/**
 * EDUs of other servers: typing, receipts, presence, messages to devices, changes of device lists and of cross-signing keys.
 * An EDU speaks only of users of the server that sent it; whatever else stands in it is left out.
 * Spec: server-server API, "EDUs"
 */
#ifndef BELFRY_FEDERATION_EDU_IN_H
#define BELFRY_FEDERATION_EDU_IN_H

#include "federation/federation.h"
#include "matrix/transaction.h"

/** Whether anything comes of EDUs of a type; others are not staged. */
bool edu_in_is_known(struct str type);

/** An EDU, and who sent it. */
struct edu_arrival {
	struct server_name origin;
	struct edu edu;
	bool may_wait; /**< the thread is one that may ask other servers */
};

/**
 * Does what an EDU says.
 * Errors: MISSING (what it is about is not known yet: later, perhaps); DEFER (another server has to be asked, which this thread may not);
 * TIMEOUT, STORE, SHUTDOWN. What is malformed, or not the server's to say, is no error: nothing comes of it.
 */
MUST_CHECK enum err edu_in_do(struct ctx *ctx, struct federation *federation,
	const struct edu_arrival *arrival);

#endif
