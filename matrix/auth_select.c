/*
 * Which state an event's authorisation looks at. Used both ways: to choose auth_events for our own
 * events, and to refuse others' that name anything else.
 */
#include "matrix/auth_rule.h"

#include <string.h>

static void add_key(struct auth_key keys[AUTH_KEYS_MAX], size_t *n, struct str type,
	struct str state_key)
{
	for (size_t i = 0; i < *n; i++) {
		if (str_equals(keys[i].type, type) && str_equals(keys[i].state_key, state_key)) {
			return;
		}
	}
	invariant(*n < AUTH_KEYS_MAX);
	keys[(*n)++] = (struct auth_key){.type = type, .state_key = state_key};
}

/* `content.third_party_invite.signed.token`; p == NULL when there is none. */
static struct str third_party_token(const struct json *content)
{
	return json_get_str(json_at(json_at(content, "third_party_invite"), "signed"), STR("token"));
}

static void add_member_keys(const struct room_version *version, struct str state_key,
	const struct json *content, struct auth_key keys[AUTH_KEYS_MAX], size_t *n)
{
	const enum membership membership = membership_parse(json_get_str(content, STR("membership")));
	add_key(keys, n, STR("m.room.member"), state_key);
	if (membership == MEMBERSHIP_JOIN || membership == MEMBERSHIP_INVITE ||
		membership == MEMBERSHIP_KNOCK) {
		add_key(keys, n, STR("m.room.join_rules"), STR(""));
	}
	const struct str token = third_party_token(content);
	if (membership == MEMBERSHIP_INVITE && token.p != NULL) {
		add_key(keys, n, STR("m.room.third_party_invite"), token);
	}
	const struct str authoriser = json_get_str(content, STR("join_authorised_via_users_server"));
	if (membership == MEMBERSHIP_JOIN && version->allows_restricted && authoriser.p != NULL) {
		add_key(keys, n, STR("m.room.member"), authoriser);
	}
}

size_t auth_select_keys(const struct room_version *version, struct str type, bool is_state,
	struct str state_key, struct user_id sender, const struct json *content,
	struct auth_key keys[AUTH_KEYS_MAX])
{
	size_t n = 0;
	if (str_equals(type, STR("m.room.create"))) {
		return 0;
	}
	if (!version->room_id_is_create_hash) {
		add_key(keys, &n, STR("m.room.create"), STR(""));
	}
	add_key(keys, &n, STR("m.room.power_levels"), STR(""));
	add_key(keys, &n, STR("m.room.member"), sender.s);
	if (is_state && str_equals(type, STR("m.room.member"))) {
		add_member_keys(version, state_key, content, keys, &n);
	}
	return n;
}

size_t auth_select(struct arena *arena, const struct room_version *version, struct str type,
	bool is_state, struct str state_key, struct user_id sender, const struct json *content,
	struct auth_key **out)
{
	struct auth_key keys[AUTH_KEYS_MAX];
	const size_t n = auth_select_keys(version, type, is_state, state_key, sender, content, keys);
	*out = ARENA_NEW_ARRAY(arena, struct auth_key, AUTH_KEYS_MAX);
	memcpy(*out, keys, n * sizeof(keys[0]));
	return n;
}
