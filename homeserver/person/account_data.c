/*
 * Account data go through the writer, so that a sync is told of them at their position.
 */
#include "homeserver/person/account_data.h"

#include "homeserver/last_write.h"
#include "homeserver/push/push.h"
#include "matrix/canonical.h"
#include "storage/account_data.h"

enum { TAG_ATTEMPTS = 50, TAGS_MAX_BYTES = 65536 };

static bool is_global(int64_t room_nid, struct str type, const char *wanted)
{
	return room_nid == 0 && str_equals(type, str_of(wanted));
}

/* --- reading ------------------------------------------------------------------------------------------ */

static bool is_push_rules(int64_t room_nid, struct str type)
{
	return room_nid == 0 && str_equals(type, STR("m.push_rules"));
}

static void to_items(struct arena *arena, const struct account_data_row *rows, size_t count,
	size_t room, struct account_data_item **out)
{
	*out = ARENA_NEW_ARRAY(arena, struct account_data_item, count + room);
	for (size_t i = 0; i < count; i++) {
		(*out)[i] = (struct account_data_item){rows[i].room_nid, rows[i].type, rows[i].content,
			rows[i].position};
	}
}

enum err account_data_changes(struct ctx *ctx, struct homeserver *hs, struct user *user,
	int64_t room_nid, int64_t after, int64_t up_to, struct account_data_item **out,
	size_t *out_count)
{
	struct account_data_row *rows = NULL;
	*out_count = 0;
	if (user_own_position(user) > after) {
		TRY(store_account_data_of_room(ctx, hs->db, user_id_of(user), room_nid, after, up_to, &rows,
			out_count));
	}
	to_items(ctx->arena, rows, *out_count, 1, out);
	struct user_id id = {user_id_of(user)};
	bool has_rules = false;
	for (size_t i = 0; i < *out_count; i++) {
		struct account_data_item *item = &(*out)[i];
		if (is_push_rules(room_nid, item->type)) {
			item->content = push_rules_content(ctx->arena, hs->push, id, item->content);
			has_rules = true;
		}
	}
	if (room_nid == 0 && after == 0 && !has_rules) {
		(*out)[(*out_count)++] = (struct account_data_item){.type = STR("m.push_rules"),
			.content = push_rules_content(ctx->arena, hs->push, id, str_from(NULL, 0))};
	}
	return ERR_OK;
}

enum err account_data_rooms_changed(struct ctx *ctx, struct homeserver *hs, struct user *user,
	int64_t after, int64_t up_to, struct account_data_item **out, size_t *out_count)
{
	struct account_data_row *rows = NULL;
	*out_count = 0;
	if (user_own_position(user) > after) {
		TRY(store_account_data_of_rooms(ctx, hs->db, user_id_of(user), after, up_to, &rows,
			out_count));
	}
	to_items(ctx->arena, rows, *out_count, 0, out);
	return ERR_OK;
}

enum err account_data_get(struct ctx *ctx, struct homeserver *hs, struct user_id user_id,
	int64_t room_nid, struct str type, struct str *out_content)
{
	struct account_data_row row;
	enum err err = store_account_data_get(ctx, hs->db, user_id.s, room_nid, type, &row);
	if (is_push_rules(room_nid, type) && (err == ERR_OK || err == ERR_MISSING)) {
		*out_content = push_rules_content(ctx->arena, hs->push, user_id,
			err == ERR_OK ? row.content : str_from(NULL, 0));
		return ERR_OK;
	}
	if (err == ERR_MISSING) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such account data");
	}
	TRY(err);
	*out_content = row.content;
	return ERR_OK;
}

/* --- writing ---------------------------------------------------------------------------------------------- */

struct change {
	struct homeserver *hs;
	struct str user_id;
	int64_t room_nid;
	struct str type;
	struct str content;
};

static void on_committed(void *data, int64_t first_position)
{
	const struct change *change = data;
	if (is_global(change->room_nid, change->type, "m.ignored_user_list")) {
		users_ignored_list_committed(change->hs->users, change->user_id, change->content);
	}
	if (is_global(change->room_nid, change->type, "m.invite_permission_config")) {
		users_invite_permission_committed(change->hs->users, change->user_id, change->content);
	}
	users_own_committed(change->hs->users, change->user_id, first_position);
}

static enum err put_expecting(struct ctx *ctx, const struct change *change, int64_t expected)
{
	struct write *write = write_new(ctx);
	struct change *kept = ARENA_NEW(ctx->arena, struct change);
	*kept = *change;
	write_set_positions(write, 1);
	store_account_data_set(write, change->user_id, change->room_nid, change->type, change->content,
		expected);
	write_on_commit(write, on_committed, kept);
	return last_write_commit(ctx, change->hs, write);
}

enum err account_data_put(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	int64_t room_nid, struct str type, struct str content)
{
	const struct change change = {hs, user_id, room_nid, type, content};
	enum err err = ERR_CONFLICT;
	for (int i = 0; i < TAG_ATTEMPTS && err == ERR_CONFLICT; i++) {
		err = put_expecting(ctx, &change, ACCOUNT_DATA_ANY);
	}
	return err;
}

/* --- tags -------------------------------------------------------------------------------------------------- */

