/*
 * Addresses of configuration and of clients behind proxies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>

#include <cmocka.h>
#undef fail /* a macro of cmocka, a function of base/ctx.h */

#include "http/address.h"

static void listen__forms__parsed(void **state)
{
	(void)state;
	struct sockaddr_storage out;
	socklen_t length = 0;
	assert_true(address_parse_listen(STR("127.0.1.1:8008"), &out, &length));
	assert_int_equal(out.ss_family, AF_INET);
	struct sockaddr_in ipv4;
	memcpy(&ipv4, &out, sizeof(ipv4));
	assert_int_equal(ntohs(ipv4.sin_port), 8008);
	assert_int_equal(ntohl(ipv4.sin_addr.s_addr), 0x7F000101);
	assert_true(address_parse_listen(STR("[::1]:0"), &out, &length));
	assert_int_equal(out.ss_family, AF_INET6);
	assert_true(address_parse_listen(STR("*:8448"), &out, &length));
	assert_int_equal(out.ss_family, AF_INET6);
	const char *const bad[] = {"", "8008", ":8008", ":", "localhost:8008",
		"127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:-1", "[::1]", "1.2.3:80"};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_false(address_parse_listen(str_of(bad[i]), &out, &length));
	}
}

static void listen__open_to__told(void **state)
{
	(void)state;
	static const char *const own[] = {"127.0.0.1:8008", "127.0.1.1:1", "[::1]:0"};
	static const char *const all[] = {"*:8008", "0.0.0.0:8008", "[::]:8008"};
	static const char *const one[] = {"10.1.2.3:8008", "[fd00::1]:8008", "192.168.0.1:80"};
	for (size_t i = 0; i < COUNT_OF(own); i++) {
		assert_string_equal(address_open_to(str_of(own[i])), "this machine alone");
		assert_string_equal(address_open_to(str_of(all[i])),
			"whoever reaches this machine, by any network");
		assert_string_equal(address_open_to(str_of(one[i])), "whoever reaches this address");
	}
}

static bool in_range(const char *address_text, const char *range_text)
{
	struct address address;
	struct address_range range;
	assert_true(address_parse(str_of(address_text), &address));
	assert_true(address_parse_range(str_of(range_text), &range));
	return address_in_ranges(&address, &range, 1);
}

static void range__bits__compared(void **state)
{
	(void)state;
	assert_true(in_range("10.1.2.3", "10.0.0.0/8"));
	assert_false(in_range("11.1.2.3", "10.0.0.0/8"));
	assert_true(in_range("10.0.0.129", "10.0.0.128/25"));
	assert_false(in_range("10.0.0.127", "10.0.0.128/25"));
	assert_true(in_range("127.0.0.1", "127.0.0.1"));
	assert_false(in_range("127.0.0.2", "127.0.0.1"));
	assert_true(in_range("::ffff:10.1.2.3", "10.0.0.0/8"));
	assert_true(in_range("fd00::1", "fd00::/8"));
	assert_false(in_range("fe80::1", "fd00::/8"));
	assert_true(in_range("1.2.3.4", "0.0.0.0/0"));
	assert_false(in_range("::1", "0.0.0.0/0"));
	struct address_range range;
	assert_false(address_parse_range(STR("10.0.0.0/33"), &range));
	assert_false(address_parse_range(STR("10.0.0.0/"), &range));
	assert_false(address_parse_range(STR("school.example"), &range));
}

static void assert_behind(const char *peer_text, const char *forwarded, const char *expected)
{
	struct address_range trusted[2];
	assert_true(address_parse_range(STR("127.0.0.1"), &trusted[0]));
	assert_true(address_parse_range(STR("10.0.0.0/8"), &trusted[1]));
	struct address peer;
	assert_true(address_parse(str_of(peer_text), &peer));
	struct address client = address_behind_proxies(&peer, str_of(forwarded), trusted, 2);
	char text[ADDRESS_TEXT_BYTES];
	(void)address_write(&client, text);
	assert_string_equal(text, expected);
}

