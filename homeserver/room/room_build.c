/*
 * From what a user wants to a signed event that the room's rules allow.
 *
 * State is looked up in the overlay (events of the same batch) first, then in the room. Only the entries that
 * auth_select() names are loaded: authorisation looks at nothing else.
 */
#include "homeserver/room/room_build.h"
#include "homeserver/room/room_accept.h"

#include "base/json_out.h"
#include "base/vec.h"
#include "homeserver/room/room_invitee.h"
#include "homeserver/room/room_redact.h"
#include "matrix/auth.h"
#include "matrix/canonical.h"
#include "matrix/power.h"
#include "matrix/push_eval.h"
#include "matrix/redact.h"
#include "matrix/relation.h"
#include "matrix/server_acl.h"
#include "matrix/stripped.h"
#include "storage/graph.h"

enum { EXPLICIT_ID_CHARS = 24, MAX_PREV = EVENT_MAX_PREV_EVENTS };

void room_builder_init(struct room_builder *builder, struct ctx *ctx, struct homeserver *hs,
	struct room *room, size_t capacity)
{
	*builder = (struct room_builder){.ctx = ctx, .hs = hs, .room = room, .capacity = capacity};
	state_map_init(&builder->overlay, ctx->arena);
	builder->head = room->head;
	builder->head.threads = (struct map){0};
	builder->events = ARENA_NEW_ARRAY(ctx->arena, struct built_event, capacity);
}

void room_builder_fini(struct room_builder *builder)
{
	for (size_t i = 0; i < builder->count; i++) {
		stored_event_unref(builder->events[i].stored);
		stored_event_unref(builder->events[i].redacted);
	}
	builder->count = 0;
	map_fini(&builder->threads);
}

static void fini_hook(void *data)
{
	room_builder_fini(data);
}

struct room_builder *room_builder_until_reset(struct ctx *ctx, struct homeserver *hs,
	struct room *room, size_t capacity)
{
	struct room_builder *builder = ARENA_NEW(ctx->arena, struct room_builder);
	room_builder_init(builder, ctx, hs, room, capacity);
	arena_on_reset(ctx->arena, fini_hook, builder);
	return builder;
}

/* --- state as the next event sees it --------------------------------------------------------------------- */

/* Event as committed, or built so far. *out NULL: there is no such state. Errors: STORE */
static enum err state_of(struct room_builder *builder, struct str type, struct str state_key,
	const struct event **out)
{
	*out = state_map_get(&builder->overlay, type, state_key);
	if (*out != NULL || builder->room->nid == 0) {
		return ERR_OK;
	}
	struct stored_event *stored;
	TRY(room_state_event(builder->ctx, builder->hs, builder->room, type, state_key, POSITION_NOW,
		&stored));
	*out = stored != NULL ? stored->event : NULL;
	return ERR_OK;
}

/* What authorisation may look at: the entries auth_select() names, and the create event. */
static enum err gather_auth_state(struct room_builder *builder, const struct room_intent *intent,
	struct state_map *state, struct event_intent *full)
{
	struct ctx *ctx = builder->ctx;
	struct auth_key *keys;
	size_t n = auth_select(ctx->arena, builder->room->version, intent->type, intent->is_state,
		intent->state_key, intent->sender, intent->content, &keys);
	state_map_init(state, ctx->arena);
	VEC(struct event_id) ids = {0};
	VEC(struct str) hashes = {0};
	for (size_t i = 0; i < n; i++) {
		const struct event *event;
		TRY(state_of(builder, keys[i].type, keys[i].state_key, &event));
		if (event != NULL && state_map_put(state, event) == NULL) {
			VEC_PUSH(ctx->arena, &ids, event->event_id);
			VEC_PUSH(ctx->arena, &hashes, event_reference_text(ctx->arena, event));
		}
	}
	const struct event *create;
	TRY(state_of(builder, STR("m.room.create"), STR(""), &create));
	if (create != NULL) {
		(void)state_map_put(state, create);
	}
	full->auth_events = ids.p;
	full->auth_count = ids.n;
	full->auth_hashes = hashes.p;
	return ERR_OK;
}