static enum err read_tags(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	int64_t room_nid, struct json *out_content, int64_t *out_position)
{
	struct account_data_row row;
	enum err err = store_account_data_get(ctx, hs->db, user_id, room_nid, STR("m.tag"), &row);
	*out_content = json_object(ctx->arena, 0);
	*out_position = 0;
	if (err == ERR_MISSING) {
		return ERR_OK;
	}
	TRY(err);
	*out_position = row.position;
	if (json_parse(ctx->arena, row.content, NULL, out_content, NULL) != JSON_OK) {
		return fail_cause(ctx, ERR_INTERNAL, "stored tags are not JSON");
	}
	return ERR_OK;
}

/* The member `tags`, empty when it is none. */
static struct json tags_of(struct arena *arena, const struct json *content)
{
	const struct json *tags = json_at(content, "tags");
	return json_is(tags, JSON_OBJECT) ? *tags : json_object(arena, 0);
}

enum err tags_get(struct ctx *ctx, struct homeserver *hs, struct str user_id, int64_t room_nid,
	struct str *out_tags)
{
	struct json content;
	int64_t position;
	TRY(read_tags(ctx, hs, user_id, room_nid, &content, &position));
	struct json tags = tags_of(ctx->arena, &content);
	*out_tags = canonical_text(ctx->arena, &tags);
	return ERR_OK;
}

enum err tag_change(struct ctx *ctx, struct homeserver *hs, struct str user_id, int64_t room_nid,
	struct str tag, const struct json *new_content)
{
	enum err err = ERR_CONFLICT;
	for (int i = 0; i < TAG_ATTEMPTS && err == ERR_CONFLICT; i++) {
		struct json content;
		int64_t position;
		TRY(read_tags(ctx, hs, user_id, room_nid, &content, &position));
		struct json tags = tags_of(ctx->arena, &content);
		if (new_content == NULL && json_get(&tags, tag) == NULL) {
			return ERR_OK;
		}
		tags = new_content != NULL ? json_with(ctx->arena, &tags, tag, *new_content)
								   : json_without(ctx->arena, &tags, tag);
		content = json_with(ctx->arena, &content, STR("tags"), tags);
		const struct change change = {hs, user_id, room_nid, STR("m.tag"),
			canonical_text(ctx->arena, &content)};
		if (new_content != NULL && change.content.n > TAGS_MAX_BYTES) {
			return fail_status(ctx, ERR_INPUT, 413, M_TOO_LARGE, "The room has too many tags");
		}
		err = put_expecting(ctx, &change, position);
	}
	return err;
}

enum err tags_copy(struct ctx *ctx, struct homeserver *hs, struct str user_id, int64_t from_nid,
	int64_t to_nid)
{
	struct json content;
	struct json ignored;
	int64_t position;
	int64_t to_position;
	TRY(read_tags(ctx, hs, user_id, from_nid, &content, &position));
	if (tags_of(ctx->arena, &content).count == 0) {
		return ERR_OK;
	}
	TRY(read_tags(ctx, hs, user_id, to_nid, &ignored, &to_position));
	if (to_position != 0) {
		return ERR_OK;
	}
	const struct change change = {hs, user_id, to_nid, STR("m.tag"),
		canonical_text(ctx->arena, &content)};
	enum err err = put_expecting(ctx, &change, 0);
	return err == ERR_CONFLICT ? ERR_OK : err; /* the user has tagged it meanwhile */
}

/* --- ignored users ------------------------------------------------------------------------------------------ */

void account_data_write(const struct account_data_item *items, size_t count, struct json_out *out)
{
	json_out_array(out);
	for (size_t i = 0; i < count; i++) {
		json_out_object(out);
		json_out_key_raw(out, "content", items[i].content);
		json_out_key_str(out, "type", items[i].type);
		json_out_end(out);
	}
	json_out_end(out);
}

static enum err read_ignored(struct ctx *ctx, struct homeserver *hs, struct user *user,
	struct str *out)
{
	if (user_ignored_list(user, ctx->arena, out)) {
		return ERR_OK;
	}
	struct account_data_row row;
	enum err err =
		store_account_data_get(ctx, hs->db, user_id_of(user), 0, STR("m.ignored_user_list"), &row);
	*out = err == ERR_OK ? row.content : str_from(NULL, 0);
	if (err != ERR_MISSING) {
		TRY(err);
	}
	user_keep_ignored_list(user, *out);
	return ERR_OK;
}

enum err ignored_users(struct ctx *ctx, struct homeserver *hs, struct user *user, struct str **out,
	size_t *out_count)
{
	struct str text;
	struct json content;
	*out_count = 0;
	*out = NULL;
	TRY(read_ignored(ctx, hs, user, &text));
	if (text.p == NULL || json_parse(ctx->arena, text, NULL, &content, NULL) != JSON_OK) {
		return ERR_OK;
	}
	const struct json *ignored = json_at(&content, "ignored_users");
	if (!json_is(ignored, JSON_OBJECT)) {
		return ERR_OK;
	}
	*out = ARENA_NEW_ARRAY(ctx->arena, struct str, ignored->count);
	for (size_t i = 0; i < ignored->count; i++) {
		/* Nobody can ignore oneself. */
		if (!str_equals(ignored->members[i].key, user_id_of(user))) {
			(*out)[(*out_count)++] = ignored->members[i].key;
		}
	}
	return ERR_OK;
}

enum err user_ignores(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str other_id, bool *out)
{
	struct user *user;
	struct str *ignored;
	size_t count;
	TRY(users_get(ctx, hs, user_id, &user));
	TRY(ignored_users(ctx, hs, user, &ignored, &count));
	*out = false;
	for (size_t i = 0; i < count && !*out; i++) {
		*out = str_equals(ignored[i], other_id);
	}
	return ERR_OK;
}
