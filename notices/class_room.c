/*
 * The sender is the creator. In room version 12 nobody can take power from the creator, or give anybody the same; so whoever leaves the school leaves a
 * room that still has its head.
 */
#include "notices/class_room.h"

#include "base/buf.h"
#include "homeserver/room/room_alias.h"
#include "homeserver/room/room_create.h"
#include "homeserver/room/room_member.h"
#include "matrix/canonical.h"
#include "matrix/json_make.h"
#include "matrix/power_template.h"
#include "notices/notice_send.h"
#include "storage/account.h"

#define CREATED_VERSION "12"

enum {
	STAFF_LEVEL = 50,
	CREATOR_LEVEL = 100, /* in versions whose creators have one */
	REASON_MAX_BYTES = 1000,
};

/* Who may do what beside the defaults of every room (matrix/power_template.c); staff has STAFF_LEVEL. */
static const struct class_template {
	struct str name;
	int64_t events_default; /* needed to talk */
	bool is_space;
} templates[] = {
	{STR_INIT("class"), 0, false},
	{STR_INIT("notices"), STAFF_LEVEL, false},
	{STR_INIT("space"), CREATOR_LEVEL, true},
};

static const struct class_template *find_template(struct str name)
{
	for (size_t i = 0; i < COUNT_OF(templates); i++) {
		if (str_equals(templates[i].name, name)) {
			return &templates[i];
		}
	}
	return NULL;
}

bool class_template_is_one(struct str name)
{
	return find_template(name) != NULL;
}

struct work {
	struct ctx *ctx;
	struct homeserver *hs;
	const struct notice_class_row *class;
	const struct class_template *template;
	const struct notice_class_person *people;
	size_t people_count;
	struct principal who; /* the sender */
	struct room *room;
	struct buf reason;
	struct class_room_end *out;
};

static void work_fini(struct work *work)
{
	buf_fini(&work->reason);
}

/* --- what is wanted ------------------------------------------------------------------------------------------------- */

static struct json users_of(struct work *work, bool creator_has_level)
{
	struct json users = json_object(work->ctx->arena, work->people_count + 1);
	if (creator_has_level) {
		json_put(&users, work->who.user.s, json_integer(CREATOR_LEVEL));
	}
	for (size_t i = 0; i < work->people_count; i++) {
		if (str_equals(work->people[i].role, STR("staff")) &&
			!str_equals(work->people[i].user_id, work->who.user.s)) {
			json_put(&users, work->people[i].user_id, json_integer(STAFF_LEVEL));
		}
	}
	return users;
}

static struct json power_override(struct work *work, const struct room_version *version)
{
	struct json override = json_object(work->ctx->arena, 3);
	json_put(&override, STR("users"), users_of(work, !version->privileged_creators));
	json_put(&override, STR("events_default"), json_integer(work->template->events_default));
	json_put(&override, STR("invite"), json_integer(STAFF_LEVEL));
	return override;
}

static struct json encryption(struct arena *arena)
{
	return json_object_of(arena, STR("algorithm"), json_string(STR("m.megolm.v1.aes-sha2")));
}

/* --- the room ---------------------------------------------------------------------------------------------------------- */

static enum err create(struct work *work, struct room_alias alias, struct str *out_room_id)
{
	struct arena *arena = work->ctx->arena;
	const struct room_version *version = room_version_find(STR(CREATED_VERSION));
	struct json override = power_override(work, version);
	struct json type = json_object_of(arena, STR("type"), json_string(STR("m.space")));
	struct json event = json_object(arena, 3);
	json_put(&event, STR("type"), json_string(STR("m.room.encryption")));
	json_put(&event, STR("state_key"), json_string(STR("")));
	json_put(&event, STR("content"), encryption(arena));
	const struct json state = json_array_of(&event, 1);
	return room_create(work->ctx, work->hs,
		&(struct create_request){.who = &work->who,
			.room_version = STR(CREATED_VERSION),
			.preset = STR("private_chat"),
			.alias_name = room_alias_localpart(alias),
			.name = work->class->name,
			.creation_content = work->template->is_space ? &type : NULL,
			.initial_state = work->class->is_encrypted ? &state : NULL,
			.power_override = &override},
		out_room_id);
}

