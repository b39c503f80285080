/*
 * Push rules: any body is a rule or refused with a field; any stored ruleset loads, and loads again
 * to the same after it was stored; any event is evaluated, by the predefined rules as
 * push_eval_generic() says.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "matrix/push_default.h"
#include "matrix/push_eval.h"

static const struct event *no_state(void *self, struct str type, struct str state_key)
{
	(void)self;
	(void)type;
	(void)state_key;
	return NULL;
}

static struct str write(struct arena *arena, const struct push_ruleset *set,
	void (*writer)(struct json_out *out, const struct push_ruleset *set))
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 1 << 24);
	struct json_out out;
	json_out_init(&out, &buf);
	writer(&out, set);
	invariant(buf_ok(&buf));
	return str_dup(arena, buf_str(&buf));
}

/* An event whose properties come from the input, sent by somebody else. */
static struct event event_of(const struct json *json)
{
	struct event event = {.version = room_version_find(STR("11")),
		.event_id.s = STR("$e"),
		.room_id.s = STR("!r:hs"),
		.sender.s = STR("@a:hs"),
		.type = json_get_str(json, STR("type")),
		.state_key = json_get_str(json, STR("state_key")),
		.content = json,
		.tree = json};
	if (event.type.p == NULL) {
		event.type = STR("m.room.message");
	}
	event.is_state = event.state_key.p != NULL;
	return event;
}

static void check_generic(struct arena *arena, const struct push_facts *facts, struct user_id user)
{
	struct push_ruleset set = push_default_ruleset(arena, user, false);
	struct push_result full = push_eval(arena, &set, facts, user, STR("me"));
	struct push_generic generic = push_eval_generic(arena, facts);
	struct push_result quick = push_generic_for(&generic, user);
	invariant(full.notify == quick.notify && full.highlight == quick.highlight);
	invariant(str_equals(full.sound, quick.sound));
}

static void check_rules(struct arena *arena, const struct json *json,
	const struct push_facts *facts, struct user_id user)
{
	struct push_ruleset set = push_default_ruleset(arena, user, false);
	for (size_t i = 0; i < PUSH_KINDS; i++) {
		struct push_rule *rule = NULL;
		struct field_error error = {0};
		if (!push_rule_make(arena, (enum push_kind)i, STR("x"), json, &rule, &error)) {
			invariant(error.errcode != NULL && error.field.n > 0 && error.text != NULL);
			continue;
		}
		enum push_put done =
			push_ruleset_put(arena, &set, rule, str_from(NULL, 0), str_from(NULL, 0));
		invariant(done == PUSH_PUT_DONE);
	}
	(void)push_eval(arena, &set, facts, user, json_get_str(json, STR("pattern")));
}

static void check_store(struct arena *arena, const struct json *json, struct user_id user)
{
	struct push_ruleset set = push_default_load(arena, user, false, json);
	struct json stored;
	enum json_error error =
		json_parse(arena, write(arena, &set, push_default_store), NULL, &stored, NULL);
	invariant(error == JSON_OK);
	struct push_ruleset again = push_default_load(arena, user, false, &stored);
	invariant(str_equals(write(arena, &set, push_ruleset_write),
		write(arena, &again, push_ruleset_write)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct json json;
	if (json_parse(arena, str_from((const char *)data, size), NULL, &json, NULL) != JSON_OK ||
		json.type != JSON_OBJECT) {
		return 0;
	}
	const struct user_id user = {.s = STR("@me:hs")};
	const struct state_view view = {.get = no_state};
	struct event event = event_of(&json);
	const struct push_facts facts = {.event = &event,
		.state = &view,
		.member_count = (int64_t)(size % 4)};
	check_generic(arena, &facts, user);
	check_rules(arena, &json, &facts, user);
	check_store(arena, &json, user);
	return 0;
}
