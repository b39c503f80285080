/*
 * One-time and fallback keys. Each statement is a transaction of its own. What a device uploads together is one row, in which the keys
 * are one value (matrix/key_entry.h), and which never changes: a counter for each device and algorithm knows how many were uploaded and given out, of which
 * the keys have the order. A row for each key, with its indexes, was most of what an upload cost.
 */
#include "storage/one_time_key.h"

#include "base/log.h"
#include "matrix/errcode.h"

#include <inttypes.h>
#include <stdlib.h>

/* So many keys are a row: all are read for one that may be among them. */
enum { BATCH_KEYS = 100 };

/* A key that is to be there afterwards. */
struct new_key {
	struct str algorithm;
	int size_class; /* of a batch the smallest entry needs more than half of the bytes that each gets */
	struct str rank; /* of the id */
	struct key_entry entry;
	bool is_known;
};

static int size_class_of(const struct key_entry *entry)
{
	int bits = 0;
	for (size_t n = key_entry_bytes(entry); n > 0; n >>= 1) {
		bits++;
	}
	return bits;
}

static int compare_keys(const void *a, const void *b)
{
	const struct new_key *x = a;
	const struct new_key *y = b;
	int order = str_compare(x->algorithm, y->algorithm);
	order = order != 0 ? order : x->size_class - y->size_class;
	return order != 0 ? order : str_compare(x->rank, y->rank);
}

/* As clients send them, which count. */
static bool is_sorted(const struct new_key *keys, size_t count)
{
	size_t i = 1;
	while (i < count && compare_keys(&keys[i - 1], &keys[i]) <= 0) {
		i++;
	}
	return i >= count;
}

/* What is new, by algorithm, class of size, and rank. */
static struct new_key *sorted(struct arena *arena, const struct key_upload *upload)
{
	struct new_key *keys = ARENA_NEW_ARRAY(arena, struct new_key, upload->count + 1);
	for (size_t i = 0; i < upload->count; i++) {
		keys[i].algorithm = upload->algorithms[i];
		keys[i].entry = upload->entries[i];
		keys[i].rank = key_id_rank(arena, keys[i].entry.id);
		keys[i].size_class = size_class_of(&keys[i].entry);
	}
	if (!is_sorted(keys, upload->count)) {
		qsort(keys, upload->count, sizeof(*keys), compare_keys);
	}
	return keys;
}

/* What is still to be added, in its order, and what became of the rest. */
struct adding {
	const struct key_addition *addition;
	const struct db_check *check; /* NULL once it has been made */
	struct new_key *keys;
	size_t count;
	size_t batch_n;   /* how many of the first are tried as a batch */
	int64_t compared; /* of the first so many keys of the algorithm none is in the batch any more */
	struct keys_added *out;
	int64_t held; /* all in out->left */
};

/* How many of the first can be a batch. */
static size_t batch_length(const struct adding *adding)
{
	size_t n = 1;
	while (n < MIN_OF(adding->count, (size_t)BATCH_KEYS) &&
		str_equals(adding->keys[n].algorithm, adding->keys[0].algorithm) &&
		adding->keys[n].size_class == adding->keys[0].size_class) {
		n++;
	}
	return n;
}

static void go_on(struct adding *adding, size_t n)
{
	adding->keys += n;
	adding->count -= n;
	adding->batch_n -= n;
}

static enum err fail_unreadable(struct ctx *ctx)
{
	return fail_cause(ctx, ERR_INTERNAL, "one-time keys of another form than they are written in");
}

static void count_in(struct keys_added *out, struct str algorithm, int64_t count)
{
	size_t at = 0;
	while (at < out->left_n && str_compare(out->left[at].algorithm, algorithm) < 0) {
		at++;
	}
	if (at == out->left_n || !str_equals(out->left[at].algorithm, algorithm)) {
		for (size_t i = out->left_n++; i > at; i--) {
			out->left[i] = out->left[i - 1];
		}
		out->left[at] = (struct algorithm_count){algorithm, 0};
	}
	out->left[at].count += count;
}