/* --- assembling ---------------------------------------------------------------------------------------------- */

enum err room_extremities_read(struct ctx *ctx, struct str text, struct event_id **out,
	size_t *out_count)
{
	struct json list;
	*out_count = 0;
	*out = NULL;
	if (text.n == 0) {
		return ERR_OK;
	}
	if (json_parse(ctx->arena, text, NULL, &list, NULL) != JSON_OK || list.type != JSON_ARRAY) {
		return fail_cause(ctx, ERR_INTERNAL, "bad extremities of a room");
	}
	*out = ARENA_NEW_ARRAY(ctx->arena, struct event_id, list.count);
	for (size_t i = 0; i < list.count; i++) {
		(*out)[(*out_count)++].s = json_text(&list.items[i]);
	}
	return ERR_OK;
}

struct str room_extremities_text(struct arena *arena, const struct event_id *ids, size_t count)
{
	struct json *items = ARENA_NEW_ARRAY(arena, struct json, count);
	for (size_t i = 0; i < count; i++) {
		items[i] = json_string(ids[i].s);
	}
	const struct json list = json_array_of(items, count);
	return canonical_text(arena, &list);
}

static enum err hash_of_prev(struct room_builder *builder, struct event_id id, struct str *out)
{
	struct arena *arena = builder->ctx->arena;
	struct stored_event *stored;
	for (size_t i = builder->count; i-- > 0;) {
		if (str_equals(builder->events[i].event->event_id.s, id.s)) {
			*out = event_reference_text(arena, builder->events[i].event);
			return ERR_OK;
		}
	}
	TRY(room_any_event(builder->ctx, builder->hs, builder->room, id.s, &stored));
	*out = stored != NULL ? event_reference_text(arena, stored->event) : str_from(NULL, 0);
	return ERR_OK;
}

/*
 * The events that the next one follows. Their hashes go beside their ids in versions 1 and 2: mostly from memory, for the head was just
 * sent or just came; else a round trip each.
 */
static enum err gather_prev(struct room_builder *builder, struct event_intent *full)
{
	struct ctx *ctx = builder->ctx;
	struct event_id *prev = NULL;
	size_t count;
	TRY(room_extremities_read(ctx, builder->head.extremities, &prev, &count));
	full->prev_events = prev;
	full->prev_count = MIN_OF(count, (size_t)MAX_PREV);
	if (full->version->event_format == EVENT_FORMAT_V1) {
		struct str *hashes = ARENA_NEW_ARRAY(ctx->arena, struct str, full->prev_count);
		for (size_t i = 0; i < full->prev_count; i++) {
			TRY(hash_of_prev(builder, prev[i], &hashes[i]));
		}
		full->prev_hashes = hashes;
	}
	return ERR_OK;
}

static enum err refuse(struct ctx *ctx, struct verdict verdict, bool is_rule)
{
	if (is_rule) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "%s", verdict.text);
	}
	if (verdict.rule != NULL && str_contains(str_of(verdict.rule), STR("size"))) {
		return fail_status(ctx, ERR_INPUT, 413, M_TOO_LARGE, "%s", verdict.text);
	}
	return fail(ctx, ERR_INPUT, M_BAD_JSON, "%s", verdict.text);
}

/* An ACL that shuts out this server would shut out everybody who could take it back here. */
static enum err check_acl(struct room_builder *builder, const struct room_intent *intent)
{
	bool is_acl = intent->is_state && intent->state_key.n == 0 &&
		str_equals(intent->type, STR("m.room.server_acl"));
	if (is_acl && !server_acl_allows(intent->content, builder->hs->signer.server)) {
		return fail(builder->ctx, ERR_INPUT, M_BAD_STATE,
			"This access control list would shut out your own server");
	}
	return ERR_OK;
}

