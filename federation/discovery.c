/*
 * Literal addresses and explicit ports; other names are reached at their own host.
 */
#include "federation/discovery.h"

#include "base/mem.h"

enum { DEFAULT_PORT = 8448 };

struct discovery {
	struct homeserver *hs;
};

struct discovery *discovery_create(struct homeserver *hs)
{
	struct discovery *discovery = mem_alloc(sizeof(*discovery));
	discovery->hs = hs;
	return discovery;
}

void discovery_destroy(struct discovery *discovery)
{
	mem_free(discovery);
}

void discovery_start(struct discovery *discovery, struct server_name server, int64_t timeout_ms,
	discovery_finished *finished, void *data)
{
	(void)discovery;
	(void)timeout_ms;
	struct str host = server_name_host(server);
	int port = server_name_port(server);
	bool is_bracketed = str_starts_with(host, STR("["));
	struct target target = {.host = is_bracketed ? str_slice(host, 1, host.n - 1) : host,
		.port = (uint16_t)(port >= 0 ? port : DEFAULT_PORT)};
	struct destination destination = {.authority = server.s, .targets = &target, .target_count = 1};
	finished(data, &(struct discovery_end){.err = ERR_OK, .destination = &destination});
}
