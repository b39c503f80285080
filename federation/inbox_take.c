/*
 * Staging. What can be told from memory of a PDU (its format, its room, the room's access list) is told in the answer; what
 * passes is committed together with the answer itself, so that neither is ever without the other.
 */
#include "federation/inbox_inner.h"

#include "base/json_out.h"
#include "base/metrics.h"
#include "federation/edu_in.h"
#include "federation/handshake_rooms.h"
#include "federation/outside_in.h"
#include "federation/pdu_check.h"
#include "federation/processes.h"
#include "homeserver/room/room_accept.h"
#include "storage/inbox.h"

enum {
	ANSWER_MAX_BYTES = 65536,
	BODY_MAX_BYTES = EDU_MAX_BYTES + 1024,
	RETRY_AFTER_MS = 5000,
};

static struct metric staged_total =
	METRIC_COUNTER("belfry_inbox_staged_total", "PDUs and EDUs of other servers that were staged");
static struct metric refused_total =
	METRIC_COUNTER("belfry_inbox_refused_total", "PDUs of other servers that were refused at once");

/* A transaction while it is taken. */
struct taking {
	struct ctx *ctx;
	struct inbox *inbox;
	const struct inbox_transaction *transaction;
	struct transaction parts;
	struct pdu pdus[TRANSACTION_MAX_PDUS];
	struct inbox_row rows[TRANSACTION_MAX_PDUS + TRANSACTION_MAX_EDUS];
	size_t row_n;
};

/* --- PDUs ---------------------------------------------------------------------------------------------------- */

static enum err refuse(struct pdu *pdu, const char *error)
{
	pdu->event = NULL;
	pdu->error = error;
	return ERR_OK;
}

/* Without a room nobody knows the format; what old versions call an id is one in any case. */
static enum err refuse_unknown(const struct json *json, struct pdu *pdu, const char *error)
{
	if (!event_id_parse(json_get_str(json, STR("event_id")), &pdu->event_id)) {
		pdu->event_id.s = str_from(NULL, 0);
	}
	return refuse(pdu, error);
}

static enum err judge(struct taking *taking, const struct json *json, struct pdu *pdu)
{
	struct ctx *ctx = taking->ctx;
	struct federation *federation = taking->inbox->federation;
	struct room_id room_id;
	struct room *room;
	if (!transaction_room_of(json, &room_id)) {
		return refuse_unknown(json, pdu, "room_id must be a room id");
	}
	/* Before the room is looked at: a handshake that has ended since is seen there. */
	const struct room_version *awaited = handshake_rooms_version(federation, room_id.s);
	enum err err = rooms_get(ctx, federation->hs, room_id.s, &room);
	if (err == ERR_MISSING) {
		ctx->fault = (struct fault){0};
		if (awaited == NULL) {
			return refuse_unknown(json, pdu, "This server does not know the room");
		}
		pdu_read(ctx->arena, &(struct pdu_room){.version = awaited, .room_id = room_id}, json, pdu);
		return ERR_OK;
	}
	TRY(err);
	pdu_read(ctx->arena, &(struct pdu_room){.version = room_version_of(room), .room_id = room_id},
		json, pdu);
	if (pdu->event == NULL) {
		return ERR_OK;
	}
	if (!room_is_resident(room)) {
		bool concerns_us = awaited != NULL;
		TRY(concerns_us ? ERR_OK
						: outside_in_concerns(ctx, federation, room, pdu->event, &concerns_us));
		return concerns_us ? ERR_OK : refuse(pdu, "This server is not in the room");
	}
	bool is_let_in = false;
	TRY(pdu_is_let_in(ctx, federation, room, taking->transaction->origin, pdu->event, &is_let_in));
	return is_let_in ? ERR_OK : refuse(pdu, "The room's access list shuts the server out");
}

/*
 * Whether an event comes a second time in the transaction. One that was taken counts before one that was refused: what is malformed
 * may have the id of a good one.
 */
static bool is_repeated(const struct taking *taking, size_t i)
{
	const struct pdu *pdu = &taking->pdus[i];
	for (size_t k = 0; k < taking->parts.pdu_count; k++) {
		const struct pdu *other = &taking->pdus[k];
		bool counts_before =
			(other->event != NULL) == (pdu->event != NULL) ? k < i : other->event != NULL;
		if (k != i && counts_before && str_equals(other->event_id.s, pdu->event_id.s)) {
			return true;
		}
	}
	return false;
}

static enum err add_pdus(struct taking *taking)
{
	for (size_t i = 0; i < taking->parts.pdu_count; i++) {
		TRY(judge(taking, &taking->parts.pdus[i], &taking->pdus[i]));
	}
	for (size_t i = 0; i < taking->parts.pdu_count; i++) {
		const struct pdu *pdu = &taking->pdus[i];
		if (pdu->event == NULL) {
			metric_add(&refused_total, 1);
		} else if (!is_repeated(taking, i)) {
			taking->rows[taking->row_n++] = (struct inbox_row){
				.queue = pdu->event->room_id.s,
				.origin = taking->transaction->origin.s,
				.event_id = pdu->event_id.s,
				.body = pdu->event->raw,
			};
		}
	}
	return ERR_OK;
}

/* --- EDUs ---------------------------------------------------------------------------------------------------- */

