/*
 * A device's part of a sync. Messages are deleted when the device comes back with a token that covers them; a token says by itself
 * how far the messages of its answer went.
 */
#include "e2ee/e2ee_sync.h"

#include "e2ee/device_lists.h"
#include "e2ee/device_state.h"
#include "storage/to_device.h"

enum { MESSAGES_AT_ONCE = 100 };

static enum err load_messages(struct ctx *ctx, struct homeserver *hs, const struct e2ee_ask *ask,
	const struct device_state *state, struct e2ee_news *out)
{
	struct str user_id = ask->who->user.s;
	struct str device_id = ask->who->device_id;
	size_t most = ask->messages_max > 0 ? MIN_OF(ask->messages_max, (size_t)MESSAGES_AT_ONCE)
										: (size_t)MESSAGES_AT_ONCE;
	const struct to_device_span span = {
		.user_id = user_id,
		.device_id = device_id,
		.arrived = ask->is_initial ? 0 : ask->messages_since,
		.up_to = ask->up_to,
		.limit = (int64_t)most + 1,
	};
	struct to_device_row *rows;
	size_t n;
	if (state->newest_message == 0 || ask->without_messages) {
		return ERR_OK;
	}
	TRY(store_to_device_next(ctx, hs->db, &span, &rows, &n));
	if (n == 0) {
		device_state_messages_gone(hs->e2ee->states, user_id, device_id, ask->up_to);
	}
	out->message_n = MIN_OF(n, most);
	out->messages = ARENA_NEW_ARRAY(ctx->arena, struct str, out->message_n);
	for (size_t i = 0; i < out->message_n; i++) {
		out->messages[i] = rows[i].message;
	}
	if (n > most) {
		out->messages_up_to = rows[most - 1].position;
	}
	return ERR_OK;
}

enum err e2ee_sync_load(struct ctx *ctx, struct homeserver *hs, const struct e2ee_ask *ask,
	struct e2ee_news *out)
{
	*out = (struct e2ee_news){
		.messages_up_to = ask->up_to,
		.one_time_counts = STR("{}"),
		.unused_fallbacks = STR("[]"),
	};
	if (ask->who->device_id.p != NULL) {
		struct device_state state;
		TRY(device_state_get(ctx, hs, ask->who->user.s, ask->who->device_id, &state));
		out->one_time_counts = state.one_time_counts;
		out->unused_fallbacks = state.unused_fallbacks;
		TRY(load_messages(ctx, hs, ask, &state, out));
	}
	if (ask->is_initial || ask->without_lists) {
		return ERR_OK;
	}
	const struct list_span span = {ask->who->user.s, ask->user, ask->rooms, ask->room_n, ask->since,
		ask->up_to};
	struct list_news lists;
	TRY(device_lists_news(ctx, hs, &span, &lists));
	out->changed = lists.changed;
	out->changed_n = lists.changed_n;
	out->left = lists.left;
	out->left_n = lists.left_n;
	return ERR_OK;
}

bool e2ee_sync_has_more(struct homeserver *hs, const struct e2ee_ask *ask)
{
	if (!ask->without_lists && device_lists_has_more(hs->e2ee->lists, ask->up_to)) {
		return true;
	}
	return !ask->without_messages && ask->who->device_id.p != NULL &&
		device_state_newest_message(hs->e2ee->states, ask->who->user.s, ask->who->device_id) >
		ask->up_to;
}
