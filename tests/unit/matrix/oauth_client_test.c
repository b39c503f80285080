/*
 * Metadata of OAuth clients: the specification's examples of addresses, and what else comes.
 */
#include "tests/unit/base/check.h"

#include "base/buf.h"
#include "matrix/canonical.h"
#include "matrix/oauth_client.h"

static struct arena *arena;

static int set_up(void **state)
{
	(void)state;
	arena = arena_create();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_destroy(arena);
	return 0;
}

static struct json parse_json(const char *text)
{
	struct json value;
	if (json_parse(arena, str_of(text), NULL, &value, NULL) != JSON_OK) {
		fail_msg("%s", text);
	}
	return value;
}

/* "" when it is kept, else "redirect" or "metadata". */
static const char *check(const char *text, struct json *out)
{
	struct oauth_metadata_error error = {0};
	struct json given = parse_json(text);
	if (oauth_metadata_check(arena, &given, out, &error)) {
		return "";
	}
	assert_non_null(error.text);
	return error.is_redirect ? "redirect" : "metadata";
}

static const char *check_redirect(const char *type, const char *uri)
{
	struct json kept;
	return check(str_printf(arena,
					 "{\"client_uri\":\"https://example.com/\",\"application_type\":\"%s\","
					 "\"redirect_uris\":[\"%s\"]}",
					 type, uri)
					 .p,
		&kept);
}

static void redirects__of_the_specification__as_it_says(void **state)
{
	(void)state;
	static const struct {
		const char *type;
		const char *uri;
		bool is_valid;
	} cases[] = {
		{"web", "https://example.com/callback", true},
		{"web", "https://app.example.com/callback", true},
		{"web", "https://example.com:5173/?query=value", true},
		{"web", "https://example.com/callback#fragment", false},
		{"web", "http://example.com/callback", false},
		{"web", "http://localhost/", false},
		{"native", "com.example.app:/callback", true},
		{"native", "com.example:/", true},
		{"native", "com.example:callback", true},
		{"native", "http://localhost/callback", true},
		{"native", "http://127.0.0.1/callback", true},
		{"native", "http://[::1]/callback", true},
		{"native", "https://app.example.com/callback", true},
		{"native", "example:/callback", false},
		{"native", "com.example.app://callback", false},
		{"native", "https://localhost/callback", false},
		{"native", "http://localhost:1234/callback", false},
		/* of the descriptions beside the examples */
		{"web", "https://app.com/callback", false},
		{"web", "https://user@example.com/", false},
		{"web", "https://user:secret@example.com/", false},
		{"web", "com.example.app:/callback", false},
		{"native", "com.example.app:/callback#fragment", false},
		{"native", "http://localhost/#", false},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *verdict = check_redirect(cases[i].type, cases[i].uri);
		if (strcmp(verdict, cases[i].is_valid ? "" : "redirect") != 0) {
			fail_msg("%s %s: \"%s\"", cases[i].type, cases[i].uri, verdict);
		}
	}
}

static void redirects__that_only_look_like_the_clients__refused(void **state)
{
	(void)state;
	static const char *const uris[] = {"https://evilexample.com/", "https://example.com.evil.org/",
		"https://example.com@evil.org/", "https://evil.org/https://example.com/",
		"https:///callback", "https:example.com", "//example.com/", "", "https://example.com:0/",
		"https://example.com:/", "https://example.com:99999/", "https://example.com\\\\@evil.org/",
		"https://exa%6dple.com/", "https://example.com./", "https://.example.com/",
		"https://a..example.com/", "https://example.com/ x", "https://example.com/\\u0000",
		"https://example.com/\\u000a", "https://example.com/\\u5b57", "http://[::1]@evil.org/",
		"http://localhost.evil.org/", "http://127.0.0.1.evil.org/", "http://127.0.0.2/",
		"http://[::1/", "http://[::2]/", "http://user@localhost/", "http://localhost:/",
		"com.examplefoo:/", "com:/", "com.:/", "org.example:/", "com.example.app:///",
		"javascript:alert(1)", "data:text/html,x", "com.example.app", "1com.example:/"};
	for (size_t i = 0; i < COUNT_OF(uris); i++) {
		if (strcmp(check_redirect("native", uris[i]), "redirect") != 0) {
			fail_msg("%s", uris[i]);
		}
	}
}

