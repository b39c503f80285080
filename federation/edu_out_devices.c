/*
 * Changes of keys, from the stream to the servers that share a room with the user. A change says only whose keys changed; what was told
 * last of each device says which of them did.
 *
 * stream_id of the last update of a change is its position, which is also what /user/devices answers; those before it, when several devices
 * changed at once, take the numbers below. Each refers to the one before; should there be more devices than numbers since the last
 * change, the chain is broken, upon which others ask for the whole list.
 * Spec: server-server API, "Device Management"
 */
#include "federation/outbox_inner.h"

#include <inttypes.h>

#include "base/b64.h"
#include "base/crypto.h"
#include "base/vec.h"
#include "storage/consumer.h"

enum { CHANGES_A_ROUND = 50, EDU_CEILING_BYTES = 4096 };

/* One user whose keys changed. */
struct telling {
	struct ctx *ctx;
	struct str user_id;
	int64_t position;
	struct json list;               /* as it is now */
	const struct told_device *told; /* before */
	size_t told_n;
	int64_t told_position; /* of the last update; 0: none */
	VEC(struct told_device) now;
	VEC(struct str) changed; /* devices, also those that ended */
	bool cross_keys_changed;
};

static struct str digest_of(struct arena *arena, struct str text)
{
	unsigned char hash[SHA256_BYTES];
	crypto_sha256(text, hash);
	return b64_encode(arena, str_from((const char *)hash, sizeof(hash)));
}

static const struct told_device *find_told(const struct telling *telling, struct str device_id)
{
	for (size_t i = 0; i < telling->told_n; i++) {
		if (str_equals(telling->told[i].device_id, device_id)) {
			return &telling->told[i];
		}
	}
	return NULL;
}

/* @return whether it is not what was told */
static bool note_now(struct telling *telling, struct str device_id, struct str digest)
{
	const struct told_device *before = find_told(telling, device_id);
	bool is_changed = before == NULL || !str_equals(before->digest, digest);
	struct told_device now = {telling->user_id, device_id, digest,
		is_changed ? telling->position : before->position};
	VEC_PUSH(telling->ctx->arena, &telling->now, now);
	return is_changed;
}

static struct str cross_key_digest(struct arena *arena, const struct json *list)
{
	const struct json *master = json_at(list, "master_key");
	const struct json *self_signing = json_at(list, "self_signing_key");
	const struct str pieces[] = {master != NULL ? json_raw(master) : STR(""), STR("\n"),
		self_signing != NULL ? json_raw(self_signing) : STR("")};
	return digest_of(arena, str_concat(arena, pieces, COUNT_OF(pieces)));
}

static void compare(struct telling *telling)
{
	struct arena *arena = telling->ctx->arena;
	const struct json *devices = json_at(&telling->list, "devices");
	for (size_t i = 0; i < telling->told_n; i++) {
		telling->told_position = MAX_OF(telling->told_position, telling->told[i].position);
	}
	for (size_t i = 0; json_is(devices, JSON_ARRAY) && i < devices->count; i++) {
		struct str id = json_get_str(&devices->items[i], STR("device_id"));
		if (note_now(telling, id, digest_of(arena, json_raw(&devices->items[i])))) {
			VEC_PUSH(arena, &telling->changed, id);
		}
	}
	for (size_t i = 0; i < telling->told_n; i++) {
		struct str id = telling->told[i].device_id;
		if (id.n > 0 && outbox_find_device(&telling->list, id) == NULL) {
			VEC_PUSH(arena, &telling->changed, id);
		}
	}
	/* Cross-signing keys come with the row that keeps the position, whether there are any or not. */
	telling->cross_keys_changed =
		note_now(telling, STR(""), cross_key_digest(arena, &telling->list)) &&
		json_at(&telling->list, "master_key") != NULL;
	if (telling->changed.n == 0 && !telling->cross_keys_changed && telling->now.n > 1 &&
		telling->position > telling->told_position) {
		/*
		 * A device came and went between two rounds. Who fetched the list in between has it still: an update whose prev_id is not
		 * the stream_id of that list makes it be fetched anew.
		 */
		VEC_PUSH(arena, &telling->changed, telling->now.p[telling->now.n - 2].device_id);
	}
	telling->now.p[telling->now.n - 1].position =
		telling->changed.n > 0 ? telling->position : telling->told_position;
}

/* --- EDUs -------------------------------------------------------------------------------------------------- */

/*
 * What is kept of an update; the rest is added when it is sent (outbox_write_keys).
 * @param prev_id      0: none
 * @param is_new_here  the server hears of the device for the first time, so of one without keys too
 */
