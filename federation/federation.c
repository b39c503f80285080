/*
 * Makes and ends the federation's services, in the order in which they need each other.
 */
#include "federation/federation.h"

#include "base/mem.h"
#include "federation/discovery.h"
#include "federation/fed_client.h"
#include "federation/keyring.h"

struct federation *federation_create(struct homeserver *hs)
{
	struct federation *federation = mem_alloc(sizeof(*federation));
	federation->hs = hs;
	hs->federation = federation;
	federation->discovery = discovery_create(hs);
	federation->client = fed_client_create(hs);
	federation->keyring = keyring_create(federation);
	return federation;
}

enum err federation_start(struct ctx *ctx, struct federation *federation)
{
	(void)ctx;
	(void)federation;
	return ERR_OK;
}

void federation_stop(struct federation *federation)
{
	(void)federation;
}

void federation_destroy(struct federation *federation)
{
	keyring_destroy(federation->keyring);
	fed_client_destroy(federation->client);
	discovery_destroy(federation->discovery);
	mem_free(federation);
}
