/*
 * Lists are sorted when the filter is read, so that asking about an event costs a few comparisons
 * however long they are; only types with `*` are tried one by one. `*` is the only special
 * character of a type (base/glob would also take `?`), so it has a matcher of its own.
 */
#include "matrix/filter.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "matrix/errcode.h"

struct reader {
	struct arena *arena;
	const char *section; /* "room.timeline.", or "" */
	const struct json *object;
	struct field_error *error;
};

enum item_kind { ITEM_TYPE, ITEM_USER, ITEM_ROOM, ITEM_TEXT };

static bool bad_field(const struct reader *r, const char *key, const char *text)
{
	return field_fail(r->error, M_BAD_JSON, str_printf(r->arena, "%s%s", r->section, key), text);
}

/* --- reading ---------------------------------------------------------------------------------- */

static const char *item_problem(enum item_kind kind, const struct json *item)
{
	if (item->type != JSON_STRING) {
		return "must contain only strings";
	}
	if (kind == ITEM_USER && !str_starts_with(json_text(item), STR("@"))) {
		return "must contain only user ids";
	}
	if (kind == ITEM_ROOM && !str_starts_with(json_text(item), STR("!"))) {
		return "must contain only room ids";
	}
	return NULL;
}

static bool read_list(const struct reader *r, const char *key, enum item_kind kind,
	struct filter_list *out)
{
	const struct json *list = json_get(r->object, str_of(key));
	if (list == NULL) {
		return true;
	}
	if (list->type != JSON_ARRAY) {
		return bad_field(r, key, "must be an array");
	}
	struct str *exact = ARENA_NEW_ARRAY(r->arena, struct str, list->count + 1);
	struct str *patterns = ARENA_NEW_ARRAY(r->arena, struct str, list->count + 1);
	size_t exact_count = 0;
	size_t pattern_count = 0;
	for (size_t i = 0; i < list->count; i++) {
		const char *problem = item_problem(kind, &list->items[i]);
		if (problem != NULL) {
			return bad_field(r, key, problem);
		}
		struct str text = json_text(&list->items[i]);
		if (kind == ITEM_TYPE && str_find_byte(text, '*') != SIZE_MAX) {
			patterns[pattern_count++] = text;
		} else {
			exact[exact_count++] = text;
		}
	}
	*out = (struct filter_list){.is_given = true,
		.exact = str_set_make(r->arena, exact, exact_count),
		.patterns = patterns,
		.pattern_count = pattern_count};
	return true;
}

static bool read_bool(const struct reader *r, const char *key, bool *out)
{
	const struct json *value = json_get(r->object, str_of(key));
	if (value == NULL) {
		return true;
	}
	if (value->type != JSON_BOOL) {
		return bad_field(r, key, "must be true or false");
	}
	*out = value->boolean;
	return true;
}

/* 0 is against the specification, but clients that want "as little as possible" send it. */
static bool read_limit(const struct reader *r, struct event_filter *out)
{
	const struct json *value = json_at(r->object, "limit");
	if (value == NULL) {
		return true;
	}
	if (value->type != JSON_INT || value->integer < 0) {
		return bad_field(r, "limit", "must be an integer greater than 0");
	}
	out->limit = MIN_OF(value->integer, FILTER_MAX_LIMIT);
	out->has_limit = true;
	return true;
}

static bool read_contains_url(const struct reader *r, struct event_filter *out)
{
	if (json_at(r->object, "contains_url") == NULL) {
		return true;
	}
	bool only = false;
	if (!read_bool(r, "contains_url", &only)) {
		return false;
	}
	out->contains_url = only ? FILTER_URL_ONLY : FILTER_URL_NONE;
	return true;
}

static bool read_room_part(const struct reader *r, struct event_filter *out)
{
	return read_list(r, "rooms", ITEM_ROOM, &out->rooms) &&
		read_list(r, "not_rooms", ITEM_ROOM, &out->not_rooms) &&
		read_list(r, "related_by_rel_types", ITEM_TEXT, &out->related_by_rel_types) &&
		read_list(r, "related_by_senders", ITEM_USER, &out->related_by_senders) &&
		read_contains_url(r, out) && read_bool(r, "lazy_load_members", &out->lazy_load_members) &&
		read_bool(r, "include_redundant_members", &out->include_redundant_members) &&
		read_bool(r, "unread_thread_notifications", &out->unread_thread_notifications);
}

