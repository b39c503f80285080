/*
 * The rooms in a space, as its m.space.child events say.
 */
#include "homeserver/space/space_inner.h"

enum err space_children_load(struct ctx *ctx, struct homeserver *hs,
	const struct space_summary *summary, bool suggested_only, struct space_children *out)
{
	const struct state_query query = {.without_members = true};
	struct state_item *items;
	size_t count;
	struct str room_type = summary->content.room_type;
	*out = (struct space_children){0};
	if (room_type.p == NULL || !str_equals(room_type, STR("m.space"))) {
		return ERR_OK;
	}
	TRY(room_state_list(ctx, hs, summary->room, POSITION_NOW, &query, &items, &count));
	out->p = ARENA_NEW_ARRAY(ctx->arena, struct space_child, count);
	for (size_t i = 0; i < count; i++) {
		const struct event *event = items[i].event->event;
		struct space_child child;
		bool is_child = str_equals(items[i].type, STR("m.space.child")) &&
			space_child_read(items[i].state_key, event->sender.s, event->origin_server_ts,
				event->content, &child);
		if (is_child && (child.is_suggested || !suggested_only)) {
			out->p[out->n++] = child;
		}
	}
	space_child_sort(out->p, out->n);
	out->n = MIN_OF(out->n, (size_t)SPACE_CHILDREN_MAX);
	return ERR_OK;
}

static void write_child(const struct space_child *child, struct json_out *out)
{
	json_out_object(out);
	json_out_key_str(out, "type", STR("m.space.child"));
	json_out_key_str(out, "state_key", child->room_id);
	json_out_key_value(out, "content", child->content);
	json_out_key_str(out, "sender", child->sender);
	json_out_key_int(out, "origin_server_ts", child->origin_server_ts);
	json_out_end(out);
}

void space_children_write(const struct space_children *children, struct json_out *out)
{
	json_out_key_array(out, "children_state");
	for (size_t i = 0; i < children->n; i++) {
		write_child(&children->p[i], out);
	}
	json_out_end(out);
}
