/*
 * Cookies. "__Host-" makes browsers insist on TLS and this very host; a trial without TLS goes without it.
 */
#include "homeserver/web_cookie.h"

#include "homeserver/homeserver.h"

static bool is_tls(const struct homeserver *hs)
{
	return str_starts_with(hs->settings.public_base_url, STR("https://"));
}

static struct str full_name(struct arena *arena, const struct homeserver *hs, struct str name)
{
	return str_printf(arena, "%sbelfry_%.*s", is_tls(hs) ? "__Host-" : "", STR_ARG(name));
}

struct str web_cookie_set(struct arena *arena, const struct homeserver *hs, struct str name,
	struct str value, int64_t age_s)
{
	struct str full = full_name(arena, hs, name);
	return str_printf(arena, "%.*s=%.*s; Path=/; HttpOnly; SameSite=Lax; Max-Age=%lld%s",
		STR_ARG(full), STR_ARG(value), (long long)age_s, is_tls(hs) ? "; Secure" : "");
}

struct str web_cookie_find(struct arena *arena, const struct homeserver *hs, struct str cookies,
	struct str name)
{
	struct str full = full_name(arena, hs, name);
	while (cookies.n > 0) {
		struct str one;
		struct str key;
		struct str value;
		(void)str_split(cookies, ';', &one, &cookies);
		if (str_split(str_trim(one), '=', &key, &value) && str_equals(key, full)) {
			return value;
		}
	}
	return STR("");
}
