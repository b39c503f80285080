/*
 * Receipts come as a flat list (rows) and go out nested by event, type and user. Sorting them in
 * that order lets one pass write them; threads come first in the order, because one user may have a
 * receipt for the same event in two threads, which one object cannot hold.
 */
#include "matrix/edu.h"

#include <stdlib.h>

#include "base/vec.h"
#include "matrix/errcode.h"
#include "matrix/id.h"

void edu_typing_write(struct json_out *out, const struct str *user_ids, size_t count)
{
	json_out_object(out);
	json_out_key_object(out, "content");
	json_out_key_array(out, "user_ids");
	for (size_t i = 0; i < count; i++) {
		json_out_str(out, user_ids[i]);
	}
	json_out_end(out);
	json_out_end(out);
	json_out_key_str(out, "type", STR("m.typing"));
	json_out_end(out);
}

size_t edu_typing_read(struct arena *arena, const struct json *content, struct str **out)
{
	const struct json *list = json_at(content, "user_ids");
	VEC(struct str) ids = {0};
	for (size_t i = 0; json_is(list, JSON_ARRAY) && i < list->count; i++) {
		struct user_id id;
		if (list->items[i].type == JSON_STRING && user_id_parse(list->items[i].text, &id)) {
			VEC_PUSH(arena, &ids, id.s);
		}
	}
	*out = ids.p;
	return ids.n;
}

/* --- receipts --------------------------------------------------------------------------------- */

static const struct str type_names[] = {
	[RECEIPT_READ] = STR_INIT("m.read"),
	[RECEIPT_READ_PRIVATE] = STR_INIT("m.read.private"),
};

bool receipt_type_parse(struct str name, enum receipt_type *out)
{
	for (size_t i = 0; i < COUNT_OF(type_names); i++) {
		if (str_equals(type_names[i], name)) {
			*out = (enum receipt_type)i;
			return true;
		}
	}
	return false;
}

struct str receipt_type_name(enum receipt_type type)
{
	return type_names[type];
}

static bool same_thread(const struct receipt *a, const struct receipt *b)
{
	return (a->thread_id.p == NULL) == (b->thread_id.p == NULL) &&
		str_equals(a->thread_id, b->thread_id);
}

bool receipt_replaces(const struct receipt *receipt, const struct receipt *other)
{
	return receipt->type == other->type && same_thread(receipt, other) &&
		str_equals(receipt->user_id, other->user_id);
}

static bool is_thread_id(struct str text)
{
	struct event_id id;
	return str_equals(text, STR("main")) || event_id_parse(text, &id);
}

bool receipt_thread_read(const struct json *body, bool is_marker, struct str *out,
	struct field_error *out_error)
{
	const struct json *thread = json_at(body, "thread_id");
	struct str field = STR("thread_id");
	if (thread == NULL) {
		*out = str_from(NULL, 0);
		return true;
	}
	if (thread->type != JSON_STRING || thread->text.n == 0) {
		return field_fail(out_error, M_INVALID_PARAM, field, "must be a non-empty string");
	}
	if (is_marker) {
		return field_fail(out_error, M_INVALID_PARAM, field, "must not be given for m.fully_read");
	}
	if (!is_thread_id(thread->text)) {
		return field_fail(out_error, M_INVALID_PARAM, field, "must be \"main\" or an event id");
	}
	*out = thread->text;
	return true;
}

struct ranked {
	struct receipt receipt;
	size_t rank; /* its place in the caller's list */
};

static int compare_threads(const struct receipt *a, const struct receipt *b)
{
	int order = (a->thread_id.p != NULL) - (b->thread_id.p != NULL);
	return order != 0 ? order : str_compare(a->thread_id, b->thread_id);
}

/* What belongs together stands together, the last of the list first. */
static int compare_for_merging(const void *a, const void *b)
{
	const struct ranked *x = a;
	const struct ranked *y = b;
	int order = compare_threads(&x->receipt, &y->receipt);
	if (order == 0) {
		order = str_compare(x->receipt.user_id, y->receipt.user_id);
	}
	if (order == 0) {
		order = (int)x->receipt.type - (int)y->receipt.type;
	}
	return order != 0 ? order : (x->rank < y->rank) - (x->rank > y->rank);
}

static int compare_for_writing(const void *a, const void *b)
{
	const struct receipt *x = a;
	const struct receipt *y = b;
	int order = compare_threads(x, y);
	if (order == 0) {
		order = str_compare(x->event_id, y->event_id);
	}
	if (order == 0) {
		order = (int)x->type - (int)y->type;
	}
	return order != 0 ? order : str_compare(x->user_id, y->user_id);
}

