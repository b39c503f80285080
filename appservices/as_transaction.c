/*
 * Events are written as clients get them, in the order of the stream, room by room prepared.
 */
#include "appservices/as_transaction.h"

#include <stdlib.h>

#include "appservices/as_device_lists.h"
#include "homeserver/room/rooms.h"
#include "homeserver/timeline/event_view.h"
#include "storage/one_time_key.h"

enum { CEILING_BYTES = 16 << 20 };

/* Events of one room, prepared for writing. */
struct room_part {
	struct event_view view;
	struct event_batch *batch;
	size_t written;
};

struct writing {
	struct ctx *ctx;
	struct homeserver *hs;
	struct as_draft *draft;
	struct room_part **parts; /* of news[i]; NULL: nothing to send */
	size_t event_n;
	size_t other_n;
};

static bool is_first_of_room(const struct as_draft *draft, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (draft->news[i].room_nid == draft->news[index].room_nid &&
			draft->news[i].kind == APPSERVICE_NEWS_EVENT) {
			return false;
		}
	}
	return true;
}

static bool is_invitation(const struct event *event)
{
	struct str membership = event_membership(event);
	return str_equals(event->type, STR("m.room.member")) &&
		(str_equals(membership, STR("invite")) || str_equals(membership, STR("knock")));
}

/* What invites and knocks show of the room. @param places  of the events among the news */
static enum err load_stripped(struct writing *writing, struct event_view *view,
	struct stored_event *const *events, const size_t *places, size_t count)
{
	struct arena *arena = writing->ctx->arena;
	int64_t *positions = ARENA_NEW_ARRAY(arena, int64_t, count);
	struct appservice_stripped *found;
	size_t found_n;
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		if (is_invitation(events[i]->event)) {
			positions[n++] = writing->draft->news[places[i]].position;
		}
	}
	if (n == 0) {
		return ERR_OK;
	}
	TRY(store_appservice_stripped(writing->ctx, writing->hs->db, positions, n, &found, &found_n));
	struct str *texts = ARENA_NEW_ARRAY(arena, struct str, count);
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < found_n; k++) {
			if (found[k].position == writing->draft->news[places[i]].position &&
				str_equals(found[k].user_id, events[i]->event->state_key)) {
				texts[i] = found[k].stripped;
			}
		}
	}
	view->stripped = texts;
	return ERR_OK;
}

/* Loads the events of one room; those that are gone, or held back from clients, have nothing to tell. */
static enum err load_room(struct writing *writing, int64_t nid)
{
	struct ctx *ctx = writing->ctx;
	const struct as_draft *draft = writing->draft;
	struct room *room;
	struct stored_event **events;
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, draft->news_n);
	size_t *places = ARENA_NEW_ARRAY(ctx->arena, size_t, draft->news_n);
	size_t n = 0;
	for (size_t i = 0; i < draft->news_n; i++) {
		if (draft->news[i].kind == APPSERVICE_NEWS_EVENT && draft->news[i].room_nid == nid) {
			places[n] = i;
			positions[n++] = draft->news[i].event_position;
		}
	}
	TRY(rooms_get_nid(ctx, writing->hs, nid, &room));
	TRY(room_events_at(ctx, writing->hs, room, positions, n, &events));
	struct room_part *part = ARENA_NEW(ctx->arena, struct room_part);
	part->view =
		(struct event_view){.up_to = POSITION_NOW, .with_room_id = true, .without_relations = true};
	size_t kept = 0;
	for (size_t i = 0; i < n; i++) {
		if (events[i] != NULL && !stored_event_is_held(events[i])) {
			writing->parts[places[i]] = part;
			places[kept] = places[i];
			events[kept++] = events[i];
		}
	}
	TRY(load_stripped(writing, &part->view, events, places, kept));
	return event_view_prepare(ctx, writing->hs, room, &part->view, events, kept, &part->batch);
}

static enum err load_events(struct writing *writing)
{
	const struct as_draft *draft = writing->draft;
	writing->parts = ARENA_NEW_ARRAY(writing->ctx->arena, struct room_part *, draft->news_n);
	for (size_t i = 0; i < draft->news_n; i++) {
		if (draft->news[i].kind != APPSERVICE_NEWS_EVENT || !is_first_of_room(draft, i)) {
			continue;
		}
		enum err err = load_room(writing, draft->news[i].room_nid);
		if (err != ERR_OK && err != ERR_MISSING) {
			return err;
		}
	}
	return ERR_OK;
}

