/*
 * Extensions: what is told besides rooms. Those that are of rooms are told of the rooms that lists and subscriptions have, and of each since it was told last.
 * Spec: MSC3884 (encryption), MSC3885 (messages to the device), MSC3959 (account data), MSC3960 (receipts), MSC3961 (typing)
 */
#include "base/vec.h"
#include "homeserver/sync/sliding_inner.h"
#include "homeserver/typing/typing.h"
#include "matrix/edu.h"

#include <inttypes.h>
#include <stdlib.h>

/* What an extension tells of one room. */
struct room_told {
	struct str room_id;
	struct str receipts; /* content of an m.receipt event */
	struct str *typing;
	size_t typing_n;
	struct account_data_item *data;
	size_t data_n;
};

/* Who types is told as it is now: it does not matter since when it was not. */
enum { TYPING_MISSED = 1 };

struct sliding_told {
	struct e2ee_news encryption;
	struct account_data_item *global_data;
	size_t global_data_n;
	VEC(struct room_told) receipts, typing, data;
};

/* --- of which rooms -------------------------------------------------------------------------------------- */

static bool is_among(const struct sliding_names *names, struct str name)
{
	return !names->is_given || str_set_has(&names->set, STR("*")) || str_set_has(&names->set, name);
}

/* Whether the extension tells of each of the places. */
static bool *mark(const struct sliding_run *run, const struct sliding_extension *extension)
{
	bool *marks = ARENA_NEW_ARRAY(run->ctx->arena, bool, run->place_n);
	if (!extension->is_enabled) {
		return marks;
	}
	for (size_t i = 0; i < run->request->list_n; i++) {
		const struct sliding_window *window = &run->windows[i];
		bool is_asked = is_among(&extension->lists, window->list->name);
		for (size_t j = 0; is_asked && j < window->place_n; j++) {
			marks[window->places[j] - run->places] = true;
		}
	}
	for (size_t i = 0; i < run->place_n; i++) {
		const struct sliding_place *place = &run->places[i];
		bool is_asked =
			place->is_subscribed && is_among(&extension->rooms, room_id_of(place->entry.room).s);
		marks[i] = (marks[i] || is_asked) && sync_is_member(&place->entry);
	}
	return marks;
}

/* Up to where a stream of a room was told; 0: nothing was. */
static int64_t told_up_to(const struct sliding_run *run, const struct sliding_place *place,
	enum sliding_stream stream)
{
	return MAX_OF(sliding_place_told(run, place, stream), INT64_C(0));
}

/* --- receipts --------------------------------------------------------------------------------------------- */

static bool is_in_timeline(const struct sliding_part *part, struct str event_id)
{
	for (size_t i = 0; i < part->timeline.n; i++) {
		if (str_equals(part->timeline.p[i]->event->event_id.s, event_id)) {
			return true;
		}
	}
	return false;
}

static bool has_receipt_of(const struct json *receipts, struct str user_id)
{
	for (size_t i = 0; json_is(receipts, JSON_OBJECT) && i < receipts->count; i++) {
		if (json_get(&receipts->members[i].value, user_id) != NULL) {
			return true;
		}
	}
	return false;
}

/*
 * Of a room that is new to the client, or has older events now, the receipts that it can show: at the events that it gets, and the user's own. A large room has
 * very many others. Those at events of `recent`, which are new to the client, it gets anyway.
 */
static struct str only_shown(const struct sliding_run *run, const struct sliding_part *part,
	const struct json *recent, struct str content)
{
	struct json object;
	struct arena *arena = run->ctx->arena;
	if (part == NULL || json_parse(arena, content, NULL, &object, NULL) != JSON_OK) {
		return content;
	}
	struct json kept = json_object(arena, object.count);
	for (size_t i = 0; i < object.count; i++) {
		const struct json_member *member = &object.members[i];
		if (is_in_timeline(part, member->key) || json_get(recent, member->key) != NULL ||
			has_receipt_of(&member->value, run->who->user.s)) {
			kept.members[kept.count++] = *member;
		}
	}
	if (kept.count == 0) {
		return str_from(NULL, 0);
	}
	struct buf buf CLEANUP(buf_fini);
	struct json_out out;
	buf_init(&buf, 2 * content.n + 2); /* written as compactly as it was read, or more so */
	json_out_init(&out, &buf);
	json_out_value(&out, &kept);
	return str_dup(arena, buf_str(&buf));
}

