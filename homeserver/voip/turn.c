/*
 * The TURN server computes the same HMAC from the user name and the secret that it shares with us; nothing is stored on
 * either side.
 */
#include "homeserver/voip/turn.h"

#include <inttypes.h>

#include "base/b64.h"
#include "base/crypto.h"

void turn_credentials_make(struct arena *arena, const struct turn_settings *settings,
	struct str user_id, int64_t now_ms, struct turn_credentials *out)
{
	out->ttl_s = settings->lifetime_ms / 1000;
	if (settings->shared_secret.n == 0) {
		out->username = settings->username;
		out->password = settings->password;
		return;
	}
	unsigned char mac[HMAC_SHA1_BYTES];
	out->username =
		str_printf(arena, "%" PRId64 ":%.*s", now_ms / 1000 + out->ttl_s, STR_ARG(user_id));
	crypto_hmac_sha1(settings->shared_secret, out->username, mac);
	/* TURN servers compare the text, so it has the padding that ours never has. */
	struct str text = b64_encode(arena, str_from((const char *)mac, sizeof(mac)));
	out->password = str_printf(arena, "%.*s=", STR_ARG(text));
}