/* Only what the sender has made is the sender's to change. */
static enum err require_ours(struct work *work)
{
	struct stored_event *event;
	TRY(room_state_event(work->ctx, work->hs, work->room, STR("m.room.create"), STR(""),
		POSITION_NOW, &event));
	if (event == NULL || !str_equals(event->event->sender.s, work->who.user.s)) {
		return fail(work->ctx, ERR_INPUT, M_ROOM_IN_USE,
			"The alias leads to a room that %.*s has not made; choose another, or take it from there",
			STR_ARG(work->who.user.s));
	}
	return ERR_OK;
}

static enum err find_or_create(struct work *work)
{
	struct room_alias alias;
	struct alias_target target = {0};
	if (!room_alias_parse(work->class->alias, &alias)) {
		return fail_cause(work->ctx, ERR_INTERNAL, "the alias of a class is none");
	}
	enum err err = room_alias_locate(work->ctx, work->hs, alias, &target);
	if (err == ERR_MISSING) {
		work->ctx->fault = (struct fault){0};
		err = create(work, alias, &target.room_id);
	}
	TRY(err);
	work->out->room_id = target.room_id;
	TRY(rooms_get(work->ctx, work->hs, target.room_id, &work->room));
	return require_ours(work);
}

/* --- its state ----------------------------------------------------------------------------------------------------------- */

/* In any room; nothing happens when it is so already. */
static enum err set_state(struct work *work, struct room *room, struct str type,
	struct str state_key, const struct json *content)
{
	struct ctx *ctx = work->ctx;
	struct stored_event *before;
	TRY(room_state_event(ctx, work->hs, room, type, state_key, POSITION_NOW, &before));
	if (before != NULL &&
		str_equals(canonical_text(ctx->arena, before->event->content),
			canonical_text(ctx->arena, content))) {
		return ERR_OK;
	}
	const struct room_intent intent = {.sender = work->who.user,
		.type = type,
		.is_state = true,
		.state_key = state_key,
		.content = content};
	return room_add(ctx, work->hs, room, &intent, 1, NULL);
}

static enum err set_power(struct work *work)
{
	const struct room_version *version = room_version_of(work->room);
	struct json override = power_override(work, version);
	struct json content;
	struct field_error error;
	const struct power_template template = {.version = version,
		.creator = work->who.user,
		.invite_level = STAFF_LEVEL,
		.override = &override};
	return power_template_make(work->ctx->arena, &template, &content, &error)
		? set_state(work, work->room, STR("m.room.power_levels"), STR(""), &content)
		: fail_cause(work->ctx, ERR_INTERNAL, "power of a class: %s", error.text);
}

static enum err set_encryption(struct work *work)
{
	struct stored_event *before;
	struct json content = encryption(work->ctx->arena);
	TRY(room_state_event(work->ctx, work->hs, work->room, STR("m.room.encryption"), STR(""),
		POSITION_NOW, &before));
	return !work->class->is_encrypted || before != NULL
		? ERR_OK
		: set_state(work, work->room, STR("m.room.encryption"), STR(""), &content);
}

/* The rest is done all the same. */
static void note(struct work *work, struct str what)
{
	struct str text = work->ctx->fault.text;
	buf_printf(&work->reason, "%s%.*s: %.*s", work->reason.n > 0 ? "; " : "", STR_ARG(what),
		STR_ARG(text.n > 0 ? text : STR("it cannot be reached")));
	work->ctx->fault = (struct fault){0};
}

/* What is to be tried again as a whole. */
static bool is_passing(enum err err)
{
	return err == ERR_STORE || err == ERR_SHUTDOWN || err == ERR_INTERNAL;
}

