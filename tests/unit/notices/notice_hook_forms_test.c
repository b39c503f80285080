/*
 * What programs send to webhooks, as it is shown in the end: Markdown is rendered, so that nothing of theirs acts as a mark.
 */
#include "tests/unit/base/check.h"

#include "base/json.h"
#include "notices/notice_hook_forms.h"
#include "notices/notice_text.h"

struct world {
	struct arena *arena;
	struct ctx ctx;
};

static void world_fini(struct world *world)
{
	arena_destroy(world->arena);
}

static struct json read_json(struct world *world, const char *text)
{
	struct json out;
	world->arena = arena_create();
	ctx_init(&world->ctx, world->arena);
	assert_int_equal(json_parse(world->arena, str_of(text), NULL, &out, NULL), JSON_OK);
	return out;
}

static struct str html_of(struct world *world, struct str markdown)
{
	struct notice_markup markup;
	assert_int_equal(notice_text_render(&world->ctx, markdown, &markup), ERR_OK);
	return markup.html;
}

/* A JSON string as it stands between quotes → HTML. */
static void check_mrkdwn(const char *mrkdwn, const char *html)
{
	char payload[1000];
	struct world world CLEANUP(world_fini) = {0};
	struct str markdown;
	(void)snprintf(payload, sizeof(payload), "{\"text\":\"%s\"}", mrkdwn);
	const struct json body = read_json(&world, payload);
	assert_int_equal(hook_form_slack(&world.ctx, &body, &markdown), ERR_OK);
	struct str shown = html_of(&world, markdown);
	if (!str_equals(shown, str_of(html))) {
		fail_msg("%s: %.*s (%.*s)", mrkdwn, STR_ARG(shown), STR_ARG(markdown));
	}
}

static void slack__mrkdwn__what_slack_shows(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{"plain", "<p>plain</p>"},
		{"明天 *停課* 了", "<p>明天 <strong>停課</strong> 了</p>"},
		{"a *bold* b ~gone~ c _so_",
			"<p>a <strong>bold</strong> b <del>gone</del> c <em>so</em></p>"},
		{"2*3*4 snake_case_name a~b~c", "<p>2*3*4 snake_case_name a~b~c</p>"},
		{"* no* *no *", "<p>* no* *no *</p>"},
		{"*see <https://s.example/a*b|this>*",
			"<p><strong>see <a href=\"https://s.example/a*b\">this</a></strong></p>"},
		{"<https://s.example/?a=1&amp;b=2>",
			"<p><a href=\"https://s.example/?a=1&amp;b=2\">https://s.example/?a=1&amp;b=2</a></p>"},
		{"<https://s.example|a [b](c)>", "<p><a href=\"https://s.example\">a [b](c)</a></p>"},
		{"<javascript:alert(1)|x>", "<p>x</p>"},
		{"<@U1|lin> <@U2> <#C1|general> <!here> <!date^1^{date}|Monday>",
			"<p>@lin @U2 #general @here Monday</p>"},
		{"1 &lt; 2 &amp;&amp; 3 &gt; 2", "<p>1 &lt; 2 &amp;&amp; 3 &gt; 2</p>"},
		{"`a*b &lt; c`", "<p><code>a*b &lt; c</code></p>"},
		{"see ```x = 1\\n*y*``` there",
			"<p>see</p><pre><code>x = 1\n*y*\n</code></pre><p>there</p>"},
		{"&gt; said\\nwhat", "<blockquote><p>said<br>what</p></blockquote>"},
		{"- one\\n- two", "<ul><li>one</li><li>two</li></ul>"},
		{"# no heading\\n---\\n===", "<p># no heading<br>---<br>===</p>"},
		{"a\\n\\n        b", "<p>a</p><p>b</p>"},
		{"[x](https://s.example) <b>", "<p>[x](https://s.example) b</p>"},
		{"a < b ` c", "<p>a &lt; b ` c</p>"},
		{"a | b\\n- | -", "<p>a | b</p><ul><li>| -</li></ul>"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		check_mrkdwn(rows[i][0], rows[i][1]);
	}
}

static void check_slack(const char *payload, const char *html)
{
	struct world world CLEANUP(world_fini) = {0};
	struct str markdown;
	const struct json body = read_json(&world, payload);
	assert_int_equal(hook_form_slack(&world.ctx, &body, &markdown), ERR_OK);
	struct str shown = html_of(&world, markdown);
	if (!str_equals(shown, str_of(html))) {
		fail_msg("%s: %.*s (%.*s)", payload, STR_ARG(shown), STR_ARG(markdown));
	}
}