static struct str write_update(struct arena *arena, struct str user_id, struct str device_id,
	int64_t stream_id, int64_t prev_id, bool is_new_here)
{
	struct buf buf CLEANUP(buf_fini);
	struct json_out out;
	buf_init(&buf, EDU_CEILING_BYTES);
	json_out_init(&out, &buf);
	json_out_object(&out);
	json_out_key_str(&out, "user_id", user_id);
	if (device_id.n > 0) {
		json_out_key_str(&out, "device_id", device_id);
		json_out_key_int(&out, "stream_id", stream_id);
		json_out_key_array(&out, "prev_id");
		if (prev_id > 0) {
			json_out_int(&out, prev_id);
		}
		json_out_end(&out);
		json_out_key_bool(&out, "is_new_here", is_new_here);
	}
	json_out_end(&out);
	return str_dup(arena, buf_str(&buf));
}

struct edu_rows {
	struct outbox_edu_row *p;
	size_t n;
	size_t capacity;
};

static void add_device(struct arena *arena, struct edu_rows *rows, struct str server,
	struct str user_id, struct str device_id, struct str content)
{
	struct outbox_edu_row row = {
		.server = server,
		.key = str_printf(arena, "device %.*s %.*s", STR_ARG(user_id), STR_ARG(device_id)),
		.edu_type = STR("m.device_list_update"),
		.content = content,
	};
	VEC_PUSH(arena, rows, row);
}

static void add_cross_keys(struct arena *arena, struct edu_rows *rows, struct str server,
	struct str user_id)
{
	struct outbox_edu_row row = {
		.server = server,
		.key = str_printf(arena, "cross %.*s", STR_ARG(user_id)),
		.edu_type = STR("m.signing_key_update"),
		.content = write_update(arena, user_id, STR(""), 0, 0, false),
	};
	VEC_PUSH(arena, rows, row);
}

static void add_updates(const struct telling *telling, struct str server, struct edu_rows *rows)
{
	struct arena *arena = telling->ctx->arena;
	int64_t count = (int64_t)telling->changed.n;
	bool is_whole = telling->position - telling->told_position >= count;
	int64_t prev_id = is_whole ? telling->told_position : 0;
	size_t first = is_whole ? 0 : telling->changed.n - 1; /* the last one says that there is more */
	for (size_t i = first; i < telling->changed.n; i++) {
		int64_t stream_id = telling->position - (count - 1 - (int64_t)i);
		add_device(arena, rows, server, telling->user_id, telling->changed.p[i],
			write_update(arena, telling->user_id, telling->changed.p[i], stream_id, prev_id,
				false));
		prev_id = stream_id;
	}
	if (telling->cross_keys_changed) {
		add_cross_keys(arena, rows, server, telling->user_id);
	}
}

/* --- the consumer ------------------------------------------------------------------------------------------------ */

struct device_round {
	struct ctx *ctx;
	struct homeserver *hs;
	struct keys_change *changes;
	size_t change_n;
	struct outbox_user_server *pairs;
	size_t pair_n;
	struct told_device *told;
	size_t told_n;
	struct edu_rows rows;
	VEC(struct telling *) tellings;
};

static enum err read_round(struct device_round *round)
{
	struct ctx *ctx = round->ctx;
	struct db *db = round->hs->db;
	struct str *users = ARENA_NEW_ARRAY(ctx->arena, struct str, round->change_n);
	for (size_t i = 0; i < round->change_n; i++) {
		users[i] = round->changes[i].user_id;
	}
	TRY(store_outbox_sharing(ctx, db, round->hs->signer.server.s, users, round->change_n,
		&round->pairs, &round->pair_n));
	return round->pair_n == 0
		? ERR_OK
		: store_device_list_told(ctx, db, users, round->change_n, &round->told, &round->told_n);
}

/* Nobody elsewhere sees most users: then nothing is compared. */
static bool is_seen(const struct device_round *round, struct str user_id)
{
	for (size_t i = 0; i < round->pair_n; i++) {
		if (str_equals(round->pairs[i].user_id, user_id)) {
			return true;
		}
	}
	return false;
}

static enum err tell_of(struct device_round *round, const struct keys_change *change)
{
	struct arena *arena = round->ctx->arena;
	struct telling *telling = ARENA_NEW(arena, struct telling);
	*telling = (struct telling){.ctx = round->ctx,
		.user_id = change->user_id,
		.position = change->position};
	for (size_t i = 0; i < round->told_n; i++) {
		if (str_equals(round->told[i].user_id, change->user_id)) {
			telling->told = telling->told_n == 0 ? &round->told[i] : telling->told;
			telling->told_n++;
		}
	}
	TRY(outbox_read_device_list(round->ctx, round->hs, change->user_id, false, &telling->list));
	/* The list may be newer than the change; then so is what is told. */
	int64_t of_list;
	if (json_get_int(&telling->list, STR("stream_id"), 0, INT64_MAX, &of_list)) {
		telling->position = MAX_OF(telling->position, of_list);
	}
	compare(telling);
	for (size_t i = 0; i < round->pair_n; i++) {
		if (str_equals(round->pairs[i].user_id, change->user_id)) {
			add_updates(telling, round->pairs[i].server, &round->rows);
		}
	}
	VEC_PUSH(arena, &round->tellings, telling);
	return ERR_OK;
}

