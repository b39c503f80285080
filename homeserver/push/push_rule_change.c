/*
 * Changing rules: read what is stored, change it, store it if it still stands where it was read; else again. So two devices that
 * change rules at the same moment lose nothing.
 */
#include "homeserver/last_write.h"
#include "homeserver/push/push_inner.h"
#include "homeserver/user/users.h"
#include "storage/account_data.h"

enum {
	ATTEMPTS = 50,
	MAX_STORED_BYTES =
		512 << 10, /* all that a user changed: each change writes it, and each device gets it */
};

/* Changes a ruleset; describes what is wrong. */
typedef enum err change_rules(struct ctx *ctx, struct push_ruleset *set, void *data);

struct commit {
	struct homeserver *hs;
	struct user_id user;
	struct push_entry *entry;
};

static void on_committed(void *data, int64_t position)
{
	const struct commit *commit = data;
	push_entry_committed(commit->hs->push, commit->entry, position);
	users_own_committed(commit->hs->users, commit->user.s, position);
}

/* What was read while this was under way may be newer or older than the database. */
static void on_failed(void *data)
{
	const struct commit *commit = data;
	push_forget_user(commit->hs->push, commit->user);
}

static enum err store(struct ctx *ctx, struct homeserver *hs, struct user_id user,
	struct str stored, int64_t expected)
{
	struct commit *commit = ARENA_NEW(ctx->arena, struct commit);
	*commit = (struct commit){hs, user, push_entry_create(hs->push, user, stored)};
	arena_on_reset(ctx->arena, push_entry_unref, commit->entry);
	struct write *write = write_new(ctx);
	write_set_positions(write, 1);
	store_account_data_set(write, user.s, 0, STR("m.push_rules"), stored, expected);
	write_on_commit(write, on_committed, commit);
	write_on_failure(write, on_failed, commit);
	return last_write_commit(ctx, hs, write);
}

static enum err read_stored(struct ctx *ctx, struct homeserver *hs, struct user_id user,
	struct push_ruleset *out, int64_t *out_position)
{
	struct account_data_row row;
	enum err err = store_account_data_get(ctx, hs->db, user.s, 0, STR("m.push_rules"), &row);
	bool is_stored = err == ERR_OK;
	if (!is_stored && err != ERR_MISSING) {
		return err;
	}
	*out_position = is_stored ? row.position : 0;
	if (!push_stored_parse(ctx->arena, hs->push, user, is_stored ? row.content : str_from(NULL, 0),
			out)) {
		return fail_cause(ctx, ERR_INTERNAL, "stored push rules are not JSON");
	}
	return ERR_OK;
}

static enum err change_once(struct ctx *ctx, struct homeserver *hs, struct user_id user,
	change_rules *change, void *data)
{
	struct push_ruleset set;
	int64_t position;
	TRY(read_stored(ctx, hs, user, &set, &position));
	TRY(change(ctx, &set, data));
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, MAX_STORED_BYTES);
	struct json_out out;
	json_out_init(&out, &buf);
	push_default_store(&out, &set);
	if (!buf_ok(&buf)) {
		return fail_status(ctx, ERR_INPUT, 413, M_TOO_LARGE,
			"Your push rules are too long; delete some first");
	}
	return store(ctx, hs, user, str_dup(ctx->arena, buf_str(&buf)), position);
}

static enum err change(struct ctx *ctx, struct homeserver *hs, struct user_id user,
	change_rules *change_set, void *data)
{
	enum err err = ERR_CONFLICT;
	for (int i = 0; i < ATTEMPTS && err == ERR_CONFLICT; i++) {
		err = change_once(ctx, hs, user, change_set, data);
	}
	return err;
}

/* --- the four changes ------------------------------------------------------------------------------- */

struct request {
	const struct push_rule_name *name;
	enum push_kind kind;
	const struct json *body; /* of the rule, or its actions */
	bool is_enabled;
	struct str before;
	struct str after;
};

static enum err no_rule(struct ctx *ctx)
{
	return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such push rule");
}

static enum err field_fault(struct ctx *ctx, const struct field_error *error)
{
	int status = str_equals(str_of(error->errcode), STR(M_TOO_LARGE)) ? 413 : 400;
	return fail_status(ctx, ERR_INPUT, status, error->errcode, "%.*s %s", STR_ARG(error->field),
		error->text);
}