static bool has_no_list(const struct event_filter *f)
{
	const struct filter_list *lists[] = {&f->types, &f->not_types, &f->senders, &f->not_senders,
		&f->rooms, &f->not_rooms, &f->related_by_rel_types, &f->related_by_senders};
	for (size_t i = 0; i < COUNT_OF(lists); i++) {
		if (lists[i]->is_given) {
			return false;
		}
	}
	return true;
}

static bool read_event_filter(const struct reader *r, bool is_room, struct event_filter *out)
{
	event_filter_init(out);
	if (r->object->type != JSON_OBJECT) {
		/* The section without its last dot. */
		struct str name = str_of(r->section);
		return field_fail(r->error, M_BAD_JSON, str_slice(name, 0, name.n > 0 ? name.n - 1 : 0),
			"must be an object");
	}
	if (!read_list(r, "types", ITEM_TYPE, &out->types) ||
		!read_list(r, "not_types", ITEM_TYPE, &out->not_types) ||
		!read_list(r, "senders", ITEM_USER, &out->senders) ||
		!read_list(r, "not_senders", ITEM_USER, &out->not_senders) || !read_limit(r, out)) {
		return false;
	}
	if (is_room && !read_room_part(r, out)) {
		return false;
	}
	out->allows_all = has_no_list(out) && out->contains_url == FILTER_URL_ANY;
	return true;
}

struct section {
	const char *key;
	const char *path; /* with a dot behind */
	bool is_room;
	struct event_filter *out;
};

static bool read_sections(const struct reader *r, const struct section *sections, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct reader inner = *r;
		inner.section = sections[i].path;
		inner.object = json_get(r->object, str_of(sections[i].key));
		if (inner.object != NULL &&
			!read_event_filter(&inner, sections[i].is_room, sections[i].out)) {
			return false;
		}
	}
	return true;
}

static bool read_room(const struct reader *outer, struct filter *out)
{
	struct reader r = *outer;
	r.section = "room.";
	r.object = json_at(outer->object, "room");
	if (r.object == NULL) {
		return true;
	}
	if (r.object->type != JSON_OBJECT) {
		return bad_field(outer, "room", "must be an object");
	}
	const struct section sections[] = {
		{"ephemeral", "room.ephemeral.", true, &out->ephemeral},
		{"state", "room.state.", true, &out->state},
		{"timeline", "room.timeline.", true, &out->timeline},
		{"account_data", "room.account_data.", true, &out->room_account_data},
	};
	return read_list(&r, "rooms", ITEM_ROOM, &out->rooms) &&
		read_list(&r, "not_rooms", ITEM_ROOM, &out->not_rooms) &&
		read_bool(&r, "include_leave", &out->include_leave) &&
		read_sections(&r, sections, COUNT_OF(sections));
}

static bool read_format(const struct reader *r, struct filter *out)
{
	const struct json *format = json_at(r->object, "event_format");
	if (format == NULL) {
		return true;
	}
	bool is_federation =
		format->type == JSON_STRING && str_equals(json_text(format), STR("federation"));
	if (!is_federation &&
		(format->type != JSON_STRING || !str_equals(json_text(format), STR("client")))) {
		return bad_field(r, "event_format", "must be \"client\" or \"federation\"");
	}
	out->is_federation_format = is_federation;
	return true;
}

/* By names, outermost first; a path stands before those that go on from it. */
static int compare_paths(const void *a, const void *b)
{
	const struct property_path *x = a;
	const struct property_path *y = b;
	for (size_t i = 0; i < x->count && i < y->count; i++) {
		int order = str_compare(x->segments[i], y->segments[i]);
		if (order != 0) {
			return order;
		}
	}
	return (x->count > y->count) - (x->count < y->count);
}

static bool read_fields(const struct reader *r, struct filter *out)
{
	const struct json *list = json_at(r->object, "event_fields");
	if (list == NULL) {
		return true;
	}
	if (list->type != JSON_ARRAY) {
		return bad_field(r, "event_fields", "must be an array");
	}
	struct property_path *paths = ARENA_NEW_ARRAY(r->arena, struct property_path, list->count + 1);
	for (size_t i = 0; i < list->count; i++) {
		const char *problem = item_problem(ITEM_TEXT, &list->items[i]);
		if (problem != NULL) {
			return bad_field(r, "event_fields", problem);
		}
		paths[i] = property_path_parse(r->arena, json_text(&list->items[i]));
	}
	qsort(paths, list->count, sizeof(*paths), compare_paths);
	out->fields = paths;
	out->field_count = list->count;
	return true;
}

