/*
 * Terms become PostgreSQL's tsvector and tsquery. A text's room is a term too ('/12'; no word has a slash): a search in a few rooms
 * has them looked up together with the words, so that a word that is common elsewhere costs nothing here. With many rooms
 * that costs more than it saves, and the rooms are looked at afterwards.
 *
 * So is its window of the timeline, on each of several levels ('/a7', '/b0', …): the newest matches are found without reading
 * the others. A window of the lowest level has 8,192 positions, one of each further level eight times as many. A wide one
 * is looked at only when at least as much of the timeline is behind it, so that a word that is common in it would have been
 * found often enough before.
 */
#include "storage/search.h"

#include "base/vec.h"
#include "storage/term_text.h"

enum {
	TERMS_TEXT_MAX = 4 << 20,
	QUERY_TEXT_MAX = 1 << 16,
	ROOM_TERMS_MAX = 4, /* spans that are looked up in the index */
	MATCHES_MAX = 1000, /* that are counted, and ranked */
	WINDOW_BITS = 13,
	WINDOW_LEVEL_BITS = 3,
	WINDOW_LEVELS = 5,
	WINDOW_TEXT_MAX = 32,
};

/* --- windows ------------------------------------------------------------------------------------------------- */

static int window_bits(int level)
{
	return WINDOW_BITS + level * WINDOW_LEVEL_BITS;
}

static void add_window(struct buf *buf, int level, int64_t position)
{
	buf_add_lit(buf, "'/");
	buf_add_byte(buf, (char)('a' + level));
	buf_add_int(buf, position >> window_bits(level));
	buf_add_byte(buf, '\'');
}

/* The widest window that ends right before a position, with at least as much looked at already. */
static int window_level(int64_t end, int64_t looked_at)
{
	int level = WINDOW_LEVELS - 1;
	while (level > 0 &&
		(((int64_t)1 << window_bits(level)) > looked_at ||
			end % ((int64_t)1 << window_bits(level)) != 0)) {
		level--;
	}
	return level;
}

/*
 * Those from a position down to the first, the newest first. What is older than the stream counts as its beginning. A text stands in the
 * window of what is found, and what an edit of today edits may be older than all that the reader may see.
 */
static struct db_value windows_of(struct ctx *ctx, int64_t newest)
{
	VEC(struct str) windows = {0};
	int64_t top = MAX_OF(newest, (int64_t)0);
	for (int64_t end = top + 1; end > 0;) {
		struct buf buf CLEANUP(buf_fini);
		buf_init(&buf, WINDOW_TEXT_MAX);
		int level = window_level(end, top + 1 - end);
		add_window(&buf, level, end - 1);
		VEC_PUSH(ctx->arena, &windows, str_dup(ctx->arena, buf_str(&buf)));
		end = (end - 1) >> window_bits(level) << window_bits(level);
	}
	return db_texts(windows.p, windows.n);
}

/* --- texts --------------------------------------------------------------------------------------------------- */

static struct str vector_text(struct ctx *ctx, const struct search_text *text)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, TERMS_TEXT_MAX);
	buf_add_lit(&buf, "'/");
	buf_add_int(&buf, text->place.room_nid);
	buf_add_byte(&buf, '\'');
	for (int level = 0; level < WINDOW_LEVELS; level++) {
		buf_add_lit(&buf, " ");
		add_window(&buf, level, MAX_OF(text->target_position, (int64_t)0));
	}
	term_text_vector(&buf, text->terms, text->term_count);
	term_text_beginnings(&buf, text->terms, text->term_count);
	return str_dup(ctx->arena, buf_str(&buf));
}

static enum err add_texts(struct ctx *ctx, struct tx *tx, const struct search_text *texts, size_t n)
{
	int64_t *numbers[6];
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		numbers[i] = ARENA_NEW_ARRAY(ctx->arena, int64_t, n);
	}
	struct str *senders = ARENA_NEW_ARRAY(ctx->arena, struct str, n);
	struct str *terms = ARENA_NEW_ARRAY(ctx->arena, struct str, n);
	for (size_t i = 0; i < n; i++) {
		numbers[0][i] = texts[i].place.room_nid;
		numbers[1][i] = texts[i].place.position;
		numbers[2][i] = texts[i].target_position;
		numbers[3][i] = texts[i].key;
		numbers[4][i] = texts[i].origin_server_ts;
		numbers[5][i] = texts[i].has_url ? 1 : 0;
		senders[i] = texts[i].sender;
		terms[i] = vector_text(ctx, &texts[i]);
	}
	return tx_query(ctx, tx, STMT_SEARCH_ADD,
		DB_ARGS(db_bigints(numbers[0], n), db_bigints(numbers[1], n), db_bigints(numbers[2], n),
			db_bigints(numbers[3], n), db_texts(senders, n), db_bigints(numbers[4], n),
			db_bigints(numbers[5], n), db_texts(terms, n)),
		NULL);
}

/* The events whose texts have to be put in order: what is edited, and what lost a text. */
struct targets {
	int64_t *room_nids;
	int64_t *positions;
	size_t n;
};

