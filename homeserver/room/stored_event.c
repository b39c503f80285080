/*
 * Loading an event that is stored: one arena per event, freed with the last reference. The text
 * that clients get is rendered here once and spliced into every answer.
 */
#include "homeserver/room/stored_event.h"

#include "base/arena_sized.h"
#include "base/json_out.h"

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

/* What is kept of an event, all of it in the arena. */
static struct stored_event *keep(struct arena *arena, const struct event_row *row,
	const struct event *event, struct str client_members)
{
	struct stored_event *stored = ARENA_NEW(arena, struct stored_event);
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
	stored->event = event_compact(arena, event);
	stored->client_members = str_dup(arena, client_members);
	return stored;
}

struct stored_event *stored_event_create(const struct room_version *version, struct str room_id,
	const struct event_row *row)
{
	struct arena *scratch CLEANUP(arena_cleanup) = arena_create();
	const struct event *event = event_load(scratch, version, row->json,
		(struct event_id){row->event_id}, (struct room_id){room_id});
	struct str client_members = render_client_members(scratch, event);
	/* Kept twice, to see how much it takes: there are many, and they live long. */
	size_t before = arena_used_bytes(scratch);
	(void)keep(scratch, row, event, client_members);
	struct arena *arena = arena_create_sized(arena_used_bytes(scratch) - before);
	struct stored_event *stored = keep(arena, row, event, client_members);
	stored->size_bytes = arena_held_bytes(arena);
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