/* What was there before, with room for one algorithm more. @return whether that of the batch has a counter */
static bool read_held(struct ctx *ctx, const struct db_rows *rows, struct adding *adding)
{
	bool is_counted = false;
	adding->out->left = ARENA_NEW_ARRAY(ctx->arena, struct algorithm_count, db_count(rows) + 1);
	adding->out->left_n = 0;
	adding->held = 0;
	for (size_t i = 0; i < db_count(rows); i++) {
		struct str algorithm = db_str(rows, i, 1);
		int64_t count = db_int(rows, i, 2);
		is_counted = is_counted || str_equals(algorithm, adding->keys[0].algorithm);
		adding->held += count;
		if (count > 0) {
			count_in(adding->out, algorithm, count);
		}
	}
	return is_counted;
}

static struct new_key *find(struct new_key *keys, size_t n, struct str id)
{
	for (size_t i = 0; i < n; i++) {
		if (str_equals(keys[i].entry.id, id)) {
			return &keys[i];
		}
	}
	return NULL;
}

/* Marks the keys of the batch that are in another. Errors: INPUT when one is with another content; INTERNAL */
static enum err mark_known(struct ctx *ctx, struct adding *adding, struct str entries,
	int64_t count)
{
	const struct key_upload *upload = &adding->addition->upload;
	struct key_frame frame = key_frame_of(ctx->arena, upload->user_id, upload->device_id);
	for (int64_t i = 0; i < count; i++) {
		struct key_entry entry;
		if (!key_entries_read(entries, (size_t)count, (size_t)i, &entry)) {
			return fail_unreadable(ctx);
		}
		struct new_key *key = find(adding->keys, adding->batch_n, entry.id);
		if (key != NULL && !key->is_known &&
			!key_entry_has_same_text(ctx->arena, &frame, &key->entry, &entry)) {
			return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
				"A one-time key exists already with another content");
		}
		if (key != NULL) {
			key->is_known = true;
		}
	}
	return ERR_OK;
}

static void leave_out_known(struct adding *adding)
{
	size_t left = adding->batch_n;
	for (size_t i = adding->batch_n; i > 0; i--) {
		if (!adding->keys[i - 1].is_known) {
			adding->keys[--left] = adding->keys[i - 1];
		}
	}
	go_on(adding, left);
}

static bool is_same_identity(struct str a, struct str b)
{
	return (a.p == NULL) == (b.p == NULL) && str_equals(a, b);
}

/*
 * Leaves out of the batch what the device has uploaded of it, up to the newest upload. What comes later has another number. Of another identity
 * nothing is compared.
 */
static enum err compare(struct ctx *ctx, struct db *db, struct adding *adding)
{
	enum { PAGE = 4 }; /* batches that the statement tells */
	const struct key_upload *upload = &adding->addition->upload;
	struct db_rows *rows;
	size_t n;
	do {
		TRY(db_query(ctx, db, STMT_ONE_TIME_KEY_NEAR,
			DB_ARGS(db_text(upload->user_id), db_text(upload->device_id),
				db_text(adding->keys[0].algorithm), db_text(adding->keys[0].rank),
				db_text(adding->keys[adding->batch_n - 1].rank), db_bigint(adding->compared)),
			&rows));
		n = db_count(rows);
		if (n > 0 && !is_same_identity(db_str(rows, 0, 4), adding->addition->ed25519)) {
			adding->out->outcome = KEYS_OTHER_IDENTITY;
			return ERR_OK;
		}
		for (size_t i = 0; i < n; i++) {
			if (!db_is_null(rows, i, 1)) {
				TRY(mark_known(ctx, adding, db_str(rows, i, 2), db_int(rows, i, 3)));
			}
			adding->compared = db_int(rows, i, n < PAGE ? 0 : 1);
		}
	} while (n == PAGE);
	leave_out_known(adding);
	return ERR_OK;
}

/* Each time half as many as are remembered have come: there is as much of it whenever it goes. */
static enum err forget(struct ctx *ctx, struct db *db, const struct adding *adding, int64_t seq)
{
	const struct key_upload *upload = &adding->addition->upload;
	int64_t each = MAX_OF(adding->addition->remembered / 2, 1);
	if (seq / each == (seq + (int64_t)adding->batch_n) / each) {
		return ERR_OK;
	}
	int64_t before = seq - adding->addition->remembered - adding->held;
	return db_exec(ctx, db, STMT_ONE_TIME_KEY_FORGET,
		DB_ARGS(db_text(upload->user_id), db_text(upload->device_id),
			db_text(adding->keys[0].algorithm), db_bigint(before)),
		NULL);
}

