/**
 * The main thread's signals: blocked everywhere, taken one by one while waiting.
 */
#ifndef BELFRY_APP_SIGNALS_H
#define BELFRY_APP_SIGNALS_H

#include "base/defs.h"

struct signals {
	bool stop; /**< SIGTERM or SIGINT came; stays true */
	bool poke; /**< SIGUSR1 came: a command changed accounts; for the reader to reset */
};

/** Blocks them in this thread and those started later; SIGPIPE is ignored. */
void signals_init(struct signals *signals);

/** From now on SIGTERM and SIGINT end the program at once: nothing is left that has to be closed. */
void signals_end_it(void);

/** Waits until a signal comes or the time is over. */
void signals_wait(struct signals *signals, int64_t timeout_ms);

#endif
