/*
 * From the stream into the queue. Of each event only local users who have a pusher are looked at; what their rules make of it is
 * stored in the transaction that moves the consumer: exactly once.
 */
#include "base/vec.h"
#include "homeserver/person/persons.h"
#include "homeserver/push/push.h"
#include "homeserver/pusher/pushers_inner.h"
#include "storage/consumer.h"

enum { EVENTS_A_ROUND = 200 };

/* One round; what belongs to the room of the last candidate is kept for the next one. */
struct round {
	struct ctx *ctx;
	struct homeserver *hs;
	struct push_scene scene;
	struct stored_event *event;
	VEC(struct push_news) news;
};

static enum err enter_event(struct round *round, const struct push_candidate *candidate)
{
	struct room *room = round->scene.room;
	if (round->event != NULL && room_nid(room) == candidate->room_nid &&
		round->event->position == candidate->event_position) {
		return ERR_OK;
	}
	round->event = NULL;
	if (room == NULL || room_nid(room) != candidate->room_nid) {
		TRY(rooms_get_nid(round->ctx, round->hs, candidate->room_nid, &room));
		TRY(push_scene_init(round->ctx, round->hs, room, &round->scene));
	}
	return room_event_at(round->ctx, round->hs, room, candidate->event_position, &round->event);
}

static bool is_own_invite(const struct event *event, struct str user_id)
{
	return event->is_state && str_equals(event->type, STR("m.room.member")) &&
		str_equals(event->state_key, user_id) && str_equals(event_membership(event), STR("invite"));
}

/* Whether the user is shown the event at all: an invite to oneself, or what a member may see of senders not ignored. */
static enum err is_for(struct round *round, struct str user_id, bool *out)
{
	const struct stored_event *event = round->event;
	bool is_ignored_sender;
	TRY(user_ignores(round->ctx, round->hs, user_id, event->event->sender.s, &is_ignored_sender));
	*out = !is_ignored_sender && event->redacted_by == 0;
	if (!*out || is_own_invite(event->event, user_id)) {
		return ERR_OK;
	}
	struct str membership;
	TRY(room_membership_at(round->ctx, round->hs, round->scene.room, user_id, event->position,
		&membership));
	*out = str_equals(membership, STR("join"));
	if (*out) {
		TRY(room_is_visible(round->ctx, round->hs, round->scene.room, user_id, round->event, out));
	}
	return ERR_OK;
}

static enum err look_at(struct round *round, const struct push_candidate *candidate)
{
	struct ctx *ctx = round->ctx;
	struct user_id user = {candidate->user_id};
	struct push_rules rules;
	struct push_result result;
	bool is_wanted = false;
	TRY(enter_event(round, candidate));
	TRY(push_rules_get(ctx, round->hs, user, &rules));
	TRY(push_judge(ctx, round->hs, &round->scene, &rules, user, round->event, &result));
	if (result.notify) {
		TRY(is_for(round, user.s, &is_wanted));
	}
	if (is_wanted) {
		struct push_news news = {*candidate, push_result_tweaks(ctx->arena, &result)};
		VEC_PUSH(ctx->arena, &round->news, news);
	}
	return ERR_OK;
}

enum err pushers_consume(struct ctx *ctx, struct homeserver *hs, void *self, int64_t after,
	int64_t up_to, int64_t *out_reached)
{
	struct round round = {.ctx = ctx, .hs = hs};
	struct push_span span;
	TRY(store_push_candidates(ctx, hs->db, after, up_to, EVENTS_A_ROUND, &span));
	for (size_t i = 0; i < span.count; i++) {
		/* What cannot be judged, now or ever, must not hold up the rest. */
		enum err err = look_at(&round, &span.candidates[i]);
		if (err != ERR_OK && err_is_transient(err)) {
			return err;
		}
	}
	*out_reached = span.reached;
	if (round.news.n == 0 && !span.has_readers) {
		return store_consumer_skip(ctx, hs->db, STR("pushers"), after, span.reached);
	}
	const struct push_batch batch = {
		.news = round.news.p,
		.count = round.news.n,
		.after = after,
		.up_to = span.reached,
		.now_ms = clock_wall_ms(&hs->clock),
		.mail_delay_ms = hs->settings.mail_unread_after_ms,
	};
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	TRY(store_push_enqueue(ctx, tx, &batch));
	TRY(store_consumer_move_in(ctx, tx, STR("pushers"), after, span.reached));
	TRY(tx_commit(ctx, &tx));
	pushers_wake(self);
	if (writer_has_peers(hs->writer)) {
		writer_tell(hs->writer, NEWS_PUSH, STR("queued")); /* another one may have the delivery */
	}
	return ERR_OK;
}
