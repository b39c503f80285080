/*
 * Sending. One write holds a row for each device, and the transaction id, which fails the write when it was used before: so a
 * repeated request does nothing, also when both come at once or the server was started anew in between.
 */
#include "e2ee/to_device.h"

#include "base/crypto.h"
#include "base/metrics.h"
#include "base/vec.h"
#include "e2ee/device_state.h"
#include "homeserver/last_write.h"
#include "homeserver/user/users.h"
#include "storage/room.h"
#include "storage/to_device.h"

enum {
	ATTEMPTS = 5,
	ENVELOPE_MAX_BYTES = 2048, /* of a message besides its content */
	COUNTED_MAX = 16,          /* of a full inbox, with each message, on average */
};

static struct metric messages_total =
	METRIC_COUNTER("belfry_e2ee_messages_total", "Messages handed to local devices");

struct target {
	struct str user_id;
	struct str device_id;
	struct str message;
};
struct targets {
	VEC(struct target) list;
};

/* --- who gets what ---------------------------------------------------------------------------------------- */

static enum err check_content(struct ctx *ctx, const struct json *content)
{
	if (content->type != JSON_OBJECT) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "A message must be an object");
	}
	if (json_raw(content).n > TO_DEVICE_CONTENT_MAX_BYTES) {
		return fail_status(ctx, ERR_INPUT, 413, M_TOO_LARGE, "A message may have at most %d bytes",
			TO_DEVICE_CONTENT_MAX_BYTES);
	}
	return ERR_OK;
}

static enum err check_request(struct ctx *ctx, const struct to_device_request *request)
{
	size_t count = 0;
	if (request->type.n > ID_MAX_BYTES || request->txn_id.n > ID_MAX_BYTES) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"Event type and transaction id may have at most %d bytes", ID_MAX_BYTES);
	}
	for (size_t i = 0; i < request->messages->count; i++) {
		struct user_id id;
		const struct json *devices = &request->messages->members[i].value;
		if (!user_id_parse(request->messages->members[i].key, &id) ||
			devices->type != JSON_OBJECT) {
			return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
				"'messages' must have messages by user id and device id");
		}
		for (size_t k = 0; k < devices->count; k++) {
			TRY(check_content(ctx, &devices->members[k].value));
		}
		count += devices->count;
	}
	return count <= TO_DEVICE_TARGETS_MAX
		? ERR_OK
		: fail_status(ctx, ERR_INPUT, 413, M_TOO_LARGE, "At most %d messages in one request",
			  TO_DEVICE_TARGETS_MAX);
}

static struct str message_text(struct arena *arena, const struct to_device_request *request,
	const struct json *content)
{
	struct buf buf CLEANUP(buf_fini);
	struct json_out out;
	buf_init(&buf, (size_t)TO_DEVICE_CONTENT_MAX_BYTES + ENVELOPE_MAX_BYTES);
	json_out_init(&out, &buf);
	json_out_object(&out);
	json_out_key_value(&out, "content", content);
	json_out_key_str(&out, "sender", request->sender);
	json_out_key_str(&out, "type", request->type);
	json_out_end(&out);
	return str_dup(arena, buf_str(&buf));
}

static void add_target(struct arena *arena, struct targets *targets, struct str user_id,
	struct str device_id, struct str message)
{
	if (device_id.n <= ID_MAX_BYTES && str_find_byte(device_id, '\0') == SIZE_MAX) {
		const struct target target = {user_id, device_id, message};
		VEC_PUSH(arena, &targets->list, target);
	}
}

/* To all of the users' devices but those that get one of their own. */
static enum err add_all_devices(struct ctx *ctx, struct homeserver *hs,
	const struct to_device_request *request, const struct str *users, size_t user_n,
	struct targets *targets)
{
	struct str *user_ids;
	struct str *device_ids;
	size_t n;
	struct str message = {0};
	const struct json *devices = NULL;
	TRY(store_to_device_all(ctx, hs->db, users, user_n, &user_ids, &device_ids, &n));
	if (n + targets->list.n > TO_DEVICE_TARGETS_MAX) {
		return fail_status(ctx, ERR_INPUT, 413, M_TOO_LARGE, "These are too many devices");
	}
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || !str_equals(user_ids[i - 1], user_ids[i])) {
			devices = json_get(request->messages, user_ids[i]);
			message = message_text(ctx->arena, request, json_at(devices, "*"));
		}
		if (json_get(devices, device_ids[i]) == NULL) {
			add_target(ctx->arena, targets, user_ids[i], device_ids[i], message);
		}
	}
	return ERR_OK;
}

/* @param out  in the arena: the commit may outlast the caller */
static enum err find_targets(struct ctx *ctx, struct homeserver *hs,
	const struct to_device_request *request, struct targets **out)
{
	struct targets *targets = ARENA_NEW(ctx->arena, struct targets);
	*out = targets;
	const struct json *messages = request->messages;
	struct str *all = ARENA_NEW_ARRAY(ctx->arena, struct str, messages->count + 1);
	size_t all_n = 0;
	for (size_t i = 0; i < messages->count; i++) {
		struct str user_id = messages->members[i].key;
		const struct json *devices = &messages->members[i].value;
		if (!hs_is_local(hs, user_id) || str_find_byte(user_id, '\0') != SIZE_MAX) {
			continue;
		}
		for (size_t k = 0; k < devices->count; k++) {
			if (str_equals(devices->members[k].key, STR("*"))) {
				all[all_n++] = user_id;
			} else {
				add_target(ctx->arena, targets, user_id, devices->members[k].key,
					message_text(ctx->arena, request, &devices->members[k].value));
			}
		}
	}
	return all_n > 0 ? add_all_devices(ctx, hs, request, all, all_n, targets) : ERR_OK;
}

