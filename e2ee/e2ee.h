/**
 * The server's half of end-to-end encryption: the service, and its ports.
 * Spec: client-server API, "End-to-End Encryption", "Send-to-Device messaging"
 */
#ifndef BELFRY_E2EE_E2EE_H
#define BELFRY_E2EE_E2EE_H

#include "homeserver/homeserver.h"

/** Questions to several servers, asked side by side. */
struct e2ee_remote_ask {
	struct server_name server;
	struct json request; /**< object: user id → what is asked for, of this server's users */
	bool is_answered;    /**< set by the port: of all of them */
	struct json
		answer; /**< set by the port: the checked answer, of these users only; may hold some where not all answered */
};

/** A message to devices of another server. */
struct e2ee_remote_message {
	struct server_name server;
	struct str sender;
	struct str type;
	struct str message_id; /**< the sender's device and transaction */
	struct json messages;  /**< object: user id → device id or "*" → content */
};

/** What the federation does for users of other servers. Functions are NULL while there is none: then nobody there answers. */
struct e2ee_remote_port {
	void *self;
	/**
	 * Keys of devices and users, asked for no longer than `timeout_ms`; to fetch lists that are kept may take seconds more (federation/remote_learn.h).
	 * A call with a memo is parked meanwhile, once for each kind of question.
	 * Errors: DEFER (ctx_may_ask, where somebody has to be asked; parked); SHUTDOWN
	 */
	enum err (*query)(void *self, struct ctx *ctx, struct e2ee_remote_ask *asks, size_t count,
		int64_t timeout_ms);
	/** One-time keys; as above. */
	enum err (*claim)(void *self, struct ctx *ctx, struct e2ee_remote_ask *asks, size_t count,
		int64_t timeout_ms);
	/** Takes messages over; they are stored when it returns. Errors: STORE. */
	enum err (*send)(void *self, struct ctx *ctx, const struct e2ee_remote_message *messages,
		size_t count);
};

struct e2ee {
	struct homeserver *hs;
	struct e2ee_remote_port remote;
	struct device_lists *lists;   /**< changes of device lists (device_lists.h) */
	struct device_states *states; /**< what devices have left (device_state.h) */
	struct claim_queue *claims;   /**< claims that wait (claim_queue.h) */
	struct own_devices *own;      /**< devices that the server itself runs (own_device.h) */
	int64_t message_limit;        /**< messages kept for a device */
};

/**
 * Fills hs->ports.e2ee. The users service exists already. The writer is made after it, since it tells of what other processes do from
 * its first moment on; then e2ee_forget() with its position, before anybody asks.
 */
struct e2ee *e2ee_create(struct homeserver *hs);
void e2ee_destroy(struct e2ee *e2ee);
/** Everything up to a position is read anew: memory may be older than the database. Writer's thread. */
void e2ee_forget(struct e2ee *e2ee, int64_t position);
/** Another process has committed messages to devices of a user, or changed their keys. Writer's thread. */
void e2ee_told_device(struct e2ee *e2ee, struct str user_id);
/** The same, of a change that is no commit (keys were claimed): no publication follows, so who waits is woken at once. Writer's thread. */
void e2ee_heard_device(struct e2ee *e2ee, struct str user_id);
/** Such changes may have been missed, of anybody. Writer's thread. */
void e2ee_deaf(struct e2ee *e2ee);
/**
 * One-time or fallback keys of some users were added or claimed: other processes know it when this returns. One user may stand there several
 * times. Cost: nothing where there is one process; else as writer_tell_all().
 */
void e2ee_tell_keys_changed(struct homeserver *hs, const struct str *user_ids, size_t count);
/** The port e2ee_port.devices_changed: what is known of the user's devices leaves the memory, here and in other processes. */
void e2ee_devices_changed(struct ctx *ctx, struct homeserver *hs, struct str user_id);
/** Another process has committed changes of device lists, up to a position: whom they concern looks anew. Writer's thread. */
void e2ee_told_lists(struct e2ee *e2ee, int64_t position);

/**
 * For the housekeeper, at each round: tells of devices that ended beside the writer (by the command line, or before a crash), and
 * puts away what nobody asked for. Failures are logged; a later call tries again.
 * Cost: one small query.
 */
void e2ee_tidy(struct ctx *ctx, struct e2ee *e2ee);

/** Asks the other servers, by way of the port; what has no server that answers stays unanswered. Errors: as the port's */
MUST_CHECK enum err e2ee_ask_remote(struct ctx *ctx, struct e2ee *e2ee,
	struct e2ee_remote_ask *asks, size_t count, int64_t timeout_ms, bool is_claim);
/** Splits users of other servers out of a map by user id, one ask for each server. @return count */
size_t e2ee_remote_asks(struct arena *arena, const struct homeserver *hs, const struct json *map,
	struct e2ee_remote_ask **out);
/** Writes the members of one section of the answers. */
void e2ee_write_answers(struct json_out *out, const struct e2ee_remote_ask *asks, size_t count,
	struct str section);
/** Writes `failures`: the servers that did not answer. */
void e2ee_write_failures(struct json_out *out, const struct e2ee_remote_ask *asks, size_t count);

#endif
