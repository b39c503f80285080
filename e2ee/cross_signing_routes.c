/*
 * Endpoints of cross-signing: parse, one call, reply.
 */
#include "e2ee/cross_signing_routes.h"

#include "e2ee/cross_signing.h"
#include "homeserver/account/uia.h"
#include "http/memo.h"

static enum err post_device_signing(struct call *call)
{
	const struct json *body;
	const struct json *objects[CROSS_USAGE_COUNT];
	struct cross_upload upload;
	struct uia_proof proof = {.is_complete = true};
	TRY(uia_recall_body(call));
	TRY(call_json(call, &body));
	TRY(body_opt_object(call, body, "master_key", &objects[CROSS_MASTER]));
	TRY(body_opt_object(call, body, "self_signing_key", &objects[CROSS_SELF_SIGNING]));
	TRY(body_opt_object(call, body, "user_signing_key", &objects[CROSS_USER_SIGNING]));
	TRY(cross_signing_check(&call->ctx, hs_of(call), principal_of(call), objects, &upload));
	if (upload.needs_proof) {
		TRY(uia_require(call, &uia_flows_cross_signing, &proof));
	}
	if (!proof.is_complete) {
		return ERR_OK;
	}
	TRY(cross_signing_store(&call->ctx, hs_of(call), &upload));
	return reply_empty(call);
}

static void write_failures(struct json_out *out, const struct sign_failure *failures, size_t count)
{
	struct str open = str_from(NULL, 0);
	for (size_t i = 0; i < count; i++) {
		if (open.p != failures[i].user_id.p) {
			if (open.p != NULL) {
				json_out_end(out);
			}
			open = failures[i].user_id;
			json_out_key(out, open);
			json_out_object(out);
		}
		json_out_key(out, failures[i].key_id);
		json_out_object(out);
		json_out_key_str(out, "errcode", str_of(failures[i].errcode));
		json_out_key_str(out, "error", str_of(failures[i].text));
		json_out_end(out);
	}
	if (open.p != NULL) {
		json_out_end(out);
	}
}

static enum err post_signatures(struct call *call)
{
	const struct json *keys;
	struct sign_failure *failures;
	size_t count;
	call_begin_memo(call);
	TRY(call_json(call, &keys));
	TRY(cross_signing_sign(&call->ctx, hs_of(call), principal_of(call), keys, &failures, &count));
	struct json_out *out = reply_json(call, 200);
	json_out_object(out);
	json_out_key_object(out, "failures");
	write_failures(out, failures, count);
	json_out_end(out);
	json_out_end(out);
	return ERR_OK;
}

/* Older clients still say `unstable`. */
#define CLIENT "/_matrix/client/(r0|v3|unstable)"

const struct route cross_signing_routes[] = {
	{"uploadCrossSigningKeys", "POST", CLIENT "/keys/device_signing/upload", AUTH_USER, LANE_SLOW,
		RATE_LOGIN, 0, post_device_signing},
	{"uploadCrossSigningSignatures", "POST", CLIENT "/keys/signatures/upload", AUTH_USER,
		LANE_LOCAL, RATE_WRITE, 1 << 20, post_signatures},
};
const size_t cross_signing_route_count = COUNT_OF(cross_signing_routes);
