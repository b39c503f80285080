/*
 * The services of a protocol are asked one after the other: a school has few, and what they say of it is mostly in memory.
 */
#include "appservices/as_third_party.h"

#include <string.h>

#include "appservices/as_call.h"
#include "appservices/as_interest.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "http/uri.h"

enum {
	TIMEOUT_MS = 10 * 1000,
	PROTOCOL_CEILING_BYTES = 64 * 1024,
	MATCHES_CEILING_BYTES = 1 << 20,
	MATCHES_MAX = 1000, /* of one question, over all services */
	KEPT_MS = 60 * 1000,
	MAX_KEPT = 1000,
};

#define STABLE "/_matrix/app/v1/thirdparty"
#define LEGACY "/_matrix/app/unstable/thirdparty"

/* What a service said of a protocol. */
struct kept {
	struct str text; /* on the heap; p == NULL: nothing, or nonsense */
	int64_t until_ms;
};

struct as_third_party {
	struct homeserver *hs;
	struct lock lock;
	struct map kept; /* service id, newline, protocol → struct kept *; guarded by lock */
};

struct values {
	struct json *p;
	size_t n, capacity; /* a VEC */
};

/* --- forms ------------------------------------------------------------------------------------------------------ */

static bool are_strings(const struct json *list)
{
	bool are = json_is(list, JSON_ARRAY);
	for (size_t i = 0; are && i < list->count; i++) {
		are = list->items[i].type == JSON_STRING;
	}
	return are;
}

static bool are_field_types(const struct json *types)
{
	bool are = json_is(types, JSON_OBJECT);
	for (size_t i = 0; are && i < types->count; i++) {
		const struct json *type = &types->members[i].value;
		are = json_get_str(type, STR("regexp")).p != NULL &&
			json_get_str(type, STR("placeholder")).p != NULL;
	}
	return are;
}

static bool are_instances(const struct json *instances)
{
	bool are = json_is(instances, JSON_ARRAY);
	for (size_t i = 0; are && i < instances->count; i++) {
		const struct json *instance = &instances->items[i];
		are = json_get_str(instance, STR("desc")).p != NULL &&
			json_get_str(instance, STR("network_id")).p != NULL &&
			json_is(json_at(instance, "fields"), JSON_OBJECT);
	}
	return are;
}

/* Spec: definitions/protocol.yaml */
static bool is_protocol(const struct json *value)
{
	return are_strings(json_at(value, "user_fields")) &&
		are_strings(json_at(value, "location_fields")) &&
		json_get_str(value, STR("icon")).p != NULL &&
		are_field_types(json_at(value, "field_types")) &&
		are_instances(json_at(value, "instances"));
}

/* Spec: definitions/location.yaml, definitions/user.yaml */
static bool is_match(enum third_party_kind kind, const struct json *value)
{
	struct str id = kind == THIRD_PARTY_LOCATION ? STR("alias") : STR("userid");
	return json_get_str(value, id).p != NULL && json_get_str(value, STR("protocol")).p != NULL &&
		json_is(json_at(value, "fields"), JSON_OBJECT);
}

/* --- asking ----------------------------------------------------------------------------------------------------- */

/* @param path  behind "/thirdparty", escaped. @return false when there is no answer of use; the tree is in the ctx's arena */
static bool is_told(struct as_third_party *self, struct ctx *ctx, const struct appservice *service,
	struct str path, struct str query, size_t ceiling_bytes, struct json *out)
{
	struct fetched answer;
	const struct as_request request = {
		.service = service,
		.method = "GET",
		.path = str_printf(ctx->arena, STABLE "%.*s", STR_ARG(path)),
		.legacy_path = str_printf(ctx->arena, LEGACY "%.*s", STR_ARG(path)),
		.query = query,
		.answer_ceiling_bytes = ceiling_bytes,
		.timeout_ms =
			MIN_OF((int64_t)TIMEOUT_MS, self->hs->settings.appservices.transaction_timeout_ms),
	};
	bool is_good = as_ask(ctx, self->hs->http_client, &request, &answer) == ERR_OK &&
		answer.status == 200 && json_parse(ctx->arena, answer.body, NULL, out, NULL) == JSON_OK;
	ctx->fault = (struct fault){0};
	return is_good;
}

static bool has_protocol(const struct appservice *service, struct str protocol)
{
	bool has = false;
	for (size_t i = 0; i < service->reg.protocol_count && !has; i++) {
		has = str_equals(service->reg.protocols[i], protocol);
	}
	return has && as_is_listening(service);
}

/* --- protocols -------------------------------------------------------------------------------------------------- */

static void forget_locked(struct as_third_party *self)
{
	size_t i = 0;
	struct str key;
	void *value;
	while (map_next(&self->kept, &i, &key, &value)) {
		struct kept *kept = value;
		str_free(kept->text);
		mem_free(kept);
	}
	map_clear(&self->kept);
}