/* A local user may wish for no invites. One round trip for each invite. */
static enum err check_invitee(struct room_builder *builder, const struct room_intent *intent)
{
	if (!intent->is_state || intent->is_servers ||
		!str_equals(intent->type, STR("m.room.member")) ||
		!str_equals(json_get_str(intent->content, STR("membership")), STR("invite")) ||
		!hs_is_local(builder->hs, intent->state_key)) {
		return ERR_OK;
	}
	return room_require_takes_invites(builder->ctx, builder->hs, intent->state_key);
}

static enum err assemble(struct room_builder *builder, const struct room_intent *intent,
	const struct event **out)
{
	struct ctx *ctx = builder->ctx;
	struct homeserver *hs = builder->hs;
	const struct room_version *version = builder->room->version;
	struct state_map state;
	struct event_intent full = {
		.version = version,
		.room_id = builder->room->id,
		.sender = intent->sender,
		.type = intent->type,
		.is_state = intent->is_state,
		.state_key = intent->state_key,
		.content = intent->content,
		.redacts = intent->redacts,
		.origin_server_ts = intent->is_dated || intent->origin_server_ts != 0
			? intent->origin_server_ts
			: clock_wall_ms(&hs->clock),
		.depth = MIN_OF(builder->head.depth, event_depth_max(version) - 1) + 1,
	};
	TRY(gather_auth_state(builder, intent, &state, &full));
	TRY(gather_prev(builder, &full));
	if (version->event_id_encoding == EVENT_ID_EXPLICIT) {
		full.explicit_event_id = str_printf(ctx->arena, "$%.*s:%.*s",
			STR_ARG(rng_text(&hs->rng, ctx->arena, EXPLICIT_ID_CHARS)),
			STR_ARG(hs->signer.server.s));
	}
	struct event *event;
	struct verdict verdict = event_build(ctx->arena, &full, &hs->signer, &event);
	if (!verdict.allowed) {
		return refuse(ctx, verdict, false);
	}
	struct state_view view = state_map_view(&state);
	verdict = auth_check(event, &view);
	if (!verdict.allowed) {
		return refuse(ctx, verdict, true);
	}
	*out = event;
	return ERR_OK;
}

/* --- what else the event means ----------------------------------------------------------------------------------- */

/* The running counts that the event goes on from: its thread's, or those outside threads. */
static enum err counts_for(struct room_builder *builder, struct str thread_root,
	struct unread_counts **out)
{
	if (thread_root.p == NULL) {
		*out = &builder->head.main;
		return ERR_OK;
	}
	struct unread_counts *counts = map_get(&builder->threads, thread_root);
	if (counts == NULL) {
		counts = ARENA_NEW(builder->ctx->arena, struct unread_counts);
		const struct unread_counts *known = map_get(&builder->room->head.threads, thread_root);
		if (known != NULL) {
			*counts = *known;
		} else if (builder->room->nid != 0) {
			TRY(store_counts_at(builder->ctx, builder->hs->db, builder->room->nid, thread_root,
				INT64_MAX, &counts->notify_seq, &counts->highlight_seq));
		}
		(void)map_set(&builder->threads, thread_root, counts);
	}
	*out = counts;
	return ERR_OK;
}

/* Relations of other events of the room, for finding a thread's root over a few hops. */
struct thread_search {
	struct room_builder *builder;
	enum err err; /* why the last one could not be had */
};

static bool get_relation(void *self, struct str event_id, struct relation *out,
	struct str *out_thread_root)
{
	struct thread_search *search = self;
	const struct room_builder *builder = search->builder;
	struct stored_event *event;
	if (builder->room->nid == 0) {
		return false;
	}
	enum err err = room_event(builder->ctx, builder->hs, builder->room, event_id, &event);
	if (err != ERR_OK) {
		search->err = err == ERR_MISSING ? ERR_OK : err;
		return false;
	}
	*out_thread_root = event->thread_root;
	return relation_read(event->event->content, out) || event->thread_root.p != NULL;
}

