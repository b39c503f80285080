/**
 * The text of an event that can be searched.
 */
#ifndef BELFRY_HOMESERVER_SEARCH_SEARCH_TEXT_H
#define BELFRY_HOMESERVER_SEARCH_SEARCH_TEXT_H

#include "base/json.h"
#include "storage/search.h"

/**
 * The text of an event's content (of an edit: of its m.new_content).
 *
 * @param is_state  with an empty state key
 * @return          false when it has none
 * Spec: client-server API, "Search Categories"
 */
bool search_text_of(struct arena *arena, struct str type, bool is_state, const struct json *content,
	enum search_key *out_key, struct str *out_text);

#endif
