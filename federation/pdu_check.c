/*
 * The border: bytes of others become events here and nowhere else. The hash is looked at before the signatures, for a
 * redacted form is signed just as well, and so events are handed to the keyring as they will be used.
 */
#include "federation/pdu_check.h"

#include "federation/keyring.h"
#include "homeserver/room/room_accept.h"
#include "matrix/redact.h"
#include "matrix/sign.h"

enum {
	TREE_FACTOR = 2,
	MAX_DEPTH = 2000, /* what is deeper than EVENT_MAX_NESTING is dropped with its id */
	MAX_VALUES =
		EVENT_MAX_BYTES, /* twice as many as there can be in an event: it may come with `unsigned` */
};

static void drop(struct pdu *pdu, const char *error)
{
	pdu->event = NULL;
	pdu->error = error;
}

static struct verdict parse(struct arena *arena, const struct pdu_room *room,
	const struct json *json, struct event **out)
{
	return room->is_history ? event_parse_history(arena, room->version, json, out)
							: event_parse(arena, room->version, json, out);
}

/* The form without whatever the sender's server did not mean: what the hash does not cover is not trusted. */
static const struct event *redacted(struct arena *arena, const struct pdu_room *room,
	const struct event *event)
{
	struct json *json = ARENA_NEW(arena, struct json);
	struct event *again = NULL;
	*json = redact_event(arena, event->version, event_json(arena, event));
	struct verdict verdict = parse(arena, room, json, &again);
	invariant(verdict.allowed); /* no key that is required goes */
	return again;
}

void pdu_read(struct arena *arena, const struct pdu_room *room, const struct json *json,
	struct pdu *out)
{
	struct event *event = NULL;
	*out = (struct pdu){0};
	struct verdict verdict = parse(arena, room, json, &event);
	if (!verdict.allowed) {
		drop(out, verdict.text);
		out->is_bad_json = str_equals(str_of(verdict.rule), STR("event.canonical"));
		if (!event_id_find(arena, room->version, json, &out->event_id)) {
			out->event_id.s = str_from(NULL, 0);
		}
		return;
	}
	out->event_id = event->event_id;
	if (!str_equals(event->room_id.s, room->room_id.s)) {
		drop(out, "The event is of another room");
		return;
	}
	out->is_redacted = !event_hash_is_valid(arena, event_json(arena, event));
	out->event = out->is_redacted ? redacted(arena, room, event) : event;
}

/* Of a PDU that lies in a scratch arena what outlives it: of the event its text and what views that, no tree but its content's. */
static void keep(struct arena *arena, struct arena *scratch, struct pdu *pdu)
{
	const struct event *event = pdu->event;
	if (event != NULL) {
		/* Read anew, so that its fields view the text that is kept. */
		event = event_load(scratch, event->version, event->raw, event->event_id, event->room_id);
		pdu->event = event_compact(arena, event);
		pdu->event_id = pdu->event->event_id;
	} else if (pdu->event_id.s.p != NULL) {
		pdu->event_id.s = str_dup(arena, pdu->event_id.s);
	}
}

void pdu_read_listed(struct arena *arena, const struct pdu_room *room, const struct json *json,
	size_t *spare_bytes, struct pdu *out)
{
	struct arena *scratch CLEANUP(arena_cleanup) = arena_create();
	struct json *whole = ARENA_NEW(scratch, struct json);
	size_t own_bytes = TREE_FACTOR * json_raw(json).n;
	size_t most_values = 1 + (own_bytes + *spare_bytes) / sizeof(struct json);
	const struct json_limits limits = {
		.max_depth = MAX_DEPTH,
		.max_values = MIN_OF(most_values, (size_t)MAX_VALUES),
	};
	enum json_error error = json_read(scratch, json, &limits, whole);
	if (error != JSON_OK) {
		*out = (struct pdu){0};
		drop(out, json_error_text(error));
		return;
	}
	pdu_read(scratch, room, whole, out);
	size_t before_bytes = arena_used_bytes(arena);
	keep(arena, scratch, out);
	size_t kept_bytes = arena_used_bytes(arena) - before_bytes;
	*spare_bytes -= MIN_OF(*spare_bytes, kept_bytes - MIN_OF(kept_bytes, own_bytes));
}

enum err pdu_check_signatures(struct ctx *ctx, struct federation *federation, struct pdu *pdus,
	size_t count)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	const struct event **events = ARENA_NEW_ARRAY(arena, const struct event *, count);
	struct pdu **owners = ARENA_NEW_ARRAY(arena, struct pdu *, count);
	enum signed_state *states = ARENA_NEW_ARRAY(arena, enum signed_state, count);
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		if (pdus[i].event != NULL) {
			owners[n] = &pdus[i];
			events[n++] = pdus[i].event;
		}
	}
	if (n == 0) {
		return ERR_OK;
	}
	TRY(keyring_check_events(ctx, federation, events, n, states));
	for (size_t i = 0; i < n; i++) {
		owners[i]->is_undecided = states[i] == SIGNED_UNKNOWN;
		if (states[i] != SIGNED) {
			drop(owners[i],
				owners[i]->is_undecided ? "A key by which the event is signed cannot be had"
										: "The event is not signed by all who have to");
		}
	}
	return ERR_OK;
}

enum err pdu_check_list(struct ctx *ctx, struct federation *federation, const struct pdu_room *room,
	const struct json *list, struct pdu **out, size_t *out_count)
{
	size_t count = json_is(list, JSON_ARRAY) ? list->count : 0;
	struct pdu *pdus = ARENA_NEW_ARRAY(ctx->arena, struct pdu, count);
	size_t spare_bytes = PDU_SPARE_BYTES;
	for (size_t i = 0; i < count; i++) {
		pdu_read_listed(ctx->arena, room, &list->items[i], &spare_bytes, &pdus[i]);
	}
	TRY(pdu_check_signatures(ctx, federation, pdus, count));
	*out = pdus;
	*out_count = count;
	return ERR_OK;
}

enum err pdu_is_let_in(struct ctx *ctx, struct federation *federation, struct room *room,
	struct server_name origin, const struct event *event, bool *out)
{
	struct server_name server = user_id_server(event->sender);
	TRY(room_allows_server(ctx, federation->hs, room, origin, out));
	if (*out && !server_name_equals(server, origin)) {
		TRY(room_allows_server(ctx, federation->hs, room, server, out));
	}
	return ERR_OK;
}