/* In order, until it is large: what else stands at the last position is in it too. Everybody of a room is large. */
static void write_events(struct writing *writing, struct json_out *out)
{
	struct as_draft *draft = writing->draft;
	bool is_large = false;
	json_out_key_array(out, "events");
	for (size_t i = 0; i < draft->news_n; i++) {
		if (is_large && draft->news[i].position != draft->up_to) {
			break;
		}
		draft->up_to = draft->news[i].position;
		is_large = is_large || as_news_is_crowd(&draft->news[i]);
		struct room_part *part = writing->parts[i];
		if (part != NULL) {
			event_view_write(part->batch, part->written++, out);
			writing->event_n++;
		}
		is_large = is_large || out->buf->n > AS_TRANSACTION_BYTES;
	}
	json_out_end(out);
}

/* --- what is no event ------------------------------------------------------------------------------------------ */

/* Positions of one kind that are in the transaction. */
static size_t positions_of(const struct writing *writing, enum appservice_news_kind kind,
	int64_t **out)
{
	const struct as_draft *draft = writing->draft;
	size_t n = 0;
	*out = ARENA_NEW_ARRAY(writing->ctx->arena, int64_t, draft->news_n);
	for (size_t i = 0; i < draft->news_n; i++) {
		if (draft->news[i].kind == kind && draft->news[i].position <= draft->up_to) {
			(*out)[n++] = draft->news[i].position;
		}
	}
	return n;
}

static void write_receipt(const struct appservice_receipt *receipt, struct json_out *out)
{
	json_out_object(out);
	json_out_key_str(out, "type", STR("m.receipt"));
	json_out_key_str(out, "room_id", receipt->room_id);
	json_out_key_object(out, "content");
	json_out_key(out, receipt->event_id);
	json_out_object(out);
	json_out_key(out, receipt->type);
	json_out_object(out);
	json_out_key(out, receipt->user_id);
	json_out_object(out);
	json_out_key_int(out, "ts", receipt->ts_ms);
	if (receipt->thread_id.n > 0) {
		json_out_key_str(out, "thread_id", receipt->thread_id);
	}
	for (int i = 0; i < 5; i++) {
		json_out_end(out);
	}
}

/* Services that ask for it by the name of before it was specified get it by that one, too. */
static const char *ephemeral_name(const struct registration *reg)
{
	return json_at(&reg->all, "receive_ephemeral") == NULL &&
			json_at(&reg->all, "de.sorunome.msc2409.push_ephemeral") != NULL
		? "de.sorunome.msc2409.ephemeral"
		: "ephemeral";
}

static enum err write_ephemeral(struct writing *writing, struct json_out *out)
{
	struct ctx *ctx = writing->ctx;
	const struct as_draft *draft = writing->draft;
	struct appservice_receipt *receipts = NULL;
	int64_t *positions;
	size_t receipt_n = 0;
	size_t moment_n;
	size_t n = positions_of(writing, APPSERVICE_NEWS_RECEIPT, &positions);
	if (n > 0) {
		TRY(store_appservice_receipts(ctx, writing->hs->db, positions, n, &receipts, &receipt_n));
	}
	if (receipt_n + draft->moments.room_n + draft->moments.user_n == 0) {
		return ERR_OK;
	}
	json_out_key(out, str_of(ephemeral_name(&draft->service->reg)));
	json_out_array(out);
	for (size_t i = 0; i < receipt_n; i++) {
		write_receipt(&receipts[i], out);
	}
	TRY(as_moments_write(ctx, writing->hs, &draft->moments, out, &moment_n));
	json_out_end(out);
	writing->other_n += receipt_n + moment_n;
	return ERR_OK;
}

static void write_message(const struct appservice_message *message, struct json_out *out)
{
	json_out_object(out);
	/* What a client sent as one, without its opening brace. */
	buf_add(out->buf, str_slice(message->message, 1, message->message.n - 1));
	out->need_comma = true;
	json_out_key_str(out, "to_user_id", message->user_id);
	json_out_key_str(out, "to_device_id", message->device_id);
	json_out_end(out);
}

/* Of one device: how many keys of each algorithm are left, or which fallback keys are unused. */
static void write_left(const struct device_key_state *state, bool is_fallback, struct json_out *out)
{
	if (is_fallback) {
		json_out_strs(out, state->unused_fallback, state->unused_fallback_n);
		return;
	}
	json_out_object(out);
	for (size_t i = 0; i < state->one_time_n; i++) {
		json_out_key(out, state->one_time[i].algorithm);
		json_out_int(out, state->one_time[i].count);
	}
	json_out_end(out);
}

/* {user: {device: …}} of the devices that messages go to; sorted by user. */
static void write_devices(const struct appservice_message *devices,
	const struct device_key_state *states, size_t count, bool is_fallback, struct json_out *out)
{
	json_out_object(out);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || !str_equals(devices[i].user_id, devices[i - 1].user_id)) {
			if (i > 0) {
				json_out_end(out);
			}
			json_out_key(out, devices[i].user_id);
			json_out_object(out);
		}
		json_out_key(out, devices[i].device_id);
		write_left(&states[i], is_fallback, out);
	}
	if (count > 0) {
		json_out_end(out);
	}
	json_out_end(out);
}

