/**
 * What is told to the service manager that started us, by systemd's protocol: one datagram to the socket that it names
 * (sd_notify(3)). Under none nothing is sent.
 */
#ifndef BELFRY_APP_MANAGER_H
#define BELFRY_APP_MANAGER_H

#include "base/defs.h"

/**
 * Sends assignments, one a line, such as "READY=1\nSTATUS=Serving".
 * @return false when nobody listens, or the text is longer than 1 KiB
 */
bool manager_tell(const char *format, ...) PRINTF_LIKE(1, 2);

/** How often the manager wants to hear "WATCHDOG=1" of this process, microseconds; 0: it does not. */
int64_t manager_watchdog_us(void);

#endif
