/*
 * Lines are unfolded one after the other; what stands in components that do not matter (alarms, to-dos) is passed over. Read here, not by
 * a library: libical makes a tree of everything before anybody can ask how large that becomes.
 */
#include "notices/calendar_read.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "matrix/errcode.h"
#include "notices/calendar.h"

enum {
	LINE_MAX_BYTES = 64 * 1024, /* the rest of it is left out */
	DEPTH_MAX = 20,
	OBSERVANCES_MAX = 500, /* of a zone */
};

/* A content line. */
struct line {
	struct str name;
	struct str parameters; /* ";TZID=…;…" */
	struct str value;
};

struct reader {
	struct ctx *ctx;
	struct str rest;
	size_t number; /* of the line, for people */
	struct buf unfolded;
	size_t depth;
	struct str component; /* the one right in the calendar that is open */
	bool is_over;
	struct calendar_file *file;
};

static void reader_fini(struct reader *reader)
{
	buf_fini(&reader->unfolded);
}

/* --- lines ----------------------------------------------------------------------------------------------------- */

static struct str without_return(struct str line)
{
	return str_ends_with(line, STR("\r")) ? str_slice(line, 0, line.n - 1) : line;
}

/* The next one that is not empty, unfolded. */
static bool next_line(struct reader *reader, struct str *out)
{
	struct buf *unfolded = &reader->unfolded;
	buf_clear(unfolded);
	while (reader->rest.n > 0) {
		struct str piece;
		(void)str_split(reader->rest, '\n', &piece, &reader->rest);
		reader->number++;
		buf_add(unfolded, str_slice(without_return(piece), 0, LINE_MAX_BYTES - unfolded->n));
		bool is_folded =
			reader->rest.n > 0 && (reader->rest.p[0] == ' ' || reader->rest.p[0] == '\t');
		if (is_folded) {
			reader->rest = str_slice(reader->rest, 1, reader->rest.n);
		} else if (unfolded->n > 0) {
			*out = buf_str(unfolded);
			return true;
		}
	}
	return false;
}

/* The value stands behind the first colon outside of quotes. */
static bool split_line(struct str text, struct line *out)
{
	bool is_quoted = false;
	size_t name_end = SIZE_MAX;
	for (size_t i = 0; i < text.n; i++) {
		is_quoted = is_quoted != (text.p[i] == '"');
		if (text.p[i] == ';' && name_end == SIZE_MAX) {
			name_end = i;
		}
		if (text.p[i] == ':' && !is_quoted) {
			name_end = name_end == SIZE_MAX ? i : name_end;
			*out = (struct line){.name = str_slice(text, 0, name_end),
				.parameters = str_slice(text, name_end, i),
				.value = str_slice(text, i + 1, text.n)};
			return true;
		}
	}
	return false;
}

/* A parameter's value without quotes; empty when it is not there. */
static struct str parameter(struct str parameters, struct str name)
{
	while (parameters.n > 0) {
		size_t end = 1;
		bool is_quoted = false;
		while (end < parameters.n && (is_quoted || parameters.p[end] != ';')) {
			is_quoted = is_quoted != (parameters.p[end] == '"');
			end++;
		}
		struct str key;
		struct str value;
		(void)str_split(str_slice(parameters, 1, end), '=', &key, &value);
		if (str_equals_nocase(key, name)) {
			bool has_quotes = value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"';
			return has_quotes ? str_slice(value, 1, value.n - 1) : value;
		}
		parameters = str_slice(parameters, end, parameters.n);
	}
	return STR("");
}

struct str calendar_unescape(struct arena *arena, struct str text)
{
	char *p = str_cstr(arena, text);
	size_t n = 0;
	for (size_t i = 0; i < text.n; i++) {
		bool is_escape = text.p[i] == '\\' && i + 1 < text.n;
		i += is_escape ? 1 : 0;
		bool is_feed = is_escape && (text.p[i] == 'n' || text.p[i] == 'N');
		p[n++] = is_feed ? '\n' : text.p[i];
	}
	return str_from(p, n);
}