static void slack__blocks_and_attachments__their_texts(void **state)
{
	(void)state;
	check_slack("{\"text\":\"t\",\"blocks\":[{\"type\":\"section\",\"text\":{\"type\":\"mrkdwn\","
				"\"text\":\"no\"}}],\"username\":\"u\",\"icon_emoji\":\":x:\"}",
		"<p>t</p>");
	check_slack(
		"{\"blocks\":[{\"type\":\"header\",\"text\":{\"type\":\"plain_text\",\"text\":\"*H*\"}},"
		"{\"type\":\"divider\"},{\"type\":\"section\",\"text\":{\"type\":\"mrkdwn\",\"text\":\"*b*\"},"
		"\"fields\":[{\"type\":\"mrkdwn\",\"text\":\"f\"}]},{\"type\":\"context\",\"elements\":"
		"[{\"type\":\"image\",\"alt_text\":\"i\"},{\"type\":\"plain_text\",\"text\":\"c\"}]},"
		"{\"type\":\"image\",\"image_url\":\"https://s.example/i.png\",\"alt_text\":\"pic\"}]}",
		"<p>*H*</p><p><strong>b</strong></p><p>f</p><p>c</p>"
		"<p><a href=\"https://s.example/i.png\">pic</a></p>");
	check_slack(
		"{\"blocks\":[{\"type\":\"rich_text\",\"elements\":[{\"type\":\"rich_text_section\","
		"\"elements\":[{\"type\":\"text\",\"text\":\"go *to* \"},{\"type\":\"link\",\"url\":"
		"\"https://s.example\"},{\"type\":\"emoji\",\"name\":\"wave\"}]},{\"type\":\"rich_text_list\","
		"\"elements\":[{\"type\":\"rich_text_section\",\"elements\":[{\"type\":\"text\",\"text\":\"one\"}]}"
		"]}]}]}",
		"<p>go *to* <a href=\"https://s.example\">https://s.example</a>:wave:</p><ul><li>one</li></ul>");
	check_slack(
		"{\"attachments\":[{\"fallback\":\"f\",\"pretext\":\"p\",\"title\":\"T\",\"title_link\":"
		"\"https://s.example\",\"text\":\"x\",\"fields\":[{\"title\":\"Due\",\"value\":\"*now*\"}]},"
		"{\"fallback\":\"only\"}]}",
		"<p>p</p><p><a href=\"https://s.example\">T</a></p><p>x</p><p>Due: <strong>now</strong></p>"
		"<p>only</p>");
}

static void slack__nothing_to_say__refused(void **state)
{
	(void)state;
	static const char *const rows[] = {"{}", "{\"text\":\"\"}", "{\"text\":\"  \"}", "{\"text\":7}",
		"{\"blocks\":[{\"type\":\"divider\"},7]}", "{\"attachments\":{}}",
		"{\"attachments\":[1,{}]}"};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct world world CLEANUP(world_fini) = {0};
		struct str markdown;
		const struct json body = read_json(&world, rows[i]);
		assert_int_equal(hook_form_slack(&world.ctx, &body, &markdown), ERR_INPUT);
		assert_string_equal(world.ctx.fault.errcode, "M_MISSING_PARAM");
	}
}

#define REPOSITORY \
	"\"repository\":{\"full_name\":\"school/site\",\"html_url\":\"https://g.example/school/site\"}," \
	"\"sender\":{\"login\":\"lin\"}"
#define SITE "<p><strong><a href=\"https://g.example/school/site\">school/site</a></strong> · "

