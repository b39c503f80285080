/*
 * Events that are to be sent later: given by the usual requests with a delay in the query, as clients in use do, or by one of their own.
 */
#include "homeserver/room/delayed_routes.h"

#include "matrix/canonical.h"

enum err delay_read(struct call *call, int64_t *out_ms)
{
	return call_query_int(call, "org.matrix.msc4140.delay", 1, CANONICAL_INT_MAX, 0, out_ms);
}

enum err delay_reply(struct call *call, const struct delayed_wish *wish)
{
	struct str delay_id;
	TRY(room_delay(&call->ctx, hs_of(call), wish, &delay_id));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "delay_id", delay_id);
	json_out_end(out);
	return ERR_OK;
}

/* The proposal called the delay `delay` for a time. */
static enum err put_delayed_event(struct call *call)
{
	const struct json *body;
	struct delayed_wish wish = {
		.who = principal_of(call),
		.room_id = call_path(call, "roomId"),
		.type = call_path(call, "eventType"),
		.txn_id = call_path(call, "txnId"),
	};
	TRY(call_json(call, &body));
	const char *key = json_at(body, "delay_ms") != NULL ? "delay_ms" : "delay";
	TRY(body_opt_int(call, body, key, 1, CANONICAL_INT_MAX, 0, &wish.delay_ms));
	TRY(body_opt_str(call, body, "state_key", &wish.state_key));
	TRY(body_opt_object(call, body, "content", &wish.content));
	if (wish.delay_ms == 0 || wish.content == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "delay_ms and content are required");
	}
	TRY(event_stamp_read(call, &wish.stamp));
	return delay_reply(call, &wish);
}

typedef enum err delayed_action(struct ctx *ctx, struct homeserver *hs, struct str delay_id);

static enum err act(struct call *call, struct str action)
{
	static const struct {
		const char *name;
		delayed_action *run;
	} actions[] = {{"restart", room_delayed_restart}, {"cancel", room_delayed_cancel},
		{"send", room_delayed_send}};
	for (size_t i = 0; i < COUNT_OF(actions); i++) {
		if (str_equals(action, str_of(actions[i].name))) {
			TRY(actions[i].run(&call->ctx, hs_of(call), call_path(call, "delayId")));
			return reply_empty(call);
		}
	}
	return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "action is restart, cancel or send");
}

/* The path says it all. */
static enum err act_alone(struct call *call, struct str action)
{
	const struct json *ignored;
	TRY(call_json_optional(call, &ignored));
	return act(call, action);
}

static enum err post_restart(struct call *call)
{
	return act_alone(call, STR("restart"));
}

static enum err post_cancel(struct call *call)
{
	return act_alone(call, STR("cancel"));
}

static enum err post_send(struct call *call)
{
	return act_alone(call, STR("send"));
}

/* As the proposal had it first. */
static enum err post_action(struct call *call)
{
	const struct json *body;
	struct str action;
	TRY(call_json(call, &body));
	TRY(body_str(call, body, "action", &action));
	return act(call, action);
}

/* Names of today, and those that clients in use know. */
static void write_delayed(struct json_out *out, const struct delayed_event_row *row)
{
	json_out_object(out);
	json_out_key_str(out, "delay_id", row->key.delay_id);
	json_out_key_str(out, "room_id", row->room_id);
	json_out_key_str(out, "type", row->type);
	if (row->state_key.p != NULL) {
		json_out_key_str(out, "state_key", row->state_key);
	}
	json_out_key_int(out, "delay_ms", row->delay_ms);
	json_out_key_int(out, "delay", row->delay_ms);
	json_out_key_int(out, "delayed_since_ts", row->running_since_ms);
	json_out_key_int(out, "running_since", row->running_since_ms);
	json_out_key(out, STR("content"));
	json_out_raw(out, row->content);
	json_out_end(out);
}

static enum err get_delayed_event(struct call *call)
{
	struct delayed_event_row row;
	TRY(room_delayed_find(&call->ctx, hs_of(call), principal_of(call)->user.s,
		call_path(call, "delayId"), &row));
	write_delayed(reply_json(call, 200), &row);
	return ERR_OK;
}

static void write_list(struct json_out *out, struct str key, const struct delayed_event_row *rows,
	size_t count)
{
	json_out_key(out, key);
	json_out_array(out);
	for (size_t i = 0; i < count; i++) {
		write_delayed(out, &rows[i]);
	}
	json_out_end(out);
}

static enum err get_delayed_events(struct call *call)
{
	struct delayed_event_row *rows;
	size_t count;
	struct str status = call_query(call, "status");
	bool wants_scheduled = status.p == NULL || str_equals(status, STR("scheduled"));
	bool wants_finalised = status.p == NULL || str_equals(status, STR("finalised"));
	if (!wants_scheduled && !wants_finalised) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM, "status is scheduled or finalised");
	}
	TRY(store_delayed_event_list(&call->ctx, hs_of(call)->db, principal_of(call)->user.s, &rows,
		&count));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	if (status.p == NULL) {
		write_list(out, STR("delayed_events"), rows, count);
	}
	if (wants_scheduled) {
		write_list(out, STR("scheduled"), rows, count);
	}
	if (wants_finalised) {
		write_list(out, STR("finalised"), rows, 0); /* none is kept */
	}
	json_out_end(out);
	return ERR_OK;
}

#define UNSTABLE "/_matrix/client/unstable/org.matrix.msc4140"

const struct route delayed_routes[] = {
	{"delayEvent", "PUT", UNSTABLE "/rooms/{roomId}/delayed_event/{eventType}/{txnId}",
		AUTH_GUEST_ACTS, LANE_LOCAL, RATE_MESSAGE, 0, put_delayed_event},
	{"getDelayedEvents", "GET", UNSTABLE "/delayed_events", AUTH_GUEST, LANE_LOCAL, RATE_READ, 0,
		get_delayed_events},
	{"getDelayedEvent", "GET", UNSTABLE "/delayed_events/{delayId}", AUTH_GUEST, LANE_LOCAL,
		RATE_READ, 0, get_delayed_event},
	{"updateDelayedEvent", "POST", UNSTABLE "/delayed_events/{delayId}", AUTH_OPTIONAL, LANE_LOCAL,
		RATE_WRITE, 0, post_action},
	{"restartDelayedEvent", "POST", UNSTABLE "/delayed_events/{delayId}/restart", AUTH_OPTIONAL,
		LANE_LOCAL, RATE_WRITE, 0, post_restart},
	{"cancelDelayedEvent", "POST", UNSTABLE "/delayed_events/{delayId}/cancel", AUTH_OPTIONAL,
		LANE_LOCAL, RATE_WRITE, 0, post_cancel},
	{"sendDelayedEvent", "POST", UNSTABLE "/delayed_events/{delayId}/send", AUTH_OPTIONAL,
		LANE_LOCAL, RATE_WRITE, 0, post_send},
};
const size_t delayed_route_count = COUNT_OF(delayed_routes);
