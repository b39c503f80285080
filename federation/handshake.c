/*
 * make_* and send_* of the three memberships differ in names only.
 */
#include "federation/handshake.h"

#include "base/b64.h"
#include "base/crypto.h"
#include "base/log.h"
#include "federation/handshake_rooms.h"
#include "federation/processes.h"
#include "http/memo.h"
#include "http/uri.h"

enum {
	MAKE_TIMEOUT_MS = 10000,
	SEND_TIMEOUT_MS = 90000, /* the other server makes the state of a large room */
	MAKE_CEILING = 256 * 1024,
	EXPLICIT_ID_CHARS = 24,
};

static const struct endpoint {
	const char *membership;
	const char *make;
	const char *send[2]; /* versions 2 and 1; NULL: there is none */
} endpoints[] = {
	[HANDSHAKE_JOIN] = {"join", "v1/make_join", {"v2/send_join", "v1/send_join"}},
	[HANDSHAKE_KNOCK] = {"knock", "v1/make_knock", {"v1/send_knock", NULL}},
	[HANDSHAKE_LEAVE] = {"leave", "v1/make_leave", {"v2/send_leave", "v1/send_leave"}},
};

struct str fed_path(struct arena *arena, const char *endpoint, struct str a, struct str b)
{
	return str_printf(arena, "/_matrix/federation/%s/%.*s/%.*s", endpoint,
		STR_ARG(uri_encode(arena, a)), STR_ARG(uri_encode(arena, b)));
}

struct str fed_explicit_event_id(struct arena *arena, const struct homeserver *hs,
	const struct room_version *version)
{
	if (version->event_id_encoding != EVENT_ID_EXPLICIT) {
		return str_from(NULL, 0);
	}
	return str_printf(arena, "$%.*s:%.*s", STR_ARG(rng_text(&hs->rng, arena, EXPLICIT_ID_CHARS)),
		STR_ARG(hs->signer.server.s));
}

enum err(handshake_malformed)(struct ctx *ctx, struct server_name server, const char *what)
{
	enum err err = fail_cause(ctx, ERR_REMOTE, "handshake with %.*s: %s", STR_ARG(server.s), what);
	ctx->fault.text = str_printf(ctx->arena, "%.*s gave an answer that cannot be used: %s",
		STR_ARG(server.s), what);
	return err;
}

/* --- the template ------------------------------------------------------------------------------------------- */

/* "?ver=1&ver=2…": all versions that are known here. */
static struct str with_versions(struct arena *arena, struct str path)
{
	size_t count;
	const struct room_version *versions = room_versions_all(&count);
	for (size_t i = 0; i < count; i++) {
		path = str_printf(arena, "%.*s%sver=%.*s", STR_ARG(path), i == 0 ? "?" : "&",
			STR_ARG(uri_encode(arena, versions[i].id)));
	}
	return path;
}

static enum err ask_template(struct ctx *ctx, struct federation *federation,
	const struct handshake *handshake, struct fed_answer *out)
{
	const struct membership_wish *wish = handshake->wish;
	struct str target =
		fed_path(ctx->arena, endpoints[handshake->kind].make, wish->room_id, wish->user.s);
	if (handshake->kind != HANDSHAKE_LEAVE) {
		target = with_versions(ctx->arena, target);
	}
	const struct fed_request request = {
		.server = handshake->server,
		.method = "GET",
		.target = target,
		.answer_ceiling_bytes = MAKE_CEILING,
		.timeout_ms = MAKE_TIMEOUT_MS,
		.ignores_backoff = true,
		.purpose = handshake,
	};
	struct fed_refusal refusal = {0};
	enum err err = fed_ask(ctx, federation, &request, out, &refusal);
	return err == ERR_OK ? ERR_OK : refusal_pass_on(ctx, err, &refusal);
}

/* Whether the template is of what was asked for. */
static enum err check_template(struct ctx *ctx, const struct handshake *handshake,
	const struct json *event)
{
	const struct membership_wish *wish = handshake->wish;
	const struct json *content = json_at(event, "content");
	bool is_right = str_equals(json_get_str(event, STR("type")), STR("m.room.member")) &&
		str_equals(json_get_str(event, STR("room_id")), wish->room_id) &&
		str_equals(json_get_str(event, STR("sender")), wish->user.s) &&
		str_equals(json_get_str(event, STR("state_key")), wish->user.s) &&
		str_equals(json_get_str(content, STR("membership")),
			str_of(endpoints[handshake->kind].membership));
	return is_right
		? ERR_OK
		: handshake_malformed(ctx, handshake->server, "the template is of another event");
}

