/*
 * Servers of before v1.16 send stripped events, which nobody has signed: in rooms of versions that are as old these pass, cut down to the
 * four keys that clients know.
 */
#include "federation/stripped_in.h"

#include "federation/pdu_check.h"
#include "matrix/stripped.h"

enum { MAX_EVENTS = 100 };

static struct pdu_room room_of(const struct event *member)
{
	return (struct pdu_room){.version = member->version, .room_id = member->room_id};
}

enum err stripped_in_check(struct ctx *ctx, struct federation *federation,
	const struct event *member, const struct json *received, const char **out_error)
{
	struct event **events;
	size_t count;
	*out_error = NULL;
	switch (stripped_state_check(ctx->arena, member->version, member->room_id, received, &events,
		&count)) {
	case STRIPPED_OK:
		break;
	case STRIPPED_NO_CREATE:
		*out_error = "The state lacks m.room.create";
		return ERR_OK;
	case STRIPPED_NO_PDU:
		*out_error = "The state has an entry that is no event of the room's version";
		return ERR_OK;
	case STRIPPED_OTHER_ROOM:
		*out_error = "The state has an event of another room";
		return ERR_OK;
	}
	struct pdu_room room = room_of(member);
	struct pdu *pdus;
	TRY(pdu_check_list(ctx, federation, &room, received, &pdus, &count));
	for (size_t i = 0; i < count; i++) {
		*out_error = pdus[i].event == NULL ? pdus[i].error : *out_error;
	}
	return ERR_OK;
}

/* Whether it claims to be a PDU, so that its signature counts. */
static bool is_pdu(const struct json *entry)
{
	return json_at(entry, "signatures") != NULL || json_at(entry, "auth_events") != NULL;
}

enum err stripped_in_text(struct ctx *ctx, struct federation *federation,
	const struct event *member, const struct json *received, struct str *out)
{
	struct json first = {.type = JSON_ARRAY};
	if (received != NULL && received->type == JSON_ARRAY) {
		first.items = received->items;
		first.count = MIN_OF(received->count, (size_t)MAX_EVENTS);
	}
	struct json *items = ARENA_NEW_ARRAY(ctx->arena, struct json, first.count + 1);
	struct json list = {.type = JSON_ARRAY, .items = items};
	struct pdu_room room = room_of(member);
	struct pdu *pdus;
	size_t count;
	TRY(pdu_check_list(ctx, federation, &room, &first, &pdus, &count));
	items[list.count++] = *event_json(ctx->arena, member);
	for (size_t i = 0; first.items != NULL && i < count; i++) {
		bool is_old_form = !member->version->room_id_is_create_hash && !is_pdu(&first.items[i]);
		if (pdus[i].event != NULL) {
			items[list.count++] = *event_json(ctx->arena, pdus[i].event);
		} else if (is_old_form) {
			items[list.count++] = first.items[i];
		}
	}
	*out = stripped_state_prune(ctx->arena, &list);
	return ERR_OK;
}
