/*
 * Events that a request takes in: done by the threads that may wait for other servers, while the request is parked.
 */
#include "federation/inbox_inner.h"

#include "base/mem.h"
#include "base/refc.h"
#include "federation/missing.h"
#include "http/memo.h"

struct inbox_errand {
	struct refc refc;    /* one for the memo, one for the inbox */
	struct arena *arena; /* of what follows, which is the inbox's until it wakes the call */
	struct room *room;   /* counted, until it is done */
	struct missing_case missing;
	int64_t deadline_ms;
	enum err err;
	struct fault fault;
	struct room_outcome outcome;
	struct memo_wait *wait;
	struct inbox_errand *next; /* guarded by the inbox's lock */
};

static void errand_unref(void *data)
{
	struct inbox_errand *errand = data;
	if (refc_drop(&errand->refc)) {
		arena_destroy(errand->arena);
		mem_free(errand);
	}
}

static void end(struct inbox_errand *errand)
{
	room_unref(errand->room);
	memo_wake(errand->wait);
	errand_unref(errand);
}

void inbox_errand_do(struct inbox *inbox, struct inbox_errand *errand)
{
	struct ctx ctx;
	ctx_init(&ctx, errand->arena);
	ctx.deadline_ms = errand->deadline_ms;
	errand->err = missing_accept(&ctx, inbox->federation, &errand->missing, &errand->outcome);
	errand->fault = ctx.fault;
	end(errand);
}

void inbox_errands_drop(struct inbox *inbox)
{
	lock_take(&inbox->lock);
	struct inbox_errand *errand = inbox->errands;
	inbox->errands = NULL;
	inbox->last_errand = NULL;
	lock_give(&inbox->lock);
	while (errand != NULL) {
		struct inbox_errand *next = errand->next;
		errand->err = ERR_SHUTDOWN;
		end(errand);
		errand = next;
	}
}

struct inbox_errand *inbox_errand_first_locked(struct inbox *inbox)
{
	struct inbox_errand *errand = inbox->errands;
	if (errand != NULL) {
		inbox->errands = errand->next;
		inbox->last_errand = errand->next == NULL ? NULL : inbox->last_errand;
	}
	return errand;
}

/* @return false when the inbox has stopped */
static bool line_up(struct inbox *inbox, struct inbox_errand *errand)
{
	LOCK_SCOPE(&inbox->lock);
	if (inbox->is_stopping) {
		return false;
	}
	if (inbox->last_errand != NULL) {
		inbox->last_errand->next = errand;
	} else {
		inbox->errands = errand;
	}
	inbox->last_errand = errand;
	cond_signal(&inbox->lines[INBOX_SLOW].work);
	return true;
}

static struct inbox_errand *begin(struct ctx *ctx, struct inbox *inbox,
	const struct missing_case *missing)
{
	struct inbox_errand *errand = mem_alloc(sizeof(*errand));
	struct event *event;
	refc_init(&errand->refc);
	refc_take(&errand->refc);
	arena_on_reset(ctx->arena, errand_unref, errand);
	errand->arena = arena_create();
	errand->wait = memo_wait_create(ctx->memo);
	errand->deadline_ms = ctx->deadline_ms;
	errand->room = missing->room;
	room_ref(errand->room);
	struct json *json = ARENA_NEW(errand->arena, struct json);
	*json = json_dup(errand->arena, missing->event->json);
	struct verdict verdict = event_parse(errand->arena, missing->event->version, json, &event);
	invariant(verdict.allowed); /* it was an event */
	errand->missing = *missing;
	errand->missing.origin.s = str_dup(errand->arena, missing->origin.s);
	errand->missing.event = event;
	if (!line_up(inbox, errand)) {
		errand->err = ERR_SHUTDOWN;
		end(errand);
	}
	return errand;
}

static void copy_fault(struct ctx *ctx, const struct fault *fault)
{
	ctx->fault = *fault;
	ctx->fault.text = str_dup(ctx->arena, fault->text);
	ctx->fault.cause = str_dup(ctx->arena, fault->cause);
	ctx->fault.extra = str_dup(ctx->arena, fault->extra);
}

enum err inbox_accept(struct ctx *ctx, struct inbox *inbox, const struct missing_case *missing,
	struct room_outcome *out)
{
	if (ctx->memo == NULL) {
		return missing_accept(ctx, inbox->federation, missing, out);
	}
	struct str key =
		str_printf(ctx->arena, "inbox takes %.*s", STR_ARG(missing->event->event_id.s));
	struct inbox_errand *errand = memo_get(ctx->memo, key);
	if (errand == NULL) {
		errand = begin(ctx, inbox, missing);
		memo_put(ctx->memo, key, errand);
	}
	enum err err = memo_park(ctx, errand->wait, errand->deadline_ms);
	if (err == ERR_TIMEOUT) {
		return fail(ctx, err, M_UNKNOWN, "What the event stands on could not be had in time");
	}
	TRY(err);
	*out = (struct room_outcome){
		.fate = errand->outcome.fate,
		.verdict = errand->outcome.verdict,
		.was_known = errand->outcome.was_known,
	};
	if (errand->err != ERR_OK) {
		copy_fault(ctx, &errand->fault);
	}
	return errand->err;
}
