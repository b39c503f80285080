/*
 * Rooms for tests; see room_builder.h.
 */
#include "tests/support/room_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_out.h"
#include "matrix/auth.h"

enum { EVENT_BYTES = 4 << 20 };

static void give_up(const char *what, const char *text, const char *detail)
{
	fprintf(stderr, "room_builder: %s: %s (%s)\n", what, text, detail != NULL ? detail : "");
	abort();
}

void made_room_builder_init(struct room_builder *room, struct arena *arena, const char *version)
{
	*room = (struct room_builder){.arena = arena, .ts = 1000};
	room->version = room_version_find(str_of(version));
	invariant(room->version != NULL);
	if (!room->version->room_id_is_create_hash) {
		room->room_id = STR("!room:a.example");
	}
	state_map_init(&room->state, arena);
	map_init(&room->events);
}

void made_room_builder_fini(struct room_builder *room)
{
	map_fini(&room->events);
}

int made_room_builder_version(const struct room_builder *room)
{
	int64_t number = 0;
	invariant(str_to_int(room->version->id, 1, 99, &number));
	return (int)number;
}

struct json *made_room_json(struct arena *arena, const char *text)
{
	const size_t n = strlen(text);
	char *copy = arena_dup(arena, text, n);
	for (size_t i = 0; i < n; i++) {
		copy[i] = copy[i] == '\'' ? '"' : copy[i];
	}
	struct json *value = ARENA_NEW(arena, struct json);
	if (json_parse(arena, str_from(copy, n), NULL, value, NULL) != JSON_OK) {
		give_up("no JSON", text, NULL);
	}
	return value;
}

/* "id", or ["id", {}] in the format of versions 1 and 2. */
static void write_reference(const struct room_builder *room, struct json_out *out, struct str id)
{
	if (room->version->event_format == EVENT_FORMAT_V3) {
		json_out_str(out, id);
		return;
	}
	json_out_array(out);
	json_out_str(out, id);
	json_out_object(out);
	json_out_key_str(out, "sha256", STR("PhJ5eQfHQUyBTnrYSTUJ5pNVoSvxVXPmBN3pdKKlVcs"));
	json_out_end(out);
	json_out_end(out);
}

static void write_prev(const struct room_builder *room, const struct room_draft *draft,
	struct json_out *out)
{
	json_out_key_array(out, "prev_events");
	for (size_t i = 0; i < draft->prev_count; i++) {
		write_reference(room, out, draft->prev[i]->event_id.s);
	}
	if (draft->prev_count == 0 && room->last != NULL && !draft->has_no_prev) {
		write_reference(room, out, room->last->event_id.s);
	}
	json_out_end(out);
}

static void write_auth(struct room_builder *room, const struct room_draft *draft,
	const struct json *content, struct json_out *out)
{
	json_out_key_array(out, "auth_events");
	for (size_t i = 0; draft->has_auth && i < draft->auth_count; i++) {
		write_reference(room, out, draft->auth[i]->event_id.s);
	}
	struct auth_key *keys = NULL;
	const size_t n = draft->has_auth
		? 0
		: auth_select(room->arena, room->version, str_of(draft->type), draft->state_key != NULL,
			  str_of(draft->state_key), (struct user_id){str_of(draft->sender)}, content, &keys);
	for (size_t i = 0; i < n; i++) {
		const struct event *event = state_map_get(&room->state, keys[i].type, keys[i].state_key);
		if (event != NULL) {
			write_reference(room, out, event->event_id.s);
		}
	}
	json_out_end(out);
}

static struct str domain_of(struct str user)
{
	struct str localpart;
	struct str domain;
	return str_split(user, ':', &localpart, &domain) ? domain : STR("");
}

static void write_signatures(struct room_builder *room, const struct room_draft *draft,
	struct json_out *out)
{
	json_out_key(out, STR("signatures"));
	if (draft->signatures != NULL) {
		json_out_value(out, made_room_json(room->arena, draft->signatures));
		return;
	}
	json_out_object(out);
	json_out_key(out, domain_of(str_of(draft->sender)));
	json_out_object(out);
	json_out_key_str(out, "ed25519:1", STR("c2lnbmF0dXJl"));
	json_out_end(out);
	json_out_end(out);
}

static void write_ids(struct room_builder *room, const struct room_draft *draft,
	struct json_out *out)
{
	if (room->version->event_id_encoding == EVENT_ID_EXPLICIT) {
		json_out_key_str(out, "event_id",
			str_printf(room->arena, "$%zu:%.*s", room->events.n,
				STR_ARG(domain_of(str_of(draft->sender)))));
	}
	if (draft->room_id != NULL) {
		json_out_key_str(out, "room_id", str_of(draft->room_id));
	} else if (room->room_id.n > 0) {
		json_out_key_str(out, "room_id", room->room_id);
	}
}

static void write_redacts(const struct room_builder *room, const struct room_draft *draft,
	struct json_out *out)
{
	if (draft->redacts != NULL && !room->version->redacts_in_content) {
		json_out_key_str(out, "redacts", str_of(draft->redacts));
	}
}

