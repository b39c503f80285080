/*
 * What is kept of users with whom a room is shared (remote_devices.h) needs no asking. Else it is one request for each server, side by
 * side. What comes back is checked key by key, since a server may speak for its
 * own users only, and clients trust what their server tells them: one bad key is left out alone.
 */
#include "federation/remote_keys.h"

#include "base/log.h"
#include "federation/errand.h"
#include "federation/fed_gather.h"
#include "federation/remote_devices.h"
#include "federation/remote_learn.h"
#include "http/memo.h"
#include "matrix/cross_key.h"
#include "matrix/device_key.h"
#include "matrix/str_set.h"

enum {
	ANSWER_BYTES = 16 << 20,  /* to one request */
	ANSWERS_BYTES = 32 << 20, /* to all that one request of a user needs */
	BYTES_A_VALUE = 16,       /* keys take more than twice as many */
	PART_USERS = 500,         /* of one request to a server */
	LEARN_BYTES = 1 << 20,    /* a request with more does not wait for that */
	LEARN_MAX = 5,            /* users of one query whose lists are fetched to be kept */
};

/* --- checking ----------------------------------------------------------------------------------------------- */

static void add(struct json *object, struct str key, struct json value)
{
	object->members[object->count++] = (struct json_member){.key = key, .value = value};
}

/* The section of an answer, or an empty object. */
static const struct json *section_of(const struct json *answer, struct str name)
{
	static const struct json none = {.type = JSON_OBJECT};
	const struct json *section = json_get(answer, name);
	return json_is(section, JSON_OBJECT) ? section : &none;
}

/* The key with no signatures but those by its owner. */
static struct json owned(struct arena *arena, const struct json *key, struct str user_id)
{
	const struct json *own = json_get(section_of(key, STR("signatures")), user_id);
	struct json signatures = json_object(arena, 1);
	if (json_is(own, JSON_OBJECT)) {
		add(&signatures, user_id, *own);
	}
	return json_with(arena, key, STR("signatures"), signatures);
}

/* A list of texts as a set. */
static struct str_set wanted_devices(struct arena *arena, const struct json *devices)
{
	struct str *ids = ARENA_NEW_ARRAY(arena, struct str, devices->count + 1);
	for (size_t i = 0; i < devices->count; i++) {
		ids[i] = json_text(&devices->items[i]);
	}
	return str_set_make(arena, ids, devices->count);
}

/* A name is shown; all else that may stand in `unsigned` is nobody's. */
static struct json with_name_only(struct arena *arena, const struct json *key)
{
	const struct json *told = json_at(key, "unsigned");
	struct json kept = json_object(arena, 1);
	struct str name = json_is(told, JSON_OBJECT) ? json_get_str(told, STR("device_display_name"))
												 : (struct str){0};
	if (name.p == NULL) {
		return json_without(arena, key, STR("unsigned"));
	}
	add(&kept, STR("device_display_name"), json_string(name));
	return json_with(arena, key, STR("unsigned"), kept);
}

static struct json check_devices(struct arena *arena, const struct json_member *asked,
	const struct json *devices)
{
	struct json kept = json_object(arena, devices->count);
	const struct str_set wanted = wanted_devices(arena, &asked->value);
	for (size_t i = 0; i < devices->count; i++) {
		const struct json_member *device = &devices->members[i];
		const struct key_owner owner = {.user_id = asked->key, .device_id = device->key};
		struct device_key key;
		struct field_error error;
		if ((wanted.count == 0 || str_set_has(&wanted, device->key)) &&
			device_key_read(arena, &device->value, &owner, &key, &error)) {
			struct json value = owned(arena, &device->value, asked->key);
			add(&kept, device->key, with_name_only(arena, &value));
		}
	}
	return kept;
}

static bool read_cross_key(struct arena *arena, const struct json *key, struct str user_id,
	enum cross_usage usage, struct cross_key *out)
{
	struct field_error error;
	return json_is(key, JSON_OBJECT) &&
		cross_key_read(arena, key, user_id, usage, STR("key"), out, &error);
}

