/*
 * What a client may send: transaction ids, redactions, annotations; the rest is the room's own rules.
 */
#include "homeserver/room/room_send.h"

#include "base/crypto.h"
#include "homeserver/room/room_accept.h"
#include "matrix/canonical.h"
#include "matrix/power.h"
#include "matrix/relation.h"
#include "storage/event.h"
#include "storage/room.h"

enum err room_require_not_suspended(struct ctx *ctx, const struct principal *who)
{
	if (who->is_suspended) {
		return fail(ctx, ERR_DENIED, M_USER_SUSPENDED,
			"Your account is suspended; ask your school's administrator");
	}
	return ERR_OK;
}

void room_intent_delayed(struct room_intent *intent, const struct delayed_key *key)
{
	intent->delayed = key;
	intent->txn_device = STR(EVENT_TXN_DELAYED);
	intent->txn_id = key->delay_id;
}

enum err event_stamp_read(struct call *call, struct event_stamp *out)
{
	*out = (struct event_stamp){0};
	if (principal_of(call)->appservice_id.p == NULL) {
		return ERR_OK;
	}
	out->is_given = call_query(call, "ts").p != NULL;
	return call_query_int(call, "ts", 0, CANONICAL_INT_MAX, 0, &out->ms);
}

struct str send_transaction_key(struct arena *arena, const char *kind,
	const struct send_request *request)
{
	struct buf text;
	buf_init(&text, SIZE_MAX / 2);
	const struct str parts[] = {request->who->user.s, request->who->device_id, str_of(kind),
		request->room_id, request->type, request->redacts, request->txn_id};
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		buf_add_int(&text, (int64_t)parts[i].n);
		buf_add_byte(&text, ':');
		buf_add(&text, parts[i]);
	}
	unsigned char hash[SHA256_BYTES];
	crypto_sha256(buf_str(&text), hash);
	buf_fini(&text);
	return str_dup(arena, str_from((const char *)hash, TRANSACTION_KEY_BYTES));
}

/* Whether other servers are in the room, which may have an event that has not come here. */
static enum err may_be_known_elsewhere(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str event_id, bool *out)
{
	struct event_id id;
	struct server_name *servers;
	size_t count;
	TRY(room_servers(ctx, hs, room, &servers, &count));
	*out = count > 0 && event_id_parse(event_id, &id);
	return ERR_OK;
}

/* One's own events, or those of others with the power to: these also before they are known, as other servers may know them. */
static enum err check_redaction(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct principal *who, struct str event_id)
{
	struct user_id sender = who->user;
	struct stored_event *target;
	enum err err = room_event(ctx, hs, room, event_id, &target);
	if (err == ERR_MISSING) {
		bool may_exist;
		TRY(may_be_known_elsewhere(ctx, hs, room, event_id, &may_exist));
		if (!may_exist) {
			return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Event not found");
		}
	} else {
		TRY(err);
		if (str_equals(target->event->sender.s, sender.s)) {
			return ERR_OK;
		}
	}
	TRY(room_require_not_suspended(ctx, who));
	if (hs->ports.consent.require != NULL) {
		TRY(hs->ports.consent.require(ctx, hs, who, room_id_of(room).s));
	}
	static const struct state_ask asks[] = {{STR_INIT("m.room.power_levels"), STR_INIT("")},
		{STR_INIT("m.room.create"), STR_INIT("")}};
	struct state_view view;
	TRY(room_state_view(ctx, hs, room, asks, COUNT_OF(asks), &view));
	const struct room_version *version = room_version_of(room);
	if (power_of_user(version, &view, sender) < power_for_action(version, &view, POWER_REDACT)) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN,
			"You may only redact your own messages in this room");
	}
	return ERR_OK;
}

/* A user may annotate an event once with the same key. */
static enum err check_annotation(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct send_request *request)
{
	struct relation relation;
	if (!relation_read(request->content, &relation) ||
		!relation_is(&relation, STR("m.annotation"))) {
		return ERR_OK;
	}
	int64_t *positions;
	size_t count;
	TRY(store_relations_by_sender(ctx, hs->db, room_nid(room), relation.event_id,
		STR("m.annotation"), request->who->user.s, &positions, &count));
	struct stored_event **events;
	TRY(room_events_at(ctx, hs, room, positions, count, &events));
	for (size_t i = 0; i < count; i++) {
		struct relation other;
		if (events[i] != NULL && str_equals(events[i]->event->type, request->type) &&
			relation_read(events[i]->event->content, &other) &&
			str_equals(other.key, relation.key)) {
			return fail(ctx, ERR_INPUT, M_DUPLICATE_ANNOTATION,
				"You have sent this annotation already");
		}
	}
	return ERR_OK;
}

