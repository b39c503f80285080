/*
 * What a request shows of its sender: cut to what is kept.
 */
#include "homeserver/account/session.h"

#include <string.h>

struct str session_user_agent(struct call *call)
{
	struct str text = call_header(call, "User-Agent");
	size_t n = 0;
	while (n < MIN_OF(text.n, USER_AGENT_TEXT_BYTES - 1) && text.p[n] >= ' ' && text.p[n] < 0x7F) {
		n++;
	}
	return n > 0 ? str_slice(text, 0, n) : (struct str){0};
}

static void copy_text(char *out, size_t size, struct str text)
{
	size_t n = MIN_OF(text.n, size - 1);
	if (n > 0) {
		memcpy(out, text.p, n);
	}
	out[n] = '\0';
}

struct last_seen session_seen_of(const struct homeserver *hs, struct call *call)
{
	struct last_seen seen = {.at_ms = clock_wall_ms(&hs->clock)};
	copy_text(seen.address, sizeof(seen.address), call_client_address(call));
	copy_text(seen.user_agent, sizeof(seen.user_agent), session_user_agent(call));
	return seen;
}
