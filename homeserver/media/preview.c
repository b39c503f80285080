/*
 * A preview's way: known? else a turn, the page, its oEmbed document if it names one and says too little, its image; then
 * one JSON text, kept for all who ask. What fails on the way to the image only costs the image.
 */
#include "homeserver/media/preview.h"

#include <unistd.h>

#include "base/mem.h"
#include "homeserver/media/media_inner.h"
#include "homeserver/media/media_turn.h"
#include "homeserver/media/media_type.h"
#include "homeserver/media/preview_charset.h"
#include "homeserver/media/preview_image.h"
#include "homeserver/media/preview_page.h"
#include "http/client.h"
#include "storage/preview.h"

enum {
	AT_ONCE = 8, /* half of the remote lane's workers, as it comes */
	A_USERS = 3, /* of them, at most */
	WAIT_MS = 40000,
	PAGE_MS = 10000,
	OEMBED_MS = 5000,
	OEMBED_BYTES = 64 * 1024,
	REDIRECTS = 5,
	URL_BYTES = 2048,
	FAILURE_MS = 5 * 60 * 1000,
	ANSWER_BYTES = 256 * 1024,
	TEXT_CHARACTERS = 300,
};

struct previews {
	struct media_turns turns;
};

struct previews *previews_create(void)
{
	struct previews *previews = mem_alloc(sizeof(*previews));
	media_turns_init(&previews->turns, AT_ONCE, A_USERS, STR("previews"));
	return previews;
}

void previews_destroy(struct previews *previews)
{
	if (previews != NULL) {
		media_turns_fini(&previews->turns);
		mem_free(previews);
	}
}

/* --- fetching -------------------------------------------------------------------------------------------- */

struct page {
	struct str bytes; /* its beginning, in the arena */
	struct str type;  /* p == NULL: not known */
	struct str url;   /* after redirects */
};

/* An endless page, or just a long one: what matters stands at the beginning. */
static enum err fetch_page(struct ctx *ctx, struct homeserver *hs, struct str url, struct page *out)
{
	struct fetched answer;
	const struct fetch_header headers[] = {
		{STR("Accept"), STR("text/html,application/xhtml+xml,image/*;q=0.8,*/*;q=0.1")},
		{STR("Accept-Language"), hs->settings.media.preview_language},
	};
	TRY(http_client_fetch(ctx, hs->http_client,
		&(struct fetch){.method = "GET",
			.url = url,
			.headers = headers,
			.header_count = str_is_empty(hs->settings.media.preview_language) ? 1 : 2,
			.answer_ceiling_bytes = (size_t)hs->settings.media.preview_page_bytes,
			.takes_beginning = true,
			.timeout_ms = PAGE_MS,
			.redirects_allowed = REDIRECTS},
		&answer));
	if (answer.status < 200 || answer.status > 299) {
		return fail_cause(ctx, ERR_REMOTE, "preview: status %d", answer.status);
	}
	if (answer.final_url.n > URL_BYTES) {
		return fail_cause(ctx, ERR_REMOTE, "preview: redirected to a URL that is too long");
	}
	*out = (struct page){
		.bytes = answer.body,
		.type = fetched_header(&answer, "Content-Type"),
		.url = answer.final_url,
	};
	return ERR_OK;
}

static struct str text_field(struct arena *arena, const struct json *object, const char *key)
{
	const struct json *value = json_get(object, str_of(key));
	return json_is(value, JSON_STRING) ? preview_clean(arena, json_text(value), TEXT_CHARACTERS)
									   : (struct str){0};
}

/* Fills in what the page itself does not say. Spec: oembed.com */
static void add_oembed(struct ctx *ctx, struct homeserver *hs, struct preview_page *page)
{
	struct fetched answer;
	struct json object;
	size_t at;
	bool is_complete = page->title.p != NULL && page->image.p != NULL;
	if (page->oembed.p == NULL || is_complete ||
		http_client_fetch(ctx, hs->http_client,
			&(struct fetch){.method = "GET",
				.url = page->oembed,
				.answer_ceiling_bytes = OEMBED_BYTES,
				.timeout_ms = OEMBED_MS,
				.redirects_allowed = REDIRECTS},
			&answer) != ERR_OK ||
		answer.status != 200 ||
		json_parse(ctx->arena, answer.body, NULL, &object, &at) != JSON_OK ||
		object.type != JSON_OBJECT) {
		return;
	}
	if (page->title.p == NULL) {
		page->title = text_field(ctx->arena, &object, "title");
	}
	if (page->description.p == NULL) {
		page->description = text_field(ctx->arena, &object, "author_name");
	}
	if (page->image.p == NULL) {
		const struct json *image = json_get(&object, STR("thumbnail_url"));
		page->image = json_is(image, JSON_STRING)
			? preview_resolve(ctx->arena, page->oembed, json_text(image))
			: (struct str){0};
	}
}

/* --- one preview ------------------------------------------------------------------------------------------ */