static enum err ask_to_add(struct ctx *ctx, struct db *db, struct adding *adding,
	struct db_rows **out)
{
	const struct key_addition *addition = adding->addition;
	size_t n = adding->batch_n;
	struct key_entry *entries = ARENA_NEW_ARRAY(ctx->arena, struct key_entry, n);
	for (size_t i = 0; i < n; i++) {
		entries[i] = adding->keys[i].entry;
	}
	const struct db_check *check = adding->check;
	adding->check = NULL;
	return db_query_checked(ctx, db, STMT_ONE_TIME_KEY_ADD,
		DB_ARGS(db_text(addition->upload.user_id), db_text(addition->upload.device_id),
			db_text(adding->keys[0].algorithm), db_text(adding->keys[0].rank),
			db_text(adding->keys[n - 1].rank), db_bytes(key_entries_write(ctx->arena, entries, n)),
			db_bigint((int64_t)n), db_bigint(addition->held_max - (int64_t)adding->count),
			db_text(addition->ed25519), db_bigint(adding->compared)),
		check, out);
}

/* A counter for the keys of the batch, of which the device has had none. */
static enum err begin_to_count(struct ctx *ctx, struct db *db, const struct adding *adding)
{
	const struct key_upload *upload = &adding->addition->upload;
	return db_exec(ctx, db, STMT_ONE_TIME_KEY_COUNT,
		DB_ARGS(db_text(upload->user_id), db_text(upload->device_id),
			db_text(adding->keys[0].algorithm)),
		NULL);
}

/* The first batch, as far as it goes in one statement. What is not added is tried again: with a counter, or compared with what is there. */
static enum err add_some(struct ctx *ctx, struct db *db, struct adding *adding)
{
	struct db_rows *rows;
	if (adding->batch_n == 0) {
		adding->batch_n = batch_length(adding);
		adding->compared = 0;
	}
	TRY(ask_to_add(ctx, db, adding, &rows));
	bool is_counted = read_held(ctx, rows, adding);
	if (is_counted && !db_is_null(rows, 0, 0)) {
		TRY(forget(ctx, db, adding, db_int(rows, 0, 0)));
		count_in(adding->out, adding->keys[0].algorithm, (int64_t)adding->batch_n);
		adding->out->has_begun = true;
		go_on(adding, adding->batch_n);
	} else if (adding->held + (int64_t)adding->count > adding->addition->held_max) {
		adding->out->outcome = KEYS_TOO_MANY;
	} else {
		TRY(is_counted ? compare(ctx, db, adding) : begin_to_count(ctx, db, adding));
	}
	return ERR_OK;
}

enum err store_one_time_key_add(struct ctx *ctx, struct db *db, const struct key_addition *addition,
	struct keys_added *out)
{
	struct adding adding = {
		.addition = addition,
		.check = addition->check,
		.count = addition->upload.count,
		.out = out,
	};
	adding.keys = sorted(ctx->arena, &addition->upload);
	*out = (struct keys_added){.outcome = KEYS_ADDED};
	while (adding.count > 0 && out->outcome == KEYS_ADDED) {
		TRY(add_some(ctx, db, &adding));
	}
	return ERR_OK;
}

enum err store_fallback_key_set(struct ctx *ctx, struct db *db, const struct key_upload *upload)
{
	struct key_frame frame = key_frame_of(ctx->arena, upload->user_id, upload->device_id);
	struct str *key_ids = ARENA_NEW_ARRAY(ctx->arena, struct str, upload->count + 1);
	struct str *keys = ARENA_NEW_ARRAY(ctx->arena, struct str, upload->count + 1);
	for (size_t i = 0; i < upload->count; i++) {
		key_ids[i] = upload->entries[i].id;
		keys[i] = key_entry_text(ctx->arena, &frame, &upload->entries[i]);
	}
	return db_exec(ctx, db, STMT_FALLBACK_KEY_SET,
		DB_ARGS(db_text(upload->user_id), db_text(upload->device_id),
			db_texts(upload->algorithms, upload->count), db_texts(key_ids, upload->count),
			db_texts(keys, upload->count)),
		NULL);
}

enum { STATE_ONE_TIME, STATE_FALLBACK, STATE_MESSAGE };

