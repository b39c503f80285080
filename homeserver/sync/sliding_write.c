/*
 * The answer: positions, how many rooms each list is of, and the rooms.
 */
#include "homeserver/sync/sliding_inner.h"

static void write_or_null(struct json_out *out, struct str text)
{
	if (text.p != NULL) {
		json_out_str(out, text);
	} else {
		json_out_null(out);
	}
}

/* A field of a member event, where it is a text. */
static void write_field(struct json_out *out, struct str key, const struct stored_event *member,
	struct str field)
{
	struct str text = json_get_str(member->event->content, field);
	if (text.p != NULL) {
		json_out_key(out, key);
		json_out_str(out, text);
	}
}

static void write_heroes(const struct sliding_part *part, struct json_out *out)
{
	json_out_key_array(out, "heroes");
	for (size_t i = 0; i < part->hero_n; i++) {
		json_out_object(out);
		json_out_key_str(out, "user_id", part->heroes[i]);
		if (part->hero_members[i] != NULL) {
			write_field(out, STR("displayname"), part->hero_members[i], STR("displayname"));
			write_field(out, STR("avatar_url"), part->hero_members[i], STR("avatar_url"));
		}
		json_out_end(out);
	}
	json_out_end(out);
}

/* Whoever begins with a room knows of none that it has no name. */
static void write_summary(const struct sliding_part *part, struct json_out *out)
{
	if (part->tells_name && (part->name.p != NULL || !part->is_initial)) {
		json_out_key_lit(out, "name");
		write_or_null(out, part->name);
	}
	if (part->tells_avatar && (part->avatar.p != NULL || !part->is_initial)) {
		json_out_key_lit(out, "avatar");
		write_or_null(out, part->avatar);
	}
	if (part->heroes != NULL) {
		write_heroes(part, out);
	}
	if (part->tells_members) {
		json_out_key_int(out, "joined_count", part->counts.joined);
		json_out_key_int(out, "invited_count", part->counts.invited);
	}
}

static void write_batch(struct json_out *out, struct str key, const struct event_batch *batch)
{
	json_out_key(out, key);
	json_out_array(out);
	event_view_write_all(batch, out);
	json_out_end(out);
}

static void write_timeline(const struct sliding_run *run, const struct sliding_part *part,
	struct json_out *out)
{
	write_batch(out, STR("timeline"), part->timeline_batch);
	json_out_key_str(out, "prev_batch",
		token_text(run->ctx->arena, (struct token){.position = part->start}));
	json_out_key_bool(out, "limited", part->is_limited);
	json_out_key_int(out, "num_live", part->live_n);
	if (part->is_expanded) {
		json_out_key_bool(out, "unstable_expanded_timeline", true);
	}
}

static void write_inside(const struct sliding_run *run, const struct sliding_part *part,
	struct json_out *out)
{
	write_summary(part, out);
	if (part->is_initial || part->state.n > 0) {
		write_batch(out, STR("required_state"), part->state_batch);
	}
	if (part->has_timeline) {
		write_timeline(run, part, out);
	}
	if (!part->is_left) {
		json_out_key_int(out, "notification_count", part->unread.notification_count);
		json_out_key_int(out, "highlight_count", part->unread.highlight_count);
	}
}

static void write_room(const struct sliding_run *run, const struct sliding_place *place,
	struct json_out *out)
{
	const struct sliding_part *part = place->part;
	json_out_object(out);
	if (part->is_initial) {
		json_out_key_bool(out, "initial", true);
	}
	json_out_key_str(out, "membership", place->entry.membership);
	if (part->bump_stamp > 0) {
		json_out_key_int(out, "bump_stamp", part->bump_stamp);
	}
	if (part->tells_direct) {
		json_out_key_bool(out, "is_dm", part->is_direct);
	}
	if (part->is_outside) {
		const struct str stripped = place->entry.stripped;
		json_out_key_raw(out, "invite_state", stripped.p != NULL ? stripped : STR("[]"));
	} else {
		write_inside(run, part, out);
	}
	json_out_end(out);
}

static void write_lists(const struct sliding_run *run, struct json_out *out)
{
	json_out_key_object(out, "lists");
	for (size_t i = 0; i < run->request->list_n; i++) {
		json_out_key(out, run->windows[i].list->name);
		json_out_object(out);
		json_out_key_int(out, "count", run->windows[i].count);
		json_out_end(out);
	}
	json_out_end(out);
}

void sliding_write(const struct sliding_run *run, int64_t connection, struct json_out *out)
{
	const struct token next = {
		.position = run->end.up_to,
		.ephemeral = run->end.ephemeral,
		.connection = connection,
	};
	json_out_object(out);
	json_out_key_str(out, "pos", token_text(run->ctx->arena, next));
	write_lists(run, out);
	json_out_key_object(out, "rooms");
	for (size_t i = 0; i < run->place_n; i++) {
		if (run->places[i].part != NULL) {
			json_out_key(out, room_id_of(run->places[i].entry.room).s);
			write_room(run, &run->places[i], out);
		}
	}
	json_out_end(out);
	sliding_told_write(run, out);
	json_out_end(out);
}
