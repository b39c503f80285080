/**
 * One thread that sleeps until another wakes it. In place of a condition where there is one sleeper: it needs no lock, which
 * the woken thread would find taken by its waker, and a thread that was woken has one system call behind it instead of three.
 */
#ifndef BELFRY_BASE_WAKEUP_H
#define BELFRY_BASE_WAKEUP_H

#include "base/defs.h"

#include <semaphore.h>

struct wakeup {
	sem_t sent;
};

void wakeup_init(struct wakeup *wakeup);
void wakeup_fini(struct wakeup *wakeup);
/** Once for each wakeup_wait(), before or after it. Who is woken may free the wakeup at once. What the sender did is seen by it. */
void wakeup_send(struct wakeup *wakeup);
/** Sleeps until it is sent. */
void wakeup_wait(struct wakeup *wakeup);

#endif