/* A self-signing key counts only if the master key beside it has signed it. */
static void check_cross_keys(struct arena *arena, struct str user_id, const struct json *answer,
	struct json *masters, struct json *self_signings)
{
	const struct json *master = json_get(section_of(answer, STR("master_keys")), user_id);
	const struct json *self = json_get(section_of(answer, STR("self_signing_keys")), user_id);
	struct cross_key master_key;
	struct cross_key self_key;
	if (!read_cross_key(arena, master, user_id, CROSS_MASTER, &master_key)) {
		return;
	}
	add(masters, user_id, owned(arena, master, user_id));
	const struct key_signer signer = {user_id, master_key.public_key, master_key.public_key};
	if (read_cross_key(arena, self, user_id, CROSS_SELF_SIGNING, &self_key) &&
		key_is_signed_by(arena, self, &signer)) {
		add(self_signings, user_id, owned(arena, self, user_id));
	}
}

struct json remote_keys_check_query(struct arena *arena, const struct json *asked,
	const struct json *answer)
{
	struct json devices = json_object(arena, asked->count);
	struct json masters = json_object(arena, asked->count);
	struct json self_signings = json_object(arena, asked->count);
	struct json checked = json_object(arena, 3);
	const struct json *told = section_of(answer, STR("device_keys"));
	for (size_t i = 0; i < asked->count; i++) {
		const struct json *theirs = json_get(told, asked->members[i].key);
		if (json_is(theirs, JSON_OBJECT)) {
			add(&devices, asked->members[i].key, check_devices(arena, &asked->members[i], theirs));
		}
		check_cross_keys(arena, asked->members[i].key, answer, &masters, &self_signings);
	}
	add(&checked, STR("device_keys"), devices);
	add(&checked, STR("master_keys"), masters);
	add(&checked, STR("self_signing_keys"), self_signings);
	return checked;
}

/* The keys of one device, if they are one of the algorithm. */
static bool check_claimed(struct arena *arena, struct str user_id, const struct json_member *device,
	const struct json *keys)
{
	const struct key_owner owner = {.user_id = user_id, .device_id = device->key};
	struct one_time_key *list;
	size_t count;
	struct field_error error;
	return json_is(keys, JSON_OBJECT) && keys->count == 1 &&
		one_time_keys_read(arena, keys, &owner, false, &list, &count, &error) && count == 1 &&
		str_equals(list[0].algorithm, json_text(&device->value));
}

/* What of an answer to a claim counts: one key of the algorithm that was asked for, for each device. @return {"one_time_keys":…} */
struct json remote_keys_check_claim(struct arena *arena, const struct json *asked,
	const struct json *answer)
{
	struct json users = json_object(arena, asked->count);
	struct json checked = json_object(arena, 1);
	const struct json *told = section_of(answer, STR("one_time_keys"));
	for (size_t i = 0; i < asked->count; i++) {
		const struct json_member *user = &asked->members[i];
		const struct json *theirs = section_of(told, user->key);
		struct json devices = json_object(arena, user->value.count);
		for (size_t k = 0; k < user->value.count; k++) {
			const struct json_member *device = &user->value.members[k];
			const struct json *keys = json_get(theirs, device->key);
			if (check_claimed(arena, user->key, device, keys)) {
				add(&devices, device->key, *keys);
			}
		}
		if (devices.count > 0) {
			add(&users, user->key, devices);
		}
	}
	add(&checked, STR("one_time_keys"), users);
	return checked;
}

/* --- asking -------------------------------------------------------------------------------------------------- */

/*
 * How long an answer may be: a share of what all may tell together, by how many users it is about. How many are asked for is one
 * stranger's choice, and what they answer another's: 800 servers with 16 MiB each, which are few bytes when they are packed, end the process.
 */
static size_t answer_ceiling(size_t users, size_t all_users)
{
	size_t share = (size_t)ANSWERS_BYTES / MAX_OF(all_users, (size_t)1) * users;
	return MIN_OF(share, (size_t)ANSWER_BYTES);
}

