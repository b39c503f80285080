/*
 * X-Forwarded-For is a list that each proxy appends to, so only what stands right of the last
 * untrusted address was written by somebody we trust; the rest the client may have invented.
 */
#include "http/address.h"

#include <arpa/inet.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

static void set_ipv4(struct address *out, const void *four_bytes)
{
	memcpy(out->bytes, mapped_prefix, sizeof(mapped_prefix));
	memcpy(out->bytes + sizeof(mapped_prefix), four_bytes, 4);
}

static bool is_ipv4(const struct address *address)
{
	return memcmp(address->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

bool address_parse(struct str text, struct address *out)
{
	char copy[ADDRESS_TEXT_BYTES];
	if (text.n == 0 || text.n >= sizeof(copy)) {
		return false;
	}
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	struct in_addr ipv4;
	struct in6_addr ipv6;
	if (inet_pton(AF_INET, copy, &ipv4) == 1) {
		set_ipv4(out, &ipv4);
		return true;
	}
	if (inet_pton(AF_INET6, copy, &ipv6) == 1) {
		memcpy(out->bytes, &ipv6, sizeof(out->bytes));
		return true;
	}
	return false;
}

/* "[::1]:8008" → "::1", "8008"; "127.0.0.1:8008"; "*:8008". A port alone has no host: who is meant by it nobody can tell. */
static void split_listen(struct str text, struct str *out_host, struct str *out_port)
{
	size_t colon = str_find_last_byte(text, ':');
	colon = colon == SIZE_MAX ? 0 : colon;
	struct str host = str_slice(text, 0, colon);
	*out_port = str_slice(text, MIN_OF(colon + 1, text.n), text.n);
	if (str_starts_with(host, STR("[")) && str_ends_with(host, STR("]"))) {
		host = str_slice(host, 1, host.n - 1);
	}
	*out_host = host;
}

bool address_parse_listen(struct str text, struct sockaddr_storage *out, socklen_t *out_length)
{
	struct str host;
	struct str port_text;
	split_listen(text, &host, &port_text);
	int64_t port = 0;
	if (!str_to_int(port_text, 0, UINT16_MAX, &port)) {
		return false;
	}
	struct address address = {0};
	bool any = str_equals(host, STR("*"));
	if (!any && !address_parse(host, &address)) {
		return false;
	}
	*out = (struct sockaddr_storage){0};
	if (!any && is_ipv4(&address)) {
		struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
		memcpy(&ipv4.sin_addr, address.bytes + sizeof(mapped_prefix), sizeof(ipv4.sin_addr));
		memcpy(out, &ipv4, sizeof(ipv4));
		*out_length = sizeof(ipv4);
		return true;
	}
	struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	memcpy(&ipv6.sin6_addr, address.bytes, sizeof(ipv6.sin6_addr));
	memcpy(out, &ipv6, sizeof(ipv6));
	*out_length = sizeof(ipv6);
	return true;
}

bool address_parse_range(struct str text, struct address_range *out)
{
	struct str base;
	struct str bits_text;
	bool has_bits = str_split(text, '/', &base, &bits_text);
	struct address_range range = {.bits = 128};
	if (!address_parse(base, &range.base)) {
		return false;
	}
	bool ipv4 = is_ipv4(&range.base) && str_find_byte(base, ':') == SIZE_MAX;
	int64_t bits = ipv4 ? 32 : 128;
	if (has_bits && !str_to_int(bits_text, 0, bits, &bits)) {
		return false;
	}
	range.bits = (unsigned)bits + (ipv4 ? 96U : 0U);
	*out = range;
	return true;
}

bool address_of_socket(const struct sockaddr *socket_address, struct address *out)
{
	if (socket_address->sa_family == AF_INET) {
		struct sockaddr_in ipv4;
		memcpy(&ipv4, socket_address, sizeof(ipv4));
		set_ipv4(out, &ipv4.sin_addr);
		return true;
	}
	if (socket_address->sa_family == AF_INET6) {
		struct sockaddr_in6 ipv6;
		memcpy(&ipv6, socket_address, sizeof(ipv6));
		memcpy(out->bytes, &ipv6.sin6_addr, sizeof(out->bytes));
		return true;
	}
	return false;
}

static bool in_range(const struct address *address, const struct address_range *range)
{
	size_t whole = range->bits / 8;
	if (memcmp(address->bytes, range->base.bytes, whole) != 0) {
		return false;
	}
	unsigned rest = range->bits % 8;
	if (rest == 0) {
		return true;
	}
	unsigned mask = (0xFFU << (8 - rest)) & 0xFFU;
	return ((unsigned)(address->bytes[whole] ^ range->base.bytes[whole]) & mask) == 0;
}

const char *address_open_to(struct str text)
{
	struct str host;
	struct str port_text;
	struct address address = {0};
	split_listen(text, &host, &port_text);
	bool is_parsed = address_parse(host, &address);
	const struct address_range own = {.base = {.bytes = {[15] = 1}}, .bits = 128};
	const struct address_range own_ipv4 = {
		.base = {.bytes = {[10] = 0xFF, [11] = 0xFF, [12] = 127}},
		.bits = 104};
	const struct address_range all = {.bits = 128};
	const struct address_range all_ipv4 = {.base = {.bytes = {[10] = 0xFF, [11] = 0xFF}},
		.bits = 128};
	if (!is_parsed || in_range(&address, &all) || in_range(&address, &all_ipv4)) {
		return "whoever reaches this machine, by any network";
	}
	return in_range(&address, &own) || in_range(&address, &own_ipv4)
		? "this machine alone"
		: "whoever reaches this address";
}

bool address_in_ranges(const struct address *address, const struct address_range *ranges,
	size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (in_range(address, &ranges[i])) {
			return true;
		}
	}
	return false;
}

/* clang-format off: a table */
#define IPV4(a, b, c, d, bits_) \
	{ \
		.base = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, (a), (b), (c), (d)}}, \
		.bits = 96 + (bits_) \
	}
