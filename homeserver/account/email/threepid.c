/*
 * Third-party identifiers. An address is added by a proof of its own and stands in lower case, so that one address is one
 * account's; the table's key decides between two at once.
 */
#include "homeserver/account/email/threepid.h"

#include "base/log.h"

static enum err refuse_suspended(struct ctx *ctx, const struct principal *who)
{
	return who->is_suspended
		? fail(ctx, ERR_DENIED, M_USER_SUSPENDED, "You cannot remove contacts while suspended")
		: ERR_OK;
}

struct str threepid_canonical(struct arena *arena, struct str medium, struct str address)
{
	return str_equals(medium, STR("email")) ? str_lower(arena, address) : address;
}

enum err threepids_list(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct threepid_row **out, size_t *out_count)
{
	return store_threepid_list(ctx, hs->db, user_id, out, out_count);
}

enum err threepid_owner(struct ctx *ctx, struct homeserver *hs, struct str medium,
	struct str address, struct str *out_user_id)
{
	struct threepid_row row;
	*out_user_id = (struct str){0};
	if (str_find_byte(medium, '\0') != SIZE_MAX || str_find_byte(address, '\0') != SIZE_MAX) {
		return ERR_OK;
	}
	enum err err = store_threepid_find(ctx, hs->db, medium,
		threepid_canonical(ctx->arena, medium, address), &row);
	if (err == ERR_OK) {
		*out_user_id = row.user_id;
	}
	return err == ERR_MISSING ? ERR_OK : err;
}

static enum err add(struct ctx *ctx, struct homeserver *hs, struct tx *tx, struct str user_id,
	const struct email_validation_row *proof)
{
	enum err err = store_threepid_insert(ctx, tx,
		&(struct threepid_row){
			.medium = STR("email"),
			.address = proof->address,
			.user_id = user_id,
			.validated_at_ms = proof->validated_at_ms,
			.added_at_ms = clock_wall_ms(&hs->clock),
		});
	if (err == ERR_CONFLICT) {
		return fail(ctx, ERR_INPUT, M_THREEPID_IN_USE, "This address belongs to another account");
	}
	return err;
}

enum err threepid_add(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct email_claim *claim)
{
	struct email_validation_row proof;
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	enum err err = email_proof_use(ctx, hs, tx, EMAIL_ADD, claim, &proof);
	if (err == ERR_DENIED) {
		ctx->fault.http_status = 400;
	}
	TRY(err);
	TRY(add(ctx, hs, tx, user_id, &proof));
	return tx_commit(ctx, &tx);
}

enum err threepid_add_by_link(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct email_link *link)
{
	struct email_validation_row proof;
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	TRY(email_proof_use_link(ctx, hs, tx, EMAIL_ADD, link, &proof));
	TRY(add(ctx, hs, tx, user_id, &proof));
	return tx_commit(ctx, &tx);
}

/* --- identity servers ---------------------------------------------------------------------------------------- */

struct str unbind_result_name(enum unbind_result result)
{
	return result == UNBIND_SUCCESS ? STR("success") : STR("no-support");
}

enum err threepid_bind(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct bind_ask *ask)
{
	struct threepid_bind_row row;
	TRY(identity_server_check(ctx, hs, ask->id_server));
	TRY(identity_server_bind(ctx, hs, user_id, ask, &row));
	return store_threepid_bind_insert(ctx, hs->db, user_id, &row);
}

/* Takes one back. Whatever goes wrong at the identity server is an answer, no failure. */
static enum err unbind_one(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct threepid_bind_row *row, enum unbind_result *out)
{
	enum err err = identity_server_check(ctx, hs, row->id_server);
	if (err == ERR_OK) {
		TRY(ctx_may_ask(ctx));
		err = identity_server_unbind(ctx, hs, user_id, row);
	}
	if (err == ERR_DEFER || err == ERR_SHUTDOWN) {
		return err; /* its word is still to come */
	}
	if (err != ERR_OK) {
		log_info(ctx->request_id, "account.unbind.refused", "kind=%s cause=%.*s", err_name(err),
			STR_ARG(ctx->fault.cause));
		ctx->fault = (struct fault){0};
		*out = UNBIND_NO_SUPPORT;
		return ERR_OK;
	}
	return store_threepid_bind_delete(ctx, hs->db, user_id, row);
}

