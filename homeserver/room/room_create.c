/*
 * createRoom: checks the request, lets matrix/room_plan.h list the events, adds the invitees' profiles,
 * and commits everything at once, the alias too. Users of other servers, and those of whom an address is known, are invited afterwards,
 * since others have to be asked: without a worker, where the request has a memo.
 */
#include "homeserver/room/room_create.h"

#include "base/log.h"
#include "homeserver/room/room_alias.h"
#include "homeserver/room/room_member.h"
#include "homeserver/room/room_send.h"
#include "homeserver/room/room_third_party.h"
#include "http/memo.h"
#include "matrix/room_plan.h"
#include "storage/alias.h"
#include "storage/profile.h"

enum { EVENTS_PER_WEIGHT = 10 };

static enum err choose_version(struct ctx *ctx, const struct homeserver *hs, struct str id,
	const struct room_version **out)
{
	*out = id.p == NULL ? hs->settings.default_room_version : room_version_find(id);
	if (*out == NULL) {
		return fail(ctx, ERR_INPUT, M_UNSUPPORTED_ROOM_VERSION,
			"This server does not know that room version");
	}
	return ERR_OK;
}

static enum err choose_preset(struct ctx *ctx, const struct create_request *request,
	const struct room_preset **out, bool *out_published)
{
	*out_published = str_equals(request->visibility, STR("public"));
	if (request->visibility.p != NULL && !*out_published &&
		!str_equals(request->visibility, STR("private"))) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "visibility is public or private");
	}
	*out = request->preset.p == NULL ? room_preset_default(*out_published)
									 : room_preset_find(request->preset);
	if (*out == NULL) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "Unknown preset");
	}
	return ERR_OK;
}

/* The full alias; it has to be free. */
static enum err choose_alias(struct ctx *ctx, struct homeserver *hs,
	const struct create_request *request, struct room_alias *out)
{
	struct str local = request->alias_name;
	*out = (struct room_alias){0};
	if (local.p == NULL) {
		return ERR_OK;
	}
	if (str_has_nul(local)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "room_alias_name is not valid");
	}
	struct str text =
		str_printf(ctx->arena, "#%.*s:%.*s", STR_ARG(local), STR_ARG(hs->signer.server.s));
	if (local.n == 0 || str_contains(local, STR(":")) || str_contains(local, STR("#")) ||
		!room_alias_parse(text, out)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "room_alias_name is not valid");
	}
	TRY(room_alias_check_claim(ctx, hs, request->who, *out));
	struct alias_row row;
	enum err err = store_alias_find(ctx, hs->db, text, &row);
	if (err == ERR_OK) {
		return fail(ctx, ERR_INPUT, M_ROOM_IN_USE, "That alias is taken");
	}
	return err == ERR_MISSING ? ERR_OK : err;
}

static enum err read_invites(struct ctx *ctx, const struct json *list, struct user_id **out,
	size_t *out_count)
{
	*out_count = list != NULL ? list->count : 0;
	*out = ARENA_NEW_ARRAY(ctx->arena, struct user_id, *out_count);
	for (size_t i = 0; i < *out_count; i++) {
		if (list->items[i].type != JSON_STRING ||
			!user_id_parse(json_text(&list->items[i]), &(*out)[i])) {
			return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "invite[%zu] is not a user id", i);
		}
	}
	return ERR_OK;
}

static enum err make_plan(struct ctx *ctx, struct homeserver *hs,
	const struct create_request *request, struct room_wish *wish, struct room_plan_event **out,
	size_t *out_count)
{
	struct user_id *invites;
	TRY(read_invites(ctx, request->invite, &invites, &wish->invite_count));
	wish->invites = invites;
	wish->creator = request->who->user;
	TRY(store_profile_get(ctx, hs->db, wish->creator.s, &wish->creator_displayname,
		&wish->creator_avatar_url));
	wish->name = request->name;
	wish->topic = request->topic;
	wish->creation_content = request->creation_content;
	wish->initial_state = request->initial_state;
	wish->power_override = request->power_override;
	wish->is_direct = request->is_direct;
	struct field_error error;
	if (!room_plan_make(ctx->arena, wish, out, out_count, &error)) {
		return fail(ctx, ERR_INPUT, error.errcode, "%.*s %s", STR_ARG(error.field), error.text);
	}
	return ERR_OK;
}

/* An invite of the plan gets the invitee's profile. */
static enum err add_profile(struct ctx *ctx, struct homeserver *hs, struct room_plan_event *planned)
{
	struct json with_profile;
	TRY(member_content(ctx, hs, "invite", planned->state_key, str_from(NULL, 0), &with_profile));
	planned->content = json_merged(ctx->arena, &with_profile, &planned->content);
	return ERR_OK;
}