/* A thread may not begin at an event that relates to another. Spec: "Validation of m.thread relationships" */
static enum err check_thread(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct send_request *request)
{
	struct relation relation;
	struct stored_event *root;
	if (!relation_read(request->content, &relation) || !relation_is(&relation, STR("m.thread"))) {
		return ERR_OK;
	}
	enum err err = room_event(ctx, hs, room, relation.event_id, &root);
	if (err != ERR_OK) {
		return err == ERR_MISSING ? ERR_OK : err; /* it may come later, from another server */
	}
	struct verdict verdict = relation_check_thread_root(root->event->content);
	return verdict.allowed ? ERR_OK : fail(ctx, ERR_INPUT, M_UNKNOWN, "%s", verdict.text);
}

/*
 * Checks that a repeated request must not fail at: the first attempt may have changed what they look at (an annotation that
 * is there now, an event that is redacted).
 */
static enum err check_unless_repeated(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct send_request *request, const struct room_intent *intent,
	struct stored_event **out_made)
{
	enum err err = ERR_OK;
	if (intent->redacts.p != NULL) {
		err = check_redaction(ctx, hs, room, request->who, intent->redacts);
	} else {
		err = check_annotation(ctx, hs, room, request);
	}
	if (err == ERR_OK) {
		err = check_thread(ctx, hs, room, request);
	}
	if (err == ERR_INPUT && intent->txn_key.p != NULL) {
		enum err found = room_made(ctx, hs, room, intent->txn_key, out_made);
		return found == ERR_MISSING ? err : found;
	}
	return err;
}

/* What leads to other events looks them up, mostly in the database: for a worker from the beginning. Errors: DEFER */
static enum err may_send(const struct ctx *ctx, const struct send_request *request,
	bool is_redaction)
{
	struct relation ignored;
	bool is_plain = !is_redaction && !relation_read(request->content, &ignored);
	return is_plain ? ERR_OK : ctx_may_wait(ctx);
}

/* By what the event is sent once. */
static void set_origin(struct arena *arena, const struct send_request *request,
	struct room_intent *intent)
{
	if (request->delayed != NULL) {
		room_intent_delayed(intent, request->delayed);
		return;
	}
	intent->txn_key =
		send_transaction_key(arena, request->redacts.p != NULL ? "redact" : "send", request);
	intent->txn_device = request->who->device_id;
	intent->txn_id = request->txn_id;
}

enum err room_send(struct ctx *ctx, struct homeserver *hs, const struct send_request *request,
	struct str *out_event_id)
{
	bool is_redaction = str_equals(request->type, STR("m.room.redaction"));
	if (!is_redaction) {
		TRY(room_require_not_suspended(ctx, request->who));
	}
	TRY(may_send(ctx, request, is_redaction));
	struct room *room;
	TRY(rooms_get_for(ctx, hs, request->room_id, &room));
	TRY(room_require_joined(ctx, hs, room, request->who->user.s));
	struct room_intent intent = {
		.sender = request->who->user,
		.type = request->type,
		.content = request->content,
		.redacts = request->redacts,
		.origin_server_ts = request->stamp.ms,
		.is_dated = request->stamp.is_given,
	};
	set_origin(ctx->arena, request, &intent);
	if (is_redaction && intent.redacts.p == NULL) {
		intent.redacts = json_get_str(request->content, STR("redacts"));
	}
	struct json moved;
	if (is_redaction && !room_version_of(room)->redacts_in_content) {
		moved = json_without(ctx->arena, request->content, STR("redacts"));
		intent.content = &moved;
	}
	struct stored_event *event = NULL;
	TRY(check_unless_repeated(ctx, hs, room, request, &intent, &event));
	if (event == NULL) {
		TRY(room_add(ctx, hs, room, &intent, 1, &event));
	}
	*out_event_id = event->event->event_id.s;
	return ERR_OK;
}
