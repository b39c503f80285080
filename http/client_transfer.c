/*
 * One request as libcurl carries it: options, callbacks, answer. Everything that is refused after the start is refused in a
 * callback, which notes why and makes libcurl end the transfer: the address when the socket is opened, the
 * size when it is exceeded.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "http/client_inner.h"
#include "http/detour.h"

enum {
	CONNECT_TIMEOUT_MS = 10 * 1000,
	HEADER_CEILING_BYTES = 64 * 1024,
	HEADER_CEILING_COUNT = 256,
};

#define OUTCOME(word) \
	{ \
		.kind = METRIC_KIND_COUNTER, .name = "belfry_http_client_requests_total", \
		.help = "Outgoing requests by how they ended", .labels = "outcome=\"" word "\"" \
	}

enum outcome {
	OUTCOME_ANSWERED,
	OUTCOME_FAILED,
	OUTCOME_DENIED,
	OUTCOME_TOO_LARGE,
	OUTCOME_TIMEOUT,
	OUTCOME_STOPPED,
	OUTCOME_COUNT,
};

static struct metric outcomes[OUTCOME_COUNT] = {OUTCOME("answered"), OUTCOME("failed"),
	OUTCOME("denied"), OUTCOME("too_large"), OUTCOME("timeout"), OUTCOME("stopped")};
static struct metric duration =
	METRIC_HISTOGRAM("belfry_http_client_seconds", "Time of outgoing requests that were answered");

static enum outcome outcome_of(enum err err)
{
	switch (err) {
	case ERR_OK:
		return OUTCOME_ANSWERED;
	case ERR_DENIED:
		return OUTCOME_DENIED;
	case ERR_LIMIT:
		return OUTCOME_TOO_LARGE;
	case ERR_TIMEOUT:
		return OUTCOME_TIMEOUT;
	case ERR_SHUTDOWN:
		return OUTCOME_STOPPED;
	case ERR_INPUT:
	case ERR_MISSING:
	case ERR_CONFLICT:
	case ERR_REMOTE:
	case ERR_STORE:
	case ERR_INTERNAL:
	case ERR_DEFER:
		return OUTCOME_FAILED;
	}
	return OUTCOME_FAILED;
}

void transfer_refuse(struct transfer *transfer, enum err err, const char *cause)
{
	transfer->refused = err;
	transfer->refused_cause = str_of(cause);
}

/* --- callbacks, on the client's thread ------------------------------------------------------------------ */

