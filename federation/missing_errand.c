/*
 * Events that a request takes in: as an errand, so that others may be asked for what is missing.
 */
#include "federation/errand.h"
#include "federation/missing.h"
#include "http/memo.h"

struct taking {
	struct federation *federation;
	struct missing_case missing; /* its room is counted */
	struct room_outcome outcome;
};

static enum err run(struct ctx *ctx, void *data)
{
	struct taking *taking = data;
	struct room_outcome outcome = {0};
	enum err err = missing_accept(ctx, taking->federation, &taking->missing, &outcome);
	taking->outcome = (struct room_outcome){
		.fate = outcome.fate,
		.verdict = outcome.verdict,
		.was_known = outcome.was_known,
	};
	return err;
}

static void drop(void *data)
{
	struct taking *taking = data;
	room_unref(taking->missing.room);
}

static struct errand *begin(struct ctx *ctx, struct federation *federation,
	const struct missing_case *missing, struct taking **out)
{
	static const struct errand_task task = {run, drop};
	void *data;
	struct event *event;
	struct errand *errand =
		errand_create(ctx, &task, missing->origin, ctx->deadline_ms, sizeof(struct taking), &data);
	struct arena *arena = errand_arena(errand);
	struct taking *taking = data;
	struct json *json = ARENA_NEW(arena, struct json);
	*json = json_dup(arena, event_json(arena, missing->event));
	struct verdict verdict = event_parse(arena, missing->event->version, json, &event);
	invariant(verdict.allowed); /* it was an event */
	taking->federation = federation;
	taking->missing = *missing;
	taking->missing.origin.s = str_dup(arena, missing->origin.s);
	taking->missing.event = event;
	room_ref(missing->room);
	errand_begin(federation->errands, errand);
	*out = taking;
	return errand;
}

struct begun {
	struct errand *errand;
	struct taking *taking;
};

enum err missing_accept_parked(struct ctx *ctx, struct federation *federation,
	const struct missing_case *missing, struct room_outcome *out)
{
	if (ctx->memo == NULL) {
		return missing_accept(ctx, federation, missing, out);
	}
	struct str key = str_printf(ctx->arena, "taken in: %.*s", STR_ARG(missing->event->event_id.s));
	struct begun *begun = MEMO_FIND(ctx, key, struct begun);
	if (begun->errand == NULL) {
		begun->errand = begin(ctx, federation, missing, &begun->taking);
	}
	enum err err = errand_await(ctx, begun->errand);
	if (err == ERR_TIMEOUT) {
		return fail(ctx, err, M_UNKNOWN, "What the event stands on could not be had in time");
	}
	TRY(err);
	*out = begun->taking->outcome;
	return ERR_OK;
}