struct json *made_room_draft_json(struct room_builder *room, const struct room_draft *draft)
{
	const struct json *content =
		made_room_json(room->arena, draft->content != NULL ? draft->content : "{}");
	struct buf text CLEANUP(buf_fini) = {0};
	buf_init(&text, EVENT_BYTES);
	struct json_out out;
	json_out_init(&out, &text);
	json_out_object(&out);
	write_ids(room, draft, &out);
	json_out_key_str(&out, "sender", str_of(draft->sender));
	json_out_key_str(&out, "type", str_of(draft->type));
	if (draft->state_key != NULL) {
		json_out_key_str(&out, "state_key", str_of(draft->state_key));
	}
	json_out_key_value(&out, "content", content);
	write_redacts(room, draft, &out);
	json_out_key_int(&out, "origin_server_ts", draft->ts != 0 ? draft->ts : room->ts++);
	const int64_t next = room->last != NULL && !draft->has_no_prev ? room->last->depth + 1 : 1;
	json_out_key_int(&out, "depth", draft->depth != 0 ? draft->depth : next);
	write_prev(room, draft, &out);
	write_auth(room, draft, content, &out);
	json_out_key_raw(&out, "hashes",
		STR("{\"sha256\":\"PhJ5eQfHQUyBTnrYSTUJ5pNVoSvxVXPmBN3pdKKlVcs\"}"));
	write_signatures(room, draft, &out);
	json_out_end(&out);
	invariant(buf_ok(&text));
	struct json *pdu = ARENA_NEW(room->arena, struct json);
	invariant(
		json_parse(room->arena, str_dup(room->arena, buf_str(&text)), NULL, pdu, NULL) == JSON_OK);
	return pdu;
}

struct event *made_room_make(struct room_builder *room, const struct room_draft *draft)
{
	struct event *event = NULL;
	const struct verdict verdict =
		event_parse(room->arena, room->version, made_room_draft_json(room, draft), &event);
	if (!verdict.allowed) {
		give_up(draft->type, verdict.text, verdict.rule);
	}
	(void)map_set(&room->events, event->event_id.s, event);
	return event;
}

void made_room_apply(struct room_builder *room, const struct event *event)
{
	room->last = event;
	if (event->is_state) {
		(void)state_map_put(&room->state, event);
	}
	if (str_equals(event->type, STR("m.room.create"))) {
		room->room_id = event->room_id.s;
	}
}

const struct event *made_room_add(struct room_builder *room, const struct room_draft *draft)
{
	const struct event *event = made_room_make(room, draft);
	const struct state_view view = state_map_view(&room->state);
	const struct verdict verdict = auth_check(event, &view);
	if (!verdict.allowed) {
		give_up(draft->type, verdict.text, verdict.rule);
	}
	made_room_apply(room, event);
	return event;
}

const struct event *made_room_add_create(struct room_builder *room, const char *creator,
	const char *more_content)
{
	const char *comma = more_content != NULL ? "," : "";
	const char *more = more_content != NULL ? more_content : "";
	const char *content = arena_printf(room->arena, "{'room_version':'%.*s'%s%s}",
		STR_ARG(room->version->id), comma, more);
	if (!room->version->creator_is_sender) {
		content = arena_printf(room->arena, "{'room_version':'%.*s','creator':'%s'%s%s}",
			STR_ARG(room->version->id), creator, comma, more);
	}
	return made_room_add(room,
		&(struct room_draft){.sender = creator,
			.type = "m.room.create",
			.state_key = "",
			.content = content});
}

const struct event *made_room_add_member(struct room_builder *room, const char *sender,
	const char *user, const char *membership)
{
	return made_room_add(room,
		&(struct room_draft){.sender = sender,
			.type = "m.room.member",
			.state_key = user,
			.content = arena_printf(room->arena, "{'membership':'%s'}", membership)});
}

const struct event *made_room_add_state(struct room_builder *room, const char *sender,
	const char *type, const char *content)
{
	return made_room_add(room,
		&(struct room_draft){.sender = sender, .type = type, .state_key = "", .content = content});
}

static const struct event *source_get(void *self, struct event_id id)
{
	struct room_builder *room = self;
	room->fetches++;
	return map_get(&room->events, id.s);
}

static bool source_is_rejected(void *self, struct event_id id)
{
	(void)self;
	(void)id;
	return false;
}

struct event_source made_room_source(struct room_builder *room)
{
	return (struct event_source){
		.get = source_get,
		.is_rejected = source_is_rejected,
		.self = room,
	};
}

struct state_map made_room_state_of(struct room_builder *room, const struct event *const *events,
	size_t n)
{
	struct state_map map;
	state_map_init(&map, room->arena);
	for (size_t i = 0; i < n; i++) {
		(void)state_map_put(&map, events[i]);
	}
	return map;
}

struct state_map made_room_state_copy(struct room_builder *room)
{
	struct state_map map;
	state_map_init(&map, room->arena);
	size_t at = 0;
	const struct event *event;
	while ((event = state_map_next(&room->state, &at)) != NULL) {
		(void)state_map_put(&map, event);
	}
	return map;
}
