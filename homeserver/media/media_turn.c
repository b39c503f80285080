/*
 * A short list under a lock: as many entries as there may be turns.
 */
#include "homeserver/media/media_turn.h"

#include "homeserver/media/media_inner.h"

void media_turns_init(struct media_turns *turns, size_t limit, size_t share, struct str wake_key)
{
	*turns = (struct media_turns){.limit = limit, .share = share, .wake_key = wake_key};
	lock_init(&turns->lock, RANK_LEAF);
}

void media_turns_fini(struct media_turns *turns)
{
	invariant(turns->first == NULL);
	lock_fini(&turns->lock);
}

bool media_turn_try(struct media_turns *turns, struct media_turn *turn)
{
	LOCK_SCOPE(&turns->lock);
	if (turns->count >= turns->limit) {
		return false;
	}
	size_t of_user = 0;
	for (const struct media_turn *at = turns->first; at != NULL; at = at->next) {
		if (str_equals(at->key, turn->key)) {
			return false;
		}
		of_user += turn->user.n > 0 && str_equals(at->user, turn->user) ? 1 : 0;
	}
	if (of_user >= turns->share) {
		return false;
	}
	turn->next = turns->first;
	turns->first = turn;
	turns->count++;
	return true;
}

enum err media_turn_await(struct call *call, struct media_turns *turns, struct media_turn *turn,
	int64_t timeout_ms, bool *out_is_parked)
{
	*out_is_parked = false;
	if (media_turn_try(turns, turn)) {
		return ERR_OK;
	}
	if (!media_park(call, turns->wake_key, timeout_ms)) {
		return fail(&call->ctx, ERR_TIMEOUT, NULL, "The server is too busy; try again soon");
	}
	*out_is_parked = !media_turn_try(turns, turn); /* somebody may have ended just now */
	return ERR_OK;
}

void media_turn_end(struct media *media, struct media_turns *turns, struct media_turn *turn)
{
	lock_take(&turns->lock);
	struct media_turn **at = &turns->first;
	while (*at != turn) {
		at = &(*at)->next;
	}
	*at = turn->next;
	turns->count--;
	lock_give(&turns->lock);
	media_wake(media, turns->wake_key);
}
