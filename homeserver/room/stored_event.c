/*
 * Loading an event that is stored: one arena per event, freed with the last reference. The text
 * that clients get is rendered here once and spliced into every answer.
 */
#include "homeserver/room/stored_event.h"

#include "base/arena_sized.h"
#include "base/json_out.h"
#include "base/mem.h"

/* What an event holds besides its text, the tree of that, and what clients get: these are 2.5 times the text, as measured. */
enum { EVENT_BYTES = 1536 };

/* Clients find what a redaction redacts in either place, whichever the room's version has. */
static struct json client_content(struct arena *arena, const struct event *event)
{
	return event->redacts.p != NULL && json_at(event->content, "redacts") == NULL
		? json_with(arena, event->content, STR("redacts"), json_string(event->redacts))
		: *event->content;
}

static struct str render_client_members(struct arena *arena, const struct event *event)
{
	struct json content = client_content(arena, event);
	struct buf buf;
	struct json_out out;
	buf_init(&buf, (size_t)4 * EVENT_MAX_BYTES);
	json_out_init(&out, &buf);
	json_out_object(&out);
	json_out_key_value(&out, "content", &content);
	json_out_key_str(&out, "event_id", event->event_id.s);
	json_out_key_int(&out, "origin_server_ts", event->origin_server_ts);
	if (event->redacts.p != NULL) {
		json_out_key_str(&out, "redacts", event->redacts);
	}
	json_out_key_str(&out, "sender", event->sender.s);
	if (event->is_state) {
		json_out_key_str(&out, "state_key", event->state_key);
	}
	json_out_key_str(&out, "type", event->type);
	json_out_end(&out);
	struct str text = str_dup(arena, buf_str(&buf));
	buf_fini(&buf);
	return str_slice(text, 1, text.n - 1);
}

struct stored_event *stored_event_create(const struct room_version *version, struct str room_id,
	const struct event_row *row)
{
	struct arena *arena = arena_create_sized(EVENT_BYTES + row->json.n * 5 / 2);
	struct stored_event *stored = mem_alloc(sizeof(*stored));
	refc_init(&stored->refc);
	stored->arena = arena;
	stored->room_nid = row->room_nid;
	stored->position = row->position;
	stored->replaces_position = row->replaces_position;
	stored->notify_seq = row->notify_seq;
	stored->highlight_seq = row->highlight_seq;
	stored->redacted_by = row->redacted_by;
	stored->fate = row->fate;
	if (row->thread_root.p != NULL) {
		stored->thread_root = str_dup(arena, row->thread_root);
	}
	if (row->txn.p != NULL) {
		(void)str_split(str_dup(arena, row->txn), EVENT_TXN_SEPARATOR, &stored->txn_device,
			&stored->txn_id);
	}
	struct event_id event_id = {str_dup(arena, row->event_id)};
	struct room_id id = {str_dup(arena, room_id)};
	stored->event = event_load(arena, version, str_dup(arena, row->json), event_id, id);
	stored->client_members = render_client_members(arena, stored->event);
	stored->size_bytes = arena_held_bytes(arena) + sizeof(*stored);
	return stored;
}

void stored_event_ref(struct stored_event *event)
{
	refc_take(&event->refc);
}

void stored_event_unref(struct stored_event *event)
{
	if (event != NULL && refc_drop(&event->refc)) {
		arena_destroy(event->arena);
		mem_free(event);
	}
}

static void unref_hook(void *data)
{
	stored_event_unref(data);
}

void stored_event_until_reset(struct arena *arena, struct stored_event *event)
{
	arena_on_reset(arena, unref_hook, event);
}