static void add_target(struct targets *targets, int64_t room_nid, int64_t position)
{
	targets->room_nids[targets->n] = room_nid;
	targets->positions[targets->n++] = position;
}

static enum err remove_redacted(struct ctx *ctx, struct tx *tx, const struct search_change *change,
	struct db_rows **out)
{
	size_t n = change->redacted_count;
	int64_t *room_nids = ARENA_NEW_ARRAY(ctx->arena, int64_t, n);
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, n);
	for (size_t i = 0; i < n; i++) {
		room_nids[i] = change->redacted[i].room_nid;
		positions[i] = change->redacted[i].position;
	}
	return tx_query(ctx, tx, STMT_SEARCH_REMOVE,
		DB_ARGS(db_bigints(room_nids, n), db_bigints(positions, n)), out);
}

static enum err supersede(struct ctx *ctx, struct tx *tx, const struct search_change *change,
	const struct db_rows *removed)
{
	size_t removed_n = removed != NULL ? db_count(removed) : 0;
	size_t room = change->text_count + removed_n;
	struct targets targets = {.room_nids = ARENA_NEW_ARRAY(ctx->arena, int64_t, room),
		.positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, room)};
	for (size_t i = 0; i < change->text_count; i++) {
		const struct search_text *text = &change->texts[i];
		if (text->target_position != text->place.position) {
			add_target(&targets, text->place.room_nid, text->target_position);
		}
	}
	for (size_t i = 0; i < removed_n; i++) {
		add_target(&targets, db_int(removed, i, 0), db_int(removed, i, 1));
	}
	if (targets.n == 0) {
		return ERR_OK;
	}
	return tx_query(ctx, tx, STMT_SEARCH_SUPERSEDE,
		DB_ARGS(db_bigints(targets.room_nids, targets.n), db_bigints(targets.positions, targets.n)),
		NULL);
}

enum err store_search_change(struct ctx *ctx, struct tx *tx, const struct search_change *change)
{
	struct db_rows *removed = NULL;
	if (change->text_count > 0) {
		TRY(add_texts(ctx, tx, change->texts, change->text_count));
	}
	if (change->redacted_count > 0) {
		TRY(remove_redacted(ctx, tx, change, &removed));
	}
	TRY(supersede(ctx, tx, change, removed));
	if (change->room_count > 0) {
		TRY(tx_query(ctx, tx, STMT_SEARCH_REMOVE_ROOMS,
			DB_ARGS(db_bigints(change->room_nids, change->room_count)), NULL));
	}
	return ERR_OK;
}

void store_search_forget(struct write *write, int64_t room_nid, int64_t position)
{
	write_add(write, STMT_SEARCH_FORGET, DB_ARGS(db_bigint(room_nid), db_bigint(position)));
}

enum err store_search_clear(struct ctx *ctx, struct db *db)
{
	int64_t gone = 1;
	while (gone > 0) {
		TRY(db_exec(ctx, db, STMT_SEARCH_CLEAR, DB_NO_ARGS, &gone));
	}
	return ERR_OK;
}

enum err store_search_encrypted(struct ctx *ctx, struct db *db, const int64_t *room_nids,
	size_t count, int64_t **out, size_t *out_count)
{
	return db_query_ints(ctx, db, STMT_SEARCH_ENCRYPTED, DB_ARGS(db_bigints(room_nids, count)), out,
		out_count);
}

/* --- searching ----------------------------------------------------------------------------------------------- */

static void read_scope(struct ctx *ctx, const struct db_rows *rows, struct search_scope_row **out,
	size_t *out_count)
{
	size_t n = db_count(rows);
	struct search_scope_row *list = ARENA_NEW_ARRAY(ctx->arena, struct search_scope_row, n);
	for (size_t i = 0; i < n; i++) {
		list[i] = (struct search_scope_row){
			.room_nid = db_int(rows, i, 0),
			.from_position = db_int(rows, i, 1),
			.membership = db_str(rows, i, 2),
			.json = db_str(rows, i, 3),
		};
	}
	*out = list;
	*out_count = n;
}

enum err store_search_scope(struct ctx *ctx, struct db *db, const int64_t *room_nids, size_t count,
	struct str user_id, struct search_scope_row **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_SEARCH_SCOPE,
		DB_ARGS(db_bigints(room_nids, count), db_text(user_id)), &rows));
	read_scope(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_search_memberships(struct ctx *ctx, struct db *db, const int64_t *room_nids,
	size_t count, struct str user_id, size_t limit, struct search_scope_row **out,
	size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_SEARCH_MEMBERSHIPS,
		DB_ARGS(db_bigints(room_nids, count), db_text(user_id), db_bigint((int64_t)limit)), &rows));
	read_scope(ctx, rows, out, out_count);
	return ERR_OK;
}

