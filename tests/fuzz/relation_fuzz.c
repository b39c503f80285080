/*
 * Relations: any content is read; threads end also when parents form a loop.
 */
#include "base/arena.h"
#include "matrix/relation.h"

struct loop {
	struct relation relation;
	size_t asked;
};

/* Every parent has the same relation again. */
static bool loop_get(void *self, struct str event_id, struct relation *out,
	struct str *out_thread_root)
{
	struct loop *loop = self;
	(void)event_id;
	(void)out_thread_root;
	loop->asked++;
	*out = loop->relation;
	return true;
}

static void check_relation(const struct json *content)
{
	struct loop loop = {0};
	bool any = relation_read(content, &loop.relation);
	invariant((loop.relation.rel_type.p == NULL) == (loop.relation.event_id.p == NULL));
	invariant(any || loop.relation.in_reply_to.p == NULL);
	const struct relation_source source = {.get = loop_get, .self = &loop};
	struct str root = relation_thread_root(&loop.relation, &source);
	invariant(loop.asked <= RELATION_MAX_HOPS);
	invariant((root.p != NULL) == relation_is(&loop.relation, STR("m.thread")));
	invariant(relation_check_thread_root(content).allowed == (loop.relation.rel_type.p == NULL));
	const struct relation_edit_facts edit = {.content = content};
	const struct relation_edit_facts original = {0};
	struct verdict verdict = relation_check_edit(&original, loop.relation.event_id, &edit);
	invariant(!verdict.allowed || relation_is(&loop.relation, STR("m.replace")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct json json;
	if (json_parse(arena, str_from((const char *)data, size), NULL, &json, NULL) != JSON_OK) {
		return 0;
	}
	check_relation(&json);
	return 0;
}
