/*
 * Bundled relations: one query for all events of an answer (one more for the newest events of threads, which carry bundles
 * themselves), and the related events with it.
 */
#include "homeserver/timeline/bundle.h"

#include "base/map.h"
#include "base/vec.h"
#include "homeserver/timeline/event_erased.h"
#include "storage/relation.h"

struct parents {
	struct str *ids;
	struct str *senders;
	struct str *types;
	size_t *event_indexes;
	size_t count;
};

static bool may_have_bundle(const struct stored_event *event)
{
	return !event->event->is_state;
}

/* Ids that events of the list relate to: those are the only ones with relations in a whole list. */
static void collect_targets(struct stored_event *const *events, size_t count, struct map *out)
{
	for (size_t i = 0; i < count; i++) {
		struct relation relation;
		if (relation_read(events[i]->event->content, &relation) && relation.event_id.p != NULL) {
			(void)map_set(out, relation.event_id, events[i]);
		}
	}
}

static void collect_parents(struct arena *arena, const struct event_view *view,
	struct stored_event *const *events, size_t count, struct parents *out)
{
	struct map targets;
	map_init(&targets);
	if (view->is_whole) {
		collect_targets(events, count, &targets);
	}
	out->ids = ARENA_NEW_ARRAY(arena, struct str, count);
	out->senders = ARENA_NEW_ARRAY(arena, struct str, count);
	out->types = ARENA_NEW_ARRAY(arena, struct str, count);
	out->event_indexes = ARENA_NEW_ARRAY(arena, size_t, count);
	for (size_t i = 0; i < count; i++) {
		const struct event *event = events[i]->event;
		bool is_asked = may_have_bundle(events[i]) &&
			(view->childless == NULL || !view->childless[i]) &&
			(!view->is_whole || map_get(&targets, event->event_id.s) != NULL);
		if (is_asked) {
			out->ids[out->count] = event->event_id.s;
			out->senders[out->count] = event->sender.s;
			out->types[out->count] = event->type;
			out->event_indexes[out->count++] = i;
		}
	}
	map_fini(&targets);
}

static enum err query(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event_view *view, const struct parents *parents, struct relation_row **out,
	size_t *out_count)
{
	const struct relation_parents asked = {
		.event_ids = parents->ids,
		.senders = parents->senders,
		.types = parents->types,
		.count = parents->count,
		.up_to = view->up_to,
		.reader = view->user_id,
		.ignored = view->ignored != NULL ? view->ignored->items : NULL,
		.ignored_count = view->ignored != NULL ? view->ignored->count : 0,
	};
	return store_relations_bundled(ctx, hs->db, room_nid(room), &asked, out, out_count);
}

/* One answer of the database being made into bundles. */
struct bundling {
	struct ctx *ctx;
	struct homeserver *hs;
	struct room *room;
	const struct event_view *view;
	struct stored_event *const *events;
	const struct relation_row *rows;
	struct stored_event **related; /* of each row; NULL where only the id is needed */
	size_t row_count;
	bool is_inner; /* of the newest events of threads: no threads in them */
};

static bool is_seen(const struct bundling *bundling, const struct stored_event *event)
{
	return bundling->view->viewer == NULL || room_viewer_sees(bundling->view->viewer, event);
}

static struct str render(const struct bundling *bundling, const struct stored_event *event,
	const struct relation_bundle *bundle)
{
	enum { BUNDLE_CEILING = 8 << 20 };
	struct buf buf CLEANUP(buf_fini);
	struct json_out out;
	buf_init(&buf, BUNDLE_CEILING);
	json_out_init(&out, &buf);
	json_out_object(&out);
	buf_add(&buf, event->client_members);
	out.need_comma = true;
	if (bundling->view->with_room_id) {
		json_out_key_str(&out, "room_id", room_id_of(bundling->room).s);
	}
	if (bundle != NULL && !relation_bundle_is_empty(bundle)) {
		json_out_key_object(&out, "unsigned");
		json_out_key(&out, STR("m.relations"));
		relation_bundle_write(&out, bundle);
		json_out_end(&out);
	}
	json_out_end(&out);
	return buf_ok(&buf) ? str_dup(bundling->ctx->arena, buf_str(&buf)) : str_from(NULL, 0);
}

/* The newest valid edit among the rows of one parent. */
static void add_edit(const struct bundling *bundling, const struct stored_event *parent,
	struct relation_bundle *bundle)
{
	const struct relation_edit_facts original = relation_edit_facts_of(parent->event);
	const struct stored_event *newest = NULL;
	for (size_t i = 0; i < bundling->row_count; i++) {
		const struct stored_event *edit = bundling->related[i];
		if (edit == NULL || !str_equals(bundling->rows[i].rel_type, STR("m.replace")) ||
			!str_equals(bundling->rows[i].parent_id, parent->event->event_id.s)) {
			continue;
		}
		const struct relation_edit_facts facts = relation_edit_facts_of(edit->event);
		bool is_valid = edit->redacted_by == 0 && is_seen(bundling, edit) &&
			relation_check_edit(&original, parent->event->event_id.s, &facts).allowed;
		if (is_valid &&
			(newest == NULL ||
				relation_edit_is_newer(edit->event->origin_server_ts, edit->event->event_id.s,
					newest->event->origin_server_ts, newest->event->event_id.s))) {
			newest = edit;
		}
	}
	if (newest != NULL) {
		bundle->edit = render(bundling, newest, NULL);
	}
}

