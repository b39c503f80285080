/*
 * The service as a whole, and what queries and claims share: the users of other servers.
 */
#include "e2ee/e2ee.h"

#include "base/log.h"
#include "base/mem.h"
#include "e2ee/claim_queue.h"
#include "e2ee/cross_signing.h"
#include "e2ee/device_lists.h"
#include "e2ee/device_state.h"
#include "e2ee/e2ee_sync.h"
#include "e2ee/own_device.h"
#include "homeserver/user/users.h"

#include <stdlib.h>

enum { STATE_IDLE_MS = 10 * 60 * 1000 };

static void forget_devices(struct homeserver *hs)
{
	device_states_forget(hs->e2ee->states);
}

struct e2ee *e2ee_create(struct homeserver *hs)
{
	struct e2ee *e2ee = mem_alloc(sizeof(*e2ee));
	e2ee->hs = hs;
	e2ee->lists = device_lists_create();
	e2ee->states = device_states_create(hs);
	e2ee->claims = claim_queue_create(hs->db, store_one_time_key_claim);
	e2ee->own = own_devices_create(hs);
	e2ee->message_limit = hs->settings.to_device_limit;
	hs->ports.e2ee = (struct e2ee_port){
		.sync_load = e2ee_sync_load,
		.sync_has_more = e2ee_sync_has_more,
		.devices_changed = e2ee_devices_changed,
		.devices_doubtful = forget_devices,
		.account_ended = cross_signing_account_ended,
	};
	return e2ee;
}

void e2ee_destroy(struct e2ee *e2ee)
{
	if (e2ee == NULL) {
		return;
	}
	own_devices_destroy(e2ee->own);
	claim_queue_destroy(e2ee->claims);
	device_states_destroy(e2ee->states);
	device_lists_destroy(e2ee->lists);
	mem_free(e2ee);
}

void e2ee_forget(struct e2ee *e2ee, int64_t position)
{
	device_lists_forget(e2ee->lists, position);
	device_states_forget(e2ee->states);
}

void e2ee_told_device(struct e2ee *e2ee, struct str user_id)
{
	device_states_forget_user(e2ee->states, user_id);
	users_news_committed(e2ee->hs->users, user_id);
}

void e2ee_heard_device(struct e2ee *e2ee, struct str user_id)
{
	device_states_forget_user(e2ee->states, user_id);
	users_wake_user(e2ee->hs->users, user_id);
}

void e2ee_deaf(struct e2ee *e2ee)
{
	device_states_forget(e2ee->states);
}

void e2ee_devices_changed(struct ctx *ctx, struct homeserver *hs, struct str user_id)
{
	device_states_forget_user(hs->e2ee->states, user_id);
	e2ee_tell_keys_changed(hs, &user_id, 1);
	device_lists_devices_changed(ctx, hs, user_id);
}

void e2ee_tell_keys_changed(struct homeserver *hs, const struct str *user_ids, size_t count)
{
	for (size_t i = 0; writer_has_peers(hs->writer) && i < count; i++) {
		bool is_last = i + 1 == count; /* what is heard of it is heard of those before */
		if (is_last) {
			writer_tell_all(hs->writer, NEWS_DEVICE, user_ids[i]);
		} else if (!str_equals(user_ids[i], user_ids[i + 1])) {
			writer_tell(hs->writer, NEWS_DEVICE, user_ids[i]);
		}
	}
}

/* Which rooms the user is in is not asked here: so everybody looks. */
void e2ee_told_lists(struct e2ee *e2ee, int64_t position)
{
	device_lists_forget(e2ee->lists, position);
	users_tell_all(e2ee->hs->users);
}

void e2ee_tidy(struct ctx *ctx, struct e2ee *e2ee)
{
	struct homeserver *hs = e2ee->hs;
	device_states_tidy(e2ee->states, clock_mono_ms(&hs->clock) - STATE_IDLE_MS);
	if (device_lists_settle(ctx, hs) != ERR_OK) {
		log_warn(0, "e2ee.settle_failed", "cause=%.*s", STR_ARG(ctx->fault.cause));
	}
	own_devices_tidy(ctx, hs);
}

/* --- other servers ----------------------------------------------------------------------------------- */

/* A member of the map, by its server. */
struct remote_member {
	struct server_name server;
	const struct json_member *member;
};

static int compare_servers(const void *a, const void *b)
{
	return str_compare(((const struct remote_member *)a)->server.s,
		((const struct remote_member *)b)->server.s);
}

static struct remote_member *sort_remote(struct arena *arena, const struct homeserver *hs,
	const struct json *map, size_t *out_n)
{
	struct remote_member *list = ARENA_NEW_ARRAY(arena, struct remote_member, map->count + 1);
	*out_n = 0;
	for (size_t i = 0; i < map->count; i++) {
		struct user_id id;
		if (user_id_parse(map->members[i].key, &id) && !hs_is_local(hs, id.s)) {
			list[(*out_n)++] = (struct remote_member){user_id_server(id), &map->members[i]};
		}
	}
	qsort(list, *out_n, sizeof(*list), compare_servers);
	return list;
}

size_t e2ee_remote_asks(struct arena *arena, const struct homeserver *hs, const struct json *map,
	struct e2ee_remote_ask **out)
{
	size_t count;
	struct remote_member *list = sort_remote(arena, hs, map, &count);
	struct e2ee_remote_ask *asks = ARENA_NEW_ARRAY(arena, struct e2ee_remote_ask, count + 1);
	size_t n = 0;
	for (size_t i = 0; i < count;) {
		size_t end = i;
		while (end < count && server_name_equals(list[end].server, list[i].server)) {
			end++;
		}
		asks[n].server = list[i].server;
		asks[n].request = json_object(arena, end - i);
		for (; i < end; i++) {
			asks[n].request.members[asks[n].request.count++] = *list[i].member;
		}
		n++;
	}
	*out = asks;
	return n;
}

enum err e2ee_ask_remote(struct ctx *ctx, struct e2ee *e2ee, struct e2ee_remote_ask *asks,
	size_t count, int64_t timeout_ms, bool is_claim)
{
	const struct e2ee_remote_port *port = &e2ee->remote;
	if (count == 0 || (is_claim ? port->claim : port->query) == NULL) {
		return ERR_OK;
	}
	return (is_claim ? port->claim : port->query)(port->self, ctx, asks, count, timeout_ms);
}

void e2ee_write_answers(struct json_out *out, const struct e2ee_remote_ask *asks, size_t count,
	struct str section)
{
	for (size_t i = 0; i < count; i++) {
		const struct json *users = json_get(&asks[i].answer, section);
		if (users == NULL || users->type != JSON_OBJECT) {
			continue;
		}
		for (size_t k = 0; k < users->count; k++) {
			json_out_key(out, users->members[k].key);
			json_out_value(out, &users->members[k].value);
		}
	}
}

void e2ee_write_failures(struct json_out *out, const struct e2ee_remote_ask *asks, size_t count)
{
	json_out_key_object(out, "failures");
	for (size_t i = 0; i < count; i++) {
		if (!asks[i].is_answered) {
			json_out_key(out, asks[i].server.s);
			json_out_object(out);
			json_out_key_str(out, "errcode", STR("M_UNKNOWN"));
			json_out_key_str(out, "error", STR("This server could not be reached"));
			json_out_end(out);
		}
	}
	json_out_end(out);
}
