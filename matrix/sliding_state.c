/*
 * A state is written with each answer that tells something, for as many rooms as the client knows: so its bytes are few. After the byte of the
 * version come the configs and then the rooms, each list with its length before it; numbers are written in sevens of bits, the lowest first,
 * and of a room's number what it is more than that of the one before. A room has a byte that says of each stream what was told, two bits each,
 * then the positions among that, and the number of its config if its events were told. There is one way to write a state.
 */
#include "matrix/sliding_state.h"

#include "base/vec.h"

enum {
	VERSION = 2,
	NUMBER_MAX_BYTES = 9, /* 63 bits */
	/* What was told of a stream. */
	TOLD_NEVER = 0,
	TOLD_LIVE = 1,
	TOLD_UP_TO = 2,
	TOLD_BITS = 2,
	TOLD_MASK = 3,
};

/* --- asking --------------------------------------------------------------------------------------------------------- */

/* Each run asks of each room: therefore not bsearch(), which calls for each step. */
const struct sliding_room *sliding_state_room(const struct sliding_state *state, int64_t room_nid)
{
	size_t from = 0;
	size_t to = state->room_n;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (state->rooms[middle].room_nid < room_nid) {
			from = middle + 1;
		} else {
			to = middle;
		}
	}
	bool is_there = from < state->room_n && state->rooms[from].room_nid == room_nid;
	return is_there ? &state->rooms[from] : NULL;
}

int64_t sliding_state_told(const struct sliding_state *state, int64_t room_nid,
	enum sliding_stream stream)
{
	const struct sliding_room *room = sliding_state_room(state, room_nid);
	return room != NULL ? room->told[stream] : SLIDING_NEVER;
}

const struct sliding_config *sliding_state_config(const struct sliding_state *state,
	const struct sliding_room *room)
{
	bool was_told = room != NULL && room->told[SLIDING_EVENTS] != SLIDING_NEVER;
	return was_told ? &state->configs[room->config] : NULL;
}

/* --- writing -------------------------------------------------------------------------------------------------------- */

struct writer {
	struct arena *arena;
	VEC(char) bytes;
};

static void write_byte(struct writer *w, unsigned byte)
{
	VEC_PUSH(w->arena, &w->bytes, (char)byte);
}

static void write_number(struct writer *w, int64_t number)
{
	invariant(number >= 0);
	uint64_t rest = (uint64_t)number;
	while (rest > 0x7f) {
		write_byte(w, (unsigned)(rest & 0x7f) | 0x80);
		rest >>= 7;
	}
	write_byte(w, (unsigned)rest);
}

static void write_text(struct writer *w, struct str text)
{
	write_number(w, (int64_t)text.n);
	for (size_t i = 0; i < text.n; i++) {
		write_byte(w, (unsigned char)text.p[i]);
	}
}

static void write_config(struct writer *w, const struct sliding_config *config)
{
	write_number(w, config->timeline_limit);
	write_byte(w, config->loads_lazily);
	write_number(w, (int64_t)config->entry_n);
	for (size_t i = 0; i < config->entry_n; i++) {
		write_text(w, config->entries[i].type);
		write_text(w, config->entries[i].state_key);
	}
}

static void write_room(struct writer *w, const struct sliding_room *room, int64_t before_nid)
{
	unsigned kinds = 0;
	for (unsigned i = 0; i < SLIDING_STREAM_COUNT; i++) {
		unsigned kind = room->told[i] == SLIDING_NEVER ? TOLD_NEVER
			: room->told[i] == SLIDING_LIVE            ? TOLD_LIVE
													   : TOLD_UP_TO;
		kinds |= kind << (i * TOLD_BITS);
	}
	write_number(w, room->room_nid - before_nid);
	write_byte(w, kinds);
	for (unsigned i = 0; i < SLIDING_STREAM_COUNT; i++) {
		if (room->told[i] != SLIDING_NEVER && room->told[i] != SLIDING_LIVE) {
			write_number(w, room->told[i]);
		}
	}
	if (room->told[SLIDING_EVENTS] != SLIDING_NEVER) {
		write_number(w, room->config);
	}
}

struct str sliding_state_write(struct arena *arena, const struct sliding_state *state)
{
	struct writer w = {.arena = arena};
	write_byte(&w, VERSION);
	write_number(&w, (int64_t)state->config_n);
	for (size_t i = 0; i < state->config_n; i++) {
		write_config(&w, &state->configs[i]);
	}
	write_number(&w, (int64_t)state->room_n);
	for (size_t i = 0; i < state->room_n; i++) {
		write_room(&w, &state->rooms[i], i > 0 ? state->rooms[i - 1].room_nid : 0);
	}
	return str_from(w.bytes.p, w.bytes.n);
}

/* --- reading -------------------------------------------------------------------------------------------------------- */

/* What is left. Each read_…() is false when it does not stand there. */
struct reader {
	struct arena *arena;
	const char *at;
	const char *end;
};

static bool read_byte(struct reader *r, unsigned *out)
{
	if (r->at == r->end) {
		return false;
	}
	*out = (unsigned char)*r->at++;
	return true;
}