/* The address is the one that is connected to: nothing resolves a name again after this look. */
static curl_socket_t on_open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *to)
{
	(void)purpose;
	struct transfer *transfer = data;
	const struct http_client_config *config = client_config(transfer->client);
	struct address address;
	if (!address_of_socket(&to->addr, &address) ||
		(!transfer->is_any_address && !address_is_public(&address) &&
			!address_in_ranges(&address, config->allow, config->allow_count))) {
		transfer->is_address_denied = true;
		return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static bool is_success(const struct transfer *transfer)
{
	long status = 0;
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	return status >= 200 && status < 300;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *data)
{
	struct transfer *transfer = data;
	struct str piece = {bytes, size * count};
	if (transfer->sink != NULL && is_success(transfer)) {
		enum err err = transfer->sink(transfer->sink_data, piece);
		if (err != ERR_OK) {
			transfer_refuse(transfer, err, "whoever takes the answer broke off");
			return 0;
		}
		return piece.n;
	}
	size_t room = transfer->body.ceiling - transfer->body.n;
	if (transfer->takes_beginning && piece.n > room) {
		buf_add(&transfer->body, str_slice(piece, 0, room));
		transfer->is_cut = true;
		return 0;
	}
	buf_add(&transfer->body, piece);
	if (!buf_ok(&transfer->body)) {
		transfer_refuse(transfer, ERR_LIMIT, "the answer is too large");
		return 0;
	}
	return piece.n;
}

/*
 * How many times what follows is packed. libcurl unpacks it all, each time to a thousandfold and within one call, and no ceiling sees what
 * lies between: 9 KB packed three times keep the thread for seconds without one byte for on_body(), four times for hours.
 */
static size_t count_packings(struct str name, struct str value)
{
	size_t count = 0;
	bool is_list_of_codings = str_equals_nocase(name, STR("Content-Encoding")) ||
		str_equals_nocase(name, STR("Transfer-Encoding"));
	while (is_list_of_codings && value.n > 0) {
		size_t comma = MIN_OF(str_find_byte(value, ','), value.n);
		struct str coding = str_trim(str_slice(value, 0, comma));
		bool packs = coding.n > 0 && !str_equals_nocase(coding, STR("chunked")) &&
			!str_equals_nocase(coding, STR("identity"));
		count += packs ? 1 : 0;
		value = str_slice(value, MIN_OF(comma + 1, value.n), value.n);
	}
	return count;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *data)
{
	struct transfer *transfer = data;
	struct str line = {bytes, size * count};
	if (!transfer->is_in_head && str_starts_with(line, STR("HTTP/"))) {
		/* A new answer: after a redirect, or after 1xx. Within a head it is a header that only looks so. */
		transfer->is_in_head = true;
		transfer->answer_headers.n = 0;
		transfer->packings = 0;
		return line.n;
	}
	if (str_trim(line).n == 0) {
		transfer->is_in_head = false;
		return line.n;
	}
	struct str name;
	struct str value;
	if (!str_split(line, ':', &name, &value)) {
		return line.n;
	}
	transfer->answer_header_bytes += line.n;
	if (transfer->answer_header_bytes > HEADER_CEILING_BYTES ||
		transfer->answer_headers.n == HEADER_CEILING_COUNT) {
		transfer_refuse(transfer, ERR_LIMIT, "the answer's head is too large");
		return 0;
	}
	transfer->packings += count_packings(name, str_trim(value));
	if (transfer->packings > 1) {
		transfer_refuse(transfer, ERR_LIMIT, "the answer is packed more than once");
		return 0;
	}
	struct fetch_header header = {str_dup(transfer->arena, name),
		str_dup(transfer->arena, str_trim(value))};
	VEC_PUSH(transfer->arena, &transfer->answer_headers, header);
	return line.n;
}

/* --- from the making to the end ------------------------------------------------------------------------- */

static void limit_connecting(CURL *easy, int64_t limit_ms)
{
	(void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
		(long)MIN_OF(limit_ms, (int64_t)CONNECT_TIMEOUT_MS));
}

struct transfer *transfer_new(struct http_client *client, int64_t timeout_ms)
{
	invariant(timeout_ms > 0);
	struct transfer *transfer = mem_alloc(sizeof(*transfer));
	transfer->client = client;
	transfer->arena = arena_create();
	transfer->easy = curl_easy_init();
	invariant(transfer->easy != NULL);
	transfer->started_us = clock_mono_us();
	transfer->deadline_ms = transfer->started_us / 1000 + timeout_ms;
	CURL *easy = transfer->easy;
	(void)curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_text);
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	limit_connecting(easy, timeout_ms);
	names_set_up(transfer);
	(void)curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not even the environment's */
	(void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	(void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	if (client_ca_path(client) != NULL) {
		/* One file and no folder: libcurl then reads them once, not for each connection. */
		(void)curl_easy_setopt(easy, CURLOPT_CAINFO, client_ca_path(client));
		(void)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
	return transfer;
}

void transfer_destroy(struct transfer *transfer)
{
	curl_easy_cleanup(transfer->easy);
	curl_slist_free_all(transfer->headers);
	curl_slist_free_all(transfer->connect_to);
	curl_slist_free_all(transfer->addresses);
	buf_fini(&transfer->body);
	arena_destroy(transfer->arena);
	mem_free(transfer);
}

static enum err err_of(const struct transfer *transfer, CURLcode code)
{
	if (code == CURLE_OK || transfer->is_cut) {
		return ERR_OK;
	}
	if (transfer->refused != ERR_OK) {
		return transfer->refused;
	}
	if (transfer->is_address_denied && code == CURLE_COULDNT_CONNECT) {
		return ERR_DENIED;
	}
	if (code == CURLE_ABORTED_BY_CALLBACK) {
		return ERR_SHUTDOWN; /* client.c ends all with it */
	}
	if (code == CURLE_OPERATION_TIMEDOUT) {
		return ERR_TIMEOUT;
	}
	/* LOGIN_DENIED: there is a user name in the URL. */
	long status = 0;
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (transfer->is_mail) {
		/* 550, 551, 553: no such mailbox (RFC 5321, 4.2.3). */
		bool is_final = status == 550 || status == 551 || status == 553;
		return code == CURLE_SEND_ERROR && is_final ? ERR_DENIED : ERR_REMOTE;
	}
	bool is_input = code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL ||
		code == CURLE_LOGIN_DENIED;
	long redirects = 0;
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_COUNT, &redirects);
	return is_input && redirects == 0 ? ERR_INPUT : ERR_REMOTE;
}

static struct str cause_of(const struct transfer *transfer, CURLcode code)
{
	if (transfer->refused != ERR_OK) {
		return transfer->refused_cause;
	}
	if (transfer->is_address_denied && code == CURLE_COULDNT_CONNECT) {
		return STR("an address that network.allow_addresses lacks");
	}
	return transfer->curl_text[0] != '\0' ? str_of(transfer->curl_text)
										  : str_of(curl_easy_strerror(code));
}

void transfer_end(struct transfer *transfer, CURLcode code)
{
	curl_off_t sending_us = 0; /* when it could begin; of a connection that is used again, too */
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &sending_us);
	struct fetch_end end = {.err = err_of(transfer, code), .is_unconnected = sending_us == 0};
	way_note(transfer, code);
	metric_add(&outcomes[outcome_of(end.err)], 1);
	if (end.err == ERR_OK) {
		metric_observe_us(&duration, clock_mono_us() - transfer->started_us);
		long status = 0;
		const char *url = NULL;
		(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
		(void)curl_easy_getinfo(transfer->easy, CURLINFO_EFFECTIVE_URL, &url);
		end.answer = (struct fetched){
			.status = (int)status,
			.body = buf_str(&transfer->body),
			.final_url = str_of(url),
			.headers = transfer->answer_headers.p,
			.header_count = transfer->answer_headers.n,
		};
	} else {
		end.cause = cause_of(transfer, code);
	}
	transfer->finished(transfer->data, &end);
}

/* --- HTTP ----------------------------------------------------------------------------------------------- */

/* @return false for a control character, which would begin another header or request */
static bool is_one_line(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if ((c < ' ' && c != '\t') || c == 0x7F) {
			return false;
		}
	}
	return true;
}

static bool add_headers(struct transfer *transfer, const struct fetch *fetch)
{
	/* No waiting for leave to send a large body. */
	transfer->headers = curl_slist_append(NULL, "Expect:");
	for (size_t i = 0; i < fetch->header_count; i++) {
		const struct fetch_header *header = &fetch->headers[i];
		if (!is_one_line(header->name) || !is_one_line(header->value)) {
			return false;
		}
		/* `name;` is how libcurl wants an empty value. */
		const char *line = header->value.n == 0
			? arena_printf(transfer->arena, "%.*s;", STR_ARG(header->name))
			: arena_printf(transfer->arena, "%.*s: %.*s", STR_ARG(header->name),
				  STR_ARG(header->value));
		transfer->headers = curl_slist_append(transfer->headers, line);
	}
	(void)curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
	return true;
}

static void set_method(struct transfer *transfer, const struct fetch *fetch)
{
	CURL *easy = transfer->easy;
	if (strcmp(fetch->method, "GET") == 0) {
		(void)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
		return;
	}
	if (strcmp(fetch->method, "HEAD") == 0) {
		(void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
		return;
	}
	struct str body = str_dup(transfer->arena, fetch->body);
	(void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
	(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.p);
	(void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, fetch->method);
}

static void set_limits(struct transfer *transfer, const struct fetch *fetch)
{
	CURL *easy = transfer->easy;
	const char *protocols = fetch->is_https_only ? "https" : "http,https";
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, protocols);
	(void)curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, protocols);
	(void)curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
	(void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, fetch->redirects_allowed > 0 ? 1L : 0L);
	(void)curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)fetch->redirects_allowed);
	(void)curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
	(void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	(void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	if (fetch->connect_timeout_ms > 0) {
		limit_connecting(easy, fetch->connect_timeout_ms);
	}
	buf_init(&transfer->body, fetch->answer_ceiling_bytes);
	transfer->is_any_address = fetch->is_administrators;
	if (fetch->is_administrators) {
		/* Version 1.1: with 2 others could join it while it is under way. */
		(void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
		(void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	}
}

/* A host as libcurl writes it in a list of ways. */
static const char *way_host(struct arena *arena, struct str host)
{
	bool is_ipv6 = str_find_byte(host, ':') != SIZE_MAX;
	return arena_printf(arena, is_ipv6 ? "[%.*s]" : "%.*s", STR_ARG(host));
}

/* Where to connect instead of the URL's host: as the caller says, or as the configuration says, for redirects too. */
static void set_way(struct transfer *transfer, const struct fetch *fetch)
{
	const struct http_client_config *config = client_config(transfer->client);
	struct arena *arena = transfer->arena;
	struct str host = fetch->connect_host;
	unsigned port = fetch->connect_port;
	if (host.n > 0) {
		const struct detour *detour =
			detour_find(config->detours, config->detour_count, host, fetch->connect_port);
		host = detour != NULL ? detour->to_host : host;
		port = detour != NULL ? detour->to_port : port;
		transfer->connect_host = str_dup(arena, host);
		transfer->connect_port = port;
		transfer->connect_to =
			curl_slist_append(NULL, arena_printf(arena, "::%s:%u", way_host(arena, host), port));
	}
	for (size_t i = 0; i < config->detour_count && host.n == 0; i++) {
		const struct detour *detour = &config->detours[i];
		transfer->connect_to = curl_slist_append(transfer->connect_to,
			arena_printf(arena, "%s:%u:%s:%u", way_host(arena, detour->host),
				(unsigned)detour->port, way_host(arena, detour->to_host),
				(unsigned)detour->to_port));
	}
	if (transfer->connect_to != NULL) {
		(void)curl_easy_setopt(transfer->easy, CURLOPT_CONNECT_TO, transfer->connect_to);
	}
}

/* @return NULL, or why the request is refused as it stands */
static const char *set_up(struct transfer *transfer, const struct fetch *fetch)
{
	CURL *easy = transfer->easy;
	if (!str_starts_with(fetch->url, STR("https://")) &&
		(fetch->is_https_only || !str_starts_with(fetch->url, STR("http://")))) {
		return "no URL that may be asked";
	}
	if (!is_one_line(fetch->url)) {
		return "control characters in the URL";
	}
	if (!add_headers(transfer, fetch)) {
		return "control characters in a header";
	}
	(void)curl_easy_setopt(easy, CURLOPT_URL, str_cstr(transfer->arena, fetch->url));
	struct str agent = client_config(transfer->client)->user_agent;
	(void)curl_easy_setopt(easy, CURLOPT_USERAGENT, str_cstr(transfer->arena, agent));
	set_method(transfer, fetch);
	set_limits(transfer, fetch);
	set_way(transfer, fetch);
	way_set_up(transfer, fetch);
	transfer->takes_beginning = fetch->takes_beginning;
	transfer->sink = fetch->sink;
	transfer->sink_data = fetch->sink_data;
	return NULL;
}

void http_client_start(struct http_client *client, const struct fetch *fetch,
	fetch_finished *finished, void *data)
{
	struct transfer *transfer = transfer_new(client, fetch->timeout_ms);
	transfer->finished = finished;
	transfer->data = data;
	const char *refusal = set_up(transfer, fetch);
	if (refusal != NULL) {
		transfer_refuse(transfer, ERR_INPUT, refusal);
		transfer_end(transfer, CURLE_URL_MALFORMAT);
		transfer_destroy(transfer);
		return;
	}
	client_submit(client, transfer);
}

enum err http_client_fetch(struct ctx *ctx, struct http_client *client, const struct fetch *fetch,
	struct fetched *out)
{
	struct fetch within = *fetch;
	within.timeout_ms = client_time_left_ms(ctx, fetch->timeout_ms);
	struct client_waiter *waiter = client_waiter_new(ctx);
	http_client_start(client, &within, client_wait_finished, waiter);
	return client_wait(waiter, out);
}

struct str fetched_header(const struct fetched *fetched, const char *name)
{
	for (size_t i = 0; i < fetched->header_count; i++) {
		if (str_equals_nocase(fetched->headers[i].name, str_of(name))) {
			return fetched->headers[i].value;
		}
	}
	return (struct str){0};
}
