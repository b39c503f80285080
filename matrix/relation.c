/*
 * Relations come from outside and may be anything: what is not well-formed is treated as if it were
 * not there, and following parents ends after a few hops, so that loops do no harm.
 */
#include "matrix/relation.h"

static struct str no_text(void)
{
	return str_from(NULL, 0);
}

/* An event id as it may stand in a column: '$', no control characters, not too long. */
static struct str event_id_of(const struct json *object)
{
	struct str text = json_get_str(object, STR("event_id"));
	struct event_id id;
	if (text.p == NULL || !event_id_parse(text, &id)) {
		return no_text();
	}
	return id.s;
}

static struct str rel_type_of(const struct json *object)
{
	struct str text = json_get_str(object, STR("rel_type"));
	bool is_usable = text.p != NULL && text.n > 0 && text.n <= RELATION_MAX_TYPE_BYTES &&
		str_find_byte(text, '\0') == SIZE_MAX;
	return is_usable ? text : no_text();
}

bool relation_read(const struct json *content, struct relation *out)
{
	const struct json *relates = json_at(content, "m.relates_to");
	struct relation relation = {.rel_type = rel_type_of(relates),
		.event_id = event_id_of(relates),
		.key = json_get_str(relates, STR("key")),
		.in_reply_to = event_id_of(json_at(relates, "m.in_reply_to")),
		.is_falling_back = json_get_bool(relates, STR("is_falling_back"), false)};
	bool lacks_key = str_equals(relation.rel_type, STR("m.annotation")) && relation.key.p == NULL;
	if (relation.rel_type.p == NULL || relation.event_id.p == NULL || lacks_key) {
		relation.rel_type = no_text();
		relation.event_id = no_text();
		relation.key = no_text();
	}
	bool has_any = relation.rel_type.p != NULL || relation.in_reply_to.p != NULL;
	*out = has_any ? relation : (struct relation){0};
	return has_any;
}

bool relation_is(const struct relation *relation, struct str rel_type)
{
	return relation->rel_type.p != NULL && str_equals(relation->rel_type, rel_type);
}

struct str relation_thread_root(const struct relation *relation,
	const struct relation_source *source)
{
	struct relation current = *relation;
	for (size_t hops = 0; current.rel_type.p != NULL; hops++) {
		if (relation_is(&current, STR("m.thread"))) {
			return current.event_id;
		}
		struct str parent = current.event_id;
		struct str known_root = no_text();
		current = (struct relation){0};
		if (hops == RELATION_MAX_HOPS ||
			!source->get(source->self, parent, &current, &known_root)) {
			break;
		}
		if (known_root.p != NULL) {
			return known_root;
		}
	}
	return no_text();
}

struct verdict relation_check_thread_root(const struct json *root_content)
{
	struct relation relation;
	if (relation_read(root_content, &relation) && relation.rel_type.p != NULL) {
		return verdict_deny("relation.thread.nested",
			"Cannot start a thread from an event that relates to another one itself");
	}
	return verdict_allow();
}

struct relation_edit_facts relation_edit_facts_of(const struct event *event)
{
	return (struct relation_edit_facts){.room_id = event->room_id.s,
		.sender = event->sender.s,
		.type = event->type,
		.is_state = event->is_state,
		.content = event->content};
}

struct verdict relation_check_edit(const struct relation_edit_facts *original,
	struct str original_id, const struct relation_edit_facts *edit)
{
	struct relation relation;
	if (!str_equals(original->room_id, edit->room_id)) {
		return verdict_deny("relation.edit.room", "The edited event is in another room");
	}
	if (!str_equals(original->sender, edit->sender)) {
		return verdict_deny("relation.edit.sender", "Only the sender of an event may edit it");
	}
	if (!str_equals(original->type, edit->type)) {
		return verdict_deny("relation.edit.type", "An edit has the type of its original");
	}
	if (original->is_state || edit->is_state) {
		return verdict_deny("relation.edit.state", "State events cannot be edited");
	}
	if (relation_read(original->content, &relation) && relation_is(&relation, STR("m.replace"))) {
		return verdict_deny("relation.edit.nested", "An edit cannot be edited");
	}
	if (!relation_read(edit->content, &relation) || !relation_is(&relation, STR("m.replace")) ||
		!str_equals(relation.event_id, original_id)) {
		return verdict_deny("relation.edit.target", "It does not replace this event");
	}
	bool is_encrypted = str_equals(edit->type, STR("m.room.encrypted"));
	if (!is_encrypted && !json_is(json_at(edit->content, "m.new_content"), JSON_OBJECT)) {
		return verdict_deny("relation.edit.new_content", "An edit has m.new_content");
	}
	return verdict_allow();
}

bool relation_edit_is_newer(int64_t ts_ms, struct str event_id, int64_t other_ts_ms,
	struct str other_event_id)
{
	if (ts_ms != other_ts_ms) {
		return ts_ms > other_ts_ms;
	}
	return str_compare(event_id, other_event_id) > 0;
}

bool relation_bundle_is_empty(const struct relation_bundle *bundle)
{
	return bundle->edit.p == NULL && bundle->reference_count == 0 && bundle->thread_count == 0;
}

static void write_references(struct json_out *out, const struct relation_bundle *bundle)
{
	json_out_key_object(out, "m.reference");
	json_out_key_array(out, "chunk");
	for (size_t i = 0; i < bundle->reference_count; i++) {
		json_out_object(out);
		json_out_key_str(out, "event_id", bundle->references[i]);
		json_out_end(out);
	}
	json_out_end(out);
	json_out_end(out);
}

static void write_thread(struct json_out *out, const struct relation_bundle *bundle)
{
	json_out_key_object(out, "m.thread");
	json_out_key_int(out, "count", bundle->thread_count);
	json_out_key_bool(out, "current_user_participated", bundle->participated);
	if (bundle->thread_latest.p != NULL) {
		json_out_key_raw(out, "latest_event", bundle->thread_latest);
	}
	json_out_end(out);
}

void relation_bundle_write(struct json_out *out, const struct relation_bundle *bundle)
{
	json_out_object(out);
	if (bundle->reference_count > 0) {
		write_references(out, bundle);
	}
	if (bundle->edit.p != NULL) {
		json_out_key_raw(out, "m.replace", bundle->edit);
	}
	if (bundle->thread_count > 0) {
		write_thread(out, bundle);
	}
	json_out_end(out);
}
