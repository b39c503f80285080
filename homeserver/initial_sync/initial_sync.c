/*
 * Everything is loaded before the first byte is written. All rooms are taken at one position, so that /events goes on from it
 * without a gap.
 */
#include "homeserver/initial_sync/initial_sync.h"

#include "homeserver/person/persons.h"
#include "homeserver/presence/presence.h"
#include "homeserver/typing/typing.h"
#include "storage/room.h"

struct room_snapshot {
	struct room *room;
	struct str membership;      /* n == 0: none that the answer knows a word for */
	struct event_batch *invite; /* NULL: not invited */
	bool has_content;           /* all below */
	struct reading reading;
	struct page page; /* newest first */
	struct event_batch *messages;
	struct event_batch *state;
	bool is_published;
	struct account_data_item *data;
	size_t data_n;
};

struct snapshot {
	struct ctx *ctx;
	struct homeserver *hs;
	const struct initial_sync_ask *ask;
	struct user *user;
	int64_t up_to;
	struct room_snapshot **rooms;
	size_t room_n;
	struct account_data_item *data;
	size_t data_n;
	struct presence_view *presence;
	size_t presence_n;
};

enum err initial_sync_begin(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct user **out, int64_t *out_position)
{
	do {
		TRY(users_get(ctx, hs, who->user.s, out));
		*out_position = writer_position(hs->writer);
	} while (!user_is_active(*out));
	user_touch(*out);
	return ERR_OK;
}

/* --- one room ------------------------------------------------------------------------------------------------- */

static enum err load_messages(struct snapshot *snapshot, struct room_snapshot *part, int64_t up_to,
	bool shows_own_changes)
{
	const struct page_query query = {
		.viewer = part->reading.viewer,
		.user_id = snapshot->ask->who->user.s,
		.ignored = part->reading.view.ignored,
		.after = ROOM_OUTLIERS,
		.up_to = up_to,
		.is_backwards = true,
		.limit = snapshot->ask->limit,
		.scan_limit = READING_SCAN_LIMIT,
		.shows_own_changes = shows_own_changes,
	};
	TRY(page_fill(snapshot->ctx, snapshot->hs, part->room, &query, &part->page));
	return event_view_prepare(snapshot->ctx, snapshot->hs, part->room, &part->reading.view,
		part->page.events, part->page.n, &part->messages);
}

static enum err load_state(struct snapshot *snapshot, struct room_snapshot *part, int64_t up_to)
{
	const struct state_query query = {0};
	enum err whole = room_await_whole(snapshot->ctx, snapshot->hs, part->room);
	if (whole != ERR_OK && whole != ERR_TIMEOUT) {
		return whole;
	}
	snapshot->ctx->fault =
		(struct fault){0}; /* one room more or less whole is no reason to tell of none */
	struct state_item *items;
	size_t count;
	TRY(room_state_list(snapshot->ctx, snapshot->hs, part->room, up_to, &query, &items, &count));
	struct stored_event **events =
		ARENA_NEW_ARRAY(snapshot->ctx->arena, struct stored_event *, count);
	for (size_t i = 0; i < count; i++) {
		events[i] = items[i].event;
	}
	struct event_view *view = ARENA_NEW(snapshot->ctx->arena, struct event_view);
	*view = part->reading.view;
	view->is_state = true;
	view->viewer = NULL;
	return event_view_prepare(snapshot->ctx, snapshot->hs, part->room, view, events, count,
		&part->state);
}

/* What the user may know of the room; its reading has begun. */
static enum err load_content(struct snapshot *snapshot, struct room_snapshot *part, int64_t last,
	bool shows_own_changes)
{
	struct ctx *ctx = snapshot->ctx;
	struct homeserver *hs = snapshot->hs;
	int64_t up_to = MIN_OF(MIN_OF(last, snapshot->up_to), part->reading.view.up_to);
	part->has_content = true;
	part->reading.view.up_to = up_to;
	TRY(load_messages(snapshot, part, up_to, shows_own_changes));
	TRY(load_state(snapshot, part, up_to));
	TRY(store_room_is_published(ctx, hs->db, room_nid(part->room), &part->is_published));
	return account_data_changes(ctx, hs, snapshot->user, room_nid(part->room), 0, snapshot->up_to,
		&part->data, &part->data_n);
}

