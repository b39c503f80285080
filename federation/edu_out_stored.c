/*
 * Messages to devices of other servers: they are stored with the request, and go when their server has taken them.
 * Spec: server-server API, "Send-to-device messaging"
 */
#include "federation/outbox_inner.h"

#include <inttypes.h>

#include "base/b64.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/metrics.h"
#include "e2ee/e2ee.h"
#include "federation/policy.h"

enum {
	MESSAGE_CEILING_BYTES = 8 << 20,
	MESSAGE_ID_BYTES = 32, /* specification */
	TRIM_ONE_IN = 64,
};

static struct metric dropped = METRIC_COUNTER("belfry_outbox_stored_edus_dropped_total",
	"Stored EDUs that made room for newer ones, for servers that are away");

/* --- messages to devices ----------------------------------------------------------------------------------- */

/* The same for a repeated request, so that it is known as one, here and over there. */
static struct str message_id(struct arena *arena, const struct e2ee_remote_message *message)
{
	unsigned char hash[SHA256_BYTES];
	crypto_sha256(str_printf(arena, "%.*s %.*s %.*s", STR_ARG(message->sender),
					  STR_ARG(message->server.s), STR_ARG(message->message_id)),
		hash);
	return str_slice(b64_encode_url(arena, str_from((const char *)hash, sizeof(hash))), 0,
		MESSAGE_ID_BYTES);
}

static enum err write_message(struct ctx *ctx, const struct e2ee_remote_message *message,
	struct outbox_edu_row *out)
{
	struct buf buf CLEANUP(buf_fini);
	struct json_out json;
	struct str id = message_id(ctx->arena, message);
	buf_init(&buf, MESSAGE_CEILING_BYTES);
	json_out_init(&json, &buf);
	json_out_object(&json);
	json_out_key_str(&json, "message_id", id);
	json_out_key_value(&json, "messages", &message->messages);
	json_out_key_str(&json, "sender", message->sender);
	json_out_key_str(&json, "type", message->type);
	json_out_end(&json);
	if (!buf_ok(&buf)) {
		return fail(ctx, ERR_INPUT, NULL, "The messages are too large");
	}
	*out = (struct outbox_edu_row){
		.server = message->server.s,
		.key = str_printf(ctx->arena, "message %.*s", STR_ARG(id)),
		.edu_type = STR("m.direct_to_device"),
		.content = str_dup(ctx->arena, buf_str(&buf)),
	};
	return ERR_OK;
}

/* A destination that is away for long gets the newest ones only. */
static enum err trim(struct ctx *ctx, struct outbox *outbox, struct str server)
{
	int64_t count;
	TRY(store_outbox_edus_trim(ctx, outbox->hs->db, server, OUTBOX_STORED_MAX, &count));
	if (count > 0) {
		metric_add(&dropped, count);
		log_warn(0, "outbox.edus_dropped", "server=%.*s count=%" PRId64 " kept=%d", STR_ARG(server),
			count, OUTBOX_STORED_MAX);
	}
	return ERR_OK;
}

static enum err send_messages(void *self, struct ctx *ctx,
	const struct e2ee_remote_message *messages, size_t count)
{
	struct federation *federation = self;
	struct outbox *outbox = federation->outbox;
	struct outbox_edu_row *rows = ARENA_NEW_ARRAY(ctx->arena, struct outbox_edu_row, count);
	struct str *servers = ARENA_NEW_ARRAY(ctx->arena, struct str, count);
	size_t n = 0;
	TRY(fed_policy_refresh(ctx, federation));
	for (size_t i = 0; i < count; i++) {
		if (fed_policy_allows(federation, messages[i].server)) {
			servers[n] = messages[i].server.s;
			TRY(write_message(ctx, &messages[i], &rows[n++]));
		}
	}
	if (n == 0) {
		return ERR_OK;
	}
	TRY(store_outbox_edus_add(ctx, outbox->hs->db, rows, n));
	outbox_edus_stored(outbox, servers, n);
	for (size_t i = 0; i < n; i++) {
		if (rng_u64(&outbox->hs->rng) % TRIM_ONE_IN == 0) {
			TRY(trim(ctx, outbox, servers[i]));
		}
	}
	return ERR_OK;
}

void outbox_fill_message_port(struct outbox *outbox)
{
	outbox->hs->e2ee->remote.self = outbox->federation;
	outbox->hs->e2ee->remote.send = send_messages;
}

/* --- writing ----------------------------------------------------------------------------------------------- */

enum err outbox_write_stored(struct ctx *ctx, struct homeserver *hs,
	const struct outbox_edu_row *row, struct json_out *out, bool *out_written)
{
	if (!str_equals(row->edu_type, STR("m.direct_to_device"))) {
		return outbox_write_keys(ctx, hs, row, out, out_written);
	}
	*out_written = true;
	json_out_object(out);
	json_out_key_str(out, "edu_type", row->edu_type);
	json_out_key_raw(out, "content", row->content);
	json_out_end(out);
	return ERR_OK;
}
