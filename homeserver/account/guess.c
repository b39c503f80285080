/*
 * Only a user id leads to a network of its own: where an address did, who guesses from two networks would learn that it has an account here, which
 * only its owner may (email/README.md). Who is here by a user id anybody may ask (the profile); what may be learned is that a device of the account
 * was last seen in a network in which the asker is, too.
 */
#include "homeserver/account/guess.h"

#include "http/address.h"
#include "storage/device.h"

static bool is_in_network(struct str address_text, struct str network)
{
	struct address address;
	char text[ADDRESS_TEXT_BYTES];
	if (!address_parse(address_text, &address)) {
		return false;
	}
	address = address_network(&address);
	return str_equals(str_from(text, address_write(&address, text)), network);
}

/* Whether one of the user's devices was last seen where the request comes from. Up to a minute may pass until that is stored. */
static enum err is_known_there(struct call *call, struct str user_id, bool *out)
{
	struct device_row *devices;
	size_t count;
	*out = false;
	TRY(store_device_list(&call->ctx, hs_of(call)->db, user_id, &devices, &count));
	for (size_t i = 0; i < count && !*out; i++) {
		*out = is_in_network(devices[i].last_seen_ip, call_client_network(call));
	}
	return ERR_OK;
}

enum err guess_key_of_login(struct call *call, const struct identifier *who, struct str *out)
{
	bool is_known = false;
	struct arena *arena = call->ctx.arena;
	if (who->address.p != NULL) {
		*out = str_printf(arena, "address %.*s %.*s", STR_ARG(who->medium), STR_ARG(who->address));
		return ERR_OK;
	}
	if (who->user_id.p != NULL) {
		TRY(is_known_there(call, who->user_id, &is_known));
	}
	struct str network = is_known ? call_client_network(call) : STR("");
	*out = str_printf(arena, "%.*s%.*s", STR_ARG(who->user_id), STR_ARG(network));
	return ERR_OK;
}

struct str guess_key_of_stage(struct arena *arena, struct str user_id)
{
	return str_printf(arena, "stage %.*s", STR_ARG(user_id));
}