static enum err find_thread_root(struct room_builder *builder, const struct built_event *built,
	struct str *out)
{
	const struct event *event = built->event;
	struct relation relation;
	*out = str_from(NULL, 0);
	if (built->is_held || event->is_state || !relation_read(event->content, &relation)) {
		return ERR_OK;
	}
	struct thread_search search = {.builder = builder};
	const struct relation_source source = {.get = get_relation, .self = &search};
	struct str root = relation_thread_root(&relation, &source);
	TRY(search.err);
	*out = str_has_nul(root) ? str_from(NULL, 0) : root;
	return ERR_OK;
}

static enum err count_unread(struct room_builder *builder, struct built_event *built)
{
	struct ctx *ctx = builder->ctx;
	const struct event *event = built->event;
	TRY(find_thread_root(builder, built, &built->row.thread_root));
	const struct event *levels;
	const struct event *create;
	TRY(state_of(builder, STR("m.room.power_levels"), STR(""), &levels));
	TRY(state_of(builder, STR("m.room.create"), STR(""), &create));
	struct state_map power;
	state_map_init(&power, ctx->arena);
	if (levels != NULL) {
		(void)state_map_put(&power, levels);
	}
	if (create != NULL) {
		(void)state_map_put(&power, create);
	}
	struct state_view view = state_map_view(&power);
	struct push_facts facts = {
		.event = event,
		.state = &view,
		.member_count = room_member_counts(builder->room).joined,
	};
	struct push_generic generic = {0}; /* nobody is told of what is held back */
	if (!built->is_held) {
		generic = push_eval_generic(ctx->arena, &facts);
	}
	struct unread_counts *counts;
	TRY(counts_for(builder, built->row.thread_root, &counts));
	counts->notify_seq += generic.notify;
	counts->highlight_seq += generic.notify && generic.highlight;
	built->is_counted = generic.notify;
	built->row.notify_seq = counts->notify_seq;
	built->row.highlight_seq = counts->highlight_seq;
	built->mentioned = generic.mentioned;
	/* Who is named in what highlights for everybody would be counted twice. */
	built->mentioned_count = generic.notify && generic.highlight ? 0 : generic.mentioned_count;
	return ERR_OK;
}

static enum err make_stripped(struct room_builder *builder, struct built_event *built)
{
	struct str membership = event_membership(built->event);
	if (!str_equals(built->event->type, STR("m.room.member")) || !built->event->is_state ||
		!hs_is_local(builder->hs, built->event->state_key) ||
		!(str_equals(membership, STR("invite")) || str_equals(membership, STR("knock")))) {
		return ERR_OK;
	}
	size_t type_count;
	const struct str *types = stripped_state_types(&type_count);
	VEC(const struct event *) events = {0};
	for (size_t i = 0; i < type_count; i++) {
		const struct event *event;
		TRY(state_of(builder, types[i], STR(""), &event));
		if (event != NULL) {
			VEC_PUSH(builder->ctx->arena, &events, event);
		}
	}
	const struct event *inviter;
	TRY(state_of(builder, STR("m.room.member"), built->event->sender.s, &inviter));
	if (inviter != NULL && !str_equals(built->event->sender.s, built->event->state_key)) {
		VEC_PUSH(builder->ctx->arena, &events, inviter);
	}
	VEC_PUSH(builder->ctx->arena, &events, built->event);
	built->stripped = stripped_state_text(builder->ctx->arena, events.p, events.n);
	return ERR_OK;
}

