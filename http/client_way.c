/*
 * The way of a request, for whoever looks for a fault: how far it got is read from what libcurl tells of a connection, which stays 0 for what did not come about. Its connection is
 * a new one, since one that is used again shows neither.
 */
#include "http/client_inner.h"

void way_set_up(struct transfer *transfer, const struct fetch *fetch)
{
	CURL *easy = transfer->easy;
	transfer->way = fetch->way;
	if (fetch->way != NULL) {
		(void)curl_easy_setopt(easy, CURLOPT_CERTINFO, 1L);
		(void)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	}
	if (fetch->trusts_anybody) {
		(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
		(void)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	}
}

static enum fetch_reach reach_of(CURL *easy, CURLcode code)
{
	curl_off_t tls_us = 0;
	long local_port = 0;
	(void)curl_easy_getinfo(easy, CURLINFO_APPCONNECT_TIME_T, &tls_us);
	(void)curl_easy_getinfo(easy, CURLINFO_LOCAL_PORT, &local_port);
	if (code == CURLE_OK) {
		return FETCH_ANSWERED;
	}
	if (code == CURLE_COULDNT_RESOLVE_HOST) {
		return FETCH_NO_ADDRESS;
	}
	if (code == CURLE_COULDNT_CONNECT || local_port == 0) {
		return FETCH_NO_CONNECTION;
	}
	return tls_us > 0 ? FETCH_NO_ANSWER : FETCH_NO_TLS;
}

static void note_certificate(struct fetch_way *way, const struct curl_slist *lines)
{
	for (; lines != NULL; lines = lines->next) {
		struct str name;
		struct str value;
		if (!str_split(str_of(lines->data), ':', &name, &value)) {
			continue;
		}
		struct str *out = str_equals(name, STR("Subject"))             ? &way->subject
			: str_equals(name, STR("Issuer"))                          ? &way->issuer
			: str_equals(name, STR("Expire date"))                     ? &way->until
			: str_equals(name, STR("X509v3 Subject Alternative Name")) ? &way->names
																	   : NULL;
		if (out != NULL) {
			*out = str_dup(way->arena, str_trim(value));
		}
	}
}

void way_note(struct transfer *transfer, CURLcode code)
{
	struct fetch_way *way = transfer->way;
	if (way == NULL) {
		return;
	}
	CURL *easy = transfer->easy;
	const char *address = NULL;
	long port = 0;
	struct curl_certinfo *chain = NULL;
	way->reach = reach_of(easy, code);
	(void)curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &address);
	(void)curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port);
	(void)curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain);
	way->address = address != NULL ? str_dup(way->arena, str_of(address)) : STR("");
	way->port = (uint16_t)port;
	if (chain != NULL && chain->num_of_certs > 0) {
		note_certificate(way, chain->certinfo[0]);
	}
}
