/*
 * Setting and showing receipts.
 *
 * A receipt that does not go forward is dropped before it is written; the statement checks once more, for two requests
 * that are under way together. A private receipt moves the room's receipt position too (so that the user's own sync looks), but
 * wakes the user only.
 */
#include "homeserver/receipt/receipts.h"

#include <stdlib.h>

#include "base/mem.h"
#include "homeserver/last_write.h"
#include "homeserver/receipt/receipt_set.h"
#include "homeserver/receipt/unread.h"
#include "homeserver/user/users.h"
#include "matrix/relation.h"
#include "storage/account_data.h"
#include "storage/receipt.h"

enum { CONTENT_CEILING_BYTES = 16 * 1024 * 1024, HOPS_MAX = 3 };

struct receipts {
	struct homeserver *hs;
	struct cache *sets;
	struct unread *unread;
};

struct receipts *receipts_create(struct homeserver *hs)
{
	struct receipts *receipts = mem_alloc(sizeof(*receipts));
	receipts->hs = hs;
	receipts->sets = receipt_sets_create();
	receipts->unread = unread_create();
	return receipts;
}

void receipts_destroy(struct receipts *receipts)
{
	if (receipts == NULL) {
		return;
	}
	cache_destroy(receipts->sets);
	unread_destroy(receipts->unread);
	mem_free(receipts);
}

void receipts_forget(struct receipts *receipts)
{
	cache_clear(receipts->sets);
	unread_forget(receipts->unread);
}

void receipts_told(struct receipts *receipts, int64_t room_nid, const struct news_group *group)
{
	receipt_set_forget(receipts->sets, room_nid);
	for (size_t i = 0; i < group->count; i++) {
		if (group->list[i].kind == NEWS_OWN) {
			unread_forget_one(receipts->unread, room_nid, group->list[i].user_id);
		}
	}
}

struct unread *receipts_unread(const struct receipts *receipts)
{
	return receipts->unread;
}

/* --- commits --------------------------------------------------------------------------------------------- */

struct new_receipt {
	struct receipt receipt;
	const struct stored_event *event;
};

/* In the arena of the request whose answer waits for the commit. The marker has the first position. */
struct receipt_commit {
	struct homeserver *hs;
	struct room *room;
	struct str user_id;
	struct str fully_read; /* content of the marker; p == NULL: none */
	struct new_receipt *items;
	size_t count;
};

static void on_committed(void *data, int64_t first_position)
{
	const struct receipt_commit *commit = data;
	struct receipts *receipts = commit->hs->receipts;
	if (commit->fully_read.p != NULL) {
		users_own_committed(commit->hs->users, commit->user_id, first_position++);
	}
	for (size_t i = 0; i < commit->count; i++) {
		const struct new_receipt *item = &commit->items[i];
		struct placed_receipt placed = {
			.receipt = item->receipt,
			.event_position = item->event->position,
			.position = first_position + (int64_t)i,
		};
		receipt_set_committed(receipts->sets, room_nid(commit->room), &placed);
		unread_receipt_committed(receipts->unread, item->receipt.user_id, item->event,
			item->receipt.thread_id);
		room_set_receipt_position(commit->room, placed.position);
		if (item->receipt.type == RECEIPT_READ_PRIVATE) {
			users_own_committed(commit->hs->users, item->receipt.user_id, placed.position);
		} else {
			users_room_committed(commit->hs->users, commit->room);
		}
	}
}

static enum err commit_marks(struct ctx *ctx, struct homeserver *hs, struct receipt_commit *commit)
{
	int64_t nid = room_nid(commit->room);
	size_t position = 0;
	struct write *write = write_new(ctx);
	if (commit->fully_read.p != NULL) {
		store_account_data_set(write, commit->user_id, nid, STR("m.fully_read"), commit->fully_read,
			ACCOUNT_DATA_ANY);
		position++;
	}
	for (size_t i = 0; i < commit->count; i++) {
		const struct new_receipt *item = &commit->items[i];
		const struct receipt *receipt = &item->receipt;
		struct receipt_row row = {
			.user_id = receipt->user_id,
			.receipt_type = receipt_type_name(receipt->type),
			.thread_id = receipt->thread_id,
			.event_id = receipt->event_id,
			.event_position = item->event->position,
			.ts_ms = receipt->ts_ms,
		};
		store_receipt_set(write, nid, &row, position++);
	}
	write_set_positions(write, position);
	write_on_commit(write, on_committed, commit);
	return last_write_commit(ctx, hs, write);
}