/* Loads what a redaction redacts and makes its redacted form. */
static enum err make_redacted(struct room_builder *builder, struct built_event *built)
{
	if (!room_is_redaction(built->event)) {
		return ERR_OK;
	}
	struct stored_event *target;
	TRY(room_redaction_target(builder->ctx, builder->hs, builder->room, built->event, &target));
	bool is_here = target != NULL && target->position > ROOM_OUTLIERS;
	built->is_waiting = !is_here; /* others may have it, and tell */
	if (is_here && !stored_event_is_redacted(target)) {
		built->redacted =
			room_redacted_form(builder->ctx->arena, target, INT64_MAX /* set at the commit */);
	}
	return ERR_OK;
}

static enum err may_redact(struct room_builder *builder, const struct event *redaction,
	const struct event *target, bool *out)
{
	const struct event *levels;
	const struct event *create;
	TRY(state_of(builder, STR("m.room.power_levels"), STR(""), &levels));
	TRY(state_of(builder, STR("m.room.create"), STR(""), &create));
	*out = room_may_redact(builder->ctx->arena, redaction, target, levels, create);
	return ERR_OK;
}

/* The same for a redaction of another server: what it redacts may come later, or not be its to redact. */
static enum err make_redacted_elsewhere(struct room_builder *builder, struct built_event *built)
{
	if (!room_is_redaction(built->event) || str_has_nul(built->event->redacts)) {
		return ERR_OK;
	}
	struct stored_event *target;
	TRY(room_redaction_target(builder->ctx, builder->hs, builder->room, built->event, &target));
	if (target == NULL) {
		built->is_waiting = true;
		built->is_held = room_holds_back(built->event);
		return ERR_OK;
	}
	bool is_allowed;
	TRY(may_redact(builder, built->event, target->event, &is_allowed));
	if (is_allowed && !stored_event_is_redacted(target)) {
		built->redacted =
			room_redacted_form(builder->ctx->arena, target, INT64_MAX /* set at the commit */);
	}
	return ERR_OK;
}

/* Clients are told of a redaction that came before what it redacts. */
static void release(struct room_builder *builder, struct built_event *built,
	const struct stored_event *redaction)
{
	struct arena *arena = builder->ctx->arena;
	if (stored_event_is_held(redaction)) {
		struct stored_event *form = room_released_form(arena, redaction);
		stored_event_until_reset(arena, form);
		VEC_PUSH(arena, &built->released, form);
	}
}

/* Redactions that came before the event. */
static enum err find_waiting(struct room_builder *builder, struct built_event *built)
{
	struct ctx *ctx = builder->ctx;
	struct room *room = builder->room;
	lock_take(&room->lock);
	bool has_waiting = room->content == NULL || room->content->graph.has_waiting;
	lock_give(&room->lock);
	if (!has_waiting) {
		return ERR_OK;
	}
	int64_t *positions;
	size_t count;
	struct stored_event **redactions;
	TRY(store_waiting_redactions(ctx, builder->hs->db, room->nid, built->event->event_id.s,
		&positions, &count));
	TRY(room_events_at(ctx, builder->hs, room, positions, count, &redactions));
	for (size_t i = 0; i < count; i++) {
		bool is_allowed = false;
		if (redactions[i] != NULL) {
			TRY(may_redact(builder, redactions[i]->event, built->event, &is_allowed));
		}
		if (is_allowed) {
			release(builder, built, redactions[i]);
		}
		if (is_allowed && built->redacted_by == 0) {
			struct json redacted = redact_event(ctx->arena, built->event->version,
				event_json(ctx->arena, built->event));
			built->redacted_by = positions[i];
			built->redacted_json = canonical_text(ctx->arena, &redacted);
		}
	}
	return ERR_OK;
}

/* The columns, with which event of this batch or of the timeline a state event replaces. */
static enum err fill_columns(struct room_builder *builder, struct built_event *built)
{
	const struct event *event = built->event;
	built->columns = room_event_columns(event);
	if (!event->is_state) {
		return ERR_OK;
	}
	const struct event *before = state_map_put(&builder->overlay, event);
	if (before != NULL) {
		for (size_t i = 0; i < builder->count; i++) {
			if (builder->events[i].event == before) {
				built->columns.replaces_index = (int)i;
			}
		}
		return ERR_OK;
	}
	if (builder->room->nid != 0) {
		struct stored_event *stored;
		TRY(room_state_event(builder->ctx, builder->hs, builder->room, event->type,
			event->state_key, POSITION_NOW, &stored));
		built->row.replaces_position = stored != NULL ? stored->position : 0;
	}
	return ERR_OK;
}

