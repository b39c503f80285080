/*
 * Typing and presence: from the domains that tell of them to the destinations. What nobody elsewhere can see is let go at once, from
 * memory; who gets the rest is asked of the database by the outbox's thread, for all that has come together.
 */
#include "federation/outbox_inner.h"

#include "base/mem.h"
#include "homeserver/presence/presence.h"
#include "homeserver/room/rooms.h"

enum { NEWS_MAX = 10000, ENTRY_CEILING_BYTES = 65536 };

static void add_news(struct outbox *outbox, struct edu_note *note, int64_t nid, struct str user_id)
{
	struct edu_news *news = mem_alloc(sizeof(*news));
	*news = (struct edu_news){.note = note, .room_nid = nid, .user_id = str_heap(user_id)};
	LOCK_SCOPE(&outbox->lock);
	if (!outbox->is_loaded || outbox->news_n >= NEWS_MAX) {
		edu_note_unref(note);
		str_free(news->user_id);
		mem_free(news);
		return;
	}
	*outbox->news_end = news;
	outbox->news_end = &news->next;
	outbox->news_n++;
	outbox_wake(outbox);
}

static bool is_shared(struct outbox *outbox, int64_t nid)
{
	LOCK_SCOPE(&outbox->lock);
	return map_get(&outbox->shared, str_from((const char *)&nid, sizeof(nid))) != NULL;
}

static void tell_typing(void *self, struct room *room, struct str user_id, bool is_typing)
{
	struct outbox *outbox = self;
	int64_t nid = room_nid(room);
	if (atomic_load(&outbox->shared_n) > 0 && hs_is_local(outbox->hs, user_id) &&
		is_shared(outbox, nid)) {
		add_news(outbox, edu_note_typing(room_id_of(room).s, user_id, is_typing), nid, STR(""));
	}
}

static void tell_presence(void *self, const struct presence_view *view)
{
	struct outbox *outbox = self;
	if (atomic_load(&outbox->shared_n) == 0 || !hs_is_local(outbox->hs, view->user_id)) {
		return;
	}
	/* An EDU has to tell it. Who has not acted since this server started has done nothing for at least as long as it takes to count as away. */
	struct presence_view told = *view;
	if (told.last_active_ago_ms < 0) {
		told.last_active_ago_ms = outbox->hs->settings.presence_idle_ms;
	}
	struct buf buf CLEANUP(buf_fini);
	struct json_out out;
	buf_init(&buf, ENTRY_CEILING_BYTES);
	json_out_init(&out, &buf);
	json_out_object(&out);
	presence_write_members(&told, &out);
	json_out_key_str(&out, "user_id", view->user_id);
	json_out_end(&out);
	add_news(outbox, edu_note_presence(view->user_id, buf_str(&buf)), 0, view->user_id);
}

void outbox_fill_edu_port(struct outbox *outbox)
{
	outbox->hs->ports.edus[EDU_SERVERS] =
		(struct edu_port){.self = outbox, .typing = tell_typing, .presence = tell_presence};
}

/* --- who gets them -------------------------------------------------------------------------------------------- */

struct spread {
	struct outbox *outbox;
	struct edu_news **list;
	size_t n;
	struct outbox_room_server *by_room;
	size_t by_room_n;
	struct outbox_user_server *by_user;
	size_t by_user_n;
};

static size_t take_news(struct outbox *outbox, struct arena *arena, struct edu_news ***out)
{
	LOCK_SCOPE(&outbox->lock);
	size_t n = 0;
	*out = ARENA_NEW_ARRAY(arena, struct edu_news *, outbox->news_n);
	for (struct edu_news *news = outbox->news; news != NULL; news = news->next) {
		(*out)[n++] = news;
	}
	outbox->news = NULL;
	outbox->news_end = &outbox->news;
	outbox->news_n = 0;
	return n;
}

static enum err ask_who(struct ctx *ctx, struct spread *spread)
{
	struct homeserver *hs = spread->outbox->hs;
	int64_t *rooms = ARENA_NEW_ARRAY(ctx->arena, int64_t, spread->n);
	struct str *users = ARENA_NEW_ARRAY(ctx->arena, struct str, spread->n);
	size_t room_n = 0;
	size_t user_n = 0;
	for (size_t i = 0; i < spread->n; i++) {
		if (spread->list[i]->room_nid != 0) {
			rooms[room_n++] = spread->list[i]->room_nid;
		} else {
			users[user_n++] = spread->list[i]->user_id;
		}
	}
	if (room_n > 0) {
		TRY(store_outbox_rooms(ctx, hs->db, hs->signer.server.s, rooms, room_n, &spread->by_room,
			&spread->by_room_n));
	}
	return user_n == 0 ? ERR_OK
					   : store_outbox_sharing(ctx, hs->db, hs->signer.server.s, users, user_n,
							 &spread->by_user, &spread->by_user_n);
}

static void give_one_locked(const struct spread *spread, const struct edu_news *news)
{
	for (size_t i = 0; news->room_nid != 0 && i < spread->by_room_n; i++) {
		const struct outbox_room_server *row = &spread->by_room[i];
		if (row->room_nid == news->room_nid) {
			outbox_add_note_locked(outbox_destination_locked(spread->outbox, row->server),
				news->note);
		}
	}
	for (size_t i = 0; news->room_nid == 0 && i < spread->by_user_n; i++) {
		const struct outbox_user_server *row = &spread->by_user[i];
		if (str_equals(row->user_id, news->user_id)) {
			outbox_add_note_locked(outbox_destination_locked(spread->outbox, row->server),
				news->note);
		}
	}
}

static void give(const struct spread *spread)
{
	LOCK_SCOPE(&spread->outbox->lock);
	for (size_t i = 0; i < spread->n; i++) {
		give_one_locked(spread, spread->list[i]);
	}
}

enum err outbox_spread_news(struct ctx *ctx, struct outbox *outbox)
{
	struct spread spread = {.outbox = outbox};
	spread.n = take_news(outbox, ctx->arena, &spread.list);
	if (spread.n == 0) {
		return ERR_OK;
	}
	enum err err = ask_who(ctx, &spread);
	if (err == ERR_OK) {
		give(&spread);
	}
	for (size_t i = 0; i < spread.n; i++) {
		edu_note_unref(spread.list[i]->note);
		str_free(spread.list[i]->user_id);
		mem_free(spread.list[i]);
	}
	return err;
}
