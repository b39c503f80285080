/*
 * Why the I/O thread writes: taking 64 KiB into the page cache costs less than handing them to another thread would. Flushing, which waits for the disk, is left to the worker that keeps the file.
 */
#include "http/body.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fault_point.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/rand.h"

static struct metric failed_counter = METRIC_COUNTER("belfry_http_body_write_failures_total",
	"Uploads that could not be written to disk");

/* Pieces are gathered to what the page cache takes best: whole pages, few calls. */
enum { GATHER_BYTES = 64 * 1024 };

struct body {
	struct body_file file;
	struct sha256 *hash;
	char *gathered; /* GATHER_BYTES */
	size_t gathered_n;
	uint64_t request_id;
	char path[]; /* file.path */
};

static void log_failure(const struct body *body, const char *action)
{
	char text[128];
	metric_add(&failed_counter, 1);
	log_error(body->request_id, "http.body.not_written", "action=%s path=%s cause=\"%s\"", action,
		body->path, strerror_r(errno, text, sizeof(text)));
}

struct body *body_create(const char *folder, uint64_t request_id)
{
	const struct rng rng = rng_os();
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str name = rng_text(&rng, arena, 24);
	struct str path = str_printf(arena, "%s/%.*s", folder, STR_ARG(name));
	struct body *body = mem_alloc(sizeof(*body) + path.n + 1);
	memcpy(body->path, path.p, path.n);
	body->file.path = body->path;
	body->request_id = request_id;
	body->file.fd = open(body->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (body->file.fd < 0) {
		log_failure(body, "create");
		body_destroy(body);
		return NULL;
	}
	body->hash = sha256_create();
	body->gathered = mem_realloc(NULL, GATHER_BYTES);
	return body;
}

void body_destroy(struct body *body)
{
	if (body == NULL) {
		return;
	}
	if (body->file.fd >= 0) {
		(void)close(body->file.fd);
		(void)unlink(body->path); /* none there when it was kept under another name */
	}
	sha256_destroy(body->hash);
	mem_free(body->gathered);
	mem_free(body);
}

/* Hashes and writes what was gathered. */
static bool flush(struct body *body)
{
	struct str rest = str_from(body->gathered, body->gathered_n);
	sha256_add(body->hash, rest);
	body->gathered_n = 0;
	while (rest.n > 0) {
		ssize_t n = FAULT_POINT("media.write") ? -1 : write(body->file.fd, rest.p, rest.n);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			log_failure(body, "write");
			return false;
		}
		rest = str_slice(rest, (size_t)n, rest.n);
	}
	return true;
}

bool body_add(struct body *body, struct str piece)
{
	body->file.size_bytes += (int64_t)piece.n;
	while (piece.n > 0) {
		size_t n = MIN_OF(piece.n, (size_t)GATHER_BYTES - body->gathered_n);
		memcpy(body->gathered + body->gathered_n, piece.p, n);
		body->gathered_n += n;
		piece = str_slice(piece, n, piece.n);
		if (body->gathered_n == GATHER_BYTES && !flush(body)) {
			return false;
		}
	}
	return true;
}

bool body_end(struct body *body)
{
	if (!flush(body)) {
		return false;
	}
	sha256_end(body->hash, body->file.sha256);
	mem_free(body->gathered);
	body->gathered = NULL;
	return true;
}

int64_t body_size(const struct body *body)
{
	return body->file.size_bytes;
}

const struct body_file *body_file(const struct body *body)
{
	return &body->file;
}
