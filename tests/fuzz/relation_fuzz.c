/*
 * Relations and receipts: any content is read; threads end also when parents form a loop; receipts
 * that were read are written and read again as the same.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "matrix/edu.h"
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

static struct str write(struct arena *arena, const struct receipt *receipts, size_t count)
{
	struct receipt *merged;
	size_t n = receipts_merge(arena, receipts, count, STR("@a:b"), &merged);
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 1 << 24);
	struct json_out out;
	json_out_init(&out, &buf);
	json_out_array(&out);
	receipts_write(&out, merged, n);
	json_out_end(&out);
	invariant(buf_ok(&buf));
	return str_dup(arena, buf_str(&buf));
}

static void check_receipts(struct arena *arena, const struct json *content)
{
	struct receipt *receipts;
	size_t count = receipts_read(arena, content, &receipts);
	struct str text = write(arena, receipts, count);
	struct json events;
	enum json_error error = json_parse(arena, text, NULL, &events, NULL);
	invariant(error == JSON_OK);
	size_t total = 0;
	for (size_t i = 0; i < events.count; i++) {
		struct receipt *again;
		total += receipts_read(arena, json_at(&events.items[i], "content"), &again);
	}
	struct receipt *merged;
	invariant(total == receipts_merge(arena, receipts, count, STR("@a:b"), &merged));
	struct str *typing;
	invariant(edu_typing_read(arena, content, &typing) <= text.n + content->raw.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct json json;
	if (json_parse(arena, str_from((const char *)data, size), NULL, &json, NULL) != JSON_OK) {
		return 0;
	}
	check_relation(&json);
	check_receipts(arena, &json);
	return 0;
}