enum err store_one_time_key_state(struct ctx *ctx, struct db *db, struct str user_id,
	struct str device_id, struct device_key_state *out)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_ONE_TIME_KEY_STATE, DB_ARGS(db_text(user_id), db_text(device_id)),
		&rows));
	size_t n = db_count(rows);
	*out = (struct device_key_state){
		.one_time = ARENA_NEW_ARRAY(ctx->arena, struct algorithm_count, n),
		.unused_fallback = ARENA_NEW_ARRAY(ctx->arena, struct str, n),
	};
	for (size_t i = 0; i < n; i++) {
		switch (db_int(rows, i, 0)) {
		case STATE_ONE_TIME:
			out->one_time[out->one_time_n++] =
				(struct algorithm_count){db_str(rows, i, 1), db_int(rows, i, 2)};
			break;
		case STATE_FALLBACK:
			out->unused_fallback[out->unused_fallback_n++] = db_str(rows, i, 1);
			break;
		default:
			out->newest_message = db_int(rows, i, 2);
			break;
		}
	}
	return ERR_OK;
}

/* --- claims ------------------------------------------------------------------------------------------------- */

/* A triple that has no key yet, where it stands in the claim. */
struct wish {
	struct str user_id;
	struct str device_id;
	struct str algorithm;
	size_t index;
	bool is_met;
};

static int compare_triples(const struct wish *a, const struct wish *b)
{
	int order = str_compare(a->user_id, b->user_id);
	order = order != 0 ? order : str_compare(a->device_id, b->device_id);
	return order != 0 ? order : str_compare(a->algorithm, b->algorithm);
}

static int compare_wishes(const void *a, const void *b)
{
	const struct wish *x = a;
	const struct wish *y = b;
	int order = compare_triples(x, y);
	return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

/* In the order in which all claims take rows, so that none waits for another that waits for it. */
static struct wish *to_wishes(struct arena *arena, const struct key_claim *claim)
{
	struct wish *wishes = ARENA_NEW_ARRAY(arena, struct wish, claim->count + 1);
	for (size_t i = 0; i < claim->count; i++) {
		wishes[i] =
			(struct wish){claim->user_ids[i], claim->device_ids[i], claim->algorithms[i], i, false};
	}
	qsort(wishes, claim->count, sizeof(*wishes), compare_wishes);
	return wishes;
}

/* What a statement asks: wishes that are alike are one row. */
struct asked {
	struct wish **next; /* of each row: the first that has no key */
	struct str *user_ids;
	struct str *device_ids;
	struct str *algorithms;
	int64_t *counts;
	size_t n;
};

static struct asked to_asked(struct arena *arena, struct wish *wishes, size_t count)
{
	struct asked out = {
		.next = ARENA_NEW_ARRAY(arena, struct wish *, count),
		.user_ids = ARENA_NEW_ARRAY(arena, struct str, count),
		.device_ids = ARENA_NEW_ARRAY(arena, struct str, count),
		.algorithms = ARENA_NEW_ARRAY(arena, struct str, count),
		.counts = ARENA_NEW_ARRAY(arena, int64_t, count),
	};
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || compare_triples(&wishes[i - 1], &wishes[i]) != 0) {
			out.next[out.n] = &wishes[i];
			out.user_ids[out.n] = wishes[i].user_id;
			out.device_ids[out.n] = wishes[i].device_id;
			out.algorithms[out.n++] = wishes[i].algorithm;
		}
		out.counts[out.n - 1]++;
	}
	return out;
}

/* What is taken so far. */
struct taking {
	struct wish *wishes; /* not met yet */
	size_t wish_n;
	struct claimed_key *keys;
	size_t key_n;
};

static void hand_out(struct taking *taking, struct asked *asked, size_t row, struct str key_id,
	struct str key)
{
	struct wish *wish = asked->next[row]++;
	wish->is_met = true;
	taking->keys[taking->key_n++] = (struct claimed_key){wish->index, key_id, key};
}

static void leave_out_met(struct taking *taking)
{
	size_t left = 0;
	for (size_t i = 0; i < taking->wish_n; i++) {
		if (!taking->wishes[i].is_met) {
			taking->wishes[left++] = taking->wishes[i];
		}
	}
	taking->wish_n = left;
}

