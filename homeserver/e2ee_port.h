/**
 * What the homeserver's domains need of the encryption layer (e2ee/), which fills it when it is made.
 */
#ifndef BELFRY_HOMESERVER_E2EE_PORT_H
#define BELFRY_HOMESERVER_E2EE_PORT_H

#include "base/ctx.h"

struct homeserver;
struct principal;
struct user_room;

/** What a sync asks the encryption layer: everything in (since, up_to]. */
struct e2ee_ask {
	const struct principal *who;
	struct user *user;
	const struct user_room *rooms; /**< in which something happened since */
	size_t room_n;
	bool is_initial; /**< no device lists, no deletion */
	int64_t since;
	int64_t up_to;
	int64_t messages_since; /**< messages to the device up to here have arrived there */
	size_t messages_max;    /**< at once; 0: as many as an answer takes, which is never exceeded */
	bool without_messages;  /**< none are told, and none deleted */
	bool without_lists;
};

/** What a sync tells of encryption. In the ctx's arena. */
struct e2ee_news {
	struct str *messages; /**< to the device, oldest first: JSON objects */
	size_t message_n;
	int64_t
		messages_up_to;  /**< how far they go: up_to unless there are more than one answer takes */
	struct str *changed; /**< users whose keys are to be asked for anew */
	size_t changed_n;
	struct str *left; /**< users with whom no room is shared any more */
	size_t left_n;
	struct str one_time_counts;  /**< JSON object: algorithm → unclaimed keys */
	struct str unused_fallbacks; /**< JSON array of algorithms */
};

/** The encryption layer (e2ee/). */
struct e2ee_port {
	/**
	 * What is new for a device. Deletes the messages that have arrived.
	 * Errors: STORE
	 * Cost: no database while nothing of it changed and nobody came or went in the user's rooms.
	 */
	enum err (*sync_load)(struct ctx *ctx, struct homeserver *hs, const struct e2ee_ask *ask,
		struct e2ee_news *out);
	/** Whether something came for the device (or the user) after a position. From memory; may say so too often. */
	bool (*sync_has_more)(struct homeserver *hs, const struct e2ee_ask *ask);
	/**
	 * Devices of a user ended or got another name; the change is committed. Others are told; what fails is done later.
	 */
	void (*devices_changed)(struct ctx *ctx, struct homeserver *hs, struct str user_id);
	/** A command may have ended devices beside this process, of anybody: what memory has of them is read anew. */
	void (*devices_doubtful)(struct homeserver *hs);
	/** The account is deactivated: its cross-signing keys and key backups go. May be repeated. Errors: STORE. */
	enum err (*account_ended)(struct ctx *ctx, struct homeserver *hs, struct str user_id);
};

#endif
