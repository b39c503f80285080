/*
 * Filters: any definition is read or refused with a field; what was read answers about any event,
 * and projecting twice is projecting once.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/json_out.h"
#include "matrix/filter.h"

static struct str write(struct arena *arena, const struct json *value)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 1 << 24);
	struct json_out out;
	json_out_init(&out, &buf);
	json_out_value(&out, value);
	invariant(buf_ok(&buf));
	return str_dup(arena, buf_str(&buf));
}

static void ask(const struct event_filter *filter, const struct json *content)
{
	invariant(filter->limit >= 0 && filter->limit <= FILTER_MAX_LIMIT);
	const struct filter_relation relation = {.rel_type = STR("m.thread"), .sender = STR("@a:b")};
	const struct filter_facts facts = {.type = STR("m.room.message"),
		.sender = STR("@a:b"),
		.room_id = STR("!a:b"),
		.content = content,
		.relations = &relation,
		.relation_count = 1};
	bool allowed = filter_allows_event(filter, &facts);
	invariant(allowed || !filter->allows_all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct json json;
	struct field_error error = {0};
	if (json_parse(arena, str_from((const char *)data, size), NULL, &json, NULL) != JSON_OK) {
		return 0;
	}
	struct event_filter section;
	if (event_filter_parse(arena, &json, &section, &error)) {
		ask(&section, &json);
	} else {
		invariant(error.errcode != NULL && error.field.n > 0 && error.text != NULL);
	}
	struct filter filter;
	if (!filter_parse(arena, &json, &filter, &error)) {
		invariant(error.errcode != NULL && error.field.n > 0 && error.text != NULL);
		return 0;
	}
	ask(&filter.timeline, &json);
	ask(&filter.presence, &json);
	(void)filter_allows_room(&filter, STR("!a:b"));
	struct json once = filter_project(arena, &filter, &json);
	struct json twice = filter_project(arena, &filter, &once);
	invariant(str_equals(write(arena, &once), write(arena, &twice)));
	return 0;
}
