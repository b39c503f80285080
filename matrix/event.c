/*
 * The view of a PDU. event_parse() reads what others sent: each key once, with its type and grammar, so
 * that nothing behind it asks whether an event is well-formed. event_load() reads what went through that
 * already. Both fill the same struct from the same keys.
 */
#include "matrix/event.h"

#include "matrix/canonical.h"
#include "matrix/event_inner.h"

/* An event that is being read; `event->tree` is set. */
struct reader {
	struct arena *arena;
	const struct room_version *version;
	enum event_maker maker;
	struct event *event;
};

/* Whether type and state key make it the create event. */
static bool is_create(struct str type, bool is_state, struct str state_key)
{
	return is_state && state_key.n == 0 && str_equals(type, STR("m.room.create"));
}

/* Which event a m.room.redaction redacts; p == NULL for others and when it names none. */
static struct str redacts_of(const struct room_version *version, struct str type,
	const struct json *event, const struct json *content)
{
	if (!str_equals(type, STR("m.room.redaction"))) {
		return str_from(NULL, 0);
	}
	return json_get_str(version->redacts_in_content ? content : event, STR("redacts"));
}

/* --- parts of a PDU of others ------------------------------------------------------------------ */

static struct verdict read_type(struct reader *r)
{
	struct event *event = r->event;
	event->type = json_get_str(event->tree, STR("type"));
	if (event->type.p == NULL) {
		return verdict_deny("event.type", "type must be a string");
	}
	const struct json *state_key = json_at(event->tree, "state_key");
	if (state_key != NULL && state_key->type != JSON_STRING) {
		return verdict_deny("event.state_key", "state_key must be a string");
	}
	event->is_state = state_key != NULL;
	event->state_key = event->is_state ? json_text(state_key) : str_from(NULL, 0);
	return verdict_allow();
}

static struct verdict read_content(struct reader *r)
{
	struct event *event = r->event;
	event->content = json_at(event->tree, "content");
	if (!json_is(event->content, JSON_OBJECT)) {
		return verdict_deny("event.content", "content must be an object");
	}
	const struct json *redacts = json_at(event->tree, "redacts");
	if (!r->version->redacts_in_content && redacts != NULL && redacts->type != JSON_STRING) {
		return verdict_deny("event.redacts", "redacts must be a string");
	}
	event->redacts = redacts_of(r->version, event->type, event->tree, event->content);
	return verdict_allow();
}

static struct verdict read_numbers(struct reader *r)
{
	struct event *event = r->event;
	if (!json_get_int(event->tree, STR("origin_server_ts"), INT64_MIN, INT64_MAX,
			&event->origin_server_ts)) {
		return verdict_deny("event.origin_server_ts", "origin_server_ts must be an integer");
	}
	if (!json_get_int(event->tree, STR("depth"), 0, INT64_MAX, &event->depth)) {
		return verdict_deny("event.depth", "depth must be an integer that is not negative");
	}
	return verdict_allow();
}

static struct verdict read_sender(struct reader *r)
{
	if (!user_id_parse(json_get_str(r->event->tree, STR("sender")), &r->event->sender)) {
		return verdict_deny("event.sender", "sender must be a user id");
	}
	return verdict_allow();
}

/* The room id that is sent. The create event of version 12 has none; it is computed later. */
static struct verdict read_room_id(struct reader *r)
{
	struct event *event = r->event;
	const struct json *room_id = json_at(event->tree, "room_id");
	if (room_id == NULL && r->version->room_id_is_create_hash &&
		is_create(event->type, event->is_state, event->state_key)) {
		return verdict_allow();
	}
	struct server_name server;
	if (!json_is(room_id, JSON_STRING) || !room_id_parse(json_text(room_id), &event->room_id) ||
		(!r->version->room_id_is_create_hash && !room_id_server(event->room_id, &server))) {
		return verdict_deny("event.room_id", "room_id must be a room id of the room's version");
	}
	return verdict_allow();
}

