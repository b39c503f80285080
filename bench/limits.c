/*
 * What this machine can do at most: the physical limits beside which the homeservers' figures stand.
 *
 * usage: bench-limits serve PORT         a bare answer of libmicrohttpd on 127.0.0.1, of as many bytes as the path's last word says, until standard input ends
 *        bench-limits measure FOLDER     fdatasync of a file there, a signature: one line of JSON
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/mem.h"

enum {
	THREADS = 2,
	CONNECTIONS = 20000,
	ANSWER_MAX_BYTES = 16 << 20,
	BLOCK_BYTES = 8192,
	TIMES = 300
};

/* What a thread answered last: an answer is made once for all who want as many bytes. */
static _Thread_local struct {
	struct MHD_Response *response;
	int64_t bytes;
} kept;

static struct MHD_Response *response_of(int64_t bytes, void *text)
{
	if (kept.bytes != bytes) {
		if (kept.response != NULL) {
			MHD_destroy_response(kept.response);
		}
		kept.response =
			MHD_create_response_from_buffer((size_t)bytes, text, MHD_RESPMEM_PERSISTENT);
		kept.bytes = bytes;
		(void)MHD_add_response_header(kept.response, "Content-Type", "application/json");
	}
	return kept.response;
}

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *body, size_t *body_bytes, void **state)
{
	(void)method, (void)version, (void)body;
	static char seen;
	if (*state == NULL) { /* an answer before the request's end would close the connection */
		*state = &seen;
		return MHD_YES;
	}
	*body_bytes = 0;
	const char *slash = strrchr(url, '/');
	int64_t wanted;
	if (slash == NULL || !str_to_int(str_of(slash + 1), 1, ANSWER_MAX_BYTES, &wanted)) {
		return MHD_NO;
	}
	return MHD_queue_response(connection, MHD_HTTP_OK, response_of(wanted, cls));
}

/* As Belfry's listeners do it: epoll, as many threads. */
static int serve(const char *port)
{
	int64_t number;
	if (!str_to_int(str_of(port), 1, UINT16_MAX, &number)) {
		return 2;
	}
	char *text =
		mem_alloc(ANSWER_MAX_BYTES); /* a number of many digits: JSON, however much of it */
	memset(text, '1', ANSWER_MAX_BYTES);
	const struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)number),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct MHD_Daemon *daemon =
		MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer, text,
			MHD_OPTION_SOCK_ADDR, (const struct sockaddr *)&at, MHD_OPTION_THREAD_POOL_SIZE,
			(unsigned)THREADS, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_END);
	if (daemon == NULL) {
		return 1;
	}
	(void)printf("ready\n");
	(void)fflush(stdout);
	(void)getchar();
	MHD_stop_daemon(daemon);
	mem_free(text);
	return 0;
}

static int by_value(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* Median microseconds of a block that is appended and flushed. */
static int64_t flush_us(const char *folder)
{
	static const char block[BLOCK_BYTES];
	char path[4096];
	(void)snprintf(path, sizeof(path), "%s/flush", folder);
	const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (file < 0) {
		return 0;
	}
	(void)posix_fallocate(file, 0, (off_t)BLOCK_BYTES * TIMES);
	(void)fsync(file);
	int64_t times[TIMES];
	for (int i = 0; i < TIMES; i++) {
		const int64_t begun_us = clock_mono_us();
		if (write(file, block, sizeof(block)) != BLOCK_BYTES || fdatasync(file) != 0) {
			break;
		}
		times[i] = clock_mono_us() - begun_us;
	}
	(void)close(file);
	(void)unlink(path);
	qsort(times, TIMES, sizeof(*times), by_value);
	return times[TIMES / 2];
}

static double signature_us(void)
{
	static const unsigned char seed[ED25519_SEED_BYTES] = {1, 2, 3};
	static const char text[512];
	struct ed25519_key *key = ed25519_key_create(seed);
	unsigned char signature[ED25519_SIGNATURE_BYTES];
	const int64_t begun_us = clock_mono_us();
	for (int i = 0; i < TIMES; i++) {
		ed25519_sign(key, str_from(text, sizeof(text)), signature);
	}
	const int64_t took_us = clock_mono_us() - begun_us;
	ed25519_key_destroy(key);
	return (double)took_us / TIMES;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0) {
		return serve(argv[2]);
	}
	if (argc != 3 || strcmp(argv[1], "measure") != 0) {
		(void)fprintf(stderr, "usage: bench-limits serve PORT | measure FOLDER\n");
		return 2;
	}
	(void)printf("{\"flush_us\": %lld, \"signature_us\": %.1f}\n", (long long)flush_us(argv[2]),
		signature_us());
	return 0;
}