/* --- the write ------------------------------------------------------------------------------------------------ */

struct delivery {
	struct homeserver *hs;
	const struct targets *targets;
};

static void on_committed(void *data, int64_t first_position)
{
	const struct delivery *delivery = data;
	struct homeserver *hs = delivery->hs;
	for (size_t i = 0; i < delivery->targets->list.n; i++) {
		const struct target *target = &delivery->targets->list.p[i];
		device_state_message_committed(hs->e2ee->states, target->user_id, target->device_id,
			first_position);
		if (i == 0 || !str_equals(target[-1].user_id, target->user_id)) {
			users_news_committed(hs->users, target->user_id);
		}
	}
	metric_add(&messages_total, (int64_t)delivery->targets->list.n);
}

static struct str transaction_key(struct arena *arena, const struct to_device_request *request)
{
	struct buf text CLEANUP(buf_fini);
	unsigned char hash[SHA256_BYTES];
	buf_init(&text, SIZE_MAX / 2);
	const struct str parts[] = {request->sender, request->device_id, STR("to_device"),
		request->type, request->txn_id};
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		buf_add_int(&text, (int64_t)parts[i].n);
		buf_add_byte(&text, ':');
		buf_add(&text, parts[i]);
	}
	crypto_sha256(buf_str(&text), hash);
	return str_dup(arena, str_from((const char *)hash, TRANSACTION_KEY_BYTES));
}

static enum err commit_once(struct ctx *ctx, struct homeserver *hs, struct str txn_key,
	const struct targets *targets)
{
	struct write *write = write_new(ctx);
	struct delivery *delivery = ARENA_NEW(ctx->arena, struct delivery);
	*delivery = (struct delivery){hs, targets};
	/* Who trims an inbox counts all that it may keep: the larger that is, the less often. */
	const uint64_t trim_one_in =
		(uint64_t)MAX_OF(hs->e2ee->message_limit / COUNTED_MAX, INT64_C(1));
	write_set_positions(write, 1);
	store_transaction_insert(write, txn_key, STR(""), clock_wall_ms(&hs->clock));
	for (size_t i = 0; i < targets->list.n; i++) {
		const struct target *target = &targets->list.p[i];
		store_to_device_add(write, target->user_id, target->device_id, target->message);
		if (rng_u64(&hs->rng) % trim_one_in == 0) {
			store_to_device_trim(write, target->user_id, target->device_id,
				hs->e2ee->message_limit);
		}
	}
	write_on_commit(write, on_committed, delivery);
	return last_write_commit(ctx, hs, write);
}

/* To other servers first: should it fail, nothing was done, and what is sent twice is known by its id over there. */
static enum err send_remote(struct ctx *ctx, struct homeserver *hs,
	const struct to_device_request *request)
{
	const struct e2ee_remote_port *port = &hs->e2ee->remote;
	struct e2ee_remote_ask *asks;
	size_t n = e2ee_remote_asks(ctx->arena, hs, request->messages, &asks);
	if (n == 0 || port->send == NULL) {
		return ERR_OK;
	}
	struct e2ee_remote_message *list = ARENA_NEW_ARRAY(ctx->arena, struct e2ee_remote_message, n);
	struct str id = str_printf(ctx->arena, "%.*s/%.*s/%.*s", STR_ARG(request->device_id),
		STR_ARG(request->type), STR_ARG(request->txn_id));
	for (size_t i = 0; i < n; i++) {
		list[i] = (struct e2ee_remote_message){asks[i].server, request->sender, request->type, id,
			asks[i].request};
	}
	return port->send(port->self, ctx, list, n);
}

static enum err deliver(struct ctx *ctx, struct homeserver *hs,
	const struct to_device_request *request, const struct targets *targets)
{
	struct str txn_key = transaction_key(ctx->arena, request);
	struct str made;
	enum err err = ERR_CONFLICT;
	for (int i = 0; i < ATTEMPTS && err == ERR_CONFLICT; i++) {
		err = commit_once(ctx, hs, txn_key, targets);
		if (err == ERR_CONFLICT) { /* sent before; or a device ended at this moment */
			enum err found = store_transaction_find(ctx, hs->db, txn_key, &made);
			if (found != ERR_MISSING) {
				return found;
			}
		}
	}
	return err;
}

enum err to_device_send(struct ctx *ctx, struct homeserver *hs,
	const struct to_device_request *request)
{
	struct targets *targets;
	TRY(check_request(ctx, request));
	TRY(find_targets(ctx, hs, request, &targets));
	TRY(send_remote(ctx, hs, request));
	return deliver(ctx, hs, request, targets);
}

enum err to_device_receive(struct ctx *ctx, struct homeserver *hs,
	const struct to_device_request *request)
{
	struct targets *targets;
	TRY(check_request(ctx, request));
	TRY(find_targets(ctx, hs, request, &targets));
	return targets->list.n > 0 ? deliver(ctx, hs, request, targets) : ERR_OK;
}
