/**
 * The text of a transaction: what waits for a service, as far as it fits.
 * Spec: application-service API, "Pushing events", "Pushing ephemeral data"; MSC4203 (messages to devices), MSC3202 (keys)
 */
#ifndef BELFRY_APPSERVICES_AS_TRANSACTION_H
#define BELFRY_APPSERVICES_AS_TRANSACTION_H

#include "appservices/as_moments.h"

enum {
	AS_TRANSACTION_NEWS_MAX = 100,
	AS_TRANSACTION_KEY_NEWS_MAX = 100,
	AS_TRANSACTION_BYTES = 2 << 20, /**< no further event once it is larger than this */
};

/** A transaction that is put together; in the arena. */
struct as_draft {
	const struct appservice *service;
	const struct appservice_set *set; /**< that it is in */
	struct as_interest *interest;
	const struct appservice_news *news; /**< in order; positions are whole */
	size_t news_n;
	struct as_moment_list moments;
	const struct appservice_key_news
		*key_news; /**< devices of which it says how many keys are left, whatever else is in it */
	size_t key_news_n;
	/* Afterwards: */
	int64_t up_to;   /**< what waited up to here is in it, or has nothing to tell (any more) */
	struct str body; /**< p == NULL: there is nothing to send */
	struct appservice_message *messages; /**< in it, to devices that nobody else may have */
	size_t message_n;
};

/** Writes it. Errors: STORE. Cost: what is not in memory of rooms and events. */
MUST_CHECK enum err as_draft_write(struct ctx *ctx, struct homeserver *hs, struct as_draft *draft);

#endif
