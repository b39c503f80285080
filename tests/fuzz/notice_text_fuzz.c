/*
 * Markdown of notices: whatever comes in, the HTML has only tags that the specification lets through, each closed where it should
 * be, and no address that leads elsewhere than it may.
 */
#include <string.h>

#include "base/utf8.h"
#include "notices/notice_text.h"

enum { OPEN_MAX = 256 };

static const char *const tags[] = {"del", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "p",
	"a", "ul", "ol", "li", "strong", "em", "code", "hr", "br", "table", "thead", "tbody", "tr",
	"th", "td", "pre", "img"};

static const char *known(struct str name)
{
	for (size_t i = 0; i < COUNT_OF(tags); i++) {
		if (str_equals(name, str_of(tags[i]))) {
			return tags[i];
		}
	}
	return NULL;
}

static void check_attributes(struct str rest)
{
	static const struct str good[] = {STR_INIT(" href=\"http"), STR_INIT(" href=\"HTTP"),
		STR_INIT(" href=\"mailto:"), STR_INIT(" src=\"mxc://"), STR_INIT(" start=\""),
		STR_INIT(" class=\"language-")};
	bool is_good = rest.n == 0;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		is_good = is_good || str_equals_nocase(str_slice(rest, 0, good[i].n), good[i]);
	}
	invariant(is_good);
	size_t quotes = 0;
	for (size_t i = 0; i < rest.n; i++) {
		quotes += rest.p[i] == '"';
	}
	invariant(quotes == 0 || quotes == 2 || (quotes == 4 && str_starts_with(rest, good[3])));
}

static void check_html(struct str html)
{
	const char *open[OPEN_MAX];
	size_t depth = 0;
	for (size_t at; (at = str_find_byte(html, '<')) != SIZE_MAX;) {
		html = str_slice(html, at + 1, html.n);
		size_t end = str_find_byte(html, '>');
		invariant(end != SIZE_MAX);
		bool is_end = html.p[0] == '/';
		struct str inner = str_slice(html, is_end ? 1 : 0, end);
		size_t space = str_find_byte(inner, ' ');
		const char *name = known(space == SIZE_MAX ? inner : str_slice(inner, 0, space));
		invariant(name != NULL);
		check_attributes(space == SIZE_MAX ? STR("") : str_slice(inner, space, inner.n));
		if (is_end) {
			invariant(depth > 0 && open[--depth] == name);
		} else if (strcmp(name, "hr") != 0 && strcmp(name, "br") != 0 && strcmp(name, "img") != 0) {
			invariant(depth < OPEN_MAX);
			open[depth++] = name;
		}
	}
	invariant(depth == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_started;
	if (!is_started) {
		notice_text_start();
		is_started = true;
	}
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct ctx ctx;
	struct notice_markup markup;
	ctx_init(&ctx, arena);
	if (notice_text_render(&ctx, str_from((const char *)data, size), &markup) == ERR_OK) {
		invariant(utf8_is_valid(markup.html) && utf8_is_valid(markup.plain));
		invariant(markup.plain.n > 0);
		check_html(markup.html);
	}
	return 0;
}
