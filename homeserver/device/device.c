/*
 * Devices. When one was last seen is in memory before it is in the database; what is newer is shown.
 */
#include "homeserver/device/device.h"

#include "homeserver/account/accounts.h"

static void add_last_seen(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct device_row *row)
{
	struct last_seen seen;
	if (sessions_last_seen(hs, user_id, row->device_id, &seen) && seen.at_ms >= row->last_seen_ms) {
		row->last_seen_ms = seen.at_ms;
		row->last_seen_ip = str_dup(ctx->arena, str_of(seen.address));
		row->last_seen_user_agent = str_dup(ctx->arena, str_of(seen.user_agent));
	}
}

enum err devices_list(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct device_row **out, size_t *out_count)
{
	TRY(store_device_list(ctx, hs->db, user_id, out, out_count));
	for (size_t i = 0; i < *out_count; i++) {
		add_last_seen(ctx, hs, user_id, &(*out)[i]);
	}
	return ERR_OK;
}

/* No device id has control characters, and PostgreSQL takes no U+0000. */
static bool is_possible_id(struct str device_id)
{
	return device_id.n > 0 && str_find_byte(device_id, '\0') == SIZE_MAX;
}

static enum err refuse_missing(struct ctx *ctx)
{
	return fail(ctx, ERR_MISSING, M_NOT_FOUND, "You have no device with this id");
}

enum err devices_of(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	struct str user_id, struct device_row **out, size_t *out_count)
{
	struct account_row account;
	if (!who->is_admin && !str_equals(user_id, who->user.s)) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "Only the user and administrators may see this");
	}
	enum err err =
		hs_is_local(hs, user_id) ? store_account_find(ctx, hs->db, user_id, &account) : ERR_MISSING;
	if (err == ERR_MISSING) {
		return fail(ctx, ERR_MISSING, M_NOT_FOUND, "There is no such user here");
	}
	TRY(err);
	return devices_list(ctx, hs, user_id, out, out_count);
}

enum err devices_find(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str device_id, struct device_row *out)
{
	enum err err = is_possible_id(device_id)
		? store_device_find(ctx, hs->db, user_id, device_id, out)
		: ERR_MISSING;
	if (err == ERR_MISSING) {
		return refuse_missing(ctx);
	}
	TRY(err);
	add_last_seen(ctx, hs, user_id, out);
	return ERR_OK;
}

enum err devices_rename(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str device_id, struct str display_name)
{
	if (display_name.p == NULL) {
		struct device_row row;
		return devices_find(ctx, hs, user_id, device_id, &row);
	}
	TRY(device_name_check(ctx, display_name));
	enum err err = is_possible_id(device_id)
		? store_device_rename(ctx, hs->db, user_id, device_id, display_name)
		: ERR_MISSING;
	if (err == ERR_MISSING) {
		return refuse_missing(ctx);
	}
	TRY(err);
	hs->ports.e2ee.devices_changed(ctx, hs, user_id);
	return ERR_OK;
}

enum err devices_make(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct device_row *row, bool *out_new)
{
	struct device_row made = *row;
	TRY(device_id_check(ctx, row->device_id));
	TRY(device_name_check(ctx, row->display_name));
	enum err err = devices_rename(ctx, hs, user_id, row->device_id, row->display_name);
	*out_new = err == ERR_MISSING;
	if (err != ERR_MISSING) {
		return err;
	}
	ctx->fault = (struct fault){0};
	TRY(device_id_check_unlike_key(ctx, hs, user_id, row->device_id));
	made.last_seen_ms = clock_wall_ms(&hs->clock);
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	TRY(store_device_upsert(ctx, tx, user_id, &made));
	return tx_commit(ctx, &tx);
}

enum err devices_delete(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct str *device_ids, size_t count)
{
	struct str *possible = ARENA_NEW_ARRAY(ctx->arena, struct str, count + 1);
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		if (is_possible_id(device_ids[i])) {
			possible[n++] = device_ids[i];
		}
	}
	if (n == 0) {
		return ERR_OK;
	}
	enum err err = store_device_delete(ctx, hs->db, user_id, possible, n);
	for (size_t i = 0; i < n; i++) {
		sessions_forget_device(hs, user_id, possible[i]);
	}
	TRY(err);
	hs->ports.e2ee.devices_changed(ctx, hs, user_id);
	return ERR_OK;
}