/* Requests for parts of the asks, in their order. */
struct parts {
	struct e2ee_remote_ask *p;
	size_t n;
	size_t users; /* of all */
};

/* A server is asked for some users at a time: one answer for thousands would be too large, or come too late, and all be lost. */
static struct parts split(struct arena *arena, const struct e2ee_remote_ask *asks, size_t count)
{
	struct parts parts = {0};
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		n += asks[i].request.count / PART_USERS + 1;
	}
	parts.p = ARENA_NEW_ARRAY(arena, struct e2ee_remote_ask, n);
	for (size_t i = 0; i < count; i++) {
		const struct json *all = &asks[i].request;
		for (size_t at = 0; at < all->count; at += PART_USERS) {
			size_t users = MIN_OF(all->count - at, (size_t)PART_USERS);
			struct json some = {.type = JSON_OBJECT,
				.members = all->members + at,
				.count = (uint32_t)users};
			parts.p[parts.n++] =
				(struct e2ee_remote_ask){.server = asks[i].server, .request = some};
		}
		parts.users += all->count;
	}
	return parts;
}

static enum err ask_parts(struct federation *federation, struct ctx *ctx, struct parts *parts,
	int64_t timeout_ms, bool is_claim)
{
	struct fed_request *requests = ARENA_NEW_ARRAY(ctx->arena, struct fed_request, parts->n);
	struct fed_gathered *answers = ARENA_NEW_ARRAY(ctx->arena, struct fed_gathered, parts->n);
	for (size_t i = 0; i < parts->n; i++) {
		const struct e2ee_remote_ask *part = &parts->p[i];
		struct json *body = ARENA_NEW(ctx->arena, struct json);
		size_t ceiling = answer_ceiling(part->request.count, parts->users);
		*body = json_object(ctx->arena, 1);
		add(body, is_claim ? STR("one_time_keys") : STR("device_keys"), part->request);
		requests[i] = (struct fed_request){
			.server = part->server,
			.method = "POST",
			.target = is_claim ? STR("/_matrix/federation/v1/user/keys/claim")
							   : STR("/_matrix/federation/v1/user/keys/query"),
			.body = body,
			.answer_ceiling_bytes = ceiling,
			.answer_max_values = ceiling / BYTES_A_VALUE,
			.timeout_ms = MAX_OF(timeout_ms, (int64_t)1),
		};
	}
	TRY(fed_gather(ctx, federation, is_claim ? STR("claimed keys") : STR("keys"), requests,
		parts->n, answers));
	for (size_t i = 0; i < parts->n; i++) {
		struct e2ee_remote_ask *part = &parts->p[i];
		part->is_answered = answers[i].err == ERR_OK;
		if (part->is_answered) {
			part->answer = is_claim
				? remote_keys_check_claim(ctx->arena, &part->request, &answers[i].json)
				: remote_keys_check_query(ctx->arena, &part->request, &answers[i].json);
		}
	}
	return ERR_OK;
}

/* Both answers are checked, and no user is in both; what was not answered is no object. */
static struct json joined(struct arena *arena, const struct json *one, const struct json *other)
{
	if (one->type != JSON_OBJECT || other->type != JSON_OBJECT) {
		return one->type == JSON_OBJECT ? *one : *other;
	}
	struct json all = json_object(arena, one->count);
	for (size_t i = 0; i < one->count; i++) {
		const struct json *from[] = {&one->members[i].value, &other->members[i].value};
		struct json section = json_object(arena, from[0]->count + from[1]->count);
		for (size_t k = 0; k < COUNT_OF(from); k++) {
			for (size_t n = 0; n < from[k]->count; n++) {
				section.members[section.count++] = from[k]->members[n];
			}
		}
		add(&all, one->members[i].key, section);
	}
	return all;
}