/* --- setting ----------------------------------------------------------------------------------------------- */

static bool is_in_thread(const struct stored_event *event, struct str thread_id)
{
	if (str_equals(thread_id, STR("main"))) {
		return event->thread_root.p == NULL;
	}
	return str_equals(event->thread_root, thread_id) ||
		str_equals(event->event->event_id.s, thread_id);
}

/*
 * A root, and what relates to it outside the thread, if over others, may be named as read in the thread too. Spec: "Threaded read
 * receipts", and of the endpoint: refused is what "is not related to the thread_id".
 */
static enum err check_thread(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct stored_event *event, struct str thread_id)
{
	struct relation relation;
	for (int hops = 0; !is_in_thread(event, thread_id); hops++) {
		bool is_end = hops == HOPS_MAX || event->thread_root.p != NULL ||
			!relation_read(event->event->content, &relation) || relation.rel_type.p == NULL;
		enum err err = is_end ? ERR_MISSING : room_event(ctx, hs, room, relation.event_id, &event);
		if (err == ERR_MISSING) {
			return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "The event is not in that thread");
		}
		TRY(err);
	}
	return ERR_OK;
}

static enum err joined_room(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str room_id, struct room **out)
{
	TRY(rooms_get_for(ctx, hs, room_id, out));
	return room_require_joined(ctx, hs, *out, user_id);
}

/* Those that go forward. */
static enum err find_new(struct ctx *ctx, struct receipt_commit *commit,
	const struct receipt_mark *marks, size_t count)
{
	struct homeserver *hs = commit->hs;
	struct receipt_set *set;
	TRY(receipt_set_get(ctx, hs, hs->receipts->sets, commit->room, &set));
	commit->items = ARENA_NEW_ARRAY(ctx->arena, struct new_receipt, count);
	for (size_t i = 0; i < count; i++) {
		struct stored_event *event;
		TRY(room_event(ctx, hs, commit->room, marks[i].event_id, &event));
		if (marks[i].thread_id.p != NULL) {
			TRY(check_thread(ctx, hs, commit->room, event, marks[i].thread_id));
		}
		struct receipt receipt = {
			.user_id = commit->user_id,
			.type = marks[i].type,
			.thread_id = marks[i].thread_id,
			.event_id = event->event->event_id.s,
			.ts_ms = marks[i].ts_ms != 0 ? marks[i].ts_ms : clock_wall_ms(&hs->clock),
		};
		if (receipt_set_find(set, ctx->arena, &receipt) < event->position) {
			commit->items[commit->count++] =
				(struct new_receipt){.receipt = receipt, .event = event};
		}
	}
	return ERR_OK;
}

static struct str fully_read_content(struct arena *arena, struct str event_id)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, CONTENT_CEILING_BYTES);
	struct json_out out;
	json_out_init(&out, &buf);
	json_out_object(&out);
	json_out_key_str(&out, "event_id", event_id);
	json_out_end(&out);
	return str_dup(arena, buf_str(&buf));
}

enum err receipts_set(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str room_id, const struct read_marks *marks)
{
	struct receipt_commit *commit = ARENA_NEW(ctx->arena, struct receipt_commit);
	*commit = (struct receipt_commit){.hs = hs, .user_id = user_id};
	TRY(joined_room(ctx, hs, user_id, room_id, &commit->room));
	if (marks->count > 0) {
		TRY(find_new(ctx, commit, marks->receipts, marks->count));
	}
	if (marks->fully_read.p != NULL) {
		struct stored_event *event;
		TRY(room_event(ctx, hs, commit->room, marks->fully_read, &event));
		commit->fully_read = fully_read_content(ctx->arena, marks->fully_read);
	}
	bool has_some = commit->fully_read.p != NULL || commit->count > 0;
	return has_some ? commit_marks(ctx, hs, commit) : ERR_OK;
}

/* --- showing ----------------------------------------------------------------------------------------------- */

/* Unthreaded covers more than main, which covers more than a thread that the event can only be the root of. */
static int thread_order(const struct receipt *receipt)
{
	if (receipt->thread_id.p == NULL) {
		return 0;
	}
	return str_equals(receipt->thread_id, STR("main")) ? 1 : 2;
}