/* The event id in a reference: plain, or first of a pair [id, hashes] whose hashes are not looked at. */
static bool read_reference(const struct room_version *version, const struct json *reference,
	struct event_id *out)
{
	if (version->event_format == EVENT_FORMAT_V1) {
		if (reference->type != JSON_ARRAY || reference->count != 2 ||
			reference->items[1].type != JSON_OBJECT) {
			return false;
		}
		reference = &reference->items[0];
	}
	return reference->type == JSON_STRING && event_id_parse(json_text(reference), out);
}

/* @return false when the list is none or holds anything but references */
static bool read_references(struct reader *r, struct str key, size_t max,
	const struct event_id **out, size_t *out_count)
{
	const struct json *list = json_get(r->event->tree, key);
	if (!json_is(list, JSON_ARRAY)) {
		return false;
	}
	*out_count = list->count;
	/* Beyond that an event is refused by its count; in history by its size. */
	size_t count = r->maker == EVENT_OF_HISTORY ? list->count : MIN_OF(list->count, max);
	struct event_id *ids = ARENA_NEW_ARRAY(r->arena, struct event_id, count);
	for (size_t i = 0; i < count; i++) {
		if (!read_reference(r->version, &list->items[i], &ids[i])) {
			return false;
		}
	}
	*out = ids;
	return true;
}

static struct verdict read_edges(struct reader *r)
{
	struct event *event = r->event;
	if (!read_references(r, STR("prev_events"), EVENT_MAX_PREV_EVENTS, &event->prev_events,
			&event->prev_count)) {
		return verdict_deny("event.prev_events", "prev_events must be a list of events");
	}
	if (!read_references(r, STR("auth_events"), EVENT_MAX_AUTH_EVENTS, &event->auth_events,
			&event->auth_count)) {
		return verdict_deny("event.auth_events", "auth_events must be a list of events");
	}
	return verdict_allow();
}

static bool is_object_of_strings(const struct json *object)
{
	if (!json_is(object, JSON_OBJECT)) {
		return false;
	}
	for (size_t i = 0; i < object->count; i++) {
		if (object->members[i].value.type != JSON_STRING) {
			return false;
		}
	}
	return true;
}

static struct verdict check_proofs(struct reader *r)
{
	const struct json *hashes = json_at(r->event->tree, "hashes");
	if (!json_is(hashes, JSON_OBJECT) || !json_is(json_at(hashes, "sha256"), JSON_STRING)) {
		return verdict_deny("event.hashes", "hashes must be an object with a sha256");
	}
	const struct json *signatures = json_at(r->event->tree, "signatures");
	bool good = json_is(signatures, JSON_OBJECT);
	for (size_t i = 0; good && i < signatures->count; i++) {
		good = is_object_of_strings(&signatures->members[i].value);
	}
	if (!good) {
		return verdict_deny("event.signatures", "signatures must hold objects of strings");
	}
	return verdict_allow();
}

/* --- the whole --------------------------------------------------------------------------------- */

/* The PDU without what is never looked at. */
static struct json strip(struct arena *arena, const struct room_version *version,
	const struct json *json)
{
	static const struct str ignored[] = {STR_INIT("unsigned"), STR_INIT("event_id")};
	size_t count = version->event_format == EVENT_FORMAT_V1 ? 1 : COUNT_OF(ignored);
	return event_without(arena, json, ignored, count);
}

static bool write_raw(struct reader *r, const struct json *stripped)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, EVENT_MAX_BYTES);
	canonical_write(&buf, stripped);
	if (!buf_ok(&buf)) {
		return false;
	}
	r->event->raw = str_dup(r->arena, buf_str(&buf));
	return true;
}

