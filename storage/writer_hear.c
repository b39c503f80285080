/*
 * What other processes commit, taken in between our own groups; and that they have heard of ours.
 *
 * A caller whose write is committed goes on once all peers have heard of it, so that what is asked of any process afterwards is
 * answered with it. A group of a peer says that it knows everything before; who has nothing to write says so by itself ("heard").
 * Who does not for a second is not waited for any more: until its connection breaks it may show what was before.
 */
#include "storage/writer_inner.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#include <inttypes.h>

static struct metric heard = METRIC_COUNTER("belfry_writer_heard_total",
	"Transactions of other processes that were heard of");
static struct metric unheard = METRIC_COUNTER("belfry_writer_peers_dropped_total",
	"Times when a process was not waited for any more, for it did not hear");
static struct metric missed = METRIC_COUNTER("belfry_writer_missed_total",
	"Times when others may have committed unheard, so that memory was emptied");

/* --- the position ------------------------------------------------------------------------------------------ */

void writer_move_to(struct writer *writer, int64_t position)
{
	atomic_store(&writer->position, position);
	LOCK_SCOPE(&writer->lock);
	if (writer->awaiting > 0) {
		cond_broadcast(&writer->moved);
	}
}

void writer_publish(struct writer *writer, int64_t position, uint32_t kinds)
{
	if (writer->config.published != NULL) {
		writer->config.published(writer->config.self, position, kinds);
	}
}

/* --- callers that wait for peers --------------------------------------------------------------------------- */

static void let_go(struct writer *writer)
{
	writer_let_tellers_go(writer);
	int64_t heard_up_to = peers_heard(&writer->peers);
	while (writer->unheard != NULL && writer->unheard->group_position <= heard_up_to) {
		struct write *write = writer->unheard;
		writer->unheard = write->next;
		write_finish(write);
	}
}

/* Those who are behind are told on, but nobody waits for them before they speak. */
static void drop_peers(struct writer *writer, int64_t position, int64_t said, int64_t now_ms)
{
	size_t dropped = peers_drop_behind(&writer->peers, position, said, now_ms);
	metric_add(&unheard, (int64_t)dropped);
	log_warn(0, "db.peer_silent", "dropped=%zu of=%zu", dropped, writer->peers.n);
	let_go(writer);
}

/* The oldest has waited long enough: it goes on without those who have not heard of it. */
void writer_lose_patience(struct writer *writer)
{
	int64_t now_ms = clock_os_ms();
	while (writer->unheard != NULL && now_ms >= writer->unheard->patience_until_ms) {
		drop_peers(writer, writer->unheard->group_position, 0, now_ms);
	}
	while (writer->untold != NULL && now_ms >= writer->untold->patience_until_ms) {
		/* What does not come back here either was lost with the connection. */
		writer->said_heard = MAX_OF(writer->said_heard, writer->untold->number);
		drop_peers(writer, 0, writer->untold->number, now_ms);
	}
	peers_forget_silent(&writer->peers, now_ms - PEER_FORGOTTEN_MS);
	atomic_store(&writer->peer_n, writer->peers.n);
}

void writer_finish_heard(struct writer *writer, struct write *write, int64_t position)
{
	if (writer->unheard == NULL && peers_heard(&writer->peers) >= position) {
		write_finish(write);
		return;
	}
	write->group_position = position;
	write->patience_until_ms = clock_os_ms() + writer_patience(writer);
	write->next = NULL;
	if (writer->unheard == NULL) {
		writer->unheard = write;
	} else {
		writer->unheard_last->next = write;
	}
	writer->unheard_last = write;
}

int64_t writer_patience(const struct writer *writer)
{
	return writer->config.patience_ms > 0 ? writer->config.patience_ms : (int64_t)PATIENCE_MS;
}