static enum err make_intents(struct ctx *ctx, struct homeserver *hs, struct user_id creator,
	struct room_plan_event *plan, size_t count, struct room_intent **out)
{
	struct room_intent *intents = ARENA_NEW_ARRAY(ctx->arena, struct room_intent, count);
	for (size_t i = 0; i < count; i++) {
		if (str_equals(plan[i].type, STR("m.room.member")) &&
			str_equals(json_get_str(&plan[i].content, STR("membership")), STR("invite"))) {
			TRY(add_profile(ctx, hs, &plan[i]));
		}
		intents[i] = (struct room_intent){
			.sender = creator,
			.type = plan[i].type,
			.is_state = true,
			.state_key = plan[i].state_key,
			.content = &plan[i].content,
		};
	}
	*out = intents;
	return ERR_OK;
}

/* --- users of other servers ------------------------------------------------------------------------------ */

static bool invites_other_server(const struct homeserver *hs, const struct room_intent *intent)
{
	return str_equals(intent->type, STR("m.room.member")) && !hs_is_local(hs, intent->state_key) &&
		str_equals(json_get_str(intent->content, STR("membership")), STR("invite"));
}

/* Moves the invites of other servers' users to the end, in their order. @return how many are before them */
static size_t part_invites(struct ctx *ctx, const struct homeserver *hs,
	struct room_intent *intents, size_t count)
{
	struct room_intent *others = ARENA_NEW_ARRAY(ctx->arena, struct room_intent, count);
	size_t kept = 0;
	size_t moved = 0;
	for (size_t i = 0; i < count; i++) {
		if (invites_other_server(hs, &intents[i])) {
			others[moved++] = intents[i];
		} else {
			intents[kept++] = intents[i];
		}
	}
	for (size_t i = 0; i < moved; i++) {
		intents[kept + i] = others[i];
	}
	return kept;
}

static bool is_of_failed(const struct server_name *failed, size_t count, struct server_name server)
{
	for (size_t i = 0; i < count; i++) {
		if (server_name_equals(failed[i], server)) {
			return true;
		}
	}
	return false;
}

/* A room that is there, and who is still to be invited. A request that waits without its worker finds it again. */
struct made_room {
	struct room *room;
	struct room_intent *others; /* of other servers' users; the sender is the run's */
	size_t other_count;
	struct server_name *failed; /* a server that cannot be reached is asked once */
	size_t failed_count;
	size_t at;      /* in `others`, then in the request's third parties */
	size_t invited; /* of them */
	struct refusal {
		enum err err;
		struct fault fault;
	} last;
};

static const struct str memo_key = STR_INIT("room that was made");

/* One is dealt with. */
static void note_invite(struct ctx *ctx, struct made_room *made, enum err err, struct str whom)
{
	made->at++;
	made->invited += err == ERR_OK;
	if (err != ERR_OK) {
		log_info(ctx->request_id, "room.not_invited", "err=%s whom=%.*s cause=%.*s", err_name(err),
			STR_ARG(whom), STR_ARG(ctx->fault.cause));
		made->last = (struct refusal){err, ctx->fault};
		ctx->fault = (struct fault){0};
	}
}

/* Errors: DEFER (parked) */
static enum err invite_others(struct ctx *ctx, struct homeserver *hs,
	const struct create_request *request, struct made_room *made)
{
	while (made->at < made->other_count) {
		struct room_intent *intent = &made->others[made->at];
		struct server_name server = user_id_server((struct user_id){intent->state_key});
		if (is_of_failed(made->failed, made->failed_count, server)) {
			made->at++;
			continue;
		}
		intent->sender = request->who->user;
		enum err err = room_invite_by(ctx, hs, made->room, intent, NULL);
		if (err == ERR_DEFER) {
			return err;
		}
		if (err == ERR_REMOTE || err == ERR_TIMEOUT) {
			made->failed[made->failed_count++] = server;
		}
		note_invite(ctx, made, err, server.s);
	}
	return ERR_OK;
}

/* Errors: DEFER (parked) */
static enum err invite_third_parties(struct ctx *ctx, struct homeserver *hs,
	const struct create_request *request, struct made_room *made)
{
	while (made->at < made->other_count + request->third_party_count) {
		const struct third_party_wish wish = {
			.who = request->who,
			.room_id = room_id_of(made->room).s,
			.ask = request->third_parties[made->at - made->other_count],
			.is_direct = request->is_direct,
		};
		enum err err = room_invite_third_party(ctx, hs, &wish);
		if (err == ERR_DEFER) {
			return err;
		}
		note_invite(ctx, made, err, wish.ask.medium);
	}
	return ERR_OK;
}

/* The room is there; only when nobody at all could be invited, the client hears of it. */
static enum err finish_invites(struct ctx *ctx, struct homeserver *hs,
	const struct create_request *request, struct made_room *made)
{
	TRY(invite_others(ctx, hs, request, made));
	TRY(invite_third_parties(ctx, hs, request, made));
	bool is_alone = made->invited == 0 && room_member_counts(made->room).invited == 0;
	if (is_alone && made->last.err != ERR_OK) {
		ctx->fault = made->last.fault;
		return made->last.err;
	}
	return ERR_OK;
}

static size_t count_of(const struct json *array)
{
	return array != NULL ? array->count : 0;
}

