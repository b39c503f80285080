/*
 * No handler runs anywhere: the main thread asks for the next signal while it waits for something else
 * (a database that starts, the end of the server), so nothing is interrupted half way.
 */
#include "app/signals.h"

#include <signal.h>
#include <time.h>

static void fill_set(sigset_t *set)
{
	static const int wanted[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1};
	(void)sigemptyset(set);
	for (size_t i = 0; i < COUNT_OF(wanted); i++) {
		(void)sigaddset(set, wanted[i]);
	}
}

void signals_init(struct signals *signals)
{
	*signals = (struct signals){0};
	sigset_t set;
	fill_set(&set);
	int failed = pthread_sigmask(SIG_BLOCK, &set, NULL);
	invariant(failed == 0);
	(void)signal(SIGPIPE, SIG_IGN);
}

void signals_end_it(void)
{
	sigset_t set;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	int failed = pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	invariant(failed == 0);
}

void signals_wait(struct signals *signals, int64_t timeout_ms)
{
	sigset_t set;
	fill_set(&set);
	int64_t ms = MAX_OF(timeout_ms, (int64_t)0);
	struct timespec timeout = {.tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000};
	int got = sigtimedwait(&set, NULL, &timeout);
	if (got == SIGTERM || got == SIGINT) {
		signals->stop = true;
	}
	if (got == SIGUSR1) {
		signals->poke = true;
	}
}
