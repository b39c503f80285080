/*
 * Preloaded into a server, gives it a wall clock that is wrong by as many seconds as the file that SOAK_CLOCK names says (eight
 * bytes, mapped, so it can change while the server runs). Monotonic clocks stay as they are: what measures durations is no
 * matter of the time of day. Spares libfaketime, whose locks make a server with many threads several times slower.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *skew_s;

__attribute__((constructor)) static void map_file(void)
{
	const char *path = getenv("SOAK_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0) {
		return;
	}
	void *map = mmap(NULL, sizeof(*skew_s), PROT_READ, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED) {
		skew_s = map;
	}
	close(fd);
}

/* By system call: the functions of the C library are what is replaced here. */
int clock_gettime(clockid_t id, struct timespec *out)
{
	int failed = (int)syscall(SYS_clock_gettime, id, out);
	if (failed == 0 && skew_s && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
		out->tv_sec += (time_t)*skew_s;
	}
	return failed;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	(void)zone;
	struct timespec now;
	int failed = clock_gettime(CLOCK_REALTIME, &now);
	out->tv_sec = now.tv_sec;
	out->tv_usec = now.tv_nsec / 1000;
	return failed;
}

time_t time(time_t *out)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (out) {
		*out = now.tv_sec;
	}
	return now.tv_sec;
}