/* @return false when the service has to be asked; *out_text is in the arena, p == NULL: it said nothing of use */
static bool is_kept(struct as_third_party *self, struct arena *arena, struct str key,
	struct str *out_text)
{
	LOCK_SCOPE(&self->lock);
	const struct kept *kept = map_get(&self->kept, key);
	if (kept == NULL || kept->until_ms <= clock_mono_ms(&self->hs->clock)) {
		return false;
	}
	*out_text = kept->text.p != NULL ? str_dup(arena, kept->text) : (struct str){0};
	return true;
}

static void keep(struct as_third_party *self, struct str key, struct str text)
{
	struct kept *kept = mem_alloc(sizeof(*kept));
	kept->text = text.p != NULL ? str_heap(text) : (struct str){0};
	kept->until_ms = clock_mono_ms(&self->hs->clock) + KEPT_MS;
	LOCK_SCOPE(&self->lock);
	if (self->kept.n >= MAX_KEPT) {
		forget_locked(self);
	}
	struct kept *before = map_set(&self->kept, key, kept);
	if (before != NULL) {
		str_free(before->text);
		mem_free(before);
	}
}

/* What one service says of a protocol. @return false when that is nothing of use */
static bool describe(struct as_third_party *self, struct ctx *ctx, const struct appservice *service,
	struct str protocol, struct json *out)
{
	struct str key =
		str_printf(ctx->arena, "%.*s\n%.*s", STR_ARG(service->reg.id), STR_ARG(protocol));
	struct str text;
	if (is_kept(self, ctx->arena, key, &text)) {
		return text.p != NULL && json_parse(ctx->arena, text, NULL, out, NULL) == JSON_OK;
	}
	struct str name = uri_encode(ctx->arena, protocol);
	bool is_good =
		is_told(self, ctx, service, str_printf(ctx->arena, "/protocol/%.*s", STR_ARG(name)),
			STR(""), PROTOCOL_CEILING_BYTES, out) &&
		is_protocol(out);
	keep(self, key, is_good ? json_raw(out) : (struct str){0});
	return is_good;
}

/* A protocol as several services bridge it: as the first describes it, with the instances of all. */
struct bridged {
	struct json first;
	struct values instances;
};

static bool collect(struct as_third_party *self, struct ctx *ctx, const struct appservice_set *set,
	struct str protocol, struct bridged *out)
{
	bool is_any = false;
	*out = (struct bridged){0};
	for (size_t i = 0; i < set->count; i++) {
		const struct appservice *service = &set->items[i];
		struct json told;
		if (!has_protocol(service, protocol) || !describe(self, ctx, service, protocol, &told)) {
			continue;
		}
		out->first = is_any ? out->first : told;
		is_any = true;
		const struct json *instances = json_at(&told, "instances");
		for (size_t k = 0; k < instances->count; k++) {
			struct str network = json_get_str(&instances->items[k], STR("network_id"));
			struct str id =
				str_printf(ctx->arena, "%.*s|%.*s", STR_ARG(service->reg.id), STR_ARG(network));
			VEC_PUSH(ctx->arena, &out->instances,
				json_with(ctx->arena, &instances->items[k], STR("instance_id"), json_string(id)));
		}
	}
	return is_any;
}

static void write_bridged(const struct bridged *bridged, struct json_out *out)
{
	json_out_object(out);
	for (size_t i = 0; i < bridged->first.count; i++) {
		const struct json_member *member = &bridged->first.members[i];
		if (!str_equals(member->key, STR("instances"))) {
			json_out_key(out, member->key);
			json_out_value(out, &member->value);
		}
	}
	json_out_key_array(out, "instances");
	for (size_t i = 0; i < bridged->instances.n; i++) {
		json_out_value(out, &bridged->instances.p[i]);
	}
	json_out_end(out);
	json_out_end(out);
}

static enum err write_protocol(void *data, struct ctx *ctx, struct str protocol,
	struct json_out *out)
{
	struct as_third_party *self = data;
	struct appservice_set *set CLEANUP(appservice_set_cleanup) =
		appservices_hold(self->hs->appservices);
	struct bridged bridged;
	TRY(ctx_may_ask(ctx));
	if (!collect(self, ctx, set, protocol, &bridged)) {
		return ERR_MISSING;
	}
	write_bridged(&bridged, out);
	return ERR_OK;
}

static enum err write_protocols(void *data, struct ctx *ctx, struct json_out *out)
{
	struct as_third_party *self = data;
	struct appservice_set *set CLEANUP(appservice_set_cleanup) =
		appservices_hold(self->hs->appservices);
	TRY(ctx_may_ask(ctx));
	struct map seen;
	map_init(&seen);
	json_out_object(out);
	for (size_t i = 0; i < set->count; i++) {
		const struct registration *reg = &set->items[i].reg;
		for (size_t k = 0; k < reg->protocol_count; k++) {
			struct bridged bridged;
			if (map_set(&seen, reg->protocols[k], set) == NULL &&
				collect(self, ctx, set, reg->protocols[k], &bridged)) {
				json_out_key(out, reg->protocols[k]);
				write_bridged(&bridged, out);
			}
		}
	}
	json_out_end(out);
	map_fini(&seen);
	return ERR_OK;
}

