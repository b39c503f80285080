/*
 * A semaphore: POSIX lets the one whom it has let pass destroy it, even while sem_post() has not returned.
 */
#include "base/wakeup.h"

#include <errno.h>

void wakeup_init(struct wakeup *wakeup)
{
	int failed = sem_init(&wakeup->sent, 0, 0);
	invariant(failed == 0);
}

void wakeup_fini(struct wakeup *wakeup)
{
	int failed = sem_destroy(&wakeup->sent);
	invariant(failed == 0);
}

void wakeup_send(struct wakeup *wakeup)
{
	int failed = sem_post(&wakeup->sent);
	invariant(failed == 0);
}

void wakeup_wait(struct wakeup *wakeup)
{
	while (sem_wait(&wakeup->sent) != 0) {
		invariant(errno == EINTR);
	}
}
