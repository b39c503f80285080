/**
 * Socket addresses: reading them from configuration, comparing with ranges, and telling a client's
 * own address behind trusted proxies.
 */
#ifndef BELFRY_HTTP_ADDRESS_H
#define BELFRY_HTTP_ADDRESS_H

#include "base/str.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum { ADDRESS_TEXT_BYTES = 64 };

/** An IPv4 or IPv6 address without port; IPv4 ones as ::ffff:a.b.c.d, so that all compare alike. */
struct address {
	uint8_t bytes[16];
};

/** Addresses whose first `bits` bits agree with `base`. */
struct address_range {
	struct address base;
	unsigned bits;
};

/**
 * "127.0.0.1:8008", "[::1]:8008", "*:8008" (all IPv4 and IPv6 addresses).
 * @return false when it is none of these; "8008" is none, for it does not say to whom that is open
 */
MUST_CHECK bool address_parse_listen(struct str text, struct sockaddr_storage *out,
	socklen_t *out_length);

/** Who can reach what address_parse_listen() takes, in words for people. Static. */
const char *address_open_to(struct str text);

/** "10.0.0.0/8", "fd00::/8", or a single address. */
MUST_CHECK bool address_parse_range(struct str text, struct address_range *out);

/** Plain address, no port, no brackets. */
MUST_CHECK bool address_parse(struct str text, struct address *out);

/** @return false for families other than IPv4 and IPv6 */
MUST_CHECK bool address_of_socket(const struct sockaddr *socket_address, struct address *out);

/**
 * Whether an address belongs to the internet at large: not to this machine, its network, documentation, multicast, or what
 * is set aside (IANA's special-purpose registries); IPv6 ones that carry an IPv4 address are judged by that, or not public.
 */
bool address_is_public(const struct address *address);

/** Whether it lies in one of them. An IPv4 address lies in IPv4 ranges, and in those of IPv6 that hold ::ffff:0:0/96. */
bool address_in_ranges(const struct address *address, const struct address_range *ranges,
	size_t count);

/** Whose address counts as the same caller: the /64 of an IPv6 address, since who has one of its addresses has all; of IPv4, itself. */
struct address address_network(const struct address *address);

/** As text; IPv4 in dotted form. @return bytes written, without the NUL */
size_t address_write(const struct address *address, char out[ADDRESS_TEXT_BYTES]);

/**
 * Who sent a request that came through proxies: of the addresses in X-Forwarded-For, read from the
 * right, the first that is no trusted proxy.
 *
 * @param peer  who is connected to us; the answer when it is not trusted, or the header is empty
 *              or does not parse
 */
struct address address_behind_proxies(const struct address *peer, struct str forwarded_for,
	const struct address_range *trusted, size_t trusted_count);

#endif
