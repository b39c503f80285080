/*
 * The request: its body is parsed once and kept while it waits. What is kept is copied out of the parsed JSON, which takes many times as much.
 */
#include "base/arena_sized.h"
#include "base/map.h"
#include "base/mem.h"
#include "homeserver/account/accounts.h"
#include "homeserver/sync/sliding_inner.h"

enum {
	REQUEST_BYTES = 1024, /* mostly */
	REQUEST_MAX_BYTES = 768 << 10,
};

static enum err refuse(struct call *call, const struct field_error *error)
{
	return fail(&call->ctx, ERR_INPUT, error->errcode, "%.*s %s", STR_ARG(error->field),
		error->text);
}

static enum err fail_field(struct call *call, const char *errcode, const char *key,
	const char *text)
{
	const struct field_error error = {errcode, str_of(key), text};
	return refuse(call, &error);
}

/* --- filters ------------------------------------------------------------------------------------------ */

static enum err read_wish(struct call *call, const struct json *object, const char *key,
	enum sliding_wish *out)
{
	const struct json *value = json_get(object, str_of(key));
	if (value == NULL || json_is(value, JSON_NULL)) {
		*out = SLIDING_ANY;
		return ERR_OK;
	}
	bool is_true;
	TRY(body_opt_bool(call, object, key, false, &is_true));
	*out = is_true ? SLIDING_ONLY : SLIDING_NONE;
	return ERR_OK;
}

/* Texts of an array; where `null_is_empty`, null counts as the empty one. */
static enum err read_names(struct call *call, struct arena *arena, const struct json *object,
	const char *key, bool null_is_empty, struct sliding_names *out)
{
	const struct json *array;
	TRY(body_opt_array(call, object, key, &array));
	*out = (struct sliding_names){.is_given = array != NULL};
	if (array == NULL) {
		return ERR_OK;
	}
	if (array->count > SLIDING_NAMES_MAX) {
		return fail_field(call, M_TOO_LARGE, key, "has too many entries");
	}
	struct str *texts = ARENA_NEW_ARRAY(call->ctx.arena, struct str, array->count);
	for (size_t i = 0; i < array->count; i++) {
		const struct json *item = &array->items[i];
		bool is_null = null_is_empty && json_is(item, JSON_NULL);
		if (!is_null && !json_is(item, JSON_STRING)) {
			return fail_field(call, M_BAD_JSON, key, "must be an array of strings");
		}
		texts[i] = is_null ? STR("") : str_dup(arena, json_text(item));
	}
	out->set = str_set_make(arena, texts, array->count);
	return ERR_OK;
}

static enum err read_filter(struct call *call, struct arena *arena, const struct json *list,
	struct sliding_filter *out)
{
	const struct json *filters;
	*out = (struct sliding_filter){0};
	TRY(body_opt_object(call, list, "filters", &filters));
	if (filters == NULL) {
		return ERR_OK;
	}
	TRY(read_wish(call, filters, "is_dm", &out->direct));
	TRY(read_wish(call, filters, "is_encrypted", &out->encrypted));
	TRY(read_wish(call, filters, "is_invite", &out->invited));
	TRY(read_names(call, arena, filters, "spaces", false, &out->spaces));
	TRY(read_names(call, arena, filters, "room_types", true, &out->types));
	TRY(read_names(call, arena, filters, "not_room_types", true, &out->not_types));
	TRY(read_names(call, arena, filters, "tags", false, &out->tags));
	TRY(read_names(call, arena, filters, "not_tags", false, &out->not_tags));
	out->asks_state =
		out->encrypted != SLIDING_ANY || out->types.is_given || out->not_types.set.count > 0;
	return ERR_OK;
}

/* --- lists and subscriptions -------------------------------------------------------------------------- */

static enum err read_ranges(struct call *call, struct arena *arena, const struct json *list,
	struct sliding_list *out)
{
	const struct json *ranges;
	TRY(body_opt_array(call, list, "ranges", &ranges));
	out->has_all = ranges == NULL;
	if (ranges == NULL) {
		return ERR_OK;
	}
	if (ranges->count > SLIDING_RANGES_MAX) {
		return fail_field(call, M_TOO_LARGE, "ranges", "has too many entries");
	}
	out->ranges = ARENA_NEW_ARRAY(arena, struct sliding_range, ranges->count);
	for (size_t i = 0; i < ranges->count; i++) {
		const struct json *range = &ranges->items[i];
		if (!json_is(range, JSON_ARRAY) || range->count != 2 ||
			!json_is(&range->items[0], JSON_INT) || !json_is(&range->items[1], JSON_INT)) {
			return fail_field(call, M_BAD_JSON, "ranges", "must be pairs of integers");
		}
		out->ranges[i] = (struct sliding_range){range->items[0].integer, range->items[1].integer};
		if (out->ranges[i].from < 0 || out->ranges[i].to < 0) {
			return fail_field(call, M_INVALID_PARAM, "ranges", "must not be negative");
		}
	}
	out->range_n = ranges->count;
	return ERR_OK;
}

