/*
 * Nothing is stored for a link: its signature is by the server's own key, so every process knows it, and it covers what would be
 * accepted. The signed text is no JSON, and so no event and no request.
 */
#include "homeserver/account/consent.h"

#include "base/b64.h"
#include "homeserver/account/session.h"
#include "homeserver/account/terms.h"
#include "http/uri.h"

static bool is_on(const struct settings *settings)
{
	return settings->account.terms_enforced_from_ms > 0;
}

struct terms_versions consent_required(struct arena *arena, const struct settings *settings)
{
	return is_on(settings) ? terms_parse(arena, terms_current(arena, settings))
						   : (struct terms_versions){0};
}

bool consent_is_asked_of(const struct settings *settings, const struct appservice_port *services,
	struct str user_id)
{
	const struct str nobody = {0};
	struct user_id id;
	return user_id_parse(user_id, &id) &&
		!str_equals(user_id_localpart(id), settings->server_notices_localpart) &&
		!services->is_user_claimed(services->self, nobody, id);
}

/* --- links -------------------------------------------------------------------------------------------- */

static struct str signature_of(struct arena *arena, const struct homeserver *hs, struct str user_id)
{
	unsigned char signature[ED25519_SIGNATURE_BYTES];
	struct str versions = terms_current(arena, &hs->settings);
	ed25519_sign(hs->signer.key,
		str_printf(arena, "consent of\n%.*s\nto\n%.*s", STR_ARG(user_id), STR_ARG(versions)),
		signature);
	return b64_encode_url(arena, str_from((const char *)signature, sizeof(signature)));
}

static struct str link_for(struct arena *arena, const struct homeserver *hs, struct str user_id)
{
	return str_printf(arena, "%.*s" CONSENT_PATH "?user=%.*s&signature=%.*s",
		STR_ARG(hs->settings.public_base_url), STR_ARG(uri_encode(arena, user_id)),
		STR_ARG(signature_of(arena, hs, user_id)));
}

bool consent_link_is_good(struct arena *arena, const struct homeserver *hs, struct str user_id,
	struct str signature)
{
	return is_on(&hs->settings) && crypto_equals(signature, signature_of(arena, hs, user_id));
}

/* --- refusing ----------------------------------------------------------------------------------------- */

enum err consent_require(struct ctx *ctx, const struct homeserver *hs, const struct principal *who,
	struct str room_id)
{
	if (!who->lacks_terms || !is_on(&hs->settings) ||
		clock_wall_ms(&hs->clock) < hs->settings.account.terms_enforced_from_ms ||
		(who->notices_room_id.n > 0 && str_equals(room_id, who->notices_room_id))) {
		return ERR_OK;
	}
	struct str link = link_for(ctx->arena, hs, who->user.s);
	enum err err = fail(ctx, ERR_DENIED, M_CONSENT_NOT_GIVEN,
		"There are new terms to be accepted first, at %.*s", STR_ARG(link));
	ctx->fault.extra = str_printf(ctx->arena, "\"consent_uri\":\"%.*s\"", STR_ARG(link));
	return err;
}

/* --- telling ------------------------------------------------------------------------------------------ */

enum err consent_tell(struct ctx *ctx, const struct homeserver *hs, struct str user_id)
{
	const struct account_settings *account = &hs->settings.account;
	if (!account->terms_notices ||
		!consent_is_asked_of(&hs->settings, &hs->ports.appservices, user_id)) {
		return ERR_OK;
	}
	int64_t now_ms = clock_wall_ms(&hs->clock);
	struct str day = account->terms_enforced_from;
	bool is_due = now_ms >= account->terms_enforced_from_ms;
	struct str zh = is_due ? STR("") : str_printf(ctx->arena, "自 %.*s 起，", STR_ARG(day));
	struct str en =
		is_due ? STR("Until") : str_printf(ctx->arena, "From %.*s (UTC) on, until", STR_ARG(day));
	struct str body = str_printf(ctx->arena,
		"我們有新的使用條款，請閱讀並同意。%.*s未同意前可以閱讀訊息，但不能發言、加入聊天室或上傳檔案。\n"
		"There are new terms; please read and accept them. %.*s you accept, you can read, but not write, join or "
		"upload.\n\n%.*s",
		STR_ARG(zh), STR_ARG(en), STR_ARG(link_for(ctx->arena, hs, user_id)));
	return store_terms_tell(ctx, hs->db, user_id, terms_current(ctx->arena, &hs->settings), body,
		now_ms);
}

/* --- accepting ---------------------------------------------------------------------------------------- */

enum err consent_is_lacking(struct ctx *ctx, const struct homeserver *hs, struct str user_id,
	bool *out)
{
	const struct terms_versions required = consent_required(ctx->arena, &hs->settings);
	return store_terms_lacking(ctx, hs->db, user_id, &required, out);
}

enum err consent_give(struct ctx *ctx, struct homeserver *hs, struct str user_id)
{
	const struct terms_versions required = consent_required(ctx->arena, &hs->settings);
	struct tx *tx CLEANUP(tx_cleanup) = NULL;
	TRY(tx_begin(ctx, hs->db, &tx));
	TRY(store_terms_accept(ctx, tx, user_id, &required, clock_wall_ms(&hs->clock)));
	TRY(tx_commit(ctx, &tx));
	sessions_forget_user(hs, user_id);
	return ERR_OK;
}
