/*
 * Those with a valid order come first, by it; then the others. What is equal so far goes by time, then by room id.
 */
#include "matrix/space_child.h"

#include <stdlib.h>

enum { ORDER_MAX_BYTES = 50 };

static bool is_valid_order(struct str order)
{
	for (size_t i = 0; i < order.n; i++) {
		if (order.p[i] < 0x20 || order.p[i] > 0x7e) {
			return false;
		}
	}
	return order.n > 0 && order.n <= ORDER_MAX_BYTES;
}

static bool is_valid_via(const struct json *via)
{
	if (!json_is(via, JSON_ARRAY) || via->count == 0) {
		return false;
	}
	for (size_t i = 0; i < via->count; i++) {
		if (via->items[i].type != JSON_STRING) {
			return false;
		}
	}
	return true;
}

bool space_child_read(struct str state_key, struct str sender, int64_t origin_server_ts,
	const struct json *content, struct space_child *out)
{
	struct room_id id;
	const struct json *via = json_at(content, "via");
	if (!room_id_parse(state_key, &id) || !is_valid_via(via)) {
		return false;
	}
	struct str order = json_get_str(content, STR("order"));
	*out = (struct space_child){
		.room_id = state_key,
		.order = is_valid_order(order) ? order : str_from(NULL, 0),
		.origin_server_ts = origin_server_ts,
		.is_suggested = json_get_bool(content, STR("suggested"), false),
		.via = via,
		.content = content,
		.sender = sender,
	};
	return true;
}

static int compare(const void *a, const void *b)
{
	const struct space_child *one = a;
	const struct space_child *other = b;
	bool has_order = one->order.p != NULL;
	if (has_order != (other->order.p != NULL)) {
		return has_order ? -1 : 1;
	}
	int by_order = has_order ? str_compare(one->order, other->order) : 0;
	if (by_order != 0) {
		return by_order;
	}
	if (one->origin_server_ts != other->origin_server_ts) {
		return one->origin_server_ts < other->origin_server_ts ? -1 : 1;
	}
	return str_compare(one->room_id, other->room_id);
}

void space_child_sort(struct space_child *children, size_t count)
{
	if (count > 0) {
		qsort(children, count, sizeof(*children), compare);
	}
}