/* References to events as a template has them. */
struct template_refs {
	struct event_id *ids;
	struct str *hashes; /* p == NULL: none, or not in versions that have them */
	size_t count;
};

/* "sha256" of a pair [id, hashes], if it can be one; p == NULL: it cannot, or is not there. */
static struct str read_hash(struct arena *arena, const struct json *pair)
{
	struct str hash = pair->count > 1 ? json_get_str(&pair->items[1], STR("sha256")) : STR("");
	struct str bytes;
	bool is_good = b64_decode(arena, hash, &bytes) && bytes.n == SHA256_BYTES;
	return is_good ? b64_encode(arena, bytes) : str_from(NULL, 0);
}

/*
 * prev_events or auth_events, in the format of the version. What is called as no event may be (in versions 1 and 2 a sender names its events, with
 * U+0000 as well) is left out: nobody can stand on it here, and the rest is a place in the room without it.
 * @return false when they are none, or too many
 */
static bool read_refs(struct arena *arena, const struct room_version *version,
	const struct json *list, size_t most, struct template_refs *out)
{
	if (!json_is(list, JSON_ARRAY) || list->count > most) {
		return false;
	}
	*out = (struct template_refs){
		.ids = ARENA_NEW_ARRAY(arena, struct event_id, list->count),
		.hashes = ARENA_NEW_ARRAY(arena, struct str, list->count),
	};
	for (size_t i = 0; i < list->count; i++) {
		const struct json *item = &list->items[i];
		struct str hash = {0};
		if (version->event_format == EVENT_FORMAT_V1) {
			if (item->type != JSON_ARRAY || item->count == 0) {
				return false;
			}
			hash = read_hash(arena, item);
			item = &item->items[0];
		}
		if (item->type != JSON_STRING) {
			return false;
		}
		if (event_id_parse(json_text(item), &out->ids[out->count])) {
			out->hashes[out->count++] = hash;
		}
	}
	return out->count > 0;
}

bool fed_build_at(struct arena *arena, const struct homeserver *hs, const struct json *template,
	struct event_intent *intent, struct event **out, struct verdict *out_verdict)
{
	const struct room_version *version = intent->version;
	struct template_refs prev;
	struct template_refs auth;
	if (!read_refs(arena, version, json_at(template, "prev_events"), EVENT_MAX_PREV_EVENTS,
			&prev) ||
		!read_refs(arena, version, json_at(template, "auth_events"), EVENT_MAX_AUTH_EVENTS,
			&auth) ||
		!json_get_int(template, STR("depth"), 0, event_depth_max(version), &intent->depth)) {
		return false;
	}
	intent->prev_events = prev.ids;
	intent->prev_hashes = prev.hashes;
	intent->prev_count = prev.count;
	intent->auth_events = auth.ids;
	intent->auth_hashes = auth.hashes;
	intent->auth_count = auth.count;
	intent->origin_server_ts = clock_wall_ms(&hs->clock);
	intent->explicit_event_id = fed_explicit_event_id(arena, hs, version);
	*out_verdict = event_build(arena, intent, &hs->signer, out);
	return true;
}

/* What the user asked for, and who lets the user in: nobody of this server, which has not been asked. */
static struct json content_of(struct ctx *ctx, const struct homeserver *hs,
	struct handshake *handshake, const struct json *template)
{
	struct user_id authoriser;
	struct str via =
		json_get_str(json_at(template, "content"), STR("join_authorised_via_users_server"));
	if (handshake->kind != HANDSHAKE_JOIN || !handshake->version->allows_restricted ||
		via.p == NULL || !user_id_parse(via, &authoriser) || hs_is_local(hs, authoriser.s)) {
		return *handshake->wish->content;
	}
	handshake->authorised_via = authoriser;
	return json_with(ctx->arena, handshake->wish->content, STR("join_authorised_via_users_server"),
		json_string(authoriser.s));
}