static void write_messages(const struct snapshot *snapshot, const struct room_snapshot *part,
	struct json_out *out)
{
	const struct page *page = &part->page;
	struct arena *arena = snapshot->ctx->arena;
	json_out_key_object(out, "messages");
	if (!page->is_end) {
		json_out_key_str(out, "start",
			token_text(arena, (struct token){.position = page->reached}));
	}
	json_out_key_str(out, "end",
		token_text(arena, (struct token){.position = part->reading.view.up_to}));
	json_out_key_array(out, "chunk");
	for (size_t i = page->n; i > 0; i--) {
		event_view_write(part->messages, i - 1, out);
	}
	json_out_end(out);
	json_out_end(out);
}

static void write_room(const struct snapshot *snapshot, const struct room_snapshot *part,
	struct json_out *out)
{
	json_out_object(out);
	json_out_key_str(out, "room_id", room_id_of(part->room).s);
	if (part->membership.n > 0) {
		json_out_key_str(out, "membership", part->membership);
	}
	if (part->invite != NULL) {
		json_out_key(out, STR("invite"));
		event_view_write(part->invite, 0, out);
	}
	if (part->has_content) {
		write_messages(snapshot, part, out);
		json_out_key_array(out, "state");
		event_view_write_all(part->state, out);
		json_out_end(out);
		json_out_key_str(out, "visibility", part->is_published ? STR("public") : STR("private"));
		json_out_key(out, STR("account_data"));
		account_data_write(part->data, part->data_n, out);
	}
	json_out_end(out);
}

enum err initial_sync_room(struct ctx *ctx, struct homeserver *hs,
	const struct initial_sync_ask *ask, struct str room_id, struct json_out *out)
{
	struct snapshot snapshot = {.ctx = ctx, .hs = hs, .ask = ask};
	struct room_snapshot *part = ARENA_NEW(ctx->arena, struct room_snapshot);
	TRY(initial_sync_begin(ctx, hs, ask->who, &snapshot.user, &snapshot.up_to));
	TRY(reading_begin_room(ctx, hs, ask->who, room_id, &part->reading));
	part->room = part->reading.room;
	TRY(room_membership(ctx, hs, part->room, ask->who->user.s, &part->membership));
	if (str_equals(part->membership, STR("knock"))) {
		part->membership = STR("");
	}
	TRY(load_content(&snapshot, part, POSITION_NOW, part->reading.horizon != POSITION_NOW));
	write_room(&snapshot, part, out);
	return ERR_OK;
}

/* --- all rooms -------------------------------------------------------------------------------------------------- */

/* Who is invited is told of the invite alone, and of none by somebody ignored. */
static enum err load_invite(struct snapshot *snapshot, struct room_snapshot *part,
	const struct str_set *ignored, bool *out_is_shown)
{
	/* The batch borrows it. */
	struct stored_event **event = ARENA_NEW(snapshot->ctx->arena, struct stored_event *);
	TRY(room_state_event(snapshot->ctx, snapshot->hs, part->room, STR("m.room.member"),
		snapshot->ask->who->user.s, snapshot->up_to, event));
	*out_is_shown = *event != NULL && !str_set_has(ignored, (*event)->event->sender.s);
	if (!*out_is_shown) {
		return ERR_OK;
	}
	struct event_view *view = ARENA_NEW(snapshot->ctx->arena, struct event_view);
	*view = (struct event_view){
		.user_id = snapshot->ask->who->user.s,
		.device_id = snapshot->ask->who->device_id,
		.up_to = (*event)->position,
		.with_room_id = true,
		.is_state = true,
	};
	return event_view_prepare(snapshot->ctx, snapshot->hs, part->room, view, event, 1,
		&part->invite);
}

static enum err load_left(struct snapshot *snapshot, struct room_snapshot *part, int64_t position)
{
	TRY(reading_begin(snapshot->ctx, snapshot->hs, snapshot->ask->who, part->room, &part->reading));
	return part->reading.horizon == 0 ? ERR_OK : load_content(snapshot, part, position, true);
}

static enum err load_joined(struct snapshot *snapshot, struct room_snapshot *part)
{
	TRY(reading_begin(snapshot->ctx, snapshot->hs, snapshot->ask->who, part->room, &part->reading));
	return load_content(snapshot, part, POSITION_NOW, false);
}