/* What goes on after its first byte, in as few as it takes. */
static bool read_longer(struct reader *r, unsigned byte, int64_t *out)
{
	uint64_t number = byte & 0x7f;
	for (unsigned i = 1; (byte & 0x80) != 0; i++) {
		if (i == NUMBER_MAX_BYTES || !read_byte(r, &byte) || byte == 0) {
			return false;
		}
		number |= (uint64_t)(byte & 0x7f) << (i * 7);
	}
	*out = (int64_t)number;
	return true;
}

/* Within the bounds. Each run reads all rooms of a client, and mostly it is one byte. */
static inline bool read_number(struct reader *r, int64_t min, int64_t max, int64_t *out)
{
	unsigned byte;
	if (!read_byte(r, &byte)) {
		return false;
	}
	*out = byte;
	return (byte <= 0x7f || read_longer(r, byte, out)) && *out >= min && *out <= max;
}

/* Of what takes at least `least_bytes` each: no more than there can be. */
static bool read_count(struct reader *r, size_t least_bytes, size_t *out)
{
	int64_t count;
	if (!read_number(r, 0, INT64_MAX, &count) ||
		(uint64_t)count > (size_t)(r->end - r->at) / least_bytes) {
		return false;
	}
	*out = (size_t)count;
	return true;
}

static bool read_text(struct reader *r, struct str *out)
{
	size_t n;
	if (!read_count(r, 1, &n)) {
		return false;
	}
	*out = str_from(r->at, n);
	r->at += n;
	return true;
}

static bool read_config(struct reader *r, struct sliding_config *out)
{
	unsigned loads_lazily;
	if (!read_number(r, 0, INT64_MAX, &out->timeline_limit) || !read_byte(r, &loads_lazily) ||
		loads_lazily > 1 || !read_count(r, 2, &out->entry_n)) {
		return false;
	}
	struct sliding_entry *entries =
		ARENA_NEW_ARRAY(r->arena, struct sliding_entry, out->entry_n + 1);
	out->loads_lazily = loads_lazily == 1;
	out->entries = entries;
	for (size_t i = 0; i < out->entry_n; i++) {
		if (!read_text(r, &entries[i].type) || !read_text(r, &entries[i].state_key)) {
			return false;
		}
	}
	return true;
}

static bool read_told(struct reader *r, unsigned kind, int64_t *out)
{
	*out = kind == TOLD_LIVE ? SLIDING_LIVE : SLIDING_NEVER;
	return kind <= TOLD_LIVE || (kind == TOLD_UP_TO && read_number(r, 1, INT64_MAX, out));
}

static bool read_room(struct reader *r, int64_t before_nid, size_t config_n,
	struct sliding_room *out)
{
	int64_t more;
	unsigned kinds;
	_Static_assert(SLIDING_STREAM_COUNT * TOLD_BITS <= 8, "they have one byte");
	if (!read_number(r, 1, INT64_MAX - before_nid, &more) || !read_byte(r, &kinds) || kinds == 0) {
		return false;
	}
	out->room_nid = before_nid + more;
	for (unsigned i = 0; i < SLIDING_STREAM_COUNT; i++) {
		if (!read_told(r, kinds >> (i * TOLD_BITS) & TOLD_MASK, &out->told[i])) {
			return false;
		}
	}
	int64_t config = 0;
	if (out->told[SLIDING_EVENTS] != SLIDING_NEVER &&
		!read_number(r, 0, (int64_t)config_n - 1, &config)) {
		return false;
	}
	out->config = (uint32_t)config;
	return true;
}

bool sliding_state_read(struct arena *arena, struct str bytes, struct sliding_state *out)
{
	if (bytes.n == 0) {
		return false;
	}
	struct reader r = {.arena = arena, .at = bytes.p, .end = bytes.p + bytes.n};
	struct sliding_state state;
	unsigned version;
	if (!read_byte(&r, &version) || version != VERSION || !read_count(&r, 3, &state.config_n)) {
		return false;
	}
	struct sliding_config *configs =
		ARENA_NEW_ARRAY(arena, struct sliding_config, state.config_n + 1);
	for (size_t i = 0; i < state.config_n; i++) {
		if (!read_config(&r, &configs[i])) {
			return false;
		}
	}
	if (!read_count(&r, 2, &state.room_n)) {
		return false;
	}
	struct sliding_room *rooms = ARENA_NEW_ARRAY(arena, struct sliding_room, state.room_n + 1);
	for (size_t i = 0; i < state.room_n; i++) {
		if (!read_room(&r, i > 0 ? rooms[i - 1].room_nid : 0, state.config_n, &rooms[i])) {
			return false;
		}
	}
	if (r.at != r.end) {
		return false;
	}
	state.configs = configs;
	state.rooms = rooms;
	*out = state;
	return true;
}

bool sliding_state_is_well_formed(const struct sliding_state *state)
{
	for (size_t i = 0; i < state->config_n; i++) {
		const struct sliding_config *config = &state->configs[i];
		if (!sliding_config_is_well_formed(config) ||
			(i > 0 && sliding_config_compare(config - 1, config) >= 0)) {
			return false;
		}
	}
	return true;
}
