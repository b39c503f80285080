/*
 * History visibility. The specification's five rules are asked once for what held before the event and
 * once for what held after it; for all but two kinds of event these are the same.
 */
#include "matrix/visibility.h"

static const struct str names[] = {
	[VISIBILITY_SHARED] = STR_INIT("shared"),
	[VISIBILITY_INVITED] = STR_INIT("invited"),
	[VISIBILITY_JOINED] = STR_INIT("joined"),
	[VISIBILITY_WORLD_READABLE] = STR_INIT("world_readable"),
};

enum visibility visibility_parse(struct str text)
{
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (str_equals(text, names[i])) {
			return (enum visibility)i;
		}
	}
	return VISIBILITY_SHARED;
}

enum visibility visibility_of(const struct event *event)
{
	if (event == NULL) {
		return VISIBILITY_SHARED;
	}
	return visibility_parse(json_get_str(event->content, STR("history_visibility")));
}

struct visibility_facts visibility_facts_plain(enum visibility visibility,
	enum membership membership, bool joined_later)
{
	return (struct visibility_facts){
		.before = visibility,
		.after = visibility,
		.membership_before = membership,
		.membership_after = membership,
		.joined_later = joined_later,
	};
}

struct visibility_facts visibility_facts_of(const struct event *event, struct user_id user,
	enum visibility before, enum membership membership_before, bool joined_later)
{
	struct visibility_facts facts = visibility_facts_plain(before, membership_before, joined_later);
	if (event_is(event, STR("m.room.history_visibility"), STR(""))) {
		facts.after = visibility_of(event);
	}
	if (event_is(event, STR("m.room.member"), user.s)) {
		facts.membership_after = membership_of(event);
	}
	return facts;
}

/* The numbers are the specification's, "Server behaviour". */
static bool is_allowed(enum visibility visibility, enum membership membership, bool joined_later)
{
	if (visibility == VISIBILITY_WORLD_READABLE || membership == MEMBERSHIP_JOIN) { /* 1, 2 */
		return true;
	}
	if (visibility == VISIBILITY_SHARED && joined_later) { /* 3 */
		return true;
	}
	return visibility == VISIBILITY_INVITED && membership == MEMBERSHIP_INVITE; /* 4, 5 */
}

bool visibility_allows(const struct visibility_facts *facts)
{
	return is_allowed(facts->before, facts->membership_before, facts->joined_later) ||
		is_allowed(facts->before, facts->membership_after, facts->joined_later) ||
		is_allowed(facts->after, facts->membership_before, facts->joined_later) ||
		is_allowed(facts->after, facts->membership_after, facts->joined_later);
}