/* Whoever has read on, with this device or another, has fewer unread events, also where nothing else is new of the room. */
static enum err tell_counts(struct sliding_run *run, struct str content,
	struct sliding_place *place)
{
	struct json object;
	bool is_own = false;
	if (place->part != NULL ||
		json_parse(run->ctx->arena, content, NULL, &object, NULL) != JSON_OK) {
		return ERR_OK;
	}
	for (size_t i = 0; i < object.count && !is_own; i++) {
		is_own = has_receipt_of(&object.members[i].value, run->who->user.s);
	}
	if (!is_own) {
		return ERR_OK;
	}
	place->part = ARENA_NEW(run->ctx->arena, struct sliding_part);
	place->part->room = place->entry.room;
	return unread_counts(run->ctx, run->hs, place->entry.room, run->user, run->end.up_to,
		&place->part->unread);
}

/* An object of the events at which there are receipts that were not told yet. */
static enum err load_recent(struct sliding_run *run, const struct sliding_place *place,
	struct json *out)
{
	struct room *room = place->entry.room;
	int64_t after = told_up_to(run, place, SLIDING_RECEIPTS);
	struct str *contents;
	size_t n = 0;
	*out = json_object(run->ctx->arena, 0);
	if (after > 0) {
		TRY(receipts_contents(run->ctx, run->hs, room, run->who->user.s, after, run->end.up_to,
			&contents, &n));
	}
	if (n > 0 && json_parse(run->ctx->arena, contents[0], NULL, out, NULL) != JSON_OK) {
		*out = json_object(run->ctx->arena, 0);
	}
	return ERR_OK;
}

/*
 * One event has room for one receipt of a user at an event: of who has read an event in several ways the one that covers most is told.
 */
static enum err load_receipts_of(struct sliding_run *run, struct sliding_place *place,
	struct sliding_told *told)
{
	struct room *room = place->entry.room;
	const struct sliding_part *part = place->part;
	bool has_older =
		part != NULL && (part->is_initial || part->is_expanded); /* at which there may be some */
	int64_t after = has_older ? 0 : told_up_to(run, place, SLIDING_RECEIPTS);
	struct str *contents;
	size_t n;
	if (room_receipt_position(room) <= after) {
		return ERR_OK;
	}
	TRY(receipts_contents(run->ctx, run->hs, room, run->who->user.s, after, run->end.up_to,
		&contents, &n));
	struct room_told item = {.room_id = room_id_of(room).s};
	if (n > 0 && after == 0) {
		struct json recent;
		TRY(load_recent(run, place, &recent));
		item.receipts = only_shown(run, part, &recent, contents[0]);
	} else if (n > 0) {
		item.receipts = contents[0];
	}
	if (item.receipts.p != NULL) {
		VEC_PUSH(run->ctx->arena, &told->receipts, item);
	}
	return n > 0 ? tell_counts(run, contents[0], place) : ERR_OK;
}

static enum err load_receipts(struct sliding_run *run, struct sliding_told *told)
{
	const bool *marks = mark(run, &run->request->receipts);
	for (size_t i = 0; i < run->place_n; i++) {
		struct sliding_place *place = &run->places[i];
		if (marks[i]) {
			TRY(load_receipts_of(run, place, told));
			sliding_place_tell(run, place, SLIDING_RECEIPTS);
		} else if (room_receipt_position(place->entry.room) > run->since) {
			sliding_change_missed(run->change, room_nid(place->entry.room), SLIDING_RECEIPTS,
				MAX_OF(run->since, INT64_C(1)));
		}
	}
	return ERR_OK;
}

/* --- typing ------------------------------------------------------------------------------------------------ */

static bool has_typing_news(const struct sliding_run *run, const struct sliding_place *place)
{
	return room_typing_serial(place->entry.room) > run->since_ephemeral;
}

/* Who typed when the room was in view last may have ended since, behind the client's token: then it is told that nobody does. */
static enum err load_typing_of(struct sliding_run *run, const struct sliding_place *place,
	struct sliding_told *told)
{
	struct room *room = place->entry.room;
	struct room_told item = {.room_id = room_id_of(room).s};
	struct str *users;
	size_t n;
	int64_t known = place->known != NULL ? place->known->told[SLIDING_TYPING] : SLIDING_NEVER;
	if (known == SLIDING_LIVE && !has_typing_news(run, place)) {
		return ERR_OK;
	}
	TRY(typing_users(run->ctx, run->hs, room, &users, &n));
	item.typing = users;
	for (size_t i = 0; i < n; i++) {
		if (!str_set_has(&run->ignored, users[i])) {
			users[item.typing_n++] = users[i];
		}
	}
	if (known != SLIDING_NEVER || item.typing_n > 0) {
		VEC_PUSH(run->ctx->arena, &told->typing, item);
	}
	return ERR_OK;
}