static enum err store_round(struct device_round *round, int64_t after, int64_t reached)
{
	struct ctx *ctx = round->ctx;
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	if (round->tellings.n == 0) {
		return store_consumer_skip(ctx, round->hs->db, STR(OUTBOX_DEVICES_CONSUMER), after,
			reached);
	}
	TRY(tx_begin(ctx, round->hs->db, &tx));
	if (round->rows.n > 0) {
		TRY(store_outbox_edus_replace(ctx, round->hs->db, tx, round->rows.p, round->rows.n));
	}
	for (size_t i = 0; i < round->tellings.n; i++) {
		const struct telling *telling = round->tellings.p[i];
		TRY(store_device_list_tell(ctx, tx, telling->user_id, telling->now.p, telling->now.n));
	}
	TRY(store_consumer_move_in(ctx, tx, STR(OUTBOX_DEVICES_CONSUMER), after, reached));
	return tx_commit(ctx, &tx);
}

static void note_stored(struct outbox *outbox, struct arena *arena, const struct edu_rows *rows)
{
	struct str *servers = ARENA_NEW_ARRAY(arena, struct str, rows->n);
	for (size_t i = 0; i < rows->n; i++) {
		servers[i] = rows->p[i].server;
	}
	if (rows->n > 0) {
		outbox_edus_stored(outbox, servers, rows->n);
	}
}

enum err outbox_consume_devices(struct ctx *ctx, struct homeserver *hs, void *self, int64_t after,
	int64_t up_to, int64_t *out_reached)
{
	struct device_round round = {.ctx = ctx, .hs = hs};
	TRY(store_device_list_changes_in_stream(ctx, hs->db, hs->signer.server.s, after, up_to,
		CHANGES_A_ROUND, &round.changes, &round.change_n));
	int64_t reached =
		round.change_n == CHANGES_A_ROUND ? round.changes[round.change_n - 1].position : up_to;
	*out_reached = after;
	if (round.change_n > 0) {
		/* Keys that change right after a server has come to a room would be told to nobody. */
		if (!outbox_await_stays(hs->federation, reached)) {
			return ERR_OK;
		}
		TRY(read_round(&round));
	}
	for (size_t i = 0; i < round.change_n; i++) {
		if (is_seen(&round, round.changes[i].user_id)) {
			TRY(tell_of(&round, &round.changes[i]));
		}
	}
	TRY(store_round(&round, after, reached));
	note_stored(self, ctx->arena, &round.rows);
	*out_reached = reached;
	return ERR_OK;
}

/* --- servers that are new to a user ------------------------------------------------------------------------------ */

static enum err introduce(struct ctx *ctx, struct homeserver *hs,
	const struct outbox_user_server *pair, struct edu_rows *rows)
{
	struct json list;
	int64_t stream_id = 0;
	int64_t prev_id = 0;
	TRY(outbox_read_device_list(ctx, hs, pair->user_id, true, &list));
	const struct json *devices = json_at(&list, "devices");
	if (!json_get_int(&list, STR("stream_id"), 0, INT64_MAX, &stream_id) ||
		!json_is(devices, JSON_ARRAY)) {
		return ERR_OK;
	}
	stream_id = MAX_OF(stream_id, (int64_t)devices->count) - (int64_t)devices->count;
	for (size_t i = 0; i < devices->count; i++) {
		struct str id = json_get_str(&devices->items[i], STR("device_id"));
		stream_id++;
		add_device(ctx->arena, rows, pair->server, pair->user_id, id,
			write_update(ctx->arena, pair->user_id, id, stream_id, prev_id, true));
		prev_id = stream_id;
	}
	if (json_at(&list, "master_key") != NULL) {
		add_cross_keys(ctx->arena, rows, pair->server, pair->user_id);
	}
	return ERR_OK;
}

enum err outbox_introduce(struct ctx *ctx, struct outbox *outbox,
	const struct outbox_user_server *pairs, size_t count)
{
	struct edu_rows rows = {0};
	for (size_t i = 0; i < count; i++) {
		TRY(introduce(ctx, outbox->hs, &pairs[i], &rows));
	}
	if (rows.n > 0) {
		TRY(store_outbox_edus_replace(ctx, outbox->hs->db, NULL, rows.p, rows.n));
		note_stored(outbox, ctx->arena, &rows);
	}
	return ERR_OK;
}