static enum err hand_out_batch(struct ctx *ctx, struct taking *taking, struct asked *asked,
	size_t row, struct str entries, size_t count)
{
	struct key_frame frame = key_frame_of(ctx->arena, asked->user_ids[row], asked->device_ids[row]);
	for (size_t i = 0; i < count; i++) {
		struct key_entry entry;
		if (!key_entries_read(entries, count, i, &entry)) {
			return fail_unreadable(ctx);
		}
		hand_out(taking, asked, row, entry.id, key_entry_text(ctx->arena, &frame, &entry));
	}
	return ERR_OK;
}

/*
 * Nothing was taken though there is some: it has just come, and is there for who asks again; or it is lost. Then somebody has to repair the database, and who asks gets
 * the fallback key.
 */
static enum err look_for_lost(struct ctx *ctx, struct db *db, const struct asked *asked,
	bool *out_goes_on)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_ONE_TIME_KEY_LOST,
		DB_ARGS(db_texts(asked->user_ids, asked->n), db_texts(asked->device_ids, asked->n),
			db_texts(asked->algorithms, asked->n)),
		&rows));
	for (size_t i = 0; i < db_count(rows); i++) {
		log_error(ctx->request_id, "db.one_time_keys_lost",
			"counter=%" PRId64 " algorithm=%.*s next=%" PRId64
			" hint=\"the database is damaged: of this counter no batch has the next key\"",
			db_int(rows, i, 0), STR_ARG(db_str(rows, i, 1)), db_int(rows, i, 2));
	}
	*out_goes_on = db_count(rows) == 0;
	return ERR_OK;
}

/* @param out_goes_on  whether there may be more */
static enum err take_one_time(struct ctx *ctx, struct db *db, struct taking *taking,
	bool *out_goes_on)
{
	struct db_rows *rows;
	struct asked asked = to_asked(ctx->arena, taking->wishes, taking->wish_n);
	TRY(db_query(ctx, db, STMT_ONE_TIME_KEY_CLAIM,
		DB_ARGS(db_texts(asked.user_ids, asked.n), db_texts(asked.device_ids, asked.n),
			db_texts(asked.algorithms, asked.n), db_bigints(asked.counts, asked.n)),
		&rows));
	for (size_t i = 0; i < db_count(rows); i++) {
		TRY(hand_out_batch(ctx, taking, &asked, (size_t)db_int(rows, i, 0) - 1, db_str(rows, i, 2),
			(size_t)db_int(rows, i, 1)));
	}
	size_t wanted = taking->wish_n;
	leave_out_met(taking);
	*out_goes_on = db_count(rows) > 0;
	return *out_goes_on && taking->wish_n == wanted ? look_for_lost(ctx, db, &asked, out_goes_on)
													: ERR_OK;
}

static enum err take_fallback(struct ctx *ctx, struct db *db, struct taking *taking)
{
	struct db_rows *rows;
	struct asked asked = to_asked(ctx->arena, taking->wishes, taking->wish_n);
	TRY(db_query(ctx, db, STMT_FALLBACK_KEY_CLAIM,
		DB_ARGS(db_texts(asked.user_ids, asked.n), db_texts(asked.device_ids, asked.n),
			db_texts(asked.algorithms, asked.n)),
		&rows));
	for (size_t i = 0; i < db_count(rows); i++) {
		size_t row = (size_t)db_int(rows, i, 0) - 1;
		for (int64_t takers = asked.counts[row]; takers > 0; takers--) {
			hand_out(taking, &asked, row, db_str(rows, i, 1), db_str(rows, i, 2));
		}
	}
	return ERR_OK;
}

/* A batch may have fewer than are wanted, so on until nothing more comes. */
static enum err take(struct ctx *ctx, struct db *db, struct taking *taking)
{
	bool goes_on = true;
	while (taking->wish_n > 0 && goes_on) {
		TRY(take_one_time(ctx, db, taking, &goes_on));
	}
	return taking->wish_n > 0 ? take_fallback(ctx, db, taking) : ERR_OK;
}

enum err store_one_time_key_claim(struct ctx *ctx, struct db *db, const struct key_claim *claim,
	struct claimed_key **out, size_t *out_count)
{
	struct taking taking = {
		.wishes = to_wishes(ctx->arena, claim),
		.wish_n = claim->count,
		.keys = ARENA_NEW_ARRAY(ctx->arena, struct claimed_key, claim->count + 1),
	};
	enum err err = take(ctx, db, &taking);
	*out = taking.keys;
	*out_count = taking.key_n;
	return err;
}
