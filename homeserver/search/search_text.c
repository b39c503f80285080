/*
 * content.body, content.name, content.topic with the plain text of m.topic. The quotation that older clients put before a
 * reply is somebody else's text and left out.
 */
#include "homeserver/search/search_text.h"

#include "matrix/relation.h"
#include "matrix/room_summary.h"

/* What is behind the lines that begin with "> " and the empty line that ends them. */
static struct str without_quotation(struct str body)
{
	struct str rest = body;
	while (str_starts_with(rest, STR(">"))) {
		struct str line;
		if (!str_split(rest, '\n', &line, &rest)) {
			return body;
		}
	}
	return rest;
}

static struct str body_of(const struct json *content)
{
	struct relation relation;
	struct str body = json_get_str(content, STR("body"));
	bool is_reply = relation_read(content, &relation) && relation.in_reply_to.p != NULL;
	return is_reply && body.p != NULL ? without_quotation(body) : body;
}

static struct str topic_of(struct arena *arena, const struct json *content)
{
	struct str topic = json_get_str(content, STR("topic"));
	struct str plain = room_topic_plain(content);
	if (plain.p == NULL || (topic.p != NULL && str_equals(plain, topic))) {
		return topic;
	}
	return topic.p == NULL ? plain
						   : str_printf(arena, "%.*s\n%.*s", STR_ARG(topic), STR_ARG(plain));
}

bool search_text_of(struct arena *arena, struct str type, bool is_state, const struct json *content,
	enum search_key *out_key, struct str *out_text)
{
	if (!is_state && str_equals(type, STR("m.room.message"))) {
		struct relation relation;
		bool is_edit =
			relation_read(content, &relation) && relation_is(&relation, STR("m.replace"));
		*out_key = SEARCH_BODY;
		*out_text = body_of(is_edit ? json_at(content, "m.new_content") : content);
	} else if (is_state && str_equals(type, STR("m.room.name"))) {
		*out_key = SEARCH_NAME;
		*out_text = json_get_str(content, STR("name"));
	} else if (is_state && str_equals(type, STR("m.room.topic"))) {
		*out_key = SEARCH_TOPIC;
		*out_text = topic_of(arena, content);
	} else {
		return false;
	}
	return out_text->p != NULL;
}
