/*
 * What anybody may send: metadata of clients, addresses, scopes. What is kept is kept again as it is, and no browser is sent to a script.
 */
#include "homeserver/web_page.h"
#include "matrix/canonical.h"
#include "matrix/oauth_client.h"
#include "matrix/oauth_scope.h"

static void check_metadata(struct arena *arena, struct str text)
{
	struct json given;
	struct json kept;
	struct json again;
	struct oauth_metadata_error error;
	struct oauth_client client;
	if (json_parse(arena, text, NULL, &given, NULL) != JSON_OK || given.type != JSON_OBJECT ||
		!oauth_metadata_check(arena, &given, &kept, &error)) {
		return;
	}
	struct str first = canonical_text(arena, &kept);
	invariant(oauth_metadata_check(arena, &kept, &again, &error));
	invariant(str_equals(first, canonical_text(arena, &again)));
	invariant(oauth_client_read(arena, oauth_client_id(arena, first), first, &client));
	invariant(client.uri.n > 0 && client.grant_types != 0);
	for (size_t i = 0; client.redirect_uris != NULL && i < client.redirect_uris->count; i++) {
		struct str uri = json_text(&client.redirect_uris->items[i]);
		invariant(web_page_url_is_safe(uri));
		invariant(oauth_client_has_redirect(arena, &client, uri));
		struct str url = oauth_redirect_with(arena, uri, i % 2 == 0, STR("code=1"));
		invariant(web_page_url_is_safe(url));
		invariant(str_equals(web_page_origin(url), web_page_origin(uri)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str text = str_from((const char *)data, size);
	struct oauth_scope scope;
	struct oauth_scope again;
	check_metadata(arena, text);
	if (oauth_scope_parse(arena, text, &scope)) {
		invariant(oauth_scope_parse(arena, scope.text, &again));
		invariant(str_equals(scope.text, again.text));
		invariant(str_equals(scope.device_id, again.device_id));
	}
	struct str uri = str_printf(arena,
		"{\"client_uri\":\"https://a.example/\",\"application_type\":\"native\",\"redirect_uris\":[\"%.*s\"]}",
		STR_ARG(text));
	check_metadata(arena, uri);
	return 0;
}
