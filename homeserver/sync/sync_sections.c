/*
 * The sections of an answer besides rooms, and the answer as a whole.
 */
#include "homeserver/sync/sync_inner.h"

struct e2ee_ask sync_sections_encryption_ask(const struct sync_run *run)
{
	const struct token *since = &run->request->since;
	return (struct e2ee_ask){
		.who = run->who,
		.user = run->user,
		.rooms = run->rooms,
		.room_n = run->room_n,
		.is_initial = run->is_initial,
		.since = run->since,
		.up_to = run->up_to,
		.messages_since = since->messages > 0 ? since->messages : since->position,
	};
}

static enum err load_account_data(struct sync_run *run)
{
	if (!run->is_initial && user_own_position(run->user) <= run->since) {
		return ERR_OK;
	}
	const struct event_filter *filter = &run->request->filter->account_data;
	struct account_data_item *items;
	size_t count;
	TRY(account_data_changes(run->ctx, run->hs, run->user, 0, run->since, run->up_to, &items,
		&count));
	run->global_data = ARENA_NEW_ARRAY(run->ctx->arena, struct account_data_item, count);
	for (size_t i = 0; i < count; i++) {
		if (event_filter_allows_type(filter, items[i].type)) {
			run->global_data[run->global_data_n++] = items[i];
		}
	}
	return account_data_rooms_changed(run->ctx, run->hs, run->user, run->since, run->up_to,
		&run->room_data, &run->room_data_n);
}

enum err sync_sections_load(struct sync_run *run)
{
	const struct e2ee_ask ask = sync_sections_encryption_ask(run);
	TRY(run->hs->ports.e2ee.sync_load(run->ctx, run->hs, &ask, &run->encryption));
	TRY(sync_presence_load(run));
	return load_account_data(run);
}

bool sync_sections_are_empty(const struct sync_run *run)
{
	const struct e2ee_news *news = &run->encryption;
	return run->global_data_n == 0 && run->presence_n == 0 && news->message_n == 0 &&
		news->changed_n == 0 && news->left_n == 0;
}

static void write_parts(const struct sync_run *run, bool left, struct json_out *out)
{
	json_out_object(out);
	for (size_t i = 0; i < run->part_n; i++) {
		if (run->parts[i]->is_left == left) {
			json_out_key(out, room_id_of(run->parts[i]->room).s);
			sync_room_write(run, run->parts[i], out);
		}
	}
	json_out_end(out);
}

static void write_outside(const struct sync_run *run, struct str membership, struct str state_name,
	struct json_out *out)
{
	json_out_object(out);
	for (size_t i = 0; i < run->outside_n; i++) {
		const struct user_room *entry = &run->outside[i];
		if (!str_equals(entry->membership, membership)) {
			continue;
		}
		json_out_key(out, room_id_of(entry->room).s);
		json_out_object(out);
		json_out_key(out, state_name);
		json_out_object(out);
		json_out_key_raw(out, "events", entry->stripped.p != NULL ? entry->stripped : STR("[]"));
		json_out_end(out);
		json_out_end(out);
	}
	json_out_end(out);
}

static void write_rooms(const struct sync_run *run, struct json_out *out)
{
	json_out_key_object(out, "rooms");
	json_out_key_lit(out, "join");
	write_parts(run, false, out);
	json_out_key_lit(out, "invite");
	write_outside(run, STR("invite"), STR("invite_state"), out);
	json_out_key_lit(out, "knock");
	write_outside(run, STR("knock"), STR("knock_state"), out);
	json_out_key_lit(out, "leave");
	write_parts(run, true, out);
	json_out_end(out);
}

static void write_messages(const struct e2ee_news *news, struct json_out *out)
{
	if (news->message_n == 0) {
		json_out_key_raw(out, "to_device", SYNC_NO_EVENTS);
		return;
	}
	json_out_key_object(out, "to_device");
	json_out_key_array(out, "events");
	for (size_t i = 0; i < news->message_n; i++) {
		json_out_raw(out, news->messages[i]);
	}
	json_out_end(out);
	json_out_end(out);
}

static void write_lists(const struct e2ee_news *news, struct json_out *out)
{
	if (news->changed_n == 0 && news->left_n == 0) {
		json_out_key_raw(out, "device_lists", STR("{\"changed\":[],\"left\":[]}"));
		return;
	}
	json_out_key_object(out, "device_lists");
	json_out_key_strs(out, "changed", news->changed, news->changed_n);
	json_out_key_strs(out, "left", news->left, news->left_n);
	json_out_end(out);
}

static void write_encryption(const struct e2ee_news *news, struct json_out *out)
{
	write_messages(news, out);
	write_lists(news, out);
	json_out_key_raw(out, "device_one_time_keys_count", news->one_time_counts);
	json_out_key_raw(out, "device_unused_fallback_key_types", news->unused_fallbacks);
}

void sync_sections_write(const struct sync_run *run, struct json_out *out)
{
	/* The device has been there until now, not until the end of its waiting. */
	presence_sync_ended(run->hs, run->who, run->request->presence);
	bool has_all = run->encryption.messages_up_to >= run->up_to;
	const struct token next = {
		.position = run->up_to,
		.ephemeral = run->ephemeral_now,
		.messages = has_all ? 0 : run->encryption.messages_up_to,
	};
	json_out_object(out);
	json_out_key_str(out, "next_batch", token_text(run->ctx->arena, next));
	sync_data_write(run->global_data, run->global_data_n, out);
	sync_presence_write(run, out);
	write_encryption(&run->encryption, out);
	if (run->part_n > 0 || run->outside_n > 0) {
		write_rooms(run, out);
	}
	json_out_end(out);
}
