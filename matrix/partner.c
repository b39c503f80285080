/*
 * The same patterns as in server ACLs (server_acl.c), but that a port may be part of them: a machine can be several
 * servers.
 */
#include "matrix/partner.h"

#include "base/glob.h"

static const struct str names[] = {
	[PARTNER_OPEN] = STR_INIT("open"),
	[PARTNER_LISTED] = STR_INIT("partners"),
	[PARTNER_CLOSED] = STR_INIT("closed"),
};

bool partner_policy_parse(struct str text, enum partner_policy *out)
{
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (str_equals(text, names[i])) {
			*out = (enum partner_policy)i;
			return true;
		}
	}
	return false;
}

struct str partner_policy_name(enum partner_policy policy)
{
	return names[policy];
}

bool partner_pattern_is_valid(struct str pattern)
{
	static const struct str marks = STR_INIT(".-:[]*?");
	for (size_t i = 0; i < pattern.n; i++) {
		char c = pattern.p[i];
		bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!is_plain && str_find_byte(marks, c) == SIZE_MAX) {
			return false;
		}
	}
	return pattern.n > 0 && pattern.n <= ID_MAX_BYTES;
}

static bool matches(struct str pattern, struct server_name server)
{
	return glob_match(pattern, server.s, true) ||
		glob_match(pattern, server_name_host(server), true);
}

bool partner_is_allowed(enum partner_policy policy, const struct partner_rule *rules, size_t count,
	struct server_name server)
{
	bool is_partner = false;
	if (policy == PARTNER_CLOSED) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (rules[i].is_allowed && is_partner) {
			continue;
		}
		if (matches(rules[i].pattern, server)) {
			if (!rules[i].is_allowed) {
				return false;
			}
			is_partner = true;
		}
	}
	return policy == PARTNER_OPEN || is_partner;
}
