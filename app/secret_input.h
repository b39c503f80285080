/**
 * Passwords from whoever types the command.
 */
#ifndef BELFRY_APP_SECRET_INPUT_H
#define BELFRY_APP_SECRET_INPUT_H

#include "base/ctx.h"

/** The first line of standard input. Errors: INPUT when there is none, or it is too long. */
MUST_CHECK enum err secret_input_line(struct ctx *ctx, struct str *out);

/** Whether somebody sits at a terminal who can be asked. */
bool secret_input_can_ask(void);

/**
 * Asks twice at the terminal, without showing what is typed.
 * @param out  empty when nothing was typed
 * Errors: INPUT when the two differ.
 */
MUST_CHECK enum err secret_input_ask(struct ctx *ctx, const char *prompt, struct str *out);

#endif
