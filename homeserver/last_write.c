/*
 * The one place where a write meets a handover.
 */
#include "homeserver/last_write.h"

#include "http/handover.h"

static enum err await_write(struct ctx *ctx, void *write)
{
	return writer_wait(ctx, write, NULL);
}

bool last_write_hand_over(struct ctx *ctx, struct write *write)
{
	if (ctx->handover == NULL) {
		return false;
	}
	write_on_done(write, handover_done, handover_take(ctx, await_write, write));
	return true;
}

enum err last_write_commit(struct ctx *ctx, struct homeserver *hs, struct write *write)
{
	bool is_handed_over = last_write_hand_over(ctx, write);
	writer_submit(hs->writer, write);
	return is_handed_over ? ERR_OK : writer_wait(ctx, write, NULL);
}
