/**
 * The server from its start to its end.
 */
#ifndef BELFRY_APP_SERVE_H
#define BELFRY_APP_SERVE_H

#include "app/command.h"

/**
 * Runs the server until SIGTERM or SIGINT.
 *
 * @param is_quiet  the first start makes no administrator, since nobody would see the password
 * Errors: what the start failed at; the text says what to do. SHUTDOWN when a signal came before it was ready.
 */
MUST_CHECK enum err serve(struct command_line *line, bool is_quiet);

#endif