static void metadata__odd__refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"{}",
		"{\"redirect_uris\":[\"https://example.com/\"]}",
		"{\"client_uri\":\"http://example.com/\",\"redirect_uris\":[\"https://example.com/\"]}",
		"{\"client_uri\":\"https://user@example.com/\",\"redirect_uris\":[\"https://example.com/\"]}",
		"{\"client_uri\":\"https://com/\",\"redirect_uris\":[\"https://example.com/\"]}",
		"{\"client_uri\":7,\"redirect_uris\":[\"https://example.com/\"]}",
		"{\"client_uri\":\"https://example.com/\",\"redirect_uris\":[\"https://example.com/\"],"
		"\"client_name\":\"\"}",
		"{\"client_uri\":\"https://example.com/\",\"redirect_uris\":[\"https://example.com/\"],"
		"\"client_name\":\"a\\u202eb\"}",
		"{\"client_uri\":\"https://example.com/\",\"redirect_uris\":[\"https://example.com/\"],"
		"\"client_name#zh\":\"a\\u0000b\"}",
		"{\"client_uri\":\"https://example.com/\",\"redirect_uris\":[\"https://example.com/\"],"
		"\"tos_uri\":\"https://other.org/\"}",
		"{\"client_uri\":\"https://example.com/\",\"redirect_uris\":[\"https://example.com/\"],"
		"\"policy_uri\":\"javascript:alert(1)\"}",
		"{\"client_uri\":\"https://example.com/\",\"redirect_uris\":[\"https://example.com/\"],"
		"\"application_type\":\"browser\"}",
		"{\"client_uri\":\"https://example.com/\",\"redirect_uris\":[\"https://example.com/\"],"
		"\"token_endpoint_auth_method\":\"client_secret_basic\"}",
		"{\"client_uri\":\"https://example.com/\",\"redirect_uris\":[\"https://example.com/\"],"
		"\"grant_types\":[\"password\"]}",
		"{\"client_uri\":\"https://example.com/\",\"redirect_uris\":[\"https://example.com/\"],"
		"\"grant_types\":[\"refresh_token\"]}",
		"{\"client_uri\":\"https://example.com/\",\"redirect_uris\":[\"https://example.com/\"],"
		"\"grant_types\":\"authorization_code\"}",
		"{\"client_uri\":\"https://example.com/\",\"redirect_uris\":[\"https://example.com/\"],"
		"\"response_types\":[\"token\"]}",
	};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct json kept;
		if (strcmp(check(texts[i], &kept), "metadata") != 0) {
			fail_msg("%s", texts[i]);
		}
	}
}

/* Metadata with addresses and a name of so many bytes. */
static const char *check_lengths(size_t address, size_t name, size_t terms, struct json *kept)
{
	struct buf buf CLEANUP(buf_fini);
	buf_init(&buf, 1 << 16);
	buf_add_lit(&buf, "{\"client_uri\":\"https://example.com/\",\"client_name\":\"");
	for (size_t i = 0; i < name; i++) {
		buf_add_byte(&buf, 'n');
	}
	struct str begin = STR("https://example.com/");
	buf_printf(&buf, "\",\"redirect_uris\":[\"%.*s", STR_ARG(begin));
	for (size_t i = begin.n; i < address; i++) {
		buf_add_byte(&buf, 'a');
	}
	buf_printf(&buf, "\"],\"tos_uri\":\"%.*s", STR_ARG(begin));
	for (size_t i = begin.n; i < terms; i++) {
		buf_add_byte(&buf, 'a');
	}
	buf_add_lit(&buf, "\"}");
	return check(str_cstr(arena, buf_str(&buf)), kept);
}

static void metadata__as_long_as_it_may_be__kept_and_longer_refused(void **state)
{
	(void)state;
	struct json kept;
	const size_t url = OAUTH_URL_MAX_BYTES;
	const size_t text = OAUTH_NAME_MAX_BYTES;
	assert_string_equal(check_lengths(url, text, url, &kept), "");
	assert_string_equal(check_lengths(url + 1, text, url, &kept), "redirect");
	assert_string_equal(check_lengths(url, text + 1, url, &kept), "metadata");
	assert_string_equal(check_lengths(url, text, url + 1, &kept), "metadata");
}

static void redirects__none_or_too_many__refused(void **state)
{
	(void)state;
	struct json kept;
	struct str many = STR("\"https://example.com/0\"");
	for (int i = 0; i < OAUTH_REDIRECTS_MAX; i++) {
		many = str_printf(arena, "%.*s,\"https://example.com/%d\"", STR_ARG(many), i);
	}
	assert_string_equal(check("{\"client_uri\":\"https://example.com/\"}", &kept), "redirect");
	assert_string_equal(
		check("{\"client_uri\":\"https://example.com/\",\"redirect_uris\":[]}", &kept), "redirect");
	assert_string_equal(
		check("{\"client_uri\":\"https://example.com/\",\"redirect_uris\":[7]}", &kept),
		"redirect");
	assert_string_equal(
		check("{\"client_uri\":\"https://example.com/\",\"redirect_uris\":{}}", &kept), "redirect");
	assert_string_equal(
		check(str_printf(arena,
				  "{\"client_uri\":\"https://example.com/\",\"redirect_uris\":[%.*s]}",
				  STR_ARG(many))
				  .p,
			&kept),
		"redirect");
}

