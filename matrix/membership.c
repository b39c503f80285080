/*
 * Membership as a word and as a number. Rules compare numbers; only this file knows the words.
 */
#include "matrix/membership.h"

static const struct str names[] = {
	[MEMBERSHIP_NONE] = STR_INIT(""),
	[MEMBERSHIP_INVITE] = STR_INIT("invite"),
	[MEMBERSHIP_JOIN] = STR_INIT("join"),
	[MEMBERSHIP_KNOCK] = STR_INIT("knock"),
	[MEMBERSHIP_LEAVE] = STR_INIT("leave"),
	[MEMBERSHIP_BAN] = STR_INIT("ban"),
	[MEMBERSHIP_UNKNOWN] = STR_INIT(""),
};

enum membership membership_parse(struct str text)
{
	for (size_t i = MEMBERSHIP_INVITE; i <= MEMBERSHIP_BAN; i++) {
		if (str_equals(text, names[i])) {
			return (enum membership)i;
		}
	}
	return MEMBERSHIP_UNKNOWN;
}

enum membership membership_of(const struct event *event)
{
	if (event == NULL) {
		return MEMBERSHIP_NONE;
	}
	return membership_parse(json_get_str(event->content, STR("membership")));
}

struct str membership_name(enum membership membership)
{
	return names[membership];
}