size_t room_create_weight(const struct create_request *request)
{
	return (count_of(request->invite) + count_of(request->initial_state)) / EVENTS_PER_WEIGHT;
}

static enum err check_size(struct ctx *ctx, const struct create_request *request)
{
	bool is_too_large = count_of(request->invite) > CREATE_MAX_INVITES ||
		request->third_party_count > CREATE_MAX_THIRD_PARTIES ||
		count_of(request->initial_state) > CREATE_MAX_INITIAL_STATE;
	return is_too_large
		? fail_status(ctx, ERR_INPUT, 413, M_TOO_LARGE,
			  "A room begins with at most %d invites, %d of them by mail or phone, and %d events of state; send the others afterwards",
			  CREATE_MAX_INVITES, CREATE_MAX_THIRD_PARTIES, CREATE_MAX_INITIAL_STATE)
		: ERR_OK;
}

/* The room with all that needs nobody else. */
static enum err make_room(struct ctx *ctx, struct homeserver *hs,
	const struct create_request *request, struct made_room **out)
{
	struct room_wish wish = {0};
	bool is_published;
	struct room_alias alias;
	TRY(choose_version(ctx, hs, request->room_version, &wish.version));
	TRY(choose_preset(ctx, request, &wish.preset, &is_published));
	TRY(choose_alias(ctx, hs, request, &alias));
	wish.canonical_alias = alias.s;
	struct room_plan_event *plan;
	size_t count;
	TRY(make_plan(ctx, hs, request, &wish, &plan, &count));
	struct room_intent *intents;
	TRY(make_intents(ctx, hs, wish.creator, plan, count, &intents));
	size_t own = part_invites(ctx, hs, intents, count);
	if (own < count || request->third_party_count > 0) {
		TRY(ctx_may_ask(ctx));
	}
	struct made_room *made = ARENA_NEW(ctx->arena, struct made_room);
	const struct room_start start = {.version = wish.version,
		.intents = intents,
		.count = own,
		.alias = alias.s,
		.is_published = is_published};
	enum err err = rooms_add_new(ctx, hs, &start, &made->room);
	if (err == ERR_DENIED && !str_equals(str_of(ctx->fault.errcode), STR(M_INVITE_BLOCKED))) {
		/* The creator has taken the power to do what the request asks for. */
		return fail(ctx, ERR_INPUT, M_INVALID_ROOM_STATE,
			"The room's own rules do not allow what the request asks for: %.*s",
			STR_ARG(ctx->fault.text));
	}
	TRY(err);
	made->others = intents + own;
	made->other_count = count - own;
	made->failed = ARENA_NEW_ARRAY(ctx->arena, struct server_name, made->other_count);
	memo_put(ctx->memo, memo_key, made);
	hs->ports.succession.carry_over(hs->ports.succession.self, ctx, made->room, wish.creator);
	*out = made;
	return ERR_OK;
}

enum err room_create(struct ctx *ctx, struct homeserver *hs, const struct create_request *request,
	struct str *out_room_id)
{
	struct made_room *made = memo_get(ctx->memo, memo_key);
	if (made == NULL) {
		TRY(room_require_not_suspended(ctx, request->who));
		TRY(check_size(ctx, request));
		for (size_t i = 0; i < request->third_party_count; i++) {
			TRY(third_party_check(ctx, hs, &request->third_parties[i]));
		}
		TRY(make_room(ctx, hs, request, &made));
	}
	TRY(finish_invites(ctx, hs, request, made));
	*out_room_id = room_id_of(made->room).s;
	return ERR_OK;
}

enum err rooms_make_for_server_notices(struct ctx *ctx, struct homeserver *hs,
	struct user_id sender, struct str user_id, struct str name, struct room **out)
{
	static const char *const levels =
		"{\"events_default\":50,\"state_default\":100,\"invite\":100}";
	struct json override;
	if (json_parse(ctx->arena, str_of(levels), NULL, &override, NULL) != JSON_OK) {
		return fail_cause(ctx, ERR_INTERNAL, "levels of notice rooms");
	}
	const struct principal who = {.user = sender};
	struct json invitee = json_string(user_id);
	const struct json invites = {.type = JSON_ARRAY, .items = &invitee, .count = 1};
	const struct create_request request = {
		.who = &who,
		.name = name,
		.invite = &invites,
		.power_override = &override,
	};
	struct room_wish wish = {.version = hs->settings.default_room_version,
		.preset = room_preset_find(STR("private_chat"))};
	struct room_plan_event *plan;
	size_t count;
	struct room_intent *intents;
	TRY(make_plan(ctx, hs, &request, &wish, &plan, &count));
	TRY(make_intents(ctx, hs, sender, plan, count, &intents));
	for (size_t i = 0; i < count; i++) {
		intents[i].is_servers = true;
	}
	const struct room_start start = {
		.version = wish.version,
		.intents = intents,
		.count = count,
		.server_notices_for = user_id,
	};
	return rooms_add_new(ctx, hs, &start, out);
}
