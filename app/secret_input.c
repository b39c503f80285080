/*
 * Echo is switched off for a moment; a signal in between (Ctrl-C) gives it back before the process ends, since the
 * terminal outlives us.
 */
#include "app/secret_input.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/crypto.h"

enum { MAX_SECRET_BYTES = 1024 };

static enum err read_line(struct ctx *ctx, struct str *out)
{
	char text[MAX_SECRET_BYTES + 2];
	if (fgets(text, sizeof(text), stdin) == NULL) {
		return fail(ctx, ERR_INPUT, NULL, "there is no password on standard input");
	}
	size_t length = strcspn(text, "\r\n");
	bool is_whole = length <= MAX_SECRET_BYTES;
	*out = str_dup(ctx->arena, str_from(text, length));
	crypto_wipe(text, sizeof(text));
	return is_whole ? ERR_OK : fail(ctx, ERR_INPUT, NULL, "the password is too long");
}

enum err secret_input_line(struct ctx *ctx, struct str *out)
{
	return read_line(ctx, out);
}

bool secret_input_can_ask(void)
{
	return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
}

static enum err ask_once(struct ctx *ctx, const char *prompt, struct str *out)
{
	struct termios before;
	if (tcgetattr(STDIN_FILENO, &before) != 0) {
		return fail(ctx, ERR_INPUT, NULL, "cannot read from the terminal");
	}
	struct termios silent = before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	sigset_t interrupt;
	sigset_t mask;
	(void)sigemptyset(&interrupt);
	(void)sigaddset(&interrupt, SIGINT);
	(void)sigaddset(&interrupt, SIGTERM);
	(void)sigaddset(&interrupt, SIGTSTP);
	/* What comes meanwhile is delivered when the terminal is as it was: ISIG off makes Ctrl-C a character. */
	(void)pthread_sigmask(SIG_BLOCK, &interrupt, &mask);
	silent.c_lflag &= ~(tcflag_t)ISIG;
	(void)fprintf(stderr, "%s", prompt);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	enum err err = read_line(ctx, out);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	(void)fputc('\n', stderr);
	(void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
	if (err == ERR_OK && str_find_byte(*out, '\x03') != SIZE_MAX) {
		return fail(ctx, ERR_INPUT, NULL, "interrupted");
	}
	return err;
}

enum err secret_input_ask(struct ctx *ctx, const char *prompt, struct str *out)
{
	struct str first = {0};
	struct str second = {0};
	TRY(ask_once(ctx, prompt, &first));
	if (first.n == 0) {
		*out = first;
		return ERR_OK;
	}
	TRY(ask_once(ctx, "Again: ", &second));
	if (!crypto_equals(first, second)) {
		return fail(ctx, ERR_INPUT, NULL, "the two passwords differ");
	}
	*out = first;
	return ERR_OK;
}
