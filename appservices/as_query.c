/*
 * Names come from outside, so the memory of what was in vain has a ceiling: when it is full, all of it is forgotten.
 */
#include "appservices/as_query.h"

#include "appservices/as_call.h"
#include "appservices/as_interest.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "http/uri.h"
#include "storage/account.h"

enum {
	TIMEOUT_MS = 20 * 1000,
	ANSWER_CEILING_BYTES = 64 * 1024,
	IN_VAIN_MS = 10 * 1000,
	MAX_IN_VAIN = 10000,
	ATTEMPTS = 3, /* within TIMEOUT_MS: of a service that is just starting, say */
	PAUSE_MS = 250,
};

/* What was asked for in vain. */
struct vain {
	int64_t until_ms; /* monotonic */
	enum query_answer answer;
};

struct as_query {
	struct homeserver *hs;
	struct lock lock;
	struct cond never;  /* to wait with the lock; nobody signals it */
	struct map in_vain; /* id → struct vain *; guarded by lock */
};

static void forget_locked(struct as_query *query)
{
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&query->in_vain, &i, &key, &value)) {
		mem_free(value);
	}
	map_clear(&query->in_vain);
}

static bool was_in_vain(struct as_query *query, struct str id, enum query_answer *out)
{
	LOCK_SCOPE(&query->lock);
	const struct vain *vain = map_get(&query->in_vain, id);
	if (vain == NULL || vain->until_ms <= clock_mono_ms(&query->hs->clock)) {
		return false;
	}
	*out = vain->answer;
	return true;
}

static void note_in_vain(struct as_query *query, struct str id, enum query_answer answer)
{
	struct vain *vain = mem_alloc(sizeof(*vain));
	vain->until_ms = clock_mono_ms(&query->hs->clock) + IN_VAIN_MS;
	vain->answer = answer;
	LOCK_SCOPE(&query->lock);
	if (query->in_vain.n >= MAX_IN_VAIN) {
		forget_locked(query);
	}
	mem_free(map_set(&query->in_vain, id, vain));
}

static void pause_a_while(struct as_query *query)
{
	int64_t until_ms = clock_os_ms() + PAUSE_MS;
	LOCK_SCOPE(&query->lock);
	while (cond_wait_until(&query->never, &query->lock, until_ms)) {
	}
}

/* Who or what is asked for. */
struct wanted {
	struct str id;
	bool is_user;
	struct user_id user;     /* if it is one */
	struct room_alias alias; /* else */
};

/* One service, once. */
static enum query_answer ask_once(struct ctx *ctx, struct as_query *query,
	const struct appservice *service, const struct wanted *wanted, int64_t timeout_ms)
{
	const char *kind = wanted->is_user ? "users" : "rooms";
	struct str name = uri_encode(ctx->arena, wanted->id);
	struct fetched answer;
	const struct as_request request = {
		.service = service,
		.method = "GET",
		.path = str_printf(ctx->arena, "/_matrix/app/v1/%s/%.*s", kind, STR_ARG(name)),
		.legacy_path = str_printf(ctx->arena, "/%s/%.*s", kind, STR_ARG(name)),
		.answer_ceiling_bytes = ANSWER_CEILING_BYTES,
		.timeout_ms = timeout_ms,
	};
	enum err err = as_ask(ctx, query->hs->http_client, &request, &answer);
	ctx->fault = (struct fault){0};
	if (err != ERR_OK) {
		return QUERY_UNANSWERED;
	}
	return answer.status >= 200 && answer.status < 300 ? QUERY_MADE : QUERY_UNKNOWN;
}

/* Until it answers, or the time is over. */
static enum query_answer ask_service(struct ctx *ctx, struct as_query *query,
	const struct appservice *service, const struct wanted *wanted)
{
	const struct clock *clock = &query->hs->clock;
	int64_t limit_ms =
		MIN_OF((int64_t)TIMEOUT_MS, query->hs->settings.appservices.transaction_timeout_ms);
	int64_t until_ms = clock_mono_ms(clock) + limit_ms;
	enum query_answer answer = QUERY_UNANSWERED;
	for (int i = 0; i < ATTEMPTS && answer == QUERY_UNANSWERED; i++) {
		if (i > 0) {
			pause_a_while(query);
		}
		int64_t left_ms = until_ms - clock_mono_ms(clock);
		if (left_ms <= 0) {
			break;
		}
		answer = ask_once(ctx, query, service, wanted, left_ms);
	}
	return answer;
}

static bool is_in_namespace(const struct appservice *service, const struct wanted *wanted)
{
	return as_is_listening(service) &&
		(wanted->is_user ? appservice_has_user(service, wanted->user)
						 : appservice_has_alias(service, wanted->alias));
}

static enum err ask(struct as_query *query, struct ctx *ctx, const struct wanted *wanted,
	enum query_answer *out)
{
	struct appservice_set *set CLEANUP(appservice_set_cleanup) =
		appservices_hold(query->hs->appservices);
	bool is_asked = false;
	*out = QUERY_UNKNOWN;
	for (size_t i = 0; i < set->count && *out != QUERY_MADE; i++) {
		if (!is_in_namespace(&set->items[i], wanted) || was_in_vain(query, wanted->id, out)) {
			continue;
		}
		TRY(ctx_may_ask(ctx));
		is_asked = true;
		enum query_answer answer = ask_service(ctx, query, &set->items[i], wanted);
		*out = answer == QUERY_UNKNOWN ? *out : answer;
	}
	if (is_asked && *out != QUERY_MADE) {
		note_in_vain(query, wanted->id, *out);
	}
	return ERR_OK;
}

static bool may_have(struct as_query *query, const struct wanted *wanted)
{
	struct appservice_set *set CLEANUP(appservice_set_cleanup) =
		appservices_hold(query->hs->appservices);
	for (size_t i = 0; i < set->count; i++) {
		if (is_in_namespace(&set->items[i], wanted)) {
			return true;
		}
	}
	return false;
}

static enum err query_user(void *self, struct ctx *ctx, struct user_id user, enum query_answer *out)
{
	struct as_query *query = self;
	const struct wanted wanted = {.id = user.s, .is_user = true, .user = user};
	struct account_row account;
	*out = QUERY_UNKNOWN;
	if (!may_have(query, &wanted)) {
		return ERR_OK;
	}
	enum err err = store_account_find(ctx, query->hs->db, user.s, &account);
	if (err != ERR_MISSING) {
		return err;
	}
	return ask(query, ctx, &wanted, out);
}

static enum err query_alias(void *self, struct ctx *ctx, struct room_alias alias,
	enum query_answer *out)
{
	const struct wanted wanted = {.id = alias.s, .alias = alias};
	return ask(self, ctx, &wanted, out);
}

struct as_query *as_query_create(struct homeserver *hs)
{
	struct as_query *query = mem_alloc(sizeof(*query));
	query->hs = hs;
	lock_init(&query->lock, RANK_LEAF);
	cond_init(&query->never);
	map_init(&query->in_vain);
	hs->ports.query = (struct query_port){.self = query, .user = query_user, .alias = query_alias};
	return query;
}

void as_query_destroy(struct as_query *query)
{
	if (query == NULL) {
		return;
	}
	lock_take(&query->lock);
	forget_locked(query);
	lock_give(&query->lock);
	map_fini(&query->in_vain);
	cond_fini(&query->never);
	lock_fini(&query->lock);
	mem_free(query);
}