void event_filter_init(struct event_filter *out)
{
	*out = (struct event_filter){.allows_all = true, .limit = FILTER_DEFAULT_LIMIT};
}

/* The filter that lets everything pass. */
static void init_filter(struct filter *out)
{
	*out = (struct filter){0};
	event_filter_init(&out->presence);
	event_filter_init(&out->account_data);
	event_filter_init(&out->ephemeral);
	event_filter_init(&out->state);
	event_filter_init(&out->timeline);
	event_filter_init(&out->room_account_data);
}

bool filter_parse(struct arena *arena, const struct json *definition, struct filter *out,
	struct field_error *out_error)
{
	struct filter filter;
	init_filter(&filter);
	struct reader r = {.arena = arena, .section = "", .object = definition, .error = out_error};
	if (definition->type != JSON_OBJECT) {
		return bad_field(&r, "filter", "must be an object");
	}
	const struct section sections[] = {
		{"presence", "presence.", false, &filter.presence},
		{"account_data", "account_data.", false, &filter.account_data},
	};
	if (!read_fields(&r, &filter) || !read_format(&r, &filter) ||
		!read_sections(&r, sections, COUNT_OF(sections)) || !read_room(&r, &filter)) {
		return false;
	}
	*out = filter;
	return true;
}

bool event_filter_parse(struct arena *arena, const struct json *definition,
	struct event_filter *out, struct field_error *out_error)
{
	struct reader r = {.arena = arena, .section = "", .object = definition, .error = out_error};
	if (definition->type != JSON_OBJECT) {
		return bad_field(&r, "filter", "must be an object");
	}
	struct event_filter filter;
	if (!read_event_filter(&r, true, &filter)) {
		return false;
	}
	*out = filter;
	return true;
}

/* --- asking ----------------------------------------------------------------------------------- */

static size_t find(struct str text, struct str part)
{
	if (part.n == 0) {
		return 0;
	}
	const char *found = text.n > 0 ? memmem(text.p, text.n, part.p, part.n) : NULL;
	return found != NULL ? (size_t)(found - text.p) : SIZE_MAX;
}

/* The pattern has a `*`. Each piece between two is taken where it first occurs. */
static bool type_matches(struct str pattern, struct str type)
{
	struct str piece;
	struct str rest;
	(void)str_split(pattern, '*', &piece, &rest);
	if (!str_starts_with(type, piece)) {
		return false;
	}
	struct str left = str_slice(type, piece.n, type.n);
	struct str tail;
	while (str_split(rest, '*', &piece, &tail)) {
		size_t at = find(left, piece);
		if (at == SIZE_MAX) {
			return false;
		}
		left = str_slice(left, at + piece.n, left.n);
		rest = tail;
	}
	return str_ends_with(left, rest);
}

static bool list_has(const struct filter_list *list, struct str text)
{
	if (str_set_has(&list->exact, text)) {
		return true;
	}
	for (size_t i = 0; i < list->pattern_count; i++) {
		if (type_matches(list->patterns[i], text)) {
			return true;
		}
	}
	return false;
}

static bool lists_allow(const struct filter_list *wanted, const struct filter_list *unwanted,
	struct str text)
{
	return !list_has(unwanted, text) && (!wanted->is_given || list_has(wanted, text));
}

bool filter_allows_room(const struct filter *filter, struct str room_id)
{
	return lists_allow(&filter->rooms, &filter->not_rooms, room_id);
}

bool event_filter_allows_type(const struct event_filter *filter, struct str type)
{
	return lists_allow(&filter->types, &filter->not_types, type);
}

bool event_filter_allows_sender(const struct event_filter *filter, struct str sender)
{
	return lists_allow(&filter->senders, &filter->not_senders, sender);
}

bool event_filter_allows_room(const struct event_filter *filter, struct str room_id)
{
	return lists_allow(&filter->rooms, &filter->not_rooms, room_id);
}

bool event_filter_asks_relations(const struct event_filter *filter)
{
	return filter->related_by_rel_types.is_given || filter->related_by_senders.is_given;
}