/* --- locations and users ------------------------------------------------------------------------------------------ */

static void gather(struct as_third_party *self, struct ctx *ctx, const struct appservice *service,
	enum third_party_kind kind, struct str path, struct str query, struct values *found)
{
	struct json told;
	if (!is_told(self, ctx, service, path, query, MATCHES_CEILING_BYTES, &told) ||
		told.type != JSON_ARRAY) {
		return;
	}
	for (size_t i = 0; i < told.count && found->n < MATCHES_MAX; i++) {
		if (is_match(kind, &told.items[i])) {
			VEC_PUSH(ctx->arena, found, told.items[i]);
		}
	}
}

static enum err write_found(const struct values *found, struct json_out *out)
{
	if (found->n == 0) {
		return ERR_MISSING;
	}
	json_out_array(out);
	for (size_t i = 0; i < found->n; i++) {
		json_out_value(out, &found->p[i]);
	}
	json_out_end(out);
	return ERR_OK;
}

/* The client's fields; its access token is no business of a bridge. */
static struct str fields_of(struct arena *arena, struct str query)
{
	char *kept = arena_alloc(arena, query.n + 1);
	size_t n = 0;
	struct str rest = query;
	while (rest.n > 0) {
		struct str pair;
		struct str key;
		struct str value;
		struct str name;
		(void)str_split(rest, '&', &pair, &rest);
		(void)str_split(pair, '=', &key, &value);
		if (uri_decode(arena, key, &name) && name.n > 0 && !str_equals(name, STR("access_token"))) {
			memcpy(kept + n, pair.p, pair.n);
			n += pair.n;
			kept[n++] = '&';
		}
	}
	return str_from(kept, n > 0 ? n - 1 : 0);
}

static struct str folder_of(enum third_party_kind kind)
{
	return kind == THIRD_PARTY_LOCATION ? STR("/location") : STR("/user");
}

static enum err write_matches(void *data, struct ctx *ctx, enum third_party_kind kind,
	struct str protocol, struct str query, struct json_out *out)
{
	struct as_third_party *self = data;
	struct appservice_set *set CLEANUP(appservice_set_cleanup) =
		appservices_hold(self->hs->appservices);
	TRY(ctx_may_ask(ctx));
	struct str folder = folder_of(kind);
	struct str name = uri_encode(ctx->arena, protocol);
	struct str path = str_printf(ctx->arena, "%.*s/%.*s", STR_ARG(folder), STR_ARG(name));
	struct values found = {0};
	for (size_t i = 0; i < set->count; i++) {
		if (has_protocol(&set->items[i], protocol)) {
			gather(self, ctx, &set->items[i], kind, path, fields_of(ctx->arena, query), &found);
		}
	}
	return write_found(&found, out);
}

static enum err write_matches_of(void *data, struct ctx *ctx, enum third_party_kind kind,
	struct str id, struct json_out *out)
{
	struct as_third_party *self = data;
	struct appservice_set *set CLEANUP(appservice_set_cleanup) =
		appservices_hold(self->hs->appservices);
	TRY(ctx_may_ask(ctx));
	struct str escaped = uri_encode(ctx->arena, id);
	struct str query = str_printf(ctx->arena, "%s=%.*s",
		kind == THIRD_PARTY_LOCATION ? "alias" : "userid", STR_ARG(escaped));
	struct values found = {0};
	for (size_t i = 0; i < set->count; i++) {
		if (set->items[i].reg.protocol_count > 0 && as_is_listening(&set->items[i])) {
			gather(self, ctx, &set->items[i], kind, folder_of(kind), query, &found);
		}
	}
	return write_found(&found, out);
}

struct as_third_party *as_third_party_create(struct homeserver *hs)
{
	struct as_third_party *self = mem_alloc(sizeof(*self));
	self->hs = hs;
	lock_init(&self->lock, RANK_LEAF);
	map_init(&self->kept);
	hs->ports.third_party = (struct third_party_port){
		.self = self,
		.write_protocols = write_protocols,
		.write_protocol = write_protocol,
		.write_matches = write_matches,
		.write_matches_of = write_matches_of,
	};
	return self;
}

void as_third_party_destroy(struct as_third_party *third_party)
{
	if (third_party == NULL) {
		return;
	}
	lock_take(&third_party->lock);
	forget_locked(third_party);
	lock_give(&third_party->lock);
	map_fini(&third_party->kept);
	lock_fini(&third_party->lock);
	mem_free(third_party);
}