static void metadata__of_the_specification__what_is_understood_is_kept(void **state)
{
	(void)state;
	struct json kept;
	assert_string_equal(
		check(
			"{\"client_name\":\"My App\",\"client_name#fr\":\"Mon application\",\"client_uri\":\"https://example.com/\","
			"\"logo_uri\":\"https://example.com/logo.png\",\"tos_uri\":\"https://example.com/tos.html\","
			"\"tos_uri#fr\":\"https://example.com/fr/tos.html\",\"policy_uri\":\"https://example.com/policy.html\","
			"\"redirect_uris\":[\"https://app.example.com/callback\"],\"token_endpoint_auth_method\":\"none\","
			"\"response_types\":[\"code\"],\"grant_types\":[\"authorization_code\",\"refresh_token\","
			"\"urn:ietf:params:oauth:grant-type:token-exchange\"],\"application_type\":\"web\"}",
			&kept),
		"");
	assert_text(canonical_text(arena, &kept),
		"{\"application_type\":\"web\",\"client_name\":\"My App\",\"client_uri\":\"https://example.com/\","
		"\"grant_types\":[\"authorization_code\",\"refresh_token\"],\"policy_uri\":\"https://example.com/policy.html\","
		"\"redirect_uris\":[\"https://app.example.com/callback\"],\"response_types\":[\"code\"],"
		"\"token_endpoint_auth_method\":\"none\",\"tos_uri\":\"https://example.com/tos.html\"}");
}

static void client__kept_and_read__as_it_said(void **state)
{
	(void)state;
	struct json kept;
	struct oauth_client client;
	assert_string_equal(
		check(
			"{\"client_name\":\"Chat\",\"client_name#zh-TW\":\"聊天\",\"client_uri\":\"https://Example.com/\","
			"\"policy_uri#zh\":\"https://example.com/zh\",\"redirect_uris\":[\"http://127.0.0.1/cb\",\"com.example:/\"],"
			"\"application_type\":\"native\",\"grant_types\":[\"authorization_code\","
			"\"urn:ietf:params:oauth:grant-type:device_code\"]}",
			&kept),
		"");
	assert_true(oauth_client_read(arena, STR("id"), canonical_text(arena, &kept), &client));
	assert_text(client.id, "id");
	assert_text(client.name, "Chat");
	assert_text(client.name_zh, "聊天");
	assert_text(client.policy_uri, "https://example.com/zh");
	assert_null(client.tos_uri.p);
	assert_true(client.is_native);
	assert_int_equal(client.grant_types, OAUTH_GRANT_CODE | OAUTH_GRANT_DEVICE);
	assert_true(oauth_client_has_redirect(arena, &client, STR("http://127.0.0.1/cb")));
	assert_true(oauth_client_has_redirect(arena, &client, STR("http://127.0.0.1:49152/cb")));
	assert_true(oauth_client_has_redirect(arena, &client, STR("com.example:/")));
	static const char *const others[] = {"http://127.0.0.1:49152/cb2", "http://127.0.0.1:/cb",
		"http://127.0.0.1:99999/cb", "http://localhost:49152/cb", "http://127.0.0.1:1@evil.org/cb",
		"com.example:/x", "com.example:1/", "COM.example:/", "", "https://127.0.0.1:49152/cb"};
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		assert_false(oauth_client_has_redirect(arena, &client, str_of(others[i])));
	}
	assert_false(oauth_client_read(arena, STR("id"), STR("[]"), &client));
}

