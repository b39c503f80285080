/*
 * One function for each type of EDU. Each reads what it needs and leaves out what is malformed or about users of others; the domains
 * decide the rest, as for users of this server.
 */
#include "federation/edu_in.h"

#include "base/metrics.h"
#include "base/vec.h"
#include "e2ee/to_device.h"
#include "federation/remote_devices.h"
#include "homeserver/presence/presence.h"
#include "homeserver/receipt/receipts.h"
#include "homeserver/room/room_accept.h"
#include "homeserver/typing/typing.h"
#include "storage/state.h"

enum {
	RECEIPTS_MAX = 500, /* of one EDU */
	PRESENCES_MAX = 1000,
};

static struct metric edus_total =
	METRIC_COUNTER("belfry_edus_received_total", "EDUs of other servers that were dealt with");

/* What each function works with. */
struct edu_run {
	struct ctx *ctx;
	struct federation *federation;
	const struct edu_arrival *arrival;
	const struct json *content;
};

/* --- who and where ------------------------------------------------------------------------------------------ */

/* A user of the server that sent the EDU, whom clients may be told of outside events. */
static bool read_user(const struct edu_run *run, struct str text, struct user_id *out)
{
	return user_id_parse(text, out) && user_id_is_compliant(*out) &&
		server_name_equals(user_id_server(*out), run->arrival->origin);
}

/* A refusal is an answer to nobody: the EDU is left out. What is not known yet may come. */
static enum err settled(struct ctx *ctx, enum err err)
{
	if (err == ERR_DENIED || err == ERR_INPUT) {
		ctx->fault = (struct fault){0};
		return ERR_OK;
	}
	return err;
}

/* Whether the room is one that this server is in, and its access list lets the origin take part. */
static enum err may_speak_in(const struct edu_run *run, struct str room_id, bool *out)
{
	struct homeserver *hs = run->federation->hs;
	struct room_id id;
	struct room *room;
	*out = false;
	if (!room_id_parse(room_id, &id) || str_find_byte(room_id, '\0') != SIZE_MAX) {
		return ERR_OK;
	}
	enum err err = rooms_get(run->ctx, hs, room_id, &room);
	if (err == ERR_MISSING) {
		run->ctx->fault = (struct fault){0};
		return ERR_OK;
	}
	TRY(err);
	return room_is_resident(room)
		? room_allows_server(run->ctx, hs, room, run->arrival->origin, out)
		: ERR_OK;
}

/* --- typing --------------------------------------------------------------------------------------------------- */

static enum err typing(const struct edu_run *run)
{
	struct str room_id = json_get_str(run->content, STR("room_id"));
	struct user_id user;
	bool may_speak;
	if (!read_user(run, json_get_str(run->content, STR("user_id")), &user)) {
		return ERR_OK;
	}
	TRY(may_speak_in(run, room_id, &may_speak));
	bool types = json_get_bool(run->content, STR("typing"), false);
	return may_speak
		? typing_set(run->ctx, run->federation->hs, user.s, room_id, types ? TYPING_DEFAULT_MS : 0)
		: ERR_OK;
}

/* --- receipts --------------------------------------------------------------------------------------------------- */

/* {"event_ids":["$…"],"data":{"ts":1,"thread_id":"main"}} */
static bool read_receipt(const struct edu_run *run, const struct json *receipt,
	struct receipt_mark *out)
{
	const struct json *ids = json_at(receipt, "event_ids");
	const struct json *data = json_at(receipt, "data");
	struct field_error error;
	struct event_id id;
	int64_t now_ms = clock_wall_ms(&run->federation->hs->clock);
	*out = (struct receipt_mark){.type = RECEIPT_READ};
	if (!json_is(ids, JSON_ARRAY) || ids->count != 1 || ids->items[0].type != JSON_STRING ||
		!event_id_parse(json_text(&ids->items[0]), &id) || str_find_byte(id.s, '\0') != SIZE_MAX ||
		!json_is(data, JSON_OBJECT) || !receipt_thread_read(data, false, &out->thread_id, &error)) {
		return false;
	}
	out->event_id = id.s;
	if (!json_get_int(data, STR("ts"), 1, now_ms, &out->ts_ms)) {
		out->ts_ms = now_ms;
	}
	return true;
}