static enum err build(struct ctx *ctx, struct federation *federation, struct handshake *handshake,
	const struct json *template)
{
	const struct homeserver *hs = federation->hs;
	struct json content = content_of(ctx, hs, handshake, template);
	struct event_intent intent = {
		.version = handshake->version,
		.room_id = handshake->room_id,
		.sender = handshake->wish->user,
		.type = STR("m.room.member"),
		.is_state = true,
		.state_key = handshake->wish->user.s,
		.content = &content,
	};
	struct event *event;
	struct verdict verdict;
	if (!fed_build_at(ctx->arena, hs, template, &intent, &event, &verdict)) {
		return handshake_malformed(ctx, handshake->server, "the template has no place in the room");
	}
	if (!verdict.allowed) {
		return fail(ctx, ERR_INPUT, M_BAD_JSON, "%s", verdict.text);
	}
	handshake->event = event;
	return ERR_OK;
}

/*
 * Asks for a template, checks it, and builds and signs our event.
 * Errors: as the port's (homeserver/ports.h); REMOTE when the template is not of what was asked for
 */
static enum err make_event(struct ctx *ctx, struct federation *federation, enum handshake_kind kind,
	const struct membership_wish *wish, struct server_name server, struct handshake *out)
{
	*out = (struct handshake){.kind = kind, .wish = wish, .server = server};
	if (!room_id_parse(wish->room_id, &out->room_id)) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "That is no room id");
	}
	struct fed_answer answer;
	TRY(ask_template(ctx, federation, out, &answer));
	struct str version = json_get_str(&answer.json, STR("room_version"));
	/* Servers of old leave it out: "assumed to be either 1 or 2". */
	out->version = room_version_find(version.p != NULL ? version : STR("1"));
	if (out->version == NULL) {
		return refusal_fail_version(ctx, version, "This server does not know that room's version");
	}
	const struct json *event = json_at(&answer.json, "event");
	TRY(check_template(ctx, out, event));
	return build(ctx, federation, out, event);
}

/* --- the way back ------------------------------------------------------------------------------------------- */

/* Version 1 answers [200, {…}], and for a leave servers of old left the object out. */
static enum err unwrap(struct ctx *ctx, const struct handshake *handshake,
	const struct json *answer, struct json *out)
{
	if (answer->type == JSON_OBJECT) {
		*out = *answer;
		return ERR_OK;
	}
	if (answer->count == 2 && answer->items[1].type == JSON_OBJECT) {
		*out = answer->items[1];
		return ERR_OK;
	}
	if (handshake->kind == HANDSHAKE_LEAVE) {
		*out = json_object(ctx->arena, 0);
		return ERR_OK;
	}
	return handshake_malformed(ctx, handshake->server, "the answer is no object");
}

/* That members may be left out is said in version 2 only. */
static struct str send_target(struct arena *arena, const struct handshake *handshake,
	size_t attempt)
{
	struct str path = fed_path(arena, endpoints[handshake->kind].send[attempt],
		handshake->room_id.s, handshake->event->event_id.s);
	return handshake->takes_no_members && attempt == 0
		? str_printf(arena, "%.*s?omit_members=true", STR_ARG(path))
		: path;
}

/*
 * Hands our event in. Version 2 of the endpoint first, version 1 where that is all the server knows.
 * @param out  the answer's object, in the ctx's arena
 * Errors: as above
 */
static enum err send_event(struct ctx *ctx, struct federation *federation,
	const struct handshake *handshake, struct json *out, struct held_text **out_text)
{
	const struct endpoint *endpoint = &endpoints[handshake->kind];
	struct fed_answer answer;
	struct fed_refusal refusal = {0};
	enum err err = ERR_OK;
	for (size_t i = 0; i < COUNT_OF(endpoint->send) && endpoint->send[i] != NULL; i++) {
		const struct fed_request request = {
			.server = handshake->server,
			.method = "PUT",
			.target = send_target(ctx->arena, handshake, i),
			.body = event_json(ctx->arena, handshake->event),
			.answer_ceiling_bytes = federation->hs->settings.federation.max_join_answer_bytes,
			.is_of_events =
				handshake->kind == HANDSHAKE_JOIN && i == 0, /* else it may be a list itself */
			.timeout_ms = SEND_TIMEOUT_MS,
			.ignores_backoff = true,
			.purpose = handshake,
		};
		refusal = (struct fed_refusal){0};
		err = fed_ask(ctx, federation, &request, &answer, &refusal);
		if (err == ERR_OK) {
			*out_text = answer.text;
			return unwrap(ctx, handshake, &answer.json, out);
		}
		if (!refusal_is_unrecognized(err, &refusal)) {
			break;
		}
	}
	return refusal_pass_on(ctx, err, &refusal);
}