#define IPV6(a, b, c, d, bits_) \
	{ \
		.base = {{(a) >> 8, (a)&0xFF, (b) >> 8, (b)&0xFF, (c) >> 8, (c)&0xFF, (d) >> 8, \
			(d)&0xFF}}, \
		.bits = (bits_) \
	}

static const struct address_range special_ipv4[] = {
	IPV4(0, 0, 0, 0, 8),       /* this network */
	IPV4(10, 0, 0, 0, 8),      /* private */
	IPV4(100, 64, 0, 0, 10),   /* shared behind carriers' NAT */
	IPV4(127, 0, 0, 0, 8),     /* loopback */
	IPV4(169, 254, 0, 0, 16),  /* link-local; metadata of clouds */
	IPV4(172, 16, 0, 0, 12),   /* private */
	IPV4(192, 0, 0, 0, 24),    /* protocol assignments */
	IPV4(192, 0, 2, 0, 24),    /* documentation */
	IPV4(192, 88, 99, 0, 24),  /* 6to4 relays */
	IPV4(192, 168, 0, 0, 16),  /* private */
	IPV4(198, 18, 0, 0, 15),   /* benchmarks */
	IPV4(198, 51, 100, 0, 24), /* documentation */
	IPV4(203, 0, 113, 0, 24),  /* documentation */
	IPV4(224, 0, 0, 0, 3),     /* multicast, reserved, broadcast */
};

/* All of the internet's addresses, and what in them is not. */
static const struct address_range global_ipv6 = IPV6(0x2000, 0, 0, 0, 3);
static const struct address_range special_ipv6[] = {
	IPV6(0x2001, 0, 0, 0, 23),     /* protocol assignments; Teredo */
	IPV6(0x2001, 0xDB8, 0, 0, 32), /* documentation */
	IPV6(0x2002, 0, 0, 0, 16),     /* 6to4: any IPv4 address inside */
	IPV6(0x3FFF, 0, 0, 0, 20),     /* documentation */
};
/* An IPv4 address in its last 32 bits, as networks without IPv4 see it. */
static const struct address_range nat64 = IPV6(0x64, 0xFF9B, 0, 0, 96);
/* clang-format on */

bool address_is_public(const struct address *address)
{
	if (is_ipv4(address)) {
		return !address_in_ranges(address, special_ipv4, COUNT_OF(special_ipv4));
	}
	if (address_in_ranges(address, &nat64, 1)) {
		struct address inner;
		set_ipv4(&inner, address->bytes + sizeof(mapped_prefix));
		return address_is_public(&inner);
	}
	return address_in_ranges(address, &global_ipv6, 1) &&
		!address_in_ranges(address, special_ipv6, COUNT_OF(special_ipv6));
}

/* By hand: it is done for each request, and inet_ntop() uses printf. */
static size_t write_ipv4(const uint8_t bytes[4], char *out)
{
	char *at = out;
	for (size_t i = 0; i < 4; i++) {
		if (i > 0) {
			*at++ = '.';
		}
		if (bytes[i] >= 100) {
			*at++ = (char)('0' + bytes[i] / 100);
		}
		if (bytes[i] >= 10) {
			*at++ = (char)('0' + bytes[i] / 10 % 10);
		}
		*at++ = (char)('0' + bytes[i] % 10);
	}
	*at = '\0';
	return (size_t)(at - out);
}

struct address address_network(const struct address *address)
{
	struct address network = *address;
	if (!is_ipv4(address)) {
		memset(network.bytes + sizeof(network.bytes) / 2, 0, sizeof(network.bytes) / 2);
	}
	return network;
}

size_t address_write(const struct address *address, char out[ADDRESS_TEXT_BYTES])
{
	if (is_ipv4(address)) {
		return write_ipv4(address->bytes + sizeof(mapped_prefix), out);
	}
	const char *text = inet_ntop(AF_INET6, address->bytes, out, ADDRESS_TEXT_BYTES);
	invariant(text != NULL);
	return strlen(out);
}

struct address address_behind_proxies(const struct address *peer, struct str forwarded_for,
	const struct address_range *trusted, size_t trusted_count)
{
	struct address client = *peer;
	struct str rest = forwarded_for;
	while (rest.n > 0 && address_in_ranges(&client, trusted, trusted_count)) {
		size_t comma = str_find_last_byte(rest, ',');
		size_t last_at = comma == SIZE_MAX ? 0 : comma + 1;
		struct str last = str_trim(str_slice(rest, last_at, rest.n));
		rest = str_slice(rest, 0, comma == SIZE_MAX ? 0 : comma);
		if (str_starts_with(last, STR("[")) && str_ends_with(last, STR("]"))) {
			last = str_slice(last, 1, last.n - 1);
		}
		struct address next;
		if (!address_parse(last, &next)) {
			break;
		}
		client = next;
	}
	return client;
}
