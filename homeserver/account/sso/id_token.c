/*
 * ID tokens. The algorithm is the one that a key of the provider is for, never merely what the token says: "none" and
 * keyed hashes are no algorithms here.
 */
#include "homeserver/account/sso/id_token.h"

#include "base/b64.h"
#include "base/public_key.h"

const char *id_token_verdict_name(enum id_token_verdict verdict)
{
	static const char *const names[] = {
		[ID_TOKEN_GOOD] = "good",
		[ID_TOKEN_BAD] = "malformed",
		[ID_TOKEN_UNKNOWN_KEY] = "unknown_key",
		[ID_TOKEN_BAD_SIGNATURE] = "signature",
		[ID_TOKEN_BAD_ISSUER] = "issuer",
		[ID_TOKEN_BAD_AUDIENCE] = "audience",
		[ID_TOKEN_EXPIRED] = "expired",
		[ID_TOKEN_BAD_NONCE] = "nonce",
		[ID_TOKEN_OLD_LOGIN] = "auth_time",
	};
	return names[verdict];
}

static bool decode_object(struct arena *arena, struct str part, struct json *out)
{
	struct str text;
	return b64_decode(arena, part, &text) && json_parse(arena, text, NULL, out, NULL) == JSON_OK &&
		out->type == JSON_OBJECT;
}

/* A number of a JWK: base64 of big-endian bytes. */
static struct str number(struct arena *arena, const struct json *key, const char *name)
{
	struct str bytes = {0};
	struct str text = json_get_str(key, str_of(name));
	return text.p != NULL && b64_decode(arena, text, &bytes) ? bytes : (struct str){0};
}

static bool is_signed_by(struct arena *arena, const struct json *key, struct str algorithm,
	struct str message, struct str signature)
{
	if (str_equals(algorithm, STR("RS256"))) {
		return rs256_verify(number(arena, key, "n"), number(arena, key, "e"), message, signature);
	}
	return es256_verify(number(arena, key, "x"), number(arena, key, "y"), message, signature);
}

/* Whether a key is for signatures by that algorithm. */
static bool fits(const struct json *key, struct str algorithm, struct str kid)
{
	bool is_rsa = str_equals(algorithm, STR("RS256"));
	struct str own_algorithm = json_get_str(key, STR("alg"));
	struct str use = json_get_str(key, STR("use"));
	struct str own_kid = json_get_str(key, STR("kid"));
	struct str type = json_get_str(key, STR("kty"));
	bool has_type = is_rsa
		? str_equals(type, STR("RSA"))
		: str_equals(type, STR("EC")) && str_equals(json_get_str(key, STR("crv")), STR("P-256"));
	return has_type && (own_algorithm.p == NULL || str_equals(own_algorithm, algorithm)) &&
		(use.p == NULL || str_equals(use, STR("sig"))) &&
		(kid.p == NULL || str_equals(own_kid, kid));
}

static enum id_token_verdict check_signature(struct arena *arena, const struct json *header,
	const struct json *keys, struct str message, struct str signature)
{
	struct str algorithm = json_get_str(header, STR("alg"));
	struct str kid = json_get_str(header, STR("kid"));
	const struct json *list = json_at(keys, "keys");
	bool is_known = false;
	if ((!str_equals(algorithm, STR("RS256")) && !str_equals(algorithm, STR("ES256"))) ||
		json_at(header, "crit") != NULL) {
		return ID_TOKEN_BAD;
	}
	for (size_t i = 0; json_is(list, JSON_ARRAY) && i < list->count; i++) {
		if (!fits(&list->items[i], algorithm, kid)) {
			continue;
		}
		is_known = true;
		if (is_signed_by(arena, &list->items[i], algorithm, message, signature)) {
			return ID_TOKEN_GOOD;
		}
	}
	return is_known ? ID_TOKEN_BAD_SIGNATURE : ID_TOKEN_UNKNOWN_KEY;
}

/* One audience, or a list with ours in it of which we are the authorised party. */
static bool is_for(const struct json *claims, struct str client_id)
{
	const struct json *audience = json_at(claims, "aud");
	struct str party = json_get_str(claims, STR("azp"));
	bool is_ours = json_is(audience, JSON_STRING) && str_equals(json_text(audience), client_id);
	for (size_t i = 0; json_is(audience, JSON_ARRAY) && i < audience->count; i++) {
		is_ours = is_ours ||
			(audience->items[i].type == JSON_STRING &&
				str_equals(json_text(&audience->items[i]), client_id));
	}
	bool is_list = json_is(audience, JSON_ARRAY) && audience->count > 1;
	return is_ours && (party.p == NULL ? !is_list : str_equals(party, client_id));
}

static enum id_token_verdict check_claims(const struct json *claims,
	const struct id_token_wish *wish)
{
	int64_t expires_s;
	int64_t login_s;
	if (!str_equals(json_get_str(claims, STR("iss")), wish->issuer)) {
		return ID_TOKEN_BAD_ISSUER;
	}
	if (!is_for(claims, wish->client_id)) {
		return ID_TOKEN_BAD_AUDIENCE;
	}
	if (!json_get_int(claims, STR("exp"), 0, INT64_MAX - ID_TOKEN_SKEW_S, &expires_s) ||
		expires_s + ID_TOKEN_SKEW_S <= wish->now_s) {
		return ID_TOKEN_EXPIRED;
	}
	if (!str_equals(json_get_str(claims, STR("nonce")), wish->nonce)) {
		return ID_TOKEN_BAD_NONCE;
	}
	if (wish->again_since_s > 0 && json_at(claims, "auth_time") != NULL &&
		(!json_get_int(claims, STR("auth_time"), 0, INT64_MAX - ID_TOKEN_SKEW_S, &login_s) ||
			login_s + ID_TOKEN_SKEW_S < wish->again_since_s)) {
		return ID_TOKEN_OLD_LOGIN;
	}
	return json_get_str(claims, STR("sub")).n > 0 ? ID_TOKEN_GOOD : ID_TOKEN_BAD;
}

enum id_token_verdict id_token_check(struct arena *arena, struct str token, const struct json *keys,
	const struct id_token_wish *wish, struct json *out_claims)
{
	struct str head;
	struct str rest;
	struct str body;
	struct str tail;
	struct str signature;
	struct json header;
	if (!str_split(token, '.', &head, &rest) || !str_split(rest, '.', &body, &tail) ||
		!decode_object(arena, head, &header) || !decode_object(arena, body, out_claims) ||
		!b64_decode(arena, tail, &signature)) {
		return ID_TOKEN_BAD;
	}
	struct str message = str_slice(token, 0, head.n + 1 + body.n);
	enum id_token_verdict verdict = check_signature(arena, &header, keys, message, signature);
	return verdict == ID_TOKEN_GOOD ? check_claims(out_claims, wish) : verdict;
}