static enum err ask_all(struct federation *federation, struct ctx *ctx,
	struct e2ee_remote_ask *asks, size_t count, int64_t timeout_ms, bool is_claim)
{
	TRY(ctx_may_ask(ctx));
	struct parts parts = split(ctx->arena, asks, count);
	TRY(ask_parts(federation, ctx, &parts, timeout_ms, is_claim));
	const struct e2ee_remote_ask *part = parts.p;
	for (size_t i = 0; i < count; i++) {
		asks[i].is_answered = true;
		for (size_t at = 0; at < asks[i].request.count; at += PART_USERS, part++) {
			asks[i].is_answered = asks[i].is_answered && part->is_answered;
			asks[i].answer = joined(ctx->arena, &asks[i].answer, &part->answer);
		}
	}
	return ERR_OK;
}

/* --- queries: from what is known here, as far as it goes ------------------------------------------------------- */

/* All users of all asks, in their order, and what is known of them. */
static const struct remote_keys *find_known(struct federation *federation, struct ctx *ctx,
	const struct e2ee_remote_ask *asks, size_t count)
{
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		n += asks[i].request.count;
	}
	struct str *ids = ARENA_NEW_ARRAY(ctx->arena, struct str, n);
	struct remote_keys *known = ARENA_NEW_ARRAY(ctx->arena, struct remote_keys, n);
	n = 0;
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < asks[i].request.count; k++) {
			ids[n++] = asks[i].request.members[k].key;
		}
	}
	if (remote_devices_find(ctx, federation, ids, n, known) != ERR_OK) {
		log_warn(ctx->request_id, "fed.keys.not_read", "cause=%.*s", STR_ARG(ctx->fault.cause));
		ctx->fault = (struct fault){0};
		return ARENA_NEW_ARRAY(ctx->arena, struct remote_keys, n); /* nothing is known */
	}
	return known;
}

static void add_if_set(struct json *object, struct str key, const struct json *value)
{
	if (value->type == JSON_OBJECT) {
		add(object, key, *value);
	}
}

/*
 * Answers from memory what it can.
 * @param known  one for each user of the ask
 * @return what is left to be asked
 */
static struct json answer_known(struct arena *arena, struct e2ee_remote_ask *ask,
	const struct remote_keys *known)
{
	struct json left = json_object(arena, ask->request.count);
	struct json asked = json_object(arena, ask->request.count);
	struct json devices = json_object(arena, ask->request.count);
	struct json masters = json_object(arena, ask->request.count);
	struct json self_signings = json_object(arena, ask->request.count);
	struct json found = json_object(arena, 3);
	for (size_t i = 0; i < ask->request.count; i++) {
		const struct json_member *member = &ask->request.members[i];
		add(known[i].is_known ? &asked : &left, member->key, member->value);
		if (known[i].is_known) {
			add_if_set(&devices, member->key, &known[i].devices);
			add_if_set(&masters, member->key, &known[i].master_key);
			add_if_set(&self_signings, member->key, &known[i].self_signing_key);
		}
	}
	add(&found, STR("device_keys"), devices);
	add(&found, STR("master_keys"), masters);
	add(&found, STR("self_signing_keys"), self_signings);
	ask->answer = remote_keys_check_query(arena, &asked, &found);
	ask->is_answered = left.count == 0;
	return left;
}

/* A query, as far as it goes without asking: in the memo of a call that asks. */
struct query {
	struct e2ee_remote_ask *asks; /* with what is known */
	const struct remote_keys *known;
	struct e2ee_remote_ask *rest; /* what is left, of rest_n of their servers */
	size_t *of;                   /* of[i]: the ask whose rest it is */
	size_t rest_n;
	bool is_asked; /* `asks` are complete */
	struct errand *learning[LEARN_MAX];
	size_t learning_n;
};