static enum err add_room(struct snapshot *snapshot, const struct user_room *entry,
	const struct str_set *ignored)
{
	struct room_snapshot *part = ARENA_NEW(snapshot->ctx->arena, struct room_snapshot);
	bool is_shown = !entry->is_forgotten;
	part->room = entry->room;
	TRY(rooms_load(snapshot->ctx, snapshot->hs, part->room));
	part->membership = entry->membership;
	if (entry->position > snapshot->up_to) {
		/* The list may be ahead of the snapshot; what came after it is for /events to tell. */
		TRY(room_membership_at(snapshot->ctx, snapshot->hs, part->room, snapshot->ask->who->user.s,
			snapshot->up_to, &part->membership));
	}
	if (!is_shown || part->membership.n == 0 || str_equals(part->membership, STR("knock"))) {
		return ERR_OK;
	}
	if (str_equals(part->membership, STR("join"))) {
		TRY(load_joined(snapshot, part));
	} else if (str_equals(part->membership, STR("invite"))) {
		TRY(load_invite(snapshot, part, ignored, &is_shown));
	} else {
		is_shown = snapshot->ask->is_archived;
		TRY(is_shown ? load_left(snapshot, part, entry->position) : ERR_OK);
	}
	if (is_shown) {
		snapshot->rooms[snapshot->room_n++] = part;
	}
	return ERR_OK;
}

static enum err load_rooms(struct snapshot *snapshot, const struct str_set *ignored)
{
	struct user_room *entries;
	size_t count;
	user_rooms(snapshot->user, snapshot->ctx->arena, &entries, &count);
	snapshot->rooms = ARENA_NEW_ARRAY(snapshot->ctx->arena, struct room_snapshot *, count);
	for (size_t i = 0; i < count; i++) {
		TRY(add_room(snapshot, &entries[i], ignored));
	}
	return ERR_OK;
}

static void load_presence(struct snapshot *snapshot, const struct str_set *ignored)
{
	size_t count =
		presence_changes(snapshot->ctx, snapshot->hs, snapshot->user, 0, &snapshot->presence);
	for (size_t i = 0; i < count; i++) {
		if (!str_set_has(ignored, snapshot->presence[i].user_id)) {
			snapshot->presence[snapshot->presence_n++] = snapshot->presence[i];
		}
	}
}

static void write_all(const struct snapshot *snapshot, int64_t ephemeral, struct json_out *out)
{
	const struct token end = {.position = snapshot->up_to, .ephemeral = ephemeral};
	json_out_object(out);
	json_out_key_str(out, "end", token_text(snapshot->ctx->arena, end));
	json_out_key_array(out, "presence");
	for (size_t i = 0; i < snapshot->presence_n; i++) {
		presence_write_event(&snapshot->presence[i], out);
	}
	json_out_end(out);
	json_out_key(out, STR("account_data"));
	account_data_write(snapshot->data, snapshot->data_n, out);
	json_out_key_array(out, "rooms");
	for (size_t i = 0; i < snapshot->room_n; i++) {
		write_room(snapshot, snapshot->rooms[i], out);
	}
	json_out_end(out);
	json_out_end(out);
}

enum err initial_sync_all(struct ctx *ctx, struct homeserver *hs,
	const struct initial_sync_ask *ask, struct json_out *out)
{
	struct snapshot snapshot = {.ctx = ctx, .hs = hs, .ask = ask};
	struct str *ids;
	size_t count;
	TRY(initial_sync_begin(ctx, hs, ask->who, &snapshot.user, &snapshot.up_to));
	int64_t ephemeral = typing_serial_now(hs);
	TRY(presence_settle(ctx, hs));
	TRY(ignored_users(ctx, hs, snapshot.user, &ids, &count));
	const struct str_set ignored = str_set_make(ctx->arena, ids, count);
	load_presence(&snapshot, &ignored);
	TRY(account_data_changes(ctx, hs, snapshot.user, 0, 0, snapshot.up_to, &snapshot.data,
		&snapshot.data_n));
	TRY(load_rooms(&snapshot, &ignored));
	write_all(&snapshot, ephemeral, out);
	return ERR_OK;
}