/* Mostly it is the same as the one before, and then takes no memory of its own. */
static enum err read_config(struct call *call, const struct sliding_request *request,
	const struct json *object, const struct sliding_config *last, struct sliding_config *out)
{
	struct field_error error;
	if (!sliding_config_read(call->ctx.arena, object, principal_of(call)->user.s, out, &error)) {
		return refuse(call, &error);
	}
	bool is_same = last != NULL && sliding_config_compare(out, last) == 0;
	*out = is_same ? *last : sliding_config_dup(request->arena, out);
	return ERR_OK;
}

static enum err read_lists(struct call *call, struct sliding_request *request,
	const struct json *body)
{
	const struct json *lists;
	TRY(body_opt_object(call, body, "lists", &lists));
	if (lists == NULL) {
		return ERR_OK;
	}
	if (lists->count > SLIDING_LISTS_MAX) {
		return fail_field(call, M_INVALID_PARAM, "lists", "has too many members");
	}
	size_t entry_n = 0;
	request->lists = ARENA_NEW_ARRAY(request->arena, struct sliding_list, lists->count);
	for (size_t i = 0; i < lists->count; i++) {
		struct sliding_list *list = &request->lists[i];
		const struct json *object = &lists->members[i].value;
		list->name = str_dup(request->arena, lists->members[i].key);
		if (!json_is(object, JSON_OBJECT)) {
			return fail_field(call, M_BAD_JSON, "lists", "must have objects as members");
		}
		TRY(read_ranges(call, request->arena, object, list));
		TRY(read_config(call, request, object, i > 0 ? &list[-1].config : NULL, &list->config));
		entry_n += list->config.entry_n;
		if (entry_n > SLIDING_LIST_ENTRIES_MAX) {
			return fail_field(call, M_TOO_LARGE, "lists",
				"have too many entries of required_state");
		}
		TRY(read_filter(call, request->arena, object, &list->filter));
	}
	request->list_n = lists->count;
	return ERR_OK;
}

static enum err read_subscriptions(struct call *call, struct sliding_request *request,
	const struct json *body)
{
	const struct json *rooms;
	TRY(body_opt_object(call, body, "room_subscriptions", &rooms));
	if (rooms == NULL) {
		return ERR_OK;
	}
	if (rooms->count > SLIDING_SUBSCRIPTIONS_MAX) {
		return fail_field(call, M_INVALID_PARAM, "room_subscriptions", "has too many members");
	}
	request->subscriptions =
		ARENA_NEW_ARRAY(request->arena, struct sliding_subscription, rooms->count);
	for (size_t i = 0; i < rooms->count; i++) {
		struct sliding_subscription *subscription = &request->subscriptions[i];
		subscription->room_id = str_dup(request->arena, rooms->members[i].key);
		if (!json_is(&rooms->members[i].value, JSON_OBJECT)) {
			return fail_field(call, M_BAD_JSON, "room_subscriptions",
				"must have objects as members");
		}
		TRY(read_config(call, request, &rooms->members[i].value,
			i > 0 ? &subscription[-1].config : NULL, &subscription->config));
	}
	request->subscription_n = rooms->count;
	return ERR_OK;
}

/* --- extensions ----------------------------------------------------------------------------------------- */

static enum err read_extension(struct call *call, struct arena *arena,
	const struct json *extensions, const char *key, struct sliding_extension *out)
{
	const struct json *object;
	TRY(body_opt_object(call, extensions, key, &object));
	if (object == NULL) {
		return ERR_OK;
	}
	TRY(body_opt_bool(call, object, "enabled", false, &out->is_enabled));
	TRY(read_names(call, arena, object, "lists", false, &out->lists));
	return read_names(call, arena, object, "rooms", false, &out->rooms);
}

