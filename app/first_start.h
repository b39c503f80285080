/**
 * What the very first start tells the person who started it.
 */
#ifndef BELFRY_APP_FIRST_START_H
#define BELFRY_APP_FIRST_START_H

#include "homeserver/homeserver.h"

struct first_start {
	const char
		*same_server;  /**< what further commands need behind them, as of command_same_server() */
	struct str listen; /**< address for clients as configured; may be empty */
	uint16_t port;     /**< on which the server listens */
};

/**
 * When there is no account yet: makes the administrator `admin` with a random password, and prints it, once, on
 * standard output, never in the log. A failure is logged: `belfry user add` can do the same.
 */
void first_start_administrator(struct ctx *ctx, struct homeserver *hs,
	const struct first_start *start);

/** "0.1.0". Static. */
const char *app_version(void);

#endif
