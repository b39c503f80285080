/*
 * Scope and PKCE. Of a scope only few tokens mean something here, so the rest is dropped instead of refused: clients ask for `email` and the
 * like out of habit.
 */
#include "matrix/oauth_scope.h"

#include "base/b64.h"
#include "base/crypto.h"

enum {
	DEVICE_ID_MAX_BYTES = 255,
	CHALLENGE_CHARS = 43,
	VERIFIER_MIN_CHARS = 43,
	VERIFIER_MAX_CHARS = 128
};

static const struct str api_tokens[] = {
	STR_INIT("urn:matrix:client:api:*"),
	STR_INIT("urn:matrix:org.matrix.msc2967.client:api:*"),
};
static const struct str device_prefixes[] = {
	STR_INIT("urn:matrix:client:device:"),
	STR_INIT("urn:matrix:org.matrix.msc2967.client:device:"),
};

/* RFC 6749, 3.3 */
static bool is_scope_token(struct str token)
{
	for (size_t i = 0; i < token.n; i++) {
		unsigned char c = (unsigned char)token.p[i];
		if (c < 0x21 || c > 0x7E || c == '"' || c == '\\') {
			return false;
		}
	}
	return true;
}

static bool is_api(struct str token)
{
	return str_equals(token, api_tokens[0]) || str_equals(token, api_tokens[1]);
}

/* The device that a token names; p == NULL: none. */
static struct str device_of(struct str token)
{
	for (size_t i = 0; i < COUNT_OF(device_prefixes); i++) {
		if (str_starts_with(token, device_prefixes[i])) {
			return str_slice(token, device_prefixes[i].n, token.n);
		}
	}
	return (struct str){0};
}

/* @return false when it is another device than before, or none that could be */
static bool take_device(struct str device_id, struct oauth_scope *scope)
{
	bool is_good = device_id.n > 0 && device_id.n <= DEVICE_ID_MAX_BYTES &&
		(scope->device_id.p == NULL || str_equals(scope->device_id, device_id));
	scope->device_id = device_id;
	return is_good;
}

bool oauth_has_word(struct str words, struct str wanted)
{
	while (words.n > 0) {
		struct str word;
		(void)str_split(words, ' ', &word, &words);
		if (str_equals(word, wanted)) {
			return true;
		}
	}
	return false;
}

bool oauth_scope_parse(struct arena *arena, struct str text, struct oauth_scope *out)
{
	struct oauth_scope scope = {.text = STR("")};
	bool has_api = false;
	while (text.n > 0) {
		struct str token;
		(void)str_split(text, ' ', &token, &text);
		struct str device_id = device_of(token);
		if (!is_scope_token(token) || (device_id.p != NULL && !take_device(device_id, &scope))) {
			return false;
		}
		bool is_openid = str_equals(token, STR("openid"));
		has_api = has_api || is_api(token);
		scope.has_openid = scope.has_openid || is_openid;
		bool is_understood = is_api(token) || is_openid || device_id.p != NULL;
		if (is_understood && !oauth_has_word(scope.text, token)) {
			scope.text = str_printf(arena, "%.*s%s%.*s", STR_ARG(scope.text),
				scope.text.n > 0 ? " " : "", STR_ARG(token));
		}
	}
	if (!has_api || scope.device_id.p == NULL) {
		return false;
	}
	scope.device_id = str_dup(arena, scope.device_id);
	*out = scope;
	return true;
}

static bool is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
		c == '.' || c == '_' || c == '~';
}

bool oauth_challenge_is_valid(struct str challenge)
{
	bool is_good = challenge.n == CHALLENGE_CHARS;
	for (size_t i = 0; i < challenge.n; i++) {
		char c = challenge.p[i];
		is_good = is_good && is_unreserved(c) && c != '.' && c != '~';
	}
	return is_good;
}

bool oauth_verifier_fits(struct arena *arena, struct str verifier, struct str challenge)
{
	unsigned char hash[SHA256_BYTES];
	bool is_good = verifier.n >= VERIFIER_MIN_CHARS && verifier.n <= VERIFIER_MAX_CHARS;
	for (size_t i = 0; i < verifier.n; i++) {
		is_good = is_good && is_unreserved(verifier.p[i]);
	}
	crypto_sha256(verifier, hash);
	struct str made = b64_encode_url(arena, str_from((const char *)hash, sizeof(hash)));
	return is_good && crypto_equals(made, challenge);
}