struct event_columns room_event_columns(const struct event *event)
{
	struct event_columns columns = {
		.type = event->type,
		.state_key = event->is_state ? event->state_key : str_from(NULL, 0),
		.sender = event->sender.s,
		.origin_server_ts = event->origin_server_ts,
		.depth = event->depth,
		.replaces_index = -1,
	};
	if (event->is_state && event->state_key.p == NULL) {
		columns.state_key = STR("");
	}
	return columns;
}

/* What is the same for events built here and taken in. */
static void fill_row(struct room_builder *builder, struct built_event *built, struct str txn)
{
	const struct event *event = built->event;
	built->row.room_nid = builder->room->nid;
	built->row.event_id = event->event_id.s;
	built->row.json = built->redacted_json.p != NULL ? built->redacted_json : event->raw;
	built->row.redacted_by = built->is_held ? EVENT_HELD_BACK : built->redacted_by;
	built->row.txn = txn;
}

/* The head goes on with it. */
static void go_on(struct room_builder *builder, struct built_event *built, struct str extremities)
{
	built->stored = stored_event_create(builder->room->version, builder->room->id.s, &built->row);
	builder->head.event_seq++;
	builder->head.extremities = extremities;
	builder->count++;
}

enum err room_builder_add(struct room_builder *builder, const struct room_intent *intent)
{
	invariant(builder->count < builder->capacity);
	struct built_event *built = &builder->events[builder->count];
	*built = (struct built_event){0};
	TRY(room_builder_draft(builder, intent, &built->event));
	if (builder->room->id.s.p == NULL) {
		/* The create event of version 12 has just named the room. */
		builder->room->id.s = str_heap(built->event->room_id.s);
	}
	TRY(count_unread(builder, built));
	TRY(make_stripped(builder, built));
	TRY(make_redacted(builder, built));
	TRY(fill_columns(builder, built));
	struct arena *arena = builder->ctx->arena;
	fill_row(builder, built, room_event_txn(arena, intent->txn_device, intent->txn_id));
	builder->head.depth = built->event->depth;
	go_on(builder, built, room_extremities_text(arena, &built->event->event_id, 1));
	return ERR_OK;
}

enum err room_builder_draft(struct room_builder *builder, const struct room_intent *intent,
	const struct event **out)
{
	TRY(check_acl(builder, intent));
	TRY(check_invitee(builder, intent));
	return assemble(builder, intent, out);
}

enum err room_builder_take(struct room_builder *builder, const struct event *event,
	const struct event_standing *standing, const struct room_intent *intent)
{
	invariant(builder->count < builder->capacity);
	struct built_event *built = &builder->events[builder->count];
	*built = (struct built_event){.event = event, .standing = standing};
	TRY(make_redacted_elsewhere(builder, built));
	TRY(count_unread(builder, built));
	TRY(make_stripped(builder, built));
	TRY(fill_columns(builder, built));
	TRY(find_waiting(builder, built));
	fill_row(builder, built,
		intent != NULL ? room_event_txn(builder->ctx->arena, intent->txn_device, intent->txn_id)
					   : str_from(NULL, 0));
	if (standing != NULL && standing->redacted_by != 0) {
		built->row.redacted_by = standing->redacted_by;
	}
	builder->head.depth = MAX_OF(builder->head.depth, event->depth);
	go_on(builder, built,
		standing != NULL ? standing->extremities
						 : room_extremities_text(builder->ctx->arena, &event->event_id, 1));
	return ERR_OK;
}
