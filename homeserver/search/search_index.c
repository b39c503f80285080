/*
 * The consumer that fills the index. A round reads a batch of events, finds their texts, what edits edit and redactions redacted, and
 * applies all of it together with its new position, so that a round that is repeated changes nothing.
 *
 * What is redacted by now is read without its text: then there is nothing to add, and the redaction itself, which comes later in
 * the stream, finds nothing to remove.
 */
#include "base/vec.h"
#include "homeserver/search/search.h"
#include "homeserver/search/search_text.h"
#include "matrix/relation.h"
#include "storage/consumer.h"
#include "storage/event.h"

enum { BATCH = 500, TERMS_MAX = 10000 };

/* What is needed of a stored event. */
struct source {
	const struct event_row *row;
	struct str type;
	struct str sender;
	bool is_state;
	bool has_empty_key;
	int64_t origin_server_ts;
	const struct json *content;
	const struct json *pdu;
};

/* Another event that an event of the batch is about. */
struct link {
	const struct source *source;
	struct str event_id;
};

struct indexing {
	struct ctx *ctx;
	struct homeserver *hs;
	VEC(struct search_text) texts;
	VEC(struct search_place) redacted;
	VEC(int64_t) room_nids; /* that became encrypted */
	VEC(struct link) edits;
	VEC(struct link) redactions;
	struct event_row *linked; /* the events that edits and redactions are about */
	size_t linked_n;
};

static bool read_source(struct arena *arena, const struct event_row *row, struct source *out)
{
	struct json *pdu = ARENA_NEW(arena, struct json);
	if (json_parse(arena, row->json, NULL, pdu, NULL) != JSON_OK) {
		return false;
	}
	const struct json *state_key = json_at(pdu, "state_key");
	*out = (struct source){
		.row = row,
		.type = json_get_str(pdu, STR("type")),
		.sender = json_get_str(pdu, STR("sender")),
		.is_state = state_key != NULL,
		.has_empty_key = json_is(state_key, JSON_STRING) && json_text(state_key).n == 0,
		.content = json_at(pdu, "content"),
		.pdu = pdu,
	};
	return json_get_int(pdu, STR("origin_server_ts"), INT64_MIN, INT64_MAX,
			   &out->origin_server_ts) &&
		json_is(out->content, JSON_OBJECT);
}

/* `target` is the event that is found: the source itself, or what it edits. */
static void add_text(struct indexing *indexing, const struct source *source,
	const struct source *target)
{
	struct arena *arena = indexing->ctx->arena;
	struct str body;
	struct search_text text = {
		.place = {.room_nid = source->row->room_nid, .position = source->row->position},
		.target_position = target->row->position,
		.sender = source->sender,
		.origin_server_ts = target->origin_server_ts,
		.has_url = json_at(target->content, "url") != NULL,
	};
	bool is_state = source->is_state && source->has_empty_key;
	if (source->row->redacted_by != 0 || source->is_state != is_state ||
		!search_text_of(arena, source->type, is_state, source->content, &text.key, &body)) {
		return;
	}
	struct term *terms;
	terms_split(arena, body, TERMS_MAX, &terms, &text.term_count);
	text.terms = terms;
	if (text.term_count > 0 || source != target) {
		VEC_PUSH(arena, &indexing->texts, text);
	}
}

static void add_link(struct indexing *indexing, const struct source *source)
{
	struct arena *arena = indexing->ctx->arena;
	struct relation relation;
	struct link link = {.source = source};
	if (str_equals(source->type, STR("m.room.redaction"))) {
		struct str above = json_get_str(source->pdu, STR("redacts"));
		link.event_id = above.p != NULL ? above : json_get_str(source->content, STR("redacts"));
		if (link.event_id.p != NULL && !str_has_nul(link.event_id)) {
			VEC_PUSH(arena, &indexing->redactions, link);
		}
	} else if (relation_read(source->content, &relation) &&
		relation_is(&relation, STR("m.replace")) && !str_has_nul(relation.event_id)) {
		link.event_id = relation.event_id;
		VEC_PUSH(arena, &indexing->edits, link);
	}
}

static bool is_edit(const struct source *source)
{
	struct relation relation;
	return relation_read(source->content, &relation) && relation_is(&relation, STR("m.replace"));
}

static void read_event(struct indexing *indexing, const struct event_row *row)
{
	struct arena *arena = indexing->ctx->arena;
	struct source *source = ARENA_NEW(arena, struct source);
	if (!read_source(arena, row, source)) {
		return;
	}
	if (source->has_empty_key && str_equals(source->type, STR("m.room.encryption"))) {
		VEC_PUSH(arena, &indexing->room_nids, row->room_nid);
	}
	add_link(indexing, source);
	if (!is_edit(source)) {
		add_text(indexing, source, source);
	}
}

/* --- edits and redactions -------------------------------------------------------------------------------------- */