int writer_patience_ms(const struct writer *writer)
{
	int64_t until_ms = INT64_MAX;
	if (writer->unheard != NULL) {
		until_ms = writer->unheard->patience_until_ms;
	}
	if (writer->untold != NULL) {
		until_ms = MIN_OF(until_ms, writer->untold->patience_until_ms);
	}
	if (until_ms == INT64_MAX) {
		return -1;
	}
	return (int)MAX_OF(until_ms - clock_os_ms(), (int64_t)0);
}

/* --- saying ---------------------------------------------------------------------------------------------------- */

static void say(struct writer *writer, struct ctx *ctx, struct str text)
{
	PGresult *result = NULL;
	if (writer->pg.conn == NULL ||
		pg_run(ctx, &writer->pg, STMT_STREAM_SAY, DB_ARGS(db_text(text)), &result) != ERR_OK) {
		ctx->fault =
			(struct fault){0}; /* nobody waits for long; the next connection says it anew */
	}
	PQclear(result);
}

/* With what is owed to each whose words were heard. */
static struct str heard_text(struct writer *writer, struct arena *arena)
{
	struct buf text CLEANUP(buf_fini);
	buf_init(&text, NEWS_MAX_BYTES); /* PEERS_MAX lines are far less */
	buf_printf(&text, "%" PRId64 " heard %" PRId64 " %" PRId64, writer_position(writer),
		writer->marks.writer_id, writer_ephemeral(writer));
	for (size_t i = 0; i < writer->peers.n; i++) {
		struct peer *peer = &writer->peers.list[i];
		if (peer->owed != 0) {
			buf_printf(&text, "\na%" PRId64 " %" PRId64, peer->writer_id, peer->owed);
			peer->owed = 0;
		}
	}
	return str_dup(arena, buf_str(&text));
}

void writer_tell_heard(struct writer *writer, struct ctx *ctx)
{
	if (writer->owes_heard || writer->owes_answers) {
		writer->owes_heard = writer->owes_answers = false;
		say(writer, ctx, heard_text(writer, ctx->arena));
	}
}

void writer_say_bye(struct writer *writer, struct ctx *ctx)
{
	say(writer, ctx,
		str_printf(ctx->arena, "%" PRId64 " bye %" PRId64, writer_position(writer),
			writer->marks.writer_id));
}

/* --- hearing ---------------------------------------------------------------------------------------------------- */

/* Others may have committed what was not heard of: nothing that is in memory can be trusted. */
static void forget_all(struct writer *writer, int64_t position)
{
	metric_add(&missed, 1);
	if (writer->config.overtaken != NULL) {
		writer->config.overtaken(writer->config.self, position);
	}
}

enum err writer_settle_position(struct writer *writer, struct ctx *ctx, int64_t *out)
{
	PGresult *result = NULL;
	int64_t published = writer_position(writer);
	TRY(pg_run(ctx, &writer->pg, STMT_STREAM_SETTLE, DB_ARGS(db_bigint(published)), &result));
	const struct db_rows *rows = pg_rows(ctx, result);
	if (db_count(rows) != 1) {
		return fail_cause(ctx, ERR_INTERNAL, "stream_head has no row");
	}
	*out = db_int(rows, 0, 0);
	if (db_int(rows, 0, 1) < published) {
		log_error(0, "db.behind", "published=%" PRId64 " found=%" PRId64, published,
			db_int(rows, 0, 1));
		forget_all(writer, *out);
	}
	return ERR_OK;
}

/* A connection that hears, and nothing missed before it. One round trip on a new connection, else none. */
enum err writer_listen(struct writer *writer, struct ctx *ctx)
{
	int64_t position;
	TRY(pg_ensure(ctx, &writer->pg));
	if (writer->heard_since == writer->pg.connections) {
		return ERR_OK;
	}
	TRY(writer_settle_position(writer, ctx, &position));
	writer->heard_since = writer->pg.connections;
	writer->owes_heard = true; /* also so that others know of this one */
	writer_give_up_tells(writer);
	if (writer->config.deaf != NULL) {
		writer->config.deaf(writer->config.self);
	}
	if (position != writer_position(writer)) {
		forget_all(writer, position);
		writer_move_to(writer, position);
		writer_publish(writer, position, NEWS_ALL);
	}
	return ERR_OK;
}