static int compare_devices(const void *a, const void *b)
{
	const struct appservice_message *x = a;
	const struct appservice_message *y = b;
	int order = str_compare(x->user_id, y->user_id);
	return order != 0 ? order : str_compare(x->device_id, y->device_id);
}

/* What is left, of each device that gets a message, and of each whose keys were claimed. Each once, by user. */
static size_t devices_of(const struct writing *writing, const struct appservice_message *messages,
	size_t message_n, struct appservice_message **out)
{
	const struct as_draft *draft = writing->draft;
	size_t count = message_n + draft->key_news_n;
	struct appservice_message *devices =
		ARENA_NEW_ARRAY(writing->ctx->arena, struct appservice_message, count + 1);
	size_t n = 0;
	for (size_t i = 0; i < message_n; i++) {
		devices[i] = messages[i];
	}
	for (size_t i = 0; i < draft->key_news_n; i++) {
		devices[message_n + i] = (struct appservice_message){.user_id = draft->key_news[i].user_id,
			.device_id = draft->key_news[i].device_id};
	}
	qsort(devices, count, sizeof(*devices), compare_devices);
	for (size_t i = 0; i < count; i++) {
		if (n == 0 || compare_devices(&devices[n - 1], &devices[i]) != 0) {
			devices[n++] = devices[i];
		}
	}
	*out = devices;
	return n;
}

static enum err write_keys_left(struct writing *writing, const struct appservice_message *messages,
	size_t message_n, struct json_out *out)
{
	struct ctx *ctx = writing->ctx;
	struct appservice_message *devices;
	size_t n = devices_of(writing, messages, message_n, &devices);
	struct device_key_state *states = ARENA_NEW_ARRAY(ctx->arena, struct device_key_state, n + 1);
	if (n == 0 || !writing->draft->service->reg.receives_devices) {
		return ERR_OK;
	}
	for (size_t i = 0; i < n; i++) {
		TRY(store_one_time_key_state(ctx, writing->hs->db, devices[i].user_id, devices[i].device_id,
			&states[i]));
	}
	json_out_key(out, STR("org.matrix.msc3202.device_one_time_keys_count"));
	write_devices(devices, states, n, false, out);
	json_out_key(out, STR("org.matrix.msc3202.device_unused_fallback_key_types"));
	write_devices(devices, states, n, true, out);
	writing->other_n += n;
	return ERR_OK;
}

static enum err write_messages(struct writing *writing, struct json_out *out)
{
	struct ctx *ctx = writing->ctx;
	struct as_draft *draft = writing->draft;
	struct appservice_message *messages = NULL;
	int64_t *positions;
	size_t count;
	size_t sent = 0;
	size_t n = positions_of(writing, APPSERVICE_NEWS_MESSAGE, &positions);
	if (n == 0) {
		return write_keys_left(writing, NULL, 0, out);
	}
	TRY(store_appservice_messages(ctx, writing->hs->db, positions, n, &messages, &count));
	draft->messages = ARENA_NEW_ARRAY(ctx->arena, struct appservice_message, count);
	json_out_key_array(out, "de.sorunome.msc2409.to_device");
	for (size_t i = 0; i < count; i++) {
		struct user_id user;
		if (!as_has_user(draft->service, messages[i].user_id) ||
			!user_id_parse(messages[i].user_id, &user)) {
			continue; /* of another user at the same position */
		}
		write_message(&messages[i], out);
		if (appservice_claims_user(draft->service, user)) {
			draft->messages[draft->message_n++] = messages[i];
		}
		messages[sent++] = messages[i];
	}
	json_out_end(out);
	writing->other_n += sent;
	return write_keys_left(writing, messages, sent, out);
}

enum err as_draft_write(struct ctx *ctx, struct homeserver *hs, struct as_draft *draft)
{
	struct writing writing = {.ctx = ctx, .hs = hs, .draft = draft};
	struct buf buf CLEANUP(buf_fini);
	struct json_out out;
	buf_init(&buf, CEILING_BYTES);
	json_out_init(&out, &buf);
	TRY(load_events(&writing));
	json_out_object(&out);
	write_events(&writing, &out);
	if (draft->service->reg.receives_ephemeral) {
		TRY(write_ephemeral(&writing, &out));
		TRY(write_messages(&writing, &out));
	}
	if (draft->service->reg.receives_devices) {
		TRY(as_device_lists_write(ctx, hs, draft, &out, &writing.other_n));
	}
	json_out_end(&out);
	if (!buf_ok(&buf)) {
		return fail_cause(ctx, ERR_INTERNAL, "a transaction could not be written");
	}
	draft->body = writing.event_n + writing.other_n > 0 ? str_dup(ctx->arena, buf_str(&buf))
														: str_from(NULL, 0);
	return ERR_OK;
}