/* Of one room. @param out_unknown  an event is not known (yet) */
static enum err room_receipts(const struct edu_run *run, struct str room_id,
	const struct json *by_user, size_t *left, bool *out_unknown)
{
	bool may_speak;
	TRY(may_speak_in(run, room_id, &may_speak));
	for (size_t i = 0; may_speak && i<by_user->count && * left> 0; i++, (*left)--) {
		struct receipt_mark mark;
		struct user_id user;
		if (!read_user(run, by_user->members[i].key, &user) ||
			!read_receipt(run, &by_user->members[i].value, &mark)) {
			continue;
		}
		enum err err = settled(run->ctx,
			receipts_set(run->ctx, run->federation->hs, user.s, room_id,
				&(struct read_marks){.receipts = &mark, .count = 1}));
		*out_unknown = *out_unknown || err == ERR_MISSING;
		if (err != ERR_MISSING) {
			TRY(err);
		}
	}
	return ERR_OK;
}

/* Receipts for public reading alone; others are nobody's to send. */
static enum err receipts(const struct edu_run *run)
{
	size_t left = RECEIPTS_MAX;
	bool is_unknown = false;
	for (size_t i = 0; i < run->content->count && left > 0; i++) {
		const struct json_member *room = &run->content->members[i];
		const struct json *by_user = json_at(&room->value, "m.read");
		if (json_is(by_user, JSON_OBJECT)) {
			TRY(room_receipts(run, room->key, by_user, &left, &is_unknown));
		}
	}
	return is_unknown ? ERR_MISSING : ERR_OK;
}

/* --- presence ----------------------------------------------------------------------------------------------------- */

struct presences {
	VEC(struct presence_news) list;
};

static void read_presence(const struct edu_run *run, const struct json *entry,
	struct presences *out)
{
	struct user_id user;
	struct presence_news news = {.last_active_ago_ms = -1};
	if (!read_user(run, json_get_str(entry, STR("user_id")), &user) ||
		!presence_state_parse(json_get_str(entry, STR("presence")), &news.state)) {
		return;
	}
	news.user_id = user.s;
	news.status_msg = json_get_str(entry, STR("status_msg"));
	news.is_currently_active = json_get_bool(entry, STR("currently_active"), false);
	if (!json_get_int(entry, STR("last_active_ago"), 0, INT64_C(1) << 50,
			&news.last_active_ago_ms)) {
		news.last_active_ago_ms = -1;
	}
	VEC_PUSH(run->ctx->arena, &out->list, news);
}

/* Of users with whom nobody here shares a room nothing is kept. */
static enum err presence(const struct edu_run *run)
{
	struct ctx *ctx = run->ctx;
	struct homeserver *hs = run->federation->hs;
	const struct json *push = json_at(run->content, "push");
	struct presences presences = {0};
	struct joined_row *joined;
	size_t count;
	for (size_t i = 0; json_is(push, JSON_ARRAY) && i < MIN_OF(push->count, (size_t)PRESENCES_MAX);
		 i++) {
		read_presence(run, &push->items[i], &presences);
	}
	struct str *ids = ARENA_NEW_ARRAY(ctx->arena, struct str, presences.list.n);
	for (size_t i = 0; i < presences.list.n; i++) {
		ids[i] = presences.list.p[i].user_id;
	}
	TRY(store_member_joined(ctx, hs->db, ids, presences.list.n, &joined, &count));
	int64_t *nids = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	for (size_t i = 0; i < presences.list.n; i++) {
		struct presence_news *news = &presences.list.p[i];
		news->room_nids = nids;
		for (size_t k = 0; k < count; k++) {
			if (str_equals(joined[k].user_id, news->user_id)) {
				nids[news->room_n++] = joined[k].room_nid;
			}
		}
		if (news->room_n > 0) {
			presence_received(hs, news);
		}
	}
	return ERR_OK;
}

