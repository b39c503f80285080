/*
 * Errcodes are a small fixed set: whatever else another server says is told as text only.
 */
#include "federation/refusal.h"

static const struct passed {
	const char *errcode;
	enum err err;
} passed[] = {
	{M_FORBIDDEN, ERR_DENIED},
	{M_INVITE_BLOCKED, ERR_DENIED},
	{M_NOT_FOUND, ERR_MISSING},
	{M_INCOMPATIBLE_ROOM_VERSION, ERR_INPUT},
	{M_UNSUPPORTED_ROOM_VERSION, ERR_INPUT},
	{M_UNABLE_TO_AUTHORISE_JOIN, ERR_INPUT},
	{M_UNABLE_TO_GRANT_JOIN, ERR_INPUT},
};

/* What the error body of M_INCOMPATIBLE_ROOM_VERSION has besides (see struct fault). */
static struct str named_version(struct arena *arena, struct str version)
{
	if (version.p == NULL) {
		return STR("");
	}
	struct buf text CLEANUP(buf_fini);
	buf_init(&text, SIZE_MAX / 2);
	buf_add_lit(&text, "\"room_version\":");
	json_escape(&text, version);
	return str_dup(arena, buf_str(&text));
}

enum err refusal_fail_version(struct ctx *ctx, struct str version, const char *text)
{
	enum err err = fail(ctx, ERR_INPUT, M_INCOMPATIBLE_ROOM_VERSION, "%s", text);
	ctx->fault.extra = named_version(ctx->arena, version);
	return err;
}

enum err(refusal_pass_on)(struct ctx *ctx, enum err err, const struct fed_refusal *refusal)
{
	struct fault *fault = &ctx->fault;
	if (err != ERR_DENIED && err != ERR_MISSING && err != ERR_INPUT) {
		return err;
	}
	for (size_t i = 0; i < COUNT_OF(passed); i++) {
		if (passed[i].err == err && str_equals(refusal->errcode, str_of(passed[i].errcode))) {
			fault->errcode = passed[i].errcode;
			fault->extra = str_equals(refusal->errcode, STR(M_INCOMPATIBLE_ROOM_VERSION))
				? named_version(ctx->arena, json_get_str(&refusal->json, STR("room_version")))
				: STR("");
			return err;
		}
	}
	if (err == ERR_DENIED) {
		return err; /* M_FORBIDDEN, as fed_ask() described it */
	}
	fault->err = ERR_REMOTE;
	fault->errcode = M_UNKNOWN;
	return ERR_REMOTE;
}

bool refusal_is_unrecognized(enum err err, const struct fed_refusal *refusal)
{
	if (err != ERR_MISSING && err != ERR_INPUT) {
		return false;
	}
	bool is_absent = refusal->status == 404 || refusal->status == 405;
	return str_is_empty(refusal->errcode) ? is_absent
										  : (is_absent || refusal->status == 400) &&
			str_equals(refusal->errcode, STR(M_UNRECOGNIZED));
}

/* How much a failure says. */
static int worth(enum err err)
{
	switch (err) {
	case ERR_DENIED:
		return 4;
	case ERR_INPUT:
		return 3;
	case ERR_MISSING:
		return 2;
	case ERR_OK:
		return 0;
	case ERR_CONFLICT:
	case ERR_LIMIT:
	case ERR_TIMEOUT:
	case ERR_REMOTE:
	case ERR_STORE:
	case ERR_SHUTDOWN:
	case ERR_DEFER:
	case ERR_INTERNAL:
		return 1;
	}
	return 1;
}

void refusal_note(struct refusal_best *best, const struct ctx *ctx, enum err err)
{
	if (worth(err) > worth(best->err)) {
		best->err = err;
		best->fault = ctx->fault;
	}
}

enum err refusal_give(struct ctx *ctx, const struct refusal_best *best)
{
	ctx->fault = best->fault;
	return best->err;
}