static bool url_allowed(const struct event_filter *filter, const struct json *content)
{
	if (filter->contains_url == FILTER_URL_ANY) {
		return true;
	}
	bool has_url = json_at(content, "url") != NULL;
	return has_url == (filter->contains_url == FILTER_URL_ONLY);
}

/* One relation has to meet both lists. */
static bool relations_allowed(const struct event_filter *filter, const struct filter_facts *facts)
{
	if (!event_filter_asks_relations(filter)) {
		return true;
	}
	for (size_t i = 0; i < facts->relation_count; i++) {
		const struct filter_relation *relation = &facts->relations[i];
		if ((!filter->related_by_rel_types.is_given ||
				list_has(&filter->related_by_rel_types, relation->rel_type)) &&
			(!filter->related_by_senders.is_given ||
				list_has(&filter->related_by_senders, relation->sender))) {
			return true;
		}
	}
	return false;
}

struct filter_facts filter_facts_of(const struct event *event, struct str room_id)
{
	return (struct filter_facts){
		.type = event->type,
		.sender = event->sender.s,
		.room_id = room_id,
		.content = event->content,
	};
}

bool filter_allows_event(const struct event_filter *filter, const struct filter_facts *facts)
{
	return filter->allows_all ||
		(event_filter_allows_type(filter, facts->type) &&
			event_filter_allows_sender(filter, facts->sender) &&
			(facts->room_id.p == NULL || event_filter_allows_room(filter, facts->room_id)) &&
			url_allowed(filter, facts->content) && relations_allowed(filter, facts));
}

/* --- event_fields ----------------------------------------------------------------------------- */

/*
 * An object under way: its paths are fields[first] … fields[last - 1], which agree in `depth`
 * names.
 */
struct frame {
	const struct json *source;
	struct json *copy;
	struct json *parent; /* NULL: the event itself */
	size_t next;         /* member of the source */
	size_t first, last, depth;
};

static struct json room_for(struct arena *arena, const struct json *source)
{
	return json_object(arena, source->count);
}

/* The first of the frame's paths whose name at its depth is ≥ (or, `after`, >) the key. */
static size_t bound(const struct filter *filter, const struct frame *frame, struct str key,
	bool after)
{
	size_t low = frame->first;
	size_t high = frame->last;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = str_compare(filter->fields[middle].segments[frame->depth], key);
		if (order < 0 || (after && order == 0)) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

/* Copies a member that a path ends at; opens a frame for an object that paths lead through. */
static bool project_member(struct arena *arena, const struct filter *filter, struct frame *frame,
	struct frame *out_inner)
{
	const struct json_member *member = &frame->source->members[frame->next++];
	size_t first = bound(filter, frame, member->key, false);
	size_t last = bound(filter, frame, member->key, true);
	if (first == last) {
		return false;
	}
	struct json_member *copy = &frame->copy->members[frame->copy->count];
	if (filter->fields[first].count == frame->depth + 1) {
		*copy = *member;
		frame->copy->count++;
		return false;
	}
	if (member->value.type != JSON_OBJECT) {
		return false;
	}
	*copy = (struct json_member){.key = member->key, .value = room_for(arena, &member->value)};
	frame->copy->count++;
	*out_inner = (struct frame){.source = &member->value,
		.copy = &copy->value,
		.parent = frame->copy,
		.first = first,
		.last = last,
		.depth = frame->depth + 1};
	return true;
}

struct json filter_project(struct arena *arena, const struct filter *filter,
	const struct json *event)
{
	if (filter->field_count == 0 || event->type != JSON_OBJECT) {
		return *event;
	}
	struct json result = room_for(arena, event);
	VEC(struct frame) open = {0};
	struct frame outermost = {.source = event, .copy = &result, .last = filter->field_count};
	VEC_PUSH(arena, &open, outermost);
	while (open.n > 0) {
		struct frame *top = &open.p[open.n - 1];
		struct frame inner;
		if (top->next == top->source->count) {
			if (top->copy->count == 0 && top->parent != NULL) {
				top->parent->count--; /* it was the last one: nothing was found inside */
			}
			open.n--;
		} else if (project_member(arena, filter, top, &inner)) {
			VEC_PUSH(arena, &open, inner);
		}
	}
	return result;
}
