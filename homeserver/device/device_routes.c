/*
 * Endpoints of devices: parse, one call, reply.
 */
#include "homeserver/device/device_routes.h"

#include "homeserver/account/accounts.h"
#include "homeserver/device/device.h"

static void write_device(struct json_out *out, const struct device_row *row)
{
	json_out_object(out);
	json_out_key_str(out, "device_id", row->device_id);
	if (row->display_name.p != NULL) {
		json_out_key_str(out, "display_name", row->display_name);
	}
	if (row->last_seen_ip.p != NULL) {
		json_out_key_str(out, "last_seen_ip", row->last_seen_ip);
	}
	json_out_key_int(out, "last_seen_ts", row->last_seen_ms);
	json_out_end(out);
}

static enum err get_devices(struct call *call)
{
	struct device_row *rows;
	size_t count;
	TRY(devices_list(&call->ctx, hs_of(call), principal_of(call)->user.s, &rows, &count));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_array(out, "devices");
	for (size_t i = 0; i < count; i++) {
		write_device(out, &rows[i]);
	}
	json_out_end(out);
	json_out_end(out);
	return ERR_OK;
}

static enum err get_device(struct call *call)
{
	struct device_row row;
	TRY(devices_find(&call->ctx, hs_of(call), principal_of(call)->user.s,
		call_path(call, "deviceId"), &row));
	write_device(reply_json(call, 200), &row);
	return ERR_OK;
}

/* An application service makes its users' devices this way. */
static enum err put_service_device(struct call *call, struct str display_name)
{
	bool is_new;
	TRY(devices_make(&call->ctx, hs_of(call), principal_of(call)->user.s,
		&(struct device_row){.device_id = call_path(call, "deviceId"),
			.display_name = display_name,
			.last_seen_ip = call_client_address(call)},
		&is_new));
	struct json_out *out = reply_json(call, is_new ? 201 : 200);
	json_out_object(out);
	json_out_end(out);
	return ERR_OK;
}

static enum err put_device(struct call *call)
{
	const struct json *body;
	struct str display_name;
	TRY(call_json(call, &body));
	TRY(body_opt_str(call, body, "display_name", &display_name));
	if (principal_of(call)->appservice_id.p != NULL) {
		return put_service_device(call, display_name);
	}
	TRY(devices_rename(&call->ctx, hs_of(call), principal_of(call)->user.s,
		call_path(call, "deviceId"), display_name));
	return reply_empty(call);
}

static enum err delete_device(struct call *call)
{
	struct str device_id = call_path(call, "deviceId");
	struct uia_proof proof;
	TRY(uia_require(call, &uia_flows_password, &proof));
	if (!proof.is_complete) {
		return ERR_OK;
	}
	TRY(devices_delete(&call->ctx, hs_of(call), principal_of(call)->user.s, &device_id, 1));
	return reply_empty(call);
}

static enum err read_device_ids(struct call *call, const struct str **out, size_t *out_count)
{
	const struct json *body;
	const struct json *devices;
	TRY(call_json(call, &body));
	TRY(body_opt_array(call, body, "devices", &devices));
	if (devices == NULL) {
		return fail(&call->ctx, ERR_INPUT, M_MISSING_PARAM, "'devices' is missing");
	}
	struct str *ids = ARENA_NEW_ARRAY(call->ctx.arena, struct str, devices->count + 1);
	for (size_t i = 0; i < devices->count; i++) {
		if (devices->items[i].type != JSON_STRING) {
			return fail(&call->ctx, ERR_INPUT, M_BAD_JSON, "'devices' must hold strings only");
		}
		ids[i] = json_text(&devices->items[i]);
	}
	*out = ids;
	*out_count = devices->count;
	return ERR_OK;
}

static enum err post_delete_devices(struct call *call)
{
	const struct str *ids;
	size_t count;
	struct uia_proof proof;
	TRY(uia_recall_body(call));
	TRY(read_device_ids(call, &ids, &count));
	TRY(uia_require(call, &uia_flows_password, &proof));
	if (!proof.is_complete) {
		return ERR_OK;
	}
	TRY(devices_delete(&call->ctx, hs_of(call), principal_of(call)->user.s, ids, count));
	return reply_empty(call);
}

/* A device has one session here, which remembers its newest connection. */
static void write_whois(struct json_out *out, const struct device_row *row)
{
	json_out_key(out, row->device_id);
	json_out_object(out);
	json_out_key_array(out, "sessions");
	json_out_object(out);
	json_out_key_array(out, "connections");
	json_out_object(out);
	if (row->last_seen_ip.p != NULL) {
		json_out_key_str(out, "ip", row->last_seen_ip);
	}
	json_out_key_int(out, "last_seen", row->last_seen_ms);
	if (row->last_seen_user_agent.p != NULL) {
		json_out_key_str(out, "user_agent", row->last_seen_user_agent);
	}
	for (int open = 0; open < 5; open++) {
		json_out_end(out);
	}
}

static enum err get_whois(struct call *call)
{
	struct str user_id = call_path(call, "userId");
	struct device_row *rows;
	size_t count;
	TRY(devices_of(&call->ctx, hs_of(call), principal_of(call), user_id, &rows, &count));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_str(out, "user_id", user_id);
	json_out_key_object(out, "devices");
	for (size_t i = 0; i < count; i++) {
		write_whois(out, &rows[i]);
	}
	json_out_end(out);
	json_out_end(out);
	return ERR_OK;
}

#define CLIENT "/_matrix/client/(r0|v3)"

const struct route device_routes[] = {
	{"getDevices", "GET", CLIENT "/devices", AUTH_GUEST, LANE_LOCAL, RATE_READ, 0, get_devices},
	{"getDevice", "GET", CLIENT "/devices/{deviceId}", AUTH_GUEST, LANE_LOCAL, RATE_READ, 0,
		get_device},
	{"updateDevice", "PUT", CLIENT "/devices/{deviceId}", AUTH_GUEST, LANE_LOCAL, RATE_WRITE, 0,
		put_device},
	{"getWhoIs", "GET", CLIENT "/admin/whois/{userId}", AUTH_USER, LANE_LOCAL, RATE_READ, 0,
		get_whois},
	{"deleteDevice", "DELETE", CLIENT "/devices/{deviceId}", AUTH_USER, LANE_SLOW, RATE_LOGIN, 0,
		delete_device},
	{"deleteDevices", "POST", CLIENT "/delete_devices", AUTH_USER, LANE_SLOW, RATE_LOGIN, 0,
		post_delete_devices},
};
const size_t device_route_count = COUNT_OF(device_routes);
