/**
 * Cookies of the pages for people. Browsers give them to this very host only, never to scripts, and not with a form that another
 * site posts; over TLS alone, except for a trial without it.
 */
#ifndef BELFRY_HOMESERVER_WEB_COOKIE_H
#define BELFRY_HOMESERVER_WEB_COOKIE_H

#include "base/arena.h"
#include "base/str.h"

struct homeserver;

/** The value of a "Set-Cookie" header. @param age_s  how long it lasts, in seconds; 0: it ends now */
struct str web_cookie_set(struct arena *arena, const struct homeserver *hs, struct str name,
	struct str value, int64_t age_s);

/** The value of a cookie in a "Cookie" header, which it views; empty when it is not there. */
struct str web_cookie_find(struct arena *arena, const struct homeserver *hs, struct str cookies,
	struct str name);

#endif
