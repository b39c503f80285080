/*
 * Answers are read field by field; what does not have its form is left out.
 */
#include "federation/remote_query.h"

#include "federation/answers.h"
#include "federation/fed_client.h"
#include "http/uri.h"
#include "matrix/profile_field.h"
#include "matrix/room_summary.h"

enum {
	PROFILE_BYTES = PROFILE_MAX_BYTES,
	PROFILE_MS = 10 * 1000,
	PROFILE_KEPT_MS = 5 * 60 * 1000,
	NO_PROFILE_KEPT_MS = 60 * 1000,
	ROOMS_BYTES = 4 << 20,
	ROOMS_VALUES = 100 * 1000,
	ROOMS_MS = 20 * 1000,
	ROOMS_MAX = 500,
	TOKEN_MAX_BYTES = 1024,
};

/* --- profiles ------------------------------------------------------------------------------------------------ */

/* Clients load a picture: it has to be in a content repository. */
static bool is_shown(const struct json_member *field)
{
	struct field_error error;
	struct server_name server;
	struct str media_id;
	return field->value.type != JSON_NULL && profile_key_check(field->key, &error) &&
		profile_value_check(field->key, &field->value, &error) &&
		!profile_value_is_unset(field->key, &field->value) &&
		(!str_equals(field->key, STR("avatar_url")) ||
			mxc_parse(json_text(&field->value), &server, &media_id));
}

/* What of a profile may be shown: fields of the form that they have to have. Pure. JSON_OBJECT. */
static struct json check_profile(struct arena *arena, const struct json *answer)
{
	struct json profile = json_object(arena, answer->count);
	for (size_t i = 0; i < answer->count; i++) {
		const struct json_member *field = &answer->members[i];
		if (is_shown(field)) {
			profile.members[profile.count++] = *field;
		}
	}
	return profile;
}

static enum err no_profile(struct ctx *ctx)
{
	return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such user");
}

static enum err ask_profile(struct federation *federation, struct ctx *ctx, struct user_id user,
	struct json *out)
{
	struct fed_answer answer;
	const struct fed_request request = {
		.server = user_id_server(user),
		.method = "GET",
		.target = str_printf(ctx->arena, "/_matrix/federation/v1/query/profile?user_id=%.*s",
			STR_ARG(uri_encode(ctx->arena, user.s))),
		.answer_ceiling_bytes = PROFILE_BYTES,
		.timeout_ms = PROFILE_MS,
		.purpose = ctx->memo,
	};
	TRY(fed_ask(ctx, federation, &request, &answer, NULL));
	if (answer.json.type != JSON_OBJECT) {
		return fail_cause(ctx, ERR_REMOTE, "a profile is no object");
	}
	*out = check_profile(ctx->arena, &answer.json);
	return ERR_OK;
}

static enum err get_profile(void *self, struct ctx *ctx, struct user_id user, struct json *out)
{
	struct federation *federation = self;
	struct json nothing = {.type = JSON_NULL};
	if (answers_get(ctx, federation->profiles, user.s, out)) {
		return out->type == JSON_OBJECT ? ERR_OK : no_profile(ctx);
	}
	TRY(ctx_may_ask(ctx));
	enum err err = ask_profile(federation, ctx, user, out);
	if (err == ERR_OK) {
		answers_put(ctx, federation->profiles, user.s, out, PROFILE_KEPT_MS);
	} else if (err == ERR_MISSING) {
		answers_put(ctx, federation->profiles, user.s, &nothing, NO_PROFILE_KEPT_MS);
	}
	return err;
}

/* --- published rooms ------------------------------------------------------------------------------------------ */

static void write_room(struct arena *arena, const struct json *chunk, struct json_out *out)
{
	struct room_told told;
	if (!room_summary_read(arena, chunk, &told)) {
		return;
	}
	json_out_object(out);
	json_out_key_str(out, "room_id", told.room_id.s);
	json_out_key_int(out, "num_joined_members", told.joined_members);
	room_summary_write(&told.content, out);
	json_out_end(out);
}

static void write_token(const struct json *answer, struct str key, struct json_out *out)
{
	struct str token = json_get_str(answer, key);
	if (token.n > 0 && token.n <= TOKEN_MAX_BYTES) {
		json_out_key(out, key);
		json_out_str(out, token);
	}
}

/* Writes what of a page of another server's rooms may be shown. Pure. */
static void write_rooms(struct arena *arena, const struct json *answer, struct json_out *out)
{
	const struct json *chunk = json_at(answer, "chunk");
	int64_t total = 0;
	size_t count = json_is(chunk, JSON_ARRAY) ? MIN_OF(chunk->count, (size_t)ROOMS_MAX) : 0;
	json_out_object(out);
	json_out_key_array(out, "chunk");
	for (size_t i = 0; i < count; i++) {
		write_room(arena, &chunk->items[i], out);
	}
	json_out_end(out);
	write_token(answer, STR("next_batch"), out);
	write_token(answer, STR("prev_batch"), out);
	if (json_get_int(answer, STR("total_room_count_estimate"), 0, INT32_MAX, &total)) {
		json_out_key_int(out, "total_room_count_estimate", total);
	}
	json_out_end(out);
}

static enum err list_rooms(void *self, struct ctx *ctx, struct server_name server,
	const struct json *body, struct json_out *out)
{
	struct fed_answer answer;
	const struct fed_request request = {
		.server = server,
		.method = "POST",
		.target = STR("/_matrix/federation/v1/publicRooms"),
		.body = body,
		.answer_ceiling_bytes = ROOMS_BYTES,
		.answer_max_values = ROOMS_VALUES,
		.timeout_ms = ROOMS_MS,
		.purpose = ctx->memo,
	};
	TRY(fed_ask(ctx, self, &request, &answer, NULL));
	write_rooms(ctx->arena, &answer.json, out);
	return ERR_OK;
}

void remote_query_fill_ports(struct federation *federation)
{
	struct homeserver_ports *ports = &federation->hs->ports;
	ports->profile = (struct profile_port){.self = federation, .get = get_profile};
	ports->room_directory = (struct room_directory_port){.self = federation, .list = list_rooms};
}