/* '/1' | '/2'; NULL with many rooms */
static struct db_value rooms_text(struct ctx *ctx, const struct search_ask *ask)
{
	if (ask->span_count > ROOM_TERMS_MAX) {
		return db_null();
	}
	struct str text = STR("");
	for (size_t i = 0; i < ask->span_count; i++) {
		text = str_printf(ctx->arena, "%.*s%s'/%lld'", STR_ARG(text), i == 0 ? "" : " | ",
			(long long)ask->spans[i].room_nid);
	}
	return db_text(text);
}

struct span_columns {
	int64_t *room_nids, *afters, *up_tos, *horizons;
	int64_t after, up_to; /* of all together */
};

static struct span_columns columns_of(struct ctx *ctx, const struct search_ask *ask)
{
	size_t n = ask->span_count;
	struct span_columns columns = {
		.room_nids = ARENA_NEW_ARRAY(ctx->arena, int64_t, n),
		.afters = ARENA_NEW_ARRAY(ctx->arena, int64_t, n),
		.up_tos = ARENA_NEW_ARRAY(ctx->arena, int64_t, n),
		.horizons = ARENA_NEW_ARRAY(ctx->arena, int64_t, n),
		.after = INT64_MAX,
	};
	for (size_t i = 0; i < n; i++) {
		columns.room_nids[i] = ask->spans[i].room_nid;
		columns.afters[i] = ask->spans[i].after;
		columns.up_tos[i] = ask->spans[i].up_to;
		columns.horizons[i] = ask->spans[i].horizon;
		columns.after = MIN_OF(columns.after, ask->spans[i].after);
		columns.up_to = MAX_OF(columns.up_to, ask->spans[i].up_to);
	}
	return columns;
}

static bool is_first_page(const struct search_ask *ask)
{
	return ask->last_position == INT64_MAX;
}

static enum err query(struct ctx *ctx, struct db *db, const struct search_ask *ask,
	const struct span_columns *columns, struct db_rows **out)
{
	struct buf terms CLEANUP(buf_fini);
	buf_init(&terms, QUERY_TEXT_MAX);
	term_text_query_exact(&terms, ask->matches, ask->match_count);
	if (!buf_ok(&terms)) {
		return fail_cause(ctx, ERR_LIMIT, "the search is too large");
	}
	size_t n = ask->span_count;
	bool is_later = !ask->is_by_rank && !is_first_page(ask);
	int64_t newest = is_later ? MIN_OF(columns->up_to, ask->last_position - 1) : columns->up_to;
	const struct db_value args[] = {db_text(buf_str(&terms)), windows_of(ctx, newest),
		rooms_text(ctx, ask), db_bigints(columns->room_nids, n), db_bigints(columns->afters, n),
		db_bigints(columns->up_tos, n), db_bigints(columns->horizons, n),
		db_bigints(ask->keys, ask->key_count),
		ask->senders != NULL ? db_texts(ask->senders, ask->sender_count) : db_null(),
		db_texts(ask->not_senders, ask->not_sender_count),
		ask->has_url < 0 ? db_null() : db_bool(ask->has_url > 0), db_bigint(ask->last_position),
		db_bigint(is_later ? ask->limit : MATCHES_MAX),
		db_bigint(ask->is_by_rank ? ask->last_rank : ask->limit), db_bigint(ask->now_ms),
		db_bigint(ask->limit)};
	return ask->is_by_rank
		? db_query(ctx, db, STMT_SEARCH_BY_RANK, (struct db_args){args, 16}, out)
		: db_query(ctx, db, STMT_SEARCH_BY_RECENCY, (struct db_args){args, 14}, out);
}

/* Of more than can be counted: as many as if the older ones lay as close together. */
static int64_t total_of(const struct db_rows *rows, const struct span_columns *columns)
{
	int64_t n = db_int(rows, 0, 3);
	if (n < MATCHES_MAX) {
		return n;
	}
	int64_t counted = MAX_OF(columns->up_to - db_int(rows, 0, 4), (int64_t)0) + 1;
	int64_t all = columns->up_to - columns->after;
	return MAX_OF(n, (int64_t)((double)n * (double)all / (double)counted));
}

enum err store_search(struct ctx *ctx, struct db *db, const struct search_ask *ask,
	struct search_hit **out, size_t *out_count, int64_t *out_total)
{
	*out = NULL;
	*out_count = 0;
	*out_total = 0;
	if (ask->span_count == 0) {
		return ERR_OK;
	}
	struct span_columns columns = columns_of(ctx, ask);
	struct db_rows *rows;
	TRY(query(ctx, db, ask, &columns, &rows));
	*out_total = is_first_page(ask) ? total_of(rows, &columns) : 0;
	size_t n = db_is_null(rows, 0, 0) ? 0 : db_count(rows);
	struct search_hit *hits = ARENA_NEW_ARRAY(ctx->arena, struct search_hit, n);
	for (size_t i = 0; i < n; i++) {
		hits[i] = (struct search_hit){
			.place = {.room_nid = db_int(rows, i, 0), .position = db_int(rows, i, 1)},
			.text_position = db_int(rows, i, 5),
			.rank = db_int(rows, i, 2),
		};
	}
	*out = hits;
	*out_count = n;
	return ERR_OK;
}
