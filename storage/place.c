/*
 * Places of events in history. One statement per function.
 */
#include "storage/place.h"

enum { PLACE_COLUMN = 11, CHILDLESS_COLUMN = 12 }; /* behind those of an event */

enum err store_events_shown(struct ctx *ctx, struct db *db, const struct event_span *span,
	struct event_row **out, int64_t **out_places, size_t *out_count)
{
	struct db_rows *rows;
	enum stmt_id stmt = span->is_backwards ? STMT_EVENTS_SHOWN_BEFORE : STMT_EVENTS_SHOWN_AFTER;
	TRY(db_query(ctx, db, stmt,
		DB_ARGS(db_bigint(span->room_nid), db_bigint(span->after), db_bigint(span->up_to),
			db_bigint(span->limit)),
		&rows));
	store_events_read_childless(ctx, rows, CHILDLESS_COLUMN, out, out_count);
	*out_places = ARENA_NEW_ARRAY(ctx->arena, int64_t, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out_places)[i] = db_int(rows, i, PLACE_COLUMN);
	}
	return ERR_OK;
}

static void read_places(struct ctx *ctx, const struct db_rows *rows, struct event_place **out,
	size_t *out_count)
{
	*out_count = db_count(rows);
	*out = ARENA_NEW_ARRAY(ctx->arena, struct event_place, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		(*out)[i] =
			(struct event_place){.position = db_int(rows, i, 0), .place = db_int(rows, i, 1)};
	}
}

enum err store_places_of(struct ctx *ctx, struct db *db, int64_t room_nid, const int64_t *positions,
	size_t count, struct event_place **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_EVENT_PLACES_OF,
		DB_ARGS(db_bigint(room_nid), db_bigints(positions, count)), &rows));
	read_places(ctx, rows, out, out_count);
	return ERR_OK;
}

enum err store_places_behind(struct ctx *ctx, struct db *db, const struct places_behind *ask,
	struct event_place **out, size_t *out_count)
{
	struct db_rows *rows;
	TRY(db_query(ctx, db, STMT_EVENT_PLACES_BEHIND,
		DB_ARGS(db_bigint(ask->room_nid), db_texts(ask->event_ids, ask->count),
			db_bigint(ask->place), db_bigint(ask->limit)),
		&rows));
	read_places(ctx, rows, out, out_count);
	return ERR_OK;
}

void store_place_set(struct write *write, int64_t room_nid, struct db_value position, int64_t place)
{
	write_add(write, STMT_EVENT_PLACE_SET,
		DB_ARGS(db_bigint(room_nid), db_bigint(place), position));
}

void store_gap_move(struct write *write, int64_t room_nid, int64_t from_place, int64_t to_place)
{
	write_add(write, STMT_GAP_MOVE,
		DB_ARGS(db_bigint(room_nid), db_bigint(from_place), db_bigint(to_place)));
}
