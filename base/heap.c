/*
 * Connections, large answers and password hashes that are gone leave holes in the heap, of whole pages. What the C library counts as unused does not say whether the system has
 * these pages: a hole that is used again and again has them each time, with the same count. So what the process has is asked of the system.
 */
#include "base/heap.h"

#include "base/defs.h"
#include "base/str.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

enum { GIVE_BACK_BYTES = 2 * 1024 * 1024 };

/* Numbers of pages in /proc/self/statm: of the address space, resident, of those from files. */
static bool read_pages(struct str text, int64_t *out_resident, int64_t *out_of_files)
{
	struct str size;
	struct str resident;
	struct str of_files;
	return str_split(text, ' ', &size, &text) && str_split(text, ' ', &resident, &text) &&
		str_split(text, ' ', &of_files, &text) &&
		str_to_int(resident, 0, INT64_MAX, out_resident) &&
		str_to_int(of_files, 0, *out_resident, out_of_files);
}

/* Own memory, of the heap, of stacks and what the libraries have written to; 0: the system does not say. */
static size_t own_bytes(void)
{
	char text[256];
	int64_t resident;
	int64_t of_files;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
	if (fd >= 0) {
		(void)close(fd);
	}
	bool is_read = n > 0 && read_pages(str_from(text, (size_t)n), &resident, &of_files);
	return is_read ? (size_t)(resident - of_files) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

/* Less than nothing where much that was given out was never written to: the system counts that only once it is. */
static int64_t idle_bytes(size_t used)
{
	return (int64_t)own_bytes() - (int64_t)used;
}

struct heap_bytes heap_tend(struct heap_watch *watch)
{
	struct mallinfo2 info = mallinfo2();
	struct heap_bytes heap = {.used = info.uordblks + info.hblkhd, .unused = info.fordblks};
	int64_t idle = idle_bytes(heap.used);
	if (idle > watch->idle_bytes + GIVE_BACK_BYTES) {
		(void)malloc_trim(0);
		watch->idle_bytes = idle_bytes(heap.used);
	} else {
		watch->idle_bytes = MIN_OF(watch->idle_bytes, idle);
	}
	return heap;
}