static struct str edu_body(struct arena *arena, const struct edu *edu)
{
	struct buf buf CLEANUP(buf_fini);
	struct json_out out;
	buf_init(&buf, BODY_MAX_BYTES);
	json_out_init(&out, &buf);
	json_out_object(&out);
	json_out_key_value(&out, "content", edu->content);
	json_out_key_str(&out, "edu_type", edu->type);
	json_out_end(&out);
	invariant(buf_ok(&buf)); /* transaction_read() takes no larger one */
	return str_dup(arena, buf_str(&buf));
}

static void add_edus(struct taking *taking)
{
	for (size_t i = 0; i < taking->parts.edu_count; i++) {
		const struct edu *edu = &taking->parts.edus[i];
		if (edu_in_is_known(edu->type)) {
			taking->rows[taking->row_n++] = (struct inbox_row){
				.queue = taking->transaction->origin.s,
				.origin = taking->transaction->origin.s,
				.event_id = STR(""),
				.body = edu_body(taking->ctx->arena, edu),
			};
		}
	}
}

/* --- the whole ------------------------------------------------------------------------------------------------- */

static struct str answer_text(struct taking *taking)
{
	struct buf buf CLEANUP(buf_fini);
	struct json_out out;
	buf_init(&buf, ANSWER_MAX_BYTES);
	json_out_init(&out, &buf);
	json_out_object(&out);
	json_out_key(&out, STR("pdus"));
	json_out_object(&out);
	for (size_t i = 0; i < taking->parts.pdu_count; i++) {
		const struct pdu *pdu = &taking->pdus[i];
		if (pdu->event_id.s.p == NULL || is_repeated(taking, i)) {
			continue;
		}
		json_out_key(&out, pdu->event_id.s);
		json_out_object(&out);
		if (pdu->error != NULL) {
			json_out_key_str(&out, "error", str_of(pdu->error));
		}
		json_out_end(&out);
	}
	json_out_end(&out);
	json_out_end(&out);
	invariant(buf_ok(&buf));
	return str_dup(taking->ctx->arena, buf_str(&buf));
}

static enum err commit(struct taking *taking, struct str answer)
{
	struct inbox *inbox = taking->inbox;
	struct homeserver *hs = inbox->federation->hs;
	struct write *write = write_new(taking->ctx);
	int64_t now_ms = clock_wall_ms(&hs->clock);
	store_inbox_transaction(write, taking->transaction->origin.s, taking->transaction->txn_id,
		answer, now_ms);
	for (size_t i = 0; i < taking->row_n; i++) {
		store_inbox_add(write, &taking->rows[i], now_ms);
	}
	TRY(writer_commit(taking->ctx, hs->writer, write, NULL));
	atomic_fetch_add(&inbox->waiting, (int64_t)taking->row_n);
	metric_add(&staged_total, (int64_t)taking->row_n);
	for (size_t i = 0; i < taking->row_n; i++) {
		struct str queue = taking->rows[i].queue;
		if (i > 0 && str_equals(queue, taking->rows[i - 1].queue)) {
			continue;
		}
		if (inbox_is_ours(inbox, queue)) {
			inbox_wake(inbox, queue);
		} else {
			processes_note_arrival(inbox->federation, taking->transaction->origin);
		}
	}
	return ERR_OK;
}

static enum err check_room_for_more(struct taking *taking, int64_t of_server)
{
	struct ctx *ctx = taking->ctx;
	const struct settings *settings = &taking->inbox->federation->hs->settings;
	if (of_server < settings->inbox_per_server &&
		atomic_load(&taking->inbox->waiting) < settings->inbox_total) {
		return ERR_OK;
	}
	enum err err =
		fail(ctx, ERR_LIMIT, M_LIMIT_EXCEEDED, "Too much waits to be worked off: come later");
	ctx->fault.retry_after_ms = RETRY_AFTER_MS;
	return err;
}

static enum err check_shape(struct taking *taking)
{
	struct ctx *ctx = taking->ctx;
	struct field_error error;
	struct str txn_id = taking->transaction->txn_id;
	if (txn_id.n > ID_MAX_BYTES || str_find_byte(txn_id, '\0') != SIZE_MAX) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"A transaction id may have at most %d bytes, and no NUL", ID_MAX_BYTES);
	}
	if (!transaction_read(ctx->arena, taking->transaction->body, &taking->parts, &error)) {
		return fail(ctx, ERR_INPUT, error.errcode, "%.*s %s", STR_ARG(error.field), error.text);
	}
	return ERR_OK;
}

enum err inbox_take(struct ctx *ctx, struct inbox *inbox,
	const struct inbox_transaction *transaction, struct str *out_answer)
{
	struct taking *taking = ARENA_NEW(ctx->arena, struct taking);
	struct db *db = inbox->federation->hs->db;
	struct inbox_facts facts;
	taking->ctx = ctx;
	taking->inbox = inbox;
	taking->transaction = transaction;
	TRY(check_shape(taking));
	TRY(store_inbox_find(ctx, db, transaction->origin.s, transaction->txn_id, &facts));
	if (facts.answer.p == NULL) {
		TRY(check_room_for_more(taking, facts.waiting));
		TRY(add_pdus(taking));
		add_edus(taking);
		facts.answer = answer_text(taking);
		enum err err = commit(taking, facts.answer);
		if (err == ERR_CONFLICT) { /* the same transaction came at the same time */
			TRY(store_inbox_find(ctx, db, transaction->origin.s, transaction->txn_id, &facts));
			err = facts.answer.p != NULL ? ERR_OK : err;
		}
		TRY(err);
	}
	*out_answer = facts.answer;
	return ERR_OK;
}
