/**
 * Signed requests to other homeservers: discovery, signature, TLS, policy, back-off and the answer's JSON in one call.
 * Spec: server-server API, "Resolving server names", "Request Authentication"
 */
#ifndef BELFRY_FEDERATION_FED_CLIENT_H
#define BELFRY_FEDERATION_FED_CLIENT_H

#include "federation/federation.h"
#include "federation/held_text.h"
#include "http/client.h"

/** Who waits gives an answer so much more than its time: the answer itself says that that is over, unless its server is still being looked for. */
enum { FED_LATE_MS = 500 };

/** What is asked. Texts are copied by fed_start(), borrowed during fed_ask(). */
struct fed_request {
	struct server_name server;
	const char *method;      /**< "GET", "PUT", "POST"; static */
	struct str target;       /**< path and query, percent-encoded: what is signed */
	const struct json *body; /**< NULL: none */
	size_t answer_ceiling_bytes;
	/**
	 * Values in the answer's JSON, each of which takes 32 bytes and more, and as many again while it is read, however short it is. 0: one for
	 * each 16 bytes that came, and 65,536: what is told in earnest has one for 25 to 50.
	 */
	size_t answer_max_values;
	/** The answer has lists of events: these are passed over, and read one by one with pdu_read_listed(). */
	bool is_of_events;
	int64_t timeout_ms; /**< for everything, discovery included; > 0 */
	bool is_unsigned;   /**< for keys: no Authorization */
	/** A server that failed lately is not asked again before its pause is over, unless a user waits. */
	bool ignores_backoff;
	bool is_about_one_thing; /**< a 5xx answer tells of this request only: no pause comes of it */
	/**
	 * fed_ask() of a call with a memo parks it (fails with DEFER) until the answer is there, and gives that to whoever asks the same once more for
	 * the same purpose: any address that stays as long as the purpose does. NULL: the thread waits.
	 */
	const void *purpose;
	/**
	 * Takes the body of an answer with status 2xx, whatever its type, piece by piece on the HTTP client's thread: it may not
	 * block. Another value than ERR_OK breaks the request off with that error. NULL: the answer has to be JSON.
	 */
	enum err (*sink)(void *data, struct str piece);
	void *sink_data;
};

/** An answer with status 2xx. Lives in the ctx's arena. */
struct fed_answer {
	int status;
	struct json
		json; /**< an object (or, of send_join v1 and the like, an array); JSON_NULL with a sink */
	const struct fetched *fetched; /**< the answer as it came, for its headers */
	struct held_text *
		text; /**< what `json` views, of a call that was parked; NULL: it is in the arena. held_text_fini() lets it go before the call ends */
};

/** What the other server said when it refused: of the last request that failed with DENIED, MISSING or INPUT. */
struct fed_refusal {
	int status;
	struct str errcode; /**< "M_FORBIDDEN"; empty when it gave none */
	struct str error;
	struct json json; /**< the whole answer; JSON_NULL when it is none */
};

/**
 * Asks and waits; LANE_REMOTE, a consumer's or a queue's thread.
 *
 * Errors: REMOTE (unreachable, TLS, no JSON, 5xx, 429); TIMEOUT; LIMIT (answer too large); SHUTDOWN; DEFER (parked); DENIED M_FORBIDDEN
 * (policy of this server: not a partner); for other statuses DENIED (401, 403), MISSING (404), INPUT (other 4xx), with `out_refusal` filled
 * @param out_refusal  may be NULL
 */
MUST_CHECK enum err fed_ask(struct ctx *ctx, struct federation *federation,
	const struct fed_request *request, struct fed_answer *out, struct fed_refusal *out_refusal);

/** How many values the JSON of an answer may have, which is so long. */
size_t fed_answer_max_values(const struct fed_request *request, size_t text_bytes);

/** A server was heard: it may be asked at once. Any thread. */
void fed_client_heard(struct federation *federation, struct server_name server);

struct fed_client *fed_client_create(struct homeserver *hs);
/** After the HTTP client has stopped. */
void fed_client_destroy(struct fed_client *client);

/** The cause of a failure that is our own policy's. */
#define FED_POLICY_CAUSE "federation.policy"

/** How a request of fed_start() ended; borrowed for the callback. */
struct fed_end {
	enum err err; /**< as above */
	struct str cause;
	const struct fed_answer *answer;
	const struct fed_refusal *refusal;
};
/**
 * Asks without waiting. `finished` is called once in any case, on a thread of the HTTP client or the resolver, where it may not
 * block; or before this returns, on the caller's, when nobody needs to be asked.
 */
void fed_start(struct federation *federation, const struct fed_request *request,
	void (*finished)(void *data, const struct fed_end *end), void *data);

#endif
