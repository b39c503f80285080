/*
 * The consumer that fills the directories. Of each room whose state changed the summary is made anew from what the state is now; of each
 * whose members changed they are counted anew. So a round can be repeated, and it does not matter that the state may be
 * ahead of the events that are being read.
 *
 * Names of users of other servers come from their member events; those of local accounts from their profiles. A room of others into
 * which a local user comes has its state and its members from before: they are taken in when the join is read.
 */
#include "base/fold.h"
#include "base/vec.h"
#include "homeserver/directory/directory.h"
#include "storage/consumer.h"

enum {
	BATCH = 500,
	SPAN = 20000,
	TERMS_MAX = 500,
	STALE_ROUNDS = 20,
	EARLIER_BATCH = 500,
	EARLIER_ROUNDS = 200,
};

struct numbers {
	VEC(int64_t) list;
};

struct indexing {
	struct ctx *ctx;
	struct homeserver *hs;
	struct numbers changed; /* rooms whose summary is made anew */
	struct numbers counted; /* rooms whose members are counted anew */
	struct numbers entered; /* rooms into which local users came */
	VEC(struct directory_user) users;
	struct directory_room *rooms;
	size_t room_n;
};

static void add_number(struct arena *arena, struct numbers *numbers, int64_t number)
{
	for (size_t i = 0; i < numbers->list.n; i++) {
		if (numbers->list.p[i] == number) {
			return;
		}
	}
	VEC_PUSH(arena, &numbers->list, number);
}

/* --- people ---------------------------------------------------------------------------------------------------- */

static void name_user(struct arena *arena, struct directory_user *user)
{
	struct user_id id;
	struct str local = user_id_parse(user->user_id, &id) ? user_id_localpart(id) : user->user_id;
	struct str name = user->display_name.p != NULL ? user->display_name : local;
	struct term *terms;
	terms_split_names(arena,
		str_printf(arena, "%.*s %.*s", STR_ARG(user->display_name), STR_ARG(local)), TERMS_MAX,
		&terms, &user->term_count);
	user->terms = terms;
	user->folded_name = str_trim(fold_whole(arena, name));
}

static struct str text_or_none(struct str text)
{
	return text.n > 0 && !str_has_nul(text) ? text : str_from(NULL, 0);
}

static void take_member(struct indexing *indexing, const struct directory_change_row *row)
{
	struct arena *arena = indexing->ctx->arena;
	struct json *event = ARENA_NEW(arena, struct json);
	if (row->json.p == NULL || json_parse(arena, row->json, NULL, event, NULL) != JSON_OK) {
		return;
	}
	const struct json *content = json_at(event, "content");
	bool is_join = str_equals(json_get_str(content, STR("membership")), STR("join"));
	if (is_join && hs_is_local(indexing->hs, row->state_key)) {
		add_number(arena, &indexing->entered, row->room_nid);
		add_number(arena, &indexing->changed, row->room_nid);
		return;
	}
	struct directory_user user = {
		.user_id = row->state_key,
		.display_name = text_or_none(json_get_str(content, STR("displayname"))),
		.avatar_url = text_or_none(json_get_str(content, STR("avatar_url"))),
	};
	if (!is_join || hs_is_local(indexing->hs, row->state_key)) {
		return;
	}
	name_user(arena, &user);
	for (size_t i = 0; i < indexing->users.n; i++) {
		if (str_equals(indexing->users.p[i].user_id, user.user_id)) {
			indexing->users.p[i] = user;
			return;
		}
	}
	VEC_PUSH(arena, &indexing->users, user);
}

/* Who was in the rooms before this server came: some at a time, so that no transaction is large. */
static enum err take_earlier_members(struct indexing *indexing)
{
	struct ctx *ctx = indexing->ctx;
	size_t count = indexing->entered.list.n > 0 ? EARLIER_BATCH : 0;
	for (int i = 0; i < EARLIER_ROUNDS && count == EARLIER_BATCH; i++) {
		struct directory_change_row *rows;
		struct indexing some = {.ctx = ctx, .hs = indexing->hs};
		TRY(store_directory_members_unknown(ctx, indexing->hs->db, indexing->entered.list.p,
			indexing->entered.list.n, EARLIER_BATCH, &rows, &count));
		for (size_t k = 0; k < count; k++) {
			take_member(&some, &rows[k]);
		}
		if (some.users.n == 0) {
			return ERR_OK;
		}
		struct tx *tx CLEANUP(tx_cleanup) = NULL;
		TRY(tx_begin(ctx, indexing->hs->db, &tx));
		TRY(store_directory_user_set(ctx, tx, some.users.p, some.users.n));
		TRY(tx_commit(ctx, &tx));
	}
	return ERR_OK;
}

static struct str text_of_json(struct arena *arena, struct str text)
{
	struct json value;
	bool is_text = text.p != NULL && json_parse(arena, text, NULL, &value, NULL) == JSON_OK &&
		value.type == JSON_STRING && json_text(&value).n > 0;
	return is_text ? json_text(&value) : str_from(NULL, 0);
}