static enum err put(struct ctx *ctx, struct push_ruleset *set, void *data)
{
	const struct request *request = data;
	struct push_rule *rule;
	struct field_error error;
	if (!push_rule_make(ctx->arena, request->kind, request->name->rule_id, request->body, &rule,
			&error)) {
		return field_fault(ctx, &error);
	}
	switch (push_ruleset_put(ctx->arena, set, rule, request->before, request->after)) {
	case PUSH_PUT_DONE:
		return ERR_OK;
	case PUSH_PUT_NO_NEIGHBOUR:
		return fail(ctx, ERR_INPUT, M_UNKNOWN, "before/after rule not found: %.*s",
			STR_ARG(request->before.p != NULL ? request->before : request->after));
	case PUSH_PUT_FULL:
		return fail_status(ctx, ERR_INPUT, 413, M_TOO_LARGE,
			"You have %d push rules; delete some first", PUSH_MAX_RULES);
	}
	return ERR_INTERNAL;
}

enum err push_rule_put(struct ctx *ctx, struct homeserver *hs, const struct push_rule_name *name,
	const struct json *body, struct str before, struct str after)
{
	struct request request = {.name = name, .body = body, .before = before, .after = after};
	if (!push_kind_parse(name->kind, &request.kind)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "There is no such kind of push rules");
	}
	return change(ctx, hs, name->user, put, &request);
}

static enum err delete (struct ctx *ctx, struct push_ruleset *set, void *data) {
	const struct request *request = data;
	return push_ruleset_remove(set, request->kind, request->name->rule_id) ? ERR_OK : no_rule(ctx);
}

enum err push_rule_delete(struct ctx *ctx, struct homeserver *hs, const struct push_rule_name *name)
{
	struct request request = {.name = name};
	if (!push_kind_parse(name->kind, &request.kind)) {
		return no_rule(ctx);
	}
	return change(ctx, hs, name->user, delete, &request);
}

static enum err enable(struct ctx *ctx, struct push_ruleset *set, void *data)
{
	const struct request *request = data;
	struct push_rule *rule = push_ruleset_find(set, request->kind, request->name->rule_id);
	if (rule == NULL) {
		return no_rule(ctx);
	}
	push_rule_set_enabled(rule, request->is_enabled);
	return ERR_OK;
}

enum err push_rule_enable(struct ctx *ctx, struct homeserver *hs, const struct push_rule_name *name,
	bool is_enabled)
{
	struct request request = {.name = name, .is_enabled = is_enabled};
	if (!push_kind_parse(name->kind, &request.kind)) {
		return no_rule(ctx);
	}
	return change(ctx, hs, name->user, enable, &request);
}

static enum err act(struct ctx *ctx, struct push_ruleset *set, void *data)
{
	const struct request *request = data;
	struct push_rule *rule = push_ruleset_find(set, request->kind, request->name->rule_id);
	if (rule == NULL) {
		return no_rule(ctx);
	}
	push_rule_set_actions(ctx->arena, rule, request->body);
	return ERR_OK;
}

enum err push_rule_act(struct ctx *ctx, struct homeserver *hs, const struct push_rule_name *name,
	const struct json *actions)
{
	struct request request = {.name = name, .body = actions};
	struct field_error error;
	if (!push_kind_parse(name->kind, &request.kind)) {
		return no_rule(ctx);
	}
	if (!push_actions_check(actions, &error)) {
		return field_fault(ctx, &error);
	}
	return change(ctx, hs, name->user, act, &request);
}

/* --- from room to room --------------------------------------------------------------------------------- */

struct room_copy {
	struct str from;
	struct str to;
};

static const struct push_rule *rule_to_copy(const struct push_ruleset *set,
	const struct room_copy *copy)
{
	return push_ruleset_find(set, PUSH_ROOM, copy->to) == NULL
		? push_ruleset_find(set, PUSH_ROOM, copy->from)
		: NULL;
}

static enum err copy_rule(struct ctx *ctx, struct push_ruleset *set, void *data)
{
	const struct room_copy *copy = data;
	const struct push_rule *rule = rule_to_copy(set, copy);
	if (rule == NULL) {
		return ERR_OK;
	}
	struct push_rule *copied = ARENA_NEW(ctx->arena, struct push_rule);
	*copied = *rule;
	copied->rule_id = copy->to;
	return push_ruleset_put(ctx->arena, set, copied, copy->from, str_from(NULL, 0)) == PUSH_PUT_DONE
		? ERR_OK
		: fail_status(ctx, ERR_INPUT, 413, M_TOO_LARGE, "You have too many push rules");
}

enum err push_rule_copy_room(struct ctx *ctx, struct homeserver *hs, struct user_id user,
	struct str from_room_id, struct str to_room_id)
{
	struct room_copy copy = {from_room_id, to_room_id};
	struct push_rules rules;
	TRY(push_rules_get(ctx, hs, user, &rules));
	if (rules.is_generic || rule_to_copy(&rules.set, &copy) == NULL) {
		return ERR_OK;
	}
	return change(ctx, hs, user, copy_rule, &copy);
}
