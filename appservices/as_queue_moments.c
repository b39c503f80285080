/*
 * From those who type, come and go to the services that are told. Whoever tells only enters the room or the user into a set; the thread
 * works out who is interested, for all that has come since.
 */
#include "appservices/as_queue_inner.h"
#include "homeserver/presence/presence.h"
#include "homeserver/room/rooms.h"

static void tell_typing(void *self, struct room *room, struct str user_id, bool is_typing)
{
	struct as_queue *queue = self;
	(void)user_id;
	(void)is_typing;
	if (atomic_load(&queue->has_takers)) {
		LOCK_SCOPE(&queue->lock);
		as_moments_add_room(&queue->moments, room_nid(room), room_id_of(room).s);
		as_queue_wake(queue);
	}
}

static void tell_presence(void *self, const struct presence_view *view)
{
	struct as_queue *queue = self;
	if (atomic_load(&queue->has_takers)) {
		LOCK_SCOPE(&queue->lock);
		as_moments_add_user(&queue->moments, view->user_id);
		as_queue_wake(queue);
	}
}

void as_queue_fill_port(struct as_queue *queue)
{
	queue->hs->ports.edus[EDU_APPSERVICES] =
		(struct edu_port){.self = queue, .typing = tell_typing, .presence = tell_presence};
}

/* Who takes it. @param out_is_away  it cannot be reached now */
static struct as_sender *taker(struct as_queue *queue, const struct appservice *service,
	bool *out_is_away)
{
	if (!service->reg.receives_ephemeral || !as_is_listening(service)) {
		return NULL;
	}
	LOCK_SCOPE(&queue->lock);
	struct as_sender *sender = map_get(&queue->senders, service->reg.id);
	*out_is_away = sender != NULL && sender->is_failing;
	return sender;
}

/*
 * Whoever is away has no use for who typed meanwhile: that is over within seconds. Who is there is told when it is back, as it is then: so
 * the users are kept.
 */
static enum err spread(struct ctx *ctx, struct as_queue *queue, const struct appservice_set *set,
	const struct as_moment_list *list)
{
	bool *by_room;
	bool *by_user;
	TRY(as_interest_now(ctx, queue->interest, set, list->room_nids, list->room_ids, list->room_n,
		&by_room));
	TRY(as_interest_in_users(ctx, queue->interest, set, list->user_ids, list->user_n, &by_user));
	for (size_t k = 0; k < set->count; k++) {
		bool is_away = false;
		struct as_sender *sender = taker(queue, &set->items[k], &is_away);
		for (size_t i = 0; sender != NULL && !is_away && i < list->room_n; i++) {
			if (by_room[i * set->count + k]) {
				as_moments_add_room(&sender->moments, list->room_nids[i], list->room_ids[i]);
			}
		}
		for (size_t i = 0; sender != NULL && i < list->user_n; i++) {
			if (by_user[i * set->count + k]) {
				as_moments_add_user(&sender->moments, list->user_ids[i]);
			}
		}
	}
	return ERR_OK;
}

enum err as_queue_spread(struct ctx *ctx, struct as_queue *queue, const struct appservice_set *set)
{
	struct as_moments moments CLEANUP(as_moments_fini) = {0};
	struct as_moment_list list;
	lock_take(&queue->lock);
	as_moments_move(&queue->moments, &moments);
	lock_give(&queue->lock);
	if (as_moments_is_empty(&moments)) {
		return ERR_OK;
	}
	as_moments_list(ctx->arena, &moments, &list);
	return spread(ctx, queue, set, &list);
}