/* @param json  without what is never looked at */
static bool find_event_id(struct arena *arena, const struct room_version *version,
	const struct json *json, struct event_id *out)
{
	struct server_name server;
	unsigned char hash[SHA256_BYTES];
	if (version->event_id_encoding == EVENT_ID_EXPLICIT) {
		return event_id_parse(json_get_str(json, STR("event_id")), out) &&
			event_id_server(*out, &server);
	}
	crypto_sha256(event_essential_text(arena, version, json), hash);
	*out = event_id_of_hash(arena, version, hash);
	return true;
}

bool event_id_find(struct arena *arena, const struct room_version *version, const struct json *json,
	struct event_id *out)
{
	if (!json_is(json, JSON_OBJECT)) {
		return false;
	}
	struct json stripped = strip(arena, version, json);
	return find_event_id(arena, version, &stripped, out);
}

static struct verdict read_event_id(struct reader *r)
{
	struct event *event = r->event;
	if (!find_event_id(r->arena, r->version, event->tree, &event->event_id)) {
		return verdict_deny("event.event_id", "event_id must be an event id with a server");
	}
	if (event->room_id.s.p == NULL) {
		event->room_id = event_room_of_create(r->arena, event->event_id);
	}
	return verdict_allow();
}

static struct verdict parse(struct arena *arena, const struct room_version *version,
	enum event_maker maker, const struct json *json, struct event **out)
{
	if (!json_is(json, JSON_OBJECT)) {
		return verdict_deny("event.shape", "An event must be an object");
	}
	struct event *event = ARENA_NEW(arena, struct event);
	struct json *stripped = ARENA_NEW(arena, struct json);
	*stripped = strip(arena, version, json);
	event->version = version;
	event->tree = stripped;
	struct reader r = {.arena = arena, .version = version, .maker = maker, .event = event};
	struct verdict verdict = event_check_values(version, stripped, 0);
	if (verdict.allowed && !write_raw(&r, stripped)) {
		verdict = event_too_large();
	}
	json_set_raw(stripped, event->raw);
	static struct verdict (*const steps[])(struct reader *) = {read_type, read_content,
		read_numbers, read_sender, read_room_id, read_edges, check_proofs};
	for (size_t i = 0; verdict.allowed && i < COUNT_OF(steps); i++) {
		verdict = steps[i](&r);
	}
	if (verdict.allowed) {
		verdict = event_check_sizes(event, maker);
	}
	if (verdict.allowed) {
		verdict = read_event_id(&r);
	}
	if (verdict.allowed) {
		*out = event;
	}
	return verdict;
}

struct verdict event_parse(struct arena *arena, const struct room_version *version,
	const struct json *json, struct event **out)
{
	return parse(arena, version, EVENT_OF_OTHERS, json, out);
}

struct verdict event_parse_history(struct arena *arena, const struct room_version *version,
	const struct json *json, struct event **out)
{
	return parse(arena, version, EVENT_OF_HISTORY, json, out);
}

/* --- our own storage --------------------------------------------------------------------------- */

static const struct event_id *load_references(struct arena *arena,
	const struct room_version *version, const struct json *list, size_t *out_count)
{
	size_t count = json_is(list, JSON_ARRAY) ? list->count : 0;
	struct event_id *ids = ARENA_NEW_ARRAY(arena, struct event_id, count);
	for (size_t i = 0; i < count; i++) {
		const struct json *item = &list->items[i];
		bool is_pair =
			version->event_format == EVENT_FORMAT_V1 && item->type == JSON_ARRAY && item->count > 0;
		ids[i].s = is_pair ? json_text(&item->items[0]) : json_text(item);
	}
	*out_count = count;
	return ids;
}

