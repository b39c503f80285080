/*
 * Rule 5.4.1: invites that redeem a m.room.third_party_invite. The numbers beside the checks are those
 * of version 12; auth_rule.c has the other versions'. The room names keys, the invite carries a signed
 * object; one signature by one key is enough. How many pairs are tried is limited, because both lists
 * come from outside and fill up to 64 KiB each.
 */
#include "matrix/auth_third_party.h"

#include "base/b64.h"
#include "matrix/auth_rule.h"
#include "matrix/sign.h"

/* Real invites have one signature and one or two keys. */
enum { MAX_TRIES = 64 };

/* A walk over all pairs of key and signature. */
struct trial {
	struct arena *arena;
	const struct json *signed_object;
	size_t tries_left;
};

/* Whether the key made one of the signatures. */
static bool key_signed(struct trial *trial, struct str key)
{
	const struct json *signatures = json_at(trial->signed_object, "signatures");
	if (!json_is(signatures, JSON_OBJECT)) {
		return false;
	}
	for (size_t i = 0; i < signatures->count; i++) {
		const struct json_member *entity = &signatures->members[i];
		if (entity->value.type != JSON_OBJECT) {
			continue;
		}
		for (size_t j = 0; j < entity->value.count && trial->tries_left > 0; j++) {
			const struct str key_id = entity->value.members[j].key;
			if (!str_starts_with(key_id, STR("ed25519:"))) {
				continue;
			}
			trial->tries_left--;
			if (sign_verify_json(trial->arena, trial->signed_object, entity->key, key_id, key)) {
				return true;
			}
		}
	}
	return false;
}

/* Of an object with public_key. */
static bool is_signer(struct trial *trial, const struct json *object, struct third_party_key *out)
{
	struct str key;
	*out = (struct third_party_key){
		.public_key = json_get_str(object, STR("public_key")),
		.validity_url = json_get_str(object, STR("key_validity_url")),
	};
	return b64_decode(trial->arena, out->public_key, &key) && key.n == ED25519_PUBLIC_BYTES &&
		key_signed(trial, key);
}

/* 5.4.1.7 */
bool third_party_key(struct arena *arena, const struct json *signed_object,
	const struct json *content, struct third_party_key *out)
{
	struct trial trial = {
		.arena = arena,
		.signed_object = signed_object,
		.tries_left = MAX_TRIES,
	};
	if (is_signer(&trial, content, out)) {
		return true; /* 5.4.1.7.1 */
	}
	const struct json *keys = json_at(content, "public_keys");
	if (!json_is(keys, JSON_ARRAY)) {
		return false;
	}
	for (size_t i = 0; i < keys->count && trial.tries_left > 0; i++) {
		if (is_signer(&trial, &keys->items[i], out)) {
			return true; /* 5.4.1.7.2 */
		}
	}
	return false;
}

static bool is_signed_by_room(const struct json *signed_object, const struct event *invite)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct third_party_key key;
	return third_party_key(arena, signed_object, invite->content, &key);
}

struct verdict auth_check_third_party(const struct auth_case *c)
{
	const struct event *event = c->event;
	if (auth_membership(c, event->state_key) == MEMBERSHIP_BAN) { /* 5.4.1.1 */
		return auth_deny(event->version, AUTH_THIRD_PARTY_BANNED);
	}
	const struct json *signed_object =
		json_at(json_at(event->content, "third_party_invite"), "signed");
	if (signed_object == NULL) { /* 5.4.1.2 */
		return auth_deny(event->version, AUTH_THIRD_PARTY_NO_SIGNED);
	}
	const struct str mxid = json_get_str(signed_object, STR("mxid"));
	const struct str token = json_get_str(signed_object, STR("token"));
	if (mxid.p == NULL || token.p == NULL) { /* 5.4.1.3 */
		return auth_deny(event->version, AUTH_THIRD_PARTY_SHAPE);
	}
	if (!str_equals(mxid, event->state_key)) { /* 5.4.1.4 */
		return auth_deny(event->version, AUTH_THIRD_PARTY_MXID);
	}
	const struct event *invite = state_view_get(c->state, STR("m.room.third_party_invite"), token);
	if (invite == NULL) { /* 5.4.1.5 */
		return auth_deny(event->version, AUTH_THIRD_PARTY_NO_INVITE);
	}
	if (!str_equals(event->sender.s, invite->sender.s)) { /* 5.4.1.6 */
		return auth_deny(event->version, AUTH_THIRD_PARTY_SENDER);
	}
	if (is_signed_by_room(signed_object, invite)) { /* 5.4.1.7 */
		return verdict_allow();
	}
	return auth_deny(event->version, AUTH_THIRD_PARTY_SIGNATURE); /* 5.4.1.8 */
}
