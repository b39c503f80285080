/*
 * Who may be gone is asked for as of now, not as of the news: whoever has come back by then is told as one who came, by later news.
 */
#include "appservices/as_device_lists.h"

#include "base/vec.h"
#include "matrix/str_set.h"

enum {
	ASKED_AT_ONCE = 500,
	LISTED_BYTES = 8 << 20, /* nobody encrypts for so many */
};

typedef VEC(struct str) str_list;

bool as_news_is_crowd(const struct appservice_news *news)
{
	return news->kind == APPSERVICE_NEWS_ALL_CAME || news->kind == APPSERVICE_NEWS_ALL_WENT;
}

static bool is_crossing(const struct appservice_news *news)
{
	return as_news_is_crowd(news) || news->kind == APPSERVICE_NEWS_CAME ||
		news->kind == APPSERVICE_NEWS_WENT;
}

static void push_all(struct arena *arena, str_list *list, const struct str *texts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		VEC_PUSH(arena, list, texts[i]);
	}
}

static enum err add_changed(struct ctx *ctx, struct homeserver *hs, const struct as_draft *draft,
	str_list *changed)
{
	int64_t *positions = ARENA_NEW_ARRAY(ctx->arena, int64_t, draft->news_n);
	struct str *users;
	size_t user_n;
	size_t n = 0;
	for (size_t i = 0; i < draft->news_n && draft->news[i].position <= draft->up_to; i++) {
		if (draft->news[i].kind == APPSERVICE_NEWS_KEYS) {
			positions[n++] = draft->news[i].position;
		}
	}
	if (n == 0) {
		return ERR_OK;
	}
	TRY(store_appservice_key_changes(ctx, hs->db, positions, n, &users, &user_n));
	push_all(ctx->arena, changed, users, user_n);
	return ERR_OK;
}

/* Of those who went, whoever shares no room with users of the service, and is none of them. */
static enum err add_left(struct ctx *ctx, const struct as_draft *draft, const struct str *gone,
	size_t count, str_list *left)
{
	size_t place = (size_t)(draft->service - draft->set->items);
	for (size_t from = 0; from < count; from += ASKED_AT_ONCE) {
		size_t n = MIN_OF(count - from, (size_t)ASKED_AT_ONCE);
		bool *shares;
		TRY(as_interest_in_users(ctx, draft->interest, draft->set, gone + from, n, &shares));
		for (size_t i = 0; i < n; i++) {
			if (!shares[i * draft->set->count + place]) {
				VEC_PUSH(ctx->arena, left, gone[from + i]);
			}
		}
	}
	return ERR_OK;
}

static enum err add_crossings(struct ctx *ctx, struct homeserver *hs, const struct as_draft *draft,
	str_list *changed, str_list *left)
{
	struct appservice_news *news =
		ARENA_NEW_ARRAY(ctx->arena, struct appservice_news, draft->news_n);
	struct appservice_crossings crossings;
	size_t n = 0;
	for (size_t i = 0; i < draft->news_n && draft->news[i].position <= draft->up_to; i++) {
		if (is_crossing(&draft->news[i])) {
			news[n++] = draft->news[i];
		}
	}
	if (n == 0) {
		return ERR_OK;
	}
	TRY(store_appservice_crossings(ctx, hs->db, news, n, &crossings));
	push_all(ctx->arena, changed, crossings.came, crossings.came_n);
	return add_left(ctx, draft, crossings.gone, crossings.gone_n, left);
}

/* @param except  who is not named */
static void write_users(struct json_out *out, const char *name, const struct str_set *users,
	const struct str_set *except, size_t *count)
{
	json_out_key(out, str_of(name));
	json_out_array(out);
	for (size_t i = 0; i < users->count && out->buf->n < LISTED_BYTES; i++) {
		if (!str_set_has(except, users->items[i])) {
			json_out_str(out, users->items[i]);
			(*count)++;
		}
	}
	json_out_end(out);
}

enum err as_device_lists_write(struct ctx *ctx, struct homeserver *hs, const struct as_draft *draft,
	struct json_out *out, size_t *count)
{
	str_list changed_list = {0};
	str_list left_list = {0};
	const struct str_set nobody = {0};
	TRY(add_changed(ctx, hs, draft, &changed_list));
	TRY(add_crossings(ctx, hs, draft, &changed_list, &left_list));
	if (changed_list.n + left_list.n == 0) {
		return ERR_OK;
	}
	struct str_set changed = str_set_make(ctx->arena, changed_list.p, changed_list.n);
	struct str_set left = str_set_make(ctx->arena, left_list.p, left_list.n);
	json_out_key(out, STR("org.matrix.msc3202.device_lists"));
	json_out_object(out);
	write_users(out, "changed", &changed, &left, count); /* who is gone need not be asked for */
	write_users(out, "left", &left, &nobody, count);
	json_out_end(out);
	return ERR_OK;
}