size_t receipts_merge(struct arena *arena, const struct receipt *receipts, size_t count,
	struct str viewer, struct receipt **out)
{
	struct ranked *ranked = ARENA_NEW_ARRAY(arena, struct ranked, count + 1);
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		if (receipts[i].type != RECEIPT_READ_PRIVATE || str_equals(receipts[i].user_id, viewer)) {
			ranked[n++] = (struct ranked){.receipt = receipts[i], .rank = i};
		}
	}
	qsort(ranked, n, sizeof(*ranked), compare_for_merging);
	struct receipt *merged = ARENA_NEW_ARRAY(arena, struct receipt, n + 1);
	size_t kept = 0;
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || !receipt_replaces(&ranked[i].receipt, &ranked[i - 1].receipt)) {
			merged[kept++] = ranked[i].receipt;
		}
	}
	qsort(merged, kept, sizeof(*merged), compare_for_writing);
	*out = merged;
	return kept;
}

/* Writes what stands from `at` on for one thread. @return the first of the next thread */
static size_t write_thread(struct json_out *out, const struct receipt *merged, size_t count,
	size_t at)
{
	const struct receipt *first = &merged[at];
	const struct receipt *last = NULL;
	for (; at < count && same_thread(first, &merged[at]); at++) {
		const struct receipt *receipt = &merged[at];
		bool new_event = last == NULL || !str_equals(last->event_id, receipt->event_id);
		bool new_type = new_event || last->type != receipt->type;
		if (last != NULL && new_type) {
			json_out_end(out);
		}
		if (last != NULL && new_event) {
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
		json_out_key(out, receipt->user_id);
		json_out_object(out);
		if (receipt->thread_id.p != NULL) {
			json_out_key_str(out, "thread_id", receipt->thread_id);
		}
		json_out_key_int(out, "ts", receipt->ts_ms);
		json_out_end(out);
		last = receipt;
	}
	json_out_end(out);
	json_out_end(out);
	return at;
}

void receipts_write(struct json_out *out, const struct receipt *merged, size_t count)
{
	for (size_t at = 0; at < count;) {
		json_out_object(out);
		json_out_key_object(out, "content");
		at = write_thread(out, merged, count, at);
		json_out_end(out);
		json_out_key_str(out, "type", STR("m.receipt"));
		json_out_end(out);
	}
}

static bool read_one(struct str event_id, enum receipt_type type, const struct json_member *member,
	struct receipt *out)
{
	struct user_id user;
	struct receipt receipt = {.event_id = event_id, .type = type};
	const struct json *thread = json_at(&member->value, "thread_id");
	if (!user_id_parse(member->key, &user) || member->value.type != JSON_OBJECT) {
		return false;
	}
	if (thread != NULL && (thread->type != JSON_STRING || !is_thread_id(thread->text))) {
		return false;
	}
	if (!json_get_int(&member->value, STR("ts"), 0, INT64_MAX, &receipt.ts_ms)) {
		receipt.ts_ms = 0;
	}
	receipt.user_id = user.s;
	receipt.thread_id = thread != NULL ? thread->text : str_from(NULL, 0);
	*out = receipt;
	return true;
}

struct receipt_list {
	struct arena *arena;
	VEC(struct receipt) receipts;
};

static void read_users(struct receipt_list *list, struct str event_id, enum receipt_type type,
	const struct json *users)
{
	for (size_t i = 0; json_is(users, JSON_OBJECT) && i < users->count; i++) {
		struct receipt receipt;
		if (read_one(event_id, type, &users->members[i], &receipt)) {
			VEC_PUSH(list->arena, &list->receipts, receipt);
		}
	}
}

size_t receipts_read(struct arena *arena, const struct json *content, struct receipt **out)
{
	struct receipt_list list = {.arena = arena};
	for (size_t i = 0; json_is(content, JSON_OBJECT) && i < content->count; i++) {
		const struct json_member *event = &content->members[i];
		struct event_id id;
		if (!event_id_parse(event->key, &id)) {
			continue;
		}
		for (size_t type = 0; type < COUNT_OF(type_names); type++) {
			read_users(&list, id.s, (enum receipt_type)type,
				json_get(&event->value, type_names[type]));
		}
	}
	*out = list.receipts.p;
	return list.receipts.n;
}
