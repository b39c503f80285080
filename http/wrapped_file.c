/*
 * Three pieces that are sent as one. A file that turns out to be shorter than it was breaks the connection off: the length has
 * been told.
 */
#include "http/wrapped_file.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"

enum { PIECE_BYTES = 64 * 1024 };

struct wrapped_file {
	int fd;
	uint64_t size_bytes;
	struct str before; /* heap */
	struct str after;  /* heap */
};

static ssize_t copy(char *out, size_t room, struct str from, uint64_t at)
{
	size_t n = MIN_OF(room, from.n - (size_t)at);
	memcpy(out, from.p + at, n);
	return (ssize_t)n;
}

static ssize_t read_piece(void *data, uint64_t at, char *out, size_t room)
{
	const struct wrapped_file *file = data;
	if (at < file->before.n) {
		return copy(out, room, file->before, at);
	}
	at -= file->before.n;
	if (at >= file->size_bytes) {
		return copy(out, room, file->after, at - file->size_bytes);
	}
	ssize_t n =
		pread(file->fd, out, (size_t)MIN_OF((uint64_t)room, file->size_bytes - at), (off_t)at);
	return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void release(void *data)
{
	struct wrapped_file *file = data;
	(void)close(file->fd);
	str_free(file->before);
	str_free(file->after);
	mem_free(file);
}

struct MHD_Response *wrapped_file_response(int fd, uint64_t size_bytes, struct str before,
	struct str after)
{
	struct wrapped_file *file = mem_alloc(sizeof(*file));
	*file = (struct wrapped_file){fd, size_bytes, str_heap(before), str_heap(after)};
	return MHD_create_response_from_callback(before.n + size_bytes + after.n, PIECE_BYTES,
		read_piece, file, release);
}
