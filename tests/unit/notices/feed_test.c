/*
 * Feeds of each kind, and what must not be taken.
 */
#include "tests/unit/base/check.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "notices/feed.h"

struct world {
	struct arena *arena;
	struct ctx ctx;
	struct feed feed;
};

static void world_fini(struct world *world)
{
	arena_destroy(world->arena);
}

static enum err read_feed(struct world *world, struct str bytes)
{
	world->arena = world->arena != NULL ? world->arena : arena_create();
	ctx_init(&world->ctx, world->arena);
	return feed_read(&world->ctx, bytes, &world->feed);
}

static void read__rss2__items(void **state)
{
	(void)state;
	struct world world CLEANUP(world_fini) = {0};
	assert_int_equal(
		read_feed(&world,
			STR("<?xml version=\"1.0\"?>\n"
				"<rss version=\"2.0\" xmlns:media=\"http://search.yahoo.com/mrss/\" "
				"xmlns:content=\"http://purl.org/rss/1.0/modules/content/\" "
				"xmlns:atom=\"http://www.w3.org/2005/Atom\"><channel>"
				"<title>校園&nbsp;公告</title><image><title>logo</title></image>"
				"<atom:link href=\"https://s.example/rss\" rel=\"self\"/>"
				"<item><title>A &amp; B &lt;i&gt;x&lt;/i&gt;</title><media:title>no</media:title>"
				"<link> https://s.example/1 </link><guid isPermaLink=\"false\">g1</guid>"
				"<description><![CDATA[<p>Hello<br>you &eacute;</p><script>x()</script>"
				"<ul><li>one</li><li>two</li></ul>]]></description>"
				"<content:encoded>long</content:encoded>"
				"<pubDate>Mon, 30 Nov 2026 07:00:00 +0800</pubDate></item>"
				"<item><title>no id</title><link>javascript:x</link></item>"
				"<item><link>https://s.example/nothing</link></item>"
				"</channel></rss>")),
		ERR_OK);
	const struct feed_item *items = world.feed.items;
	assert_text(world.feed.title, "校園 公告");
	assert_int_equal(world.feed.count, 2);
	assert_text(items[0].id, "g1");
	assert_text(items[0].title, "A & B x");
	assert_text(items[0].link, "https://s.example/1");
	assert_text(items[0].summary, "Hello\nyou é\none\ntwo");
	assert_int_equal(items[0].at_ms, INT64_C(1795993200000));
	assert_text(items[1].id, "no id");
	assert_int_equal(items[1].link.n, 0);
	assert_int_equal(items[1].at_ms, 0);
}

static void read__rss1__items(void **state)
{
	(void)state;
	struct world world CLEANUP(world_fini) = {0};
	assert_int_equal(
		read_feed(&world,
			STR("<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" "
				"xmlns=\"http://purl.org/rss/1.0/\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\">"
				"<channel rdf:about=\"c\"><title>News</title></channel>"
				"<item rdf:about=\"urn:1\"><title>T</title><link>http://s.example/1</link>"
				"<description>D</description><dc:date>2026-11-30T07:00:00+08:00</dc:date></item>"
				"</rdf:RDF>")),
		ERR_OK);
	assert_text(world.feed.title, "News");
	assert_int_equal(world.feed.count, 1);
	assert_text(world.feed.items[0].id, "urn:1");
	assert_text(world.feed.items[0].summary, "D");
	assert_int_equal(world.feed.items[0].at_ms, INT64_C(1795993200000));
}

static void read__atom__items(void **state)
{
	(void)state;
	struct world world CLEANUP(world_fini) = {0};
	assert_int_equal(
		read_feed(&world,
			STR("<feed xmlns=\"http://www.w3.org/2005/Atom\" xmlns:x=\"urn:x\"><title>News</title>"
				"<entry><id>tag:1</id><title type=\"html\">a &lt;b&gt;b&lt;/b&gt;</title><x:title>no</x:title>"
				"<link rel=\"edit\" href=\"https://s.example/edit\"/>"
				"<link href=\"https://s.example/1\"/>"
				"<updated>2026-11-30T07:00:00Z</updated>"
				"<content type=\"xhtml\"><div xmlns=\"http://www.w3.org/1999/xhtml\"><p>one</p><p>t<b>w</b>o</p>"
				"</div></content><source><title>other</title></source></entry>"
				"<entry><id>tag:2</id><title>1 &lt; 2</title><published>2026-11-30T07:00:00Z</published>"
				"<updated>2027-11-30T07:00:00Z</updated></entry></feed>")),
		ERR_OK);
	const struct feed_item *items = world.feed.items;
	assert_int_equal(world.feed.count, 2);
	assert_text(items[0].id, "tag:1");
	assert_text(items[0].title, "a b");
	assert_text(items[0].link, "https://s.example/1");
	assert_text(items[0].summary, "one\ntwo");
	assert_int_equal(items[0].at_ms, INT64_C(1796022000000));
	assert_text(items[1].title, "1 < 2");
	assert_int_equal(items[1].at_ms, INT64_C(1796022000000));
}

static void read__big5__is_utf8_afterwards(void **state)
{
	(void)state;
	struct world world CLEANUP(world_fini) = {0};
	assert_int_equal(
		read_feed(&world,
			STR("<?xml version=\"1.0\" encoding=\"Big5\"?><rss><channel><title>\xae\xd5\xb6\xe9</title>"
				"</channel></rss>")),
		ERR_OK);
	assert_text(world.feed.title, "校園");
}

#define BOMB_LOL(n, m) "<!ENTITY l" #n " \"&l" #m ";&l" #m ";&l" #m ";&l" #m ";&l" #m ";\">"

