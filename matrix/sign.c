/*
 * Signatures of JSON objects and of events. An object is signed without `signatures` and `unsigned`, in
 * canonical form; an event in its redacted form, so that the signature outlives a redaction.
 */
#include "matrix/sign.h"

#include "base/b64.h"
#include "matrix/canonical.h"
#include "matrix/event_inner.h"

/* What is signed of an object. */
static struct str signed_text(struct arena *arena, const struct json *object)
{
	static const struct str not_signed[] = {STR_INIT("signatures"), STR_INIT("unsigned")};
	struct json covered = event_without(arena, object, not_signed, COUNT_OF(not_signed));
	return canonical_text(arena, &covered);
}

/* The member when it is an object, else an empty object. */
static struct json object_member(struct arena *arena, const struct json *object, struct str key)
{
	const struct json *member = json_get(object, key);
	return json_is(member, JSON_OBJECT) ? *member : json_object(arena, 0);
}

/* A copy of the object with the signer's signature over `text` added. */
static struct json with_signature(struct arena *arena, const struct json *object,
	const struct event_signer *signer, struct str text)
{
	unsigned char signature[ED25519_SIGNATURE_BYTES];
	ed25519_sign(signer->key, text, signature);
	struct str encoded = b64_encode(arena, str_from((const char *)signature, sizeof(signature)));
	struct json all = object_member(arena, object, STR("signatures"));
	struct json ours = object_member(arena, &all, signer->server.s);
	ours = json_with(arena, &ours, signer->key_id, json_string(encoded));
	all = json_with(arena, &all, signer->server.s, ours);
	return json_with(arena, object, STR("signatures"), all);
}

/* Whether signatures[entity][key_id] of the object is the key's signature over `text`. */
static bool has_signature(struct arena *arena, const struct json *object, struct str entity,
	struct str key_id, struct str public_key, struct str text)
{
	struct str encoded = json_get_str(json_get(json_at(object, "signatures"), entity), key_id);
	struct str signature;
	return str_starts_with(key_id, STR("ed25519:")) && b64_decode(arena, encoded, &signature) &&
		ed25519_verify(public_key, text, signature);
}

struct json sign_json(struct arena *arena, const struct json *object,
	const struct event_signer *signer)
{
	return with_signature(arena, object, signer, signed_text(arena, object));
}

bool sign_verify_json(struct arena *arena, const struct json *object, struct str entity,
	struct str key_id, struct str public_key)
{
	return has_signature(arena, object, entity, key_id, public_key, signed_text(arena, object));
}

struct json event_sign(struct arena *arena, const struct room_version *version,
	const struct json *event, const struct event_signer *signer)
{
	return with_signature(arena, event, signer, event_essential_text(arena, version, event));
}

bool event_verify(struct arena *arena, const struct room_version *version, const struct json *event,
	struct str server, struct str key_id, struct str public_key)
{
	return has_signature(arena, event, server, key_id, public_key,
		event_essential_text(arena, version, event));
}

/* --- whose signatures an event needs ----------------------------------------------------------- */

enum { MAX_SIGNERS = 3 };

struct signer_list {
	struct required_signer *p;
	size_t n;
};

static void add_signer(struct signer_list *list, struct server_name server)
{
	for (size_t i = 0; i < list->n; i++) {
		if (server_name_equals(list->p[i].server, server)) {
			return;
		}
	}
	list->p[list->n++].server = server;
}

static bool is_member_event(const struct event *event)
{
	return event->is_state && str_equals(event->type, STR("m.room.member"));
}

/* Such an invite is made by the server that the invited person chose, not by the inviter's. */
static bool is_third_party_invite(const struct event *event)
{
	return is_member_event(event) && str_equals(event_membership(event), STR("invite")) &&
		json_at(event->content, "third_party_invite") != NULL;
}

size_t event_required_signers(struct arena *arena, const struct event *event,
	struct required_signer **out)
{
	struct signer_list list = {.p = ARENA_NEW_ARRAY(arena, struct required_signer, MAX_SIGNERS)};
	struct server_name server;
	if (!is_third_party_invite(event)) {
		add_signer(&list, user_id_server(event->sender));
	}
	if (event->version->event_id_encoding == EVENT_ID_EXPLICIT &&
		event_id_server(event->event_id, &server)) {
		add_signer(&list, server);
	}
	struct user_id authoriser;
	if (event->version->allows_restricted && is_member_event(event) &&
		user_id_parse(json_get_str(event->content, STR("join_authorised_via_users_server")),
			&authoriser)) {
		/* When it is no user id there is no such server; the authorisation rules refuse that event. */
		add_signer(&list, user_id_server(authoriser));
	}
	*out = list.p;
	return list.n;
}
