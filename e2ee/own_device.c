/*
 * Making and opening. A new device and its account are one transaction; of two processes that make one at once, the second finds the
 * first one's.
 */
#include "e2ee/own_device_inner.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "e2ee/vault.h"
#include "storage/account.h"
#include "storage/device.h"

enum { RUN_CHARS = 16, DEVICE_ID_CHARS = 10 };

struct own_devices *own_devices_create(struct homeserver *hs)
{
	struct own_devices *own = mem_alloc(sizeof(*own));
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str run = rng_text(&hs->rng, arena, RUN_CHARS);
	own->run = str_from(mem_dup(run.p, run.n), run.n);
	lock_init(&own->lock, RANK_LEAF);
	cond_init(&own->changed);
	return own;
}

void own_devices_destroy(struct own_devices *own)
{
	if (own == NULL) {
		return;
	}
	room_ciphers_destroy(own);
	map_fini(&own->published);
	cond_fini(&own->changed);
	lock_fini(&own->lock);
	mem_free((char *)(uintptr_t)own->run.p);
	mem_free(own);
}

struct str own_key_of(struct arena *arena, const struct str *parts, size_t count)
{
	struct buf text CLEANUP(buf_fini);
	buf_init(&text, SIZE_MAX / 2);
	for (size_t i = 0; i < count; i++) {
		if (i > 0) {
			buf_add_byte(&text, '\0');
		}
		buf_add(&text, parts[i]);
	}
	return str_dup(arena, buf_str(&text));
}

struct principal own_principal(const struct own_device *device)
{
	return (struct principal){.user = device->user, .device_id = device->device_id};
}

/* --- the account -------------------------------------------------------------------------------------------- */

static struct str account_context(struct arena *arena, struct str user_id)
{
	return str_printf(arena, "own device's account %.*s", STR_ARG(user_id));
}

enum err own_account_open(struct ctx *ctx, const struct homeserver *hs, struct str user_id,
	const struct own_device_row *row, struct ratchet_account **out)
{
	struct str pickle;
	TRY(vault_open(ctx, hs, account_context(ctx->arena, user_id), row->account, &pickle));
	enum ratchet_error error = ratchet_account_open(pickle, out);
	crypto_wipe((char *)(uintptr_t)pickle.p, pickle.n);
	return error == RATCHET_OK
		? ERR_OK
		: fail_cause(ctx, ERR_INTERNAL, "an own device's account: %s", ratchet_error_text(error));
}

static struct str seal_account(struct arena *arena, const struct homeserver *hs, struct str user_id,
	struct ratchet_account *account)
{
	return vault_seal_and_wipe(arena, hs, account_context(arena, user_id),
		ratchet_account_pickle(arena, account));
}

enum err own_account_save(struct ctx *ctx, struct homeserver *hs, struct tx *tx, struct str user_id,
	struct ratchet_account *account)
{
	return store_own_device_set_account(ctx, tx, user_id,
		seal_account(ctx->arena, hs, user_id, account));
}

void own_account_cleanup(struct ratchet_account **account)
{
	ratchet_account_destroy(*account);
}

enum err own_device_begin(struct ctx *ctx, struct homeserver *hs, const struct own_device *device,
	struct tx **out_tx, struct ratchet_account **out_account)
{
	struct own_device_row row;
	TRY(tx_begin(ctx, hs->db, out_tx));
	TRY(store_own_device_lock(ctx, *out_tx, device->user.s, &row));
	if (!str_equals(row.device_id, device->device_id)) {
		return ERR_MISSING;
	}
	return own_account_open(ctx, hs, device->user.s, &row, out_account);
}

/* --- making ---------------------------------------------------------------------------------------------------- */

static enum err require_account(struct ctx *ctx, struct tx *tx, struct str user_id)
{
	struct account_row account;
	enum err err = store_account_lock(ctx, tx, user_id, &account);
	if (err == ERR_MISSING || (err == ERR_OK && account.state == ACCOUNT_DEACTIVATED)) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such user here");
	}
	return err;
}

/* Errors: CONFLICT (no fault text) when another process was first */
static enum err make_device(struct ctx *ctx, struct homeserver *hs, struct user_id user,
	struct str display_name)
{
	struct ratchet_account *account CLEANUP(own_account_cleanup) = ratchet_account_create(&hs->rng);
	const struct device_row device = {
		.device_id = rng_upper(&hs->rng, ctx->arena, DEVICE_ID_CHARS),
		.display_name = display_name,
		.last_seen_ms = clock_wall_ms(&hs->clock),
	};
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	TRY(require_account(ctx, tx, user.s));
	TRY(store_device_upsert(ctx, tx, user.s, &device));
	TRY(store_own_device_insert(ctx, tx, user.s, device.device_id,
		seal_account(ctx->arena, hs, user.s, account)));
	TRY(tx_commit(ctx, &tx));
	log_info(0, "e2ee.own_device_made", "device_id=%.*s", STR_ARG(device.device_id));
	return ERR_OK;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static bool is_published(struct own_devices *own, struct str key)
{
	LOCK_SCOPE(&own->lock);
	return map_get(&own->published, key) != NULL;
}

static enum err publish_once(struct ctx *ctx, struct homeserver *hs,
	const struct own_device *device)
{
	struct own_devices *own = hs->e2ee->own;
	const struct str parts[] = {device->user.s, device->device_id};
	struct str key = own_key_of(ctx->arena, parts, COUNT_OF(parts));
	if (is_published(own, key)) {
		return ERR_OK;
	}
	TRY(own_keys_publish(ctx, hs, device));
	LOCK_SCOPE(&own->lock);
	(void)map_set(&own->published, key, own);
	return ERR_OK;
}

static enum err open_row(struct ctx *ctx, struct homeserver *hs, struct user_id user,
	struct own_device *out)
{
	struct own_device_row row;
	struct ratchet_account *account CLEANUP(own_account_cleanup) = NULL;
	TRY(store_own_device_find(ctx, hs->db, user.s, &row));
	TRY(own_account_open(ctx, hs, user.s, &row, &account));
	*out = (struct own_device){
		.user = user,
		.device_id = row.device_id,
		.identity = ratchet_account_identity(ctx->arena, account),
	};
	return ERR_OK;
}

enum err own_device_open(struct ctx *ctx, struct homeserver *hs, struct user_id user,
	struct str display_name, struct own_device *out)
{
	enum err err = open_row(ctx, hs, user, out);
	if (err == ERR_MISSING) {
		err = make_device(ctx, hs, user, display_name);
		if (err == ERR_OK || err == ERR_CONFLICT) {
			err = open_row(ctx, hs, user, out);
		}
	}
	TRY(err);
	return publish_once(ctx, hs, out);
}

void own_devices_tidy(struct ctx *ctx, struct homeserver *hs)
{
	struct str *user_ids;
	size_t count = 0;
	enum err err = store_own_device_all(ctx, hs->db, &user_ids, &count);
	for (size_t i = 0; i < count; i++) {
		struct own_device device;
		struct user_id user;
		enum err one =
			user_id_parse(user_ids[i], &user) ? open_row(ctx, hs, user, &device) : ERR_MISSING;
		one = one == ERR_OK ? own_keys_replenish(ctx, hs, &device) : one;
		err = one == ERR_OK || one == ERR_MISSING ? err : one;
	}
	if (err != ERR_OK) {
		log_warn(0, "e2ee.own_devices_failed", "cause=%.*s", STR_ARG(ctx->fault.cause));
	}
}