/* --- components -------------------------------------------------------------------------------------------------- */

static struct str keep(const struct reader *reader, struct str text)
{
	return str_dup(reader->ctx->arena, text);
}

static struct calendar_stamp keep_stamp(const struct reader *reader, const struct line *line)
{
	return (struct calendar_stamp){.value = keep(reader, str_trim(line->value)),
		.zone = keep(reader, parameter(line->parameters, STR("TZID")))};
}

static void read_event(struct reader *reader, const struct line *line)
{
	struct calendar_vevent *event = &reader->file->events.p[reader->file->events.n - 1];
	const struct {
		struct str name;
		struct str *text;
		struct calendar_stamp *stamp;
	} fields[] = {
		{STR("UID"), &event->uid, NULL},
		{STR("SUMMARY"), &event->title, NULL},
		{STR("DESCRIPTION"), &event->text, NULL},
		{STR("LOCATION"), &event->location, NULL},
		{STR("STATUS"), &event->status, NULL},
		{STR("DURATION"), &event->duration, NULL},
		{STR("RRULE"), &event->rule, NULL},
		{STR("DTSTART"), NULL, &event->start},
		{STR("DTEND"), NULL, &event->end},
		{STR("RECURRENCE-ID"), NULL, &event->recurrence_id},
	};
	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		if (!str_equals_nocase(line->name, fields[i].name)) {
			continue;
		}
		if (fields[i].text != NULL) {
			*fields[i].text = keep(reader, line->value);
		} else if (fields[i].stamp != NULL) {
			*fields[i].stamp = keep_stamp(reader, line);
		}
		return;
	}
	if (str_equals_nocase(line->name, STR("RDATE"))) {
		VEC_PUSH(reader->ctx->arena, &event->dates, keep_stamp(reader, line));
	} else if (str_equals_nocase(line->name, STR("EXDATE"))) {
		VEC_PUSH(reader->ctx->arena, &event->except, keep_stamp(reader, line));
	} else if (str_equals_nocase(line->name, STR("SEQUENCE"))) {
		(void)!str_to_int(str_trim(line->value), 0, INT64_MAX, &event->sequence);
	}
}

static void read_observance(struct reader *reader, const struct line *line)
{
	struct calendar_vtimezone *zone = &reader->file->zones.p[reader->file->zones.n - 1];
	if (zone->observances.n == 0) {
		return;
	}
	struct calendar_observance *observance = &zone->observances.p[zone->observances.n - 1];
	const struct {
		struct str name;
		struct str *text;
	} fields[] = {{STR("DTSTART"), &observance->start}, {STR("RRULE"), &observance->rule},
		{STR("TZOFFSETFROM"), &observance->from_offset},
		{STR("TZOFFSETTO"), &observance->to_offset}};
	struct str value = str_trim(line->value);
	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		if (str_equals_nocase(line->name, fields[i].name)) {
			*fields[i].text = keep(reader, value);
		}
	}
	if (str_equals_nocase(line->name, STR("RDATE"))) {
		VEC_PUSH(reader->ctx->arena, &observance->dates, keep(reader, value));
	}
}

static bool is_in(const struct reader *reader, struct str component)
{
	return str_equals_nocase(reader->component, component);
}

static enum err begin(struct reader *reader, struct str name)
{
	struct arena *arena = reader->ctx->arena;
	struct calendar_file *file = reader->file;
	if (++reader->depth > DEPTH_MAX) {
		return fail(reader->ctx, ERR_INPUT, M_BAD_JSON,
			"The calendar is nested too deeply, in line %zu", reader->number);
	}
	if (reader->depth == 2) {
		reader->component = keep(reader, name);
		if (is_in(reader, STR("VEVENT"))) {
			VEC_PUSH(arena, &file->events, (struct calendar_vevent){0});
		} else if (is_in(reader, STR("VTIMEZONE"))) {
			VEC_PUSH(arena, &file->zones, (struct calendar_vtimezone){0});
		}
	}
	if (reader->depth == 3 && is_in(reader, STR("VTIMEZONE"))) {
		struct calendar_vtimezone *zone = &file->zones.p[file->zones.n - 1];
		if (zone->observances.n < OBSERVANCES_MAX) {
			VEC_PUSH(arena, &zone->observances, (struct calendar_observance){0});
		}
	}
	return file->events.n > CALENDAR_EVENTS_MAX
		? fail(reader->ctx, ERR_INPUT, M_TOO_LARGE, "The calendar has more than %d events",
			  (int)CALENDAR_EVENTS_MAX)
		: ERR_OK;
}

