/*
 * Changes of keys as EDUs. Stored is only whose they are; what the keys are is read when a transaction is put together. So a destination that
 * was away gets one update of each device, with its keys of now.
 * Spec: server-server API, "Device Management", "End-to-End Encryption"
 */
#include "e2ee/device_keys.h"
#include "federation/outbox_inner.h"

enum { LIST_CEILING_BYTES = 16 << 20 };

enum err outbox_read_device_list(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	bool with_keyless, struct json *out)
{
	struct buf buf CLEANUP(buf_fini);
	struct json_out json;
	buf_init(&buf, LIST_CEILING_BYTES);
	json_out_init(&json, &buf);
	TRY(device_keys_write_list(ctx, hs, user_id, with_keyless, &json));
	if (!buf_ok(&buf) ||
		json_parse(ctx->arena, str_dup(ctx->arena, buf_str(&buf)), NULL, out, NULL) != JSON_OK) {
		return fail_cause(ctx, ERR_INTERNAL, "a device list could not be written");
	}
	return ERR_OK;
}

const struct json *outbox_find_device(const struct json *list, struct str device_id)
{
	const struct json *devices = json_at(list, "devices");
	for (size_t i = 0; json_is(devices, JSON_ARRAY) && i < devices->count; i++) {
		if (str_equals(json_get_str(&devices->items[i], STR("device_id")), device_id)) {
			return &devices->items[i];
		}
	}
	return NULL;
}

static void copy_member(struct json_out *out, const struct json *from, struct str key)
{
	const struct json *value = json_get(from, key);
	if (value != NULL) {
		json_out_key(out, key);
		json_out_value(out, value);
	}
}

static void write_device(struct json_out *out, const struct json *list, const struct json *content)
{
	struct str device_id = json_get_str(content, STR("device_id"));
	const struct json *device = outbox_find_device(list, device_id);
	json_out_object(out);
	json_out_key_str(out, "device_id", device_id);
	if (device == NULL) {
		json_out_key_bool(out, "deleted", true);
	} else {
		copy_member(out, device, STR("device_display_name"));
		copy_member(out, device, STR("keys"));
	}
	copy_member(out, content, STR("prev_id"));
	copy_member(out, content, STR("stream_id"));
	copy_member(out, content, STR("user_id"));
	json_out_end(out);
}

static bool write_cross_keys(struct json_out *out, const struct json *list)
{
	if (json_at(list, "master_key") == NULL) {
		return false;
	}
	json_out_object(out);
	json_out_key_str(out, "edu_type", STR("m.signing_key_update"));
	json_out_key_object(out, "content");
	copy_member(out, list, STR("master_key"));
	copy_member(out, list, STR("self_signing_key"));
	copy_member(out, list, STR("user_id"));
	json_out_end(out);
	json_out_end(out);
	return true;
}

enum err outbox_write_keys(struct ctx *ctx, struct homeserver *hs, const struct outbox_edu_row *row,
	struct json_out *out, bool *out_written)
{
	struct json content;
	struct json list;
	*out_written = true;
	if (json_parse(ctx->arena, row->content, NULL, &content, NULL) != JSON_OK) {
		return fail_cause(ctx, ERR_INTERNAL, "a stored EDU is not JSON");
	}
	/* A device whose keys are gone is as good as gone itself, also if it is not quite yet. */
	TRY(outbox_read_device_list(ctx, hs, json_get_str(&content, STR("user_id")),
		json_get_bool(&content, STR("is_new_here"), false), &list));
	if (str_equals(row->edu_type, STR("m.signing_key_update"))) {
		*out_written = write_cross_keys(out, &list);
		return ERR_OK;
	}
	json_out_object(out);
	json_out_key_str(out, "edu_type", row->edu_type);
	json_out_key(out, STR("content"));
	write_device(out, &list, &content);
	json_out_end(out);
	return ERR_OK;
}