/* What is asked for in Chinese: Traditional before others, then what has no language; else English, what has none, Chinese. */
static void client__texts_in_languages__the_nearest(void **state)
{
	(void)state;
	static const struct {
		const char *languages; /* in which there are texts, each of them its name */
		const char *other, *zh;
	} rows[] = {
		{"", NULL, NULL},
		{"|", "", ""},
		{"#en|", "en", NULL},
		{"#zh|", "zh", "zh"},
		{"|#en|", "en", ""},
		{"|#zh|", "", "zh"},
		{"#zh|#zh-TW|", "zh-TW", "zh-TW"},
		{"#zh|#zh-TW|#zh-Hant|", "zh-Hant", "zh-Hant"},
		{"|#en|#zh|#zh-Hant|", "en", "zh-Hant"},
	};
	static const char *const names[] = {"client_name", "policy_uri", "tos_uri"};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (size_t k = 0; k < COUNT_OF(names); k++) {
			struct str begin = str_of(k == 0 ? "text" : "https://example.com/");
			struct str text = STR(
				"{\"client_uri\":\"https://example.com/\",\"redirect_uris\":[\"https://example.com/\"]");
			struct str language;
			struct str rest = str_of(rows[i].languages);
			while (str_split(rest, '|', &language, &rest)) {
				text = str_printf(arena, "%.*s,\"%s%.*s\":\"%.*s%.*s\"", STR_ARG(text), names[k],
					STR_ARG(language), STR_ARG(begin),
					STR_ARG(str_slice(language, MIN_OF(language.n, (size_t)1), language.n)));
			}
			struct json kept;
			struct oauth_client client;
			assert_string_equal(check(arena_printf(arena, "%.*s}", STR_ARG(text)), &kept), "");
			assert_true(oauth_client_read(arena, STR("id"), canonical_text(arena, &kept), &client));
			struct str others[] = {client.name, client.policy_uri, client.tos_uri};
			struct str zhs[] = {client.name_zh, client.policy_uri_zh, client.tos_uri_zh};
			for (size_t m = 0; m < COUNT_OF(names); m++) {
				const char *other = m == k ? rows[i].other : NULL;
				const char *zh = m == k ? rows[i].zh : NULL;
				assert_true(str_equals(others[m],
					other == NULL ? str_from(NULL, 0)
								  : str_printf(arena, "%.*s%s", STR_ARG(begin), other)));
				assert_true(str_equals(zhs[m],
					zh == NULL ? str_from(NULL, 0)
							   : str_printf(arena, "%.*s%s", STR_ARG(begin), zh)));
			}
		}
	}
}

static void client_id__same_metadata__same(void **state)
{
	(void)state;
	struct json a;
	struct json b;
	struct json c;
	assert_string_equal(
		check(
			"{\"client_uri\":\"https://example.com/\",\"redirect_uris\":[\"https://example.com/\"]}",
			&a),
		"");
	assert_string_equal(
		check("{\"redirect_uris\":[\"https://example.com/\"],\"x\":1,\"application_type\":\"web\","
			  "\"client_uri\":\"https://example.com/\"}",
			&b),
		"");
	assert_string_equal(
		check(
			"{\"client_uri\":\"https://example.com/\",\"redirect_uris\":[\"https://example.com/x\"]}",
			&c),
		"");
	struct str id = oauth_client_id(arena, canonical_text(arena, &a));
	assert_int_equal(id.n, 22);
	assert_true(str_equals(id, oauth_client_id(arena, canonical_text(arena, &b))));
	assert_false(str_equals(id, oauth_client_id(arena, canonical_text(arena, &c))));
}

static void redirect_with__query_or_fragment__parameters_added(void **state)
{
	(void)state;
	assert_text(oauth_redirect_with(arena, STR("https://a.example/cb"), false, STR("x=1")),
		"https://a.example/cb?x=1");
	assert_text(oauth_redirect_with(arena, STR("https://a.example/cb?y=2"), false, STR("x=1")),
		"https://a.example/cb?y=2&x=1");
	assert_text(oauth_redirect_with(arena, STR("https://a.example/cb?y=2"), true, STR("x=1")),
		"https://a.example/cb?y=2#x=1");
	assert_text(oauth_redirect_with(arena, STR("com.example:cb"), false, STR("x=1")),
		"com.example:cb?x=1");
}

static void redirect_is_local__schemes(void **state)
{
	(void)state;
	assert_false(oauth_redirect_is_local(STR("https://a.example/cb")));
	assert_true(oauth_redirect_is_local(STR("com.example:/cb")));
	assert_true(oauth_redirect_is_local(STR("http://localhost:1/cb")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(redirects__of_the_specification__as_it_says, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(redirects__that_only_look_like_the_clients__refused, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(metadata__odd__refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(redirects__none_or_too_many__refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(metadata__as_long_as_it_may_be__kept_and_longer_refused,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(metadata__of_the_specification__what_is_understood_is_kept,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(client__kept_and_read__as_it_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(client__texts_in_languages__the_nearest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(client_id__same_metadata__same, set_up, tear_down),
		cmocka_unit_test_setup_teardown(redirect_with__query_or_fragment__parameters_added, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(redirect_is_local__schemes, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
