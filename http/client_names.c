/*
 * libcurl would start a thread for each name that it has to look up. It tells before it does so, and not for a connection that is used again nor
 * for a name that it knows; so there it is made to break off, the name is looked up by http/dns, and the transfer begins anew with
 * the addresses, which libcurl keeps for a minute. Nothing was sent yet, but for requests that were redirected: those are
 * repeated. Addresses are checked when their socket is opened, as ever.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/client_inner.h"
#include "http/detour.h"
#include "http/dns.h"

enum { MAX_LOOK_UPS = 8, /* of one transfer */ };

/* --- which name ------------------------------------------------------------------------------------------ */

/* @return the part in the transfer's arena; p == NULL when there is none */
static struct str part_of(struct arena *arena, CURLU *url, CURLUPart part, unsigned flags)
{
	char *text = NULL;
	if (curl_url_get(url, part, &text, flags) != CURLUE_OK) {
		return (struct str){0};
	}
	struct str copy = str_dup(arena, str_of(text));
	curl_free(text);
	return copy;
}

/* Where the URL leads that is asked now, which may be that of a redirect. */
static bool find_end_of_url(struct transfer *transfer, struct str *out_host, unsigned *out_port)
{
	const char *text = NULL;
	(void)curl_easy_getinfo(transfer->easy, CURLINFO_EFFECTIVE_URL, &text);
	CURLU *url = curl_url();
	invariant(url != NULL);
	int64_t port = 0;
	struct str host = {0};
	if (text != NULL && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK) {
		host = part_of(transfer->arena, url, CURLUPART_HOST, CURLU_PUNYCODE);
		struct str number = part_of(transfer->arena, url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
		host =
			number.p != NULL && str_to_int(number, 1, UINT16_MAX, &port) ? host : (struct str){0};
	}
	curl_url_cleanup(url);
	*out_host = host;
	*out_port = (unsigned)port;
	return host.n > 0;
}

/* The name and port that libcurl connects to. */
static bool find_end(struct transfer *transfer, struct str *out_host, unsigned *out_port)
{
	if (transfer->connect_host.n > 0) {
		*out_host = transfer->connect_host;
		*out_port = transfer->connect_port;
		return true;
	}
	if (!find_end_of_url(transfer, out_host, out_port)) {
		return false;
	}
	const struct http_client_config *config = client_config(transfer->client);
	const struct detour *detour =
		detour_find(config->detours, config->detour_count, *out_host, (uint16_t)*out_port);
	if (detour != NULL) {
		*out_host = detour->to_host;
		*out_port = detour->to_port;
	}
	return true;
}

/* What libcurl finds by itself, without a thread. */
static bool is_known_to_libcurl(struct str host)
{
	struct address ignored;
	return str_starts_with(host, STR("[")) || address_parse(host, &ignored) ||
		str_equals_nocase(host, STR("localhost"));
}

/* @return whether the transfer is broken off */
static int on_missing(void *resolver, void *reserved, void *data)
{
	(void)resolver;
	(void)reserved;
	struct transfer *transfer = data;
	struct str host;
	unsigned port;
	if (!find_end(transfer, &host, &port)) {
		return 1;
	}
	if (is_known_to_libcurl(host)) {
		return 0;
	}
	if (transfer->look_ups < MAX_LOOK_UPS) {
		transfer->missing_name = host;
		transfer->missing_port = port;
	}
	return 1;
}

void names_set_up(struct transfer *transfer)
{
	(void)curl_easy_setopt(transfer->easy, CURLOPT_RESOLVER_START_FUNCTION, on_missing);
	(void)curl_easy_setopt(transfer->easy, CURLOPT_RESOLVER_START_DATA, transfer);
}

bool names_are_missing(const struct transfer *transfer, CURLcode code)
{
	return code == CURLE_COULDNT_RESOLVE_HOST && transfer->missing_name.n > 0;
}

/* --- its addresses ----------------------------------------------------------------------------------------- */

static void on_addresses(void *data, const struct dns_addresses_end *end)
{
	struct name_look_up *look_up = data;
	if (end->count > 0) {
		struct arena *arena CLEANUP(arena_cleanup) = arena_create();
		struct str list = str_of(look_up->entry);
		for (size_t i = 0; i < end->count; i++) {
			char text[ADDRESS_TEXT_BYTES];
			(void)address_write(&end->addresses[i], text);
			list = str_printf(arena, "%.*s%s%s", STR_ARG(list), i > 0 ? "," : "", text);
		}
		mem_free(look_up->entry);
		look_up->entry = mem_dup(list.p, list.n);
	} else {
		mem_free(look_up->entry);
		look_up->entry = NULL;
	}
	client_name_found(look_up->client, look_up);
}

void names_look_up(struct transfer *transfer)
{
	struct name_look_up *look_up = mem_alloc(sizeof(*look_up));
	struct str name = transfer->missing_name;
	/* "+": kept as long as what libcurl looks up itself. */
	struct str entry =
		str_printf(transfer->arena, "+%.*s:%u:", STR_ARG(name), transfer->missing_port);
	look_up->client = transfer->client;
	look_up->entry = mem_dup(entry.p, entry.n);
	look_up->transfer = transfer;
	transfer->look_up = look_up;
	transfer->missing_name = (struct str){0};
	transfer->look_ups++;
	dns_addresses_start(http_client_dns(transfer->client), name, on_addresses, look_up);
}

bool names_take(struct transfer *transfer, const struct name_look_up *found)
{
	int64_t left_ms = transfer->deadline_ms - clock_os_ms();
	if (found->entry == NULL || left_ms <= 0) {
		return false;
	}
	CURL *easy = transfer->easy;
	transfer->addresses = curl_slist_append(transfer->addresses, found->entry);
	(void)curl_easy_setopt(easy, CURLOPT_RESOLVE, transfer->addresses);
	(void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)left_ms);
	transfer->answer_headers.n = 0;
	transfer->answer_header_bytes = 0;
	transfer->curl_text[0] = '\0';
	return true;
}

void names_look_up_free(struct name_look_up *look_up)
{
	if (look_up != NULL) {
		mem_free(look_up->entry);
		mem_free(look_up);
	}
}
