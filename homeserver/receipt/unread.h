/**
 * Unread counts by running counters (inside of the domain; what others call is in receipts.h).
 *
 * Events carry how many notifying events their thread (or what is outside threads) has had so far. A user has a mark in each: the
 * counts at what was read last. What is unread is a difference; only mentions of single users are looked at one by one.
 */
#ifndef BELFRY_HOMESERVER_RECEIPT_UNREAD_H
#define BELFRY_HOMESERVER_RECEIPT_UNREAD_H

#include "homeserver/receipt/receipts.h"

struct unread;

struct unread *unread_create(void);
void unread_destroy(struct unread *unread);
/** All entries are read anew by whoever asks next. */
void unread_forget(struct unread *unread);
/** The same for one user's in one room. */
void unread_forget_one(struct unread *unread, int64_t room_nid, struct str user_id);

/**
 * A receipt was committed: moves the user's marks, if they are in memory. Writer's thread; memory only.
 *
 * @param event      what was read up to
 * @param thread_id  "main" or a root's event id; p == NULL: unthreaded
 */
void unread_receipt_committed(struct unread *unread, struct str user_id,
	const struct stored_event *event, struct str thread_id);

/** The domain's part of the service; receipts.c has it. */
struct unread *receipts_unread(const struct receipts *receipts);

#endif