/* Those published of the user; of one identifier unless medium.p == NULL, at one server unless id_server.p == NULL. */
static enum err unbind(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	const struct threepid_bind_row *which, size_t *out_count, enum unbind_result *out)
{
	struct threepid_bind_row *rows;
	size_t count;
	*out_count = 0;
	*out = UNBIND_SUCCESS;
	TRY(store_threepid_bind_list(ctx, hs->db, user_id, &rows, &count));
	for (size_t i = 0; i < count; i++) {
		const struct threepid_bind_row *row = &rows[i];
		bool is_meant = which->medium.p == NULL ||
			(str_equals(row->medium, which->medium) &&
				str_equals(threepid_canonical(ctx->arena, row->medium, row->address),
					which->address));
		if (is_meant &&
			(which->id_server.p == NULL || str_equals_nocase(row->id_server, which->id_server))) {
			(*out_count)++;
			TRY(unbind_one(ctx, hs, user_id, row, out));
		}
	}
	return ERR_OK;
}

/* Each identifier that the user has published, wherever that was, at one server. Cost: a request for each. */
static enum err unbind_all_at(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str id_server, enum unbind_result *out)
{
	struct threepid_bind_row *rows;
	size_t count;
	*out = UNBIND_SUCCESS;
	TRY(store_threepid_bind_list(ctx, hs->db, user_id, &rows, &count));
	for (size_t i = 0; i < count; i++) {
		bool is_again = i > 0 && str_equals(rows[i].medium, rows[i - 1].medium) &&
			str_equals(rows[i].address, rows[i - 1].address);
		if (!is_again) {
			struct threepid_bind_row there = rows[i];
			there.id_server = id_server;
			TRY(unbind_one(ctx, hs, user_id, &there, out));
		}
	}
	return ERR_OK;
}

enum err threepid_unbind_all(struct ctx *ctx, struct homeserver *hs, struct str user_id,
	struct str id_server, enum unbind_result *out)
{
	size_t count;
	return id_server.p != NULL
		? unbind_all_at(ctx, hs, user_id, id_server, out)
		: unbind(ctx, hs, user_id, &(struct threepid_bind_row){0}, &count, out);
}

enum err threepid_unbind(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	const struct threepid_bind_row *which, enum unbind_result *out)
{
	size_t count;
	struct threepid_bind_row meant = *which;
	meant.address = threepid_canonical(ctx->arena, which->medium, which->address);
	TRY(refuse_suspended(ctx, who));
	TRY(unbind(ctx, hs, who->user.s, &meant, &count, out));
	if (count > 0) {
		return ERR_OK;
	}
	/* Not published by our doing. Only the server that is named could be asked. */
	if (meant.id_server.p == NULL) {
		*out = UNBIND_NO_SUPPORT;
		return ERR_OK;
	}
	return unbind_one(ctx, hs, who->user.s, &meant, out);
}

enum err threepid_delete(struct ctx *ctx, struct homeserver *hs, const struct principal *who,
	const struct threepid_bind_row *which, enum unbind_result *out)
{
	struct str owner;
	TRY(refuse_suspended(ctx, who));
	TRY(threepid_owner(ctx, hs, which->medium, which->address, &owner));
	if (!str_equals(owner, who->user.s)) {
		return fail(ctx, ERR_MISSING, M_THREEPID_NOT_FOUND, "Your account has no such address");
	}
	/* This may run several times: what counts once comes after it. */
	TRY(threepid_unbind(ctx, hs, who, which, out));
	enum err err = store_threepid_delete(ctx, hs->db, who->user.s, which->medium,
		threepid_canonical(ctx->arena, which->medium, which->address));
	return err == ERR_MISSING ? ERR_OK : err; /* by another request meanwhile */
}