static enum err read_messages(struct call *call, struct sliding_request *request,
	const struct json *extensions)
{
	const struct json *object;
	struct str since;
	int64_t most;
	TRY(body_opt_object(call, extensions, "to_device", &object));
	if (object == NULL) {
		return ERR_OK;
	}
	TRY(body_opt_bool(call, object, "enabled", false, &request->has_messages));
	TRY(body_opt_int(call, object, "limit", 1, INT64_MAX, INT64_MAX, &most));
	TRY(body_opt_str(call, object, "since", &since));
	request->messages_max = (size_t)most;
	if (since.p != NULL && !str_to_int(since, 0, INT64_MAX - 1, &request->messages_since)) {
		return fail_field(call, M_INVALID_PARAM, "extensions.to_device.since",
			"must be a next_batch of this server");
	}
	return ERR_OK;
}

static enum err read_extensions(struct call *call, struct sliding_request *request,
	const struct json *body)
{
	const struct json *extensions;
	const struct json *encryption;
	TRY(body_opt_object(call, body, "extensions", &extensions));
	if (extensions == NULL) {
		return ERR_OK;
	}
	TRY(body_opt_object(call, extensions, "e2ee", &encryption));
	if (encryption != NULL) {
		TRY(body_opt_bool(call, encryption, "enabled", false, &request->has_encryption));
	}
	TRY(read_messages(call, request, extensions));
	TRY(read_extension(call, request->arena, extensions, "receipts", &request->receipts));
	TRY(read_extension(call, request->arena, extensions, "typing", &request->typing));
	return read_extension(call, request->arena, extensions, "account_data", &request->account_data);
}

/* --- the whole ------------------------------------------------------------------------------------------ */

static enum err read_body(struct call *call, struct sliding_request *request)
{
	const struct json *object;
	struct str conn_id;
	TRY(call_json(call, &object));
	request->wish = hash_bytes(call_body(call));
	TRY(body_opt_str(call, object, "conn_id", &conn_id));
	if (conn_id.n > 255) {
		return fail_field(call, M_TOO_LARGE, "conn_id", "has more than 255 bytes");
	}
	request->conn_id = conn_id.p != NULL ? str_dup(request->arena, conn_id) : STR("");
	TRY(read_lists(call, request, object));
	TRY(read_subscriptions(call, request, object));
	TRY(read_extensions(call, request, object));
	/* Very many may wait, each with this. */
	return arena_used_bytes(request->arena) > REQUEST_MAX_BYTES
		? fail(&call->ctx, ERR_INPUT, M_TOO_LARGE, "The request asks for too much")
		: ERR_OK;
}

static enum err read_pos(struct call *call, struct sliding_request *request)
{
	struct str pos = call_query(call, "pos");
	request->has_pos = pos.p != NULL;
	request->since = (struct token){0};
	if (!request->has_pos) {
		return ERR_OK;
	}
	enum err err = token_read(&call->ctx, hs_of(call), pos, &request->since);
	if (err != ERR_INPUT) {
		return err;
	}
	call->ctx.fault = (struct fault){0};
	return sliding_refuse_pos(&call->ctx);
}

static enum err read_request(struct call *call, struct sliding_request *request)
{
	const struct homeserver *hs = hs_of(call);
	int64_t timeout_ms;
	if (principal_of(call)->device_id.p == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_INVALID_PARAM,
			"This session has no device; sliding sync needs one");
	}
	TRY(call_query_int(call, "timeout", 0, INT64_MAX, 0, &timeout_ms));
	TRY(sync_read_presence(call, &request->presence));
	TRY(read_pos(call, request));
	TRY(read_body(call, request));
	sessions_note_synced(hs_of(call), call, request->since.position);
	timeout_ms = MIN_OF(timeout_ms, hs->settings.sync_max_timeout_ms);
	int64_t now_ms = call_began_ms(call);
	bool may_wait = timeout_ms > 0 && request->has_pos;
	request->deadline_mono_ms = may_wait ? now_ms + timeout_ms : 0;
	return presence_synced(&call->ctx, hs_of(call), principal_of(call), request->presence,
		may_wait ? request->deadline_mono_ms : now_ms);
}

static void destroy_request(void *value)
{
	struct sliding_request *request = value;
	arena_destroy(request->arena);
	user_unref(request->user);
	mem_free(request);
}

enum err sliding_request_of(struct call *call, struct sliding_request **out)
{
	*out = call_kept(call);
	if (*out != NULL) {
		return ERR_OK;
	}
	struct sliding_request *request = mem_alloc(sizeof(*request));
	request->arena = arena_create_sized(REQUEST_BYTES);
	call_keep(call, request, destroy_request);
	enum err err = read_request(call, request);
	if (err != ERR_OK) {
		call_keep(call, NULL, NULL);
		return err;
	}
	*out = request;
	return ERR_OK;
}