/* A receipt, and in which object it is shown. */
struct shown_receipt {
	struct receipt receipt;
	size_t object;
};

static int compare_for_objects(const void *a, const void *b)
{
	const struct receipt *x = &((const struct shown_receipt *)a)->receipt;
	const struct receipt *y = &((const struct shown_receipt *)b)->receipt;
	int order = str_compare(x->event_id, y->event_id);
	if (order == 0) {
		order = (int)x->type - (int)y->type;
	}
	if (order == 0) {
		order = str_compare(x->user_id, y->user_id);
	}
	if (order == 0) {
		order = thread_order(x) - thread_order(y);
	}
	return order != 0 ? order : str_compare(x->thread_id, y->thread_id);
}

static bool is_same_place(const struct receipt *a, const struct receipt *b)
{
	return a->type == b->type && str_equals(a->event_id, b->event_id) &&
		str_equals(a->user_id, b->user_id);
}

/* Sorts, and spreads those of one place over the objects. @return how many there are */
static size_t spread(struct shown_receipt *shown, size_t count)
{
	size_t objects = 1;
	qsort(shown, count, sizeof(*shown), compare_for_objects);
	for (size_t i = 1; i < count; i++) {
		if (is_same_place(&shown[i - 1].receipt, &shown[i].receipt)) {
			shown[i].object = shown[i - 1].object + 1;
			objects = MAX_OF(objects, shown[i].object + 1);
		}
	}
	return objects;
}

static void write_user(struct json_out *out, const struct receipt *receipt)
{
	json_out_key(out, receipt->user_id);
	json_out_object(out);
	if (receipt->thread_id.p != NULL) {
		json_out_key_str(out, "thread_id", receipt->thread_id);
	}
	json_out_key_int(out, "ts", receipt->ts_ms);
	json_out_end(out);
}

/* {event: {type: {user: {…}}}} from those of one object. */
static void write_content(struct json_out *out, const struct shown_receipt *shown, size_t count,
	size_t object)
{
	const struct receipt *before = NULL;
	json_out_object(out);
	for (size_t i = 0; i < count; i++) {
		if (shown[i].object != object) {
			continue;
		}
		const struct receipt *receipt = &shown[i].receipt;
		bool new_event = before == NULL || !str_equals(before->event_id, receipt->event_id);
		bool new_type = new_event || before->type != receipt->type;
		if (new_type && before != NULL) {
			json_out_end(out);
		}
		if (new_event && before != NULL) {
			json_out_end(out);
		}
		if (new_event) {
			json_out_key(out, receipt->event_id);
			json_out_object(out);
		}
		if (new_type) {
			json_out_key(out, receipt_type_name(receipt->type));
			json_out_object(out);
		}
		write_user(out, receipt);
		before = receipt;
	}
	json_out_end(out);
	json_out_end(out);
	json_out_end(out);
}

static enum err make_content(struct ctx *ctx, struct room *room, const struct shown_receipt *shown,
	size_t count, size_t object, struct str *out_content)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, CONTENT_CEILING_BYTES);
	struct json_out out;
	json_out_init(&out, &buf);
	write_content(&out, shown, count, object);
	if (!buf_ok(&buf)) {
		return fail_cause(ctx, ERR_INTERNAL, "the receipts of room %lld are too long",
			(long long)room_nid(room));
	}
	*out_content = str_dup(ctx->arena, buf_str(&buf));
	return ERR_OK;
}

enum err receipts_contents(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str viewer, int64_t after, int64_t up_to, struct str **out, size_t *out_count)
{
	*out = NULL;
	*out_count = 0;
	if (room_receipt_position(room) <= after) {
		return ERR_OK;
	}
	struct receipt_set *set;
	struct receipt *receipts;
	TRY(receipt_set_get(ctx, hs, hs->receipts->sets, room, &set));
	size_t count = receipt_set_between(set, ctx->arena, viewer, after, up_to, &receipts);
	if (count == 0) {
		return ERR_OK;
	}
	struct shown_receipt *shown = ARENA_NEW_ARRAY(ctx->arena, struct shown_receipt, count);
	for (size_t i = 0; i < count; i++) {
		shown[i].receipt = receipts[i];
	}
	size_t objects = spread(shown, count);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct str, objects);
	for (size_t i = 0; i < objects; i++) {
		TRY(make_content(ctx, room, shown, count, i, &(*out)[i]));
	}
	*out_count = objects;
	return ERR_OK;
}
