/*
 * Registration by shared secret. The nonce is used up before the account is made and after the MAC was found right, so
 * that only who knows the secret can use one.
 */
#include "homeserver/account/shared_secret.h"

#include "base/buf.h"
#include "base/crypto.h"
#include "homeserver/account/identifier.h"
#include "homeserver/account/nonce.h"
#include "homeserver/account/password.h"
#include "homeserver/account/register.h"
#include "homeserver/account/session.h"

enum { MESSAGE_CEILING_BYTES = 1 << 20 };

struct str shared_secret_mac(struct arena *arena, struct str secret,
	const struct shared_secret_ask *ask)
{
	static const char digits[] = "0123456789abcdef";
	struct buf message CLEANUP(buf_fini) = {0};
	buf_init(&message, MESSAGE_CEILING_BYTES);
	buf_add(&message, ask->nonce);
	buf_add_byte(&message, '\0');
	buf_add(&message, ask->username);
	buf_add_byte(&message, '\0');
	buf_add(&message, ask->password);
	buf_add_byte(&message, '\0');
	buf_add(&message, ask->is_admin ? STR("admin") : STR("notadmin"));
	if (ask->user_type.p != NULL) {
		buf_add_byte(&message, '\0');
		buf_add(&message, ask->user_type);
	}
	unsigned char mac[HMAC_SHA1_BYTES] = {0};
	if (!buf_ok(&message)) {
		return STR("");
	}
	crypto_hmac_sha1(secret, buf_str(&message), mac);
	crypto_wipe(message.p, message.n);
	char *text = arena_alloc(arena, 2 * sizeof(mac) + 1);
	for (size_t i = 0; i < sizeof(mac); i++) {
		text[2 * i] = digits[mac[i] >> 4];
		text[2 * i + 1] = digits[mac[i] & 15];
	}
	return str_from(text, 2 * sizeof(mac));
}

static enum err check_on(struct ctx *ctx, const struct homeserver *hs)
{
	return hs->settings.registration_shared_secret.n > 0
		? ERR_OK
		: fail(ctx, ERR_INPUT, M_UNKNOWN, "Registration by shared secret is off");
}

enum err shared_secret_nonce(struct ctx *ctx, struct homeserver *hs, struct str *out)
{
	TRY(check_on(ctx, hs));
	*out = nonce_new(sessions_nonces(hs->sessions), ctx->arena, clock_wall_ms(&hs->clock));
	return ERR_OK;
}

/* NUL separates the fields under the MAC; in one of them it would make two requests look the same. */
static enum err check_fields(struct ctx *ctx, const struct shared_secret_ask *ask)
{
	if (str_find_byte(ask->username, '\0') != SIZE_MAX ||
		str_find_byte(ask->password, '\0') != SIZE_MAX || ask->password.n == 0 ||
		ask->password.n > PASSWORD_MAX_BYTES) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM,
			"The password must have 1 to %d bytes; U+0000 may not stand in it or the name",
			PASSWORD_MAX_BYTES);
	}
	if (ask->user_type.p != NULL && !str_equals(ask->user_type, STR("bot")) &&
		!str_equals(ask->user_type, STR("support"))) {
		return fail(ctx, ERR_INPUT, M_INVALID_PARAM, "'user_type' may be 'bot' or 'support'");
	}
	return ERR_OK;
}

static enum err check_mac(struct ctx *ctx, struct homeserver *hs,
	const struct shared_secret_ask *ask)
{
	struct nonces *nonces = sessions_nonces(hs->sessions);
	int64_t now_ms = clock_wall_ms(&hs->clock);
	if (!nonce_is_good(nonces, ask->nonce, now_ms)) {
		return fail(ctx, ERR_INPUT, M_UNKNOWN, "The nonce is not known, was used or is too old");
	}
	struct str right = shared_secret_mac(ctx->arena, hs->settings.registration_shared_secret, ask);
	if (right.n == 0 || !crypto_equals(right, str_lower(ctx->arena, ask->mac))) {
		return fail(ctx, ERR_DENIED, M_FORBIDDEN, "The MAC is not right");
	}
	if (!nonce_use(nonces, ask->nonce, now_ms)) {
		return fail(ctx, ERR_INPUT, M_UNKNOWN, "The nonce was used");
	}
	if (writer_has_peers(hs->writer)) {
		writer_tell_all(hs->writer, NEWS_NONCE, ask->nonce);
	}
	return ERR_OK;
}

enum err shared_secret_register(struct ctx *ctx, struct homeserver *hs,
	const struct shared_secret_ask *ask, struct str *out_user_id)
{
	TRY(check_on(ctx, hs));
	TRY(check_fields(ctx, ask));
	TRY(check_mac(ctx, hs, ask));
	struct account_wish wish = {.is_admin = ask->is_admin, .appservices = &hs->ports.appservices};
	TRY(new_user_id(ctx, ask->username, hs->settings.server_name, &wish.user_id));
	TRY(account_check_free(ctx, hs->db, &wish));
	wish.password_hash = password_make_hash(ctx, &hs->settings, ask->password);
	return account_make(ctx, hs->db, &hs->rng, clock_wall_ms(&hs->clock), hs->settings.server_name,
		&wish, out_user_id);
}
