/*
 * Full pieces go to the body writer, while the I/O thread receives the next; a body that fits into one piece never does. Flushing, which
 * waits for the disk, is left to the worker that keeps the file.
 */
#include "http/body.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/rand.h"

static struct metric failed_counter = METRIC_COUNTER("belfry_http_body_write_failures_total",
	"Uploads that could not be written to disk");

/* Pieces are gathered to what is worth handing over: whole pages, few calls. */
enum { GATHER_BYTES = 128 * 1024 };

struct body {
	struct body_file file;
	struct body_writer *writer;
	struct body_tail tail; /* holds the piece before the one that is gathered */
	char *gathered;        /* GATHER_BYTES; NULL: nothing is gathered */
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

struct body *body_create(struct body_writer *writer, const char *folder, uint64_t request_id)
{
	const struct rng rng = rng_os();
	struct arena *arena CLEANUP(arena_cleanup) = arena_create();
	struct str name = rng_text(&rng, arena, 24);
	struct str path = str_printf(arena, "%s/%.*s", folder, STR_ARG(name));
	struct body *body = mem_alloc(sizeof(*body) + path.n + 1);
	memcpy(body->path, path.p, path.n);
	body->file.path = body->path;
	body->request_id = request_id;
	body->writer = writer;
	body->file.fd = open(body->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (body->file.fd < 0) {
		log_failure(body, "create");
		body_destroy(body);
		return NULL;
	}
	body->tail.fd = body->file.fd;
	body->tail.hash = sha256_create();
	return body;
}

void body_destroy(struct body *body)
{
	if (body == NULL) {
		return;
	}
	body_writer_give_up(body->writer, &body->tail);
	if (body->file.fd >= 0) {
		(void)close(body->file.fd);
		(void)unlink(body->path); /* none there when it was kept under another name */
	}
	sha256_destroy(body->tail.hash);
	mem_free(body->gathered);
	mem_free(body);
}

static bool log_unwritten(const struct body *body)
{
	errno = body->tail.error;
	log_failure(body, "write");
	return false;
}

/* Hands over what was gathered, once the piece before it is written. */
static bool hand_over(struct body *body)
{
	if (!body_writer_settle(body->writer, &body->tail)) {
		return log_unwritten(body);
	}
	body->tail.bytes = body->gathered;
	body->tail.n = body->gathered_n;
	body->gathered = NULL;
	body->gathered_n = 0;
	body_writer_push(body->writer, &body->tail);
	return true;
}

bool body_add(struct body *body, struct str piece)
{
	body->file.size_bytes += (int64_t)piece.n;
	while (piece.n > 0) {
		if (body->gathered == NULL) {
			body->gathered = mem_realloc(NULL, GATHER_BYTES);
		}
		size_t n = MIN_OF(piece.n, (size_t)GATHER_BYTES - body->gathered_n);
		memcpy(body->gathered + body->gathered_n, piece.p, n);
		body->gathered_n += n;
		piece = str_slice(piece, n, piece.n);
		if (body->gathered_n == GATHER_BYTES && !hand_over(body)) {
			return false;
		}
	}
	return true;
}

bool body_end(struct body *body)
{
	struct str rest = str_from(body->gathered, body->gathered_n);
	if (!body_writer_settle(body->writer, &body->tail) || !body_tail_write(&body->tail, rest)) {
		return log_unwritten(body);
	}
	sha256_end(body->tail.hash, body->file.sha256);
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
