/*
 * Which rooms have news, and waiting for some.
 */
#include "homeserver/sync/sync_inner.h"
#include "homeserver/typing/typing.h"
#include "matrix/stripped.h"
#include "storage/state.h"

#include <string.h>

enum {
	WHOLE_WAIT_MS = 5000,  /* other rooms may have news meanwhile */
	SERIALS_AHEAD = 10000, /* so far other processes may be, if one is slow */
};

/* --- which rooms -------------------------------------------------------------------------------------- */

bool sync_is_member(const struct user_room *entry)
{
	return str_equals(entry->membership, STR("join"));
}

static bool is_lazy(const struct sync_run *run)
{
	return run->request->filter->state.lazy_load_members;
}

bool sync_is_outside(const struct user_room *entry)
{
	return str_equals(entry->membership, STR("invite")) ||
		str_equals(entry->membership, STR("knock"));
}

bool sync_is_left(const struct user_room *entry)
{
	return !sync_is_member(entry) && !sync_is_outside(entry);
}

enum err sync_entry_at_end(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	int64_t up_to, struct user_room *entry)
{
	if (entry->position <= up_to) {
		return ERR_OK;
	}
	struct stored_event *event;
	TRY(room_state_event(ctx, hs, entry->room, STR("m.room.member"), user_id, up_to, &event));
	entry->is_forgotten = event == NULL;
	if (event != NULL) {
		entry->membership = event_membership(event->event);
		entry->position = event->position;
	}
	/* What an invite showed is gone; what became of it is in the next sync. */
	entry->is_forgotten = entry->is_forgotten || sync_is_outside(entry);
	return ERR_OK;
}

static bool has_room_data(const struct sync_run *run, const struct room *room)
{
	for (size_t i = 0; i < run->room_data_n; i++) {
		if (run->room_data[i].room_nid == room_nid(room)) {
			return true;
		}
	}
	return false;
}

static bool tells_all(const struct sync_run *run)
{
	return run->is_initial || run->request->is_full_state;
}

/* Whether anything happened in a joined room. From memory. */
static bool is_stirred(const struct sync_run *run, const struct user_room *entry)
{
	return tells_all(run) || room_last_position(entry->room) > run->since ||
		room_receipt_position(entry->room) > run->since ||
		room_typing_serial(entry->room) > run->since_ephemeral || has_room_data(run, entry->room);
}

enum err sync_was_joined(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct str user_id, int64_t position, bool *out)
{
	struct str membership = str_from(NULL, 0);
	if (position > 0) {
		TRY(room_membership_at(ctx, hs, room, user_id, position, &membership));
	}
	*out = str_equals(membership, STR("join"));
	return ERR_OK;
}

static enum err was_joined(struct sync_run *run, struct room *room, int64_t position, bool *out)
{
	return sync_was_joined(run->ctx, run->hs, room, run->who->user.s, position, out);
}

static enum err plan_joined(struct sync_run *run, const struct user_room *entry,
	struct room_part *part)
{
	bool stayed = true;
	if (entry->position > run->since) {
		TRY(was_joined(run, entry->room, run->since, &stayed));
	}
	int64_t whole_at = room_whole_at(part->room);
	bool has_become_whole = whole_at > run->since && whole_at <= run->up_to;
	part->after = stayed && (is_lazy(run) || !has_become_whole) ? run->since : 0;
	part->is_whole = run->request->is_full_state || part->after == 0 || has_become_whole;
	part->up_to = run->up_to;
	return ERR_OK;
}

/*
 * Who loads members lazily sees a room also while members are missing, and hears of its size and name again when they are there. Others
 * get it once it is whole, as if they had come into it then; for that they wait a little.
 */
static enum err may_show(struct sync_run *run, struct room *room, bool *out)
{
	*out = is_lazy(run) || room_whole_at(room) <= run->up_to;
	if (*out) {
		return ERR_OK;
	}
	int64_t deadline_ms = run->ctx->deadline_ms;
	run->ctx->deadline_ms = clock_mono_ms(&run->hs->clock) + WHOLE_WAIT_MS;
	enum err err = room_await_whole(run->ctx, run->hs, room);
	run->ctx->deadline_ms = deadline_ms;
	if (err == ERR_TIMEOUT) {
		run->ctx->fault = (struct fault){0};
		return ERR_OK;
	}
	run->is_late = run->is_late || (err == ERR_OK && !room_is_partial(room));
	return err;
}