static void write__every_octet__as_inet_ntop(void **state)
{
	(void)state;
	for (unsigned octet = 0; octet < 256; octet++) {
		char expected[ADDRESS_TEXT_BYTES];
		char text[ADDRESS_TEXT_BYTES];
		const uint8_t bytes[4] = {(uint8_t)octet, 0, (uint8_t)(255 - octet), (uint8_t)octet};
		assert_non_null(inet_ntop(AF_INET, bytes, expected, sizeof(expected)));
		struct address address;
		assert_true(address_parse(str_of(expected), &address));
		assert_int_equal(address_write(&address, text), strlen(expected));
		assert_string_equal(text, expected);
	}
}

static void forwarded_for__only_what_trusted_proxies_wrote__counts(void **state)
{
	(void)state;
	assert_behind("127.0.0.1", "203.0.113.7", "203.0.113.7");
	assert_behind("127.0.0.1", "1.1.1.1, 203.0.113.7", "203.0.113.7");
	assert_behind("127.0.0.1", "1.1.1.1, 203.0.113.7 , 10.0.0.5", "203.0.113.7");
	assert_behind("127.0.0.1", "[2001:db8::1]", "2001:db8::1");
	assert_behind("198.51.100.9", "1.1.1.1", "198.51.100.9");
	assert_behind("127.0.0.1", "", "127.0.0.1");
	assert_behind("127.0.0.1", "1.1.1.1, unknown", "127.0.0.1");
	assert_behind("127.0.0.1", "10.0.0.7", "10.0.0.7");
}

/* Just inside and just outside each range. */
static void sec_5_39__special_addresses_in_every_form__not_public(void **state)
{
	(void)state;
	const char *const special[] = {"0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255",
		"100.64.0.0", "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.169.254",
		"172.16.0.0", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.0.0",
		"192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.1", "203.0.113.1",
		"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1",
		"64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::8.8.8.8", "100::1", "2001::1",
		"2001:0:7f00:1::", "2001:1ff:ffff::1", "2001:db8::1", "2002:7f00:1::1", "2002:a00:1::1",
		"3fff::1", "fc00::1", "fdff::1", "fe80::1", "febf::1", "fec0::1", "ff02::1", "4000::1",
		"1fff::1"};
	for (size_t i = 0; i < COUNT_OF(special); i++) {
		struct address address;
		assert_true(address_parse(str_of(special[i]), &address));
		if (address_is_public(&address)) {
			print_error("%s\n", special[i]);
		}
		assert_false(address_is_public(&address));
	}
	const char *const public[] = {"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255",
		"100.128.0.0", "126.255.255.255", "128.0.0.1", "169.253.255.255", "169.255.0.0",
		"172.15.255.255", "172.32.0.0", "192.0.1.1", "192.167.255.255", "192.169.0.0",
		"198.17.255.255", "198.20.0.0", "223.255.255.255", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
		"2001:200::1", "2001:4860:4860::8888", "2003::1", "2a00::1", "3ffe::1"};
	for (size_t i = 0; i < COUNT_OF(public); i++) {
		struct address address;
		assert_true(address_parse(str_of(public[i]), &address));
		if (!address_is_public(&address)) {
			print_error("%s\n", public[i]);
		}
		assert_true(address_is_public(&address));
	}
}

static void network__of_ipv6__its_64_bits_and_of_ipv4_itself(void **state)
{
	(void)state;
	static const char *const cases[][2] = {{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
		{"2001:db8:1:3::1", "2001:db8:1:3::"}, {"::1", "::"}, {"192.0.2.7", "192.0.2.7"},
		{"::ffff:192.0.2.7", "192.0.2.7"}};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct address address;
		char text[ADDRESS_TEXT_BYTES];
		assert_true(address_parse(str_of(cases[i][0]), &address));
		struct address network = address_network(&address);
		(void)address_write(&network, text);
		assert_string_equal(text, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listen__forms__parsed),
		cmocka_unit_test(listen__open_to__told),
		cmocka_unit_test(range__bits__compared),
		cmocka_unit_test(write__every_octet__as_inet_ntop),
		cmocka_unit_test(network__of_ipv6__its_64_bits_and_of_ipv4_itself),
		cmocka_unit_test(forwarded_for__only_what_trusted_proxies_wrote__counts),
		cmocka_unit_test(sec_5_39__special_addresses_in_every_form__not_public),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
