/*
 * Profiles: one row a field. Rooms show the name and picture of the member event, so a change makes a new one in
 * each joined room.
 */
#include "homeserver/person/profile.h"

#include "base/log.h"
#include "homeserver/presence/presence.h"
#include "matrix/canonical.h"
#include "matrix/profile_field.h"
#include "storage/account.h"
#include "storage/profile.h"

static enum err read_profile(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct json *out)
{
	struct profile_row *rows;
	size_t count;
	TRY(store_profile_all(ctx, hs->db, user_id, &rows, &count));
	*out = json_object(ctx->arena, count);
	for (size_t i = 0; i < count; i++) {
		struct json value;
		if (json_parse(ctx->arena, rows[i].value, NULL, &value, NULL) == JSON_OK) {
			out->members[out->count++] = (struct json_member){.key = rows[i].field, .value = value};
		}
	}
	return ERR_OK;
}

enum err profile_get(struct ctx *ctx, struct homeserver *hs, struct str user_id, struct json *out)
{
	const struct profile_port *port = &hs->ports.profile;
	struct account_row account;
	struct user_id user;
	enum err err = ERR_MISSING;
	if (port->get != NULL && user_id_parse(user_id, &user) && !hs_is_local(hs, user_id)) {
		return port->get(port->self, ctx, user, out);
	}
	if (hs_is_local(hs, user_id)) {
		err = store_account_find(ctx, hs->db, user_id, &account);
	}
	const struct query_port *query = &hs->ports.query;
	enum query_answer answer = QUERY_UNKNOWN;
	if (err == ERR_MISSING && query->user != NULL && hs_is_local(hs, user_id) &&
		user_id_parse(user_id, &user)) {
		TRY(query->user(query->self, ctx, user, &answer));
		err =
			answer == QUERY_MADE ? store_account_find(ctx, hs->db, user_id, &account) : ERR_MISSING;
	}
	if (answer == QUERY_UNANSWERED) {
		return query_fail_unanswered(ctx);
	}
	if (err == ERR_MISSING || (err == ERR_OK && account.state == ACCOUNT_DEACTIVATED)) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such user here");
	}
	TRY(err);
	return read_profile(ctx, hs, user_id, out);
}

/* --- into the rooms ----------------------------------------------------------------------------------- */

static enum err update_member(struct ctx *ctx, struct homeserver *hs, struct room *room,
	struct user_id user, struct str field, const struct json *value)
{
	struct stored_event *event;
	TRY(room_state_event(ctx, hs, room, STR("m.room.member"), user.s, POSITION_NOW, &event));
	if (event == NULL || !str_equals(event_membership(event->event), STR("join"))) {
		return ERR_OK;
	}
	struct json content = json_without(ctx->arena, event->event->content, field);
	/* Names who let the user in when joining; a change of profile needs nobody. */
	content = json_without(ctx->arena, &content, STR("join_authorised_via_users_server"));
	content = json_without(ctx->arena, &content, STR("reason"));
	if (value != NULL) {
		content = json_with(ctx->arena, &content, field, *value);
	}
	if (json_equals(&content, event->event->content)) {
		return ERR_OK;
	}
	const struct room_intent intent = {
		.sender = user,
		.type = STR("m.room.member"),
		.is_state = true,
		.state_key = user.s,
		.content = &content,
	};
	return room_add(ctx, hs, room, &intent, 1, NULL);
}

/* A room that refuses (its rules may) keeps the old name; the profile has changed all the same. */
static enum err update_members(struct ctx *ctx, struct homeserver *hs, struct user_id user_id,
	struct str field, const struct json *value)
{
	struct user *user;
	struct user_room *rooms;
	size_t count;
	TRY(users_get(ctx, hs, user_id.s, &user));
	user_rooms(user, ctx->arena, &rooms, &count);
	for (size_t i = 0; i < count; i++) {
		struct room *room;
		if (!str_equals(rooms[i].membership, STR("join"))) {
			continue;
		}
		TRY(rooms_get_nid(ctx, hs, room_nid(rooms[i].room), &room));
		enum err err = update_member(ctx, hs, room, user_id, field, value);
		if (err_is_transient(err)) {
			return err; /* the client tries again; what is done is not done twice */
		}
		if (err != ERR_OK) {
			log_debug(ctx->request_id, "profile.room_refused", "kind=%s", err_name(err));
		}
	}
	return ERR_OK;
}

static enum err tell_presence(struct ctx *ctx, struct homeserver *hs, struct str user_id)
{
	struct presence_profile profile;
	TRY(store_profile_get(ctx, hs->db, user_id, &profile.displayname, &profile.avatar_url));
	presence_profile_changed(hs, user_id, &profile);
	return ERR_OK;
}

/* --- changing ------------------------------------------------------------------------------------------------ */

static enum err check_size(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str field, const struct json *value)
{
	struct json profile;
	struct field_error error;
	TRY(read_profile(ctx, hs, user_id, &profile));
	profile = json_with(ctx->arena, &profile, field, *value);
	if (!profile_size_check(&profile, &error)) {
		return fail(ctx, ERR_INPUT, error.errcode, "%.*s %s", STR_ARG(error.field), error.text);
	}
	return ERR_OK;
}

enum err profile_set(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str field, const struct json *value)
{
	if (who->is_suspended) {
		return fail(ctx, ERR_DENIED, M_USER_SUSPENDED,
			"Your account is suspended; ask your school's administrator");
	}
	if (who->is_guest && !str_equals(field, STR("displayname"))) {
		return fail(ctx, ERR_DENIED, M_GUEST_ACCESS_FORBIDDEN,
			"Guests may only set their display name");
	}
	if (value != NULL && profile_value_is_unset(field, value)) {
		value = NULL;
	}
	if (value != NULL) {
		TRY(check_size(ctx, hs, who->user.s, field, value));
		TRY(store_profile_set(ctx, hs->db, who->user.s, field, canonical_text(ctx->arena, value)));
	} else {
		TRY(store_profile_delete(ctx, hs->db, who->user.s, field));
	}
	if (str_equals(field, STR("displayname")) || str_equals(field, STR("avatar_url"))) {
		TRY(update_members(ctx, hs, who->user, field, value));
		return tell_presence(ctx, hs, who->user.s);
	}
	return ERR_OK;
}
