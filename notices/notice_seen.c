/*
 * The database has one row for each person and room; here a person is one.
 */
#include "notices/notice_seen.h"

#include "base/map.h"
#include "matrix/errcode.h"
#include "storage/notice.h"

static const struct str level_names[NOTICE_LEVEL_COUNT] = {STR_INIT("unknown"), STR_INIT("waiting"),
	STR_INIT("delivered"), STR_INIT("read"), STR_INIT("confirmed")};

struct str notice_level_name(enum notice_level level)
{
	return level_names[level];
}

bool notice_level_parse(struct str word, enum notice_level *out)
{
	for (enum notice_level level = NOTICE_DELIVERED; level < NOTICE_LEVEL_COUNT; level++) {
		if (str_equals(level_names[level], word)) {
			*out = level;
			return true;
		}
	}
	return false;
}

/* --- one person ----------------------------------------------------------------------------------------------- */

/* The first confirmation of the text as it is, else the first of an earlier one. */
static void set_confirmed(const struct notice_seen_row *row, struct notice_person *person)
{
	bool has_reaction = row->reacted_at_ms != 0;
	bool has_link = row->linked_at_ms != 0;
	bool by_link = has_link &&
		(!has_reaction || row->is_link_current > row->is_reaction_current ||
			(row->is_link_current == row->is_reaction_current &&
				row->linked_at_ms < row->reacted_at_ms));
	person->level = NOTICE_CONFIRMED;
	person->since_ms = by_link ? row->linked_at_ms : row->reacted_at_ms;
	person->is_earlier = by_link ? !row->is_link_current : !row->is_reaction_current;
}

static struct str room_of(struct arena *arena, const struct notice_seen_row *row)
{
	if (row->room_name.n > 0 && row->room_alias.n > 0) {
		return str_printf(arena, "%.*s (%.*s)", STR_ARG(row->room_name), STR_ARG(row->room_alias));
	}
	struct str one = row->room_name.n > 0 ? row->room_name : row->room_alias;
	return one.n > 0 ? one : row->room_id;
}

static struct notice_person person_of(struct arena *arena, const struct notice_seen_row *row)
{
	struct notice_person person = {
		.user_id = row->user_id,
		.name = row->display_name.n > 0 ? row->display_name : row->user_id,
		.room_id = row->room_id,
		.room = room_of(arena, row),
		.level = row->is_delivered ? NOTICE_DELIVERED
			: row->is_ours         ? NOTICE_WAITING
								   : NOTICE_UNKNOWN,
	};
	if (row->read_at_ms != 0) {
		person.level = NOTICE_READ;
		person.since_ms = row->read_at_ms;
	}
	if (row->reacted_at_ms != 0 || row->linked_at_ms != 0) {
		set_confirmed(row, &person);
	}
	return person;
}

static bool is_more(const struct notice_person *a, const struct notice_person *b)
{
	return a->level > b->level || (a->level == b->level && a->is_earlier < b->is_earlier);
}

/* --- all ------------------------------------------------------------------------------------------------------- */

static void gather(struct ctx *ctx, const struct notice_seen_row *rows, size_t count,
	struct notice_seen *out)
{
	struct map known CLEANUP(map_fini) = {0};
	out->persons = ARENA_NEW_ARRAY(ctx->arena, struct notice_person, count);
	for (size_t i = 0; i < count; i++) {
		const struct notice_person person = person_of(ctx->arena, &rows[i]);
		struct notice_person *one = map_get(&known, person.user_id);
		if (one == NULL) {
			one = &out->persons[out->count++];
			*one = person;
			(void)map_set(&known, person.user_id, one);
		} else if (is_more(&person, one)) {
			*one = person;
		}
	}
	for (size_t i = 0; i < out->count; i++) {
		out->totals[out->persons[i].level]++;
	}
}

