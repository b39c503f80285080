/*
 * Stripped state. Ours is written from events; what others sent is taken apart key by key, because it is
 * signed by nobody and goes to clients that would stumble over a wrong shape.
 */
#include "matrix/stripped.h"

#include "base/json_out.h"
#include "matrix/canonical.h"

enum { MAX_RECEIVED = 100 };

static const struct str types[] = {STR_INIT("m.room.create"), STR_INIT("m.room.name"),
	STR_INIT("m.room.avatar"), STR_INIT("m.room.topic"), STR_INIT("m.room.join_rules"),
	STR_INIT("m.room.canonical_alias"), STR_INIT("m.room.encryption")};

const struct str *stripped_state_types(size_t *out_count)
{
	*out_count = COUNT_OF(types);
	return types;
}

/* --- ours -------------------------------------------------------------------------------------- */

/* One stripped event; the keys stand in canonical order. */
static void write_stripped(struct json_out *out, const struct json *content, struct str sender,
	struct str state_key, struct str type)
{
	json_out_object(out);
	json_out_key(out, STR("content"));
	if (json_raw(content).n > 0) {
		json_out_raw(out, json_raw(content));
	} else {
		struct buf text CLEANUP(buf_fini);
		buf_init(&text, EVENT_MAX_BYTES);
		canonical_write(&text, content);
		json_out_raw(out, buf_ok(&text) ? buf_str(&text) : STR("{}"));
	}
	json_out_key_str(out, "sender", sender);
	json_out_key_str(out, "state_key", state_key);
	json_out_key_str(out, "type", type);
	json_out_end(out);
}

struct str stripped_state_text(struct arena *arena, const struct event *const *events, size_t count)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, SIZE_MAX / 2);
	struct json_out out;
	json_out_init(&out, &buf);
	json_out_array(&out);
	for (size_t i = 0; i < count; i++) {
		const struct event *event = events[i];
		write_stripped(&out, event->content, event->sender.s, event->state_key, event->type);
	}
	json_out_end(&out);
	return str_dup(arena, buf_str(&buf));
}

struct str stripped_state_pdus(struct arena *arena, const struct event *const *events, size_t count)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, SIZE_MAX / 2);
	struct json_out out;
	json_out_init(&out, &buf);
	json_out_array(&out);
	for (size_t i = 0; i < count; i++) {
		json_out_raw(&out, events[i]->raw);
	}
	json_out_end(&out);
	return str_dup(arena, buf_str(&buf));
}

bool stripped_state_read(struct arena *arena, struct str text, struct json *out)
{
	static const struct json_limits limits = {.max_depth = EVENT_MAX_NESTING + 1};
	struct json list;
	if (json_parse(arena, text, &limits, &list, NULL) != JSON_OK || list.type != JSON_ARRAY) {
		return false;
	}
	*out = list;
	return true;
}

/* --- of others --------------------------------------------------------------------------------- */

/* The four values of an entry; views it. */
struct stripped {
	const struct json *content;
	struct str sender;
	struct str state_key;
	struct str type;
};

static bool read_stripped(const struct json *entry, struct stripped *out)
{
	struct user_id sender;
	out->content = json_at(entry, "content");
	out->sender = json_get_str(entry, STR("sender"));
	out->state_key = json_get_str(entry, STR("state_key"));
	out->type = json_get_str(entry, STR("type"));
	return json_is(out->content, JSON_OBJECT) && user_id_parse(out->sender, &sender) &&
		out->state_key.p != NULL && out->state_key.n <= EVENT_MAX_KEY_BYTES &&
		out->type.p != NULL && out->type.n <= EVENT_MAX_KEY_BYTES &&
		canonical_nests_at_most(out->content, EVENT_MAX_NESTING - 1);
}

static bool is_known(const struct stripped *list, size_t count, const struct stripped *entry)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equals(list[i].type, entry->type) &&
			str_equals(list[i].state_key, entry->state_key)) {
			return true;
		}
	}
	return false;
}

struct str stripped_state_prune(struct arena *arena, const struct json *received)
{
	size_t given = json_is(received, JSON_ARRAY) ? MIN_OF(received->count, MAX_RECEIVED) : 0;
	struct stripped *list = ARENA_NEW_ARRAY(arena, struct stripped, given);
	size_t count = 0;
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, SIZE_MAX / 2);
	struct json_out out;
	json_out_init(&out, &buf);
	json_out_array(&out);
	for (size_t i = 0; i < given; i++) {
		struct stripped *entry = &list[count];
		if (read_stripped(&received->items[i], entry) && !is_known(list, count, entry)) {
			count++;
			write_stripped(&out, entry->content, entry->sender, entry->state_key, entry->type);
		}
	}
	json_out_end(&out);
	return str_dup(arena, buf_str(&buf));
}

enum stripped_fault stripped_state_check(struct arena *arena, const struct room_version *version,
	struct room_id room_id, const struct json *received, struct event ***out, size_t *out_count)
{
	size_t count = json_is(received, JSON_ARRAY) ? received->count : 0;
	if (count > MAX_RECEIVED) {
		return STRIPPED_NO_PDU;
	}
	struct event **events = ARENA_NEW_ARRAY(arena, struct event *, count);
	bool has_create = false;
	for (size_t i = 0; i < count; i++) {
		struct verdict verdict = event_parse(arena, version, &received->items[i], &events[i]);
		if (!verdict.allowed || !events[i]->is_state) {
			return STRIPPED_NO_PDU;
		}
		if (!str_equals(events[i]->room_id.s, room_id.s)) {
			return STRIPPED_OTHER_ROOM;
		}
		has_create = has_create || event_is(events[i], STR("m.room.create"), STR(""));
	}
	if (!has_create) {
		return STRIPPED_NO_CREATE;
	}
	*out = events;
	*out_count = count;
	return STRIPPED_OK;
}