static enum err load_linked(struct indexing *indexing)
{
	size_t count = indexing->edits.n + indexing->redactions.n;
	if (count == 0) {
		return ERR_OK;
	}
	struct str *ids = ARENA_NEW_ARRAY(indexing->ctx->arena, struct str, count);
	size_t n = 0;
	for (size_t i = 0; i < indexing->edits.n; i++) {
		ids[n++] = indexing->edits.p[i].event_id;
	}
	for (size_t i = 0; i < indexing->redactions.n; i++) {
		ids[n++] = indexing->redactions.p[i].event_id;
	}
	return store_events_by_id(indexing->ctx, indexing->hs->db, ids, n, &indexing->linked,
		&indexing->linked_n);
}

/* The event that a link names, of the same room; NULL when unknown. */
static const struct event_row *find_linked(const struct indexing *indexing, const struct link *link)
{
	for (size_t i = 0; i < indexing->linked_n; i++) {
		const struct event_row *row = &indexing->linked[i];
		if (row->room_nid == link->source->row->room_nid &&
			str_equals(row->event_id, link->event_id)) {
			return row;
		}
	}
	return NULL;
}

static struct relation_edit_facts edit_facts(const struct source *source)
{
	return (struct relation_edit_facts){
		.sender = source->sender,
		.type = source->type,
		.is_state = source->is_state,
		.content = source->content,
	};
}

static void apply_edit(struct indexing *indexing, const struct link *link)
{
	const struct event_row *row = find_linked(indexing, link);
	struct source original;
	if (row == NULL || row->redacted_by != 0 ||
		!read_source(indexing->ctx->arena, row, &original)) {
		return;
	}
	const struct relation_edit_facts before = edit_facts(&original);
	const struct relation_edit_facts after = edit_facts(link->source);
	if (relation_check_edit(&before, row->event_id, &after).allowed) {
		add_text(indexing, link->source, &original);
	}
}

static void apply_redaction(struct indexing *indexing, const struct link *link)
{
	const struct event_row *row = find_linked(indexing, link);
	if (row != NULL && row->redacted_by != 0) {
		const struct search_place place = {row->room_nid, row->position};
		VEC_PUSH(indexing->ctx->arena, &indexing->redacted, place);
	}
}

/* --- encrypted rooms --------------------------------------------------------------------------------------------- */

static bool has_number(const int64_t *numbers, size_t count, int64_t number)
{
	for (size_t i = 0; i < count; i++) {
		if (numbers[i] == number) {
			return true;
		}
	}
	return false;
}

/* Texts of rooms that are encrypted by now are left out. */
static enum err leave_out_encrypted(struct indexing *indexing)
{
	size_t n = 0;
	int64_t *rooms = ARENA_NEW_ARRAY(indexing->ctx->arena, int64_t, indexing->texts.n);
	for (size_t i = 0; i < indexing->texts.n; i++) {
		int64_t room_nid = indexing->texts.p[i].place.room_nid;
		if (!has_number(rooms, n, room_nid)) {
			rooms[n++] = room_nid;
		}
	}
	if (n == 0) {
		return ERR_OK;
	}
	int64_t *encrypted;
	size_t encrypted_n;
	TRY(store_search_encrypted(indexing->ctx, indexing->hs->db, rooms, n, &encrypted,
		&encrypted_n));
	size_t kept = 0;
	for (size_t i = 0; i < indexing->texts.n; i++) {
		if (!has_number(encrypted, encrypted_n, indexing->texts.p[i].place.room_nid)) {
			indexing->texts.p[kept++] = indexing->texts.p[i];
		}
	}
	indexing->texts.n = kept;
	return ERR_OK;
}

/* --- a round ----------------------------------------------------------------------------------------------------- */

static enum err apply(struct indexing *indexing, int64_t after, int64_t reached)
{
	struct ctx *ctx = indexing->ctx;
	const struct search_change change = {
		.texts = indexing->texts.p,
		.text_count = indexing->texts.n,
		.redacted = indexing->redacted.p,
		.redacted_count = indexing->redacted.n,
		.room_nids = indexing->room_nids.p,
		.room_count = indexing->room_nids.n,
	};
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, indexing->hs->db, &tx));
	TRY(store_search_change(ctx, tx, &change));
	TRY(store_consumer_move_in(ctx, tx, STR(SEARCH_CONSUMER), after, reached));
	return tx_commit(ctx, &tx);
}

enum err search_index_run(struct ctx *ctx, struct homeserver *hs, void *self, int64_t after,
	int64_t up_to, int64_t *out_reached)
{
	(void)self;
	struct indexing indexing = {.ctx = ctx, .hs = hs};
	struct event_row *rows;
	size_t count;
	if (after == 0) {
		TRY(store_search_clear(ctx, hs->db));
	}
	TRY(store_events_in_stream(ctx, hs->db, after, up_to, BATCH, &rows, &count));
	for (size_t i = 0; i < count; i++) {
		read_event(&indexing, &rows[i]);
	}
	TRY(load_linked(&indexing));
	for (size_t i = 0; i < indexing.edits.n; i++) {
		apply_edit(&indexing, &indexing.edits.p[i]);
	}
	for (size_t i = 0; i < indexing.redactions.n; i++) {
		apply_redaction(&indexing, &indexing.redactions.p[i]);
	}
	TRY(leave_out_encrypted(&indexing));
	int64_t reached = count < BATCH ? up_to : rows[count - 1].position;
	TRY(apply(&indexing, after, reached));
	*out_reached = reached;
	return ERR_OK;
}