static enum err choose_occurrence(struct ctx *ctx, struct db *db, size_t occurrence,
	struct notice_seen *out)
{
	struct notice_occurrence_row *rows;
	TRY(store_notice_occurrences(ctx, db, out->notice_id, &rows, &out->occurrence_count));
	if (out->occurrence_count == 0) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Notice %lld has not been sent yet",
			(long long)out->notice_id);
	}
	out->occurrence = occurrence == 0 ? out->occurrence_count : occurrence;
	if (out->occurrence > out->occurrence_count) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "Notice %lld has been sent %zu time(s)",
			(long long)out->notice_id, out->occurrence_count);
	}
	const struct notice_occurrence_row *row = &rows[out->occurrence - 1];
	out->due_at_ms = row->due_at_ms;
	out->rooms_sent = row->sent;
	out->rooms = row->rooms;
	return ERR_OK;
}

enum err notice_seen_list(struct ctx *ctx, struct db *db, int64_t notice_id, struct str sender,
	size_t occurrence, struct notice_seen *out)
{
	struct notice_row notice;
	struct notice_seen_row *rows;
	size_t count;
	enum err err = store_notice_get(ctx, db, notice_id, &notice);
	if (err == ERR_MISSING ||
		(err == ERR_OK && sender.p != NULL && !str_equals(sender, notice.sender))) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no notice %lld", (long long)notice_id);
	}
	TRY(err);
	*out = (struct notice_seen){.notice_id = notice_id};
	if (!zone_open(ctx->arena, notice.zone, &out->clock) &&
		!zone_open(ctx->arena, STR("UTC"), &out->clock)) {
		return fail_cause(ctx, ERR_INTERNAL, "there are no time zones");
	}
	TRY(choose_occurrence(ctx, db, occurrence, out));
	TRY(store_notice_seen(ctx, db, notice_id, out->due_at_ms, &rows, &count));
	gather(ctx, rows, count, out);
	return ERR_OK;
}

/* --- as a table -------------------------------------------------------------------------------------------------- */

struct str notice_time_text(struct arena *arena, struct zone *clock, int64_t at_ms)
{
	struct wall_time wall;
	if (at_ms == 0) {
		return STR("");
	}
	zone_to_wall(clock, at_ms, &wall);
	return str_printf(arena, "%04d-%02d-%02d %02d:%02d", wall.year, wall.month, wall.day, wall.hour,
		wall.minute);
}

/* Spreadsheets compute what begins so, wherever it came from. */
static bool is_formula(struct str value)
{
	return value.n > 0 && str_find_byte(STR("=+-@\t\r\n"), value.p[0]) != SIZE_MAX;
}

static bool wants_quotes(struct str value)
{
	for (size_t i = 0; i < value.n; i++) {
		if (str_find_byte(STR(",\"\r\n"), value.p[i]) != SIZE_MAX) {
			return true;
		}
	}
	return false;
}

/* One value of it. Pure. */
static void add_csv(struct buf *out, struct str value)
{
	bool is_quoted = wants_quotes(value);
	buf_add(out, is_quoted ? STR("\"") : STR(""));
	buf_add(out, is_formula(value) ? STR("'") : STR(""));
	for (size_t i = 0; i < value.n; i++) {
		buf_add(out, value.p[i] == '"' ? STR("\"") : STR(""));
		buf_add_byte(out, value.p[i]);
	}
	buf_add(out, is_quoted ? STR("\"") : STR(""));
}

static void add_line(struct buf *out, const struct str *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		buf_add(out, i > 0 ? STR(",") : STR(""));
		add_csv(out, values[i]);
	}
	buf_add_lit(out, "\r\n");
}

void notice_seen_csv(struct arena *arena, const struct notice_seen *seen, enum notice_level below,
	bool is_bom, struct buf *out)
{
	const struct str header[] = {STR("name"), STR("user_id"), STR("room_id"), STR("level"),
		STR("since"), STR("text"), STR("room")};
	buf_add(out, is_bom ? STR("\xEF\xBB\xBF") : STR(""));
	add_line(out, header, COUNT_OF(header));
	for (size_t i = 0; i < seen->count; i++) {
		const struct notice_person *person = &seen->persons[i];
		const struct str values[] = {person->name, person->user_id, person->room_id,
			notice_level_name(person->level),
			notice_time_text(arena, seen->clock, person->since_ms),
			person->is_earlier ? STR("earlier") : STR("current"), person->room};
		if (person->level < below) {
			add_line(out, values, COUNT_OF(values));
		}
	}
}