static enum err load_typing(struct sliding_run *run, struct sliding_told *told)
{
	const bool *marks = mark(run, &run->request->typing);
	for (size_t i = 0; i < run->place_n; i++) {
		const struct sliding_place *place = &run->places[i];
		if (marks[i]) {
			TRY(load_typing_of(run, place, told));
			sliding_place_tell(run, place, SLIDING_TYPING);
		} else if (has_typing_news(run, place)) {
			sliding_change_missed(run->change, room_nid(place->entry.room), SLIDING_TYPING,
				TYPING_MISSED);
		}
	}
	return ERR_OK;
}

/* --- account data ------------------------------------------------------------------------------------------ */

/* By room, and those of one by position. */
static int compare_data(const void *a, const void *b)
{
	const struct account_data_item *x = a;
	const struct account_data_item *y = b;
	if (x->room_nid != y->room_nid) {
		return x->room_nid < y->room_nid ? -1 : 1;
	}
	return (x->position > y->position) - (x->position < y->position);
}

/* The first one that stands behind a position of a room, or would. */
static size_t data_behind(const struct account_data_item *items, size_t count, int64_t room_nid,
	int64_t position)
{
	const struct account_data_item key = {.room_nid = room_nid, .position = position};
	size_t from = 0;
	while (from < count) {
		size_t middle = from + (count - from) / 2;
		if (compare_data(&items[middle], &key) > 0) {
			count = middle;
		} else {
			from = middle + 1;
		}
	}
	return from;
}

/* From where rooms' data have to be looked at: mostly from the client's token, and then nothing is asked while nothing of the user's own changed. */
static int64_t data_begin(const struct sliding_run *run, const bool *marks)
{
	int64_t begin = run->since;
	for (size_t i = 0; i < run->place_n; i++) {
		if (marks[i]) {
			begin = MIN_OF(begin, told_up_to(run, &run->places[i], SLIDING_ACCOUNT_DATA));
		}
	}
	return begin;
}

static enum err load_room_data(struct sliding_run *run, struct sliding_told *told)
{
	const bool *marks = mark(run, &run->request->account_data);
	struct account_data_item *items;
	size_t n;
	TRY(account_data_rooms_changed(run->ctx, run->hs, run->user, data_begin(run, marks),
		run->end.up_to, &items, &n));
	if (n > 1) {
		qsort(items, n, sizeof(*items), compare_data);
	}
	for (size_t i = 0; i < run->place_n; i++) {
		const struct sliding_place *place = &run->places[i];
		int64_t nid = room_nid(place->entry.room);
		int64_t after = marks[i] ? told_up_to(run, place, SLIDING_ACCOUNT_DATA) : run->since;
		size_t first = data_behind(items, n, nid, after);
		size_t count = data_behind(items, n, nid, INT64_MAX) - first;
		if (marks[i]) {
			if (count > 0) {
				struct room_told item = {.room_id = room_id_of(place->entry.room).s,
					.data = &items[first],
					.data_n = count};
				VEC_PUSH(run->ctx->arena, &told->data, item);
			}
			sliding_place_tell(run, place, SLIDING_ACCOUNT_DATA);
		} else if (count > 0) {
			sliding_change_missed(run->change, nid, SLIDING_ACCOUNT_DATA,
				MAX_OF(run->since, INT64_C(1)));
		}
	}
	return ERR_OK;
}

static enum err load_data(struct sliding_run *run, struct sliding_told *told)
{
	bool may_be_new = !run->request->has_pos || user_own_position(run->user) > run->since;
	if (run->request->account_data.is_enabled && may_be_new) {
		TRY(account_data_changes(run->ctx, run->hs, run->user, 0, run->since, run->end.up_to,
			&told->global_data, &told->global_data_n));
	}
	return run->place_n > 0 ? load_room_data(run, told) : ERR_OK;
}

/* --- the whole --------------------------------------------------------------------------------------------- */

struct e2ee_ask sliding_encryption_ask(const struct sliding_run *run)
{
	const struct sliding_request *request = run->request;
	bool is_past = request->messages_since <= run->end.up_to;
	return (struct e2ee_ask){
		.who = run->who,
		.user = run->user,
		.rooms = run->stirred,
		.room_n = run->stirred_n,
		.since = run->since,
		.up_to = run->end.up_to,
		/* One beyond the present is of a time that a restored database has not seen. */
		.messages_since = is_past ? request->messages_since : 0,
		.messages_max = request->messages_max,
		.without_messages = !request->has_messages,
		.without_lists = !request->has_encryption || !request->has_pos,
	};
}

