/*
 * The signature is one over the redacted form, as servers make it, by a key that stands in the room and not among the server's own.
 */
#include "matrix/policy_server.h"

#include "base/b64.h"
#include "base/crypto.h"
#include "matrix/sign.h"

bool policy_server_read(struct arena *arena, const struct json *content, struct policy_server *out)
{
	struct str key = json_get_str(json_at(content, "public_keys"), STR("ed25519"));
	struct server_name via;
	struct str bytes;
	if (key.p == NULL || !server_name_parse(json_get_str(content, STR("via")), &via)) {
		return false;
	}
	bool is_key = b64_decode(arena, key, &bytes) && bytes.n == ED25519_PUBLIC_BYTES;
	*out = (struct policy_server){.via = via, .public_key = is_key ? bytes : STR("")};
	return true;
}

bool policy_server_exempts(struct str type, bool is_state, struct str state_key)
{
	return is_state && state_key.n == 0 && str_equals(type, STR("m.room.policy"));
}

static bool has_signed(struct arena *arena, const struct policy_server *server,
	const struct room_version *version, const struct json *json)
{
	return server->public_key.n > 0 &&
		event_verify(arena, version, json, server->via.s, STR(POLICY_SERVER_KEY_ID),
			server->public_key);
}

bool policy_server_has_signed(struct arena *arena, const struct policy_server *server,
	const struct event *event)
{
	return has_signed(arena, server, event->version, event_json(arena, event));
}

struct verdict policy_server_add_signature(struct arena *arena, const struct policy_server *server,
	const struct event *event, const struct json *answer, const struct event **out)
{
	struct str signature = json_get_str(json_get(answer, server->via.s), STR(POLICY_SERVER_KEY_ID));
	const struct json *all = json_at(event_json(arena, event), "signatures");
	const struct json *theirs = json_get(all, server->via.s);
	struct json none = json_object(arena, 0);
	struct json mine = json_with(arena, json_is(theirs, JSON_OBJECT) ? theirs : &none,
		STR(POLICY_SERVER_KEY_ID), json_string(signature.p != NULL ? signature : STR("")));
	struct json signatures =
		json_with(arena, json_is(all, JSON_OBJECT) ? all : &none, server->via.s, mine);
	struct json *json = ARENA_NEW(arena, struct json);
	struct event *both;
	*json = json_with(arena, event_json(arena, event), STR("signatures"), signatures);
	if (!has_signed(arena, server, event->version, json)) {
		return verdict_deny("policy_server.unsigned",
			"The room's policy server gave no valid signature");
	}
	struct verdict verdict = event_parse(arena, event->version, json, &both);
	if (verdict.allowed) {
		*out = both;
	}
	return verdict;
}
