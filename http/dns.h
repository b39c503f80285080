/**
 * Addresses (also of /etc/hosts) and SRV records: one thread with c-ares, whatever the number of names. docs/decisions/0006-names.md
 * tells why the system's resolver is not asked.
 * Spec: RFC 2782
 */
#ifndef BELFRY_HTTP_DNS_H
#define BELFRY_HTTP_DNS_H

#include "base/rand.h"
#include "base/str.h"
#include "http/address.h"

struct dns;

struct dns_srv {
	struct str
		host; /**< without the dot at its end; empty: its owner says that there is no such service */
	uint16_t port;
	uint16_t priority;
	uint16_t weight;
};

/** How a look-up ended; borrowed for the callback. */
struct dns_srv_end {
	bool is_certain; /**< false: no name server could tell */
	const struct dns_srv
		*records; /**< in the order in which they are to be tried; empty: there are none */
	size_t count;
};
typedef void dns_srv_finished(void *data, const struct dns_srv_end *end);

/** The same of addresses. */
struct dns_addresses_end {
	const struct address *
		addresses; /**< in the order in which they are to be tried (RFC 6724); empty: none was found */
	size_t count;
};
typedef void dns_addresses_finished(void *data, const struct dns_addresses_end *end);

/** Where the system says whom to ask; another for tests. */
struct dns_system {
	const char *file; /**< /etc/resolv.conf; looked at before each look-up */
	uint16_t port;    /**< 53; of the name servers that it names */
};

/**
 * Starts the thread with the first look-up.
 * @param servers  "127.0.0.1:53,[::1]:53"; empty: the system's
 * @param system   NULL: the usual
 */
struct dns *dns_create(struct str servers, const struct dns_system *system, const struct rng *rng);
/** Ends what is under way as not found, and whatever comes after. */
void dns_stop(struct dns *dns);
/** Stops if need be, and frees. NULL does nothing. */
void dns_destroy(struct dns *dns);

/**
 * `finished` is called once, on the thread, where it may not block; or before this returns, when the resolver has stopped. So many are
 * asked for at once, and the rest after them, in order.
 */
void dns_srv_start(struct dns *dns, struct str name, dns_srv_finished *finished, void *data);
/** @param host  a name, not an address; without dots it is also looked for in the system's search domains */
void dns_addresses_start(struct dns *dns, struct str host, dns_addresses_finished *finished,
	void *data);

/** Puts records into the order in which they are to be tried: by priority, among equals by chance and weight. */
void dns_srv_order(struct dns_srv *records, size_t count, const struct rng *rng);

#endif