static void write_answer(struct buf *text, const struct preview_page *page,
	const struct preview_image *image)
{
	struct json_out out;
	json_out_init(&out, text);
	json_out_object(&out);
	if (page->title.p != NULL) {
		json_out_key_str(&out, "og:title", page->title);
	}
	if (page->description.p != NULL) {
		json_out_key_str(&out, "og:description", page->description);
	}
	for (size_t i = 0; i < page->property_count; i++) {
		json_out_key(&out, page->properties[i].name);
		json_out_str(&out, page->properties[i].value);
	}
	if (image->uri.p != NULL) {
		json_out_key_str(&out, "og:image", image->uri);
		json_out_key_str(&out, "og:image:type", image->type);
		json_out_key_int(&out, "matrix:image:size", image->size_bytes);
	}
	if (image->uri.p != NULL && image->width > 0) {
		json_out_key_int(&out, "og:image:width", image->width);
		json_out_key_int(&out, "og:image:height", image->height);
	}
	json_out_end(&out);
}

static bool is_html(const struct page *page)
{
	struct str essence;
	struct str parameters;
	(void)str_split(page->type, ';', &essence, &parameters);
	essence = str_trim(essence);
	return page->type.p == NULL || str_equals_nocase(essence, STR("text/html")) ||
		str_equals_nocase(essence, STR("application/xhtml+xml"));
}

/* The name that a file has in its URL. */
static struct str name_in(struct arena *arena, struct str url)
{
	struct str path;
	struct str query;
	(void)str_split(url, '?', &path, &query);
	size_t slash = str_find_last_byte(path, '/');
	struct str name = slash != SIZE_MAX ? str_slice(path, slash + 1, path.n) : path;
	return preview_clean(arena, name, TEXT_CHARACTERS);
}

static enum err make(struct ctx *ctx, struct homeserver *hs, struct str url, struct str user_id,
	struct str *out_answer)
{
	struct page page;
	struct preview_page *said = ARENA_NEW(ctx->arena, struct preview_page);
	struct preview_image image = {0};
	struct buf text CLEANUP(buf_fini) = {0};
	TRY(fetch_page(ctx, hs, url, &page));
	if (media_type_sniff(page.bytes).p != NULL) {
		said->image = page.url;
		said->title = name_in(ctx->arena, page.url);
	} else if (is_html(&page)) {
		preview_page_read(ctx->arena, preview_to_utf8(ctx->arena, page.bytes, page.type), page.url,
			said);
		add_oembed(ctx, hs, said);
	}
	if (said->image.p != NULL) {
		preview_image_fetch(ctx, hs, said->image, user_id, &image);
	}
	ctx->fault = (struct fault){0};
	buf_init(&text, ANSWER_BYTES);
	write_answer(&text, said, &image);
	*out_answer = str_dup(ctx->arena, buf_str(&text));
	return buf_ok(&text) ? ERR_OK : fail_cause(ctx, ERR_REMOTE, "preview: the page says too much");
}

static enum err find(struct ctx *ctx, struct homeserver *hs, struct str hash,
	struct str *out_answer)
{
	return store_preview_find(ctx, hs->db, hash, clock_wall_ms(&hs->clock), out_answer);
}

static enum err find_or_make(struct call *call, struct str url, struct str hash,
	struct str *out_answer)
{
	struct ctx *ctx = &call->ctx;
	struct homeserver *hs = hs_of(call);
	enum err err = find(ctx, hs, hash, out_answer);
	if (err != ERR_MISSING) {
		return err;
	}
	err = make(ctx, hs, url, principal_of(call)->user.s, out_answer);
	if (err == ERR_SHUTDOWN || err == ERR_STORE) {
		return err;
	}
	int64_t lifetime_ms =
		err == ERR_OK ? hs->settings.media.preview_lifetime_ms : (int64_t)FAILURE_MS;
	*out_answer = err == ERR_OK ? *out_answer : (struct str){0};
	ctx->fault = (struct fault){0};
	return store_preview_set(ctx, hs->db, hash, *out_answer,
		clock_wall_ms(&hs->clock) + lifetime_ms);
}

static enum err check_url(struct ctx *ctx, struct str *url)
{
	struct str rest;
	struct str fragment;
	bool is_web = str_starts_with(*url, STR("http://")) || str_starts_with(*url, STR("https://"));
	if (!is_web || url->n > URL_BYTES || str_find_byte(*url, '\0') != SIZE_MAX) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "'url' must be an http or https URL");
	}
	(void)str_split(*url, '#', &rest, &fragment);
	*url = rest;
	return ERR_OK;
}

enum err preview_await(struct call *call, struct str url, struct str *out_answer,
	bool *out_is_parked)
{
	struct ctx *ctx = &call->ctx;
	struct homeserver *hs = hs_of(call);
	struct media_turns *turns = &hs->media->previews->turns;
	unsigned char bytes[SHA256_BYTES];
	*out_is_parked = false;
	TRY(check_url(ctx, &url));
	crypto_sha256(url, bytes);
	struct str hash = str_from((const char *)bytes, sizeof(bytes));
	struct media_turn turn = {.key = hash, .user = principal_of(call)->user.s};
	enum err err = find(ctx, hs, hash, out_answer);
	if (err == ERR_MISSING) {
		TRY(media_turn_await(call, turns, &turn, WAIT_MS, out_is_parked));
		if (*out_is_parked) {
			return ERR_OK;
		}
		err = find_or_make(call, url, hash, out_answer);
		media_turn_end(hs->media, turns, &turn);
	}
	TRY(err);
	return out_answer->p != NULL ? ERR_OK
								 : fail(ctx, ERR_REMOTE, M_UNKNOWN, "The page cannot be fetched");
}