enum err sliding_told_load(struct sliding_run *run)
{
	struct sliding_told *told = ARENA_NEW(run->ctx->arena, struct sliding_told);
	const struct sliding_request *request = run->request;
	run->told = told;
	if (request->has_messages || request->has_encryption) {
		user_rooms_since(run->user, run->ctx->arena, (struct rooms_since){run->since, INT64_MAX},
			&run->stirred, &run->stirred_n);
		const struct e2ee_ask ask = sliding_encryption_ask(run);
		TRY(run->hs->ports.e2ee.sync_load(run->ctx, run->hs, &ask, &told->encryption));
	}
	TRY(load_receipts(run, told));
	TRY(load_typing(run, told));
	return load_data(run, told);
}

bool sliding_told_is_any(const struct sliding_run *run)
{
	const struct sliding_told *told = run->told;
	const struct e2ee_news *news = &told->encryption;
	return told->receipts.n > 0 || told->typing.n > 0 || told->data.n > 0 ||
		told->global_data_n > 0 || news->message_n > 0 || news->changed_n > 0 || news->left_n > 0;
}

bool sliding_told_has_messages(const struct sliding_run *run)
{
	return run->told->encryption.message_n > 0;
}

/* --- writing ----------------------------------------------------------------------------------------------- */

static void write_texts(const char *key, const struct str *texts, size_t count,
	struct json_out *out)
{
	json_out_key(out, str_of(key));
	json_out_array(out);
	for (size_t i = 0; i < count; i++) {
		json_out_str(out, texts[i]);
	}
	json_out_end(out);
}

static void write_messages(const struct sliding_run *run, struct json_out *out)
{
	const struct e2ee_news *news = &run->told->encryption;
	json_out_key_object(out, "to_device");
	json_out_key_str(out, "next_batch",
		str_printf(run->ctx->arena, "%" PRId64, news->messages_up_to));
	json_out_key_array(out, "events");
	for (size_t i = 0; i < news->message_n; i++) {
		json_out_raw(out, news->messages[i]);
	}
	json_out_end(out);
	json_out_end(out);
}

static void write_encryption(const struct sliding_run *run, struct json_out *out)
{
	const struct e2ee_news *news = &run->told->encryption;
	json_out_key_object(out, "e2ee");
	if (news->changed_n > 0 || news->left_n > 0) {
		json_out_key_object(out, "device_lists");
		write_texts("changed", news->changed, news->changed_n, out);
		write_texts("left", news->left, news->left_n, out);
		json_out_end(out);
	}
	json_out_key_raw(out, "device_one_time_keys_count", news->one_time_counts);
	json_out_key_raw(out, "device_unused_fallback_key_types", news->unused_fallbacks);
	json_out_end(out);
}

static void write_receipts(const struct sliding_told *told, struct json_out *out)
{
	json_out_key_object(out, "receipts");
	json_out_key_object(out, "rooms");
	for (size_t i = 0; i < told->receipts.n; i++) {
		json_out_key(out, told->receipts.p[i].room_id);
		json_out_object(out);
		json_out_key_raw(out, "content", told->receipts.p[i].receipts);
		json_out_key_str(out, "type", STR("m.receipt"));
		json_out_end(out);
	}
	json_out_end(out);
	json_out_end(out);
}

static void write_typing(const struct sliding_told *told, struct json_out *out)
{
	json_out_key_object(out, "typing");
	json_out_key_object(out, "rooms");
	for (size_t i = 0; i < told->typing.n; i++) {
		json_out_key(out, told->typing.p[i].room_id);
		edu_typing_write(out, told->typing.p[i].typing, told->typing.p[i].typing_n);
	}
	json_out_end(out);
	json_out_end(out);
}

static void write_data(const struct sliding_told *told, struct json_out *out)
{
	json_out_key_object(out, "account_data");
	json_out_key_lit(out, "global");
	account_data_write(told->global_data, told->global_data_n, out);
	json_out_key_object(out, "rooms");
	for (size_t i = 0; i < told->data.n; i++) {
		json_out_key(out, told->data.p[i].room_id);
		account_data_write(told->data.p[i].data, told->data.p[i].data_n, out);
	}
	json_out_end(out);
	json_out_end(out);
}

void sliding_told_write(const struct sliding_run *run, struct json_out *out)
{
	const struct sliding_told *told = run->told;
	json_out_key_object(out, "extensions");
	if (run->request->has_messages) {
		write_messages(run, out);
	}
	if (run->request->has_encryption) {
		write_encryption(run, out);
	}
	if (told->receipts.n > 0) {
		write_receipts(told, out);
	}
	if (told->typing.n > 0) {
		write_typing(told, out);
	}
	if (told->global_data_n > 0 || told->data.n > 0) {
		write_data(told, out);
	}
	json_out_end(out);
}
