/**
 * How events relate to others: `m.relates_to`, threads, edits, and what is bundled with an event.
 * Spec: client-server API, "Forming relationships between events", "Event replacements",
 * "Threading"
 */
#ifndef BELFRY_MATRIX_RELATION_H
#define BELFRY_MATRIX_RELATION_H

#include "base/json_out.h"
#include "matrix/event.h"

enum {
	RELATION_MAX_HOPS = 3,         /**< towards a thread's root */
	RELATION_MAX_TYPE_BYTES = 255, /**< of a rel_type */
};

/** `m.relates_to` as far as it is well-formed. All views of the content. */
struct relation {
	struct str rel_type;    /**< p == NULL: no relation to `event_id` (there may be a reply) */
	struct str event_id;    /**< the parent */
	struct str key;         /**< of m.annotation; p == NULL: none */
	struct str in_reply_to; /**< event id; p == NULL: no reply */
	bool is_falling_back;   /**< the reply is only for clients without threads */
};

/**
 * Reads `m.relates_to`. Malformed relations are ignored, as the specification wants; an annotation
 * without `key` is malformed.
 *
 * @param content  object; NULL is fine
 * @return         false when there is neither relation nor reply; *out is empty then
 */
bool relation_read(const struct json *content, struct relation *out);

/** Whether it relates to its parent with this type: relation_is(&r, STR("m.thread")). */
bool relation_is(const struct relation *relation, struct str rel_type);

/** How an event's parents are found. */
struct relation_source {
	/**
	 * The relation of another event of the same room; false when it is unknown or has none, or when it cannot be had: that ends the
	 * search, and the source remembers why. `out_thread_root` may be set instead when its thread is known already (else it stays empty).
	 */
	bool (*get)(void *self, struct str event_id, struct relation *out, struct str *out_thread_root);
	void *self;
};

/**
 * The thread an event is in: its own m.thread relation, or that of a parent over at most
 * RELATION_MAX_HOPS relations. Replies without rel_type do not count. A thread's root is not in it.
 *
 * @return event id of the root, p == NULL for the main timeline
 * Spec: "Threaded read receipts"
 */
struct str relation_thread_root(const struct relation *relation,
	const struct relation_source *source);

/**
 * Whether a client may start a thread at an event with this content. Rule:
 * "relation.thread.nested".
 */
MUST_CHECK struct verdict relation_check_thread_root(const struct json *root_content);

/** What decides whether an edit holds. */
struct relation_edit_facts {
	struct str room_id; /**< both events' are compared; equal or empty when known to be the same */
	struct str sender;
	struct str type;
	bool is_state;
	const struct json *content;
};

/**
 * Whether `edit` validly replaces `original`: same room, sender and type, no state, original no
 * edit itself, and m.new_content there (unless encrypted).
 * Rules: "relation.edit.room", ".sender", ".type", ".state", ".nested", ".target", ".new_content"
 * Spec: "Validity of replacement events"
 */
MUST_CHECK struct verdict relation_check_edit(const struct relation_edit_facts *original,
	struct str original_id, const struct relation_edit_facts *edit);

/** The facts of a parsed event. */
struct relation_edit_facts relation_edit_facts_of(const struct event *event);

/** Whether the first edit is the more recent one: later time, then greater event id. */
bool relation_edit_is_newer(int64_t ts_ms, struct str event_id, int64_t other_ts_ms,
	struct str other_event_id);

/** What is bundled with one event. A zeroed struct is nothing. */
struct relation_bundle {
	struct str edit;              /**< client JSON of the newest valid edit; p == NULL: none */
	const struct str *references; /**< event ids, oldest first */
	size_t reference_count;
	int64_t thread_count;     /**< 0: no thread */
	struct str thread_latest; /**< client JSON of its newest event */
	bool participated;        /**< the user sent the root or an event of the thread */
};

/** Whether there is nothing to write. */
bool relation_bundle_is_empty(const struct relation_bundle *bundle);
/** Writes the value of `m.relations`: an object. */
void relation_bundle_write(struct json_out *out, const struct relation_bundle *bundle);

#endif
