/*
 * Summaries and names. One statement per function.
 */
#include "storage/directory.h"

#include "storage/term_text.h"

enum { TERMS_TEXT_MAX = 1 << 20, TYPES_MAX = ROOM_SUMMARY_TYPES + 1 };

/* --- filling ------------------------------------------------------------------------------------------------- */

enum err store_directory_members_unknown(struct ctx *ctx, struct db *db, const int64_t *room_nids,
	size_t count, int64_t limit, struct directory_change_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_DIRECTORY_MEMBERS_UNKNOWN,
		DB_ARGS(db_bigints(room_nids, count), db_bigint(limit)), &rows));
	size_t n = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct directory_change_row, n);
	for (size_t i = 0; i < n; i++) {
		(*out)[i] = (struct directory_change_row){
			.room_nid = db_int(rows, i, 0),
			.type = STR("m.room.member"),
			.state_key = db_str(rows, i, 1),
			.json = db_str(rows, i, 2),
		};
	}
	*out_count = n;
	return ERR_OK;
}

enum err store_directory_changes(struct ctx *ctx, struct db *db, int64_t after, int64_t up_to,
	int64_t limit, struct directory_change_row **out, size_t *out_count)
{
	struct db_rows *rows;
	struct str types[TYPES_MAX] = {STR("m.room.member")};
	for (size_t i = 0; i < ROOM_SUMMARY_TYPES; i++) {
		types[i + 1] = room_summary_types[i];
	}
	TRY(db_query(ctx, db, STMT_DIRECTORY_CHANGES,
		DB_ARGS(db_bigint(after), db_bigint(up_to), db_texts(types, TYPES_MAX), db_bigint(limit)),
		&rows));
	size_t n = db_count(rows);
	struct directory_change_row *list = ARENA_NEW_ARRAY(ctx->arena, struct directory_change_row, n);
	for (size_t i = 0; i < n; i++) {
		list[i] = (struct directory_change_row){
			.position = db_int(rows, i, 0),
			.room_nid = db_int(rows, i, 1),
			.type = db_str(rows, i, 2),
			.state_key = db_str(rows, i, 3),
			.json = db_str(rows, i, 4),
		};
	}
	*out = list;
	*out_count = n;
	return ERR_OK;
}

enum err store_directory_states(struct ctx *ctx, struct db *db, const int64_t *room_nids,
	size_t count, struct directory_state_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_DIRECTORY_STATES,
		DB_ARGS(db_bigints(room_nids, count), db_texts(room_summary_types, ROOM_SUMMARY_TYPES)),
		&rows));
	size_t n = db_count(rows);
	struct directory_state_row *list = ARENA_NEW_ARRAY(ctx->arena, struct directory_state_row, n);
	for (size_t i = 0; i < n; i++) {
		list[i] = (struct directory_state_row){
			.room_nid = db_int(rows, i, 0),
			.type = db_str(rows, i, 1),
			.json = db_str(rows, i, 2),
		};
	}
	*out = list;
	*out_count = n;
	return ERR_OK;
}

static struct str vector_text(struct ctx *ctx, const struct term *terms, size_t count)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, TERMS_TEXT_MAX);
	term_text_vector(&buf, terms, count);
	return str_dup(ctx->arena, buf_str(&buf));
}

enum err store_directory_room_set(struct ctx *ctx, struct tx *tx,
	const struct directory_room *rooms, size_t count)
{
	int64_t *numbers[3];
	struct str *texts[7];
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		numbers[i] = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	}
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		texts[i] = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	}
	for (size_t i = 0; i < count; i++) {
		const struct room_summary *summary = &rooms[i].summary;
		numbers[0][i] = rooms[i].room_nid;
		numbers[1][i] = summary->is_world_readable ? 1 : 0;
		numbers[2][i] = summary->guest_can_join ? 1 : 0;
		texts[0][i] = summary->name;
		texts[1][i] = summary->topic;
		texts[2][i] = summary->canonical_alias;
		texts[3][i] = summary->avatar_url;
		texts[4][i] = summary->join_rule;
		texts[5][i] = summary->room_type;
		texts[6][i] = vector_text(ctx, rooms[i].terms, rooms[i].term_count);
	}
	return tx_query(ctx, tx, STMT_DIRECTORY_ROOM_SET,
		DB_ARGS(db_bigints(numbers[0], count), db_texts(texts[0], count), db_texts(texts[1], count),
			db_texts(texts[2], count), db_texts(texts[3], count), db_texts(texts[4], count),
			db_texts(texts[5], count), db_bigints(numbers[1], count), db_bigints(numbers[2], count),
			db_texts(texts[6], count)),
		NULL);
}

enum err store_directory_room_count(struct ctx *ctx, struct tx *tx, const int64_t *room_nids,
	size_t count)
{
	return tx_query(ctx, tx, STMT_DIRECTORY_ROOM_COUNT, DB_ARGS(db_bigints(room_nids, count)),
		NULL);
}

enum err store_directory_user_set(struct ctx *ctx, struct tx *tx,
	const struct directory_user *users, size_t count)
{
	struct str *texts[5];
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		texts[i] = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	}
	int64_t *local = ARENA_NEW_ARRAY(ctx->arena, int64_t, count);
	for (size_t i = 0; i < count; i++) {
		texts[0][i] = users[i].user_id;
		texts[1][i] = users[i].display_name;
		texts[2][i] = users[i].avatar_url;
		texts[3][i] = users[i].folded_name;
		texts[4][i] = vector_text(ctx, users[i].terms, users[i].term_count);
		local[i] = users[i].is_local ? 1 : 0;
	}
	return tx_query(ctx, tx, STMT_DIRECTORY_USER_SET,
		DB_ARGS(db_texts(texts[0], count), db_texts(texts[1], count), db_texts(texts[2], count),
			db_texts(texts[3], count), db_bigints(local, count), db_texts(texts[4], count)),
		NULL);
}