static void github__events__who_what_where(void **state)
{
	(void)state;
	static const char *const rows[][3] = {
		{"ping", "{" REPOSITORY "}", SITE "✓ webhook — lin</p>"},
		{"push",
			"{" REPOSITORY
			",\"ref\":\"refs/heads/a/b\",\"compare\":\"https://g.example/c\",\"commits\":"
			"[{\"id\":\"0123456789\",\"message\":\"fix *all*\\n\\nwhy\",\"url\":\"https://g.example/1\"}]}",
			SITE "<a href=\"https://g.example/c\">a/b</a> · +1 — lin</p><ul><li>"
				 "<a href=\"https://g.example/1\">0123456</a> fix *all*</li></ul>"},
		{"push", "{" REPOSITORY ",\"ref\":\"refs/tags/v1\",\"deleted\":true}",
			SITE "v1 · deleted — lin</p>"},
		{"push", "{" REPOSITORY ",\"ref\":\"refs/tags/v1\",\"commits\":[]}",
			SITE "v1 · created — lin</p>"},
		{"issues",
			"{" REPOSITORY
			",\"action\":\"opened\",\"issue\":{\"number\":12,\"title\":\"<b>\\nx\",\"html_url\":"
			"\"https://g.example/12\"}}",
			SITE "<a href=\"https://g.example/12\">#12 &lt;b&gt; x</a> · opened — lin</p>"},
		{"issues", "{" REPOSITORY ",\"action\":\"labeled\",\"issue\":{}}", ""},
		{"pull_request",
			"{" REPOSITORY
			",\"action\":\"closed\",\"pull_request\":{\"number\":3,\"title\":\"t\",\"merged\":true}}",
			SITE "#3 t · merged — lin</p>"},
		{"issue_comment",
			"{" REPOSITORY
			",\"action\":\"created\",\"issue\":{\"number\":3,\"title\":\"t\"},\"comment\":{\"body\":"
			"\"a\\n> b\",\"html_url\":\"https://g.example/3#c\"}}",
			SITE
			"<a href=\"https://g.example/3#c\">#3 t</a> · 💬 — lin</p><blockquote><p>a &gt; b</p></blockquote>"},
		{"pull_request_review",
			"{" REPOSITORY
			",\"action\":\"submitted\",\"pull_request\":{\"number\":3,\"title\":\"t\"},"
			"\"review\":{\"state\":\"approved\",\"body\":null}}",
			SITE "#3 t · approved — lin</p>"},
		{"release",
			"{" REPOSITORY
			",\"action\":\"published\",\"release\":{\"tag_name\":\"v1\",\"name\":\"\"}}",
			SITE "v1 · released — lin</p>"},
		{"workflow_run",
			"{" REPOSITORY
			",\"action\":\"completed\",\"workflow_run\":{\"name\":\"CI\",\"head_branch\":\"main\","
			"\"conclusion\":\"failure\",\"html_url\":\"javascript:x\"}}",
			SITE "CI · main · ✗ failure — lin</p>"},
		{"workflow_run", "{" REPOSITORY ",\"action\":\"requested\"}", ""},
		{"star", "{" REPOSITORY ",\"action\":\"created\"}", ""},
		{"push", "{\"commits\":[1,null,{\"id\":7}],\"repository\":[],\"ref\":\"x\",\"sender\":1}",
			"<p>x · +3</p>"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct world world CLEANUP(world_fini) = {0};
		struct str markdown;
		const struct json body = read_json(&world, rows[i][1]);
		hook_form_github(&world.ctx, str_of(rows[i][0]), &body, &markdown);
		struct str shown = markdown.n > 0 ? html_of(&world, markdown) : STR("");
		if (!str_equals(shown, str_of(rows[i][2]))) {
			fail_msg("%s: %.*s (%.*s)", rows[i][1], STR_ARG(shown), STR_ARG(markdown));
		}
	}
}

static void github__many_commits__the_first_are_named(void **state)
{
	(void)state;
	char payload[4000] = "{\"ref\":\"refs/heads/m\",\"commits\":[{}";
	struct world world CLEANUP(world_fini) = {0};
	struct str markdown;
	size_t n = strlen(payload);
	for (int i = 1; i < 25; i++) {
		n += (size_t)snprintf(payload + n, sizeof(payload) - n, ",{\"message\":\"c%d\"}", i);
	}
	(void)snprintf(payload + n, sizeof(payload) - n, "]}");
	const struct json body = read_json(&world, payload);
	hook_form_github(&world.ctx, STR("push"), &body, &markdown);
	assert_true(str_contains(markdown, STR(" c9")) && !str_contains(markdown, STR(" c10")));
	assert_true(str_contains(markdown, STR("+15")));
}

int main(void)
{
	notice_text_start();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slack__mrkdwn__what_slack_shows),
		cmocka_unit_test(slack__blocks_and_attachments__their_texts),
		cmocka_unit_test(slack__nothing_to_say__refused),
		cmocka_unit_test(github__events__who_what_where),
		cmocka_unit_test(github__many_commits__the_first_are_named),
	};
	return RUN_ALL(tests);
}
