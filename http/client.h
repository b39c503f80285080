/**
 * Outgoing HTTP: one thread with libcurl carries all requests of the process.
 *
 *     struct fetched answer;
 *     TRY(http_client_fetch(ctx, hs->http_client,
 *     	&(struct fetch){.method = "GET", .url = url, .answer_ceiling_bytes = 65536, .timeout_ms = 10000}, &answer));
 *     if (answer.status == 200) { … answer.body … }
 *
 * Only http and https, no user names in URLs, no proxies of the environment, no cookies, no netrc. Each address is checked
 * when its socket is opened, so after DNS and after each redirect: those that only this machine or its network
 * can reach are refused unless the configuration allows them (http/address.h: address_is_public()). Names are looked up by http/dns.
 *
 * Connections are kept and used again. Whoever waits does so on a worker of LANE_REMOTE or a consumer's thread,
 * holding no ranked lock and no database lease; queues with many destinations use http_client_start().
 */
#ifndef BELFRY_HTTP_CLIENT_H
#define BELFRY_HTTP_CLIENT_H

#include "base/ctx.h"

struct http_client;
struct address_range; /* http/address.h */
struct detour;        /* http/detour.h */
struct dns;           /* http/dns.h */

/** How mails leave; see client_mail.h. */
struct mail_relay {
	struct str url; /**< "smtp://host:587" or "smtps://host:465"; empty: no mails are sent */
	struct str user;
	struct str password;
	struct str from;       /**< address of the sender */
	bool allows_cleartext; /**< whether smtp:// may go on without STARTTLS */
};

/** Texts and lists are borrowed until the destruction. */
struct http_client_config {
	struct str user_agent;
	struct str ca_file; /**< authorities besides the system's, PEM; empty: none */
	const struct address_range *allow;
	size_t allow_count;
	const struct detour *detours; /**< http/detour.h */
	size_t detour_count;
	struct str dns_servers; /**< as dns_create() takes them */
	struct mail_relay mail;
};

struct fetch_header {
	struct str name;
	struct str value; /**< control characters are refused (INPUT) */
};

/** How far a request got on its way. */
enum fetch_reach {
	FETCH_NO_ADDRESS,
	FETCH_NO_CONNECTION,
	FETCH_NO_TLS, /**< somebody is there, but no TLS came about with a certificate that is good */
	FETCH_NO_ANSWER, /**< nothing that is HTTP came, or not all of it */
	FETCH_ANSWERED,
};

/** What was seen on the way, for whoever looks for a fault. Empty: not seen. */
struct fetch_way {
	struct arena *arena; /**< of the texts; the caller's, who does nothing with it meanwhile */
	enum fetch_reach reach;
	struct str address; /**< of the last that was connected to */
	uint16_t port;
	/* The certificate of whoever is there, as libcurl words it. */
	struct str subject;
	struct str issuer;
	struct str names; /**< "DNS:school.example, DNS:…" */
	struct str until; /**< "Nov 28 10:12:00 2027 GMT" */
};

/** What is asked. All texts are copied by the functions below. */
struct fetch {
	const char *method; /**< "GET", "HEAD", or another, which sends `body`; static */
	struct str url;
	const struct fetch_header *headers;
	size_t header_count;
	struct str body;
	size_t
		answer_ceiling_bytes; /**< largest answer, decoded; 0: no body is wanted, none may come */
	bool takes_beginning;     /**< an answer over the ceiling is cut off there, and no failure */
	int64_t timeout_ms;       /**< for everything, waiting for a free connection included; > 0 */
	int64_t
		connect_timeout_ms; /**< of it, until there is a connection, TLS included, not counting its name; 0: 10 s, which is also the most */
	int redirects_allowed;  /**< 0: a redirect is an answer like others */
	bool is_https_only;     /**< http:// is refused, also in a redirect */
	/**
	 * The URL is the administrator's: any address may be reached. Its connection is used for nothing else, so that no other request
	 * comes by way of it to where it may not go.
	 */
	bool is_administrators;
	/**
	 * Where to connect instead of the URL's host and port (SRV records); the name in `Host` and the one that the
	 * certificate must have stay the URL's. Empty: the URL's.
	 */
	struct str connect_host;
	uint16_t connect_port;
	/**
	 * Takes the body of an answer with status 2xx piece by piece, on the client's thread: it may not block. Another
	 * value than ERR_OK breaks the request off with that error. NULL: the body is collected.
	 */
	enum err (*sink)(void *data, struct str piece);
	void *sink_data;
	/** Where to note what is seen of a connection of its own, before the request has ended. NULL: nowhere. */
	struct fetch_way *way;
	/** Whatever the certificate: to look at it. Nothing of the answer may be believed. */
	bool trusts_anybody;
};

struct fetched {
	int status;
	struct str body;      /**< empty when a sink took it */
	struct str final_url; /**< after redirects */
	const struct fetch_header *headers;
	size_t header_count;
};

/** First header of that name, without case; p == NULL when absent. */
struct str fetched_header(const struct fetched *fetched, const char *name);

/**
 * Asks and waits for the answer, whatever its status; it lives in the ctx's arena. The ctx's deadline counts too.
 *
 * Errors: INPUT (no URL of http or https, user name in it, bad header); REMOTE (unreachable, TLS, broken off; the cause
 * says); DENIED (an address that may not be reached); LIMIT (answer over the ceiling); TIMEOUT; SHUTDOWN; the sink's
 */
MUST_CHECK enum err http_client_fetch(struct ctx *ctx, struct http_client *client,
	const struct fetch *fetch, struct fetched *out);

/** Whether a host, written as an address, is one that the configuration lets be reached although it is not public. */
bool http_client_allows(const struct http_client *client, struct str host);

/** By what it looks up names; stops with it. */
struct dns *http_client_dns(const struct http_client *client);

/** How a request of http_client_start() ended; borrowed for the callback. */
struct fetch_end {
	enum err err; /**< as above */
	struct str cause;
	bool is_unconnected;   /**< there was no connection: nobody got the request */
	struct fetched answer; /**< when ERR_OK */
};
/** Runs on the client's thread, may not block; it may start further requests. */
typedef void fetch_finished(void *data, const struct fetch_end *end);

/**
 * Asks without waiting. `finished` is called once in any case; before this returns, on the caller's thread, when the request is
 * refused as it stands or the client has stopped.
 */
void http_client_start(struct http_client *client, const struct fetch *fetch,
	fetch_finished *finished, void *data);

struct http_client *http_client_create(const struct http_client_config *config);
/** Ends what is under way with SHUTDOWN, and whatever comes after. Returns when the thread has ended. */
void http_client_stop(struct http_client *client);
/** Stops if need be, and frees. NULL does nothing. */
void http_client_destroy(struct http_client *client);

#endif