/* Sets the field that the key belongs to. */
static void load_member(struct arena *arena, struct event *event, const struct json_member *member)
{
	struct str key = member->key;
	const struct json *value = &member->value;
	if (str_equals(key, STR("type"))) {
		event->type = json_text(value);
	} else if (str_equals(key, STR("content"))) {
		event->content = value;
	} else if (str_equals(key, STR("sender"))) {
		event->sender.s = json_text(value);
	} else if (str_equals(key, STR("state_key"))) {
		event->is_state = true;
		event->state_key = json_text(value);
	} else if (str_equals(key, STR("origin_server_ts"))) {
		event->origin_server_ts = value->integer;
	} else if (str_equals(key, STR("depth"))) {
		event->depth = value->integer;
	} else if (str_equals(key, STR("prev_events"))) {
		event->prev_events = load_references(arena, event->version, value, &event->prev_count);
	} else if (str_equals(key, STR("auth_events"))) {
		event->auth_events = load_references(arena, event->version, value, &event->auth_count);
	}
}

static const struct json *parse_own(struct arena *arena, struct str raw)
{
	static const struct json_limits limits = {.max_depth = EVENT_MAX_NESTING};
	struct json *json = ARENA_NEW(arena, struct json);
	enum json_error error = json_parse(arena, raw, &limits, json, NULL);
	invariant(error == JSON_OK && json->type == JSON_OBJECT);
	return json;
}

struct event *event_load(struct arena *arena, const struct room_version *version, struct str raw,
	struct event_id event_id, struct room_id room_id)
{
	static const struct json no_content = {.type = JSON_OBJECT};
	struct event *event = ARENA_NEW(arena, struct event);
	const struct json *json = parse_own(arena, raw);
	event->version = version;
	event->event_id = event_id;
	event->room_id = room_id;
	event->content = &no_content;
	event->tree = json;
	event->raw = raw;
	for (size_t i = 0; i < json->count; i++) {
		load_member(arena, event, &json->members[i]);
	}
	event->redacts = redacts_of(version, event->type, json, event->content);
	return event;
}

static const struct event_id *move_references(struct arena *arena, const struct event_id *from,
	size_t count, const struct event *event, struct str raw)
{
	struct event_id *ids = ARENA_NEW_ARRAY(arena, struct event_id, count);
	for (size_t i = 0; i < count; i++) {
		ids[i].s = str_dup_within(arena, from[i].s, event->raw, raw);
	}
	return ids;
}

struct event *event_compact(struct arena *arena, const struct event *event)
{
	struct event *own = ARENA_NEW(arena, struct event);
	struct json *content = ARENA_NEW(arena, struct json);
	struct str raw = str_dup(arena, event->raw);
	*own = *event;
	own->raw = raw;
	own->tree = NULL;
	own->event_id.s = str_dup_within(arena, event->event_id.s, event->raw, raw);
	own->room_id.s = str_dup_within(arena, event->room_id.s, event->raw, raw);
	own->sender.s = str_dup_within(arena, event->sender.s, event->raw, raw);
	own->type = str_dup_within(arena, event->type, event->raw, raw);
	own->state_key = str_dup_within(arena, event->state_key, event->raw, raw);
	own->redacts = str_dup_within(arena, event->redacts, event->raw, raw);
	own->prev_events = move_references(arena, event->prev_events, event->prev_count, event, raw);
	own->auth_events = move_references(arena, event->auth_events, event->auth_count, event, raw);
	*content = json_dup_within(arena, event->content, event->raw, raw);
	own->content = content;
	return own;
}

/* --- questions --------------------------------------------------------------------------------- */

const struct json *event_json(struct arena *arena, const struct event *event)
{
	return event->tree != NULL ? event->tree : parse_own(arena, event->raw);
}

bool event_is(const struct event *event, struct str type, struct str state_key)
{
	return event->is_state && str_equals(event->type, type) &&
		str_equals(event->state_key, state_key);
}

bool event_stands_on(const struct event *event, const struct event *other)
{
	for (size_t i = 0; i < event->auth_count; i++) {
		if (str_equals(event->auth_events[i].s, other->event_id.s)) {
			return true;
		}
	}
	return false;
}

struct str event_membership(const struct event *event)
{
	struct str membership = json_get_str(event->content, STR("membership"));
	return membership.p != NULL ? membership : STR("");
}