static struct query *begin_query(struct federation *federation, struct ctx *ctx,
	const struct e2ee_remote_ask *asks, size_t count)
{
	struct query *query = ARENA_NEW(ctx->arena, struct query);
	query->asks = ARENA_NEW_ARRAY(ctx->arena, struct e2ee_remote_ask, count);
	query->rest = ARENA_NEW_ARRAY(ctx->arena, struct e2ee_remote_ask, count);
	query->of = ARENA_NEW_ARRAY(ctx->arena, size_t, count);
	query->known = find_known(federation, ctx, asks, count);
	const struct remote_keys *known = query->known;
	for (size_t i = 0; i < count; known += asks[i].request.count, i++) {
		query->asks[i] = asks[i];
		struct e2ee_remote_ask rest = {
			.server = asks[i].server,
			.request = answer_known(ctx->arena, &query->asks[i], known),
		};
		if (rest.request.count > 0) {
			query->of[query->rest_n] = i;
			query->rest[query->rest_n++] = rest;
		}
	}
	return query;
}

/* Lists of those who share a room become known: from then on their servers tell of changes, and nobody needs to ask. */
static void learn(struct federation *federation, struct ctx *ctx, struct query *query, size_t count)
{
	const struct e2ee_remote_ask *asks = query->asks;
	const struct remote_keys *known = query->known;
	for (size_t i = 0; i < count; known += asks[i].request.count, i++) {
		for (size_t k = 0; asks[i].is_answered && k < asks[i].request.count; k++) {
			if (known[k].shares && !known[k].is_known && query->learning_n < LEARN_MAX) {
				struct user_id user = {asks[i].request.members[k].key};
				struct errand *errand = remote_learn(ctx, federation, user);
				query->learning[query->learning_n] = errand;
				query->learning_n += errand != NULL;
			}
		}
	}
}

static enum err ask_rest(struct federation *federation, struct ctx *ctx, struct query *query,
	int64_t timeout_ms)
{
	if (query->rest_n > 0) {
		TRY(ask_all(federation, ctx, query->rest, query->rest_n, timeout_ms, false));
	}
	for (size_t i = 0; i < query->rest_n; i++) {
		struct e2ee_remote_ask *ask = &query->asks[query->of[i]];
		ask->is_answered = query->rest[i].is_answered;
		ask->answer = joined(ctx->arena, &ask->answer, &query->rest[i].answer);
	}
	return ERR_OK;
}

/* Whoever asks once more is answered from here. A large answer does not wait in memory for that. */
static enum err await_learning(struct ctx *ctx, const struct query *query)
{
	for (size_t i = 0; i < query->learning_n; i++) {
		if (arena_used_bytes(ctx->arena) > LEARN_BYTES || !memo_hold(ctx, 0)) {
			return ERR_OK;
		}
		enum err err = errand_await(ctx, query->learning[i]);
		if (err == ERR_DEFER || err == ERR_SHUTDOWN) {
			return err;
		}
		ctx->fault = (struct fault){0}; /* it is asked again the next time */
	}
	return ERR_OK;
}

static enum err query(void *self, struct ctx *ctx, struct e2ee_remote_ask *asks, size_t count,
	int64_t timeout_ms)
{
	static const struct str memo_key = STR_INIT("known keys");
	struct federation *federation = self;
	struct query *query = memo_get(ctx->memo, memo_key);
	if (query == NULL) {
		query = begin_query(federation, ctx, asks, count);
		memo_put(ctx->memo, memo_key, query);
	}
	if (!query->is_asked) {
		TRY(ask_rest(federation, ctx, query, timeout_ms));
		learn(federation, ctx, query, count);
		query->is_asked = true;
	}
	for (size_t i = 0; i < count; i++) {
		asks[i] = query->asks[i];
	}
	return await_learning(ctx, query);
}

static enum err claim(void *self, struct ctx *ctx, struct e2ee_remote_ask *asks, size_t count,
	int64_t timeout_ms)
{
	return ask_all(self, ctx, asks, count, timeout_ms, true);
}

void remote_keys_fill_port(struct federation *federation, struct e2ee *e2ee)
{
	e2ee->remote.self = federation;
	e2ee->remote.query = query;
	e2ee->remote.claim = claim;
}
