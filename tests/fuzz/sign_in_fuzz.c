/*
 * What comes from browsers and identity providers: no ID token without a right signature is good, no address with
 * control characters or another scheme's code is safe, no name makes a user id that is none.
 */
#include "homeserver/account/sso/id_token.h"
#include "homeserver/account/sso/provider.h"
#include "homeserver/account/sso/sso.h"
#include "homeserver/account/terms.h"
#include "homeserver/support.h"
#include "homeserver/web_page.h"
#include "matrix/id.h"

static const char keys_text[] =
	"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}";

static void check_token(struct arena *arena, struct str text)
{
	static const struct id_token_wish wish = {.issuer = STR_INIT("https://x.example"),
		.client_id = STR_INIT("belfry"),
		.nonce = STR_INIT("n"),
		.now_s = 1};
	struct json keys;
	struct json claims;
	invariant(json_parse(arena, str_of(keys_text), NULL, &keys, NULL) == JSON_OK);
	invariant(id_token_check(arena, text, &keys, &wish, &claims) != ID_TOKEN_GOOD);
	if (json_parse(arena, text, NULL, &keys, NULL) == JSON_OK) {
		(void)!id_token_check(arena, STR("e30.e30.e30"), &keys, &wish, &claims);
		(void)provider_template(arena, STR("{sub}-{name}"), &keys);
	}
}

static void check_url(struct arena *arena, struct str text)
{
	if (!web_page_url_is_safe(text)) {
		return;
	}
	struct str url = sso_url_with_token(arena, text, STR("token"));
	struct str origin = web_page_origin(text);
	invariant(web_page_url_is_safe(url));
	invariant(str_equals(web_page_origin(url), origin));
	invariant(str_starts_with(text, origin));
	invariant(str_contains(url, STR("loginToken=token")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str text = str_from((const char *)data, size);
	struct policy policy;
	struct support_contact contact;
	check_token(arena, text);
	check_url(arena, text);
	struct str localpart = provider_localpart(arena, text);
	invariant(size == 0 || localpart_is_valid_for_new_user(localpart));
	if (policy_parse(text, &policy)) {
		invariant(policy.name.n > 0 && policy.id.n > 0);
	}
	if (support_contact_parse(text, &contact)) {
		invariant(contact.matrix_id.p != NULL || contact.email.p != NULL);
	}
	return 0;
}