static void add_references(const struct bundling *bundling, struct str parent_id,
	struct relation_bundle *bundle)
{
	VEC(struct str) ids = {0};
	for (size_t i = 0; i < bundling->row_count; i++) {
		const struct relation_row *row = &bundling->rows[i];
		if (str_equals(row->rel_type, STR("m.reference")) &&
			str_equals(row->parent_id, parent_id)) {
			VEC_PUSH(bundling->ctx->arena, &ids, row->event_id);
		}
	}
	bundle->references = ids.p;
	bundle->reference_count = ids.n;
}

static enum err load_inner(const struct bundling *outer, struct stored_event *const *latest,
	size_t count, struct relation_bundle **out);

/* The newest events of all threads, with their own bundles. */
static enum err add_threads(const struct bundling *bundling, const struct parents *parents,
	struct relation_bundle *bundles)
{
	VEC(struct stored_event *) latest = {0};
	VEC(struct relation_bundle *) places = {0};
	for (size_t i = 0; i < bundling->row_count; i++) {
		const struct relation_row *row = &bundling->rows[i];
		if (!str_equals(row->rel_type, STR("m.thread")) || bundling->related[i] == NULL ||
			!is_seen(bundling, bundling->related[i])) {
			continue;
		}
		for (size_t k = 0; k < parents->count; k++) {
			if (!str_equals(parents->ids[k], row->parent_id)) {
				continue;
			}
			struct relation_bundle *bundle = &bundles[parents->event_indexes[k]];
			bundle->thread_count = row->count;
			bundle->participated =
				row->participated || str_equals(parents->senders[k], bundling->view->user_id);
			VEC_PUSH(bundling->ctx->arena, &latest, bundling->related[i]);
			VEC_PUSH(bundling->ctx->arena, &places, bundle);
		}
	}
	if (latest.n == 0) {
		return ERR_OK;
	}
	struct relation_bundle *inner;
	TRY(load_inner(bundling, latest.p, latest.n, &inner));
	for (size_t i = 0; i < latest.n; i++) {
		places.p[i]->thread_latest =
			render(bundling, latest.p[i], inner != NULL ? &inner[i] : NULL);
	}
	return ERR_OK;
}

static enum err load_related(struct bundling *bundling)
{
	VEC(int64_t) positions = {0};
	VEC(size_t) indexes = {0};
	bundling->related =
		ARENA_NEW_ARRAY(bundling->ctx->arena, struct stored_event *, bundling->row_count);
	for (size_t i = 0; i < bundling->row_count; i++) {
		const struct relation_row *row = &bundling->rows[i];
		bool is_wanted = str_equals(row->rel_type, STR("m.replace")) ||
			(str_equals(row->rel_type, STR("m.thread")) && !bundling->is_inner);
		if (is_wanted) {
			VEC_PUSH(bundling->ctx->arena, &positions, row->position);
			VEC_PUSH(bundling->ctx->arena, &indexes, i);
		}
	}
	if (positions.n == 0) {
		return ERR_OK;
	}
	struct stored_event **found;
	TRY(room_events_at(bundling->ctx, bundling->hs, bundling->room, positions.p, positions.n,
		&found));
	for (size_t i = 0; i < positions.n; i++) {
		bundling->related[indexes.p[i]] = found[i];
	}
	if (bundling->view->viewer != NULL) {
		TRY(room_viewer_cover_sight(bundling->ctx, bundling->hs, bundling->view->viewer,
			bundling->related, bundling->row_count));
	}
	return erased_hide(bundling->ctx, bundling->hs, bundling->view->viewer, bundling->related,
		bundling->row_count);
}

static enum err make_bundles(struct bundling *bundling, const struct parents *parents, size_t count,
	struct relation_bundle **out)
{
	struct relation_row *rows;
	TRY(query(bundling->ctx, bundling->hs, bundling->room, bundling->view, parents, &rows,
		&bundling->row_count));
	*out = NULL;
	if (bundling->row_count == 0) {
		return ERR_OK;
	}
	bundling->rows = rows;
	TRY(load_related(bundling));
	struct relation_bundle *bundles =
		ARENA_NEW_ARRAY(bundling->ctx->arena, struct relation_bundle, count);
	for (size_t i = 0; i < parents->count; i++) {
		size_t at = parents->event_indexes[i];
		if (bundling->events[at]->redacted_by == 0) {
			add_edit(bundling, bundling->events[at], &bundles[at]);
		}
		add_references(bundling, parents->ids[i], &bundles[at]);
	}
	if (!bundling->is_inner) {
		TRY(add_threads(bundling, parents, bundles));
	}
	*out = bundles;
	return ERR_OK;
}

static enum err load_inner(const struct bundling *outer, struct stored_event *const *latest,
	size_t count, struct relation_bundle **out)
{
	struct bundling inner = *outer;
	struct event_view view = *outer->view;
	struct parents parents = {0};
	view.is_whole = false;
	view.childless = NULL;
	collect_parents(outer->ctx->arena, &view, latest, count, &parents);
	inner.view = &view;
	inner.events = latest;
	inner.is_inner = true;
	return make_bundles(&inner, &parents, count, out);
}

enum err bundle_load(struct ctx *ctx, struct homeserver *hs, struct room *room,
	const struct event_view *view, struct stored_event *const *events, size_t count,
	const struct relation_bundle **out)
{
	struct parents parents = {0};
	struct relation_bundle *bundles = NULL;
	if (count > 0) {
		collect_parents(ctx->arena, view, events, count, &parents);
	}
	if (parents.count > 0) {
		struct bundling bundling = {.ctx = ctx,
			.hs = hs,
			.room = room,
			.view = view,
			.events = events};
		TRY(make_bundles(&bundling, &parents, count, &bundles));
	}
	*out = bundles;
	return ERR_OK;
}
