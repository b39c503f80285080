/*
 * What others tell of rooms and of themselves: summaries, children of spaces, who may take part, policy servers, profiles, tags. Any JSON is read or refused with
 * a field; a summary that is told on is read the same; the order of children does not depend on that in which they came.
 */
#include "base/arena.h"
#include "base/json_out.h"
#include "matrix/account_data.h"
#include "matrix/policy_server.h"
#include "matrix/profile_field.h"
#include "matrix/room_summary.h"
#include "matrix/server_acl.h"
#include "matrix/space_child.h"

enum { CHILDREN_MAX = 40, TEXT_BYTES = 1 << 22 };

static struct str write_summary(struct arena *arena, const struct room_told *told)
{
	struct buf buf CLEANUP(buf_fini);
	struct json_out out;
	buf_init(&buf, TEXT_BYTES);
	json_out_init(&out, &buf);
	json_out_object(&out);
	json_out_key_str(&out, "room_id", told->room_id.s);
	json_out_key_int(&out, "num_joined_members", told->joined_members);
	room_summary_write(&told->content, &out);
	json_out_end(&out);
	invariant(buf_ok(&buf));
	return str_dup(arena, buf_str(&buf));
}

static void check_summary(struct arena *arena, const struct json *json)
{
	struct room_told told;
	struct room_told again;
	struct json written;
	if (!room_summary_read(arena, json, &told)) {
		return;
	}
	struct str text = write_summary(arena, &told);
	enum json_error error = json_parse(arena, text, NULL, &written, NULL);
	invariant(error == JSON_OK);
	bool is_read = room_summary_read(arena, &written, &again);
	invariant(is_read && str_equals(again.room_id.s, told.room_id.s));
	invariant(str_equals(write_summary(arena, &again), text));
}

static bool is_same_child(const struct space_child *a, const struct space_child *b)
{
	return str_equals(a->room_id, b->room_id) && str_equals(a->order, b->order) &&
		a->origin_server_ts == b->origin_server_ts;
}

/* A list of contents; some have the same time. */
static void check_children(const struct json *json)
{
	static const char *const rooms[] = {"!a:b", "!b:b", "!c", "#d:b", "!e:b"};
	struct space_child children[CHILDREN_MAX];
	struct space_child turned[CHILDREN_MAX];
	size_t n = 0;
	for (size_t i = 0; json->type == JSON_ARRAY && i < json->count && n < CHILDREN_MAX; i++) {
		struct str room = str_of(rooms[i % COUNT_OF(rooms)]);
		n += space_child_read(room, STR("@a:b"), (int64_t)(i % 3), &json->items[i], &children[n]);
	}
	for (size_t i = 0; i < n; i++) {
		turned[i] = children[n - 1 - i];
		invariant(children[i].via->type == JSON_ARRAY && children[i].order.n <= 50);
	}
	space_child_sort(children, n);
	space_child_sort(turned, n);
	for (size_t i = 0; i < n; i++) {
		invariant(is_same_child(&children[i], &turned[i]));
	}
}

static void check_contents(struct arena *arena, const struct json *json)
{
	struct field_error error = {0};
	struct policy_server policy;
	const struct json *value;
	struct server_name server;
	invariant(server_name_parse(STR("b.example:1"), &server));
	if (json->type == JSON_OBJECT) {
		(void)!server_acl_allows(json, server);
		(void)invite_permission_blocks(json);
		if (policy_server_read(arena, json, &policy)) {
			invariant(policy.public_key.n == 0 || policy.public_key.n == 32);
			invariant(server_name_parse(policy.via.s, &server));
		}
	}
	if (!tag_content_check(json, &error)) {
		invariant(error.errcode != NULL && error.text != NULL);
	}
	static const char *const keys[] = {"displayname", "avatar_url", "m.tz", "other.key"};
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		error = (struct field_error){0};
		if (profile_body_read(str_of(keys[i]), json, &value, &error)) {
			invariant(profile_value_check(str_of(keys[i]), value, &error));
			(void)profile_value_is_unset(str_of(keys[i]), value);
		} else {
			invariant(error.errcode != NULL && error.text != NULL);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str text = str_from((const char *)data, size);
	struct json json;
	if (json_parse(arena, text, NULL, &json, NULL) != JSON_OK) {
		return 0;
	}
	check_summary(arena, &json);
	check_children(&json);
	check_contents(arena, &json);
	return 0;
}
