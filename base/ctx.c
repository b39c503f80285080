/*
 * Describing failures where they are discovered.
 */
#include "base/ctx.h"

#include <stdarg.h>
#include <stdio.h>

void ctx_init(struct ctx *ctx, struct arena *arena)
{
	*ctx = (struct ctx){.arena = arena};
}

PRINTF_LIKE(2, 0)
static struct str format_text(struct arena *arena, const char *format, va_list args)
{
	char text[512];
	int length = vsnprintf(text, sizeof(text), format, args);
	size_t n = length < 0 ? 0 : MIN_OF((size_t)length, sizeof(text) - 1);
	return str_dup(arena, str_from(text, n));
}

enum err(fail)(struct ctx *ctx, enum err err, const char *errcode, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	ctx->fault = (struct fault){.err = err,
		.errcode = errcode,
		.text = format_text(ctx->arena, format, args)};
	va_end(args);
	return err;
}

enum err(fail_status)(struct ctx *ctx, enum err err, int http_status, const char *errcode,
	const char *format, ...)
{
	va_list args;
	va_start(args, format);
	ctx->fault = (struct fault){.err = err,
		.http_status = http_status,
		.errcode = errcode,
		.text = format_text(ctx->arena, format, args)};
	va_end(args);
	return err;
}

enum err(fail_cause)(struct ctx *ctx, enum err err, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	ctx->fault = (struct fault){.err = err,
		.text = err == ERR_STORE ? STR("The server cannot reach its storage; try again soon")
								 : STR("Internal error"),
		.cause = format_text(ctx->arena, format, args)};
	va_end(args);
	return err;
}