/* A group of another process, behind what is known. */
static void take_in(struct writer *writer, const struct news_group *group)
{
	bool is_next = group->position - group->positions == writer_position(writer);
	bool has_all = group->count == 1 && group->list[0].kind == NEWS_EVERYTHING;
	bool is_told = is_next && !has_all && writer->config.told != NULL;
	metric_add(&heard, 1);
	if (is_told) {
		writer->config.told(writer->config.self, group);
	} else {
		forget_all(writer, group->position);
	}
	writer->owes_heard = true;
	writer_move_to(writer, group->position);
	writer_publish(writer, group->position,
		is_told ? news_kinds(group->list, group->count) : NEWS_ALL);
}

/* One that was not known does not know this one either. */
static void note_peer(struct writer *writer, const struct news_group *group)
{
	if (group->what == NEWS_BYE) {
		peers_remove(&writer->peers, group->writer_id);
	} else if (peers_note(&writer->peers, group->writer_id, group->position, writer->said)) {
		writer->owes_heard = true;
	}
	atomic_store(&writer->peer_n, writer->peers.n);
}

static void note_answers(struct writer *writer, const struct news_group *group)
{
	writer_raise_ephemeral(writer, group->serial);
	for (size_t i = 0; i < group->ack_n; i++) {
		if (group->acks[i].writer_id == writer->marks.writer_id) {
			peers_answered(&writer->peers, group->writer_id, group->acks[i].number);
		}
	}
}

/* Our own words, in between those of others. Our groups are in memory already. */
static void hear_own(struct writer *writer, const struct news_group *group)
{
	if (group->what == NEWS_TELL) {
		writer_take_in_tells(writer, group);
		writer->said_heard = MAX_OF(writer->said_heard, group->number);
	}
}

static void hear_other(struct writer *writer, const struct news_group *group)
{
	if (group->writer_id == 0) { /* a command, which hears nothing */
		writer_take_in_tells(writer, group);
		return;
	}
	note_peer(writer, group);
	switch (group->what) {
	case NEWS_GROUP:
		if (group->position > writer_position(writer)) {
			take_in(writer, group);
		} /* else it was there when the connection began */
		break;
	case NEWS_HEARD:
		note_answers(writer, group);
		break;
	case NEWS_TELL:
		writer_take_in_tells(writer, group);
		peers_owe(&writer->peers, group->writer_id, group->number);
		writer->owes_answers = true;
		break;
	case NEWS_BYE:
		break;
	}
}

/*
 * What has come of others, in order.
 * @param up_to_own  only those before our newest group, whose callbacks are still to come
 */
static void hear(struct writer *writer, struct ctx *ctx, bool up_to_own)
{
	for (;;) {
		struct news_group group;
		struct str text = pg_notification(ctx, &writer->pg);
		if (text.p == NULL) {
			return;
		}
		if (!news_read(ctx->arena, text, &group)) {
			log_warn(0, "db.news_unknown", "bytes=%zu", text.n);
			forget_all(writer, writer_position(writer));
			continue;
		}
		if (group.writer_id != writer->marks.writer_id) {
			hear_other(writer, &group);
			continue;
		}
		if (up_to_own && group.what == NEWS_GROUP) {
			return;
		}
		hear_own(writer, &group);
	}
}

void writer_hear_before(struct writer *writer, struct ctx *ctx, int64_t before)
{
	hear(writer, ctx, true);
	writer->owes_heard = false; /* the group says so */
	bool is_same = writer->heard_since == writer->pg.connections;
	if (!is_same || writer_position(writer) != before) {
		writer->heard_since =
			0; /* what came with the new connection is asked for before the next group */
		forget_all(writer, before);
	}
}

void writer_hear(struct writer *writer, struct ctx *ctx)
{
	hear(writer, ctx, false);
	let_go(writer);
	writer_lose_patience(writer);
}
