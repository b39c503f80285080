#include "notices/notice_round.h"

#include "base/log.h"

enum { IN_A_ROW_MAX = 3 };

bool notice_round_note(struct ctx *ctx, struct notice_round *round, const char *what, enum err err)
{
	if (err == ERR_OK) {
		round->in_a_row = 0;
		return true;
	}
	log_warn(0, "notices.row_failed", "what=%s kind=%s text=%.*s cause=%.*s", what, err_name(err),
		STR_ARG(ctx->fault.text), STR_ARG(ctx->fault.cause));
	ctx->fault = (struct fault){0};
	round->err = round->err == ERR_OK ? err : round->err;
	round->in_a_row++;
	return err != ERR_SHUTDOWN && round->in_a_row < IN_A_ROW_MAX;
}
