/*
 * An errand for each. Many who come into a room ask for the same users at once: the first errand makes them known, the others see it.
 */
#include "federation/remote_learn.h"

#include <stdatomic.h>

#include "federation/errand.h"
#include "federation/remote_devices.h"

enum {
	LEARN_MS = 5000,
	LEARNING_MAX = 100,
};

struct learning {
	struct federation *federation;
	struct user_id user;
};

static enum err run(struct ctx *ctx, void *data)
{
	struct learning *learning = data;
	struct remote_keys known;
	TRY(remote_devices_find(ctx, learning->federation, &learning->user.s, 1, &known));
	if (known.is_known || !known.shares) {
		return ERR_OK;
	}
	return remote_devices_refresh(ctx, learning->federation, learning->user, LEARN_MS);
}

static void drop(void *data)
{
	struct learning *learning = data;
	atomic_fetch_sub(&learning->federation->learning, 1);
}

struct errand *remote_learn(struct ctx *ctx, struct federation *federation, struct user_id user)
{
	static const struct errand_task task = {run, drop};
	void *data;
	if (atomic_fetch_add(&federation->learning, 1) >= LEARNING_MAX) {
		atomic_fetch_sub(&federation->learning, 1);
		return NULL;
	}
	struct errand *errand = errand_create(ctx, &task, user_id_server(user),
		clock_mono_ms(&federation->hs->clock) + LEARN_MS, sizeof(struct learning), &data);
	struct learning *learning = data;
	learning->federation = federation;
	learning->user.s = str_dup(errand_arena(errand), user.s);
	errand_begin(federation->errands, errand);
	return errand;
}