/* --- encryption ----------------------------------------------------------------------------------------------------- */

static enum err direct_to_device(const struct edu_run *run)
{
	struct user_id sender;
	struct to_device_request request = {
		.type = json_get_str(run->content, STR("type")),
		.txn_id = json_get_str(run->content, STR("message_id")),
		.messages = json_at(run->content, "messages"),
	};
	if (!read_user(run, json_get_str(run->content, STR("sender")), &sender) ||
		request.type.p == NULL || request.txn_id.p == NULL ||
		!json_is(request.messages, JSON_OBJECT)) {
		return ERR_OK;
	}
	request.sender = sender.s;
	return to_device_receive(run->ctx, run->federation->hs, &request);
}

/* A name that can be kept; others are left out. */
static struct str short_name(struct str name)
{
	bool is_good = name.n <= ID_MAX_BYTES && str_find_byte(name, '\0') == SIZE_MAX;
	return is_good ? name : str_from(NULL, 0);
}

static const struct json *object_or_null(const struct json *object, struct str key)
{
	const struct json *value = json_get(object, key);
	return json_is(value, JSON_OBJECT) ? value : NULL;
}

static enum err device_list_update(const struct edu_run *run)
{
	struct remote_device_update update = {
		.device_id = json_get_str(run->content, STR("device_id")),
		.display_name = short_name(json_get_str(run->content, STR("device_display_name"))),
		.prev_ids = json_at(run->content, "prev_id"),
		.is_deleted = json_get_bool(run->content, STR("deleted"), false),
		.keys = object_or_null(run->content, STR("keys")),
		.may_wait = run->arrival->may_wait,
	};
	struct str id = update.device_id;
	if (!read_user(run, json_get_str(run->content, STR("user_id")), &update.user) ||
		!json_get_int(run->content, STR("stream_id"), 0, INT64_MAX, &update.stream_id) ||
		id.p == NULL || id.n > ID_MAX_BYTES || str_find_byte(id, '\0') != SIZE_MAX) {
		return ERR_OK;
	}
	return remote_devices_update(run->ctx, run->federation, &update);
}

static enum err signing_key_update(const struct edu_run *run)
{
	struct user_id user;
	if (!read_user(run, json_get_str(run->content, STR("user_id")), &user)) {
		return ERR_OK;
	}
	return remote_devices_set_cross_keys(run->ctx, run->federation, user,
		object_or_null(run->content, STR("master_key")),
		object_or_null(run->content, STR("self_signing_key")));
}

/* --- the types ---------------------------------------------------------------------------------------------------------- */

static const struct {
	struct str type;
	enum err (*run)(const struct edu_run *run);
} types[] = {
	{STR_INIT("m.typing"), typing},
	{STR_INIT("m.receipt"), receipts},
	{STR_INIT("m.presence"), presence},
	{STR_INIT("m.direct_to_device"), direct_to_device},
	{STR_INIT("m.device_list_update"), device_list_update},
	{STR_INIT("m.signing_key_update"), signing_key_update},
};

static size_t index_of(struct str type)
{
	size_t i = 0;
	while (i < COUNT_OF(types) && !str_equals(types[i].type, type)) {
		i++;
	}
	return i;
}

bool edu_in_is_known(struct str type)
{
	return index_of(type) < COUNT_OF(types);
}

enum err edu_in_do(struct ctx *ctx, struct federation *federation,
	const struct edu_arrival *arrival)
{
	const struct edu_run run = {ctx, federation, arrival, arrival->edu.content};
	size_t i = index_of(arrival->edu.type);
	if (i == COUNT_OF(types) || !json_is(run.content, JSON_OBJECT)) {
		return ERR_OK;
	}
	TRY(settled(ctx, types[i].run(&run)));
	metric_add(&edus_total, 1);
	return ERR_OK;
}