/* --- with one of several --------------------------------------------------------------------------------------- */

static const struct str memo_key = STR_INIT("handshakes");

/* Whatever of it ends with this run is copied: what stands on its stack, and what is the session's (each run authenticates anew). */
static struct membership_wish keep_wish(struct arena *arena, const struct membership_wish *wish)
{
	struct membership_wish kept = *wish;
	struct json *content = ARENA_NEW(arena, struct json);
	struct server_name *servers = ARENA_NEW_ARRAY(arena, struct server_name, wish->server_count);
	*content = *wish->content;
	for (size_t i = 0; i < wish->server_count; i++) {
		servers[i].s = str_dup(arena, wish->servers[i].s);
	}
	kept.user.s = str_dup(arena, wish->user.s);
	kept.room_id = str_dup(arena, wish->room_id);
	kept.content = content;
	kept.servers = servers;
	return kept;
}

/* From here on others may speak of the user's membership. */
static void announce(struct handshakes *shakes)
{
	const struct handshake *now = &shakes->now;
	if (now->kind != HANDSHAKE_LEAVE) {
		handshake_rooms_add(shakes->federation, now->room_id.s, now->version,
			now->event->event_id.s, true);
		processes_note_handshake(shakes->federation, now->room_id.s, now->version->id,
			now->event->event_id.s);
	}
}

/* Its event is stored, or given up: that of the last server when the call ends. */
static void renounce(void *data)
{
	const struct handshakes *shakes = data;
	if (shakes->now.event != NULL && shakes->kind != HANDSHAKE_LEAVE) {
		handshake_rooms_remove(shakes->federation, shakes->now.event->event_id.s);
		processes_note_handshake_end(shakes->federation, shakes->now.event->event_id.s);
	}
}

struct handshakes *handshakes_of(struct ctx *ctx, struct federation *federation,
	enum handshake_kind kind, const struct membership_wish *wish, int64_t limit_ms)
{
	struct handshakes *shakes = MEMO_FIND(ctx, memo_key, struct handshakes);
	if (shakes->deadline_ms == 0) {
		*shakes = (struct handshakes){
			.federation = federation,
			.kind = kind,
			.wish = keep_wish(ctx->arena, wish),
			.deadline_ms = clock_mono_ms(&federation->hs->clock) + limit_ms,
		};
		arena_on_reset(ctx->arena, renounce, shakes);
	}
	return shakes;
}

void handshakes_end(struct ctx *ctx)
{
	memo_put(ctx->memo, memo_key, NULL);
}

bool handshakes_go_on(struct ctx *ctx, struct federation *federation,
	const struct handshakes *shakes)
{
	ctx->deadline_ms = shakes->deadline_ms;
	return shakes->at < shakes->wish.server_count &&
		(shakes->is_answered || clock_mono_ms(&federation->hs->clock) < shakes->deadline_ms);
}

enum err handshakes_do(struct ctx *ctx, struct federation *federation, struct handshakes *shakes)
{
	struct handshake *now = &shakes->now;
	if (now->event == NULL) {
		TRY(make_event(ctx, federation, shakes->kind, &shakes->wish,
			shakes->wish.servers[shakes->at], now));
		now->takes_no_members = shakes->takes_no_members;
		announce(shakes);
	}
	if (!shakes->is_answered) {
		TRY(send_event(ctx, federation, now, &shakes->answer, &shakes->answer_text));
		shakes->is_answered = true;
	}
	return ERR_OK;
}

void handshakes_failed(struct ctx *ctx, struct handshakes *shakes, enum err err)
{
	log_info(ctx->request_id, "fed.handshake.failed", "what=%s server=%.*s err=%s cause=%.*s",
		endpoints[shakes->kind].membership, STR_ARG(shakes->wish.servers[shakes->at].s),
		err_name(err), STR_ARG(ctx->fault.cause));
	refusal_note(&shakes->best, ctx, err);
	renounce(shakes);
	shakes->at++;
	shakes->now = (struct handshake){0};
	shakes->is_answered = false;
	shakes->answer_text = NULL;
	shakes->checked = NULL;
}