static enum err refresh_some(struct ctx *ctx, struct homeserver *hs, bool *out_more)
{
	struct directory_stale_row *rows;
	size_t count;
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	TRY(store_directory_stale_take(ctx, tx, &rows, &count));
	struct directory_user *shown = ARENA_NEW_ARRAY(ctx->arena, struct directory_user, count);
	struct str *hidden = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	size_t shown_n = 0;
	size_t hidden_n = 0;
	for (size_t i = 0; i < count; i++) {
		if (!rows[i].is_shown) {
			hidden[hidden_n++] = rows[i].user_id;
			continue;
		}
		struct directory_user *user = &shown[shown_n++];
		user->user_id = rows[i].user_id;
		user->is_local = true;
		user->display_name = text_of_json(ctx->arena, rows[i].display_name);
		user->avatar_url = text_of_json(ctx->arena, rows[i].avatar_url);
		name_user(ctx->arena, user);
	}
	if (shown_n > 0) {
		TRY(store_directory_user_set(ctx, tx, shown, shown_n));
	}
	if (hidden_n > 0) {
		TRY(store_directory_user_remove(ctx, tx, hidden, hidden_n));
	}
	*out_more = count > 0;
	return tx_commit(ctx, &tx);
}

enum err directory_refresh_users(struct ctx *ctx, struct homeserver *hs)
{
	bool more = true;
	for (int i = 0; more && i < STALE_ROUNDS; i++) {
		TRY(refresh_some(ctx, hs, &more));
	}
	return ERR_OK;
}

/* --- rooms ----------------------------------------------------------------------------------------------------- */

static void finish_room(struct arena *arena, struct directory_room *room)
{
	const struct room_summary *summary = &room->summary;
	struct term *terms;
	terms_split_names(arena,
		str_printf(arena, "%.*s\n%.*s\n%.*s", STR_ARG(summary->name), STR_ARG(summary->topic),
			STR_ARG(summary->canonical_alias)),
		TERMS_MAX, &terms, &room->term_count);
	room->terms = terms;
}

static enum err summarise(struct indexing *indexing)
{
	struct ctx *ctx = indexing->ctx;
	struct directory_state_row *rows;
	size_t count;
	if (indexing->changed.list.n == 0) {
		return ERR_OK;
	}
	TRY(store_directory_states(ctx, indexing->hs->db, indexing->changed.list.p,
		indexing->changed.list.n, &rows, &count));
	indexing->rooms = ARENA_NEW_ARRAY(ctx->arena, struct directory_room, count);
	struct directory_room *room = NULL;
	for (size_t i = 0; i < count; i++) {
		if (room == NULL || room->room_nid != rows[i].room_nid) {
			room = &indexing->rooms[indexing->room_n++];
			room->room_nid = rows[i].room_nid;
			room_summary_init(&room->summary);
		}
		struct json *event = ARENA_NEW(ctx->arena, struct json);
		if (json_parse(ctx->arena, rows[i].json, NULL, event, NULL) == JSON_OK) {
			room_summary_take(ctx->arena, &room->summary, rows[i].type, json_at(event, "content"));
		}
	}
	for (size_t i = 0; i < indexing->room_n; i++) {
		finish_room(ctx->arena, &indexing->rooms[i]);
	}
	return ERR_OK;
}

/* --- a round ----------------------------------------------------------------------------------------------------- */

static enum err apply(struct indexing *indexing, int64_t after, int64_t reached)
{
	struct ctx *ctx = indexing->ctx;
	if (indexing->room_n == 0 && indexing->counted.list.n == 0 && indexing->users.n == 0) {
		return store_consumer_skip(ctx, indexing->hs->db, STR(DIRECTORY_CONSUMER), after, reached);
	}
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, indexing->hs->db, &tx));
	if (indexing->room_n > 0) {
		TRY(store_directory_room_set(ctx, tx, indexing->rooms, indexing->room_n));
	}
	if (indexing->counted.list.n > 0) {
		TRY(store_directory_room_count(ctx, tx, indexing->counted.list.p,
			indexing->counted.list.n));
	}
	if (indexing->users.n > 0) {
		TRY(store_directory_user_set(ctx, tx, indexing->users.p, indexing->users.n));
	}
	TRY(store_consumer_move_in(ctx, tx, STR(DIRECTORY_CONSUMER), after, reached));
	return tx_commit(ctx, &tx);
}

enum err directory_index_run(struct ctx *ctx, struct homeserver *hs, void *self, int64_t after,
	int64_t up_to, int64_t *out_reached)
{
	(void)self;
	struct indexing indexing = {.ctx = ctx, .hs = hs};
	struct directory_change_row *rows;
	size_t count;
	int64_t last = MIN_OF(up_to, after + SPAN);
	TRY(directory_refresh_users(ctx, hs));
	TRY(store_directory_changes(ctx, hs->db, after, last, BATCH, &rows, &count));
	for (size_t i = 0; i < count; i++) {
		if (str_equals(rows[i].type, STR("m.room.member"))) {
			add_number(ctx->arena, &indexing.counted, rows[i].room_nid);
			take_member(&indexing, &rows[i]);
		} else if (rows[i].type.n == 0) { /* its members have become known */
			add_number(ctx->arena, &indexing.entered, rows[i].room_nid);
			add_number(ctx->arena, &indexing.changed, rows[i].room_nid);
		} else if (rows[i].state_key.n == 0) {
			add_number(ctx->arena, &indexing.changed, rows[i].room_nid);
		}
	}
	TRY(take_earlier_members(&indexing));
	TRY(summarise(&indexing));
	int64_t reached = count < BATCH ? last : rows[count - 1].position;
	TRY(apply(&indexing, after, reached));
	*out_reached = reached;
	return ERR_OK;
}