static enum err put_into(struct work *work, struct str space)
{
	struct ctx *ctx = work->ctx;
	struct room *room;
	struct room_alias alias;
	struct alias_target target = {.room_id = space};
	struct json server = json_string(work->hs->signer.server.s);
	struct json child = json_object_of(ctx->arena, STR("via"), json_array_of(&server, 1));
	struct json parent = json_object(ctx->arena, 2);
	json_put(&parent, STR("via"), json_array_of(&server, 1));
	json_put(&parent, STR("canonical"), json_boolean(true));
	TRY(room_alias_parse(space, &alias) ? room_alias_locate(ctx, work->hs, alias, &target)
										: ERR_OK);
	TRY(notice_enter_room(ctx, work->hs, work->who.user, target.room_id, &room));
	TRY(set_state(work, room, STR("m.space.child"), work->out->room_id, &child));
	return set_state(work, work->room, STR("m.space.parent"), target.room_id, &parent);
}

static enum err set_all_state(struct work *work)
{
	const struct notice_class_row *class = work->class;
	struct json name = json_object_of(work->ctx->arena, STR("name"), json_string(class->name));
	TRY(set_power(work));
	TRY(class->name.p != NULL ? set_state(work, work->room, STR("m.room.name"), STR(""), &name)
							  : ERR_OK);
	TRY(set_encryption(work));
	if (class->space.p == NULL) {
		return ERR_OK;
	}
	enum err err = put_into(work, class->space);
	if (err != ERR_OK && !is_passing(err)) {
		note(work, class->space);
		return ERR_OK;
	}
	return err;
}

/* --- people ---------------------------------------------------------------------------------------------------------------- */

static enum err require_account(struct work *work, struct str user_id)
{
	struct account_row account;
	if (!hs_is_local(work->hs, user_id)) {
		return ERR_OK;
	}
	enum err err = store_account_find(work->ctx, work->hs->db, user_id, &account);
	bool is_gone = err == ERR_OK && account.state == ACCOUNT_DEACTIVATED;
	return err == ERR_MISSING || is_gone
		? fail(work->ctx, ERR_MISSING, M_NOT_FOUND,
			  "there is no such account; make it, then add it to the class once more")
		: err;
}

static enum err set_member(struct work *work, const struct notice_class_person *person)
{
	struct ctx *ctx = work->ctx;
	struct str membership;
	bool is_gone = str_equals(person->role, STR("gone"));
	const struct member_wish wish = {.who = &work->who,
		.room_id = work->out->room_id,
		.target = person->user_id};
	TRY(room_membership(ctx, work->hs, work->room, person->user_id, &membership));
	bool is_in = str_equals(membership, STR("join")) || str_equals(membership, STR("invite"));
	if (is_gone) {
		TRY(is_in || str_equals(membership, STR("knock")) ? room_kick(ctx, work->hs, &wish)
														  : ERR_OK);
		work->out->gone[work->out->gone_count++] = person->user_id;
		return ERR_OK;
	}
	if (is_in || str_equals(person->user_id, work->who.user.s)) {
		return ERR_OK;
	}
	TRY(require_account(work, person->user_id));
	return room_invite(ctx, work->hs, &wish);
}

static enum err set_people(struct work *work)
{
	work->out->gone = ARENA_NEW_ARRAY(work->ctx->arena, struct str, work->people_count);
	for (size_t i = 0; i < work->people_count; i++) {
		enum err err = set_member(work, &work->people[i]);
		if (is_passing(err)) {
			return err;
		}
		if (err != ERR_OK) {
			note(work, work->people[i].user_id);
		}
	}
	return ERR_OK;
}

enum err class_room_bring(struct ctx *ctx, struct homeserver *hs,
	const struct notice_class_row *class, const struct notice_class_person *people, size_t count,
	struct class_room_end *out)
{
	struct work work CLEANUP(work_fini) = {.ctx = ctx,
		.hs = hs,
		.class = class,
		.template = find_template(class->template_name),
		.people = people,
		.people_count = count,
		.out = out};
	*out = (struct class_room_end){0};
	buf_init(&work.reason, REASON_MAX_BYTES);
	if (work.template == NULL || !user_id_parse(class->sender, &work.who.user)) {
		return fail_cause(ctx, ERR_INTERNAL, "the class %.*s is none", STR_ARG(class->alias));
	}
	TRY(find_or_create(&work));
	TRY(set_all_state(&work));
	TRY(set_people(&work));
	if (work.reason.n > 0) {
		out->reason = str_dup(ctx->arena, buf_str(&work.reason));
	}
	return ERR_OK;
}