static void read__bad__refused_with_a_reason(void **state)
{
	(void)state;
	static const struct {
		struct str bytes;
		const char *why;
	} rows[] = {
		{STR_INIT(""), "no XML"},
		{STR_INIT("hello"), "no XML"},
		{STR_INIT("<html><body>x</body></html>"), "neither RSS nor Atom"},
		{STR_INIT("<feed><entry/></feed>"), "neither RSS nor Atom"},
		{STR_INIT("<rss><channel><item><title>x</title>"), "line 1"},
		{STR_INIT("<rss>\n\n<a></b></rss>"), "line 3"},
		{STR_INIT("<rss><channel><title>\xff\xfe\xfd</title></channel></rss>"), "no XML"},
		{STR_INIT("<?xml version=\"1.0\" encoding=\"klingon\"?><rss/>"), "no XML"},
		{STR_INIT("<rss><channel><title>&undefined;</title></channel></rss>"), "undefined"},
		{STR_INIT("<!DOCTYPE rss [<!ENTITY l0 \"lol\">" BOMB_LOL(1, 0) BOMB_LOL(2, 1)
				 BOMB_LOL(3, 2) "]><rss><channel><title>&l3;</title></channel></rss>"),
			"entities"},
		{STR_INIT("<!DOCTYPE rss [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><rss><channel>"
				  "<title>&x;</title></channel></rss>"),
			"entities"},
		{STR_INIT("<!DOCTYPE rss [<!ENTITY % p SYSTEM \"http://127.0.0.1:1/\"> %p;]><rss/>"),
			"entities"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct world world CLEANUP(world_fini) = {0};
		enum err err = read_feed(&world, rows[i].bytes);
		if (err != ERR_INPUT || !str_contains(world.ctx.fault.text, str_of(rows[i].why))) {
			fail_msg("%zu: %d %.*s", i, (int)err, STR_ARG(world.ctx.fault.text));
		}
	}
}

static void repeat(struct buf *buf, const char *text, size_t times)
{
	for (size_t i = 0; i < times; i++) {
		buf_add(buf, str_of(text));
	}
}

static void read__large__bounded(void **state)
{
	(void)state;
	struct buf text CLEANUP(buf_fini) = {0};
	buf_init(&text, (size_t)FEED_MAX_BYTES + 1);
	buf_add_lit(&text, "<rss><channel>");
	repeat(&text, "<item><title>x</title></item>", FEED_ITEMS_MAX + 1);
	buf_add_lit(&text, "<item><title>");
	struct world many CLEANUP(world_fini) = {0};
	size_t n = text.n;
	buf_add_lit(&text, "</title></item></channel></rss>");
	assert_int_equal(read_feed(&many, buf_str(&text)), ERR_OK);
	assert_int_equal(many.feed.count, FEED_ITEMS_MAX);
	assert_true(many.feed.is_cut);

	text.n = n;
	struct world deep CLEANUP(world_fini) = {0};
	repeat(&text, "<a>", 200);
	assert_int_equal(read_feed(&deep, buf_str(&text)), ERR_INPUT);
	assert_true(str_contains(deep.ctx.fault.text, STR("nested")));

	buf_clear(&text);
	buf_add_lit(&text, "<rss><channel><item><title>");
	repeat(&text, "長 <![CDATA[<p>]]>", FEED_MAX_BYTES / 40);
	buf_add_lit(&text, "</title></item></channel></rss>");
	struct world lengthy CLEANUP(world_fini) = {0};
	assert_int_equal(read_feed(&lengthy, buf_str(&text)), ERR_OK);
	assert_true(lengthy.feed.items[0].title.n <= FEED_TITLE_MAX_BYTES + 3);
	assert_true(utf8_is_valid(lengthy.feed.items[0].title));

	repeat(&text, " ", FEED_MAX_BYTES + 1 - text.n);
	struct world large CLEANUP(world_fini) = {0};
	assert_int_equal(read_feed(&large, buf_str(&text)), ERR_INPUT);
	assert_string_equal(large.ctx.fault.errcode, "M_TOO_LARGE");
}

static void date__forms__milliseconds(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t at_ms;
	} rows[] = {{"1970-01-01T00:00:01Z", 1000}, {"1970-01-02", 86400000},
		{"1970-01-01T08:00:01.25+08:00", 1000}, {"1970-01-01 00:00:01", 1000},
		{"Thu, 01 Jan 1970 00:00:01 GMT", 1000}, {"1 Jan 70 00:00 -0001", 60000},
		{"Thu, 1 January 1970 00:01 UT", 60000}, {"Wed, 31 Dec 1969 20:00:01 EDT", 0},
		{"Wed, 31 Dec 2025 19:00:00 EST", INT64_C(1767225600000)}, {"31 Feb 2026 00:00", 0},
		{"tomorrow", 0}, {"", 0}, {"2026-13-01", 0}, {"1 Foo 2026 00:00", 0}, {"1 Jan", 0}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (feed_date_read(str_of(rows[i].text)) != rows[i].at_ms) {
			fail_msg("%s: %lld", rows[i].text, (long long)feed_date_read(str_of(rows[i].text)));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read__rss2__items),
		cmocka_unit_test(read__rss1__items),
		cmocka_unit_test(read__atom__items),
		cmocka_unit_test(read__big5__is_utf8_afterwards),
		cmocka_unit_test(read__bad__refused_with_a_reason),
		cmocka_unit_test(read__large__bounded),
		cmocka_unit_test(date__forms__milliseconds),
	};
	return RUN_ALL(tests);
}