static void end(struct reader *reader)
{
	reader->depth -= reader->depth > 0 ? 1 : 0;
	if (reader->depth < 2) {
		reader->component = STR("");
	}
	reader->is_over = reader->depth == 0;
}

static void read_property(struct reader *reader, const struct line *line)
{
	bool is_name = reader->depth == 1 &&
		(str_equals_nocase(line->name, STR("X-WR-CALNAME")) ||
			str_equals_nocase(line->name, STR("NAME")));
	if (is_name) {
		reader->file->title = keep(reader, line->value);
	} else if (reader->depth == 2 && is_in(reader, STR("VEVENT"))) {
		read_event(reader, line);
	} else if (reader->depth == 2 && is_in(reader, STR("VTIMEZONE")) &&
		str_equals_nocase(line->name, STR("TZID"))) {
		reader->file->zones.p[reader->file->zones.n - 1].id = keep(reader, line->value);
	} else if (reader->depth == 3 && is_in(reader, STR("VTIMEZONE"))) {
		read_observance(reader, line);
	}
}

static enum err read_lines(struct reader *reader)
{
	struct str text;
	while (!reader->is_over && next_line(reader, &text)) {
		struct line line;
		if (!split_line(text, &line)) {
			continue; /* lines that are none are met, and do no harm */
		}
		if (str_equals_nocase(line.name, STR("BEGIN"))) {
			TRY(begin(reader, str_trim(line.value)));
		} else if (str_equals_nocase(line.name, STR("END"))) {
			end(reader);
		} else {
			read_property(reader, &line);
		}
	}
	return reader->is_over ? ERR_OK
						   : fail(reader->ctx, ERR_INPUT, M_BAD_JSON,
								 "The calendar ends in the middle, after line %zu", reader->number);
}

static struct str without_mark(struct str bytes)
{
	return str_starts_with(bytes, STR("\xef\xbb\xbf")) ? str_slice(bytes, 3, bytes.n) : bytes;
}

bool calendar_is_one(struct str bytes)
{
	struct str first;
	struct str rest;
	(void)str_split(str_trim(str_slice(without_mark(bytes), 0, LINE_MAX_BYTES)), '\n', &first,
		&rest);
	return str_equals_nocase(str_trim(first), STR("BEGIN:VCALENDAR"));
}

enum err calendar_file_read(struct ctx *ctx, struct str bytes, struct calendar_file *out)
{
	struct reader reader CLEANUP(
		reader_fini) = {.ctx = ctx, .rest = str_trim(without_mark(bytes)), .file = out};
	*out = (struct calendar_file){0};
	if (bytes.n > CALENDAR_MAX_BYTES) {
		return fail(ctx, ERR_INPUT, M_TOO_LARGE, "The calendar has more than %d MiB",
			(int)CALENDAR_MAX_BYTES / 1024 / 1024);
	}
	if (!calendar_is_one(bytes)) {
		return fail(ctx, ERR_INPUT, M_BAD_JSON,
			"This is no calendar: its first line is not BEGIN:VCALENDAR");
	}
	if (!utf8_is_valid(bytes)) {
		return fail(ctx, ERR_INPUT, M_BAD_JSON,
			"The calendar is not in UTF-8; export it anew, or ask whoever makes it");
	}
	buf_init(&reader.unfolded, LINE_MAX_BYTES + 1);
	return read_lines(&reader);
}
