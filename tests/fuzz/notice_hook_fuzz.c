/*
 * What is sent to webhooks: the first line says which form, an event of GitHub or nothing for Slack; the rest is the JSON. What comes of it is
 * Markdown that is valid UTF-8, and that can be rendered unless it is too large or nothing is to be seen.
 */
#include "base/utf8.h"
#include "notices/notice_hook_forms.h"
#include "notices/notice_text.h"

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
	struct str event;
	struct str rest = STR("");
	struct str markdown = STR("");
	struct json payload;
	struct notice_markup markup;
	ctx_init(&ctx, arena);
	(void)str_split(str_from((const char *)data, size), '\n', &event, &rest);
	if (json_parse(arena, rest, NULL, &payload, NULL) != JSON_OK) {
		return 0;
	}
	if (event.n > 0) {
		hook_form_github(&ctx, event, &payload, &markdown);
	} else if (hook_form_slack(&ctx, &payload, &markdown) != ERR_OK) {
		return 0;
	}
	invariant(utf8_is_valid(markdown));
	enum err err = notice_text_render(&ctx, markdown, &markup);
	invariant(err == ERR_OK || err == ERR_INPUT);
	return 0;
}
