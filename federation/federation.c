/*
 * Makes and ends the federation's services, in the order in which they need each other.
 */
#include "federation/federation.h"

#include "base/mem.h"
#include "federation/answers.h"
#include "federation/discovery.h"
#include "federation/fed_client.h"
#include "federation/keyring.h"
#include "federation/outbox.h"
#include "federation/remote_keys.h"
#include "federation/remote_query.h"
#include "federation/remote_space.h"

enum { PROFILES_BYTES = 4 << 20, SPACES_BYTES = 8 << 20 };

struct federation *federation_create(struct homeserver *hs)
{
	struct federation *federation = mem_alloc(sizeof(*federation));
	federation->hs = hs;
	hs->federation = federation;
	federation->discovery = discovery_create(hs);
	federation->client = fed_client_create(hs);
	federation->keyring = keyring_create(federation);
	federation->profiles = answers_create(&hs->clock, "remote_profiles", PROFILES_BYTES);
	federation->spaces = answers_create(&hs->clock, "remote_spaces", SPACES_BYTES);
	remote_query_fill_ports(federation);
	remote_space_fill_port(federation);
	remote_keys_fill_port(federation, hs->e2ee);
	federation->outbox = outbox_create(federation);
	return federation;
}

enum err federation_start(struct ctx *ctx, struct federation *federation)
{
	(void)ctx;
	outbox_start(federation->outbox);
	return ERR_OK;
}

void federation_stop(struct federation *federation)
{
	outbox_stop(federation->outbox);
	discovery_stop(federation->discovery);
}

void federation_destroy(struct federation *federation)
{
	outbox_destroy(federation->outbox);
	answers_destroy(federation->spaces);
	answers_destroy(federation->profiles);
	keyring_destroy(federation->keyring);
	fed_client_destroy(federation->client);
	discovery_destroy(federation->discovery);
	mem_free(federation);
}
