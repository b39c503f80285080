/**
 * What another server refuses, for the client of ours that waits for it.
 * Spec: server-server API, make_join, send_join, make_knock, invite ("should be passed through to clients")
 */
#ifndef BELFRY_FEDERATION_REFUSAL_H
#define BELFRY_FEDERATION_REFUSAL_H

#include "federation/fed_client.h"

/**
 * Gives the fault of a failed fed_ask() the errcode that clients may see. Other complaints about our request than those that the
 * specification names are no fault of the client: they become REMOTE.
 * @param err  what fed_ask() returned; not ERR_OK
 * @return     the kind that the fault has now
 */
enum err refusal_pass_on(struct ctx *ctx, enum err err, const struct fed_refusal *refusal);

#ifdef __clang_analyzer__
/* As in base/ctx.h. */
#define refusal_pass_on(ctx, err, refusal) ((void)(refusal_pass_on)((ctx), (err), (refusal)), (err))
#endif

/**
 * Refuses with M_INCOMPATIBLE_ROOM_VERSION, whose body names the room's version.
 * @param version  as the other server wrote it; p == NULL: it named none
 * @return         INPUT
 */
MUST_CHECK enum err refusal_fail_version(struct ctx *ctx, struct str version, const char *text);

/**
 * Whether it says that the endpoint is unknown there: an older one may be known. "404 M_UNRECOGNIZED", of a method 405, of old servers 400;
 * or no error of Matrix at all, as web servers and old homeservers answer. What has another errcode was understood, and refused.
 * Spec: server-server API, "Unsupported endpoints"
 */
bool refusal_is_unrecognized(enum err err, const struct fed_refusal *refusal);

/**
 * Of several servers' failures the one that says most: what was refused before what was not understood, and that before who could
 * not be reached. Keeps the first of the same worth.
 */
struct refusal_best {
	enum err err; /**< ERR_OK: none yet */
	struct fault fault;
};
/** Takes note of ctx's fault. */
void refusal_note(struct refusal_best *best, const struct ctx *ctx, enum err err);
/** Puts the best into the ctx. @return its kind */
enum err refusal_give(struct ctx *ctx, const struct refusal_best *best);

#endif