enum err store_directory_user_remove(struct ctx *ctx, struct tx *tx, const struct str *user_ids,
	size_t count)
{
	return tx_query(ctx, tx, STMT_DIRECTORY_USER_REMOVE, DB_ARGS(db_texts(user_ids, count)), NULL);
}

enum err store_directory_stale_take(struct ctx *ctx, struct tx *tx,
	struct directory_stale_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(tx_query(ctx, tx, STMT_DIRECTORY_STALE_TAKE, DB_NO_ARGS, &rows));
	size_t n = db_count(rows);
	struct directory_stale_row *list = ARENA_NEW_ARRAY(ctx->arena, struct directory_stale_row, n);
	for (size_t i = 0; i < n; i++) {
		list[i] = (struct directory_stale_row){
			.user_id = db_str(rows, i, 0),
			.display_name = db_str(rows, i, 1),
			.avatar_url = db_str(rows, i, 2),
			.is_shown = db_is_true(rows, i, 3),
		};
	}
	*out = list;
	*out_count = n;
	return ERR_OK;
}

/* --- asking -------------------------------------------------------------------------------------------------- */

static struct str query_text(struct ctx *ctx, const struct term_match *matches, size_t count)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, TERMS_TEXT_MAX);
	term_text_query(&buf, matches, count);
	return str_dup(ctx->arena, buf_str(&buf));
}

enum err store_directory_user_search(struct ctx *ctx, struct db *db,
	const struct directory_user_ask *ask, struct directory_user_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_DIRECTORY_USER_SEARCH,
		DB_ARGS(db_text(query_text(ctx, ask->matches, ask->match_count)), db_text(ask->user_id),
			db_bool(ask->all_local), db_text(ask->exact_id), db_text(ask->folded_name),
			db_bigint(ask->limit)),
		&rows));
	size_t n = db_count(rows);
	struct directory_user_row *list = ARENA_NEW_ARRAY(ctx->arena, struct directory_user_row, n);
	for (size_t i = 0; i < n; i++) {
		list[i] = (struct directory_user_row){
			.user_id = db_str(rows, i, 0),
			.display_name = db_str(rows, i, 1),
			.avatar_url = db_str(rows, i, 2),
		};
	}
	*out = list;
	*out_count = n;
	return ERR_OK;
}

static void read_room(const struct db_rows *rows, size_t i, struct directory_room_row *out)
{
	*out = (struct directory_room_row){
		.place = {.room_nid = db_int(rows, i, 0), .joined_members = db_int(rows, i, 2)},
		.room_id = db_str(rows, i, 1),
		.summary =
			{
				.name = db_str(rows, i, 3),
				.topic = db_str(rows, i, 4),
				.canonical_alias = db_str(rows, i, 5),
				.avatar_url = db_str(rows, i, 6),
				.join_rule = db_str(rows, i, 7),
				.room_type = db_str(rows, i, 8),
				.is_world_readable = db_is_true(rows, i, 9),
				.guest_can_join = db_is_true(rows, i, 10),
			},
	};
}

enum err store_directory_rooms(struct ctx *ctx, struct db *db, const struct directory_room_ask *ask,
	struct directory_room_row **out, size_t *out_count, int64_t *out_total)
{
	struct db_rows *rows;
	struct db_value query = ask->match_count == 0
		? db_null()
		: db_text(query_text(ctx, ask->matches, ask->match_count));
	struct db_value types = ask->types != NULL ? db_texts(ask->types, ask->type_count) : db_null();
	enum stmt_id stmt =
		ask->is_backwards ? STMT_DIRECTORY_ROOMS_BEFORE : STMT_DIRECTORY_ROOMS_AFTER;
	TRY(db_query(ctx, db, stmt,
		DB_ARGS(query, types, db_bool(!ask->is_backwards), db_bigint(ask->place.joined_members),
			db_bigint(ask->place.room_nid), db_bigint(ask->limit),
			db_text(ask->network.appservice_id), db_text(ask->network.network_id),
			db_bool(ask->has_all_networks)),
		&rows));
	size_t n = db_count(rows);
	struct directory_room_row *list = ARENA_NEW_ARRAY(ctx->arena, struct directory_room_row, n);
	*out_total = 0;
	for (size_t i = 0; i < n; i++) {
		read_room(rows, i, &list[i]);
		*out_total = db_int(rows, i, 11);
	}
	*out = list;
	*out_count = n;
	return ERR_OK;
}

enum err store_network_room_set(struct ctx *ctx, struct db *db, struct directory_network network,
	int64_t room_nid, bool is_listed)
{
	return db_exec(ctx, db, is_listed ? STMT_NETWORK_ROOM_SET : STMT_NETWORK_ROOM_REMOVE,
		DB_ARGS(db_text(network.appservice_id), db_text(network.network_id), db_bigint(room_nid)),
		NULL);
}

enum err store_mutual_rooms(struct ctx *ctx, struct db *db, const struct mutual_rooms_ask *ask,
	struct str **out, size_t *out_count, int64_t *out_total)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_MUTUAL_ROOMS,
		DB_ARGS(db_text(ask->user_id), db_text(ask->other), db_text(ask->behind),
			db_bigint(ask->limit)),
		&rows));
	size_t n = db_count(rows);
	struct str *list = ARENA_NEW_ARRAY(ctx->arena, struct str, n);
	*out_total = 0;
	for (size_t i = 0; i < n; i++) {
		list[i] = db_str(rows, i, 0);
		*out_total = db_int(rows, i, 1);
	}
	*out = list;
	*out_count = n;
	return ERR_OK;
}