/*
 * Where the user was in the room last, if that is to be told. Who was kicked and then banned between two syncs has to hear of what was there before the kick, as has who
 * asks for all of the state, and sees nothing of what lies between the two. Cost: where the newest own membership follows no join, one round trip.
 */
static enum err find_leaving(struct sync_run *run, const struct user_room *entry, bool *out_was_in,
	int64_t *out)
{
	struct state_row last_join;
	*out = entry->position;
	TRY(was_joined(run, entry->room, entry->position - 1, out_was_in));
	if (*out_was_in) {
		return ERR_OK;
	}
	enum err err = store_state_last_join(run->ctx, run->hs->db, room_nid(entry->room),
		run->who->user.s, entry->position, &last_join);
	if (err == ERR_MISSING) {
		return ERR_OK;
	}
	TRY(err);
	*out_was_in = tells_all(run) || last_join.to_position > run->since;
	if (*out_was_in) {
		*out = MIN_OF(entry->position, last_join.to_position);
	}
	return ERR_OK;
}

static enum err plan_left(struct sync_run *run, const struct user_room *entry,
	struct room_part *part)
{
	bool was_in;
	bool stayed;
	TRY(find_leaving(run, entry, &was_in, &part->up_to));
	TRY(was_joined(run, entry->room, run->since, &stayed));
	part->is_left = true;
	part->was_never_joined = !was_in;
	/* Of one that was left before, who asks for all of its state: "The timeline will still be limited by the since parameter" (GET /sync, full_state). */
	part->after = stayed || part->up_to <= run->since ? MIN_OF(run->since, part->up_to) : 0;
	if (!was_in) {
		part->after = entry->position - 1;
	}
	part->is_whole = was_in && (run->request->is_full_state || part->after == 0);
	part->own_at = entry->position;
	return ERR_OK;
}

/*
 * A first sync leaves out what the user has left ("Once a user leaves a room, it will no longer appear in the response", client-server
 * API, "Leaving rooms"), unless the filter asks for it. Who was kicked or banned has not left, and may not have heard of it: a client
 * that begins anew, or had no sync since, would see a room vanish without a word by whom and why. So these are told, as Synapse does, the newest
 * of them: nobody's first sync gets slow because somebody invites and kicks ever again. Asks the database only for who has left rooms at all.
 */
static enum err find_thrown_out(struct sync_run *run)
{
	run->thrown_out_n = 0;
	if (!run->is_initial || run->request->filter->include_leave) {
		return ERR_OK;
	}
	for (size_t i = 0; i < run->room_n; i++) {
		if (sync_is_left(&run->rooms[i]) && !run->rooms[i].is_forgotten) {
			const struct thrown_out_query query = {run->who->user.s, run->up_to,
				SYNC_THROWN_OUT_MAX, SYNC_LEFT_LOOKED_AT, true};
			return store_member_thrown_out(run->ctx, run->hs->db, &query, &run->thrown_out,
				&run->thrown_out_n);
		}
	}
	return ERR_OK;
}

static bool was_thrown_out(const struct sync_run *run, const struct user_room *entry)
{
	for (size_t i = 0; i < run->thrown_out_n; i++) {
		if (run->thrown_out[i] == room_nid(entry->room)) {
			return true;
		}
	}
	return false;
}

static bool shows_left(const struct sync_run *run, const struct user_room *entry)
{
	bool is_asked = run->request->filter->include_leave && !entry->is_forgotten && tells_all(run);
	/* That it was left is told once, also when it is forgotten by then. */
	return is_asked || (!run->is_initial && entry->position > run->since) ||
		was_thrown_out(run, entry);
}

static enum err add_part(struct sync_run *run, const struct user_room *entry)
{
	struct room_part *part = ARENA_NEW(run->ctx->arena, struct room_part);
	bool is_shown = true;
	part->room = entry->room;
	TRY(rooms_load(run->ctx, run->hs, part->room));
	if (sync_is_member(entry)) {
		TRY(may_show(run, part->room, &is_shown));
		if (!is_shown) {
			return ERR_OK;
		}
		TRY(plan_joined(run, entry, part));
	} else {
		TRY(plan_left(run, entry, part));
	}
	if (part->is_whole) {
		TRY(ctx_may_wait(run->ctx)); /* a large room would keep other connections waiting */
	}
	TRY(sync_room_load(run, part));
	if (!sync_room_is_empty(part)) {
		run->parts[run->part_n++] = part;
	}
	return ERR_OK;
}

