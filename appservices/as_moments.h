/**
 * What is of the moment and stored nowhere: in which rooms somebody types, who came or went. Told to services that want it. One that cannot be
 * reached is told of presence as it is when it is back, and of typing not at all. Inner to the queues.
 * Spec: application-service API, "Pushing ephemeral data"
 */
#ifndef BELFRY_APPSERVICES_AS_MOMENTS_H
#define BELFRY_APPSERVICES_AS_MOMENTS_H

#include "appservices/as_interest.h"
#include "base/map.h"

/** Of which rooms and users something is to be told: what it is then is what is told. */
struct as_moments {
	struct map rooms; /**< bytes of the number → room id on the heap */
	struct map users; /**< user id → itself */
};

void as_moments_fini(struct as_moments *moments);
/** Somebody began or ended typing there. What is too much is dropped. */
void as_moments_add_room(struct as_moments *moments, int64_t room_nid, struct str room_id);
/** The user's presence changed. */
void as_moments_add_user(struct as_moments *moments, struct str user_id);
bool as_moments_is_empty(const struct as_moments *moments);
/** Takes everything out of `from`, into `to`, which is empty. */
void as_moments_move(struct as_moments *from, struct as_moments *to);

/** Moments as lists; texts are borrowed from them. */
struct as_moment_list {
	int64_t *room_nids;
	struct str *room_ids;
	size_t room_n;
	struct str *user_ids;
	size_t user_n;
};
/** A copy of what is noted, in the arena: room and user ids each once, in no order. */
void as_moments_list(struct arena *arena, const struct as_moments *moments,
	struct as_moment_list *out);

/** Writes m.typing of the rooms and m.presence of the users as they are now, values of an array. Errors: STORE @return how many */
MUST_CHECK enum err as_moments_write(struct ctx *ctx, struct homeserver *hs,
	const struct as_moment_list *list, struct json_out *out, size_t *out_count);

#endif