bool sync_is_ignored_invite(struct arena *arena, struct str user_id, const struct str_set *ignored,
	const struct user_room *entry)
{
	struct json state;
	if (ignored->count == 0 || entry->stripped.p == NULL ||
		!stripped_state_read(arena, entry->stripped, &state)) {
		return false;
	}
	for (size_t i = 0; i < state.count; i++) {
		const struct json *event = &state.items[i];
		if (str_equals(json_get_str(event, STR("type")), STR("m.room.member")) &&
			str_equals(json_get_str(event, STR("state_key")), user_id)) {
			return str_set_has(ignored, json_get_str(event, STR("sender")));
		}
	}
	return false;
}

static enum err look_at_room(struct sync_run *run, struct user_room *entry)
{
	if (!filter_allows_room(run->request->filter, room_id_of(entry->room).s)) {
		return ERR_OK;
	}
	TRY(sync_entry_at_end(run->ctx, run->hs, run->who->user.s, run->up_to, entry));
	if (sync_is_member(entry)) {
		return is_stirred(run, entry) ? add_part(run, entry) : ERR_OK;
	}
	if (!sync_is_outside(entry)) {
		return shows_left(run, entry) ? add_part(run, entry) : ERR_OK;
	}
	bool is_new = entry->position > run->since || run->request->is_full_state;
	if (is_new && !entry->is_forgotten &&
		!sync_is_ignored_invite(run->ctx->arena, run->who->user.s, &run->ignored, entry)) {
		run->outside[run->outside_n++] = *entry;
	}
	return ERR_OK;
}

static enum err look_at_rooms(struct sync_run *run)
{
	run->parts = ARENA_NEW_ARRAY(run->ctx->arena, struct room_part *, run->room_n);
	run->outside = ARENA_NEW_ARRAY(run->ctx->arena, struct user_room, run->room_n);
	for (size_t i = 0; i < run->room_n; i++) {
		TRY(look_at_room(run, &run->rooms[i]));
	}
	return ERR_OK;
}

/* --- one run ---------------------------------------------------------------------------------------------- */

static bool is_looked_at(const struct sync_run *run, int64_t nid)
{
	for (size_t i = 0; i < run->room_n; i++) {
		if (room_nid(run->rooms[i].room) == nid) {
			return true;
		}
	}
	return false;
}

/* Changed account data are the user's own affair: nothing happened in their rooms. */
static void add_rooms_with_data(struct sync_run *run)
{
	struct user_room *rooms =
		ARENA_NEW_ARRAY(run->ctx->arena, struct user_room, run->room_n + run->room_data_n);
	if (run->room_n > 0) {
		memcpy(rooms, run->rooms, run->room_n * sizeof(*rooms));
	}
	run->rooms = rooms;
	for (size_t i = 0; i < run->room_data_n; i++) {
		int64_t nid = run->room_data[i].room_nid;
		if (!is_looked_at(run, nid) &&
			user_room_find(run->user, run->ctx->arena, nid, &rooms[run->room_n])) {
			run->room_n++;
		}
	}
}

static enum err run_once(struct sync_run *run)
{
	struct str *ignored;
	size_t ignored_n;
	TRY(ignored_users(run->ctx, run->hs, run->user, &ignored, &ignored_n));
	run->ignored = str_set_make(run->ctx->arena, ignored, ignored_n);
	user_rooms_since(run->user, run->ctx->arena,
		tells_all(run) ? ROOMS_SINCE_EVER : (struct rooms_since){run->since, run->since_ephemeral},
		&run->rooms, &run->room_n);
	TRY(sync_sections_load(run));
	if (!tells_all(run) && run->room_data_n > 0) {
		add_rooms_with_data(run);
	}
	TRY(find_thrown_out(run));
	TRY(look_at_rooms(run));
	return sync_presence_add_newcomers(run);
}

static bool has_news(const struct sync_run *run)
{
	return run->part_n > 0 || run->outside_n > 0 || !sync_sections_are_empty(run);
}

bool sync_is_overtaken(struct homeserver *hs, struct arena *arena, const struct e2ee_ask *ask,
	int64_t ephemeral)
{
	if (writer_position(hs->writer) == ask->up_to && typing_serial_now(hs) == ephemeral) {
		return false;
	}
	if (user_own_position(ask->user) > ask->up_to || presence_serial_now(hs) > ephemeral ||
		hs->ports.e2ee.sync_has_more(hs, ask)) {
		return true;
	}
	struct user_room *entries;
	size_t count;
	user_rooms_since(ask->user, arena, (struct rooms_since){ask->up_to, ephemeral}, &entries,
		&count);
	return count > 0;
}

static void wait_for_news(struct call *call, struct sync_request *request, struct sync_run *run)
{
	/* There was nothing to tell up to here: the next run need not look at it again. */
	request->since = (struct token){.position = run->up_to, .ephemeral = run->ephemeral_now};
	struct park *park = call_park(call, request->deadline_mono_ms);
	park_ref(park);
	user_wait(run->user, park);
	const struct e2ee_ask ask = sync_sections_encryption_ask(run);
	if (sync_is_overtaken(run->hs, run->ctx->arena, &ask, run->ephemeral_now)) {
		park_wake(park);
	}
	park_unref(park);
}

/* What another process has shown, moments before this one hears of it, or a token of another time: then all is told. */
static void meet_serial_ahead(const struct homeserver *hs, int64_t *since, int64_t *now)
{
	bool is_near = *since - *now < SERIALS_AHEAD;
	if (is_near && writer_has_peers(hs->writer)) {
		*now = *since;
	} else {
		*since = 0;
	}
}

enum err sync_begin(struct ctx *ctx, struct homeserver *hs, struct str user_id, struct user **user,
	struct sync_end *out, int64_t *since_ephemeral)
{
	do {
		if (*user == NULL || !user_is_active(*user)) {
			struct user *found;
			user_unref(*user);
			*user = NULL;
			TRY(users_get(ctx, hs, user_id, &found));
			user_ref(found);
			*user = found;
		}
		out->up_to = writer_position(hs->writer);
	} while (!user_is_active(*user));
	user_touch(*user);
	out->ephemeral = typing_serial_now(hs);
	if (*since_ephemeral > out->ephemeral) {
		meet_serial_ahead(hs, since_ephemeral, &out->ephemeral);
	}
	return ERR_OK;
}

static enum err begin_run(struct sync_run *run, struct sync_request *request)
{
	struct sync_end end;
	TRY(sync_begin(run->ctx, run->hs, run->who->user.s, &request->user, &end,
		&run->since_ephemeral));
	run->user = request->user;
	run->up_to = end.up_to;
	run->ephemeral_now = end.ephemeral;
	return ERR_OK;
}

/* Whether nobody has been told of anything since the token: mostly so when a client comes back from an answer. */
static bool is_up_to_date(const struct sync_run *run)
{
	return run->since == run->up_to && run->since_ephemeral == run->ephemeral_now &&
		run->request->since.messages == 0;
}

/* Again, if it waited for a room: what came meanwhile is told too. Who may wait need not look when there can be nothing. */
static enum err run_all(struct sync_run *run, struct sync_request *request, bool may_wait)
{
	const struct sync_run begun = *run;
	do {
		*run = begun;
		TRY(begin_run(run, request));
		if (!may_wait || !is_up_to_date(run)) {
			TRY(run_once(run));
		}
	} while (run->is_late);
	return ERR_OK;
}

enum err sync_serve(struct call *call, struct sync_request *request)
{
	struct homeserver *hs = hs_of(call);
	struct sync_run run = {
		.ctx = &call->ctx,
		.hs = hs,
		.who = principal_of(call),
		.request = request,
		.is_initial = !request->has_since,
		.since = request->since.position,
		.since_ephemeral = request->since.ephemeral,
	};
	bool may_wait = request->deadline_mono_ms > call_began_ms(call) && !call_is_stopping(call);
	TRY(run_all(&run, request, may_wait));
	if (may_wait && !has_news(&run)) {
		wait_for_news(call, request, &run);
		return ERR_OK;
	}
	for (size_t i = 0; i < run.part_n; i++) {
		sync_members_remember(&run, run.parts[i]);
	}
	sync_sections_write(&run, reply_json(call, 200));
	return ERR_OK;
}
